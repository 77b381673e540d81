#!/usr/bin/env python3
"""Writes side_files.json.gz, or with --bert side_files_bert.json.gz: ids of tokenizers with added_tokens.json, special_tokens_map.json and tokenizer_config.json.

Run: python make_side_files.py [--bert]
Needs: transformers 5.24.0, tokenizers 0.23.3, sentencepiece 0.2.3; --bert: transformers 4.27.4, whose BertTokenizer is the one that the project follows.
Content: {"texts": [...], "cases": [{"name", "base", "files": {name: text}, "length"?, "crc"}]}. base: which vocabulary the folder has (bases() here, and in the test);
length: rows padded and cut to it; crc: CRC-32 of every text's ids as little-endian int32. Tolerance: none. T5 reads spiece.model by its own
library's rules, so a few texts may differ there as the parity test says.
"""
import gzip
import json
import os
import random
import shutil
import struct
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import corpus  # noqa: E402

ROOT = os.path.join(HERE, "../../..")
CLIP = os.path.join(ROOT, "plugins/rewards/clip/weights/tiny-clip")
SPRINT = os.path.join(ROOT, "plugins/generators/sana_sprint/weights/emoji-sprint/tokenizer/tokenizer.json")
BERT = os.path.join(ROOT, "plugins/rewards/image_reward/vocabulary/bert_base_uncased.txt.gz")


def bases(name):
    """File names and where they come from."""
    return {
        "clip": {"vocab.json": f"{CLIP}/vocab.json", "merges.txt": f"{CLIP}/merges.txt"},
        "clip_json": {"tokenizer.json": f"{CLIP}/tokenizer.json"},
        "gemma": {"tokenizer.json": SPRINT},
        "words": {"tokenizer.json": f"{HERE}/random_words.tokenizer.json"},
        "pieces": {"tokenizer.json": f"{HERE}/random_pieces.tokenizer.json"},
        "t5": {"spiece.model": f"{HERE}/t5/t5.model.gz"},
        "t5_json": {"tokenizer.json": f"{HERE}/t5/t5.tokenizer.json.gz"},
        "bert": {"vocab.txt": BERT},
    }[name]


def texts():
    r = random.Random(11)
    words = ["<sks>", "<SKS>", "<image>", "[X]", "[x]", "!", "#", "$", "zwx", "ZWX", "a photo", "A Photo", "<pad>", "<|startoftext|>", "<|STARTOFTEXT|>", "<|endoftext|>", "<bos>", "</s>",
             "<extra_id_0>", "<extra_id_7>", "[CLS]", "[MASK]", "cat", "red", "Café", "漢字", "É", "İ", "x", "?"]
    out = [s for s in corpus.strings()[::14] if "<mask>" not in s]
    out += ["".join(r.choice(words) + r.choice(["", "", " ", "  ", "\n", "a", "9"]) for _ in range(r.randint(1, 6))) for _ in range(330)]
    return out


def token(content, **flags):
    return {"content": content, **dict(dict(lstrip=False, normalized=False, rstrip=False, single_word=False, special=False), **flags)}


ENDS = {"802": token("<|startoftext|>", normalized=True, special=True), "803": token("<|endoftext|>", special=True)}
STABLE_DIFFUSION = dict(add_prefix_space=False, bos_token="<|startoftext|>", clean_up_tokenization_spaces=True, do_lower_case=True, eos_token="<|endoftext|>", errors="replace",
                        model_max_length=32, pad_token="!", tokenizer_class="CLIPTokenizer", unk_token="<|endoftext|>")


def clip_cases(sizes):
    n = sizes["clip"]
    decoder = {**ENDS, str(n): token("<sks>", lstrip=True, rstrip=True), str(n + 1): token("zwx", single_word=True, normalized=True), str(n + 2): token("[X]", special=True)}
    for base in ("clip", "clip_json"):
        yield "added_tokens", base, {"added_tokens.json": {"<sks>": n, "a photo": n + 1}}
        yield "decoder", base, {"tokenizer_config.json": dict(STABLE_DIFFUSION, added_tokens_decoder={**decoder, "0": token("!", special=True)})}
        yield "decoder_wins", base, {"tokenizer_config.json": dict(added_tokens_decoder=ENDS), "added_tokens.json": {"<sks>": n}, "special_tokens_map.json": {"pad_token": "!"}}
        yield "map", base, {"special_tokens_map.json": {"pad_token": token("!", normalized=True), "additional_special_tokens": ["[X]", "<sks>"]}, "added_tokens.json": {"[X]": n + 1, "<sks>": n},
                            "tokenizer_config.json": dict(pad_token="#", model_max_length=32)}
        yield "new_pad", base, {"tokenizer_config.json": dict(STABLE_DIFFUSION, pad_token="<pad>")}
        yield "split_special", base, {"tokenizer_config.json": dict(STABLE_DIFFUSION, pad_token="<|endoftext|>", split_special_tokens=True, added_tokens_decoder=decoder)}
        yield "other_ends", base, {"tokenizer_config.json": dict(bos_token="#", eos_token="$")}
        yield "named", base, {"tokenizer_config.json": dict(STABLE_DIFFUSION, extra_special_tokens={"image_token": "<image>"})}
        yield "extras", base, {"tokenizer_config.json": dict(additional_special_tokens=["[X]", "zwx"], model_max_length=1000000000000000019884624838656)}
        yield "lstrip_map", base, {"special_tokens_map.json": {"mask_token": token("<sks>", lstrip=True)}}


def other_cases(sizes):
    n = sizes["gemma"]
    four = {str(i): token(c, special=True) for i, c in enumerate(("<pad>", "<eos>", "<bos>", "<unk>"))}
    gemma = dict(tokenizer_class="GemmaTokenizerFast", add_bos_token=True, add_eos_token=False, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>", mask_token="<pad>",
                 padding_side="left", spaces_between_special_tokens=False, use_default_system_prompt=False, sp_model_kwargs={})
    yield "decoder", "gemma", {"tokenizer_config.json": dict(gemma, added_tokens_decoder={**four, str(n): token("<sks>", normalized=True), str(n + 1): token("a photo", normalized=True),
                                                                                           str(n + 2): token("[X]", lstrip=True)})}
    yield "added_tokens", "gemma", {"tokenizer_config.json": gemma, "added_tokens.json": {"<sks>": n}}
    n = sizes["words"]
    words = dict(tokenizer_class="PreTrainedTokenizerFast", unk_token="[UNK]")
    yield "decoder", "words", {"tokenizer_config.json": dict(words, added_tokens_decoder={str(n): token("zwx", normalized=True), str(n + 1): token("Café", normalized=True), "0": token("[UNK]", special=True),
                                                                                           "1": token("[CLS]", special=True, lstrip=True), "2": token("[SEP]", special=True)})}
    yield "map", "words", {"tokenizer_config.json": words, "special_tokens_map.json": {"pad_token": "<pad>", "additional_special_tokens": ["<sks>"]}}
    yield "plain", "pieces", {"tokenizer_config.json": words}
    n = sizes["t5"]
    t5 = dict(tokenizer_class="T5Tokenizer", eos_token="</s>", unk_token="<unk>", pad_token="<pad>", legacy=True, extra_ids=100, sp_model_kwargs={})
    for base in ("t5", "t5_json"):
        yield "added_tokens", base, {"added_tokens.json": {"<sks>": n}}
        yield "decoder", base, {"tokenizer_config.json": dict(t5, added_tokens_decoder={"0": token("<pad>", special=True), "1": token("</s>", special=True), "2": token("<unk>", special=True),
                                                                                         str(n): token("<sks>", rstrip=True), str(n + 1): token("[X]", special=True, lstrip=True)})}
        yield "extras", base, {"tokenizer_config.json": dict(t5, additional_special_tokens=[f"<extra_id_{i}>" for i in range(100)] + ["[X]"])}
    yield "extra_ids", "t5", {"tokenizer_config.json": dict(t5, extra_ids=5)}


def bert_cases():
    for name, config in {"cased": dict(do_lower_case=False), "cased_stripped": dict(do_lower_case=False, strip_accents=True), "lower_kept": dict(do_lower_case=True, strip_accents=False),
                         "no_ideographs": dict(tokenize_chinese_chars=False), "not_basic": dict(do_basic_tokenize=False), "not_basic_cased": dict(do_basic_tokenize=False, do_lower_case=False)}.items():
        yield name, "bert", {"tokenizer_config.json": config}
    yield "added", "bert", {"added_tokens.json": {"<sks>": 30522, "ZWX": 30523}}
    yield "added_cased", "bert", {"tokenizer_config.json": dict(do_lower_case=False), "added_tokens.json": {"<sks>": 30522, "ZWX": 30523}}
    yield "roles", "bert", {"special_tokens_map.json": {"cls_token": "[unused0]", "sep_token": "[unused1]", "additional_special_tokens": ["[X]"]}, "added_tokens.json": {"[X]": 30522}}


def fill(folder, base, files):
    for name, source in bases(base).items():
        with (gzip.open if source.endswith(".gz") else open)(source, "rb") as f, open(os.path.join(folder, name), "wb") as g:
            shutil.copyfileobj(f, g)
    for name, value in files.items():
        open(os.path.join(folder, name), "w").write(json.dumps(value))


def open_tokenizer(folder, base):
    import transformers
    name = {"clip": "CLIPTokenizer", "clip_json": "CLIPTokenizer", "gemma": "GemmaTokenizer", "words": "PreTrainedTokenizerFast", "pieces": "PreTrainedTokenizerFast", "bert": "BertTokenizer"}.get(base, "T5Tokenizer")
    return getattr(transformers, name).from_pretrained(folder)


def main():
    import transformers
    bert = "--bert" in sys.argv
    assert transformers.__version__ == ("4.27.4" if bert else "5.24.0"), transformers.__version__
    strings = texts()
    cases = []
    with tempfile.TemporaryDirectory() as root:
        def folder_of(base, files):
            folder = tempfile.mkdtemp(dir=root)
            fill(folder, base, files)
            return folder
        if bert:
            described = bert_cases()
        else:
            # Without the <mask> that transformers adds to Gemma's tokens of its own.
            sizes = {"clip": 804, "gemma": 1024, "words": len(open_tokenizer(folder_of("words", {"tokenizer_config.json": {}}), "words")), "t5": len(open_tokenizer(folder_of("t5", {}), "t5"))}
            described = list(clip_cases(sizes)) + list(other_cases(sizes))
        for name, base, files in described:
            t = open_tokenizer(folder_of(base, files), base)
            case = dict(name=name, base=base, files={k: json.dumps(v) for k, v in files.items()})
            if base.startswith("clip"):
                case["length"] = 32
                rows = [t(s, padding="max_length", truncation=True, max_length=32)["input_ids"] for s in strings]
            else:
                rows = [t(s)["input_ids"] for s in strings]
            case["crc"] = [zlib.crc32(struct.pack(f"<{len(r)}i", *r)) for r in rows]
            cases.append(case)
            print(base, name, len(t))
    target = "side_files_bert.json.gz" if bert else "side_files.json.gz"
    with open(os.path.join(HERE, target), "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=9) as f:
        f.write(json.dumps(dict(texts=strings, cases=cases), separators=(",", ":")).encode())
    print(len(strings), "texts,", os.path.getsize(os.path.join(HERE, target)), "bytes")


if __name__ == "__main__":
    main()
