#!/usr/bin/env python3
"""Writes the ids that the Python references give for corpus.py's strings: corpus.json.gz, NAME.ids.json.gz, random_*.tokenizer.json.

Run: python make.py [NAME...]    (all without names; random_*.tokenizer.json is trained only where it is absent)
Needs: tokenizers 0.23.2, transformers 5.23.0, open-clip-torch 3.3.0, ftfy 6.3.1, regex. Python 3.11 (Unicode 14).
Tolerance of the tests: none; the ids are equal. sdk/README.md has the few strings that differ, and why.
"""
import gzip
import json
import os
import random
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import corpus  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..", "..")
SPRINT = os.path.join(ROOT, "plugins/generators/sana_sprint/weights/emoji-sprint/tokenizer")
TINY_CLIP = os.path.join(ROOT, "plugins/rewards/clip/weights/tiny-clip")
MERGES = os.path.join(ROOT, "sdk/text/data/bpe_simple_vocab_16e6.txt.gz")


def write(name, value):
    with open(os.path.join(HERE, name), "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=9) as f:
        f.write(json.dumps(value, separators=(",", ":")).encode())


def sprint(texts):
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer
    t = Tokenizer.from_file(os.path.join(SPRINT, "tokenizer.json"))
    ids = [t.encode(s).ids for s in texts]
    auto = AutoTokenizer.from_pretrained(SPRINT)
    # transformers adds a "<mask>" of its own to Gemma's tokens, with an id that the embedding does not have; nothing to copy.
    assert all(auto(s)["input_ids"] == i for s, i in zip(texts, ids) if "<mask>" not in s), "the pipeline's tokenizer and tokenizer.json disagree"
    return ids


def padded(tokenizer, texts, length):
    """Ids and masks as the pipelines ask for them; a row is ids, then the number of ones in the mask (they come first)."""
    rows = []
    for s in texts:
        out = tokenizer(s, padding="max_length", truncation=True, max_length=length)
        mask = out["attention_mask"]
        assert mask == sorted(mask, reverse=True)
        rows.append(out["input_ids"][:sum(mask)])
        assert all(i == tokenizer.pad_token_id for i in out["input_ids"][sum(mask):])
    return rows


def tiny_clip(texts):
    from transformers import CLIPTokenizer
    return padded(CLIPTokenizer.from_pretrained(TINY_CLIP), texts, 32)


def clip_hf(texts):
    """transformers' CLIPTokenizer with the published vocabulary, built from OpenCLIP's merges file as upstream did."""
    from open_clip.tokenizer import SimpleTokenizer
    from transformers import CLIPTokenizer
    o = SimpleTokenizer(MERGES)
    vocab = dict(o.encoder)
    vocab["<|startoftext|>"] = vocab.pop("<start_of_text>")
    vocab["<|endoftext|>"] = vocab.pop("<end_of_text>")
    merges = [" ".join(m) for m in sorted(o.bpe_ranks, key=o.bpe_ranks.get)]
    with tempfile.TemporaryDirectory() as folder:
        json.dump(vocab, open(os.path.join(folder, "vocab.json"), "w"))
        open(os.path.join(folder, "merges.txt"), "w").write("#version: 0.2\n" + "\n".join(merges) + "\n")
        json.dump(dict(tokenizer_class="CLIPTokenizer", model_max_length=77), open(os.path.join(folder, "tokenizer_config.json"), "w"))
        return padded(CLIPTokenizer.from_pretrained(folder), texts, 77)


def open_clip(texts):
    """SimpleTokenizer's ids before cutting; the padded form is checked against them here, so that the test can derive it."""
    from open_clip.tokenizer import SimpleTokenizer
    t = SimpleTokenizer(MERGES)
    ids = [t.encode(s) for s in texts]
    for s, i in zip(texts, ids):
        row = [t.sot_token_id] + i[:75] + [t.eot_token_id]
        assert t(s)[0].tolist() == row + [0] * (77 - len(row))
    return ids


def open_clip_without_mojibake(texts):
    """The strings whose ids change when ftfy does not repair mojibake: the step that this project leaves out."""
    import ftfy
    from open_clip import tokenizer as module
    t = module.SimpleTokenizer(MERGES)
    full = [t.encode(s) for s in texts]
    original = ftfy.fix_text
    ftfy.fix_text = lambda s: original(s, fix_encoding=False)
    try:
        return [i for i, s in enumerate(texts) if t.encode(s) != full[i]]
    finally:
        ftfy.fix_text = original


def train(name):
    """Small tokenizers that differ in every part that the reader knows."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    r = random.Random(name)
    lines = [corpus.prompt(r) for _ in range(1500)] + corpus.PLAIN
    special = ["[UNK]", "[CLS]", "[SEP]"]
    if name == "random_bytes":  # byte fallback, Metaspace, NFKC, prefix and single-word tokens
        t = Tokenizer(models.BPE(unk_token="[UNK]", byte_fallback=True, fuse_unk=True))
        t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip(left=True, right=False), normalizers.Prepend("~"), normalizers.Replace("~~", "~")])
        t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")
        special += [f"<0x{i:02X}>" for i in range(256)]
        t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=900, special_tokens=special, show_progress=False))
        t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP] [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
        t.add_tokens([AddedToken("[X]", lstrip=True, rstrip=True, normalized=False), AddedToken("word", single_word=True, normalized=False), AddedToken("Two", normalized=True)])
    elif name == "random_gpt":  # byte level with prefix space, regex split, ignore_merges, Roberta's ends
        t = Tokenizer(models.BPE(ignore_merges=True))
        t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)])
        t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=700, special_tokens=special, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
        t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.RobertaProcessing(("[SEP]", 2), ("[CLS]", 1))])
        t.add_tokens([AddedToken("[X]", single_word=False, lstrip=True, normalized=True), AddedToken("[Y]", rstrip=True, normalized=False)])
    elif name == "random_words":  # unknown tokens one by one, word suffix, punctuation and digits
        t = Tokenizer(models.BPE(unk_token="[UNK]", end_of_word_suffix="</w>", fuse_unk=False))
        t.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.Replace(Regex(r"[\p{Sk}\p{Mn}]+"), ""), normalizers.Strip()])
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(individual_digits=True),
                                                   pre_tokenizers.Split("ar", "merged_with_next"), pre_tokenizers.Split("e", "merged_with_previous", invert=True)])
        t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False, end_of_word_suffix="</w>", limit_alphabet=60))
        t.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    elif name == "random_prefix":  # word pieces with a prefix, fused unknowns, \w runs, a character delimiter
        t = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##", fuse_unk=True))
        t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase(), normalizers.Replace("st", "st|")])
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit("|"), pre_tokenizers.Whitespace(), pre_tokenizers.Split("o", "contiguous"), pre_tokenizers.Split("z", "removed")])
        t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False, continuing_subword_prefix="##", limit_alphabet=50))
    elif name == "random_pieces":  # WordPiece with BERT's parts; make_side_files.py has its ids
        t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=30))
        t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)])
        t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        t.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=500, special_tokens=special, show_progress=False, limit_alphabet=70))
        t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    t.save(os.path.join(HERE, f"{name}.tokenizer.json"), pretty=False)


def trained(name):
    def ids(texts):
        from tokenizers import Tokenizer
        path = os.path.join(HERE, f"{name}.tokenizer.json")
        if not os.path.exists(path):
            train(name)
        t = Tokenizer.from_file(path)
        return [t.encode(s).ids for s in texts]
    return ids


MAKERS = {"sprint": sprint, "tiny_clip": tiny_clip, "clip_hf": clip_hf, "open_clip": open_clip, "open_clip_mojibake": open_clip_without_mojibake}
MAKERS.update({name: trained(name) for name in ("random_bytes", "random_gpt", "random_words", "random_prefix")})

if __name__ == "__main__":
    texts = corpus.strings()
    write("corpus.json.gz", texts)
    from open_clip.tokenizer import bytes_to_unicode
    json.dump(list(bytes_to_unicode().values()), open(os.path.join(HERE, "byte_characters.json"), "w"))
    for name in sys.argv[1:] or MAKERS:
        ids = MAKERS[name](texts)
        write(f"{name}.ids.json.gz", ids)
        print(f"{name}: {len(ids)} rows from {len(texts)} strings")
