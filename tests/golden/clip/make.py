"""Golden values of the clip reward: transformers' CLIPModel, forward and gradient with respect to the image.

    python make.py [OUT_DIR]        # default: this folder; needs torch 2.11, torchvision 0.26, transformers 5.23, tokenizers, pillow 13

Writes one folder a configuration, MODEL/ (weights, config, tokenizer in Hugging Face's layout) and golden.safetensors:
    image      [B,3,H,W] bfloat16 in [0,1], smooth colour fields with noise
    cosine     [B]       per-sample cosine of image and prompt, tensor preprocessing
    logit      [B]       exp(logit_scale) * cosine
    gradient   [B,3,H,W] of sum(cosine) with respect to image
    official   [B]       cosine with the 8-bit Pillow preprocessing of CLIPImageProcessorPil
    official_pixels      what that processor gives for the first image, [1,3,h,w]
    official_gradient    the straight-through gradient, first image: that of the tensor path with the official crop, at the official value
    bfloat16   [B]       cosine of transformers' own bfloat16 model (the comparison of rounding)
    text       [B,D]     unit text vectors, batched and padded as the tokenizer pads
with the prompts in the metadata. The embedded tiny CLIP's golden.safetensors holds no weights: they are in the plugin's folder.
Tolerance: 1e-4 relative to the largest value, in float32 (the reward's own arithmetic differs in the order of sums only).
"""
import json, os, shutil, sys
import numpy as np, torch, torchvision.transforms as T
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.join(HERE, "../../../plugins/rewards/clip/weights/tiny-clip")
WORDS = ["a photo of two red cats on a blue background", "a dog above a car", "three stars", "", "Café  au LAIT, it's 12 o'clock!",
         "an owl to the left of a yellow umbrella and a very long tail of words that runs past the end of every small context " * 2]

# Every field that matters differs somewhere: activation, patch, image size, widths, heads, layers, projection, eps, eos rule, padding id,
# positions, preprocessing (edge or exact size, filter, mean), the images' sizes (none is the tower's, most are not square).
CONFIGS = {
    "quick": dict(image=(56, 80), batch=2, pre=dict(),
                  text=dict(hidden_size=40, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=24,
                            hidden_act="quick_gelu"),
                  vision=dict(hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8,
                              hidden_act="quick_gelu"), projection_dim=32),
    "gelu": dict(image=(100, 67), batch=1, tokenizer_json=True, pre=dict(image_mean=[0.5, 0.4, 0.6], image_std=[0.2, 0.3, 0.25]),
                 text=dict(hidden_size=32, intermediate_size=80, num_hidden_layers=3, num_attention_heads=2, max_position_embeddings=16,
                           hidden_act="gelu", layer_norm_eps=1e-6),
                 vision=dict(hidden_size=40, intermediate_size=100, num_hidden_layers=3, num_attention_heads=5, image_size=42, patch_size=14,
                             hidden_act="gelu", layer_norm_eps=1e-4), projection_dim=24),
    # eos_token_id 2: the rule of old checkpoints; padding with another token than the end token.
    "legacy": dict(image=(41, 41), batch=2, legacy=True, pre=dict(size={"height": 30, "width": 36}, crop_size={"height": 30, "width": 30}),
                   text=dict(hidden_size=24, intermediate_size=48, num_hidden_layers=1, num_attention_heads=3, max_position_embeddings=77,
                             hidden_act="gelu_new"),
                   vision=dict(hidden_size=36, intermediate_size=72, num_hidden_layers=1, num_attention_heads=2, image_size=30, patch_size=10,
                               hidden_act="gelu_new"), projection_dim=40),
    # The patch does not divide the image; an image below the crop; bilinear; sharded weights; mixed activations; a larger projection.
    "sharded": dict(image=(40, 57), batch=2, shards=True, tokenizer_json=True, pre=dict(size={"shortest_edge": 38}, crop_size={"height": 45, "width": 45}, resample=2),
                    text=dict(hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=1, max_position_embeddings=12,
                              hidden_act="gelu_pytorch_tanh"),
                    vision=dict(hidden_size=32, intermediate_size=160, num_hidden_layers=4, num_attention_heads=8, image_size=45, patch_size=7,
                                hidden_act="quick_gelu"), projection_dim=96),
    # No preprocessor_config.json; the same size in and out.
    "bare": dict(image=(48, 48), batch=2, pre=None,
                 text=dict(hidden_size=40, intermediate_size=60, num_hidden_layers=2, num_attention_heads=5, max_position_embeddings=32,
                           hidden_act="quick_gelu"),
                 vision=dict(hidden_size=30, intermediate_size=60, num_hidden_layers=2, num_attention_heads=3, image_size=48, patch_size=16,
                             hidden_act="gelu"), projection_dim=16),
}


def images(batch, height, width, generator):
    """Smooth fields plus noise, so that resizing has edges to overshoot at."""
    coarse = torch.rand(batch, 3, 5, 5, generator=generator)
    x = torch.nn.functional.interpolate(coarse, size=(height, width), mode="nearest")
    return (x + 0.1 * torch.randn(x.shape, generator=generator)).clamp(0, 1).bfloat16().float()  # stored as bfloat16, exact


def tensor_pixels(model, pre, x, official_crop=False):
    n = model.config.vision_config.image_size
    size = pre.get("size", {"shortest_edge": n})
    crop = pre.get("crop_size", {"height": n, "width": n})
    mode = {2: T.InterpolationMode.BILINEAR, 3: T.InterpolationMode.BICUBIC}[pre.get("resample", 3)]
    edge = size["shortest_edge"] if "shortest_edge" in size else (size["height"], size["width"])
    x = T.Resize(edge, interpolation=mode, antialias=True)(x)
    if official_crop:  # int((h - c) / 2), padding above and left first: transformers image_transforms.center_crop
        h, w = x.shape[-2:]; ch, cw = crop["height"], crop["width"]
        x = torch.nn.functional.pad(x, (-(-max(cw - w, 0) // 2), max(cw - w, 0) // 2, -(-max(ch - h, 0) // 2), max(ch - h, 0) // 2))
        h, w = x.shape[-2:]
        x = x[..., (h - ch) // 2:(h - ch) // 2 + ch, (w - cw) // 2:(w - cw) // 2 + cw]
    else:
        x = T.CenterCrop((crop["height"], crop["width"]))(x)
    default = CLIPImageProcessorPil()
    return T.Normalize(pre.get("image_mean", default.image_mean), pre.get("image_std", default.image_std))(x)


def official_pixels(model, pre, x):
    n = model.config.vision_config.image_size
    p = CLIPImageProcessorPil(**{**dict(size={"shortest_edge": n}, crop_size={"height": n, "width": n}), **pre})
    pictures = [Image.fromarray((np.round(i.permute(1, 2, 0).numpy() * 255)).astype(np.uint8)) for i in x]
    return p(images=pictures, return_tensors="pt")["pixel_values"].float()


def unit(x): return x / x.norm(p=2, dim=-1, keepdim=True)


def golden(model, tokenizer, pre, x, prompts):
    model = model.eval()
    n = model.config.text_config.max_position_embeddings
    tok = tokenizer(prompts, padding=True, truncation=True, max_length=n, return_tensors="pt")
    with torch.no_grad(): text = unit(model.get_text_features(**tok).pooler_output)
    cosine_of = lambda pixels, m=model, t=text: (unit(m.get_image_features(pixel_values=pixels).pooler_output.float()) * t).sum(-1)
    leaf = x.clone().requires_grad_(True)
    cosine = cosine_of(tensor_pixels(model, pre, leaf))
    gradient, = torch.autograd.grad(cosine.sum(), leaf)
    # logits_per_image of the whole model is the same number: a check of this script, not only of the reward
    with torch.no_grad():
        out = model(**tok, pixel_values=tensor_pixels(model, pre, x))
    logit = out.logits_per_image.diagonal()
    assert torch.allclose(logit, model.logit_scale.exp() * cosine.detach(), rtol=1e-5, atol=1e-6)
    exact = official_pixels(model, pre, x)
    leaf2 = x.clone().requires_grad_(True)
    smooth = tensor_pixels(model, pre, leaf2, official_crop=True)
    official = cosine_of(exact + smooth - smooth.detach())
    official_gradient, = torch.autograd.grad(official.sum(), leaf2)
    half = type(model)(model.config).eval().to(torch.bfloat16); half.load_state_dict(model.state_dict())
    with torch.no_grad():
        text16 = unit(half.get_text_features(**tok).pooler_output.float())
        bfloat16 = cosine_of(tensor_pixels(model, pre, x).bfloat16(), half, text16)
    r = dict(image=x, cosine=cosine, logit=logit, gradient=gradient, official=official, official_pixels=exact[:1],
             official_gradient=official_gradient[:1], bfloat16=bfloat16, text=text)
    return {k: (v.detach().bfloat16() if k == "image" else v.detach().float()).contiguous() for k, v in r.items()}


def main(out):
    tokenizer = CLIPTokenizer.from_pretrained(TINY)
    for name, c in CONFIGS.items():
        generator = torch.Generator().manual_seed(sum(map(ord, name)))
        torch.manual_seed(sum(map(ord, name)))
        folder = os.path.join(out, name)
        shutil.rmtree(folder, ignore_errors=True); os.makedirs(folder)
        end = tokenizer.eos_token_id
        ids = dict(vocab_size=len(tokenizer), bos_token_id=tokenizer.bos_token_id, eos_token_id=2 if c.get("legacy") else end,
                   pad_token_id=0 if c.get("legacy") else end)
        cfg = CLIPConfig(text_config=dict(ids, **c["text"]), vision_config=c["vision"], projection_dim=c["projection_dim"],
                         logit_scale_init_value=3.0)
        model = CLIPModel(cfg)
        for k, p in model.named_parameters():   # upstream's initialisation is so small that every answer would be alike
            if p.dim() > 1: p.data.mul_(4.0 if "embedding" in k else 2.0)
            elif "norm" in k or "bias" in k: p.data.add_(0.2 * torch.randn(p.shape))
        # Weights that bfloat16 holds exactly: half the size in the tree, the same numbers for everyone.
        model = model.bfloat16().float()
        if c.get("legacy"): tokenizer.pad_token = "!"
        model.bfloat16().save_pretrained(folder, **({"max_shard_size": "60KB"} if c.get("shards") else {}))
        model = model.float()
        for f in ["tokenizer.json"] if c.get("tokenizer_json") else ["vocab.json", "merges.txt"]:
            shutil.copy(os.path.join(TINY, f), folder)
        if c["pre"] is not None:
            n = c["vision"]["image_size"]
            p = CLIPImageProcessorPil(**{**dict(size={"shortest_edge": n}, crop_size={"height": n, "width": n}), **c["pre"]})
            json.dump({k: v for k, v in p.to_dict().items()}, open(os.path.join(folder, "preprocessor_config.json"), "w"), indent=1)
        prompts = [WORDS[(i * 2 + len(name)) % len(WORDS)] for i in range(c["batch"])]
        x = images(c["batch"], *c["image"], generator)
        g = golden(model, tokenizer, c["pre"] or {}, x, prompts)
        tokenizer.pad_token = tokenizer.eos_token
        save_file(g, os.path.join(folder, "golden.safetensors"), metadata={"prompts": json.dumps(prompts)})
        print(name, g["cosine"].tolist(), float(g["gradient"].abs().max()))
    model = CLIPModel.from_pretrained(TINY, dtype=torch.float32)
    g = golden(model, tokenizer, {}, images(2, 60, 72, torch.Generator().manual_seed(1)), WORDS[:2])
    os.makedirs(os.path.join(out, "tiny"), exist_ok=True)
    save_file(g, os.path.join(out, "tiny", "golden.safetensors"), metadata={"prompts": json.dumps(WORDS[:2])})
    print("tiny", g["cosine"].tolist())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else HERE)
