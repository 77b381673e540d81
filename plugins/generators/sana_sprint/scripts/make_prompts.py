"""Stage: the prompt lists that lie beside the generator's weights (see their README.md).

Needs the scenes of make_scenes.py with its default numbers to give the committed lists.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from captions import caption
from training import load_split

HELD_OUT = 192
TRAINING = 4000
FIRST_HELD_OUT_SEED = 3000
# Lines of heldout.txt, counted from 1, for picture grids.
DEMO_LINES = (9, 61, 47, 142, 75, 136, 69, 35, 159, 67, 117, 93, 134, 191, 52, 171)


def held_out_captions(scenes: np.ndarray) -> list[str]:
    return [caption(scene, np.random.default_rng(FIRST_HELD_OUT_SEED + index), full=True)
            for index, scene in enumerate(scenes[:HELD_OUT])]


def distinct_captions(scenes: Iterable[np.void], seed: int, full: bool, excluded: set[str], count: int) -> list[str]:
    """The first `count` different captions of the scenes that are not excluded, in order."""
    rng = np.random.default_rng(seed)
    seen: dict[str, None] = {}
    for scene in scenes:
        text = caption(scene, rng, full)
        if text not in excluded:
            seen[text] = None
        if len(seen) == count:
            break
    return list(seen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder with the scenes")
    parser.add_argument("--prompts", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    held_out = held_out_captions(load_split(arguments.work, "val")[1])
    scenes = load_split(arguments.work, "train")[1]
    lists = {
        "heldout": held_out,
        "demo": [held_out[line - 1] for line in DEMO_LINES if line <= len(held_out)],
        "train": distinct_captions(scenes, 41, False, set(held_out), TRAINING),
        "train_full": distinct_captions(scenes, 42, True, set(held_out), TRAINING),
    }
    arguments.prompts.mkdir(parents=True, exist_ok=True)
    for name, lines in lists.items():
        (arguments.prompts / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"prompts: {len(lines)} in {name}.txt")


if __name__ == "__main__":
    main()
