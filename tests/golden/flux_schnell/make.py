"""Goldens for plugins/generators/flux_schnell, made with diffusers, transformers and peft.

    python make.py [NAME ...]         writes NAME/ beside this file; without names all of models.py
    python make.py --checkpoint DIR   writes the small model "plain" as a whole pipeline with save_pretrained, to try the plugin with
    python make.py --published        writes published/: names, shapes and counts of FLUX.1-schnell's tensors, from the classes on the meta device
    needs torch 2.11.0, diffusers 0.42.1, transformers 5.23.0, peft 0.21.2, safetensors, numpy

Each NAME/ holds the configurations of a random model and golden.safetensors: what the reference computes in float32, stage by stage; settings are
in its metadata. Weights, inputs and cotangents are computed from their names (tests/support/counter_weights.py), so that no file has them; only
"plain" is stored whole, by save_pretrained in bfloat16, as users' folders are. Vocabularies: the tiny CLIP's, and ../tokenizers/t5. Large tensors
are kept as their products with 8 directions. Compared by golden_test.cpp: |C++ - golden| <= 1e-4 of the golden's largest magnitude.
"""
import copy, gzip, json, os, shutil, sys, tempfile
import torch
import transformers
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support"), os.path.join(HERE, "../generator")]
import counter_weights  # noqa: E402
from counter_weights import digest, fill, inventory, noise, uniform  # noqa: E402
from models import MODELS, PROMPTS, STEPS  # noqa: E402
from reference import grads, picture, with_lora  # noqa: E402
import tensor_list  # noqa: E402

transformers.utils.logging.set_verbosity_error()
CLIP = os.path.join(HERE, "../../../plugins/rewards/clip/weights/tiny-clip")
T5 = os.path.join(HERE, "../tokenizers/t5")
counter_weights.FULL = 64  # larger tensors as products only: the files stay small
PARTS = dict(transformer="", vae="", text_encoder="text_model.", text_encoder_2="")


def t5_tokenizer(spec):
    """The tokenizer with the model's own length, from the SentencePiece file."""
    name, _, extra_ids = spec["tokenizer"]
    with tempfile.TemporaryDirectory() as folder:
        open(os.path.join(folder, "spiece.model"), "wb").write(gzip.open(os.path.join(T5, name + ".model.gz")).read())
        return T5Tokenizer.from_pretrained(folder, extra_ids=extra_ids)


def build(name):
    """The pipeline of a configuration; "plain" with weights rounded to bfloat16."""
    spec = MODELS[name]
    clip_tokenizer = CLIPTokenizer(vocab=os.path.join(CLIP, "vocab.json"), merges=os.path.join(CLIP, "merges.txt"), model_max_length=spec["length"])
    clip = CLIPTextConfig(vocab_size=len(clip_tokenizer), max_position_embeddings=spec["length"], bos_token_id=clip_tokenizer.bos_token_id,
                          eos_token_id=clip_tokenizer.eos_token_id, **spec["clip"])
    tokenizer = t5_tokenizer(spec)
    parts = dict(transformer=FluxTransformer2DModel(**spec["transformer"]), vae=AutoencoderKL(**spec["vae"]), text_encoder=CLIPTextModel(clip),
                 text_encoder_2=T5EncoderModel(T5Config(vocab_size=len(tokenizer) + 3, **spec["t5"])))
    for part, model in parts.items():
        fill(model, f"{name}/{part}", strip=PARTS[part])
        if name == "plain":
            model.bfloat16().float()
    pipe = FluxPipeline(tokenizer=clip_tokenizer, tokenizer_2=tokenizer, scheduler=FlowMatchEulerDiscreteScheduler(**spec["scheduler"]), **parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def store(pipe, name, folder):
    """Configurations; of "plain" everything, as published folders have it."""
    for part in PARTS:
        module = getattr(pipe, part)
        if name == "plain":
            copy.deepcopy(module).bfloat16().save_pretrained(os.path.join(folder, part))
        elif part.startswith("text_encoder"):
            module.config.save_pretrained(os.path.join(folder, part))
        else:
            module.save_config(os.path.join(folder, part))
    pipe.scheduler.save_pretrained(os.path.join(folder, "scheduler"))
    for part, config in (("tokenizer", dict(model_max_length=MODELS[name]["length"], tokenizer_class="CLIPTokenizer")),
                         ("tokenizer_2", dict(extra_ids=MODELS[name]["tokenizer"][2], tokenizer_class="T5Tokenizer"))):
        os.makedirs(os.path.join(folder, part))
        with open(os.path.join(folder, part, "tokenizer_config.json"), "w") as f:
            json.dump(config, f)
    if name == "plain":
        for file in ("vocab.json", "merges.txt"):
            os.symlink(os.path.relpath(os.path.join(CLIP, file), os.path.join(folder, "tokenizer")), os.path.join(folder, "tokenizer", file))
        with open(os.path.join(folder, "tokenizer_2", "spiece.model"), "wb") as f:
            f.write(gzip.open(os.path.join(T5, MODELS[name]["tokenizer"][0] + ".model.gz")).read())


def pack(x):
    return FluxPipeline._pack_latents(x, *x.shape)


def unpack(pipe, x, shape):
    return FluxPipeline._unpack_latents(x, shape[2] * pipe.vae_scale_factor, shape[3] * pipe.vae_scale_factor, pipe.vae_scale_factor)


def sample(pipe, spec, prompts, x, steps, grad=False):
    """The pipeline itself, from given unit-variance noise to latents, both unpacked."""
    call = FluxPipeline.__call__.__wrapped__ if grad else FluxPipeline.__call__
    h, w = (s * pipe.vae_scale_factor for s in x.shape[2:])
    packed = call(pipe, prompt=prompts, num_inference_steps=steps, height=h, width=w, latents=pack(x), guidance_scale=spec["guidance"],
                  max_sequence_length=spec["tokens"], output_type="latent", return_dict=False)[0]
    return unpack(pipe, packed, x.shape)


def denoise(pipe, net, spec, embeds, x, time):
    """The transformer on unpacked latents."""
    states, pooled, text_ids = embeds
    ids = FluxPipeline._prepare_latent_image_ids(x.shape[0], x.shape[2] // 2, x.shape[3] // 2, "cpu", x.dtype)
    full = lambda value: torch.full((x.shape[0],), value)  # noqa: E731
    y = net(hidden_states=pack(x), encoder_hidden_states=states, pooled_projections=pooled, timestep=full(time), img_ids=ids, txt_ids=text_ids,
            guidance=full(spec["guidance"]) if net.config.guidance_embeds else None).sample
    return unpack(pipe, y, x.shape)


def schedules(scheduler, tokens, prefix="schedule", numbers=(1, 2, 3, 4, 7, 30)):
    """Times and lengths of several numbers of steps, as the pipeline asks for them."""
    import numpy as np
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift, retrieve_timesteps
    out, c = {}, scheduler.config
    mu = calculate_shift(tokens, c.base_image_seq_len, c.max_image_seq_len, c.base_shift, c.max_shift)
    for n in numbers:
        times, _ = retrieve_timesteps(scheduler, n, "cpu", sigmas=np.linspace(1.0, 1 / n, n), mu=mu)
        out[f"{prefix}.{n}"] = torch.stack([times, scheduler.sigmas[1:] - scheduler.sigmas[:-1]])
    return out


def make(name):
    torch.manual_seed(0)
    folder, spec = os.path.join(HERE, name), MODELS[name]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    pipe = build(name)
    store(pipe, name, folder)
    meta = dict(torch=torch.__version__, targets=json.dumps(spec["targets"]), rank=str(spec["rank"]), alpha=str(5 * spec["rank"]),
                tokens=str(spec["tokens"]), guidance=str(spec["guidance"]), latents=json.dumps(spec["latents"]),
                tokenizer=json.dumps(spec["tokenizer"][:2]))
    for part, strip in PARTS.items():
        meta["inventory." + part] = inventory(getattr(pipe, part), strip=strip)
    batch, net, vae = spec["batch"], pipe.transformer, pipe.vae
    prompts = [PROMPTS[i % 2] for i in range(batch)]
    meta["prompts"] = json.dumps(prompts)
    shape = (batch, vae.config.latent_channels, *spec["latents"])
    pixels = (batch, 3, *(s * pipe.vae_scale_factor for s in spec["latents"]))
    x0, latent_cotangent, image_cotangent = (noise(f"{name}/noise", shape), uniform(f"{name}/latent_cotangent", shape), uniform(f"{name}/image_cotangent", pixels))
    out = schedules(copy.deepcopy(pipe.scheduler), shape[2] * shape[3] // 4)
    # One step with a given end is 0 / 0 upstream.
    out.update(schedules(FlowMatchEulerDiscreteScheduler.from_config(pipe.scheduler.config, shift_terminal=0.1), shape[2] * shape[3] // 4, "terminal", (2, 4, 7)))

    for i, prompt in enumerate(PROMPTS):
        out[f"ids.{i}"] = pipe.tokenizer_2(prompt, padding="max_length", max_length=spec["tokens"], truncation=True, return_tensors="pt").input_ids[0]
        with torch.no_grad():
            states, pooled, _ = pipe.encode_prompt(prompt, max_sequence_length=spec["tokens"])
        digest(out, f"states.{i}", states[0])
        digest(out, f"pooled.{i}", pooled[0])
    with torch.no_grad():
        embeds = pipe.encode_prompt(prompts, max_sequence_length=spec["tokens"])

    for t in (1.0, 0.25):
        x = x0.clone().requires_grad_(True)
        y = denoise(pipe, net, spec, embeds, x, t)
        digest(out, f"transformer.{t}", y)
        grads(out, f"transformer.{t}.grad", y, latent_cotangent, x)

    image = (uniform(f"{name}/image", pixels) * 0.5 + 0.5).requires_grad_(True)
    z = (vae.encode(image * 2 - 1).latent_dist.mode() - (vae.config.shift_factor or 0)) * vae.config.scaling_factor
    digest(out, "encode", z)
    grads(out, "encode.grad", z, uniform(f"{name}/encode_cotangent", z.shape), image)
    latents = (noise(f"{name}/latents", shape) * vae.config.scaling_factor).requires_grad_(True)
    decoded = picture(pipe, latents)
    digest(out, "decode", decoded)
    grads(out, "decode.grad", decoded, image_cotangent, latents)

    for n in STEPS:
        x = x0.clone().requires_grad_(True)
        latents = sample(pipe, spec, prompts, x, n, grad=True)
        digest(out, f"latents.{n}", latents)
        image = picture(pipe, latents)
        digest(out, f"image.{n}", image)
        grads(out, f"image.{n}.grad", image, image_cotangent, x)

    adapted, params = with_lora(net, name, spec, "proj_out", 5, 0.2, True)
    x = x0.clone().requires_grad_(True)
    offset = denoise(pipe, adapted, spec, embeds, x, 1.0)
    digest(out, "offset", offset)
    grads(out, "offset.grad", offset, latent_cotangent, x, params)

    pipe.transformer, params = with_lora(net, name, spec, "proj_out", 5, 0.2, False)
    x = x0.clone().requires_grad_(True)
    latents = sample(pipe, spec, prompts, x, 2, grad=True)
    digest(out, "tuned.latents", latents)
    grads(out, "tuned.grad", latents, latent_cotangent, x, params)
    pipe.transformer = net

    with torch.no_grad():
        exact = sample(pipe, spec, prompts, x0, 1)
        half = copy.deepcopy(pipe).to(torch.bfloat16)
        rough = sample(half, spec, prompts, x0.bfloat16(), 1).float()
    meta["bfloat16_error"] = str(float((rough - exact).abs().max() / exact.abs().max()))
    save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(folder, "golden.safetensors"), metadata=meta)
    print(name, meta["inventory.transformer"], "bfloat16", meta["bfloat16_error"], os.path.getsize(os.path.join(folder, "golden.safetensors")), "bytes")


def published():
    """FLUX.1-schnell's parts by their published configurations; only the classes' code decides on names and shapes."""
    folder = os.path.join(HERE, "published")
    os.makedirs(folder, exist_ok=True)
    with torch.device("meta"):
        parts = dict(
            transformer=FluxTransformer2DModel(),
            vae=AutoencoderKL(block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=16, norm_num_groups=32, sample_size=1024,
                use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.3611, shift_factor=0.1159,
                down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4),
            text_encoder=CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)),
            text_encoder_2=T5EncoderModel(T5Config(vocab_size=32128, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64, feed_forward_proj="gated-gelu")))
    for part, model in parts.items():
        tensors = {n.removeprefix(PARTS[part]): p for n, p in model.named_parameters()}
        tensor_list.write(os.path.join(folder, part + ".tensors"), tensors, f"FLUX.1-schnell {part}, {type(model).__name__}")
        config = os.path.join(folder, part)
        if part.startswith("text_encoder"):
            model.config.save_pretrained(config)
        else:
            model.save_config(config)
        print(part, len(tensors), sum(p.numel() for p in tensors.values()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--checkpoint"]:
        build("plain").save_pretrained(sys.argv[2])
    elif sys.argv[1:2] == ["--published"]:
        published()
    else:
        for model in sys.argv[1:] or MODELS:
            make(model)
