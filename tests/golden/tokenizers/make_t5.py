#!/usr/bin/env python3
"""Small SentencePiece models in T5's layout and the ids that sentencepiece and transformers give for corpus.py's strings.

Writes below t5/: NAME.model.gz (spiece.model), t5.tokenizer.json.gz (transformers' conversion), NAME.ids.json.gz (sentencepiece, with </s>; of every string for t5, of every eighth for the others) and
t5.json_ids.json.gz (tokenizers; only the rows that differ from sentencepiece's, by number).

Run: python make_t5.py [--full]     --full checks only, with the whole nmt_nfkc table and 2,000 pieces: prints how many strings differ, writes nothing
Needs: sentencepiece 0.2.3, tokenizers 0.23.3, transformers 5.23.0. Python 3.11 (Unicode 14).
Tolerance of the tests: none; the ids are equal. The committed models have a part of the nmt_nfkc table, since the whole has 130 KB gzipped.
"""
import gzip
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import corpus  # noqa: E402

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "t5")


def pack(name, data):
    with open(os.path.join(HERE, name), "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=9) as f:
        f.write(data)


def table():
    """nmt_nfkc as (key, value) pairs, read from the double array that the package carries."""
    import sentencepiece
    path = os.path.join(os.path.dirname(sentencepiece.__file__), "package_data", "nmt_nfkc.bin")
    blob = open(path, "rb").read()
    size = struct.unpack("<I", blob[:4])[0]
    units = struct.unpack(f"<{size // 4}I", blob[4:4 + size])
    texts = blob[4 + size:]

    def offset(u):
        return (u >> 10) << ((u & 512) >> 6)
    found = []

    def walk(position, key):
        for byte in range(1, 256):
            at = position ^ byte
            if at >= len(units) or units[at] & 0x800000FF != byte:
                continue
            below = at ^ offset(units[at])
            if units[at] >> 8 & 1:
                value = units[below] & 0x7FFFFFFF
                found.append((key + bytes([byte]), texts[value:texts.index(b"\0", value)]))
            walk(below, key + bytes([byte]))
    walk(offset(units[0]), b"")
    return [(k.decode(), v.decode()) for k, v in found]


def part_of(pairs):
    """All rules for ASCII, Latin-1, white space and what has several characters in a row here and there; three in a thousand of the rest."""
    r = random.Random(3)
    kept = [(k, v) for k, v in pairs if ord(k[0]) < 0x100 and len(k) == 1 or v in (" ", "") or k in ("\uff35", "\uff80", "\uff70", "\uff9d", "ﬁ", "e\u0301", "u\u0308\u0304", "u\u0308")
            or r.random() < 0.003]
    return kept


def rules(path, pairs):
    with open(path, "w") as f:
        for key, value in pairs:
            f.write(" ".join(f"{ord(c):X}" for c in key) + "\t" + " ".join(f"{ord(c):X}" for c in value) + "\n")


def train(folder, name, **options):
    import sentencepiece
    r = random.Random(name)
    lines = [corpus.prompt(r) for _ in range(1500)] + [s.replace("\n", " ") for s in corpus.PLAIN if s.strip()]
    path = os.path.join(folder, "lines.txt")
    open(path, "w").write("\n".join(lines))
    sentencepiece.SentencePieceTrainer.train(input=path, model_prefix=os.path.join(folder, name), model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2, hard_vocab_limit=False, **options)
    return os.path.join(folder, name + ".model")


def sentencepiece_ids(path, texts):
    import sentencepiece
    s = sentencepiece.SentencePieceProcessor(model_file=path)
    return [s.encode(t) + [1] for t in texts]


def transformers_ids(path, texts, folder):
    from transformers import T5Tokenizer
    source, target = os.path.join(folder, "slow"), os.path.join(folder, "fast")
    os.makedirs(source, exist_ok=True)
    shutil.copy(path, os.path.join(source, "spiece.model"))
    t = T5Tokenizer.from_pretrained(source)
    t.save_pretrained(target)
    return [t(s)["input_ids"] for s in texts], open(os.path.join(target, "tokenizer.json"), "rb").read()


def main():
    texts = corpus.strings()
    with tempfile.TemporaryDirectory() as folder:
        tsv = os.path.join(folder, "rules.tsv")
        pairs = table()
        if "--full" in sys.argv:
            path = train(folder, "full", vocab_size=1000, character_coverage=0.9995, normalization_rule_name="nmt_nfkc")
            ids = sentencepiece_ids(path, texts)
            fast, _ = transformers_ids(path, texts, folder)
            print(f"nmt_nfkc has {len(pairs)} rules; {sum(a != b for a, b in zip(ids, fast))} of {len(texts)} strings differ between sentencepiece and tokenizers")
            if len(sys.argv) > 2:  # a program that prints the ids for (tokenizer folder, JSON file of strings)
                json.dump(texts, open(os.path.join(folder, "texts.json"), "w"))
                for which, reference in (("slow", ids), ("fast", fast)):
                    out = json.loads(subprocess.run([sys.argv[2], os.path.join(folder, which), os.path.join(folder, "texts.json")], capture_output=True, check=True).stdout)
                    print(which, sum(a != b for a, b in zip(out, reference)), "differ")
            return
        os.makedirs(HERE, exist_ok=True)
        kept = part_of(pairs)
        rules(tsv, kept)
        models = {
            "t5": dict(vocab_size=420, character_coverage=0.995, normalization_rule_tsv=tsv),
            "tiny": dict(vocab_size=200, character_coverage=0.98, normalization_rule_name="identity"),
            # Everything that T5's file leaves at its default.
            "bytes": dict(vocab_size=560, character_coverage=0.98, normalization_rule_name="identity", byte_fallback=True, add_dummy_prefix=False, remove_extra_whitespaces=False,
                          user_defined_symbols=["red", "a cat", "é", "▁▁"]),
            "suffix": dict(vocab_size=300, character_coverage=0.98, normalization_rule_name="identity", treat_whitespace_as_suffix=True, split_by_whitespace=False),
        }
        for name, options in models.items():
            path = train(folder, name, **options)
            ids = sentencepiece_ids(path, texts if name == "t5" else texts[::8])
            data = open(path, "rb").read()
            pack(f"{name}.model.gz", data)
            pack(f"{name}.ids.json.gz", json.dumps(ids, separators=(",", ":")).encode())
            print(name, len(data), "bytes")
            if name == "t5":
                fast, tokenizer_json = transformers_ids(path, texts, folder)
                different = {i: b for i, (a, b) in enumerate(zip(ids, fast)) if a != b}
                pack("t5.tokenizer.json.gz", json.dumps(json.loads(tokenizer_json), separators=(",", ":"), ensure_ascii=False).encode())
                pack("t5.json_ids.json.gz", json.dumps(different, separators=(",", ":")).encode())
                print(len(kept), "rules;", len(different), "strings differ between sentencepiece and tokenizers")


if __name__ == "__main__":
    main()
