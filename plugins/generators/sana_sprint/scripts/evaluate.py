"""Stage: measures the exported models as a user gets them, through diffusers' and transformers' loaders.

Judge's verdicts by category, share of right backgrounds where the caption names one, CLIP score with the right and
with another caption, PSNR of the autoencoder, CLIP's accuracy by kind of mistake, and the agreement of the recipe's
own sampler with the pipeline. Prints one JSON object.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import SanaSprintPipeline, SanaTransformer2DModel

from captions import caption
from clip_accuracy import alteration_accuracy
from clip_model import clip_scores, load_clip
from judge import load_judge, summarise, verdicts
from make_scenes import HELD_OUT_KINDS
from model import LATENT_SHAPE, CaptionTokenizer, decode, encode, encode_text
from pictures import contact_sheet
from rendering import Sprites, make_scenes
from sampling import ode_sample, scm_sample
from train_vae import psnr
from training import to_pictures, to_uint8
from vocabulary import KINDS

PLUGINS = Path(__file__).resolve().parents[3]
STEPS = (1, 2, 4)
SHOWN = 32


class Evaluation:
    """The models, and what is measured of any set of pictures."""

    def __init__(self, arguments: argparse.Namespace):
        self.pipeline = SanaSprintPipeline.from_pretrained(arguments.generator)
        self.pipeline.set_progress_bar_config(disable=True)
        self.tokenizer = CaptionTokenizer(arguments.generator / "tokenizer")
        self.clip, self.clip_tokenizer = load_clip(arguments.clip)
        self.judge = load_judge(arguments.judge)
        self.teacher = None
        if arguments.teacher:
            self.teacher = SanaTransformer2DModel.from_pretrained(arguments.teacher).float().eval()

    @torch.no_grad()
    def encode_text(self, captions: list[str]):
        return encode_text(self.pipeline.text_encoder, self.tokenizer, captions)

    def sample(self, captions: list[str], noise: torch.Tensor, steps: int, batch: int = 60) -> torch.Tensor:
        """Pictures in -1..1 from SanaSprintPipeline."""
        generator = torch.Generator().manual_seed(2)
        parts = []
        for start in range(0, len(captions), batch):
            part = slice(start, start + batch)
            parts.append(self.pipeline(
                captions[part], latents=noise[part].clone(), num_inference_steps=steps, height=64, width=64,
                intermediate_timesteps=1.3 if steps == 2 else None, complex_human_instruction=None,
                use_resolution_binning=False, output_type="pt", generator=generator).images)
        return torch.cat(parts) * 2 - 1

    def measure(self, pictures: torch.Tensor, scenes: np.ndarray, captions: list[str]) -> dict[str, object]:
        result = verdicts(self.judge, pictures, scenes)
        named = np.array(["background" in text for text in captions])
        unit = (pictures + 1) / 2
        others = captions[37 % len(captions):] + captions[:37 % len(captions)]
        return {
            "judge": summarise(result.right, scenes),
            "named background right": round(float(result.background[named].mean()), 3),
            "clip": round(clip_scores(self.clip, self.clip_tokenizer, unit, captions).mean().item(), 4),
            "clip, other caption": round(clip_scores(self.clip, self.clip_tokenizer, unit, others).mean().item(), 4),
        }


def evaluate_split(
    evaluation: Evaluation, images: np.ndarray, scenes: np.ndarray
) -> tuple[dict[str, object], dict[str, torch.Tensor], list[str]]:
    """Measurements by model, the pictures of the generators, and the captions."""
    captions = [caption(scene, np.random.default_rng(1000 + i), full=True) for i, scene in enumerate(scenes)]
    noise = torch.randn(len(scenes), *LATENT_SHAPE, generator=torch.Generator().manual_seed(17))
    vae = evaluation.pipeline.vae
    real = to_pictures(images)
    made: dict[str, torch.Tensor] = {}
    if evaluation.teacher is not None:
        text, no_text = evaluation.encode_text(captions), evaluation.encode_text([""])
        made["teacher, 16 steps"] = decode(vae, ode_sample(evaluation.teacher, noise, text, no_text))
    for steps in STEPS:
        made[f"student, {steps} step{'s' * (steps > 1)}"] = evaluation.sample(captions, noise, steps)
    reconstructed = decode(vae, encode(vae, real))
    results: dict[str, object] = {"autoencoder PSNR, dB": round(psnr(real, reconstructed), 2)}
    for name, pictures in {"real scenes": real, "autoencoder": reconstructed, **made}.items():
        results[name] = evaluation.measure(pictures, scenes, captions)
    own = scm_sample(evaluation.pipeline.transformer, noise[:8], evaluation.encode_text(captions[:8]))
    difference = (decode(vae, own) - made["student, 1 step"][:8]).abs().max().item() / 2
    results["own sampler against the pipeline, largest difference in 0..1"] = difference
    return results, made, captions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    weights = {"generator": PLUGINS / "generators/sana_sprint/weights/emoji-sprint",
               "clip": PLUGINS / "rewards/clip/weights/tiny-clip",
               "judge": PLUGINS / "rewards/judge/weights/judge.safetensors"}
    for name, path in weights.items():
        parser.add_argument(f"--{name}", type=Path, default=path, help="default: the committed weights")
    parser.add_argument("--teacher", type=Path, help="folder of the teacher, to measure it too")
    parser.add_argument("--count", type=int, default=240, help="prompts a set (default: %(default)s)")
    parser.add_argument("--clip-count", type=int, default=1200, help="scenes for CLIP's accuracy")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet here")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    evaluation = Evaluation(arguments)
    sprites = Sprites()
    held_kinds = [KINDS.index(name) for name in HELD_OUT_KINDS]
    report: dict[str, object] = {}
    for title, seed, split, kinds in (("seen combinations", 11, "train", range(len(KINDS))),
                                      ("held-out combinations", 12, "held", held_kinds)):
        images, scenes = make_scenes(max(arguments.count, arguments.clip_count), sprites, seed, split, kinds)
        few = slice(arguments.count)
        report[title], made, captions = evaluate_split(evaluation, images[few], scenes[few])
        if arguments.sheet and split == "train":
            contact_sheet([to_uint8(pictures[:SHOWN]) for pictures in made.values()], captions[:SHOWN], arguments.sheet)
        many = slice(arguments.clip_count)
        report[f"CLIP accuracy, {title}"] = alteration_accuracy(
            evaluation.clip, evaluation.clip_tokenizer, images[many], scenes[many])
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
