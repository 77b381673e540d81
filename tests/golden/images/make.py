"""Makes the small pictures that run_image_test.cpp reads, with Pillow.

rgb.png, grey.png, rgba.png, rgba.webp (lossless), lossy.webp and photo.jpg, all 5 x 3. pixels.json holds what
Pillow's convert("RGB") reads from each. Tolerance: none for PNG and lossless WebP; 3 of 255 for JPEG and lossy WebP (decoders
round the inverse cosine transform and the chroma upsampling differently).
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent


def main():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (3, 5, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, (3, 5, 1), dtype=np.uint8)
    smooth = np.linspace(40, 200, 45).astype(np.uint8).reshape(3, 5, 3)
    Image.fromarray(rgb).save(HERE / "rgb.png")
    Image.fromarray(rgb[..., 0]).save(HERE / "grey.png")
    Image.fromarray(np.concatenate([rgb, alpha], 2)).save(HERE / "rgba.png")
    Image.fromarray(smooth).save(HERE / "photo.jpg", quality=95, subsampling=0)
    Image.fromarray(np.concatenate([rgb, alpha], 2)).save(HERE / "rgba.webp", lossless=True, exact=True)
    Image.fromarray(smooth).save(HERE / "lossy.webp", quality=90)
    pixels = {
        name: np.asarray(Image.open(HERE / name).convert("RGB")).flatten().tolist()
        for name in ("rgb.png", "grey.png", "rgba.png", "photo.jpg", "rgba.webp", "lossy.webp")
    }
    (HERE / "pixels.json").write_text(json.dumps(pixels) + "\n")


if __name__ == "__main__":
    main()
