"""Times the decoders beside Pillow's, file by file in one run, the sides alternating.

    python tests/bench/decoding.py --bench build/release/bin/bench_decode [--rounds 15]

A picture of 1024 x 1024 with structure and noise in each format; Pillow does Image.open(...).convert("RGB"). Both sides read the bytes first,
and use one thread. Needs Pillow and numpy. Prints a Markdown table.
"""

import argparse
import io
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = (("PNG", "png", {}), ("JPEG 4:2:0", "jpg", {"quality": 90}), ("JPEG 4:4:4", "jpg", {"quality": 90, "subsampling": 0}),
           ("progressive JPEG", "jpg", {"quality": 90, "progressive": True}), ("lossy WebP", "webp", {"quality": 90}),
           ("lossless WebP", "webp", {"lossless": True}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((1024, 1024), Image.BICUBIC)
    picture = Image.fromarray(np.clip(np.asarray(coarse) + rng.normal(0, 6, (1024, 1024, 3)), 0, 255).astype(np.uint8))
    print("| format | hn, ms | Pillow, ms | Pillow / hn |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as root:
        for name, ending, how in FORMATS:
            file = Path(root) / f"picture.{ending}"
            picture.save(file, **how)
            ours, theirs = [], []
            for _ in range(options.rounds):
                printed = subprocess.run([options.bench, "1", str(file)], stdout=subprocess.PIPE, text=True, check=True).stdout
                ours.append(float(printed.split()[-1]))
                data = file.read_bytes()
                start = time.perf_counter()
                Image.open(io.BytesIO(data)).convert("RGB")
                theirs.append(1000 * (time.perf_counter() - start))
            ratios = [b / a for a, b in zip(ours, theirs)]
            text = lambda values, digits: (f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})")
            print(f"| {name} | {text(ours, 1)} | {text(theirs, 1)} | {text(ratios, 2)} |", flush=True)


if __name__ == "__main__":
    main()
