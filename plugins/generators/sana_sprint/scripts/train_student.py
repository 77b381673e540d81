"""Stage: the one-step student, regressed onto the ends of the teacher's trajectories.

It starts as the teacher and maps a state at any kept noise level, mostly pure noise, to the trajectory's end. The
text encoder stays frozen. The second half adds a perceptual loss: the VAE decoder's own activations.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from model import Text, encode_text, load_models, velocity
from sampling import KEPT_LEVELS
from training import Average, Budget, Log, Schedule, add_common_arguments, compiled, descend, prepare

LEVEL_SHARES = (0.64, 0.14, 0.08, 0.08, 0.06)
HELD_BACK = 256  # pairs, for measuring
PERCEPTUAL_FROM = 0.5  # of the run
PERCEPTUAL_WEIGHT = 0.3


def decoder_features(vae, latents: torch.Tensor) -> list[torch.Tensor]:
    """The decoder's activations at 16x16 and 32x32."""
    decoder, scaled = vae.decoder, latents / vae.config.scaling_factor
    hidden = decoder.conv_in(scaled) + scaled.repeat_interleave(decoder.in_shortcut_repeats, dim=1)
    features = []
    for block in list(reversed(decoder.up_blocks))[:3]:
        hidden = block(hidden)
        features.append(hidden.float())
    return features[1:]


def perceptual_loss(vae, predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        ours = decoder_features(vae, predicted)
        with torch.no_grad():
            theirs = decoder_features(vae, target)
    return sum((a - b).abs().mean() / b.abs().mean() for a, b in zip(ours, theirs))


def pseudo_huber(difference: torch.Tensor, width: float = 0.05) -> torch.Tensor:
    """About the root mean square of each sample, averaged."""
    return (difference.flatten(1).pow(2).mean(1) + width**2).sqrt().mean() - width


@torch.no_grad()
def encode_captions(text_encoder, tokenizer, captions: list[str], batch: int = 500) -> Text:
    parts = [encode_text(text_encoder, tokenizer, captions[i:i + batch]) for i in range(0, len(captions), batch)]
    return Text(torch.cat([part.states for part in parts]).bfloat16(), torch.cat([part.mask for part in parts]))


@torch.no_grad()
def held_back_errors(transformer, pairs: torch.Tensor, texts: Text) -> dict[float, float]:
    """Mean squared error of the predicted end, by noise level."""
    text = Text(texts.states.float(), texts.mask)
    errors = {}
    for index, level in enumerate(KEPT_LEVELS):
        state = pairs[:, index].float()
        predicted = state - level * velocity(transformer, state, level, text)
        errors[level] = round(F.mse_loss(predicted, pairs[:, -1].float()).item(), 4)
    return errors


def train(arguments: argparse.Namespace) -> None:
    rng = prepare(arguments, 5)
    root: Path = arguments.out / "emoji-sprint"
    vae, text_encoder, transformer, tokenizer = load_models(root, arguments.out / "teacher")
    transformer.to(memory_format=torch.channels_last)
    pairs = torch.from_numpy(np.load(arguments.work / "pairs.npy"))
    captions = (arguments.work / "pairs.txt").read_text(encoding="utf-8").split("\n")
    texts = encode_captions(text_encoder, tokenizer, captions)
    held_back = min(HELD_BACK, len(pairs) // 4)
    seen = len(pairs) - held_back
    average = Average(transformer, decay=0.998, ramp=5)
    optimiser = torch.optim.AdamW(transformer.parameters(), lr=arguments.rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = Schedule(optimiser, arguments.rate, warm_up=100, hold=0.35, floor=0.02)
    network = compiled(transformer, arguments)
    print("student: held-back error of the teacher", held_back_errors(transformer, pairs[seen:], texts[seen:]))
    transformer.train()
    budget = Budget(arguments.seconds, arguments.steps)
    log = Log("student", budget, arguments.batch)
    while budget.running():
        progress = budget.progress()
        schedule.apply(budget.step, progress)
        chosen = torch.from_numpy(rng.integers(0, seen, arguments.batch))
        which = torch.from_numpy(rng.choice(len(KEPT_LEVELS), arguments.batch, p=LEVEL_SHARES))
        level = torch.tensor(KEPT_LEVELS)[which]
        state, end = pairs[chosen, which].float(), pairs[chosen, -1].float()
        with torch.autocast("cpu", torch.bfloat16):
            slope = velocity(network, state, level, texts[chosen])
        predicted = state - level.view(-1, 1, 1, 1) * slope.float()
        loss = pseudo_huber(predicted - end)
        if progress > PERCEPTUAL_FROM:
            loss = loss + PERCEPTUAL_WEIGHT * perceptual_loss(vae, predicted, end)
        descend(loss, optimiser)
        average.update()
        budget.count_step()
        log.add(loss.item())
    print("student: held-back error", held_back_errors(average.module, pairs[seen:], texts[seen:]))
    average.module.to(memory_format=torch.contiguous_format).save_pretrained(root / "transformer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=6e-4, help="learning rate (default: %(default)s)")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
