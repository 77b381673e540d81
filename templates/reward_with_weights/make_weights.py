"""Writes weights/*/tokenizer.json and model.safetensors; Python alone, no package.

A word's vector is what the picture's side of the model gives for a plain picture of that colour, so the two agree without training.
Your own model comes from a training script instead: save its tensors with the safetensors package under the names that plugin.cpp
takes, and its tokenizer as tokenizer.json.
"""
import json
import math
import pathlib
import struct

WORDS = {
    "red": (0.85, 0.1, 0.1), "crimson": (0.7, 0.05, 0.15), "green": (0.15, 0.6, 0.2), "lime": (0.5, 0.9, 0.2),
    "blue": (0.15, 0.3, 0.85), "navy": (0.05, 0.1, 0.4), "yellow": (0.95, 0.85, 0.15), "gold": (0.85, 0.65, 0.15),
    "orange": (0.95, 0.5, 0.1), "purple": (0.5, 0.2, 0.65), "violet": (0.6, 0.35, 0.8), "pink": (0.95, 0.6, 0.75),
    "brown": (0.45, 0.28, 0.15), "black": (0.05, 0.05, 0.05), "white": (0.97, 0.97, 0.97), "grey": (0.5, 0.5, 0.5),
    "gray": (0.5, 0.5, 0.5), "cyan": (0.2, 0.8, 0.85), "teal": (0.1, 0.5, 0.5), "sky": (0.5, 0.75, 0.95), "grass": (0.3, 0.55, 0.15),
}
SPECIAL = ["[CLS]", "[UNK]"]
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's
# What the eight channels look for: red, green, blue and their opposites, light and dark.
LOOK = [(1, -.5, -.5), (-.5, 1, -.5), (-.5, -.5, 1), (-1, .5, .5), (.5, -1, .5), (.5, .5, -1), (.33, .33, .33), (-.33, -.33, -.33)]
PATCH = 8


def gelu(x):
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def look(rgb):
    """The mean over patches of a plain picture, before the linear map."""
    pixel = [(value - m) / s for value, m, s in zip(rgb, MEAN, STD)]
    return [gelu(sum(w * x for w, x in zip(row, pixel))) for row in LOOK]


def identity():
    return [float(i == j) for i in range(8) for j in range(8)]


def tensors():
    seen = {word: look(rgb) for word, rgb in WORDS.items()}
    middle = [sum(v[i] for v in seen.values()) / len(seen) for i in range(8)]
    rows = [[0.05] * 8] + [[0.0] * 8]  # never all zero: a prompt without colours has a direction too
    rows += [[v - m for v, m in zip(seen[word], middle)] for word in WORDS]
    patches = [w / PATCH**2 for row in LOOK for w in row for _ in range(PATCH**2)]
    return {
        "tokens.weight": ([len(rows), 8], [x for row in rows for x in row]),
        "text.weight": ([8, 8], identity()), "text.bias": ([8], [0.0] * 8),
        "patches.weight": ([8, 3, PATCH, PATCH], patches), "patches.bias": ([8], [0.0] * 8),
        "image.weight": ([8, 8], identity()), "image.bias": ([8], [-m for m in middle]),
    }


def write_safetensors(path, named):
    header, data = {}, b""
    for name, (shape, numbers) in sorted(named.items()):
        part = struct.pack(f"<{len(numbers)}f", *numbers)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def tokenizer():
    ids = {word: n for n, word in enumerate(SPECIAL + list(WORDS))}
    cls = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
    special = {"id": "[CLS]", "ids": [0], "tokens": ["[CLS]"]}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": n, "content": word, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                          "special": True} for n, word in enumerate(SPECIAL)],
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": [cls, {"Sequence": {"id": "A", "type_id": 0}}],
                           "pair": [cls, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                           "special_tokens": {"[CLS]": special}},
        "decoder": None,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                  "vocab": ids},
    }


if __name__ == "__main__":
    folder = pathlib.Path(__file__).resolve().parent / "weights/my_reward_with_weights"
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "model.safetensors", tensors())
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(), indent=1) + "\n")
