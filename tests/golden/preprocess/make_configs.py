#!/usr/bin/env python3
"""Writes configs.json.gz: what transformers' CLIPImageProcessor makes of pictures by random preprocessor configurations.

Run: python make_configs.py. Made with transformers 5.24.0 (its Pillow processor), Pillow 13.0.0, numpy 2.4.6; torch is not needed.
A case is {"config", "size", "picture": [height, width], "pixels"}: the configuration as a file has it, the tower's image_size, a picture of
make.py's image(), and numbers of the result at make.py's probes(), the sum last. "error": upstream refuses the configuration.
Tolerance: 1e-4 relative to the largest number.
"""
import gzip
import json
import os
import random

import numpy as np
from PIL import Image
from transformers import CLIPImageProcessorPil

HERE = os.path.dirname(os.path.abspath(__file__))
PROBES = 12


def pixel(seed, c, y, x):
    h = (np.uint32(c) * np.uint32(73856093)) ^ (np.uint32(y) * np.uint32(19349663)) ^ (np.uint32(x) * np.uint32(83492791)) ^ np.uint32(seed)
    h = h ^ (h >> np.uint32(13))
    h = h * np.uint32(0x5BD1E995)
    return h ^ (h >> np.uint32(15))


def image(height, width):
    c, y, x = np.meshgrid(np.arange(3, dtype=np.uint32), np.arange(height, dtype=np.uint32), np.arange(width, dtype=np.uint32), indexing="ij")
    h = pixel(1, c, y, x)
    value = (x * np.uint32(7) + y * np.uint32(13) + c * np.uint32(50)) % np.uint32(192) + (h & np.uint32(63))
    return np.where((h >> np.uint32(8)) % np.uint32(5) == 0, np.where((h >> np.uint32(16)) & np.uint32(1), 255, 0), value).astype(np.uint8)


def probes(values):
    flat = values.flatten()
    return [float(flat[int(pixel(3, 0, 0, i)) % len(flat)]) for i in range(PROBES)] + [float(flat.astype(np.float64).sum())]


def configuration(r):
    """Random keys, whose result is n x n where upstream and the project can do it."""
    n = r.choice([16, 24, 32, 224])
    config = {"image_processor_type": r.choice(["CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil"]), "do_convert_rgb": r.random() < 0.5}
    edge = r.choice([n, n, n + 7, max(n - 5, 1)])
    kind = r.randrange(6)
    if kind == 0:
        config["size"] = edge
    elif kind == 1:
        config["size"] = {"shortest_edge": edge}
    elif kind == 2:
        config["size"] = {"height": edge, "width": edge + r.choice([0, 3])}
    elif kind == 3:
        config["size"], config["default_to_square"] = edge, True
    elif kind == 4:
        config["size"], config["do_center_crop"] = {"height": n, "width": n}, False
    elif n != 224:
        config["do_resize"] = False
    if kind != 4 and n != 224 or r.random() < 0.3:
        config["crop_size"] = r.choice([n, {"height": n, "width": n}])
    if r.random() < 0.6:
        config["resample"] = r.choice([2, 3])
    if r.random() < 0.6:
        config["image_mean"] = [round(r.random(), 3) for _ in range(3)]
    if r.random() < 0.6:
        config["image_std"] = [round(0.1 + r.random(), 3) for _ in range(3)]
    if r.random() < 0.15:
        config["do_normalize"] = False
    if r.random() < 0.3:
        config["rescale_factor"], config["do_rescale"] = 0.00392156862745098, True
    return config, n


def main():
    r = random.Random(5)
    out = []
    while len(out) < 90:
        config, n = configuration(r)
        height, width = r.choice([(20, 31), (64, 48), (33, 33), (100, 75), (8, 9)])
        try:
            pixels = CLIPImageProcessorPil.from_dict(dict(config))(Image.fromarray(np.ascontiguousarray(image(height, width).transpose(1, 2, 0))), return_tensors="np")["pixel_values"][0]
        except Exception as error:
            raise SystemExit(f"{config}: {error}")
        assert pixels.shape == (3, n, n), (config, pixels.shape)
        out.append(dict(config=config, size=n, picture=[height, width], pixels=[float(f"{v:.9g}") for v in probes(pixels)]))
    with open(os.path.join(HERE, "configs.json.gz"), "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=9) as f:
        f.write(json.dumps(out, separators=(",", ":")).encode())
    print(len(out), "cases", os.path.getsize(os.path.join(HERE, "configs.json.gz")), "bytes")


if __name__ == "__main__":
    main()
