"""Runs the whole recipe: scenes, tokenizers, autoencoder, teacher, student, CLIP, judge, export, evaluation.

    python run_all.py --work scratch --out models --weights exported          # about two hours on two cores
    python run_all.py --work scratch --out models --weights exported --smoke  # minutes: does every stage run?

The durations are those of the delivered weights; `--scale 3` trains three times as long. A stage whose name is in
`--only` runs alone (its inputs must be there).
"""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Stage:
    name: str
    script: str
    options: list[str] = field(default_factory=list)
    seconds: float | None = None  # training time of the delivered weights on two cores; None: no training
    smoke: list[str] = field(default_factory=list)


SMOKE_TRAINING = ["--steps", "2", "--no-compile"]
TEACHER_LEGS = ((600, 128, 1.2e-3, 48), (480, 64, 0.96e-3, 48), (640, 64, 0.84e-3, 36), (960, 64, 0.72e-3, 36))


def teacher_legs() -> list[Stage]:
    """Four learning-rate cycles; lone objects larger than 36 pixels are left out of the last two."""
    stages = []
    for number, (seconds, batch, rate, largest) in enumerate(TEACHER_LEGS):
        options = ["--batch", str(batch), "--rate", str(rate), "--largest-lone", str(largest)]
        options += ["--seed", str(1 + number)]
        stages.append(Stage(f"teacher{number + 1}", "train_teacher.py", options + ["--resume"] * (number > 0), seconds,
                            [*SMOKE_TRAINING, "--batch", "4"]))
    return stages


def all_stages(weights: Path) -> list[Stage]:
    small = [*SMOKE_TRAINING, "--batch", "4"]
    exported = ["--generator", str(weights / "emoji-sprint"), "--clip", str(weights / "tiny-clip"),
                "--judge", str(weights / "judge.safetensors")]
    return [
        Stage("scenes", "make_scenes.py", smoke=["--train", "600", "--val", "60", "--held", "40"]),
        Stage("tokenizers", "train_tokenizers.py"),
        Stage("vae", "train_vae.py", seconds=420, smoke=small),
        *teacher_legs(),
        Stage("pairs", "make_pairs.py", seconds=240, smoke=["--steps", "1", "--no-compile", "--batch", "8"]),
        Stage("student", "train_student.py", seconds=720, smoke=small),
        Stage("reconstructions", "make_reconstructions.py", smoke=["--count", "64"]),
        Stage("clip1", "train_clip.py", seconds=270, smoke=small),
        Stage("clip2", "train_clip.py", ["--resume"], 170, small),
        Stage("clip3", "train_clip.py", ["--resume", "--seed", "32"], 240, small),
        Stage("judge", "train_judge.py", seconds=190, smoke=small),
        Stage("export", "export.py", ["--weights", str(weights)]),
        Stage("prompts", "make_prompts.py", ["--prompts", str(weights / "emoji-sprint" / "prompts")]),
        Stage("evaluate", "evaluate.py", exported, smoke=["--count", "12", "--clip-count", "24"]),
    ]


def command_of(stage: Stage, arguments: argparse.Namespace) -> list[str]:
    command = [sys.executable, str(HERE / stage.script), *stage.options]
    if stage.name not in ("evaluate", "export"):
        command += ["--work", str(arguments.work)]
    if stage.name not in ("evaluate", "prompts"):
        command += ["--out", str(arguments.out)]
    if stage.name not in ("export", "prompts"):
        command += ["--threads", str(arguments.threads)]
    if stage.name == "evaluate":
        command += ["--teacher", str(arguments.out / "teacher")]
    if arguments.smoke:
        return command + stage.smoke
    if stage.seconds is not None:
        command += ["--seconds", str(stage.seconds * arguments.scale)]
    return command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="scratch folder (1.5 GB: scenes, latents, pairs)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished models, float32")
    parser.add_argument("--weights", type=Path, required=True, help="folder of the exported models")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the training times")
    parser.add_argument("--smoke", action="store_true", help="tiny data, two steps a stage: only shows that all run")
    parser.add_argument("--only", nargs="+", metavar="STAGE", help="run these stages alone")
    arguments = parser.parse_args()
    stages = all_stages(arguments.weights)
    names = [stage.name for stage in stages]
    unknown = sorted(set(arguments.only or []) - set(names))
    if unknown:
        parser.error(f"unknown stages {', '.join(unknown)}; the stages are {', '.join(names)}")
    for stage in stages:
        if arguments.only and stage.name not in arguments.only:
            continue
        start = time.monotonic()
        subprocess.run(command_of(stage, arguments), check=True)
        print(f"== {stage.name}: {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
