"""Stage: the teacher, a flow-matching SanaTransformer2DModel, and the Gemma2 text encoder, trained together.

The velocity (noise - data) is learnt at x_s = (1 - s) data + s noise. A run may go on from the last with a fresh
learning-rate cycle (`--resume`): the delivered teacher is four such legs.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderDC, SanaTransformer2DModel
from transformers import Gemma2Model

from captions import caption
from model import TRANSFORMER_CONFIG, CaptionTokenizer, encode_text, load_models, text_encoder_config, velocity
from training import (
    Average, Budget, Log, Schedule, add_common_arguments, compiled, descend, load_split, prepare, to_pictures,
)
from vocabulary import KINDS, SPRITE_SIZES

EMPTY_SHARE = 0.1  # captions dropped, for classifier-free guidance
LONE_KINDS = [KINDS.index(name) for name in ("single", "colors")]


@torch.no_grad()
def encode_scenes(vae, images: np.ndarray, batch: int = 128) -> torch.Tensor:
    """Unit-variance latents of all pictures."""
    encoder = vae.encoder.to(memory_format=torch.channels_last)
    parts = []
    for start in range(0, len(images), batch):
        with torch.autocast("cpu", torch.bfloat16):
            parts.append(encoder(to_pictures(images[start:start + batch])).float().contiguous())
    return torch.cat(parts) * vae.config.scaling_factor


def latents_of(arguments: argparse.Namespace, vae, images: np.ndarray) -> torch.Tensor:
    path = arguments.work / "train_latents.npy"
    if not path.exists():
        np.save(path, encode_scenes(vae, images).numpy())
    latents = torch.from_numpy(np.load(path))
    if len(latents) != len(images):
        raise ValueError(f"[train_teacher] expected {len(images)} latents in {path}, got {len(latents)}: delete it")
    return latents


def initialise(transformer: SanaTransformer2DModel) -> None:
    """Cross-attention and output start at zero, the time embedding louder than diffusers' default."""
    for block in transformer.transformer_blocks:
        torch.nn.init.zeros_(block.attn2.to_out[0].weight)
        torch.nn.init.zeros_(block.attn2.to_out[0].bias)
    torch.nn.init.zeros_(transformer.proj_out.weight)
    torch.nn.init.zeros_(transformer.proj_out.bias)
    transformer.time_embed.timestep_embedder.linear_1.weight.data *= 4
    torch.nn.init.normal_(transformer.time_embed.linear.weight, std=0.02)


def training_pool(scenes: np.ndarray, largest_lone: int) -> np.ndarray:
    """Indices to draw from. Lone objects larger than `largest_lone` pixels are left out, as they are much harder to
    draw, and the smaller ones listed twice."""
    lone = np.isin(scenes["kind"], LONE_KINDS)
    small = np.array(SPRITE_SIZES)[scenes["size"][:, 0]] <= largest_lone
    return np.concatenate([np.flatnonzero(~lone), *[np.flatnonzero(lone & small)] * 2])


def draw_levels(batch: int) -> torch.Tensor:
    """Noise levels: logit-normal, 12 % uniform, 3 % pure noise (where a one-step student will work)."""
    levels = torch.sigmoid(torch.randn(batch) * 1.1 + 0.3)
    lot = torch.rand(batch)
    levels = torch.where(lot < 0.12, torch.rand(batch), levels)
    return torch.where(lot > 0.97, torch.ones(batch), levels)


def make_optimiser(models: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
    parameters = list(models.parameters())
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    groups = [dict(params=matrices, weight_decay=0.02), dict(params=vectors, weight_decay=0.0)]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def train(arguments: argparse.Namespace) -> None:
    rng = prepare(arguments, 1)
    root: Path = arguments.out / "emoji-sprint"
    teacher: Path = arguments.out / "teacher"
    images, scenes = load_split(arguments.work, "train")
    if arguments.resume:
        vae, text_encoder, transformer, tokenizer = load_models(root, teacher)
        text_encoder.requires_grad_(True).train()
        transformer.train()
    else:
        vae = AutoencoderDC.from_pretrained(root / "vae").eval()
        tokenizer = CaptionTokenizer(root / "tokenizer")
        text_encoder = Gemma2Model(text_encoder_config(tokenizer.size))
        transformer = SanaTransformer2DModel(**TRANSFORMER_CONFIG)
        initialise(transformer)
    transformer.to(memory_format=torch.channels_last)
    latents = latents_of(arguments, vae, images[:arguments.scenes])
    pool = training_pool(scenes[:arguments.scenes], arguments.largest_lone)
    both = torch.nn.ModuleDict(dict(text=text_encoder, transformer=transformer))
    average = Average(both, decay=0.9987, ramp=5, steps_before=500 if arguments.resume else 0)
    optimiser = make_optimiser(both, arguments.rate)
    schedule = Schedule(optimiser, arguments.rate, 150, hold=0.15 if arguments.resume else 0.4, floor=0.03)
    network = compiled(transformer, arguments)
    budget = Budget(arguments.seconds, arguments.steps)
    log = Log("teacher", budget, arguments.batch)
    while budget.running():
        schedule.apply(budget.step, budget.progress())
        chosen = pool[rng.integers(0, len(pool), arguments.batch)]
        texts = ["" if rng.random() < EMPTY_SHARE else caption(scenes[index], rng) for index in chosen]
        data = latents[chosen]
        noise, levels = torch.randn_like(data), draw_levels(len(data))
        mix = levels.view(-1, 1, 1, 1)
        with torch.autocast("cpu", torch.bfloat16):
            text = encode_text(text_encoder, tokenizer, texts)
            predicted = velocity(network, (1 - mix) * data + mix * noise, levels, text)
        loss = F.mse_loss(predicted.float(), noise - data)
        descend(loss, optimiser)
        average.update()
        budget.count_step()
        log.add(loss.item())
    average.module["transformer"].to(memory_format=torch.contiguous_format).save_pretrained(teacher)
    average.module["text"].save_pretrained(root / "text_encoder")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1.2e-3, help="learning rate (default: %(default)s)")
    parser.add_argument("--scenes", type=int, default=100000, help="training scenes used (default: %(default)s)")
    parser.add_argument("--largest-lone", type=int, default=36, help="pixels; larger lone objects are left out")
    parser.add_argument("--resume", action="store_true", help="continue from the saved teacher")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
