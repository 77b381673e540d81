"""What a byte a weight costs a picture and its gradient by noise, with PyTorch's own rounding: to set beside sana_memory_test.

    python quantise_reference.py --seeds 3 1 2

Every linear layer and full convolution of SANA-Sprint's transformer and text encoder is rounded: int8 to 1/127 and fp8 to e4m3 at
1/448 of each output channel's largest number; "random" moves each weight by a random share of itself, as large as fp8's error.
The gradient is that of random cotangents of picture and latents, one step, batch 2, relative to float32 (Euclidean). The seed 3
gives the inputs of the C++ test (torch's generator is the same).
"""

import argparse
import statistics
from pathlib import Path

import torch

import reference

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parents[1] / "plugins/generators/sana_sprint/weights/emoji-sprint"
PROMPTS = ["a red apple on a table", "two blue cats"]
FP8_ERROR = 0.0265
KINDS = ("int8", "fp8", "random")


def rounded(weight: torch.Tensor, kind: str) -> torch.Tensor:
    rows = weight.flatten(1)
    if kind == "random":
        return (rows * (1 + FP8_ERROR * torch.randn(rows.shape, generator=torch.Generator().manual_seed(0)))).view_as(weight)
    most = rows.abs().amax(1, keepdim=True)
    scale = torch.where(most > 0, most / (127 if kind == "int8" else 448), torch.ones_like(most))
    codes = (rows / scale).round() if kind == "int8" else (rows / scale).to(torch.float8_e4m3fn).float()
    return (codes * scale).view_as(weight)


def load(weights: Path, kind: str):
    """-> the pipeline and the mean relative error of its weights."""
    pipe = reference.load_pipeline(weights)
    errors = []
    for part in (pipe.transformer, pipe.text_encoder, pipe.vae):
        part.requires_grad_(False)
    for part in (pipe.transformer, pipe.text_encoder) if kind else ():
        for module in part.modules():
            if isinstance(module, torch.nn.Linear) or (isinstance(module, torch.nn.Conv2d) and module.groups == 1):
                new = rounded(module.weight.data, kind)
                errors.append(((new - module.weight.data).norm() / module.weight.data.norm()).item())
                module.weight.data.copy_(new)
    return pipe, statistics.mean(errors) if errors else 0.0


def picture_and_gradient(pipe, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One step from noise at level 1: the data is the noise less the transformer's answer."""
    torch.manual_seed(seed)
    noise, by_image, by_latents = torch.randn(2, 16, 8, 8), torch.randn(2, 3, 64, 64), torch.randn(2, 16, 8, 8)
    noise.requires_grad_(True)
    told = reference.encode_prompts(pipe, PROMPTS)
    latents = noise - reference.offset(pipe, pipe.transformer, noise, told)
    image = (pipe.vae.decode(latents / pipe.vae.config.scaling_factor)[0] / 2 + 0.5).clamp(0, 1)
    return image.detach(), torch.autograd.grad([image, latents], [noise], [by_image, by_latents])[0]


def relative(got: torch.Tensor, want: torch.Tensor) -> float:
    return ((got - want).norm() / want.norm()).item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, *range(10, 25)])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    exact, _ = load(arguments.weights, "")
    wanted = {seed: picture_and_gradient(exact, seed) for seed in arguments.seeds}
    first = arguments.seeds[0]
    print(f"| weights | error of a weight | picture | by noise, seed {first} | by noise, {len(wanted)} seeds: least, median, most |")
    print("|---|---|---|---|---|")
    for kind in KINDS:
        pipe, error = load(arguments.weights, kind)
        pictures, gradients = {}, {}
        for seed, (image, gradient) in wanted.items():
            got = picture_and_gradient(pipe, seed)
            pictures[seed], gradients[seed] = relative(got[0], image), relative(got[1], gradient)
        spread = min(gradients.values()), statistics.median(gradients.values()), max(gradients.values())
        print(f"| {kind} | {error:.4f} | {pictures[first]:.2g} | {gradients[first]:.2g} | " + ", ".join(f"{x:.2g}" for x in spread) + " |",
              flush=True)


if __name__ == "__main__":
    main()
