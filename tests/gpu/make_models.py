"""Folders of published size with random weights, from the lists of tensors in tests/golden/*/published; needs numpy alone.

    HN_TEST_GOLDEN=.../golden/gpu HN_TEST_PLUGINS=.../hn/plugins python make_models.py OUT [--depth N] MODEL...

MODEL: sana-sprint, sd-turbo, flux-schnell. Weights are bfloat16 and normal; their deviation is the power of two next to
1/sqrt(fan-in), so that numbers neither die out nor overflow on their way through the layers; biases are 0, norms 1. All are
cut from one block of random numbers a deviation, each tensor beginning at another place of it: 34 GB are written as fast as
the disk takes them. Tokenizers are those of the small models, whose ids every vocabulary has. --depth keeps the first N layers
of flux-schnell's networks, for a trial on a small machine.
"""
import argparse
import json
import math
import os
import re
import shutil
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy

GOLDEN = Path(os.environ["HN_TEST_GOLDEN"])
EMOJI = Path(os.environ["HN_TEST_PLUGINS"]) / "sana_sprint.hnp/weights/emoji-sprint"
BLOCK = 32 << 20  # numbers: 64 MiB in bfloat16
THREADS = min(16, os.cpu_count() or 1)
DEEP = re.compile(r"(transformer_blocks|encoder\.block|encoder\.layers)\.\{0-(\d+)\}")
DEPTHS = ("num_layers", "num_single_layers", "num_decoder_layers", "num_hidden_layers")


def tensors_of(file, depth):
    """(name, shape) of a list, runs "{0-27}" written out; see tests/support/tensor_list.py."""
    for line in file.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, shape = line.split(" ", 1)
        if depth:
            name = DEEP.sub(lambda run: f"{run[1]}.{{0-{min(int(run[2]), depth - 1)}}}", name)
        names = [name]
        while "{" in names[0]:
            first, last = map(int, re.search(r"\{(\d+)-(\d+)\}", names[0]).groups())
            names = [re.sub(r"\{\d+-\d+\}", str(i), n, count=1) for n in names for i in range(first, last + 1)]
        for each in names:
            yield each, json.loads(shape)


def bfloat16(numbers):
    """Bytes, rounded towards zero: these are random numbers."""
    return memoryview((numbers.astype(numpy.float32).view(numpy.uint32) >> 16).astype(numpy.uint16)).cast("B")


class Blocks:
    """Normal numbers by their deviation's binary exponent, made when first wanted."""

    def __init__(self):
        self._normal = numpy.random.default_rng(1).standard_normal(BLOCK, dtype=numpy.float32)
        self._made = {}

    def of(self, shape):
        exponent = round(-0.5 * math.log2(math.prod(shape[1:])))
        if exponent not in self._made:
            self._made[exponent] = bfloat16(self._normal * 2.0**exponent)
        return self._made[exponent]


def write(path, tensors, blocks):
    header, jobs, offset = {}, [], 0
    for number, (name, shape) in enumerate(tensors):
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        if not name.endswith("bias"):  # what is not written is 0
            jobs.append((offset, size, shape, number))
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        out.truncate(start + offset)
        os.pwrite(out.fileno(), struct.pack("<Q", len(text)) + text, 0)

        def fill(job):
            at, left, shape, number = job
            if len(shape) == 1:
                return os.pwrite(out.fileno(), bfloat16(numpy.ones(shape)), start + at)
            block = blocks.of(shape)
            place = number * 9973 * 64 % len(block)
            while left > 0:
                done = os.pwrite(out.fileno(), block[place:place + left], start + at)
                at, left, place = at + done, left - done, (place + done) % len(block)

        for shape in {tuple(job[2]) for job in jobs if len(job[2]) > 1}:
            blocks.of(shape)  # before the threads ask
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(fill, jobs))


def component(out, published, name, files, blocks, depth=0):
    """files: configuration and list in `published`, and the file to write."""
    config, listed, target = files
    (out / name).mkdir(parents=True, exist_ok=True)
    settings = json.loads((published / config).read_text())
    if depth:
        settings.update({key: min(settings[key], depth) for key in DEPTHS if isinstance(settings.get(key), int)})
    (out / name / "config.json").write_text(json.dumps(settings))
    write(out / name / target, tensors_of(published / listed, depth), blocks)


def index(out, pipeline, **parts):
    (out / "model_index.json").write_text(json.dumps({"_class_name": pipeline, **parts}))


def small_parts(out, source, tokenizers):
    """Scheduler and tokenizers of a small model; CLIP's tokenizer gets the published 77 positions."""
    for part in ("scheduler", *tokenizers):
        shutil.copytree(source / part, out / part)
    settings = json.loads((out / "tokenizer/tokenizer_config.json").read_text())
    (out / "tokenizer/tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 77}))


def sana_sprint(out, blocks, depth):
    published = GOLDEN / "sana_sprint/published"
    for part in ("model_index.json", "scheduler", "tokenizer"):
        source = EMOJI / part
        shutil.copytree(source, out / part) if source.is_dir() else shutil.copy(source, out / part)
    for name, files in {
        "transformer": ("transformer_0.6b.json", "transformer_0.6b.tensors", "diffusion_pytorch_model.safetensors"),
        "text_encoder": ("text_encoder.json", "text_encoder.tensors", "model.safetensors"),
        "vae": ("vae.json", "vae.tensors", "diffusion_pytorch_model.safetensors"),
    }.items():
        component(out, published, name, files, blocks)


def sd_turbo(out, blocks, depth):
    small_parts(out, GOLDEN / "sd_turbo/plain", ("tokenizer",))
    for name, file in (("unet", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model"), ("text_encoder", "model")):
        component(out, GOLDEN / "sd_turbo/published", name, (f"{name}.json", f"{name}.tensors", f"{file}.safetensors"), blocks)
    index(out, "StableDiffusionPipeline", scheduler=["diffusers", "EulerDiscreteScheduler"], unet=["diffusers", "UNet2DConditionModel"],
          vae=["diffusers", "AutoencoderKL"], text_encoder=["transformers", "CLIPTextModel"], tokenizer=["transformers", "CLIPTokenizer"],
          safety_checker=[None, None], feature_extractor=[None, None], image_encoder=[None, None], requires_safety_checker=False)


def flux_schnell(out, blocks, depth):
    small_parts(out, GOLDEN / "flux_schnell/plain", ("tokenizer", "tokenizer_2"))
    for name, file in (("transformer", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model"),
                       ("text_encoder", "model"), ("text_encoder_2", "model")):
        component(out, GOLDEN / "flux_schnell/published", name,
                  (f"{name}/config.json", f"{name}.tensors", f"{file}.safetensors"), blocks, 0 if name == "vae" else depth)
    index(out, "FluxPipeline", scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"],
          transformer=["diffusers", "FluxTransformer2DModel"], vae=["diffusers", "AutoencoderKL"],
          text_encoder=["transformers", "CLIPTextModel"], text_encoder_2=["transformers", "T5EncoderModel"],
          tokenizer=["transformers", "CLIPTokenizer"], tokenizer_2=["transformers", "T5TokenizerFast"],
          image_encoder=[None, None], feature_extractor=[None, None])


MODELS = {"sana-sprint": sana_sprint, "sd-turbo": sd_turbo, "flux-schnell": flux_schnell}

if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("out", type=Path)
    arguments.add_argument("models", nargs="+", choices=MODELS)
    arguments.add_argument("--depth", type=int, default=0)
    given = arguments.parse_args()
    begin = time.monotonic()
    random = Blocks()
    for model in given.models:
        folder = given.out / model
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        MODELS[model](folder, random, given.depth)
        mib = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) >> 20
        print(f"{model}: {mib} MiB, {time.monotonic() - begin:.1f} s since the start", flush=True)
