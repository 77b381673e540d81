"""Stage: noise -> data pairs, the teacher's guided ODE trajectories for training captions.

Writes pairs.npy [N, levels + 1, 16, 8, 8] float16 (see sampling.trajectory) and pairs.txt, one caption a line.
"""

import argparse

import numpy as np
import torch

from captions import caption
from model import LATENT_SHAPE, Text, encode_text, load_models
from sampling import trajectory
from training import Budget, add_common_arguments, compiled, load_split, prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument("--batch", type=int, default=250)
    arguments = parser.parse_args()
    rng = prepare(arguments, 21)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    _, text_encoder, transformer, tokenizer = load_models(arguments.out / "emoji-sprint", arguments.out / "teacher")
    transformer.to(memory_format=torch.channels_last)
    _, scenes = load_split(arguments.work, "train")
    with torch.no_grad():
        no_text = encode_text(text_encoder, tokenizer, [""])
    network = compiled(transformer, arguments)
    budget = Budget(arguments.seconds, arguments.steps)
    states, captions = [], []
    while budget.running():
        texts = [caption(scenes[index], rng) for index in rng.integers(0, len(scenes), arguments.batch)]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            encoded = encode_text(text_encoder, tokenizer, texts)
            text = Text(encoded.states.float(), encoded.mask)
            noise = torch.randn(len(texts), *LATENT_SHAPE, generator=generator)
            states.append(trajectory(network, noise, text, no_text).half())
        captions += texts
        budget.count_step()
    np.save(arguments.work / "pairs.npy", torch.cat(states).numpy())
    (arguments.work / "pairs.txt").write_text("\n".join(captions), encoding="utf-8")
    print(f"pairs: {len(captions)} in {budget.elapsed():.0f} s after compilation")


if __name__ == "__main__":
    main()
