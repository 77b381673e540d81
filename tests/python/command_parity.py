"""For the nightly: the built command beside diffusers and peft, from a short training to files of raw tensors.

    python command_parity.py --hnhost build/release/bin/hnhost

For the embedded model and for small random folders of every generator, written by diffusers: hnhost trains a few steps, saves its
adapter, and writes noise, offset, latents and pictures; peft must load the adapter and give the same offset, diffusers the same
latents and pictures in 1, 2 and 4 steps. Prints the largest differences, relative to the largest value, as a table.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file

from pipelines import kind_of
from reference import load_pipeline

HERE = Path(__file__).resolve().parent
EMBEDDED = HERE.parents[1] / "plugins/generators/sana_sprint/weights/emoji-sprint"
PROMPTS = ["a red fox on a blue background", "two cats", "a dog to the left of a tree", "three green apples"]
STEPS = (1, 2, 4)
TENSORS = ("delta", "latents", "images")


class Case(NamedTuple):
    generator: str  # as --generator has it
    model: str = ""  # of small_pipelines.py; none: the embedded model
    variant: str = ""
    shards: str = ""


CASES = (
    Case("emoji-sprint"),
    Case("sana_sprint", "plain"), Case("sana_sprint", "deep", "fp16", "20KB"),
    Case("sd_turbo", "plain"), Case("sd_turbo", "odd", "fp16", "20KB"),
    Case("flux_schnell", "plain"), Case("flux_schnell", "guided", "fp16", "20KB"),
)


def run(*command: object) -> str:
    print("+", *command, flush=True)
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout


def python(script: str, *options: object) -> str:
    return run(sys.executable, "-B", HERE / script, *options)


def optional(flag: str, value: str) -> list[str]:
    return [flag, value] if value else []


def write_step_noise(noise_file: Path, steps: int) -> None:
    """Lays random re-noising beside the noise that hnhost wrote."""
    noise = load_file(noise_file)["noise"]
    drawn = torch.randn(steps - 1, *noise.shape, generator=torch.Generator().manual_seed(steps))
    save_file({"noise": noise, "step_noise": drawn}, noise_file)


def check(hnhost: Path, case: Case, work: Path) -> dict[str, float]:
    """-> the largest relative differences by name."""
    weights = EMBEDDED
    if case.model:
        weights = work / "weights"
        python("small_pipelines.py", case.generator, case.model, weights, *optional("--variant", case.variant),
               *optional("--shards", case.shards))
        if case.shards and not list(weights.glob("*/*.index*.json")):
            raise SystemExit(f"[command_parity] expected shards of {case.shards} in {weights}, got none")
    prompts, noise = work / "prompts.txt", work / "noise.safetensors"
    prompts.write_text("\n".join(PROMPTS) + "\n", encoding="utf-8")
    run(hnhost, "train", "--quiet", "--generator", case.generator, *(["--weights", weights] if case.model else []),
        "--dtype", "float32", "--reward", "redness", "--steps", 6, "--batch", 4, "--rank", 4, "--lr", 0.01, "--threads", 1,
        "--measure", "redness", "--prompts", prompts, "--eval-prompts", prompts, "--sample-prompts", prompts, "--out", work / "run")
    redraws = kind_of(load_pipeline(weights, variant=case.variant or None)).redraws
    common = ["--weights", weights, "--noise-in", noise, "--prompts", prompts, "--adapter", work / "run/adapter",
              *optional("--variant", case.variant)]
    errors = {}
    for steps in STEPS:
        files = {name: work / f"{name}.{steps}.safetensors" for name in TENSORS}
        if steps > 1 and redraws:
            write_step_noise(noise, steps)
        run(hnhost, "sample", "--quiet", "--adapter", work / "run", "--prompts", prompts, "--threads", 1, "--steps", steps,
            *(["--seed", 3, "--noise-out", noise] if steps == 1 else ["--noise-in", noise]),
            *(part for name, file in files.items() for part in (f"--{name}-out", file)))
        if steps == 1:
            peft = json.loads(python("peft_roundtrip.py", *common, "--delta", files["delta"]).splitlines()[-1])
            errors["delta"] = peft["relative"]
        rows = json.loads(python("diffusers_reference.py", *common, "--steps", steps, "--compare", *files.values()).splitlines()[-1])
        errors.update({f"{name} {steps}": rows[name]["relative"] for name in TENSORS[1:]})
    return errors


def table(rows: dict[Case, dict[str, float]]) -> str:
    columns = ["delta", *(f"{name} {steps}" for name in TENSORS[1:] for steps in STEPS)]
    lines = ["| generator | folder | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for case, errors in rows.items():
        folder = ", ".join(filter(None, (case.model, case.variant, case.shards and "shards"))) or "embedded"
        lines.append(f"| {case.generator} | {folder} | " + " | ".join(f"{errors[column]:.0e}" for column in columns) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hnhost", type=Path, required=True, help="the built command")
    parser.add_argument("--only", help="a generator's name")
    arguments = parser.parse_args()
    rows = {}
    for case in CASES:
        if arguments.only in (None, case.generator):
            with tempfile.TemporaryDirectory() as name:
                rows[case] = check(arguments.hnhost, case, Path(name))
    if not rows:
        raise SystemExit(f"[command_parity] expected one of {sorted({case.generator for case in CASES})}, got {arguments.only!r}")
    print(table(rows))
    print("command_parity: ok")


if __name__ == "__main__":
    main()
