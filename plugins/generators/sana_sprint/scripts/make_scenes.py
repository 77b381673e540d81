"""Stage: renders the scenes of all splits, and the captions from which the tokenizers are trained.

Writes {train,val,held}_images.npy [N,64,64,3] uint8, {train,val,held}_scenes.npy [N] of SCENE, and captions.txt.
"""

import argparse
import time

import numpy as np

from captions import caption
from rendering import Sprites, make_scenes
from training import add_common_arguments, prepare
from vocabulary import KINDS

TOKENIZER_CAPTIONS = 40000
HELD_OUT_KINDS = ("two", "colors", "position", "attribution")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser, trains=False)
    parser.add_argument("--train", type=int, default=120000, help="training scenes (default: %(default)s)")
    parser.add_argument("--val", type=int, default=1200, help="validation scenes, categories in turn")
    parser.add_argument("--held", type=int, default=900, help="scenes of held-out combinations")
    arguments = parser.parse_args()
    prepare(arguments, 0)
    sprites = Sprites()
    held_kinds = [KINDS.index(name) for name in HELD_OUT_KINDS]
    jobs = [
        ("val", arguments.val, 11, "train", range(len(KINDS))),
        ("held", arguments.held, 12, "held", held_kinds),
        ("train", arguments.train, 1, "train", None),
    ]
    for name, count, seed, split, kinds in jobs:
        start = time.monotonic()
        images, scenes = make_scenes(count, sprites, seed, split, kinds)
        np.save(arguments.work / f"{name}_images.npy", images)
        np.save(arguments.work / f"{name}_scenes.npy", scenes)
        print(f"scenes: {count} of {name} in {time.monotonic() - start:.1f} s", flush=True)
    rng = np.random.default_rng(5)
    lines = [caption(scene, rng) for scene in scenes[:TOKENIZER_CAPTIONS]]
    (arguments.work / "captions.txt").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
