"""The judge: an independent detector that says, as GenEval does, whether a picture shows what was asked.

No reward is ever computed from it; it only measures.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

from scenes import kind_of
from vocabulary import BACKGROUND_NAMES, COLOUR_NAMES, KINDS, OBJECT_NAMES

GRID = 8  # cells a side; a cell is 8 pixels
THRESHOLD = 0.3


class Judge(nn.Module):
    """Four stages (3 -> 32 -> 64 -> 128 -> 192 channels), each a strided and a residual convolution; the last two are
    joined on the 8x8 grid, where every cell gives object and colour logits."""

    def __init__(self):
        super().__init__()
        channels = [3, 32, 64, 128, 192]
        steps = list(zip(channels, channels[1:]))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in steps)
        self.gn = nn.ModuleList(nn.GroupNorm(8, b) for _, b in steps)
        self.res = nn.ModuleList(nn.Conv2d(b, b, 3, 1, 1) for _, b in steps)
        self.gr = nn.ModuleList(nn.GroupNorm(8, b) for _, b in steps)
        self.mix = nn.Conv2d(128 + 192, 192, 3, 1, 1)
        self.cls = nn.Conv2d(192, len(OBJECT_NAMES), 1)
        self.col = nn.Conv2d(192, len(COLOUR_NAMES) + 1, 1)
        self.bg = nn.Linear(192, len(BACKGROUND_NAMES))
        nn.init.constant_(self.cls.bias, -4.0)

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        """[B,3,64,64] in -1..1 -> logits: cls [B,48,8,8], col [B,7,8,8] (0 is natural), bg [B,8]."""
        hidden, stages = pictures, []
        for down, norm, residual, residual_norm in zip(self.down, self.gn, self.res, self.gr):
            hidden = F.silu(norm(down(hidden)))
            hidden = hidden + F.silu(residual_norm(residual(hidden)))
            stages.append(hidden)
        upsampled = F.interpolate(stages[3], scale_factor=2, mode="nearest")
        mixed = F.silu(self.mix(torch.cat([stages[2], upsampled], 1)))
        return dict(cls=self.cls(mixed), col=self.col(mixed), bg=self.bg(stages[3].mean((2, 3))))


class Detection(NamedTuple):
    object: int
    colour: int  # -1 is natural
    column: int
    row: int


class Finding(NamedTuple):
    detections: list[Detection]
    background: int


def load_judge(path: Path) -> Judge:
    judge = Judge()
    judge.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return judge.eval()


@torch.no_grad()
def find(judge: Judge, pictures: torch.Tensor, batch: int = 200) -> list[Finding]:
    """Detections are cells above the threshold that are the largest of their 3x3 neighbourhood."""
    findings = []
    for part in pictures.split(batch):
        logits = judge(part)
        score, obj = logits["cls"].sigmoid().max(1)
        peak = (score >= F.max_pool2d(score[:, None], 3, 1, 1)[:, 0]) & (score > THRESHOLD)
        colour = logits["col"].argmax(1) - 1
        background = logits["bg"].argmax(1)
        for index in range(len(part)):
            cells = peak[index].nonzero().tolist()
            found = [Detection(int(obj[index, r, c]), int(colour[index, r, c]), c, r) for r, c in cells]
            findings.append(Finding(found, int(background[index])))
    return findings


def relation_holds(relation: int, first: Detection, second: Detection) -> bool:
    right, down = second.column - first.column, second.row - first.row
    return (right > abs(down), -right > abs(down), down > abs(right), -down > abs(right))[relation]


def is_right(finding: Finding, scene: np.void) -> bool:
    """Exactly the requested objects and number, and by category their colours or their relation."""
    kind, count = kind_of(scene), int(scene["count"])
    wanted = scene["object"][:count].tolist()
    found = finding.detections
    if sorted(detection.object for detection in found) != sorted(wanted):
        return False
    if kind in ("colors", "attribution"):
        return all(detection.colour == scene["colour"][wanted.index(detection.object)] for detection in found)
    if kind == "position":
        first, second = (next(d for d in found if d.object == wanted[slot]) for slot in (0, 1))
        return relation_holds(int(scene["relation"]), first, second)
    return True


class Verdicts(NamedTuple):
    right: np.ndarray  # [N] bool
    background: np.ndarray  # [N] bool


def verdicts(judge: Judge, pictures: torch.Tensor, scenes: np.ndarray) -> Verdicts:
    findings = find(judge, pictures)
    right = [is_right(finding, scene) for finding, scene in zip(findings, scenes)]
    background = [finding.background == scene["background"] for finding, scene in zip(findings, scenes)]
    return Verdicts(np.array(right, bool), np.array(background, bool))


def summarise(right: np.ndarray, scenes: np.ndarray) -> dict[str, float]:
    """Share of right pictures by category, and the mean of the categories."""
    shares = {}
    for index, name in enumerate(KINDS):
        of_kind = scenes["kind"] == index
        if of_kind.any():
            shares[name] = round(float(right[of_kind].mean()), 3)
    shares["mean"] = round(float(np.mean(list(shares.values()))), 3)
    return shares
