#!/usr/bin/env python3
"""Writes reference.safetensors with the reference library, so that the reader is compared with it and the writer byte for byte.

Run: python make.py    Needs: torch, safetensors (made with 0.8.0). Tolerance of the tests: none, the bytes are equal.
"""
import os

import torch
from safetensors.torch import save_file

# One tensor a type that torch has, a scalar, an empty one, and a name that JSON has to escape. Values: 0, 1, 2, ... in the type.
TYPES = {
    "bool": torch.bool, "u8": torch.uint8, "i8": torch.int8, "f8_e5m2": torch.float8_e5m2, "f8_e4m3": torch.float8_e4m3fn,
    "f8_e8m0": torch.float8_e8m0fnu, "f8_e4m3fnuz": torch.float8_e4m3fnuz, "f8_e5m2fnuz": torch.float8_e5m2fnuz,
    "i16": torch.int16, "u16": torch.uint16, "f16": torch.float16, "bf16": torch.bfloat16, "i32": torch.int32, "u32": torch.uint32,
    "f32": torch.float32, "c64": torch.complex64, "f64": torch.float64, "i64": torch.int64, "u64": torch.uint64,
}
tensors = {name: torch.arange(6, dtype=torch.float32).reshape(2, 3).to(dtype) for name, dtype in TYPES.items()}
tensors["scalar"] = torch.tensor(2.5)
tensors["empty"] = torch.zeros(3, 0, 2)
tensors['name "quoted" \\ é \n'] = torch.tensor([1.0, -1.0])
save_file(tensors, os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference.safetensors"), metadata={"format": "pt"})
