"""Stage: VAE reconstructions of the first training scenes with noise on the latents.

CLIP and judge see them beside the scenes, so that they are not misled by the decoder's look. Writes
train_reconstructed.npy [N,64,64,3] uint8; row i belongs to training scene i.
"""

import argparse

import numpy as np
import torch
from diffusers import AutoencoderDC

from training import add_common_arguments, load_split, prepare, to_pictures, to_uint8

MAX_NOISE = 0.35  # of the latents' unit standard deviation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser, trains=False)
    parser.add_argument("--count", type=int, default=8000, help="number of pictures (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    prepare(arguments, 8)
    vae = AutoencoderDC.from_pretrained(arguments.out / "emoji-sprint" / "vae").eval()
    vae = vae.to(memory_format=torch.channels_last)
    images, _ = load_split(arguments.work, "train")
    count = min(arguments.count, len(images))
    result = np.empty((count, *images.shape[1:]), np.uint8)
    for start in range(0, count, arguments.batch):
        part = slice(start, min(count, start + arguments.batch))
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            latents = vae.encoder(to_pictures(images[part]))
            strength = torch.rand(len(latents), 1, 1, 1) * MAX_NOISE / vae.config.scaling_factor
            pictures = vae.decoder(latents + strength * torch.randn_like(latents))
        result[part] = to_uint8(pictures.float().clamp(-1, 1))
    np.save(arguments.work / "train_reconstructed.npy", result)
    print(f"reconstructions: {count}")


if __name__ == "__main__":
    main()
