"""Folders of published size with random weights, from the lists of tensors in tests/golden/*/published; needs torch alone.

    python tests/gpu/make_models.py OUT [sana-sprint] [sd-turbo]

Weights are bfloat16, normal with deviation 0.02 (1 for norms' weights, 0 for biases), drawn on the GPU where there is one. The
tokenizer is the embedded model's: its ids are small, the sizes of the text encoder are the published ones.
"""
import json
import re
import shutil
import struct
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
EMOJI = ROOT / "plugins/generators/sana_sprint/weights/emoji-sprint"
GOLDEN = ROOT / "tests/golden"


def tensors_of(file):
    """(name, shape) of a list, runs "{0-27}" written out; see tests/support/tensor_list.py."""
    for line in file.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, shape = line.split(" ", 1)
        names = [name]
        while "{" in names[0]:
            first, last = map(int, re.search(r"\{(\d+)-(\d+)\}", names[0]).groups())
            names = [re.sub(r"\{\d+-\d+\}", str(i), n, count=1) for n in names for i in range(first, last + 1)]
        for each in names:
            yield each, json.loads(shape)


def write(path, entries):
    """A safetensors file in bfloat16, tensor by tensor: no second copy in memory."""
    header, offset = {}, 0
    entries = list(entries)
    for name, shape in entries:
        count = 1
        for size in shape:
            count *= size
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + 2 * count]}
        offset += 2 * count
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name, shape in entries:
            if name.endswith("bias"):
                tensor = torch.zeros(shape, dtype=torch.bfloat16)
            elif len(shape) == 1:
                tensor = torch.ones(shape, dtype=torch.bfloat16)
            else:
                tensor = torch.empty(shape, dtype=torch.bfloat16, device=device).normal_(0, 0.02).cpu()
            out.write(tensor.contiguous().view(torch.uint8).numpy().tobytes())


def component(out, name, config, listed, file):
    (out / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(config, out / name / "config.json")
    write(out / name / file, tensors_of(listed))


def sana_sprint(out):
    published = GOLDEN / "sana_sprint/published"
    for part in ("model_index.json", "scheduler", "tokenizer"):
        source = EMOJI / part
        shutil.copytree(source, out / part) if source.is_dir() else shutil.copy(source, out / part)
    component(out, "transformer", published / "transformer_0.6b.json", published / "transformer_0.6b.tensors",
              "diffusion_pytorch_model.safetensors")
    component(out, "text_encoder", published / "text_encoder.json", published / "text_encoder.tensors", "model.safetensors")
    component(out, "vae", published / "vae.json", published / "vae.tensors", "diffusion_pytorch_model.safetensors")


def sd_turbo(out):
    published, plain = GOLDEN / "sd_turbo/published", GOLDEN / "sd_turbo/plain"
    for part in ("model_index.json", "scheduler", "tokenizer"):
        source = plain / part
        shutil.copytree(source, out / part) if source.is_dir() else shutil.copy(source, out / part)
    for name, file in (("unet", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model"), ("text_encoder", "model")):
        component(out, name, published / f"{name}.json", published / f"{name}.tensors", file + ".safetensors")


MODELS = {"sana-sprint": sana_sprint, "sd-turbo": sd_turbo}

if __name__ == "__main__":
    out = Path(sys.argv[1])
    for name in sys.argv[2:] or MODELS:
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        MODELS[name](folder)
        print(name, sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) >> 20, "MiB", flush=True)
