#!/usr/bin/env python3
"""Writes bert.json.gz: what transformers' BertTokenizer (bert-base-uncased, with [DEC] and [ENC] as BLIP adds them) makes of corpus.py's strings.

Run: python make_bert.py
Needs: transformers 4.27.4 (the slow, pure Python tokenizer, which image-reward 1.5 uses; later ones are other code), Python 3.11 (Unicode 14).
Content: ids: the first strings' ids without [CLS] and [SEP]; crc: CRC-32 of every string's ids as little-endian int32; extra: [text, ids] of
strings around the special tokens; cut: [text, ids] at max_length 35 with truncation. Tolerance: none.
"""
import gzip
import json
import os
import struct
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import corpus  # noqa: E402
import transformers  # noqa: E402
from transformers import BertTokenizer  # noqa: E402

assert transformers.__version__ == "4.27.4", transformers.__version__
VOCABULARY = os.path.join(HERE, "../../../plugins/rewards/image_reward/vocabulary/bert_base_uncased.txt.gz")
ROWS = 600
EXTRA = [
    "[CLS] a [SEP]", "[cls]a[sep]", "[DEC]x[ENC]", "a[MASK]b", "[MASK ]", "[PAD][PAD]", "[UNK]", "[unk]", " [ENC] ", "[ENC", "ENC]", "[[ENC]]", "\n[DEC]\n", "[CL\u200bS]", "[DEC]İ[DEC]",
    "é[SEP]\u0301x", "[\u0301CLS]", "a" * 99, "a" * 100, "a" * 101, "é" * 100, "é" * 101, "ǖ" * 100, "漢" * 101, "##ing", "un##able", "# #", "İİ", "Σ ΑΣ", "ẞ", "ﬁ", "\u1fef", "\u037e", "\u212b",
    "한국어", "\u2028a\u2029b", "a\x85b", "a\x1cb", "\u180e", "\u2000\u2001x", "\ud7fb\u1100\u11a8", "x\u3000y", "\u00adsoft", "\U0001f468\u200d\U0001f469", "\u3400\u4dbf\U00020000\U0002a6df\uf900\U0002f800",
    "a painting of an ocean with clouds and birds, day time, low depth field effect", "¡¿", "$+<=>^`|~", "©®°±", "…—–", "₩₹€",
]

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "vocab.txt")
    with open(path, "wb") as f:
        f.write(gzip.open(VOCABULARY).read())
    t = BertTokenizer(path)
# As ImageReward/models/BLIP/blip.py, init_tokenizer.
t.add_special_tokens({"bos_token": "[DEC]"})
t.add_special_tokens({"additional_special_tokens": ["[ENC]"]})

texts = corpus.strings()
rows = [t(s, add_special_tokens=False)["input_ids"] for s in texts]
cut = []
for s, row in zip(texts, rows):
    out = t(s, padding="max_length", truncation=True, max_length=35)
    ids = [101] + row[:33] + [102]
    assert out["input_ids"] == ids + [0] * (35 - len(ids)) and sum(out["attention_mask"]) == len(ids), s
    if len(row) > 33 and len(cut) < 20:
        cut.append([s, ids])
value = {
    "ids": rows[:ROWS],
    "crc": [zlib.crc32(struct.pack(f"<{len(r)}i", *r)) for r in rows],
    "extra": [[s, t(s, add_special_tokens=False)["input_ids"]] for s in EXTRA],
    "cut": cut,
}
with open(os.path.join(HERE, "bert.json.gz"), "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=9) as f:
    f.write(json.dumps(value, separators=(",", ":")).encode())
print(len(rows), "strings")
