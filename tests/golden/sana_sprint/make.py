"""Goldens for plugins/generators/sana_sprint, made with diffusers, transformers and peft.

    python make.py [NAME ...]         writes NAME/ beside this file; without names all of them
    needs torch 2.11.0, diffusers 0.42.1, transformers 5.23.0, peft 0.21.2, safetensors

Each NAME/ holds a model in diffusers layout with seeded random weights (values rounded to bfloat16 and stored so), and golden.safetensors with
inputs and what the reference computes from them in float32, stage by stage; settings are in its metadata. "emoji-sprint" takes the weights
embedded in the plugin and stores only the goldens, with the weights' sha256. The tokenizer of all is the embedded one.
Compared by tests/golden/sana_sprint/golden_test.cpp: |C++ - golden| <= 1e-4 of the golden's largest magnitude.
"""
import copy, functools, hashlib, inspect, json, os, shutil, sys
import torch
from diffusers import AutoencoderDC, SanaSprintPipeline, SanaTransformer2DModel, SCMScheduler
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import save_file
from transformers import Gemma2Config, Gemma2Model, PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
EMBEDDED = os.path.join(HERE, "../../../plugins/generators/sana_sprint/weights/emoji-sprint")
PROMPTS = ["a red apple", "  Two BLUE cats on a green Background, one dog left of them  "]

MODELS = {
    # One patch a latent, qk norm, guidance; a VAE of ResBlocks with shuffling on both ways and all shortcuts.
    "plain": dict(
        size=(32, 32), targets=None, rank=4,
        transformer=dict(in_channels=4, out_channels=4, num_attention_heads=4, attention_head_dim=8, num_layers=2, num_cross_attention_heads=3,
            cross_attention_head_dim=8, cross_attention_dim=32, caption_channels=16, mlp_ratio=2.5, sample_size=8, patch_size=1,
            guidance_embeds=True, guidance_embeds_scale=0.1, qk_norm="rms_norm_across_heads"),
        vae=dict(latent_channels=4, attention_head_dim=8, encoder_block_types="ResBlock", decoder_block_types="ResBlock",
            encoder_block_out_channels=(8, 16, 16), decoder_block_out_channels=(8, 16, 16), encoder_layers_per_block=(1, 1, 1),
            decoder_layers_per_block=(1, 2, 1), encoder_qkv_multiscales=((), (), ()), decoder_qkv_multiscales=((), (), ()),
            downsample_block_type="pixel_unshuffle", upsample_block_type="pixel_shuffle", scaling_factor=0.7),
        text=dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=4,
            query_pre_attn_scalar=4, sliding_window=6)),
    # Patches of 2, no qk norm, no guidance, biases, affine norm2, positions; strided and interpolating VAE, batch norm, no shortcuts at the ends.
    "biased": dict(
        size=(32, 32), targets=["to_q", "to_v", "attn2.to_k", "proj_out", "linear_1", "conv_point"], rank=3,
        transformer=dict(in_channels=3, out_channels=3, num_attention_heads=2, attention_head_dim=12, num_layers=1, num_cross_attention_heads=2,
            cross_attention_head_dim=12, cross_attention_dim=24, caption_channels=12, mlp_ratio=1.5, sample_size=16, patch_size=2,
            guidance_embeds=False, qk_norm=None, attention_bias=True, norm_elementwise_affine=True, norm_eps=1e-5, interpolation_scale=1.0,
            timestep_scale=1000.0),
        vae=dict(latent_channels=3, attention_head_dim=4, encoder_block_types=["ResBlock", "EfficientViTBlock"],
            decoder_block_types=["ResBlock", "EfficientViTBlock"], encoder_block_out_channels=(6, 12), decoder_block_out_channels=(6, 12),
            encoder_layers_per_block=(2, 1), decoder_layers_per_block=(1, 1), encoder_qkv_multiscales=((), ()), decoder_qkv_multiscales=((), (3,)),
            downsample_block_type="conv", upsample_block_type="interpolate", decoder_norm_types=["batch_norm", "rms_norm"],
            decoder_act_fns=["relu", "silu"], decoder_conv_act_fn="silu", encoder_out_shortcut=False, decoder_in_shortcut=False,
            scaling_factor=1.3),
        text=dict(hidden_size=12, intermediate_size=20, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
            query_pre_attn_scalar=8, sliding_window=3, attn_logit_softcapping=None, attention_bias=True), rope_theta=500.0),
    # Non-square, positions at another grid than the trained one, three layers; EfficientViT everywhere, several scales, the quadratic path.
    "wide": dict(
        size=(32, 64), targets=["re"], rank=2,
        transformer=dict(in_channels=6, out_channels=6, num_attention_heads=3, attention_head_dim=8, num_layers=3, num_cross_attention_heads=1,
            cross_attention_head_dim=16, cross_attention_dim=24, caption_channels=20, mlp_ratio=2.0, sample_size=6, patch_size=1,
            guidance_embeds=True, guidance_embeds_scale=0.2, qk_norm="rms_norm_across_heads", interpolation_scale=2.0, attention_bias=True),
        vae=dict(latent_channels=6, attention_head_dim=12, encoder_block_types="EfficientViTBlock", decoder_block_types=["ResBlock", "ResBlock",
            "EfficientViTBlock", "EfficientViTBlock"], encoder_block_out_channels=(12, 12, 24, 24), decoder_block_out_channels=(6, 6, 12, 24),
            encoder_layers_per_block=(0, 1, 1, 1), decoder_layers_per_block=(0, 1, 1, 1), encoder_qkv_multiscales=((), (3,), (), (5,)),
            decoder_qkv_multiscales=((), (), (3, 5), (5,)), downsample_block_type="conv", upsample_block_type="pixel_shuffle",
            decoder_norm_types=["rms_norm", "rms_norm", "batch_norm", "rms_norm"], decoder_act_fns=["silu", "mish", "silu", "silu"],
            decoder_conv_act_fn="gelu", scaling_factor=0.41407),
        text=dict(hidden_size=20, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2, head_dim=10,
            query_pre_attn_scalar=7, sliding_window=2, attn_logit_softcapping=2.0, rms_norm_eps=1e-5,
            layer_types=["full_attention", "sliding_attention", "sliding_attention"])),
    # LoRA on every convolution too, the depthwise ones included; another sigma; the VAE's quadratic attention; encoder shuffles, decoder interpolates.
    "convs": dict(
        size=(32, 32), targets=["all"], rank=32, sigma_data=0.7,
        transformer=dict(in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=1, num_cross_attention_heads=2,
            cross_attention_head_dim=8, cross_attention_dim=16, caption_channels=8, mlp_ratio=1.0, sample_size=4, patch_size=2,
            guidance_embeds=True, guidance_embeds_scale=0.1, qk_norm=None),
        vae=dict(latent_channels=4, attention_head_dim=16, encoder_block_types=["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"],
            decoder_block_types=["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"], encoder_block_out_channels=(8, 8, 16, 16),
            decoder_block_out_channels=(4, 8, 16, 16), encoder_layers_per_block=(0, 1, 1, 1), decoder_layers_per_block=(1, 1, 1, 2),
            encoder_qkv_multiscales=((), (), (), (3,)), decoder_qkv_multiscales=((), (), (), ()), downsample_block_type="pixel_unshuffle",
            upsample_block_type="interpolate", encoder_out_shortcut=True, decoder_in_shortcut=True, scaling_factor=1.0),
        text=dict(hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, head_dim=4,
            query_pre_attn_scalar=16, sliding_window=300)),
    # The published configuration made small: its block types, norms and ratios, cross-attention heads of another size; the pipeline's own
    # instruction before the prompts; rank 2 on every linear layer; and the VAE in tiles, with and without a rest at the edges.
    "deep": dict(
        size=(32, 32), light=True, targets=None, rank=2, instruction="pipeline", tiles=dict(tile=16, stride=8, latents=(5, 3)),
        transformer=dict(in_channels=4, out_channels=4, num_attention_heads=3, attention_head_dim=4, num_layers=4, num_cross_attention_heads=2,
            cross_attention_head_dim=6, cross_attention_dim=12, caption_channels=12, mlp_ratio=2.5, sample_size=4, patch_size=1,
            guidance_embeds=True, guidance_embeds_scale=0.1, qk_norm="rms_norm_across_heads"),
        vae=dict(latent_channels=4, attention_head_dim=4, encoder_block_types=["ResBlock"] * 2 + ["EfficientViTBlock"] * 2,
            decoder_block_types=["ResBlock"] * 2 + ["EfficientViTBlock"] * 2, encoder_block_out_channels=(4, 4, 8, 8),
            decoder_block_out_channels=(4, 4, 8, 8), encoder_layers_per_block=(1, 1, 1, 1), decoder_layers_per_block=(1, 1, 1, 1),
            encoder_qkv_multiscales=((), (), (5,), (5,)), decoder_qkv_multiscales=((), (), (5,), (5,)), downsample_block_type="conv",
            upsample_block_type="interpolate", scaling_factor=0.41407),
        text=dict(hidden_size=12, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=6,
            query_pre_attn_scalar=6, sliding_window=16)),
}


def randomise(model, seed, gemma=False):
    """Seeded weights of sane size, rounded to bfloat16."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in [*model.named_parameters(), *model.named_buffers()]:
            if not p.is_floating_point() or "rotary" in name or name.endswith(("embed_scale", "pos_embed")):
                continue
            r = torch.randn(p.shape, generator=g)
            if name.endswith("running_var"):
                r = 0.5 + r.abs()
            elif "scale_shift_table" in name:
                r = 0.3 * r
            elif p.dim() >= 2 and "embed_tokens" not in name:
                r = r / p[0].numel() ** 0.5
            elif name.endswith("weight") and p.dim() == 1:
                r = (0.0 if gemma else 1.0) + 0.2 * r
            else:
                r = 0.2 * r
            p.copy_(r.bfloat16().float())
    return model.eval().requires_grad_(False)


def tokenizer():
    return PreTrainedTokenizerFast.from_pretrained(os.path.join(EMBEDDED, "tokenizer"))


def build(name):
    spec = MODELS[name]
    tr = randomise(SanaTransformer2DModel(**spec["transformer"]), 1)
    vae = randomise(AutoencoderDC(**spec["vae"]), 2)
    text = dict(vocab_size=1024, max_position_embeddings=512, pad_token_id=0, eos_token_id=1, bos_token_id=2, **spec["text"])
    if "rope_theta" in spec:
        text["rope_parameters"] = dict(rope_type="default", rope_theta=spec["rope_theta"])
    te = randomise(Gemma2Model(Gemma2Config(**text)), 3, gemma=True)
    te.config._attn_implementation = "eager"
    return SanaSprintPipeline(tokenizer=tokenizer(), text_encoder=te, vae=vae, transformer=tr, scheduler=SCMScheduler(sigma_data=spec.get("sigma_data", 0.5)))


def store(pipe, name, folder):
    """The model in diffusers layout, without the tokenizer, as bfloat16."""
    for part in ("transformer", "vae", "text_encoder", "scheduler"):
        module = getattr(pipe, part)
        module = copy.deepcopy(module).bfloat16() if hasattr(module, "parameters") else module
        module.save_pretrained(os.path.join(folder, part))
    if "rope_theta" in MODELS[name]:   # this model's configuration is written in the style of transformers 4
        path = os.path.join(folder, "text_encoder/config.json")
        config = json.load(open(path))
        config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
        config.pop("layer_types")
        json.dump(config, open(path, "w"), indent=2)


def guidance_free(transformer):
    """The pipeline passes guidance to every transformer; one without the embedding cannot take it."""
    transformer.__dict__.pop("forward", None)   # a deep copy's wrapper would still call the original
    if transformer.config.guidance_embeds:
        return transformer
    forward = transformer.forward
    transformer.forward = functools.wraps(forward)(lambda *a, guidance=None, **k: forward(*a, **k))
    return transformer


def sample(pipe, noise, steps, output, seed=7, grad=False):
    """The pipeline itself, with given noise. Returns its output and the noise that its scheduler drew after each step but the last."""
    call = SanaSprintPipeline.__call__.__wrapped__ if grad else SanaSprintPipeline.__call__
    h, w = (s * pipe.vae_scale_factor for s in noise.shape[2:])
    out = call(pipe, prompt=PROMPTS, num_inference_steps=steps, intermediate_timesteps=1.3 if steps == 2 else None, height=h, width=w,
               latents=noise, generator=torch.Generator().manual_seed(seed), output_type=output, use_resolution_binning=False,
               complex_human_instruction=None, return_dict=False)[0]
    g = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(noise.shape, generator=g) for _ in range(steps - 1)]
    return out, torch.stack(drawn) if drawn else None


def lora_targets(transformer, choice):
    """Names of the layers with a LoRA, and the targets option that means the same to the plugin."""
    linear = [n for n, m in transformer.named_modules() if isinstance(m, torch.nn.Linear)]
    conv = [n for n, m in transformer.named_modules() if isinstance(m, torch.nn.Conv2d)]
    if choice is None:
        return linear, ["all-linear"]
    if choice == ["all"]:
        return linear + conv, ["all-linear", "all-conv", "conv_depth"]
    if choice == ["re"]:
        pattern = r"transformer_blocks\.[02]\.attn[12]\.to_(q|out\.0)|proj_out"
        import re
        return [n for n in linear if re.fullmatch(pattern, n)], ["re:" + pattern]
    return [n for n in linear + conv if any(n == t or n.endswith("." + t) for t in choice)], choice


def with_lora(transformer, names, rank, seed, only_branch):
    net = copy.deepcopy(transformer)
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2.5 * rank, target_modules=names), net)
    g = torch.Generator().manual_seed(seed)
    params = {}
    for n, p in net.named_parameters():
        p.requires_grad_("lora_" in n)
        if "lora_" in n:
            p.data = torch.randn(p.shape, generator=g) / p[0].numel() ** 0.5 * (0.5 if "lora_B" in n else 1.0)
            p.data = p.data.bfloat16().float()
            params[n.replace(".default", "")] = p
    if only_branch:   # the last layer gives its branch alone: the base's numbers are 0
        for p in net.proj_out.base_layer.parameters():
            p.data.zero_()
    return guidance_free(net), params


def make(name):
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    meta = dict(prompts=json.dumps(PROMPTS), torch=torch.__version__)
    if name == "emoji-sprint":
        pipe = SanaSprintPipeline.from_pretrained(EMBEDDED, torch_dtype=torch.float32)
        for part in ("transformer", "vae", "text_encoder"):
            getattr(pipe, part).eval().requires_grad_(False)
        pipe.text_encoder.config._attn_implementation = "eager"
        size, choice, rank = (64, 64), None, 2
        for part in ("transformer/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"):
            meta["sha256:" + part] = hashlib.sha256(open(f"{EMBEDDED}/{part}.safetensors", "rb").read()).hexdigest()
    else:
        pipe = build(name)
        store(pipe, name, folder)
        size, choice, rank = MODELS[name]["size"], MODELS[name]["targets"], MODELS[name]["rank"]
    pipe.set_progress_bar_config(disable=True)
    guidance_free(pipe.transformer)
    config, vae = pipe.transformer.config, pipe.vae
    f, C = pipe.vae_scale_factor, config.in_channels
    g = torch.Generator().manual_seed(11)
    rand = lambda *s: torch.randn(*s, generator=g)
    noise = rand(2, C, size[0] // f, size[1] // f)
    out = dict(noise=noise)

    # Tokens and text states of the real tokens.
    with torch.no_grad():
        embeds, mask = pipe.encode_prompt(PROMPTS, device="cpu", complex_human_instruction=None)
    for i in range(2):
        n = int(mask[i].sum())
        ids = pipe.tokenizer(PROMPTS[i].lower().strip()).input_ids
        assert len(ids) == n
        out[f"ids.{i}"], out[f"text.{i}"] = torch.tensor(ids), embeds[i, :n].clone()
    instruction, most = ["Describe the picture.", "Prompt: "], 8
    if MODELS.get(name, {}).get("instruction") == "pipeline":
        instruction, most = inspect.signature(SanaSprintPipeline.__call__).parameters["complex_human_instruction"].default, 300
    with torch.no_grad():
        e, m = pipe.encode_prompt(PROMPTS, device="cpu", complex_human_instruction=instruction, max_sequence_length=most)
    for i in range(2):
        out[f"instructed.{i}"] = e[i, : int(m[i].sum())].clone()
    meta["instruction"], meta["instructed_max"] = json.dumps(instruction), str(most)

    # The transformer alone.
    guidance = torch.full((2,), 4.5 * config.guidance_embeds_scale)
    x = noise.clone().requires_grad_(True)
    y = pipe.transformer(x, encoder_hidden_states=embeds, encoder_attention_mask=mask, guidance=guidance, timestep=torch.full((2,), 0.6), return_dict=False)[0]
    cot = rand(*y.shape)
    out["transformer.cotangent"], out["transformer.out"] = cot, y.detach()
    out["transformer.grad"] = torch.autograd.grad(y, x, cot)[0]

    # The VAE alone, both ways.
    image = torch.rand(2, 3, *size, generator=g).requires_grad_(True)
    z = vae.encode(image * 2 - 1, return_dict=False)[0] * vae.config.scaling_factor
    cz = rand(*z.shape)
    out["vae.image"], out["vae.latents"], out["vae.encode_cotangent"] = image.detach(), z.detach(), cz
    out["vae.encode_grad"] = torch.autograd.grad(z, image, cz)[0]
    z = (0.8 * rand(*z.shape)).requires_grad_(True)
    d = (vae.decode(z / vae.config.scaling_factor, return_dict=False)[0] / 2 + 0.5).clamp(0, 1)
    ci = rand(*d.shape)
    out["vae.decode_in"], out["vae.decoded"], out["image_cotangent"] = z.detach(), d.detach(), ci
    out["vae.decode_grad"] = torch.autograd.grad(d, z, ci)[0]

    # The decoder in tiles.
    if "tiles" in MODELS.get(name, {}):
        t = MODELS[name]["tiles"]
        vae.enable_tiling(t["tile"], t["tile"], t["stride"], t["stride"])
        z = (0.8 * rand(1, C, *t["latents"])).requires_grad_(True)
        d = (vae.decode(z / vae.config.scaling_factor, return_dict=False)[0] / 2 + 0.5).clamp(0, 1)
        out["tiles.in"], out["tiles.image"] = z.detach(), d.detach()
        out["tiles.grad"] = torch.autograd.grad(d, z, torch.linspace(-1, 1, d.numel()).reshape(d.shape))[0]
        vae.disable_tiling()
        meta["tile"], meta["tile_stride"] = str(t["tile"]), str(t["stride"])

    # End to end.
    for steps in (1, 2, 4):
        out[f"latents.{steps}"], drawn = sample(pipe, noise, steps, "latent")
        if steps == 1:   # the decoder does the same whatever the steps were
            out["image.1"], _ = sample(pipe, noise, steps, "pt")
        if drawn is not None:
            out[f"step_noise.{steps}"] = drawn
    x = noise.clone().requires_grad_(True)
    y, _ = sample(pipe, x, 1, "pt", grad=True)
    out["image_grad"] = torch.autograd.grad(y, x, ci)[0]

    # The noise network, and the same adapter on the generator.
    names, targets = lora_targets(pipe.transformer, choice)
    meta["targets"], meta["rank"], meta["alpha"] = json.dumps(targets), str(rank), str(2.5 * rank)
    net, params = with_lora(pipe.transformer, names, rank, 5, only_branch=True)
    x = noise.clone().requires_grad_(True)
    y = net(x, encoder_hidden_states=embeds, encoder_attention_mask=mask, guidance=guidance, timestep=torch.ones(2), return_dict=False)[0]
    out["offset"] = y.detach()
    keep = [n for n in params if name != "emoji-sprint" or n.startswith(("transformer_blocks.2.", "proj_out", "caption", "time_embed"))]
    grads = torch.autograd.grad(y, [x] + [params[n] for n in keep], cot)
    out["offset_grad"] = grads[0]
    for n in params:
        out["lora." + n] = params[n].detach().bfloat16()
    for n, gr in zip(keep, grads[1:]):
        out["offset_grad." + n] = gr
    tuned = copy.copy(pipe)
    tuned.transformer, params = with_lora(pipe.transformer, names, rank, 5, only_branch=False)
    y, _ = sample(tuned, noise, 1, "latent", grad=True)
    keep = keep[:4] + keep[-2:]
    out["tuned.latents"] = y.detach()
    for n, gr in zip(keep, torch.autograd.grad(y, [params[n] for n in keep], cot)):
        out["tuned_grad." + n] = gr

    # How far the reference itself goes in bfloat16, for the bound on ours.
    half = copy.deepcopy(pipe)
    for part in ("transformer", "vae", "text_encoder"):
        getattr(half, part).to(torch.bfloat16)
    guidance_free(half.transformer)
    y, _ = sample(half, noise, 1, "latent")
    meta["bfloat16_error"] = repr(((y.float() - out["latents.1"]).abs().max() / out["latents.1"].abs().max()).item())

    if name == "emoji-sprint" or MODELS[name].get("light"):   # what the other models show as well, and pictures take the room
        out = {k: v for k, v in out.items() if k not in ("vae.image", "vae.latents", "vae.encode_cotangent", "vae.encode_grad")}
    assert all(bool(torch.isfinite(t.float()).all()) for t in out.values())
    save_file({k: v.detach().contiguous() for k, v in out.items()}, os.path.join(folder, "golden.safetensors"), metadata=meta)
    print(name, "bf16 error of the reference", meta["bfloat16_error"], "latents rms", round(out["latents.1"].pow(2).mean().sqrt().item(), 3))


if __name__ == "__main__":
    torch.manual_seed(0)
    for n in sys.argv[1:] or ["emoji-sprint", *MODELS]:
        make(n)
