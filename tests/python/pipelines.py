"""diffusers' pipelines that hn has generators for: how each is asked, in the units of `hnhost sample`.

A pipeline's class below gives
    network, last_layer    the part that carries the LoRA, and its layer of which a noise network keeps the LoRA branch alone
    redraws                whether its scheduler draws noise after each step but the last
    encode(pipe, prompts, max_tokens)               what the network is told, as keyword arguments
    offset(pipe, network, noise, told)              the network's answer to the noise alone
    latents(pipe, prompts, noise, steps, generator) the pipeline itself, from unit-variance noise [B,C,h,w] to latents of that shape
"""

import diffusers
import torch
from diffusers import FluxPipeline, SanaSprintPipeline, StableDiffusionPipeline


def pixels(pipe, noise: torch.Tensor) -> dict[str, int]:
    return {name: side * pipe.vae_scale_factor for name, side in zip(("height", "width"), noise.shape[2:])}


class Sana:
    network, last_layer = "transformer", "proj_out"
    redraws = True
    GUIDANCE = 4.5
    MAX_TOKENS = 300

    @staticmethod
    def encode(pipe, prompts, max_tokens=None):
        """Without the complex human instruction."""
        states, mask = pipe.encode_prompt(
            prompts, complex_human_instruction=None, device=pipe.device, max_sequence_length=max_tokens or Sana.MAX_TOKENS)
        return {"encoder_hidden_states": states, "encoder_attention_mask": mask}

    @staticmethod
    def offset(pipe, network, noise, told):
        guidance = torch.full((len(noise),), Sana.GUIDANCE * pipe.transformer.config.guidance_embeds_scale)
        return network(noise, timestep=torch.ones(len(noise)), guidance=guidance, return_dict=False, **told)[0]

    @staticmethod
    def latents(pipe, prompts, noise, steps, generator):
        return pipe(
            prompts, latents=noise, num_inference_steps=steps, guidance_scale=Sana.GUIDANCE, generator=generator,
            intermediate_timesteps=1.3 if steps == 2 else None, complex_human_instruction=None, use_resolution_binning=False,
            output_type="latent", **pixels(pipe, noise)).images


class StableDiffusion:
    network, last_layer = "unet", "conv_out"
    redraws = False

    @staticmethod
    def encode(pipe, prompts, max_tokens=None):
        return {"encoder_hidden_states": pipe.encode_prompt(prompts, pipe.device, 1, False)[0]}

    @staticmethod
    def offset(pipe, network, noise, told):
        return network(noise, pipe.scheduler.config.num_train_timesteps - 1, return_dict=False, **told)[0]

    @staticmethod
    def latents(pipe, prompts, noise, steps, generator):
        return pipe(prompts, latents=noise, num_inference_steps=steps, guidance_scale=0.0, generator=generator,
                    output_type="latent", **pixels(pipe, noise)).images


class Flux:
    network, last_layer = "transformer", "proj_out"
    redraws = False
    GUIDANCE = 3.5
    MAX_TOKENS = 256

    @staticmethod
    def pack(noise):
        return FluxPipeline._pack_latents(noise, *noise.shape)

    @staticmethod
    def unpack(pipe, packed, like):
        return FluxPipeline._unpack_latents(packed, *pixels(pipe, like).values(), pipe.vae_scale_factor)

    @staticmethod
    def encode(pipe, prompts, max_tokens=None):
        states, pooled, ids = pipe.encode_prompt(prompts, max_sequence_length=max_tokens or Flux.MAX_TOKENS)
        return {"encoder_hidden_states": states, "pooled_projections": pooled, "txt_ids": ids}

    @staticmethod
    def offset(pipe, network, noise, told):
        batch, _, height, width = noise.shape
        guidance = torch.full((batch,), Flux.GUIDANCE) if pipe.transformer.config.guidance_embeds else None
        ids = FluxPipeline._prepare_latent_image_ids(batch, height // 2, width // 2, noise.device, noise.dtype)
        packed = network(hidden_states=Flux.pack(noise), timestep=torch.ones(batch), img_ids=ids, guidance=guidance,
                         return_dict=False, **told)[0]
        return Flux.unpack(pipe, packed, noise)

    @staticmethod
    def latents(pipe, prompts, noise, steps, generator):
        packed = pipe(
            prompts, latents=Flux.pack(noise), num_inference_steps=steps, guidance_scale=Flux.GUIDANCE, generator=generator,
            max_sequence_length=Flux.MAX_TOKENS, output_type="latent", **pixels(pipe, noise)).images
        return Flux.unpack(pipe, packed, noise)


KNOWN = {SanaSprintPipeline: Sana, StableDiffusionPipeline: StableDiffusion, FluxPipeline: Flux}


def kind_of(pipe):
    """Its class above."""
    return KNOWN[type(pipe)]


def pipeline_class(name: str):
    """diffusers' class of that name, which model_index.json has."""
    for known in KNOWN:
        if known.__name__ == name:
            return known
    raise SystemExit(f"[pipelines] expected one of {sorted(known.__name__ for known in KNOWN)}, got {name!r}"
                     + ("" if hasattr(diffusers, name) else ", which diffusers does not have either"))
