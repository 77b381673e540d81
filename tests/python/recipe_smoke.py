"""For the nightly: every stage of the training recipe runs, and the committed prompt lists are what it makes.

Takes a few minutes on one core; needs the recipe's requirements.txt. The weights of this run are of no use.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

SPRINT = Path(__file__).resolve().parents[2] / "plugins/generators/sana_sprint"
SCRIPTS = SPRINT / "scripts"
PROMPTS = SPRINT / "weights/emoji-sprint/prompts"
EXPECTED = (
    "emoji-sprint/model_index.json", "emoji-sprint/transformer/diffusion_pytorch_model.safetensors",
    "emoji-sprint/vae/diffusion_pytorch_model.safetensors", "emoji-sprint/text_encoder/model.safetensors",
    "emoji-sprint/tokenizer/tokenizer.json", "tiny-clip/model.safetensors", "tiny-clip/merges.txt", "judge.safetensors",
)


def run(script: str, *options: object) -> None:
    subprocess.run([sys.executable, "-B", str(SCRIPTS / script), *map(str, options)], check=True)


def check_help() -> None:
    for script in sorted(SCRIPTS.glob("*.py")):
        if "argparse.ArgumentParser" in script.read_text(encoding="utf-8"):
            subprocess.run([sys.executable, "-B", str(script), "--help"], check=True, stdout=subprocess.DEVNULL)


def check_stages(folder: Path) -> None:
    folders = [f"--{name}={folder / name}" for name in ("work", "out", "weights")]
    run("run_all.py", *folders, "--threads", 1, "--smoke")
    missing = [name for name in EXPECTED if not (folder / "weights" / name).is_file()]
    if missing:
        raise SystemExit(f"[recipe_smoke] expected these files of the export, they are missing: {missing}")


def check_prompts(folder: Path) -> None:
    """The lists depend on the first 6,000 training and 192 validation scenes, so a smaller set gives the same."""
    work, prompts = folder / "prompt_work", folder / "prompts"
    run("make_scenes.py", "--work", work, "--out", folder, "--train", 6000, "--val", 192, "--held", 1, "--threads", 1)
    run("make_prompts.py", "--work", work, "--prompts", prompts)
    for name in ("train", "train_full", "heldout", "demo"):
        if (prompts / f"{name}.txt").read_bytes() != (PROMPTS / f"{name}.txt").read_bytes():
            raise SystemExit(f"[recipe_smoke] expected {name}.txt as committed, the recipe makes another")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="work in this folder and keep it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        check_help()
        check_prompts(folder)
        check_stages(folder)
    print("recipe_smoke: ok")


if __name__ == "__main__":
    main()
