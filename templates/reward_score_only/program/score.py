"""The black box of my_reward_score_only: reads one safetensors file, prints one number a picture, higher is better.

Usage: score.py FILE        FILE: image_rgb01 float32 [B,3,H,W] in [0,1]; its metadata has prompt_0, prompt_1, ...

Put anything here: a model in another framework, a remote service, a program of another language (option `command`). This one needs
Python alone and likes bright pictures, or dark ones where the prompt asks for night. What it writes to standard error is shown
when it fails.
"""
import array
import json
import re
import struct
import sys


def read(path):
    """name -> (shape, numbers) of the float32 tensors, and the metadata; `safetensors.safe_open` does this where it is installed."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        numbers = array.array("f")
        numbers.frombytes(data[begin:end])
        tensors[name] = (entry["shape"], numbers)
    return tensors, metadata


def main(path):
    tensors, prompts = read(path)
    (batch, channels, height, width), numbers = tensors["image_rgb01"]
    size = channels * height * width
    for b in range(batch):
        brightness = sum(numbers[b * size:(b + 1) * size]) / size
        dark = re.search(r"\b(night|dark|black)\b", prompts[f"prompt_{b}"].lower())
        print(1.0 - brightness if dark else brightness)


if __name__ == "__main__":
    main(sys.argv[1])
