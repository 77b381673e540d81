"""Golden values of hps, pickscore, aesthetic and of clip in OpenCLIP's layout: the reference packages, forward and gradient.

    HPSV2=FOLDER python make.py [OUT_DIR]    # default: this folder. FOLDER: the unpacked wheel of hpsv2 1.2.0 (it lacks its vocabulary)
    HPSV2=FOLDER python make.py tokenizers   # writes nothing: hpsv2's tokenizer against open_clip's
    HPSV2=FOLDER python make.py command HNHOST BUILD/golden/clip_rewards/hps_derived   # hpsv2's files-to-scores against `hnhost score`

Run with torch 2.11, torchvision 0.26, transformers 5.23, open-clip-torch 3.3, hpsv2 1.2.0 (its open_clip alone), pillow 13, Python 3.11.
One folder a configuration: a random model in the published format (each file .gz; coarse_weights says why they are small) and golden.st.gz:
    image     [1,3,H,W] smooth fields with noise in [0,1], score [1] and gradient [1,3,H,W] of it by tensor preprocessing
    large     [1,3,H,W], large_score [1] and large_official [1]: preprocessing "official" of the reference's own scorer
    text      [3,D] unit text vectors of the prompts in the metadata (not for aesthetic); image has the first, large the second
Tolerance: 1e-4 relative to the largest value, in float32.
"""
import gzip, importlib, json, os, re, shutil, subprocess, sys, tempfile, types
import numpy as np, open_clip, torch, torchvision.transforms as T
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.join(HERE, "../../../plugins/rewards/clip/weights/tiny-clip")
PROMPTS = ["A cat with two horns on its head", "Café  au LAIT &amp; it's 12 o'clock! 🦉",
           "an owl to the left of a yellow umbrella and a very long tail of words that runs past the end of every small context " * 5]
MEAN, STD = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD


def hpsv2(name):
    """A module of hpsv2's open_clip; the packages above it import downloaders that scoring does not need."""
    if "hps_open_clip" not in sys.modules:
        package = types.ModuleType("hps_open_clip")
        package.__path__ = [os.path.join(os.environ["HPSV2"], "hpsv2/src/open_clip")]
        vocabulary = os.path.join(package.__path__[0], "bpe_simple_vocab_16e6.txt.gz")
        if not os.path.exists(vocabulary):  # missing in the wheel
            shutil.copy(os.path.join(os.path.dirname(open_clip.__file__), "bpe_simple_vocab_16e6.txt.gz"), vocabulary)
        sys.modules["hps_open_clip"] = package
    return importlib.import_module("hps_open_clip." + name)


class MLP(torch.nn.Module):
    """improved-aesthetic-predictor, simple_inference.py, class MLP, with its widths as an argument; forward is self.layers(x)."""
    def __init__(self, input_size, widths=(1024, 128, 64, 16)):
        super().__init__()
        a, b, c, d = widths
        L, D = torch.nn.Linear, torch.nn.Dropout
        self.layers = torch.nn.Sequential(L(input_size, a), D(0.2), L(a, b), D(0.2), L(b, c), D(0.1), L(c, d), L(d, 1))
    def forward(self, x): return self.layers(x)


V = dict(image_size=24, layers=1, width=64, head_width=64, patch_size=8, mlp_ratio=1.0)
X = dict(context_length=77, vocab_size=49408, width=64, heads=1, layers=1)
OPEN = {  # OpenCLIP names; `config` says whether open_clip_config.json lies beside the weights
    # Everything derived from the tensors: heads of 64, exact GELU, 77 positions.
    "hps_derived": dict(reward="hps", file="HPS_v2.1_compressed.pt", half=True, config=False, embed=24, vision=V, text=X),
    "hps_legacy": dict(reward="hps", file="HPS_v2_compressed.pt", legacy=True, config=True, embed=20, options=dict(version="2.0"),
                       vision=dict(image_size=30, layers=2, width=36, head_width=12, patch_size=7, mlp_ratio=2.5),
                       text=dict(context_length=20, vocab_size=49408, width=24, heads=3, layers=2)),
    "hps_quick": dict(reward="hps", file="any_name.pt", module=True, config=True, quick=True, embed=32,
                      vision=dict(image_size=32, layers=3, width=24, head_width=24, patch_size=16),
                      text=dict(context_length=12, vocab_size=49408, width=32, heads=2, layers=1),
                      pre=dict(mean=[0.5, 0.4, 0.6], std=[0.2, 0.3, 0.25])),
    "clip_open": dict(reward="clip", file="open_clip_pytorch_model.bin", config=True, embed=16, options=dict(output="logit"),
                      vision=dict(image_size=28, layers=2, width=32, head_width=8, patch_size=14, mlp_ratio=3.0),
                      text=dict(context_length=24, vocab_size=49408, width=20, heads=2, layers=2)),
    "clip_open_quick": dict(reward="clip", file="open_clip_model.safetensors", config=True, quick=True, embed=28,
                            vision=dict(image_size=25, layers=2, width=40, head_width=20, patch_size=5),
                            text=dict(context_length=16, vocab_size=49408, width=16, heads=4, layers=3),
                            pre=dict(interpolation="bilinear", mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5])),
    "aesthetic_linear": dict(reward="aesthetic", file="open_clip_pytorch_model.bin", config=True, quick=True, embed=24, head="linear",
                             vision=dict(image_size=32, layers=2, width=32, head_width=16, patch_size=8),
                             text=dict(context_length=8, vocab_size=64, width=8, heads=1, layers=1)),
}
HF = {  # Hugging Face's names
    "pickscore_safe": dict(reward="pickscore", form="safetensors", embed=24, act="gelu", pre=True,
                           vision=dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=7),
                           text=dict(hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=3, max_position_embeddings=77)),
    "pickscore_bin": dict(reward="pickscore", form="bin", legacy=True, embed=16, act="gelu", pre=True,
                          vision=dict(hidden_size=24, intermediate_size=60, num_hidden_layers=3, num_attention_heads=4, image_size=32, patch_size=16),
                          text=dict(hidden_size=32, intermediate_size=40, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=18)),
    "pickscore_shards": dict(reward="pickscore", form="shards", embed=40, act="quick_gelu", pre=False,
                             vision=dict(hidden_size=40, intermediate_size=40, num_hidden_layers=1, num_attention_heads=5, image_size=24, patch_size=12),
                             text=dict(hidden_size=20, intermediate_size=40, num_hidden_layers=3, num_attention_heads=2, max_position_embeddings=30)),
    "aesthetic_mlp": dict(reward="aesthetic", form="safetensors", embed=24, act="quick_gelu", head="mlp", pre=True,
                          vision=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=7),
                          text=dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, max_position_embeddings=8)),
    "aesthetic_inner": dict(reward="aesthetic", form="bin", inner="clip", embed=32, act="quick_gelu", head="other.pth", pre=True,
                            vision=dict(hidden_size=24, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2, image_size=24, patch_size=6),
                            text=dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, max_position_embeddings=8)),
}


def coarse_weights(model):
    """Four levels that repeat after 509 numbers (a prime, so that rows differ), about as large as a trained model's: they pack well,
    and every float16 and bfloat16 holds them exactly."""
    for k, p in model.named_parameters():
        if p.dim() == 0: p.data.fill_(3.0); continue
        r = (torch.randint(0, 4, (509,)).float() * 0.5 - 0.75)[torch.arange(p.numel()) % 509].reshape(p.shape)
        if "norm" in k.lower() or "ln_" in k: p.data = (1 + r / 4) if k.endswith("weight") else r / 4
        elif k.endswith("bias"): p.data = r / 4
        else: p.data = r * 2.0 ** round(np.log2(2.5 / np.sqrt(p.shape[-1] if "embedding" not in k else 2)))
    return model.eval().requires_grad_(False)


def images(n, height, width, generator):
    coarse = torch.rand(n, 3, 4, 4, generator=generator)
    x = torch.nn.functional.interpolate(coarse, size=(height, width), mode="nearest")
    return ((x + 0.1 * torch.randn(x.shape, generator=generator)).clamp(0, 1) * 16).round() / 16


def pictures(x): return [Image.fromarray(np.round(i.permute(1, 2, 0).numpy() * 255).astype(np.uint8)) for i in x]


def unit(x): return x / x.norm(dim=-1, keepdim=True)


def tensor_pixels(n, pre):
    mode = T.InterpolationMode(pre.get("interpolation", "bicubic"))
    return T.Compose([T.Resize(n, interpolation=mode, antialias=True), T.CenterCrop(n), T.Normalize(pre.get("mean", MEAN), pre.get("std", STD))])


def heads(kind, width):
    """(file name, module) of an aesthetic head."""
    if kind == "linear": return "sa_0_4_vit_l_14_linear.pth", coarse_weights(torch.nn.Linear(width, 1))
    return ("sac+logos+ava1-l14-linearMSE.pth" if kind == "mlp" else kind), coarse_weights(MLP(width, (40, 16, 8, 4)))


def pack(folder):
    """Each file as .gz, or .gz.gz where that is smaller: 49,408 repeating rows are more than one round of deflate can say briefly."""
    for where, _, files in os.walk(folder):
        for f in files:
            path = os.path.join(where, f)
            if f.endswith("config.json"): continue
            data = gzip.compress(open(path, "rb").read(), 9, mtime=0)
            twice = gzip.compress(data, 9, mtime=0)
            name, data = (path + ".gz.gz", twice) if len(twice) < 0.9 * len(data) else (path + ".gz", data)
            open(name, "wb").write(data)
            os.remove(path)


def write(folder, c, score, official, text, n, pre):
    generator = torch.Generator().manual_seed(sum(map(ord, folder.split("/")[-1])))
    x, large = images(1, 17, 23, generator).requires_grad_(True), images(1, 38, 27, generator)
    pixels = tensor_pixels(n, pre)
    t = (lambda a, b: text[a:b]) if text is not None else (lambda a, b: None)
    value = score(pixels(x), t(0, 1))
    gradient, = torch.autograd.grad(value.sum(), x)
    with torch.no_grad():
        r = dict(image=x.detach().bfloat16(), score=value, gradient=gradient, large=large.bfloat16(), large_score=score(pixels(large), t(1, 2)),
                 large_official=score(torch.stack([official(p) for p in pictures(large)]), t(1, 2)))
        if text is not None: r["text"] = text
    save_file({k: v.detach().contiguous() for k, v in r.items()}, os.path.join(folder, "golden.st"),
              metadata={"prompts": json.dumps(PROMPTS), "reward": c["reward"], "options": json.dumps(c.get("options", {}))})
    pack(folder)
    size = sum(os.path.getsize(os.path.join(a, f)) for a, _, fs in os.walk(folder) for f in fs)
    print(f"{os.path.basename(folder):18} {size:7} bytes  score {value.tolist()} large {r['large_score'].tolist()} official {r['large_official'].tolist()}")


def make_open(out, name, c):
    torch.manual_seed(sum(map(ord, name)))
    folder = os.path.join(out, name); shutil.rmtree(folder, ignore_errors=True); os.makedirs(folder)
    hps = c["reward"] == "hps"
    package = hpsv2("model") if hps else importlib.import_module("open_clip.model")
    model = package.CLIP(c["embed"], package.CLIPVisionCfg(**c["vision"]), package.CLIPTextCfg(**c["text"]), quick_gelu=c.get("quick", False), output_dict=True)
    coarse_weights(model)
    state = {("module." if c.get("module") else "") + k: v.half() if c.get("half") else v for k, v in model.state_dict().items()}
    path = os.path.join(folder, c["file"])
    if hps:  # as open_clip's training writes a checkpoint
        state = type(model.state_dict())(state)
        torch.save({"epoch": 3, "name": "hps", "state_dict": state}, path, _use_new_zipfile_serialization=not c.get("legacy"))
    elif path.endswith(".safetensors"): save_file({k: v.contiguous() for k, v in state.items()}, path)
    else: torch.save(model.state_dict(), path)
    pre = c.get("pre", {})
    n = c["vision"]["image_size"]
    if c["config"]:
        model_cfg = dict(embed_dim=c["embed"], vision_cfg=c["vision"], text_cfg=c["text"], **({"quick_gelu": True} if c.get("quick") else {}))
        json.dump(dict(model_cfg=model_cfg, preprocess_cfg=dict(dict(mean=MEAN, std=STD, interpolation="bicubic", resize_mode="shortest"), **pre)),
                  open(os.path.join(folder, "open_clip_config.json"), "w"), indent=1)
    if hps: official = hpsv2("transform").image_transform(n, is_train=False, mean=pre.get("mean"), std=pre.get("std"))
    else: official = open_clip.image_transform(n, is_train=False, mean=pre.get("mean"), std=pre.get("std"), interpolation=pre.get("interpolation"))
    vectors = None
    if c["reward"] != "aesthetic":
        vocabulary = os.path.join(os.path.dirname(open_clip.__file__), "bpe_simple_vocab_16e6.txt.gz")
        length = c["text"]["context_length"]
        ids = hpsv2("tokenizer").tokenize(PROMPTS, length) if hps else open_clip.SimpleTokenizer(vocabulary)(PROMPTS, context_length=length)
        vectors = unit(model.encode_text(ids))
        if hps:  # hpsv2/img_score.py scores model(image, text); the same vectors come out of its parts
            assert torch.equal(model(torch.zeros(3, 3, n, n), ids)["text_features"], model.encode_text(ids, normalize=True))
    head = None
    if c["reward"] == "aesthetic":
        file, head = heads(c["head"], c["embed"])
        torch.save(head.state_dict(), os.path.join(folder, file))
    scale = model.logit_scale.exp() if c.get("options", {}).get("output") == "logit" else 1.0
    def score(pixels, text):
        e = model.encode_image(pixels, normalize=True)
        return head(e).squeeze(-1) if head is not None else scale * (e * text).sum(-1)
    write(folder, c, score, official, vectors, n, pre)


def make_hf(out, name, c):
    torch.manual_seed(sum(map(ord, name)))
    folder = os.path.join(out, name); shutil.rmtree(folder, ignore_errors=True)
    inner = os.path.join(folder, c.get("inner", "")); os.makedirs(inner)
    tokenizer = CLIPTokenizer.from_pretrained(TINY)
    end = tokenizer.eos_token_id
    ids = dict(vocab_size=len(tokenizer), bos_token_id=tokenizer.bos_token_id, eos_token_id=2 if c.get("legacy") else end, pad_token_id=end)
    cfg = CLIPConfig(text_config=dict(ids, hidden_act=c["act"], **c["text"]), vision_config=dict(hidden_act=c["act"], **c["vision"]), projection_dim=c["embed"])
    model = coarse_weights(CLIPModel(cfg))
    if c["form"] == "safetensors": model.save_pretrained(inner)
    else:
        cfg.architectures = ["CLIPModel"]; cfg.save_pretrained(inner)
        state = model.state_dict()
        if c["form"] == "bin": torch.save(state, os.path.join(inner, "pytorch_model.bin"))
        else:  # as transformers 4 shards: an index and parts
            keys = list(state); parts = {"pytorch_model-00001-of-00002.bin": keys[::2], "pytorch_model-00002-of-00002.bin": keys[1::2]}
            for f, ks in parts.items(): torch.save({k: state[k].clone() for k in ks}, os.path.join(inner, f))
            json.dump({"metadata": {"total_size": 1}, "weight_map": {k: f for f, ks in parts.items() for k in ks}},
                      open(os.path.join(inner, "pytorch_model.bin.index.json"), "w"), indent=0)
    n = c["vision"]["image_size"]
    processor = CLIPImageProcessorPil(size={"shortest_edge": n}, crop_size={"height": n, "width": n})
    if c["pre"]: json.dump(processor.to_dict(), open(os.path.join(inner, "preprocessor_config.json"), "w"), indent=1)
    official = lambda p: processor(images=[p], return_tensors="pt")["pixel_values"][0].float()
    vectors, head = None, None
    if c["reward"] == "aesthetic":
        # clip.load's own processing
        official = T.Compose([T.Resize(n, interpolation=T.InterpolationMode.BICUBIC), T.CenterCrop(n), T.ToTensor(), T.Normalize(MEAN, STD)])
        file, head = heads(c["head"], c["embed"])
        torch.save(head.state_dict(), os.path.join(folder, file))
    else:  # padded with the end token and a mask, cut: as PickScore's processor does
        tok = tokenizer(PROMPTS, padding=True, truncation=True, max_length=c["text"]["max_position_embeddings"], return_tensors="pt")
        vectors = unit(model.get_text_features(**tok).pooler_output)
    scale = model.logit_scale.exp() if c["reward"] == "pickscore" else 1.0
    def score(pixels, text):
        e = unit(model.get_image_features(pixel_values=pixels).pooler_output)
        return head(e).squeeze(-1) if head is not None else scale * (e * text).sum(-1)
    write(folder, c, score, official, vectors, n, {})


def compare_tokenizers():
    """hpsv2's tokenizer against open_clip's on the corpus of tests/golden/tokenizers."""
    corpus = json.load(gzip.open(os.path.join(HERE, "../tokenizers/corpus.json.gz")))
    ours = open_clip.SimpleTokenizer(os.path.join(os.path.dirname(open_clip.__file__), "bpe_simple_vocab_16e6.txt.gz"))
    theirs = hpsv2("tokenizer").tokenize
    differ = [s for s in corpus if not torch.equal(theirs([s], 77), ours([s], context_length=77))]
    print(f"{len(corpus)} strings, {len(differ)} differ: {differ[:5]}")


def compare_command(hnhost, folder):
    """hpsv2's way from a file to a score (img_score.py) against `hnhost score`, on the unpacked model hps_derived in `folder`."""
    c, package = OPEN["hps_derived"], hpsv2("model")
    model = package.CLIP(c["embed"], package.CLIPVisionCfg(**c["vision"]), package.CLIPTextCfg(**c["text"]), output_dict=True)
    model.load_state_dict(torch.load(os.path.join(folder, c["file"]), map_location="cpu")["state_dict"]); model.eval()
    preprocess = hpsv2("transform").image_transform(c["vision"]["image_size"], is_train=False)
    text, generator, want = hpsv2("tokenizer").tokenize([PROMPTS[0]], 77), torch.Generator().manual_seed(3), []
    with tempfile.TemporaryDirectory() as pics:
        for i, (h, w) in enumerate([(64, 64), (80, 120), (33, 50), (200, 90)]):
            path = os.path.join(pics, f"{i}.png"); pictures(images(1, h, w, generator))[0].save(path)
            with torch.no_grad(): o = model(preprocess(Image.open(path)).unsqueeze(0), text)
            want.append((o["image_features"] @ o["text_features"].T).item())
        answer = subprocess.run([hnhost, "score", "--json", "--reward", "hps", "--weights", "hps=" + folder, "--reward-option",
                                 "hps.preprocess=official", "--prompt", PROMPTS[0], pics], capture_output=True, text=True, check=True).stdout
    got = [float(x) for x in re.findall(r'"hps": (-?[0-9.e-]+)', answer)][-len(want):]
    print(f"hpsv2  {want}\nhnhost {got}\nlargest difference {max(abs(a - b) for a, b in zip(want, got)):.1e}")


def main(out):
    if out == "tokenizers": return compare_tokenizers()
    if out == "command": return compare_command(*sys.argv[2:4])
    only = sys.argv[2:]
    for name, c in OPEN.items():
        if not only or name in only: make_open(out, name, c)
    for name, c in HF.items():
        if not only or name in only: make_hf(out, name, c)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else HERE)
