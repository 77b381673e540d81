"""What huggingface_hub makes of environments and of names in addresses.

    python tests/golden/hub/make.py

places.json: environments, and where each has the cache, the token's file, the hub, whether it is offline and whether links are
made; the token's text where one is in the environment. addresses.json: a revision and a file, and their address. Run with
huggingface_hub 2.4.0. Variables that are set to nothing are left out: there hn differs on purpose (host/src/pull/hub_places.hpp).
"""
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
HOME = {"HOME": "/home/me"}
ENVIRONMENTS = [
    {}, {"XDG_CACHE_HOME": "/x"}, {"XDG_CACHE_HOME": "~/x/"}, {"XDG_CACHE_HOME": "$HOME/x"}, {"HF_HOME": "~/hf/"}, {"HF_HOME": "~"},
    {"HF_HOME": "~root/hf"}, {"HF_HOME": "$SCRATCH/hf", "SCRATCH": "/scratch/me"}, {"HF_HOME": "${SCRATCH}/hf", "SCRATCH": "/s"},
    {"HF_HOME": "/a/$SCRATCH_2-x", "SCRATCH_2": "b"}, {"HF_HOME": "/a/$NONE/hf"}, {"HF_HOME": "/a/${NONE}/hf"}, {"HF_HOME": "/a/$"},
    {"HF_HOME": "/a/${open"}, {"HF_HOME": "$A/hf", "A": "$B", "B": "/b"}, {"HF_HOME": "$A/hf", "A": "~", "B": "/b"},
    {"HF_HOME": "/a//b/./c/../d"}, {"HF_HOME": "/h", "XDG_CACHE_HOME": "/x"}, {"HUGGINGFACE_HUB_CACHE": "/old"},
    {"HUGGINGFACE_HUB_CACHE": "~/$V", "V": "v"}, {"HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "/new/"},
    {"HF_HUB_CACHE": "${HF_HOME}/other", "HF_HOME": "/h"}, {"HF_HUB_CACHE": "~/c", "HF_HOME": "/h"},
    {"HF_TOKEN_PATH": "~/t", "HF_HOME": "/h"}, {"HF_TOKEN_PATH": "$SCRATCH/t", "SCRATCH": "/s"}, {"HF_ENDPOINT": "https://mirror.example//"},
    {"HF_ENDPOINT": "https://mirror.example/hub/"}, {"HF_HUB_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "on"}, {"HF_HUB_OFFLINE": "true"},
    {"HF_HUB_OFFLINE": "0"}, {"HF_HUB_OFFLINE": "y"}, {"TRANSFORMERS_OFFLINE": "YES"}, {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"},
    {"HF_HUB_DISABLE_SYMLINKS": "1"}, {"HF_HUB_DISABLE_SYMLINKS": "yes"}, {"HF_HUB_DISABLE_SYMLINKS": "no"}, {"HF_TOKEN": " tok\n"},
    {"HF_TOKEN": "to\r\nk"}, {"HUGGING_FACE_HUB_TOKEN": "older"}, {"HF_TOKEN": "new", "HUGGING_FACE_HUB_TOKEN": "older"},
    {"HF_TOKEN": "  ", "HUGGING_FACE_HUB_TOKEN": "older"}, {"HF_TOKEN": "tok", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"},
    {"HUGGING_FACE_HUB_TOKEN": "tok", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "true"}]
ADDRESSES = [("main", "config.json"), ("refs/pr/1", "unet/config.json"), ("feature/a b", "a b/c#d.json"), ("v1.0+x", "a?b=c&d.bin"),
             ("50%", "100%/file"), ("é", "ü/日本.json"), ("a@b~c", "x~y-z_.json"), ("a#b?c", "a+b.json"), ("*'()!$,;:=&[]", "*'()!$,;:=&[]")]
PROBE = """
import json
from huggingface_hub import constants as c
from huggingface_hub.utils._headers import get_token_to_send
print(json.dumps({"cache": c.HF_HUB_CACHE, "token_path": c.HF_TOKEN_PATH, "endpoint": c.ENDPOINT, "offline": c.HF_HUB_OFFLINE,
                  "symlinks": not c.HF_HUB_DISABLE_SYMLINKS, "token": get_token_to_send(None) or ""}))
"""


def lines(rows):
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


if __name__ == "__main__":
    rows = []
    for environment in ENVIRONMENTS:
        got = subprocess.run([sys.executable, "-c", PROBE], env=HOME | environment | {"PATH": os.environ["PATH"]}, cwd="/",
                             check=True, capture_output=True, text=True).stdout
        rows.append({"environment": HOME | environment} | json.loads(got))
    (HERE / "places.json").write_text(lines(rows))
    from huggingface_hub import hf_hub_url
    (HERE / "addresses.json").write_text(lines(
        {"revision": r, "file": f, "url": hf_hub_url("o/n", f, revision=r, endpoint="https://hub")} for r, f in ADDRESSES))
