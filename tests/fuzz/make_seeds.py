"""The seeds of the fuzz targets, made from the good files of other tests and of the tree.

    python3 make_seeds.py        # writes seeds/TARGET/NAME beside this file; needs nothing but Python

Files that a fuzzer needs and no test has are written out here. Inputs of several files are joined as fuzz.hpp's parts_of() reads them.
Everything below seeds/ is replaced, but for the folder's files whose names begin with "found_": inputs that broke something once.
"""
import glob, gzip, json, os, re, struct

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
GOLDEN = os.path.join(ROOT, "tests/golden")
SEEDS = os.path.join(HERE, "seeds")
MOST = 400_000  # bytes of all seeds


def source(*path):
    path = os.path.join(ROOT, *path)
    data = open(path, "rb").read()
    return gzip.decompress(data) if path.endswith(".gz") else data


def as_bytes(value): return value if isinstance(value, bytes) else value.encode()


def seed(target, name, data):
    folder = os.path.join(SEEDS, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f: f.write(as_bytes(data))


def parts(files): return b"\n".join(b"%% " + name.encode() + b"\n" + as_bytes(data) for name, data in files.items())


def safetensors(tensors, metadata=None):
    """tensors: name -> (dtype, shape, bytes)."""
    header, data = {}, b""
    if metadata is not None: header["__metadata__"] = metadata
    for name, (dtype, shape, own) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(own)]}
        data += own
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def manifests():
    build = '\n[abi]\nmajor = 1\nmin_minor = 0\n\n[library.linux-x86_64]\nfile = "libplugin.so"\nsha256 = "%s"\n\n[requires]\nlibtorch = "none"\n' % ("0" * 64)
    for path in sorted(glob.glob(os.path.join(ROOT, "plugins/*/*/plugin.toml"))):
        name = os.path.basename(os.path.dirname(path))
        text = open(path).read() + build
        plugin = re.search(r'^name = "(.*)"', text, re.M).group(1)
        models = 'schema = 1\n[[models]]\nplugin = "%s"\nname = "mine"\nsummary = "Mine."\nweights = "/w"\n' % plugin
        seed("manifest", name, parts({"plugin.toml": text, "models.toml": models}))


def configs():
    seed("config", "short", re.search(r"```toml\n(.*?)```", source("docs/configuration.md").decode(), re.S).group(1))
    seed("config", "long", """generator = "sana-sprint"
weights = "/w"
device = "cuda:0"
dtype = "bfloat16"
seed = 7
threads = 2
deterministic = "no"
prompt_cache_mib = 16
[generator_options]
steps = 2
guidance.scale = 4.5
names = ["a", 'b']
on = true
[[reward]]
name = "clip"
weight = 3
every = 2
batch = 1
resize = 224
options = { dtype = "bfloat16" }
[[reward]]
name = "judge"
train = false
[[guard]]
reward = "judge"
bound = 0.5
drop = 1e-1
policy = "lower"
factor = 0.5
[net]
kind = "finetune"
rank = 4
alpha = 8.0
targets = ["to_q", "re:.*to_k"]
[train]
prompts = "general:demo"
steps = 10
batch = 2
micro_batch = 1
memory_budget = "8GiB"
accumulation = 2
optimiser = "sgd"
lr = 1
schedule = "cosine"
reg = "paper"
latents = "multi"
non_finite = "skip"
[eval]
seeds = [1, 2, 3]
rewards = ["hps"]
[pictures]
max_pixels = 1000
exif_orientation = true
[run]
dir = '''/runs/a'''
overwrite = true
[set]
train.lr = 0.01
""")
    seed("weights_list", "list", source("host/data/weights.toml"))
    seed("weights_list", "variants", """schema = 1
[[models]]
name = "a"
aliases = ["b"]
summary = "A."
repo = "owner/name"
revision = "main"
files = ["*.json"]
except = ["x/*"]
variants = { "" = ["*.safetensors"], fp16 = ["*.fp16.safetensors"] }
weights = "."
licence = "Apache-2.0"
licence_url = "https://example.org"
permissive = true
[[models.known]]
file = "config.json"
bytes = 12
sha256 = "%s"
""" % ("ab" * 32))


def tables():
    for name in ("demo", "heldout"):
        lines = source("host/data/prompts", name + ".txt").splitlines()[:5]
        seed("prompts", name + ".txt", parts({"p.txt": b"\n".join(lines)}))
    png = source("tests/golden/images/rgb.png")
    seed("prompts", "tsv", parts({"p.tsv": "prompt\tnegative\na cat\tblurry\n\"two\tdogs\"\t\n"}))
    seed("prompts", "csv", parts({"p.csv": "id,prompt,negative\r\n1,\"a \"\"red\"\" cat, sitting\",\r\n2,naïve café,\"b\nc\"\r\n"}))
    seed("prompts", "scored.csv", parts({"p.csv": "image,prompt,clip,error\na.png,'=1+1,0.5,\nb.png,''-x,,no\n"}))
    seed("prompts", "jsonl", parts({"p.jsonl": '{"prompt": "a cat", "negative": "dog", "metadata": {"tag": "counting", "include": [{"class": "cat", "count": 2}]}}\n\n{"prompt": "\\ud83c\\udf88", "image": "a.png", "mask": "m.png"}\n', "a.png": png, "m.png": source("tests/golden/images/grey.png")}))
    seed("tables", "csv", parts({"t.csv": "image,prompt,width\na.png,\"a \"\"b\"\", c\",3\r\nb.png,\"x\ny\",4\r\n"}))
    seed("tables", "scored", parts({"t.csv": "image,prompt,clip,error\na.png,'=1+1,0.5,\nb.png,,,\"no, file\"\n"}))
    seed("tables", "tsv", parts({"t.tsv": "file\tcaption\na.png\tone\nb.png\t\"two\tthree\"\n"}))
    seed("tables", "jsonl", parts({"t.jsonl": '{"image": "a.png", "prompt": "x"}\n{"file": "b.png", "caption": "\\u00e4"}\n'}))
    seed("score_requests", "one", '{"image": "a.png", "prompt": "a cat", "id": 7}')
    seed("score_requests", "list", '[{"image": "a.png", "prompt": ""}, {"image": "b", "prompt": "x", "scores": {"clip": 1e-3}, "error": null}, 3, {"image": 5}, {"prompt": "y"}]')


def weights():
    seed("safetensors", "reference", source("tests/golden/safetensors/reference.safetensors"))
    seed("safetensors", "empty", safetensors({}))
    bits = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16,
            "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64}
    seed("safetensors", "types", safetensors({d.lower(): (d, [4, 2], bytes(b)) for d, b in bits.items()}, {"format": "pt"}))
    seed("safetensors", "shapes", safetensors({"scalar": ("F32", [], b"\0\0\x80\x3f"), "none": ("F16", [0, 3], b""), "ü": ("I64", [1, 1, 1], bytes(8))}))
    a = safetensors({"x": ("F32", [2], bytes(8)), "y": ("I32", [1], b"\1\0\0\0")})
    b = safetensors({"z": ("F16", [1], b"\0\x3c"), "y": ("I32", [1], b"\1\0\0\0")})
    index = json.dumps({"metadata": {"total_size": 18}, "weight_map": {"x": "a.safetensors", "y": "a.safetensors", "z": "b.safetensors"}})
    seed("weight_files", "shards", parts({"model.safetensors.index.json": index, "a.safetensors": a, "b.safetensors": b}))
    seed("weight_files", "single", parts({"model.safetensors": a}))
    torch = source("tests/golden/torch_files/protocol4.pt")
    seed("weight_files", "torch", parts({"pytorch_model.bin.index.json": json.dumps({"weight_map": {"layers.0.w": "a.bin", "layers.1.w": "a.bin"}}), "a.bin": torch}))
    for path in sorted(glob.glob(os.path.join(GOLDEN, "torch_files/*.pt"))): seed("torch_file", os.path.basename(path), open(path, "rb").read())
    seed("checkpoint", "types", safetensors({"net/a": ("F32", [2], bytes(8)), "step": ("I64", [1], bytes(8))}, {"kind": "hn.checkpoint", "seed": "1"}))
    seed("checkpoint", "optimiser", source("tests/golden/core/regulariser.safetensors"))
    for name in ("peft_choices", "peft_numbers", "peft_patterns"):
        seed("lora_config", name, parts({"adapter_config.json": source("tests/golden/lora", name, "adapter_config.json")}))
    for name in ("unet_saved", "unet_alone"):
        whole = source("tests/golden/lora", name, "pytorch_lora_weights.safetensors")
        header = json.loads(whole[8:8 + struct.unpack("<Q", whole[:8])[0]])
        seed("lora_config", name, parts({"other.safetensors": safetensors({"a": ("F32", [1], bytes(4))}, header["__metadata__"])}))
    for i, (pattern, layer) in enumerate([(r"(?P<block>down|up)_blocks\.\d+\..*\.(to_q|to_k|proj)", "up_blocks.1.attn.to_q"), (r"attn2.to_k|ff\.net", "a.ff.net"),
                                          (r"^up_blocks.1.[]a-z_]+.0..*attn1.to_q$", "up_blocks.1.x.0.attn1.to_q"), (r"down.*to_[qk]\Z", "down.to_k"),
                                          (r"a{2}b{,3}c{1,}?(?:x|y)*(?=z)(?!w).+\bz", "aac xyz"), (r"\A[^\d\s\-.]+$", "abc")]):
        seed("python_pattern", str(i), pattern + "\n" + layer)


def short_tokenizer(name, pieces, merges):
    """A published-like tokenizer.json with the first of its pieces and merges, as far as they have what they name."""
    whole = json.loads(source("tests/golden/tokenizers", name + ".tokenizer.json"))
    model, special = whole["model"], {t["content"] for t in whole["added_tokens"]}
    model["vocab"] = {k: v for k, v in model["vocab"].items() if v < pieces or k in special or k.startswith("<0x")}
    if "merges" in model:
        prefix = model.get("continuing_subword_prefix") or ""
        def known(merge):
            a, b = merge.split(" ") if isinstance(merge, str) else merge
            return all(p in model["vocab"] for p in (a, b, a + (b[len(prefix):] if prefix and b.startswith(prefix) else b)))
        model["merges"] = [m for m in model["merges"] if known(m)][:merges]
    whole["added_tokens"] = [t for t in whole["added_tokens"] if t["content"] in model["vocab"] or t["id"] >= pieces]
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def tokenizers():
    for name in ("random_pieces", "random_words", "random_gpt", "random_prefix"):
        seed("tokenizer_json", name, parts({"tokenizer.json": short_tokenizer(name, 160, 60), "text": "a photo of 3 red cats, naïve 写真"}))
    seed("tokenizer_json", "bytes", parts({"tokenizer.json": small_bpe(byte_fallback=True), "text": "aé🎈"}))
    for i, (normalizer, cut, behind) in enumerate(PIPELINES):
        seed("tokenizer_json", "pipeline_%d" % i, parts({"tokenizer.json": small_bpe(normalizer=normalizer, pre_tokenizer=cut, post_processor=behind), "text": "Ab a\u0301b 12"}))
    seed("tokenizer_json", "unigram", parts({"tokenizer.json": json.dumps({
        "version": "1.0", "added_tokens": [{"id": 1, "content": "</s>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Strip", "strip_left": False, "strip_right": True}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}, "post_processor": None,
        "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["</s>", 0.0], ["▁a", -1.5], ["▁", -2.0], ["b", -3.25], ["ab", -2.5]], "byte_fallback": False}}, ensure_ascii=False), "text": "ab  b"}))
    for name in ("tiny", "suffix", "bytes"): seed("sentencepiece", name, source("tests/golden/tokenizers/t5", name + ".model.gz"))
    seed("sentencepiece", "plain", source("tests/golden/flux_schnell/plain/tokenizer_2/spiece.model"))
    for table in ("side_files", "side_files_bert"):
        for case in json.loads(source("tests/golden/tokenizers", table + ".json.gz"))["cases"]:
            files = case["files"]
            if sum(map(len, files.values())) < 3000: seed("side_files", table + "_" + case["name"], parts(files))
    seed("side_files", "small", parts({"tokenizer_config.json": json.dumps({"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "model_max_length": 77, "padding_side": "right"}),
                                       "special_tokens_map.json": '{"pad_token": {"content": "<pad>", "lstrip": false, "normalized": false, "rstrip": false, "single_word": false}}'}))
    clip = {"vocab.json": '{"a":0,"b</w>":1,"ab</w>":2,"<|startoftext|>":3,"<|endoftext|>":4,"a</w>":5,"b":6}', "merges.txt": "#version: 0.2\na b</w>\n"}
    seed("vocabularies", "clip", parts(clip))
    golden = os.path.join("tests/golden/sd_turbo/plain/tokenizer")
    seed("vocabularies", "sd_turbo", parts({name: source(golden, name) for name in ("vocab.json", "merges.txt")}))
    merges = source("tests/golden/clip/bare/merges.txt")
    seed("vocabularies", "open_clip", parts({"open_clip.txt": merges[:600]}))
    seed("vocabularies", "open_clip_gz", parts({"open_clip.txt": gzip.compress(merges[:300], mtime=0)}))
    words = source("tests/golden/image_reward/plain/vocab.txt")
    seed("vocabularies", "bert", parts({"vocab.txt": words}))
    seed("vocabularies", "bert_gz", parts({"vocab.txt": gzip.compress(words, mtime=0)}))


def small_bpe(normalizer=None, pre_tokenizer=None, post_processor=None, byte_fallback=False):
    vocab = {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "</s>": 4, "1": 5, "2": 6, "Ġ": 7, "▁": 8}
    if byte_fallback: vocab.update({"<0x%02X>" % i: 9 + i for i in range(256)})
    token = lambda i, text, **more: {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True, **more}
    return json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [token(0, "<unk>"), token(4, "</s>", rstrip=True)],
                       "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": post_processor, "decoder": None,
                       "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True,
                                 "byte_fallback": byte_fallback, "ignore_merges": False, "vocab": vocab, "merges": ["a b"]}}, ensure_ascii=False, separators=(",", ":"))


ENDING = {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
          "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"</s>": {"id": "</s>", "ids": [4], "tokens": ["</s>"]}}}
PIPELINES = [
    ({"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]}, {"type": "Whitespace"}, ENDING),
    ({"type": "Prepend", "prepend": "▁"}, {"type": "Split", "pattern": {"Regex": "\\p{L}+|\\s+(?!\\S)|\\d"}, "behavior": "Isolated", "invert": False}, None),
    ({"type": "NFKC"}, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}),
    ({"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}, {"type": "BertPreTokenizer"}, {"type": "BertProcessing", "sep": ["</s>", 4], "cls": ["a", 1]}),
    ({"type": "Nmt"}, {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "MergedWithNext"}, {"type": "CharDelimiterSplit", "delimiter": "b"}]},
     {"type": "RobertaProcessing", "sep": ["</s>", 4], "cls": ["a", 1], "trim_offsets": True, "add_prefix_space": False}),
    ({"type": "Replace", "pattern": {"String": "a"}, "content": "bb"}, {"type": "UnicodeScripts"}, {"type": "Sequence", "processors": [ENDING]}),
]


def pictures():
    for folder in ("images", "images/odd"):
        for path in sorted(glob.glob(os.path.join(GOLDEN, folder, "*.*"))):
            if path.endswith((".png", ".jpg", ".webp")) and os.path.getsize(path) < 2500: seed("pictures", os.path.basename(path), open(path, "rb").read())
    def tiff(order, entries):
        fmt = "<" if order == b"II" else ">"
        data = order + struct.pack(fmt + "HI", 42, 8) + struct.pack(fmt + "H", len(entries))
        for tag, kind, count, value in entries: data += struct.pack(fmt + "HHI", tag, kind, count) + value
        return data + struct.pack(fmt + "I", 0)
    seed("orientation", "little", parts({"exif": b"Exif\0\0" + tiff(b"II", [(0x100, 4, 1, b"\x10\0\0\0"), (0x112, 3, 1, b"\6\0\0\0")])}))
    seed("orientation", "big", parts({"exif": tiff(b"MM", [(0x112, 3, 1, b"\0\x08\0\0")])}))
    seed("orientation", "xmp", parts({"xmp": '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="3"/></x:xmpmeta>'}))
    seed("orientation", "element", parts({"exif": "", "xmp": "<rdf:Description><tiff:Orientation>5</tiff:Orientation></rdf:Description>"}))


def run_files():
    seed("run_files", "events", parts({"events": source("tests/golden/events/events.bin")}))
    seed("run_files", "metrics", parts({"metrics.jsonl": '{"kind":"eval","step":0,"kl":0.5}\n{"kind":"train","step":1,"loss":null,"seconds":0.1}\n{"kind":"train","step":2,"loss":1.5,"warnings":["w"]}\n'}))
    seed("run_files", "scores", parts({"scores.json": '{"prompts":["a","b"],"seeds":[1],"before":{"kl":0.5,"columns":{"redness":[0.1,0.25],"clip":[1.0,null]}},"after":{"kl":0,"columns":{"redness":[0.2,0.5]}}}'}))
    measure = {"name": "redness", "trained": True, "weight": 1.0, "higher_is_better": True, "before": {"mean": 0.1, "se": 0.01, "n": 4},
               "after": {"mean": 0.2, "se": 0.01, "n": 4}, "difference": {"mean": 0.1, "se": 0.01, "n": 4}, "verdict": "better"}
    seed("run_files", "summary", parts({"summary.json": json.dumps({"name": "a", "version": "1", "generator": "emoji-sprint", "method": "noise hypernetwork", "step": 2, "steps": 2, "seed": 1,
                                                                   "trainable": 10, "measures": [measure], "kl": 0.5, "train_seconds": 1.5, "stopped": None, "files": {"adapter/a": "0" * 64}})}))
    seed("run_files", "config", parts({"config.toml": "seed = 2\n[train]\nlr = 0.5\nlist = [1, [2, {a = 1}]]\n[[reward]]\nname = \"a\"\n"}))


def workers():
    """Messages of host/src/worker/messages.hpp: kind, number, fields; texts and lists begin with their length."""
    number = lambda code: lambda *values: struct.pack("<%d%s" % (len(values), code), *values)
    u8, u16, u32, u64, i32, i64 = map(number, "BHIQiq")
    text = lambda t: u32(len(t)) + t.encode()
    items = lambda *each: u32(len(each)) + b"".join(each)
    some = lambda value: u8(1) + value
    none = u8(0)
    dims = lambda *n: u32(len(n)) + i64(*n)
    def tensor(offset, shape, strides): return u64(offset) + u8(2, 32) + u16(1) + dims(*shape) + dims(*strides)
    picture = tensor(128, (1, 3, 4, 4), (48, 16, 4, 1))
    call = u64(3) + u32(1, 2) + items(u64(5), u64(6)) + items(some(picture), none) + items(some(tensor(512, (1,), (1,)))) + items(u8(1), u8(0)) + u64(7, 0, 0)
    texts = lambda *each: items(*map(text, each))
    slot = text("image_rgb01") + text("image_rgb01") + u32(1) + u8(2, 32, 2, 32) + u16(1, 1) + dims(-1, 3, -2, -2)
    messages = {
        "start": (0, u32(1) + text("/a/clip.hnp") + text("0" * 64) + u8(1) + texts("/w", "") + u64(1 << 30, 60)), "create": (1, b""), "open": (3, u64(1) + text("score")),
        "plan": (5, call), "shapes": (6, call), "forward": (7, u64(9) + call),
        "backward": (8, u64(9) + u32(4) + items(some(tensor(128, (2,), (1,)))) + items(none, some(picture)) + items(u8(0), u8(1))),
        "encode": (10, u32(1) + items(u64(7) + text("a cat") + text("a dog") + text("{}") + items(text("mask") + tensor(0, (1, 8, 8), (64, 8, 1))))),
        "embedding": (12, u64(7) + u32(1) + tensor(128, (4,), (1,))), "new_block": (17, u32(1) + u64(65536)),
        "answer": (19, i32(0) + text("clip") + i64(-1) + struct.pack("<d", 0.5) + texts("a", "b")),
        "reply_error": (20, i32(3) + text("why") + text("")), "reply_opened": (20, i32(0) + text("") + u32(len(u32(2) + u8(1) + items(slot) + items(slot))) + u32(2) + u8(1) + items(slot) + items(slot)),
        "log": (21, i32(2) + text("text")), "progress": (22, text("loading") + u64(1, 2)), "ask": (23, u8(4) + text("lora.targets")), "component": (24, text('{"name": "unet"}'))}
    for name, (kind, body) in messages.items(): seed("worker_messages", name, u16(kind) + u64(1) + body)
    for name, body in {"started": texts("seccomp") + texts(), "created": u8(1, 0, 1) + u32(3) + u64(512), "shaped": items(dims(1, 4, 8, 8), dims()), "encoded": items(u64(100)),
                       "layers": items(text("to_q") + i32(0, 1, 1, 1) + i64(64, 64)), "memory": items(i32(1, 0) + u64(4096))}.items(): seed("worker_messages", "body_" + name, body)
    for job, status, said in ((0, "passed", ""), (3, "failed", "expected 1, got 2"), (11, "not_run", "naïve")):
        seed("helper_rows", status, json.dumps({"job": job, "status": status, "text": said, "seconds": 0.25}, ensure_ascii=False))


def main():
    for path in glob.glob(os.path.join(SEEDS, "*/*")):
        if not os.path.basename(path).startswith("found_"): os.remove(path)
    for make in (manifests, configs, tables, weights, tokenizers, pictures, run_files, workers): make()
    sizes = [os.path.getsize(p) for p in glob.glob(os.path.join(SEEDS, "*/*"))]
    print(f"{len(sizes)} seeds, {sum(sizes)} bytes")
    assert sum(sizes) < MOST, f"expected less than {MOST} bytes of seeds, got {sum(sizes)}"


if __name__ == "__main__": main()
