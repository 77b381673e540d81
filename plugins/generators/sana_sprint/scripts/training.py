"""What the training stages share: data files, the time or step budget, learning rate, weight average, arguments."""

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch


def add_common_arguments(parser: argparse.ArgumentParser, trains: bool = True) -> None:
    parser.add_argument("--work", type=Path, required=True, help="scratch folder: scenes, latents, pairs")
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished models")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="replaces the stage's own seed")
    if trains:
        parser.add_argument("--seconds", type=float, default=None, help="train for this long after compilation")
        parser.add_argument("--steps", type=int, default=None, help="train for this many steps instead")
        parser.add_argument("--no-compile", action="store_true", help="skip torch.compile (short runs)")


def prepare(arguments: argparse.Namespace, default_seed: int) -> np.random.Generator:
    """Sets threads and seeds, makes the folders, and returns the stage's generator of random numbers."""
    torch.set_num_threads(arguments.threads)
    seed = default_seed if arguments.seed is None else arguments.seed
    torch.manual_seed(seed)
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    return np.random.default_rng(seed)


def compiled(module, arguments: argparse.Namespace):
    return module if arguments.no_compile else torch.compile(module)


def load_split(work: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures [N,64,64,3] uint8 (mapped, not read) and scenes [N] of a split: train, val or held."""
    return np.load(work / f"{split}_images.npy", mmap_mode="r"), np.load(work / f"{split}_scenes.npy")


def to_pictures(images: np.ndarray) -> torch.Tensor:
    """[B,64,64,3] uint8 -> [B,3,64,64] float in -1..1, channels last in memory."""
    pictures = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pictures.contiguous(memory_format=torch.channels_last)


def to_uint8(pictures: torch.Tensor) -> np.ndarray:
    """[B,3,64,64] in -1..1 -> [B,64,64,3] uint8."""
    return ((pictures + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


class Budget:
    """Counts steps towards a number of steps or seconds. The clock starts after the first step, which compiles."""

    def __init__(self, seconds: float | None, steps: int | None):
        if (seconds is None) == (steps is None):
            raise ValueError(f"[Budget] expected either seconds or steps, got seconds={seconds} and steps={steps}")
        self._seconds, self._steps = seconds, steps
        self.step = 0
        self._start = time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() - self._start if self.step else 0.0

    def progress(self) -> float:
        """0 at the start, 1 at the end."""
        if self._steps is not None:
            return self.step / self._steps
        return self.elapsed() / self._seconds

    def running(self) -> bool:
        return self.progress() < 1

    def count_step(self) -> None:
        self.step += 1
        if self.step == 1:
            self._start = time.monotonic()


class Schedule:
    """Linear warm-up, a constant part up to `hold` of the run, then half a cosine down to `floor`."""

    def __init__(self, optimiser: torch.optim.Optimizer, rate: float, warm_up: int, hold: float, floor: float):
        self._optimiser, self._rate, self._warm_up, self._hold, self._floor = optimiser, rate, warm_up, hold, floor

    def apply(self, step: int, progress: float) -> None:
        factor = min(1.0, (step + 1) / self._warm_up)
        if progress >= self._hold:
            phase = (progress - self._hold) / (1 - self._hold)
            factor *= self._floor + (1 - self._floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, phase)))
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * factor


class Average:
    """Exponential moving average of a module's parameters, quick at first (it has seen nothing yet)."""

    def __init__(self, module: torch.nn.Module, decay: float, ramp: float, steps_before: int = 0):
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self._source = list(module.parameters())
        self._target = list(self.module.parameters())
        self._decay, self._ramp, self._step = decay, ramp, steps_before

    @torch.no_grad()
    def update(self) -> None:
        self._step += 1
        decay = min(self._decay, 1 - 1 / (1 + self._step / self._ramp))
        torch._foreach_lerp_(self._target, self._source, 1 - decay)


def descend(loss: torch.Tensor, optimiser: torch.optim.Optimizer, clip: float = 1.0) -> None:
    """One optimiser step with the gradient's norm clipped."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    torch.nn.utils.clip_grad_norm_(parameters, clip)
    optimiser.step()


class Log:
    """Prints a smoothed loss now and then."""

    def __init__(self, stage: str, budget: Budget, batch: int, every: int = 100):
        self._stage, self._budget, self._batch, self._every = stage, budget, batch, every
        self._loss: float | None = None

    def add(self, loss: float) -> None:
        self._loss = loss if self._loss is None else 0.99 * self._loss + 0.01 * loss
        if self._budget.step % self._every == 0:
            rate = self._budget.step * self._batch / max(self._budget.elapsed(), 1e-9)
            print(f"{self._stage}: step {self._budget.step} loss {self._loss:.4f} "
                  f"{self._budget.elapsed():.0f} s, {rate:.0f} samples/s", flush=True)
