"""Stage: writes the finished models as the plugins carry them, and checks that they load.

    WEIGHTS/emoji-sprint        SanaSprintPipeline folder: transformer as bfloat16, VAE and text encoder as float32
    WEIGHTS/tiny-clip           CLIPModel folder, stored as bfloat16
    WEIGHTS/judge.safetensors   stored as bfloat16

Only files are written that load through diffusers and transformers; prompt lists and notices are left alone.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import SanaSprintPipeline, SCMScheduler
from safetensors.torch import load_file, save_file
from transformers import CLIPModel

from judge import load_judge

MODEL_INDEX = {
    "_class_name": "SanaSprintPipeline", "_diffusers_version": "0.42.1",
    "scheduler": ["diffusers", "SCMScheduler"], "text_encoder": ["transformers", "Gemma2Model"],
    "tokenizer": ["transformers", "GemmaTokenizer"], "transformer": ["diffusers", "SanaTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderDC"],
}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
SAFETENSORS = "diffusion_pytorch_model.safetensors"


def copy_weights(source: Path, target: Path, dtype: torch.dtype) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.to(dtype).contiguous() for name, tensor in load_file(source).items()}
    save_file(tensors, target, metadata={"format": "pt"})


def copy_config(source: Path, target: Path) -> None:
    """Copies a config.json without the path that it was loaded from."""
    config = json.loads(source.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def export_pipeline(source: Path, target: Path) -> None:
    for part, weights, dtype in (
        ("transformer", SAFETENSORS, torch.bfloat16),
        ("vae", SAFETENSORS, torch.float32),
        ("text_encoder", "model.safetensors", torch.float32),
    ):
        copy_config(source / part / "config.json", target / part / "config.json")
        copy_weights(source / part / weights, target / part / weights, dtype)
    (target / "tokenizer").mkdir(exist_ok=True)
    for name in TOKENIZER_FILES:
        shutil.copyfile(source / "tokenizer" / name, target / "tokenizer" / name)
    scheduler = SCMScheduler(num_train_timesteps=1000, prediction_type="trigflow", sigma_data=0.5)
    scheduler.save_pretrained(target / "scheduler")
    (target / "model_index.json").write_text(json.dumps(MODEL_INDEX, indent=2) + "\n", encoding="utf-8")


def export_clip(source: Path, target: Path) -> None:
    copy_config(source / "config.json", target / "config.json")
    copy_weights(source / "model.safetensors", target / "model.safetensors", torch.bfloat16)
    for name in ("merges.txt", "vocab.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        shutil.copyfile(source / name, target / name)


def check(weights: Path) -> None:
    pipeline = SanaSprintPipeline.from_pretrained(weights / "emoji-sprint")
    pipeline.set_progress_bar_config(disable=True)
    for steps in (1, 2, 4):
        pictures = pipeline(
            ["A photo of a red car and a blue star"], num_inference_steps=steps,
            intermediate_timesteps=1.3 if steps == 2 else None, height=64, width=64, complex_human_instruction=None,
            use_resolution_binning=False, output_type="pt", generator=torch.Generator().manual_seed(0)).images
        if pictures.shape != (1, 3, 64, 64) or not torch.isfinite(pictures).all():
            raise RuntimeError(f"[export] expected a finite picture of 64x64, got {tuple(pictures.shape)}")
    CLIPModel.from_pretrained(weights / "tiny-clip")
    load_judge(weights / "judge.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished models")
    parser.add_argument("--weights", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    if arguments.out.resolve() == arguments.weights.resolve():
        parser.error(f"--weights must differ from --out, got {arguments.weights} for both")
    export_pipeline(arguments.out / "emoji-sprint", arguments.weights / "emoji-sprint")
    export_clip(arguments.out / "tiny-clip", arguments.weights / "tiny-clip")
    copy_weights(arguments.out / "judge.safetensors", arguments.weights / "judge.safetensors", torch.bfloat16)
    check(arguments.weights)
    files = [path for path in arguments.weights.rglob("*") if path.is_file()]
    print(f"export: {len(files)} files, {sum(path.stat().st_size for path in files) / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
