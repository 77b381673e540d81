"""Tensors in safetensors files with the standard library, and where things of the build lie."""
import json
import math
import pathlib
import shutil
import struct
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
EMOJI = ROOT / "plugins/generators/sana_sprint/weights/emoji-sprint"


def picky(t):
    """The test reward that refuses prompts with a dog and has no number for white pictures."""
    folder = t.command.parents[1] / "tests/plugins"
    t.holds((folder / "picky.hnp").is_dir(), f"the test plugin is not built: {folder}/picky.hnp")
    return ["--plugin-path", folder]


def tensor_file(name, shape, values):
    """The bytes of a safetensors file with one float32 tensor."""
    data = struct.pack(f"<{len(values)}f", *values)
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    return struct.pack("<Q", len(header)) + header + data


def png(rgb, side=8):
    """The bytes of a PNG of one colour."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(rgb) * side for _ in range(side))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) +
            chunk(b"IEND", b""))


def first_tensor(path, part):
    """Offset and length in bytes of the first tensor whose name has `part`, and the name."""
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    for name in sorted(header):
        if part in name and name != "__metadata__":
            begin, end = header[name]["data_offsets"]
            return 8 + size + begin, end - begin, name, header[name]["dtype"]
    raise KeyError(part)


def poison(path, part, value=math.nan):
    """Writes `value` as the first number of a tensor; its name."""
    at, _, name, dtype = first_tensor(path, part)
    code = {"F32": "<f", "F16": "<e"}.get(dtype)
    bits = struct.pack(code, value) if code else struct.pack("<f", value)[2:]  # bfloat16: the upper half
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bits)
    return name


def poisoned_emoji(t, component, part, value):
    """A copy of the embedded model's weights with one number replaced; the folder and the tensor's name."""
    folder = t.path("weights-" + component)
    shutil.copytree(EMOJI, folder)
    return folder, poison(folder / component / "diffusion_pytorch_model.safetensors", part, value)


def read_tensor(path):
    """Name, shape and numbers of the one float32 tensor of a file."""
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    (name, entry), = header.items()
    begin, end = entry["data_offsets"]
    return name, entry["shape"], struct.unpack(f"<{(end - begin) // 4}f", raw[8 + size + begin:8 + size + end])
