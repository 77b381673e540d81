#!/usr/bin/env python3
"""Writes preprocess.json.gz: what torchvision makes of float images, and Pillow of 8-bit ones, on many sizes and shapes.

Run: python make.py. Made with torch 2.11.0, torchvision 0.26.0, Pillow 13.0.0, transformers 5.23.0.
A case is [height, width, edge]: the shorter edge goes to `edge`, then a square of `edge` is cut from the centre. Images and cotangents come
from an integer hash that the test has too (pixel()). Per case:
  tensor   numbers of the float result at probes(): Resize(bicubic, antialias=True) and CenterCrop on the tensor, unclamped; and their sum
  grad     the same of d (result . cotangent) / d image
  pillow   CRC-32 of the bytes [3,edge,edge] of Resize(bicubic) and CenterCrop on a Pillow image, as image-reward and open_clip have it
  slow     the same with transformers' own crop (rounds an odd margin down), as its image processors have it
Tolerance: 1e-4 relative to the largest number for floats (2e-6 is reached), none for bytes.
"""
import gzip
import json
import os
import zlib

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize
from transformers.image_transforms import center_crop

HERE = os.path.dirname(os.path.abspath(__file__))
PROBES = 12
CASES = [
    (1, 1, 1), (1, 1, 7), (2, 2, 1), (1, 5, 4), (5, 1, 4), (1, 300, 8), (300, 1, 8), (2, 199, 16), (199, 2, 16), (3, 700, 32), (700, 3, 32), (640, 1, 3), (1, 641, 5),
    (7, 7, 32), (8, 8, 32), (31, 32, 32), (32, 31, 32), (32, 32, 32), (33, 32, 32), (32, 33, 32), (33, 33, 32), (63, 64, 32), (64, 64, 32), (65, 64, 32), (64, 127, 32), (129, 64, 33),
    (17, 29, 23), (29, 17, 23), (100, 75, 24), (75, 100, 24), (99, 101, 28), (101, 99, 28), (240, 135, 56), (135, 240, 56), (50, 50, 49), (49, 50, 50), (13, 200, 12), (200, 13, 12),
    (224, 224, 224), (225, 224, 224), (223, 224, 224), (112, 150, 224), (256, 256, 224), (300, 225, 224), (512, 512, 224), (448, 447, 224), (333, 500, 224), (500, 333, 224), (64, 64, 224), (10, 12, 224),
    (1024, 1024, 224), (768, 1344, 224), (1, 2, 224), (400, 90, 336), (5, 6, 378), (257, 255, 378),
]


def pixel(seed, c, y, x):
    """uint32 hash of a place."""
    h = (np.uint32(c) * np.uint32(73856093)) ^ (np.uint32(y) * np.uint32(19349663)) ^ (np.uint32(x) * np.uint32(83492791)) ^ np.uint32(seed)
    h = h ^ (h >> np.uint32(13))
    h = h * np.uint32(0x5BD1E995)
    return h ^ (h >> np.uint32(15))


def places(height, width):
    return np.meshgrid(np.arange(3, dtype=np.uint32), np.arange(height, dtype=np.uint32), np.arange(width, dtype=np.uint32), indexing="ij")


def image(height, width):
    """uint8 [3,H,W]: slopes, noise, and full black and white where bicubic overshoots."""
    c, y, x = places(height, width)
    h = pixel(1, c, y, x)
    value = (x * np.uint32(7) + y * np.uint32(13) + c * np.uint32(50)) % np.uint32(192) + (h & np.uint32(63))
    return np.where((h >> np.uint32(8)) % np.uint32(5) == 0, np.where((h >> np.uint32(16)) & np.uint32(1), 255, 0), value).astype(np.uint8)


def probes(t):
    flat = t.detach().flatten()
    return [float(flat[int(pixel(3, 0, 0, i)) % len(flat)]) for i in range(PROBES)] + [float(flat.double().sum())]


out = []
for height, width, edge in CASES:
    bytes_ = image(height, width)
    x = (torch.from_numpy(bytes_).float() / 255).unsqueeze(0).requires_grad_()
    result = Compose([Resize(edge, interpolation=InterpolationMode.BICUBIC, antialias=True), CenterCrop(edge)])(x)
    cotangent = torch.from_numpy((pixel(2, *places(edge, edge)) & np.uint32(255)).astype(np.float32) / np.float32(255) - np.float32(0.5))
    (result * cotangent).sum().backward()
    picture = Image.fromarray(np.ascontiguousarray(bytes_.transpose(1, 2, 0)))
    resized = Resize(edge, interpolation=InterpolationMode.BICUBIC)(picture)
    cut = np.asarray(CenterCrop(edge)(resized)).transpose(2, 0, 1)
    slow = center_crop(np.asarray(resized), (edge, edge), data_format="channels_first", input_data_format="channels_last")
    crc = lambda a: zlib.crc32(np.ascontiguousarray(a, dtype=np.uint8).tobytes())
    out.append(dict(case=[height, width, edge], tensor=probes(result), grad=probes(x.grad), pillow=crc(cut), slow=crc(slow)))
with open(os.path.join(HERE, "preprocess.json.gz"), "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=9) as f:
    f.write(json.dumps(json.loads(json.dumps(out), parse_float=lambda v: float(f"{float(v):.9g}")), separators=(",", ":")).encode())
print(len(out), "cases")
