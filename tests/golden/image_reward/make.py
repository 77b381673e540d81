#!/usr/bin/env python3
"""Writes small random ImageReward models in the published format, and what image-reward 1.5 makes of them.

Run: python make.py [NAME...]. Needs: what reference.py says.
NAME/: ImageReward.pt.gz (gzip of torch.save of the state dict, unused tensors and all), med_config.json, vit_config.json and vocab.txt where
the configuration has them, golden.safetensors: images uint8 [B,3,H,W], score [B] and grad (every fifth number of d sum(score) / d image, of
score_gard after torchvision's transforms on the tensor), grad_sums [sum, sum of squares], official [B] (score() on Pillow images);
prompts as JSON in the metadata. Weights take few values, so that they zip well; the networks are none the worse for it.
Tolerance of the tests: 1e-4 relative.
"""
import gzip
import io
import json
import math
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import reference  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize  # noqa: E402

PUBLISHED_VOCABULARY = os.path.join(HERE, "../../../plugins/rewards/image_reward/vocabulary/bert_base_uncased.txt.gz")
PROMPTS = [
    "a painting of an ocean with clouds and birds, day time, low depth field effect", "a red cat", "", "Two GREEN dogs left of a tree!",
    "an over-long prompt " * 12, "[ENC] naïve café 猫", "x",
]
ACTIVE_UNITS = 96  # of the MLP's 1024, so that the files stay small
# width, depth, heads, patch, image, mlp_ratio | hidden, layers, heads, intermediate, act, eps, positions | H, W, batch
CONFIGS = {
    "plain": dict(vit=(24, 2, 3, 8, 24, 4.0), bert=(18, 2, 3, 48, "gelu", 1e-12, 64), image=(14, 18), batch=2),
    "derived": dict(vit=(64, 1, 1, 16, 32, 4.0), bert=(16, 1, 2, 32, "gelu", 1e-12, 35), image=(25, 20), batch=2, vit_file=False),
    "wide": dict(vit=(20, 3, 2, 4, 16, 2.0), bert=(20, 2, 5, 36, "relu", 1e-5, 40), image=(16, 16), batch=3),
    "deep": dict(vit=(16, 4, 4, 2, 8, 1.5), bert=(12, 4, 1, 30, "silu", 1e-12, 64), image=(9, 31), batch=2),
    "published_words": dict(vit=(16, 1, 2, 4, 12, 4.0), bert=(8, 2, 2, 16, "gelu", 1e-12, 48), image=(33, 17), batch=1, words=True),
}


def small_vocabulary():
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = "a painting of an ocean with clouds and birds day time low depth field red green cat dog ##s left tree over ##ing prompt ##t long two".split()
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", "!", "-"] + words + [c for c in letters if c not in words] + ["##" + c for c in letters if "##" + c not in words]


def fill(model, seed):
    """Few distinct values, scaled to the inputs that a unit has."""
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        if ".vision_proj." in name or ".text_proj." in name:
            p.data.fill_(0.5)
        elif p.dim() < 2 or p.shape[:2] == (1, 1):
            offset = 1.0 if name.endswith("weight") else 0.0
            p.data = offset + 0.125 * torch.randint(-2, 3, p.shape, generator=g).float()
        else:
            # A few inputs a unit, all of one size, and most of the wide MLP silent: enough for every number to matter to the score.
            inputs = 6 if name.startswith("mlp.") else 10
            fan_in = p[0].numel()
            density = min(0.5, inputs / fan_in)
            scale = 0.5 if "embed" in name and p.dim() == 2 else 2.0 ** round(math.log2(1.4 / (fan_in * density) ** 0.5))
            keep = torch.rand(p.shape, generator=g) < density
            sign = torch.where(torch.rand(p.shape, generator=g) < 0.5, scale, -scale)
            p.data = torch.where(keep, sign, 0.0)  # not a product: it would leave zeros of both signs, which zip badly
            if name == "mlp.layers.0.weight":
                p.data[ACTIVE_UNITS:] = 0
            if name == "mlp.layers.2.weight":
                p.data[:] = 0
                p.data[:, :ACTIVE_UNITS] = torch.where(torch.rand(len(p), ACTIVE_UNITS, generator=g) < 0.1, 0.25, 0.0)


def make(name, number):
    c = CONFIGS[name]
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    width, depth, heads, patch, size, ratio = c["vit"]
    hidden, layers, text_heads, intermediate, act, eps, positions = c["bert"]
    vocabulary = os.path.join(folder, "vocab.txt")
    if c.get("words"):
        text = gzip.open(PUBLISHED_VOCABULARY).read().decode()
        vocabulary = "/dev/shm/hn_vocab.txt" if os.path.isdir("/dev/shm") else os.path.join(folder, "published.txt")
    else:
        text = "".join(t + "\n" for t in small_vocabulary())
    with open(vocabulary, "w", encoding="utf-8") as f:
        f.write(text)
    # As the published file: encoder_width says what the image encoder is not.
    med = dict(architectures=["BertModel"], attention_probs_dropout_prob=0.1, hidden_act=act, hidden_dropout_prob=0.1, hidden_size=hidden, initializer_range=0.02,
               intermediate_size=intermediate, layer_norm_eps=eps, max_position_embeddings=positions, model_type="bert", num_attention_heads=text_heads,
               num_hidden_layers=layers, pad_token_id=0, add_type_embeddings=False, vocab_size=text.count("\n") + 2, encoder_width=768, add_cross_attention=True)
    med_path = os.path.join(folder, "med_config.json")
    json.dump(med, open(med_path, "w"), indent=1)
    if c.get("vit_file", True):
        json.dump(dict(image_size=size, patch_size=patch, width=width, depth=depth, heads=heads, mlp_ratio=ratio), open(os.path.join(folder, "vit_config.json"), "w"), indent=1)
    model = reference.build(med_path, vocabulary, dict(img_size=size, patch_size=patch, embed_dim=width, depth=depth, num_heads=heads, mlp_ratio=ratio), hidden)
    fill(model, number)
    r = random.Random(name)
    prompts = [PROMPTS[(number * 2 + i) % len(PROMPTS)] for i in range(c["batch"])]
    tokens = model.blip.tokenizer(prompts, padding="max_length", truncation=True, max_length=35, return_tensors="pt")
    if c.get("words"):  # rows that no prompt here uses stay zero
        used = torch.zeros(med["vocab_size"], 1)
        used[tokens.input_ids.flatten()] = 1
        words = model.blip.text_encoder.embeddings.word_embeddings.weight
        words.data = torch.where(used > 0, words.data, 0.0)
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    with open(os.path.join(folder, "ImageReward.pt.gz"), "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=9) as f:
        f.write(buffer.getvalue())

    h, w = c["image"]
    # Smooth colours with some noise: bicubic overshoot and rounding both have something to do.
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    images = torch.stack([torch.stack([((y * r.randint(1, 40) + x * r.randint(1, 40)) % 256 + torch.randint(-20, 20, (h, w))).clamp(0, 255) for _ in range(3)]) for _ in prompts]).to(torch.uint8)
    image = (images.float() / 255).requires_grad_()
    to_pixels = Compose([Resize(size, interpolation=InterpolationMode.BICUBIC, antialias=True), CenterCrop(size), Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))])
    score = model.score_gard(tokens.input_ids, tokens.attention_mask, to_pixels(image)).squeeze(-1)
    score.sum().backward()
    with torch.no_grad():
        official = torch.tensor([model.score(p, Image.fromarray(i.permute(1, 2, 0).numpy())) for p, i in zip(prompts, images)], dtype=torch.float32)
    grad = image.grad.flatten()
    sums = torch.tensor([grad.double().sum(), grad.double().square().sum()])
    save_file({"images": images, "score": score.detach(), "grad": grad[::5].clone(), "grad_sums": sums, "official": official}, os.path.join(folder, "golden.safetensors"),
              {"prompts": json.dumps(prompts)})
    print(f"{name}: score {score.tolist()} official {official.tolist()} |grad| {grad.abs().max():.3g}", os.path.getsize(os.path.join(folder, "ImageReward.pt.gz")))


if __name__ == "__main__":
    torch.manual_seed(0)
    for name in sys.argv[1:] or CONFIGS:
        make(name, list(CONFIGS).index(name))
