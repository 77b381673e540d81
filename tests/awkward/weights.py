"""Files of weights that are something else, cut, of odd types, contradictory or made to fill the memory."""
import json
import struct

from suite import case
from weights_files import safetensors, tensor, text, torch_archive

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
GOOD = safetensors({"w": ("F32", (4,), 0.5)})


def problem(t, path):
    """What inspect says is wrong with a file or folder; '' for nothing."""
    outcome = t.hnhost("inspect", "--weights", path, "--json")
    t.holds(outcome.code in (0, 1), f"exit code {outcome.code}: {outcome.err[-400:]}")
    return outcome.json()["components"][0]["weights"][0].get("problem", ""), outcome


def says(t, path, *texts):
    got, _ = problem(t, path)
    for each in texts:
        t.holds(each in got, f"the message lacks {each!r}: {got or 'no problem at all'}")
    t.got(got.replace(str(t.folder) + "/", "")[:200])


KINDS = {
    "a Git LFS pointer": (POINTER, ["a Git LFS pointer of", "12345 bytes", "sha256:4d7a", "git lfs pull"]),
    "a web page": ("<!DOCTYPE html><html><body>Sign in</body></html>", ["a web page"]),
    "the hub's JSON error": ('{"error":"Repository not found"}', ["JSON text", "Repository not found"]),
    "the hub's text error": ("Entry not found", ["a text that begins with \"Entry not found\""]),
    "a pickle": (b"\x80\x04}\x94.", ["a pickle"]),
    "an archive of torch.save": (torch_archive(b"}" + text("w") + tensor() + b"s."), ["a zip archive of torch.save"]),
    "GGUF": (b"GGUF\3\0\0\0" + bytes(100), ["a GGUF file"]),
    "ONNX": (b"\x08\x08\x12\x07pytorch" + bytes(100), ["an ONNX model"]),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), ["an HDF5 file"]),
    "NumPy": (b"\x93NUMPY\1\0" + bytes(100), ["a NumPy array"]),
    "gzip": (b"\x1f\x8b\x08\0" + bytes(100), ["a gzip archive"]),
    "PDF": (b"%PDF-1.7\n" + bytes(100), ["a PDF"]),
    "nothing": (b"", ["an empty file"]),
    "zeros": (bytes(5000), ["header that begins with"]),
}
for name, (content, texts) in KINDS.items():
    @case(f"{name} named model.safetensors", expected="the message says what came")
    def other_kind(t, content=content, texts=texts):
        says(t, t.write("model.safetensors", content), "model.safetensors", *texts)

for name in ("a Git LFS pointer", "a web page", "GGUF", "nothing"):
    @case(f"{name} named pytorch_model.bin", expected="the message says what came")
    def other_torch(t, content=KINDS[name][0], texts=KINDS[name][1]):
        says(t, t.write("pytorch_model.bin", content), "expected a file of torch.save", *texts)

for name, folder_file in (("a Git LFS pointer", "config.json"), ("a web page", "model.safetensors.index.json")):
    @case(f"{name} named {folder_file}", expected="the message says what came")
    def other_json(t, content=KINDS[name][0], text_=KINDS[name][1][0], file=folder_file):
        t.write(file, content)
        if file == "config.json":
            t.write("model.safetensors", GOOD)
        outcome = t.hnhost("inspect", "--weights", t.folder, "--json")
        t.holds(text_ in outcome.out, f"the message lacks {text_!r}: {outcome.out[:600]}")


@case("safetensors named pytorch_model.bin", expected="read for what it is")
def named_bin(t):
    got, outcome = problem(t, t.write("pytorch_model.bin", GOOD))
    t.equal(got, "")
    t.equal(outcome.json()["components"][0]["weights"][0]["tensors"], 1)


@case("safetensors with __metadata__: null", expected="read, as the reference reads it")
def null_metadata(t):
    got, _ = problem(t, t.write("a.safetensors", safetensors({"w": ("F32", (4,), 0.5)}, "null")))
    t.equal(got, "")


@case("safetensors cut within its data", expected="refused with both sizes")
def cut(t):
    whole = safetensors({"w": ("F32", (100,), 0.5)})
    says(t, t.write("a.safetensors", whole[:-300]), f"the file has {len(whole) - 300} bytes of {len(whole)}")


@case("an adapter with F8 weights", expected="refused with the file, the tensor and its type")
def f8_adapter(t):
    layer = "transformer_blocks.0.attn1.to_q"
    file = t.write("x.safetensors", safetensors({f"{layer}.lora_A.weight": ("F8_E4M3", (4, 256), 0), f"{layer}.lora_B.weight": ("F32", (256, 4), 0.1)}))
    t.refused(["sample", "--prompt", "a cat", "--adapter", file, "--delta-out", "delta.safetensors"], says=["x.safetensors", f"{layer}.lora_A.weight", "got F8_E4M3"])


def index(t, weight_map, **files):
    for name, content in files.items():
        t.write(f"m/{name}.safetensors", content)
    t.write("m/model.safetensors.index.json", json.dumps({"weight_map": weight_map}))
    return t.path("m/model.safetensors.index.json")


@case("an index that names shards that are not there", expected="refused with their names")
def missing_shards(t):
    says(t, index(t, {"w": "a.safetensors", "v": "b.safetensors", "u": "c.safetensors"}, a=GOOD), "got none of: b.safetensors, c.safetensors")


@case("an index that names the wrong shard for a tensor", expected="refused, the right one named")
def wrong_shard(t):
    says(t, index(t, {"w": "b.safetensors", "v": "b.safetensors"}, a=GOOD, b=safetensors({"v": ("F32", (1,), 1)})), "\"w\" is not in b.safetensors")


@case("one tensor in two shards, with different numbers", expected="refused, both named")
def two_shards(t):
    other = safetensors({"w": ("F32", (4,), 0.25), "v": ("F32", (1,), 1)})
    says(t, index(t, {"w": "a.safetensors", "v": "b.safetensors"}, a=GOOD, b=other), "\"w\" is in a.safetensors and in b.safetensors")


@case("one tensor in two shards, with the same numbers", expected="read")
def tied_shards(t):
    same = safetensors({"w": ("F32", (4,), 0.5), "v": ("F32", (1,), 1)})
    t.equal(problem(t, index(t, {"w": "a.safetensors", "v": "b.safetensors"}, a=GOOD, b=same))[0], "")


def bombs():
    get = b"h\1"
    yield "a name of 100 kB on 100,000 tensors", b"}(" + text("n" * 100_000) + b"](" + tensor() + b"q\1" + get * 100_000 + b"eu."
    levels = text("k" * 200_000) + b"q\x010" + tensor() + b"q\x020" + b"}(h\1h\2uq\x020" * 60 + b"h\2."
    yield "a name of 200 kB at 60 levels", levels
    yield "60 lists of lists, shared two and two", b"]" + tensor() + b"aq\1" + b"](h\1h\1eq\1" * 60 + b"."
    items = b"K\1h\2" * 35_000
    yield "a dictionary of 35,000 copied 20,000 times", (tensor() + b"q\x020}q\1(" + items + b"u0ccollections\nOrderedDict\nq\x030("
                                                         + b"h\3h\1\x85R" * 20_000 + b"l.")
    yield "300,000 lists", b"]" * 300_000 + b"."
    yield "300,000 marks", b"(" * 300_000 + b"."


for name, program in bombs():
    @case(f"a .pt of {len(program) // 1000 or 1} kB: {name}", expected="refused, within 100 MiB above an ordinary file")
    def bomb(t, program=program):
        _, plain = problem(t, t.write("plain.pt", torch_archive(b"}" + text("w") + tensor() + b"s.")))
        got, outcome = problem(t, t.write("bomb.pt", torch_archive(program)))
        t.holds(got, "was read")
        more = outcome.peak_mib - plain.peak_mib
        t.holds(more < 100, f"took {more} MiB more than an ordinary file")
        t.got(got.split(": ", 1)[-1][:160])


@case("a safetensors header of 8 MB with a shape of four million numbers", expected="refused, within 100 MiB above an ordinary file")
def header_bomb(t):
    header = b'{"w":{"dtype":"F32","shape":[1' + b",1" * 4_000_000 + b'],"data_offsets":[0,4]}}'
    _, plain = problem(t, t.write("plain.safetensors", GOOD))
    got, outcome = problem(t, t.write("bomb.safetensors", struct.pack("<Q", len(header)) + header + bytes(4)))
    t.holds("at most 65536 values" in got, f"got: {got or 'no problem'}")
    t.holds(outcome.peak_mib - plain.peak_mib < 100, f"took {outcome.peak_mib - plain.peak_mib} MiB more")
    t.got(got.split(": ", 1)[-1][:160])
