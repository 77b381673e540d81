"""Stage: the two tokenizers.

The generator's is Gemma's kind of BPE (spaces become U+2581, byte fallback, <bos> in front), 1024 entries, trained on
scene captions and on the labels and tags of the 48 emoji. CLIP's is its own kind of byte-level BPE with "</w>".
"""

import argparse
import csv
import json
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizerFast

from clip_model import MAX_TOKENS
from rendering import CUTOUTS
from training import add_common_arguments, prepare

SPECIAL_TOKENS = ["<pad>", "<eos>", "<bos>", "<unk>"]
SPACE = "\u2581"
VOCABULARY = 1024
BYTES = 256


def emoji_words(table: Path) -> list[str]:
    """Labels and tags of the emoji, tags with the space that precedes a word in a sentence."""
    words = []
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            words.append(row["label"].lower())
            words += [" " + tag for tag in row["tags"].lower().split(",")]
    return words


def train_gemma_bpe(texts: list[str]) -> dict:
    """The contents of tokenizer.json: special tokens 0..3, then 256 bytes, then what was learnt."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    # In training only: no merge crosses a word.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(SPACE, "merged_with_next")
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCABULARY - BYTES, special_tokens=SPECIAL_TOKENS, initial_alphabet=[SPACE], show_progress=False))
    state = json.loads(tokenizer.to_str())
    learnt = state["model"]["vocab"]
    byte_tokens = [f"<0x{value:02X}>" for value in range(BYTES)]
    in_order = [token for token in sorted(learnt, key=learnt.get) if token not in SPECIAL_TOKENS]
    state["model"]["vocab"] = {token: i for i, token in enumerate(SPECIAL_TOKENS + byte_tokens + in_order)}
    # Gemma's own pre-tokenizer: it splits nothing, as spaces are gone by then.
    state["pre_tokenizer"] = {
        "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    state["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]}
    start = [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    second = [{"SpecialToken": {"id": "<bos>", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}]
    state["post_processor"] = {
        "type": "TemplateProcessing", "single": start, "pair": start + second,
        "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}}}
    for token, index in zip(state["added_tokens"], range(len(SPECIAL_TOKENS))):
        token["id"] = index
    return state


def write_gemma_tokenizer(state: dict, folder: Path) -> None:
    names = dict(bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>")
    plain = dict(lstrip=False, normalized=False, rstrip=False, single_word=False, special=True)
    config = dict(
        tokenizer_class="GemmaTokenizerFast", add_bos_token=True, add_eos_token=False, model_max_length=300,
        padding_side="right", clean_up_tokenization_spaces=False, spaces_between_special_tokens=False,
        added_tokens_decoder={str(i): dict(content=token, **plain) for i, token in enumerate(SPECIAL_TOKENS)}, **names)
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in (("tokenizer.json", state), ("special_tokens_map.json", names),
                        ("tokenizer_config.json", config)):
        (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def byte_symbols() -> list[str]:
    """CLIP's printable stand-ins for the 256 bytes, in its order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [value for value in range(BYTES) if value not in printable]
    return [chr(value) for value in printable] + [chr(BYTES + i) for i in range(len(others))]


def train_clip_bpe(texts: list[str], folder: Path) -> int:
    """Writes vocab.json, merges.txt and tokenizer.json; returns the size of the vocabulary."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCABULARY, end_of_word_suffix="</w>", show_progress=False))
    learnt = [merge.split(" ") if isinstance(merge, str) else merge
              for merge in json.loads(tokenizer.to_str())["model"]["merges"]]
    merges = [tuple(merge) for merge in learnt][:VOCABULARY - 2 * BYTES - 2]
    symbols = byte_symbols()
    merged = ["".join(merge) for merge in merges]
    words = [*symbols, *(symbol + "</w>" for symbol in symbols), *merged, "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    fast = CLIPTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
    fast.model_max_length = MAX_TOKENS
    fast.save_pretrained(folder)
    return len(vocabulary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser, trains=False)
    arguments = parser.parse_args()
    prepare(arguments, 0)
    captions = (arguments.work / "captions.txt").read_text(encoding="utf-8").split("\n")
    state = train_gemma_bpe(captions + emoji_words(CUTOUTS / "captions.tsv"))
    write_gemma_tokenizer(state, arguments.out / "emoji-sprint" / "tokenizer")
    clip_size = train_clip_bpe(captions, arguments.out / "tiny-clip")
    print(f"tokenizers: {len(state['model']['vocab'])} entries for the generator, {clip_size} for CLIP")


if __name__ == "__main__":
    main()
