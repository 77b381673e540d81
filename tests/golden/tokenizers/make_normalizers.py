#!/usr/bin/env python3
"""Writes normalizers.json.gz: what tokenizers' Nmt and BertNormalizer make of every code point, as ranges [first, last].

Run: python make_normalizers.py. Made with tokenizers 0.23.3.
Also which code points their Punctuation cuts at and their StripAccents drops.
Content: NAME: {"drops": ranges that vanish, "blanks": ranges that become a space, "apart": ranges that get spaces around them}. Tolerance: none.
"""
import gzip
import json
import os

from tokenizers import normalizers, pre_tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
BERT = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
NORMALIZERS = {"nmt": normalizers.Nmt(), "clean_text": normalizers.BertNormalizer(**{**BERT, "clean_text": True}),
               "handle_chinese_chars": normalizers.BertNormalizer(**{**BERT, "handle_chinese_chars": True}), "strip_accents": normalizers.BertNormalizer(**{**BERT, "strip_accents": True})}


def ranges(codes):
    out = []
    for code in codes:
        if out and out[-1][1] == code - 1:
            out[-1][1] = code
        else:
            out.append([code, code])
    return out


value = {}
for name, normalizer in NORMALIZERS.items():
    found = {"drops": [], "blanks": [], "apart": []}
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        c = chr(code)
        text = normalizer.normalize_str("a" + c + "b")
        kind = {"ab": "drops", "a b": "blanks", f"a {c} b": "apart"}.get(text)
        if kind and not (kind == "blanks" and c == " "):
            found[kind].append(code)
        elif text != "a" + c + "b":
            assert name == "strip_accents", (name, hex(code), text)  # decomposed
    value[name] = {kind: ranges(codes) for kind, codes in found.items()}
codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
punctuation, accents = pre_tokenizers.Punctuation(), normalizers.StripAccents()
value["punctuation"] = ranges(c for c in codes if len(punctuation.pre_tokenize_str("a" + chr(c) + "b")) > 1)
value["accents"] = ranges(c for c in codes if accents.normalize_str("a" + chr(c)) == "a")
with open(os.path.join(HERE, "normalizers.json.gz"), "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=9) as f:
    f.write(json.dumps(value, separators=(",", ":")).encode())
print({name: {kind: len(r) for kind, r in v.items()} if isinstance(v, dict) else len(v) for name, v in value.items()})
