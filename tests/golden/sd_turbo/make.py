"""Goldens for plugins/generators/sd_turbo, made with diffusers, transformers and peft.

    python make.py [NAME ...]         writes NAME/ beside this file; without names all of models.py, schedulers/ and tokens.json
    python make.py --checkpoint DIR   writes the small model "plain" as a whole pipeline with save_pretrained, to try the plugin with
    needs torch 2.11.0, diffusers 0.42.1, transformers 5.23.0, peft 0.21.2, safetensors, numpy

Each NAME/ holds the configurations of a random model and golden.safetensors: what the reference computes in float32, stage by stage; settings are
in its metadata. Weights, inputs and cotangents are computed from their names (tests/support/counter_weights.py), so that no file has them; only
"plain" is stored whole, by save_pretrained in float16, as users' folders are. Vocabulary: the tiny CLIP's. Large tensors are kept as their
products with 8 directions. Compared by golden_test.cpp: |C++ - golden| <= 1e-4 of the golden's largest magnitude.
"""
import copy, gzip, json, os, shutil, sys
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support"), os.path.join(HERE, "../generator")]
from counter_weights import digest, fill, fnv1a64, inventory, noise, uniform  # noqa: E402
from models import MODELS, PROMPTS, SCHEDULERS, STEPS  # noqa: E402
from reference import grads, picture, with_lora  # noqa: E402

VOCABULARY = os.path.join(HERE, "../../../plugins/rewards/clip/weights/tiny-clip")
PARTS = ("unet", "vae", "text_encoder")


def build(name):
    """The pipeline of a configuration; "plain" with weights rounded to float16."""
    spec = MODELS[name]
    tokenizer = CLIPTokenizer(vocab=os.path.join(VOCABULARY, "vocab.json"), merges=os.path.join(VOCABULARY, "merges.txt"), pad_token="!",
                              model_max_length=spec["length"])
    text = CLIPTextConfig(vocab_size=len(tokenizer), max_position_embeddings=spec["length"], bos_token_id=tokenizer.bos_token_id,
                          eos_token_id=tokenizer.eos_token_id, **spec["text"])
    parts = dict(unet=UNet2DConditionModel(**spec["unet"]), vae=AutoencoderKL(**spec["vae"]), text_encoder=CLIPTextModel(text))
    for part, model in parts.items():
        fill(model, f"{name}/{part}", strip="text_model.")
        if name == "plain":
            model.half().float()
    pipe = StableDiffusionPipeline(tokenizer=tokenizer, scheduler=EulerDiscreteScheduler(**spec["scheduler"]), safety_checker=None,
                                   feature_extractor=None, requires_safety_checker=False, **parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def store(pipe, name, folder):
    """Configurations; of "plain" everything, as published folders have it."""
    for part in PARTS:
        module = getattr(pipe, part)
        if name == "plain":
            copy.deepcopy(module).half().save_pretrained(os.path.join(folder, part), variant="fp16")
        elif part == "text_encoder":
            module.config.save_pretrained(os.path.join(folder, part))
        else:
            module.save_config(os.path.join(folder, part))
    pipe.scheduler.save_pretrained(os.path.join(folder, "scheduler"))
    os.makedirs(os.path.join(folder, "tokenizer"))
    with open(os.path.join(folder, "tokenizer/tokenizer_config.json"), "w") as f:
        json.dump(dict(pad_token="!", model_max_length=MODELS[name]["length"], tokenizer_class="CLIPTokenizer"), f)
    if name == "plain":
        for file in ("vocab.json", "merges.txt"):
            os.symlink(os.path.relpath(os.path.join(VOCABULARY, file), os.path.join(folder, "tokenizer")), os.path.join(folder, "tokenizer", file))


def sample(pipe, prompts, x, steps, grad=False):
    """The pipeline itself, from given unit-variance noise to latents."""
    call = StableDiffusionPipeline.__call__.__wrapped__ if grad else StableDiffusionPipeline.__call__
    h, w = (s * pipe.vae_scale_factor for s in x.shape[2:])
    return call(pipe, prompt=prompts, num_inference_steps=steps, height=h, width=w, latents=x, guidance_scale=0.0, output_type="latent", return_dict=False)[0]


def schedules(scheduler, prefix=""):
    """Noise scale, time steps and sigmas of several numbers of steps."""
    out = {}
    for n in (1, 2, 3, 4, 7, 30):
        scheduler.set_timesteps(n)
        out[f"{prefix}schedule.{n}"] = torch.stack([scheduler.timesteps, scheduler.sigmas[:-1]])
        out[f"{prefix}schedule.{n}.init"] = torch.as_tensor(scheduler.init_noise_sigma).reshape(1).float()
    return out


def make_schedulers():
    """SCHEDULERS alone: their numbers, and where Euler steps take 4 states from x0 = noise with the network's answer cos(x + t)."""
    folder = os.path.join(HERE, "schedulers")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    out = {}
    for name, config in SCHEDULERS.items():
        scheduler = EulerDiscreteScheduler(**config)
        scheduler.save_config(os.path.join(folder, name))
        out.update(schedules(scheduler, name + "."))
        for n in STEPS:
            scheduler.set_timesteps(n)
            x = noise(name, (4,)).double() * float(scheduler.init_noise_sigma)
            for t in scheduler.timesteps:
                x = scheduler.step(torch.cos(scheduler.scale_model_input(x, t) + t), t, x).prev_sample.double()
            out[f"{name}.end.{n}"] = x.float()
    save_file(out, os.path.join(folder, "golden.safetensors"))


def make_tokens():
    """Hashes of the ids of 4,000 strings, 40 at a time, padded with "!" to 77, where a "!" in a string is that token too."""
    with gzip.open(os.path.join(HERE, "../tokenizers/corpus.json.gz")) as f:
        corpus = json.load(f)
    tokenizer = CLIPTokenizer(vocab=os.path.join(VOCABULARY, "vocab.json"), merges=os.path.join(VOCABULARY, "merges.txt"), pad_token="!",
                              model_max_length=77)
    rows = tokenizer(corpus, padding="max_length", max_length=77, truncation=True).input_ids
    hashes = [f"{fnv1a64(' '.join(str(i) for row in rows[at:at + 40] for i in row)):016x}" for at in range(0, len(rows), 40)]
    with open(os.path.join(HERE, "tokens.json"), "w") as f:
        json.dump(hashes, f, indent=0)
        f.write("\n")


def make(name):
    torch.manual_seed(0)
    folder, spec = os.path.join(HERE, name), MODELS[name]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    pipe = build(name)
    store(pipe, name, folder)
    meta = dict(torch=torch.__version__, targets=json.dumps(spec["targets"]), rank=str(spec["rank"]), alpha=str(2.5 * spec["rank"]))
    for part in PARTS:
        meta["inventory." + part] = inventory(getattr(pipe, part), strip="text_model.")
    batch, unet, vae = spec["batch"], pipe.unet, pipe.vae
    prompts = [PROMPTS[i % 2] for i in range(batch)]
    meta["prompts"] = json.dumps(prompts)
    shape = (batch, unet.config.in_channels, *spec["latents"])
    factor = pipe.vae_scale_factor
    pixels = (batch, 3, *(s * factor for s in spec["latents"]))
    x0, latent_cotangent, image_cotangent = (noise(f"{name}/noise", shape), uniform(f"{name}/latent_cotangent", shape), uniform(f"{name}/image_cotangent", pixels))
    out = schedules(pipe.scheduler)

    for i, prompt in enumerate(PROMPTS):
        ids = pipe.tokenizer(prompt, padding="max_length", max_length=spec["length"], truncation=True, return_tensors="pt").input_ids
        out[f"ids.{i}"] = ids[0]
        with torch.no_grad():
            digest(out, f"text.{i}", pipe.text_encoder(ids)[0][0])
    embeds = pipe.encode_prompt(prompts, "cpu", 1, False)[0]

    for t in (pipe.scheduler.config.num_train_timesteps - 1, 250):
        x = x0.clone().requires_grad_(True)
        y = unet(x, t, embeds).sample
        digest(out, f"unet.{t}", y)
        grads(out, f"unet.{t}.grad", y, latent_cotangent, x)

    image = (uniform(f"{name}/image", pixels) * 0.5 + 0.5).requires_grad_(True)
    mean = vae.encode(image * 2 - 1).latent_dist.mode()
    z = (mean - (vae.config.shift_factor or 0)) * vae.config.scaling_factor
    digest(out, "encode", z)
    grads(out, "encode.grad", z, uniform(f"{name}/encode_cotangent", z.shape), image)
    latents = (noise(f"{name}/latents", shape) * vae.config.scaling_factor).requires_grad_(True)
    decoded = picture(pipe, latents)
    digest(out, "decode", decoded)
    grads(out, "decode.grad", decoded, image_cotangent, latents)

    if spec.get("tile"):   # in latents; upstream's overlap is a quarter
        vae.enable_tiling()
        vae.tile_latent_min_size, vae.tile_sample_min_size = spec["tile"], spec["tile"] * factor
        meta["tile"], meta["tile_stride"] = str(spec["tile"]), str(int(spec["tile"] * (1 - vae.tile_overlap_factor)))
        latents = latents.detach().requires_grad_(True)
        tiled = picture(pipe, latents)
        digest(out, "tiles", tiled)
        grads(out, "tiles.grad", tiled, image_cotangent, latents)
        vae.disable_tiling()

    for n in STEPS:
        with torch.no_grad():
            latents = sample(pipe, prompts, x0, n)
            digest(out, f"latents.{n}", latents)
            digest(out, f"image.{n}", picture(pipe, latents))
    for n in (1, 2):
        x = x0.clone().requires_grad_(True)
        grads(out, f"image.{n}.grad", picture(pipe, sample(pipe, prompts, x, n, grad=True)), image_cotangent, x)

    net, params = with_lora(unet, name, spec, "conv_out", 2.5, 0.5, True)
    x = x0.clone().requires_grad_(True)
    offset = net(x, pipe.scheduler.config.num_train_timesteps - 1, embeds).sample
    digest(out, "offset", offset)
    grads(out, "offset.grad", offset, latent_cotangent, x, params)

    tuned, params = with_lora(unet, name, spec, "conv_out", 2.5, 0.5, False)
    pipe.unet = tuned
    x = x0.clone().requires_grad_(True)
    latents = sample(pipe, prompts, x, 2, grad=True)
    digest(out, "tuned.latents", latents)
    grads(out, "tuned.grad", latents, latent_cotangent, x, params)
    pipe.unet = unet

    with torch.no_grad():
        exact = sample(pipe, prompts, x0, 1)
        half = copy.deepcopy(pipe).to(torch.bfloat16)
        rough = sample(half, prompts, x0.bfloat16(), 1).float()
    meta["bfloat16_error"] = str(float((rough - exact).abs().max() / exact.abs().max()))
    save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(folder, "golden.safetensors"), metadata=meta)
    print(name, meta["inventory.unet"], "bfloat16", meta["bfloat16_error"], os.path.getsize(os.path.join(folder, "golden.safetensors")), "bytes")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--checkpoint"]:
        build("plain").save_pretrained(sys.argv[2])
    else:
        for model in sys.argv[1:] or [*MODELS, "schedulers", "tokens"]:
            {"schedulers": make_schedulers, "tokens": make_tokens}.get(model, lambda: make(model))()
