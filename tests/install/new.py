"""`hnhost new KIND NAME` writes a renamed copy of each template, and it builds at once.

Usage: new.py WORK_DIR

Plain C is built for every name; the LibTorch templates are built by the documents' tests, here their names are looked at.
"""
import pathlib
import shutil
import sys

import stranger

KINDS = {"reward": "brightness_two", "generator": "waves", "minimal_c": "greenness", "embed_c": "tool"}


def main(work):
    prefix, folder = work / "moved", work / "new"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    env = stranger.environment(prefix, folder)
    for kind, name in KINDS.items():
        stranger.run("hnhost", "new", kind, name, cwd=folder, env=env)
        camel = "".join(part.capitalize() for part in kind.split("_"))
        for path in (folder / name).rglob("*"):
            assert f"my_{kind}" not in path.name, f"{path} keeps the template's name"
            if path.is_file():
                text = path.read_text()
                assert f"my_{kind}" not in text and f"My{camel}" not in text, f"{path} keeps the template's name"
    stranger.configure_and_build(folder / "greenness", folder / "greenness/build", prefix, ("cc", "c++"), env)
    stranger.run("hnhost", "validate", folder / "greenness/build/lib/hn/plugins/greenness.hnp", env=env)
    stranger.configure_and_build(folder / "tool", folder / "tool/build", prefix, ("cc", "c++"), env)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
