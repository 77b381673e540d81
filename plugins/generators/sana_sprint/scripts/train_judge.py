"""Stage: trains the judge (see judge.py) on scenes and on noisy VAE reconstructions of scenes."""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from judge import GRID, Judge, summarise, verdicts
from training import Budget, Log, Schedule, add_common_arguments, descend, load_split, prepare, to_pictures
from vocabulary import IMAGE_SIZE, OBJECT_NAMES

RECONSTRUCTED_SHARE = 0.4  # of the batches
CELL = IMAGE_SIZE // GRID


def grid_targets(scenes: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Centre cells: objects [B,48,8,8] of 0 and 1, colours [B,8,8] (-100 where none), backgrounds [B]."""
    objects = torch.zeros(len(scenes), len(OBJECT_NAMES), GRID, GRID)
    colours = torch.full((len(scenes), GRID, GRID), -100)
    for index, scene in enumerate(scenes):
        for slot in range(scene["count"]):
            column, row = int(scene["x"][slot] // CELL), int(scene["y"][slot] // CELL)
            objects[index, scene["object"][slot], row, column] = 1
            colours[index, row, column] = int(scene["colour"][slot]) + 1
    return objects, colours, torch.from_numpy(scenes["background"].astype(np.int64))


def augment(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    if rng.random() < 0.2:
        pictures = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    if rng.random() < 0.5:
        pictures = pictures + torch.randn_like(pictures) * float(rng.uniform(0, 0.1))
    return pictures.contiguous(memory_format=torch.channels_last)


def judge_loss(logits: dict[str, torch.Tensor], scenes: np.ndarray) -> torch.Tensor:
    """Focal loss on the centre cells, cross-entropy on their colours and on the background."""
    objects, colours, backgrounds = grid_targets(scenes)
    scores = logits["cls"].float()
    probability = torch.sigmoid(scores)
    miss = torch.where(objects > 0, 1 - probability, probability)
    focal = F.binary_cross_entropy_with_logits(scores, objects, reduction="none") * miss
    return (
        focal.sum() / len(scenes)
        + F.cross_entropy(logits["col"].float(), colours, ignore_index=-100)
        + 0.3 * F.cross_entropy(logits["bg"].float(), backgrounds)
    )


def train(arguments: argparse.Namespace) -> None:
    rng = prepare(arguments, 4)
    judge = Judge().to(memory_format=torch.channels_last)
    images, scenes = load_split(arguments.work, "train")
    reconstructed = arguments.work / "train_reconstructed.npy"
    noisy = np.load(reconstructed, mmap_mode="r") if reconstructed.exists() else None
    optimiser = torch.optim.AdamW(judge.parameters(), lr=arguments.rate, weight_decay=0.02)
    schedule = Schedule(optimiser, arguments.rate, warm_up=50, hold=0.3, floor=0.02)
    budget = Budget(arguments.seconds, arguments.steps)
    log = Log("judge", budget, arguments.batch)
    while budget.running():
        schedule.apply(budget.step, budget.progress())
        source = noisy if noisy is not None and rng.random() < RECONSTRUCTED_SHARE else images
        chosen = np.sort(rng.integers(0, len(source), arguments.batch))
        pictures = augment(to_pictures(source[chosen]), rng)
        with torch.autocast("cpu", torch.bfloat16):
            logits = judge(pictures)
        loss = judge_loss(logits, scenes[chosen])
        descend(loss, optimiser, clip=5.0)
        budget.count_step()
        log.add(loss.item())
    judge.eval()
    save_file({name: tensor.contiguous() for name, tensor in judge.state_dict().items()},
              arguments.out / "judge.safetensors")
    for split in ("val", "held"):
        pictures, of_split = load_split(arguments.work, split)
        result = verdicts(judge, to_pictures(pictures), of_split)
        print(f"judge: real {split} scenes:", summarise(result.right, of_split),
              f"background {result.background.mean():.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(parser)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate (default: %(default)s)")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
