"""What the Python checks share: SANA-Sprint through diffusers, and noise networks through peft, from files.

Tensors are those of `hnhost sample`: noise [B,C,h,w] of unit variance, step_noise [n-1,B,C,h,w], latents [B,C,h,w] of
unit variance, images [B,3,H,W] in 0..1, delta [B,C,h,w].
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import torch
from diffusers import SanaSprintPipeline, SanaTransformer2DModel
from peft import PeftModel
from safetensors.torch import load_file

GUIDANCE_SCALE = 4.5


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


def load_pipeline(weights: Path, dtype: torch.dtype = torch.float32) -> SanaSprintPipeline:
    pipeline = SanaSprintPipeline.from_pretrained(weights, dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def encode_prompts(
    pipeline: SanaSprintPipeline, prompts: list[str], max_tokens: int = 300
) -> tuple[torch.Tensor, torch.Tensor]:
    """-> states [B,max_tokens,D] and mask [B,max_tokens], without the complex human instruction."""
    return pipeline.encode_prompt(
        prompts, complex_human_instruction=None, device=pipeline.device, max_sequence_length=max_tokens)


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
    pipeline: SanaSprintPipeline, prompts: list[str], noise: torch.Tensor, steps: int,
    step_noise: torch.Tensor | None = None, size: tuple[int, int] = (64, 64), seed: int = 0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """-> images and latents. size is height and width in pixels."""
    with given_step_noise(step_noise):
        latents = pipeline(
            prompts, latents=noise.to(pipeline.dtype), num_inference_steps=steps, height=size[0], width=size[1],
            guidance_scale=GUIDANCE_SCALE, intermediate_timesteps=1.3 if steps == 2 else None,
            complex_human_instruction=None, use_resolution_binning=False, output_type="latent",
            generator=torch.Generator().manual_seed(seed)).images
    decoded = pipeline.vae.decode(latents.to(pipeline.vae.dtype) / pipeline.vae.config.scaling_factor)[0]
    images = pipeline.image_processor.postprocess(decoded, output_type="pt")
    return images.float(), latents.float()


def noise_network_base(weights: Path) -> SanaTransformer2DModel:
    """The generator's transformer whose last layer gives nothing, so that with LoRA it gives only its LoRA branch."""
    transformer = SanaTransformer2DModel.from_pretrained(weights / "transformer", dtype=torch.float32)
    torch.nn.init.zeros_(transformer.proj_out.weight)
    torch.nn.init.zeros_(transformer.proj_out.bias)
    return transformer.eval().requires_grad_(False)


def load_noise_network(weights: Path, adapter: Path) -> PeftModel:
    return PeftModel.from_pretrained(noise_network_base(weights), str(adapter)).eval()


def offset(network, noise: torch.Tensor, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """delta = f(noise, text): one pass at noise level 1 with the constant guidance."""
    config = network.config if isinstance(network, SanaTransformer2DModel) else network.base_model.model.config
    guidance = torch.full((len(noise),), GUIDANCE_SCALE * config.guidance_embeds_scale)
    return network(
        noise, encoder_hidden_states=states, encoder_attention_mask=mask, guidance=guidance,
        timestep=torch.ones(len(noise)), return_dict=False)[0]
