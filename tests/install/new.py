"""`hnhost new KIND NAME` writes a renamed copy of each template; `hnhost new` lists them all.

Usage: new.py WORK_DIR

The programs and plain C are built here; other tests of this folder build the rest.
"""
import json
import pathlib
import shutil
import sys

import stranger

KINDS = {"reward": "brightness_two", "reward_with_weights": "words", "reward_score_only": "oracle", "reward_cuda": "kernel",
         "generator": "waves", "minimal_c": "greenness", "raw_c": "green_raw", "embed_c": "tool"}


def main(work):
    prefix, folder = work / "moved", work / "new"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    env = stranger.environment(prefix, folder)
    listed = json.loads(stranger.output("hnhost", "new", "--json", env=env))["kinds"]
    folders = sorted(path.name for path in (prefix / "share/hn/templates").iterdir() if path.is_dir())
    assert sorted(row["kind"] for row in listed) == folders == sorted(KINDS), (listed, folders)
    table = stranger.output("hnhost", "new", env=env)
    assert all(kind in table for kind in KINDS), table
    for kind, name in KINDS.items():
        stranger.run("hnhost", "new", kind, name, cwd=folder, env=env)
        camel = "".join(part.capitalize() for part in kind.split("_"))
        for path in (folder / name).rglob("*"):
            assert f"my_{kind}" not in path.name, f"{path} keeps the template's name"
            if path.is_file() and path.suffix != ".safetensors":
                text = path.read_text()
                assert f"my_{kind}" not in text and f"My{camel}" not in text, f"{path} keeps the template's name"
    stranger.configure_and_build(folder / "green_raw", folder / "green_raw/build", prefix, ("cc", "c++"), env)
    stranger.run("hnhost", "validate", folder / "green_raw/build/lib/hn/plugins/green_raw.hnp", env=env)
    stranger.configure_and_build(folder / "tool", folder / "tool/build", prefix, ("cc", "c++"), env)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
