"""For the nightly: the built command beside diffusers and peft, from a short training to files of raw tensors.

    python command_parity.py --hnhost build/release/bin/hnhost

hnhost trains a few steps, saves its adapter, and writes noise, offset, latents and pictures; peft must load the adapter and
give the same offset, diffusers the same latents and pictures.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEFAULT_WEIGHTS = HERE.parents[1] / "plugins/generators/sana_sprint/weights/emoji-sprint"
PROMPTS = ["a red fox on a blue background", "two cats", "a dog to the left of a tree", "three green apples"]


def run(*command: object) -> None:
    print("+", *command, flush=True)
    subprocess.run([str(part) for part in command], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hnhost", type=Path, required=True, help="the built command")
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        prompts, noise, delta = work / "prompts.txt", work / "noise.safetensors", work / "delta.safetensors"
        prompts.write_text("\n".join(PROMPTS) + "\n", encoding="utf-8")
        run(arguments.hnhost, "train", "--quiet", "--reward", "redness", "--steps", 6, "--batch", 4, "--rank", 4, "--lr", 0.01,
            "--threads", 1, "--prompts", prompts, "--eval-prompts", prompts, "--sample-prompts", prompts, "--out", work / "run")
        run(arguments.hnhost, "sample", "--quiet", "--adapter", work / "run", "--prompts", prompts, "--threads", 1, "--seed", 3,
            "--noise-out", noise, "--delta-out", delta, "--latents-out", work / "latents.safetensors",
            "--images-out", work / "images.safetensors")
        common = ["--weights", arguments.weights, "--noise-in", noise, "--prompts", prompts, "--adapter", work / "run/adapter"]
        run(sys.executable, "-B", HERE / "peft_roundtrip.py", *common, "--delta", delta)
        for part in ("latents", "images", "delta"):
            run(sys.executable, "-B", HERE / "diffusers_reference.py", *common, "--compare", work / f"{part}.safetensors")
    print("command_parity: ok")


if __name__ == "__main__":
    main()
