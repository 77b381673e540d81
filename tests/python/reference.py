"""What the Python checks share: a generator through diffusers, and noise networks through peft, from files.

Tensors are those of `hnhost sample`: noise [B,C,h,w] of unit variance, step_noise [n-1,B,C,h,w], latents [B,C,h,w] of
unit variance, images [B,3,H,W] in 0..1, delta [B,C,h,w]. Which pipelines there are: pipelines.py.
"""

import contextlib
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import torch
from peft import PeftModel
from safetensors.torch import load_file

from pipelines import kind_of, pipeline_class


def read_prompts(path: Path) -> list[str]:
    """One prompt a line, empty lines skipped."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_tensor(path: Path, name: str, rank: int) -> torch.Tensor:
    """A tensor of a safetensors file as float32; an error names what is there instead."""
    tensors = load_file(path)
    if name not in tensors:
        raise SystemExit(f"[reference] expected a tensor {name!r} in {path}, got {sorted(tensors)}")
    if tensors[name].ndim != rank:
        raise SystemExit(f"[reference] expected {name!r} with {rank} axes in {path}, got {tuple(tensors[name].shape)}")
    return tensors[name].float()


def match_prompts(prompts: list[str], noise: torch.Tensor) -> list[str]:
    """One prompt a sample; a single prompt serves all."""
    if len(prompts) == 1:
        return prompts * len(noise)
    if len(prompts) != len(noise):
        raise SystemExit(f"[reference] expected {len(noise)} prompts, one a noise sample, got {len(prompts)}")
    return prompts


def load_pipeline(weights: Path, dtype: torch.dtype = torch.float32, variant: str | None = None):
    """The pipeline that model_index.json names, quiet and without its safety checker."""
    index = json.loads((weights / "model_index.json").read_text(encoding="utf-8"))
    pipeline = pipeline_class(index["_class_name"]).from_pretrained(weights, dtype=dtype, variant=variant)
    if hasattr(pipeline, "safety_checker"):
        pipeline.safety_checker = None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def encode_prompts(pipeline, prompts: list[str], max_tokens: int | None = None) -> dict[str, torch.Tensor]:
    """What the network is told of the prompts, as its keyword arguments; without max_tokens as many as hn takes."""
    return kind_of(pipeline).encode(pipeline, prompts, max_tokens)


@contextlib.contextmanager
def given_step_noise(step_noise: torch.Tensor | None) -> Iterator[None]:
    """Lets the scheduler re-noise with these samples instead of its own. (After the last step it draws once more
    and multiplies the draw by sin 0.)"""
    if step_noise is None:
        yield
        return
    pending = iter(step_noise)

    def draw(shape, **_) -> torch.Tensor:
        return next(pending, torch.zeros(shape))

    with mock.patch("diffusers.schedulers.scheduling_scm.randn_tensor", draw):
        yield


@torch.no_grad()
def sample(
    pipeline, prompts: list[str], noise: torch.Tensor, steps: int, step_noise: torch.Tensor | None = None, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """-> images and latents."""
    with given_step_noise(step_noise):
        latents = kind_of(pipeline).latents(
            pipeline, prompts, noise.to(pipeline.dtype), steps, torch.Generator().manual_seed(seed))
    config = pipeline.vae.config
    scaled = latents.to(pipeline.vae.dtype) / config.scaling_factor + (config.get("shift_factor") or 0)
    images = pipeline.image_processor.postprocess(pipeline.vae.decode(scaled)[0], output_type="pt")
    return images.float(), latents.float()


def noise_network_base(pipeline) -> torch.nn.Module:
    """A copy of the generator's network whose last layer gives nothing, so that with LoRA it gives only its LoRA branch."""
    kind = kind_of(pipeline)
    network = copy.deepcopy(getattr(pipeline, kind.network)).float()
    last = getattr(network, kind.last_layer)
    torch.nn.init.zeros_(last.weight)
    if last.bias is not None:
        torch.nn.init.zeros_(last.bias)
    return network.eval().requires_grad_(False)


def load_noise_network(pipeline, adapter: Path) -> PeftModel:
    return PeftModel.from_pretrained(noise_network_base(pipeline), str(adapter)).eval()


def offset(pipeline, network, noise: torch.Tensor, told: dict[str, torch.Tensor]) -> torch.Tensor:
    """delta = f(noise, text): one pass of `network` at the pipeline's first time; told: encode_prompts()."""
    return kind_of(pipeline).offset(pipeline, network, noise, told)
