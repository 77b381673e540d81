"""Measures a CLIP by kind of mistake: how often the right caption scores above the same with ONE thing altered."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPModel

from captions import ALTERATIONS, alter, draw_mentions, possible_alterations, with_background, word_caption
from clip_model import ClipTokenizer, image_features, load_clip, text_features
from training import load_split


@torch.no_grad()
def alteration_accuracy(
    model: CLIPModel, tokenizer: ClipTokenizer, images: np.ndarray, scenes: np.ndarray
) -> dict[str, float]:
    """One share a kind of alteration (chance: 0.5), their mean, and the number of comparisons a kind."""
    rng = np.random.default_rng(7)
    pictures = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255
    features = torch.cat([image_features(model, part) for part in pictures.split(200)])
    cases: dict[str, list[tuple[int, str, str]]] = {kind: [] for kind in ALTERATIONS}
    for index, scene in enumerate(scenes):
        mentions = with_background(draw_mentions(scene, rng, full=True))
        right = word_caption(scene, mentions)
        options = possible_alterations(scene, mentions)
        for kind in ALTERATIONS:
            if kind in options:
                cases[kind].append((index, right, word_caption(alter(scene, rng, kind), mentions)))
    result: dict[str, float] = {}
    for kind, rows in cases.items():
        if not rows:
            continue
        chosen = features[[index for index, _, _ in rows]]
        right, wrong = (text_features(model, tokenizer([row[k] for row in rows])) for k in (1, 2))
        wins = (chosen * right).sum(-1) > (chosen * wrong).sum(-1)
        result[kind] = round(wins.float().mean().item(), 4)
    result["mean"] = round(float(np.mean(list(result.values()))), 4)
    result["cases"] = {kind: len(rows) for kind, rows in cases.items()}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder with the val and held scenes")
    parser.add_argument("--clip", type=Path, required=True, help="folder of a CLIPModel")
    arguments = parser.parse_args()
    model, tokenizer = load_clip(arguments.clip)
    for split in ("val", "held"):
        print(split, json.dumps(alteration_accuracy(model, tokenizer, *load_split(arguments.work, split))))


if __name__ == "__main__":
    main()
