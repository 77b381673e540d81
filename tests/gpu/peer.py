"""Python diffusers on the same folder, in the same run: milliseconds of the whole pipeline at 1 and 4 steps. One line of JSON.

    python tests/gpu/peer.py FOLDER DEVICE DTYPE SIZE REPEATS
"""
import json
import statistics
import sys
import time

import torch
from diffusers import DiffusionPipeline

folder, device, dtype, size, repeats = sys.argv[1:]
pipe = DiffusionPipeline.from_pretrained(folder, torch_dtype=getattr(torch, dtype)).to(device)
pipe.set_progress_bar_config(disable=True)


def run(steps):
    begin = time.perf_counter()
    pipe("a red cube on a green hill", num_inference_steps=steps, height=int(size), width=int(size), output_type="pt")
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - begin)


result = {"peer": "diffusers", "pipeline": type(pipe).__name__}
for steps in (1, 4):
    run(steps)
    result[f"pipeline_{steps}_ms"] = round(statistics.median(run(steps) for _ in range(int(repeats))), 3)
if device.startswith("cuda"):
    result["peak_mib"] = torch.cuda.max_memory_allocated() >> 20
print(json.dumps(result))
