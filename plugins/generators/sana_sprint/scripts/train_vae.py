"""Stage: the autoencoder (diffusers' AutoencoderDC, f8, 16 channels).

Loss: L1 at three scales, L1 of the image gradient, a little L2; no adversary. The latents are kept near zero mean and
unit variance, and the decoder sees noisy latents, so that it forgives an imperfect generator.
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderDC

from model import VAE_CONFIG
from training import (
    Average, Budget, Log, Schedule, add_common_arguments, compiled, descend, load_split, prepare, to_pictures,
)

LATENT_NOISE = 0.12
NOISY_SHARE = 0.7


def gradient_l1(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return sum((first.diff(dim=axis) - second.diff(dim=axis)).abs().mean() for axis in (2, 3))


def reconstruction_loss(decoded: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    loss = (decoded - pictures).abs().mean() + 1.5 * gradient_l1(decoded, pictures)
    for factor in (2, 4):
        loss = loss + 0.5 * (F.avg_pool2d(decoded, factor) - F.avg_pool2d(pictures, factor)).abs().mean()
    return loss + 0.5 * F.mse_loss(decoded, pictures)


def unit_gaussian_penalty(latents: torch.Tensor) -> torch.Tensor:
    """Zero where every channel has mean 0 and variance 1."""
    mean, variance = latents.mean((0, 2, 3)), latents.var((0, 2, 3))
    return (mean**2).mean() + ((variance + 1e-4).log() ** 2).mean()


def psnr(first: torch.Tensor, second: torch.Tensor) -> float:
    """Mean PSNR in dB of pictures in -1..1."""
    error = ((first - second) / 2).pow(2).mean((1, 2, 3))
    return (-10 * torch.log10(error)).mean().item()


def train(arguments: argparse.Namespace) -> None:
    rng = prepare(arguments, 0)
    images, _ = load_split(arguments.work, "train")
    vae = AutoencoderDC(**VAE_CONFIG).to(memory_format=torch.channels_last)
    average = Average(vae, decay=0.998, ramp=4)
    encoder, decoder = compiled(vae.encoder, arguments), compiled(vae.decoder, arguments)
    optimiser = torch.optim.AdamW(vae.parameters(), lr=arguments.rate, betas=(0.9, 0.99), weight_decay=1e-4)
    schedule = Schedule(optimiser, arguments.rate, warm_up=100, hold=0.3, floor=0.02)
    budget = Budget(arguments.seconds, arguments.steps)
    log = Log("vae", budget, arguments.batch)
    while budget.running():
        schedule.apply(budget.step, budget.progress())
        pictures = to_pictures(images[np.sort(rng.integers(0, len(images), arguments.batch))])
        with torch.autocast("cpu", torch.bfloat16):
            latents = encoder(pictures).float()
            noisy = (torch.rand(len(latents), 1, 1, 1) < NOISY_SHARE) * LATENT_NOISE
            decoded = decoder(latents + torch.randn_like(latents) * noisy).float()
        loss = reconstruction_loss(decoded, pictures) + 0.05 * unit_gaussian_penalty(latents)
        descend(loss, optimiser)
        average.update()
        budget.count_step()
        log.add(loss.item())
    finish(average.module, arguments)


@torch.no_grad()
def finish(vae: AutoencoderDC, arguments: argparse.Namespace) -> None:
    """Measures the autoencoder, sets scaling_factor to the inverse deviation of its latents, and saves it."""
    pictures = to_pictures(load_split(arguments.work, "val")[0][:256])
    latents = vae.encoder(pictures)
    deviation = latents.std().item()
    vae.register_to_config(scaling_factor=1 / deviation)
    clean = vae.decoder(latents).clamp(-1, 1)
    noisy = vae.decoder(latents + 0.2 * deviation * torch.randn_like(latents)).clamp(-1, 1)
    print(f"vae: PSNR {psnr(pictures, clean):.2f} dB, with 0.2 latent noise {psnr(pictures, noisy):.2f} dB")
    vae.to(memory_format=torch.contiguous_format).save_pretrained(arguments.out / "emoji-sprint" / "vae")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate (default: %(default)s)")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
