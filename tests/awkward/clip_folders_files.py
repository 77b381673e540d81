"""Copies of the small CLIP model with other files beside its weights."""
import json
import shutil
import struct

import suite

CLIP = suite.ROOT / "plugins/rewards/clip/weights/tiny-clip"
PICTURE = suite.ROOT / "tests/golden/images/photo.jpg"
IDS = 804  # of the vocabulary, with its start and end


def folder(t, name="clip", without=(), **files):
    """A copy below t's folder; files: keys are names with _ for ., values texts or what becomes JSON."""
    target = t.path(name)
    shutil.copytree(CLIP, target, ignore=lambda *_: list(without))
    target.chmod(0o755)
    for key, value in files.items():
        path = target / f"{key}.json"
        path.unlink(missing_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value))
    return target


def edit(target, name, change):
    path = target / name
    value = json.loads(path.read_text())
    change(value)
    path.unlink()
    path.write_text(json.dumps(value))


def with_token_like(target, word):
    """One more row in the token embedding, a copy of `word`'s: a prompt with the token of that id scores as one with the word."""
    row = json.loads((CLIP / "vocab.json").read_text())[word + "</w>"]
    path = target / "model.safetensors"
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    name = "text_model.embeddings.token_embedding.weight"
    out, offset = b"", 0
    for key in sorted((k for k in header if k != "__metadata__"), key=lambda k: header[k]["data_offsets"]):
        begin, end = header[key]["data_offsets"]
        part = body[begin:end]
        if key == name:
            width = (end - begin) // header[key]["shape"][0]
            part += part[row * width:(row + 1) * width]
            header[key]["shape"][0] += 1
        header[key]["data_offsets"] = [offset, offset + len(part)]
        out, offset = out + part, offset + len(part)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.unlink()
    path.write_bytes(struct.pack("<Q", len(text)) + text + out)
    edit(target, "config.json", lambda c: c["text_config"].update(vocab_size=IDS + 1))
    return target


def score(t, target, prompt, options=()):
    return t.score(PICTURE, "clip", prompt, ["--weights", f"clip={target}", *options])


def refused(t, target, says, prompt="a red cat"):
    return t.refused(["score", PICTURE, "--reward", "clip", "--prompt", prompt, "--weights", f"clip={target}"], says=says)
