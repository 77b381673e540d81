"""The other form of an install: LibTorch inside. Copied elsewhere it needs nothing of the place where it was built.

Usage: bundled.py BUILD_DIR WORK_DIR

Also that one form takes the other's place: through a link the copy would go into the LibTorch that it is made of.
"""
import pathlib
import re
import shutil
import subprocess
import sys

import stranger


def install(build, prefix, *components):
    for component in components:
        stranger.run("cmake", "--install", build, "--prefix", prefix, "--component", component, stdout=subprocess.DEVNULL)


def main(build, work):
    first, copied = work / "bundle_first", work / "bundle_copied"
    for folder in (first, copied):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        check(build, first, copied)
    finally:
        for folder in (first, copied):
            shutil.rmtree(folder, ignore_errors=True)  # half a gigabyte each


def check(build, first, copied):
    place = first / "lib/hn/libtorch"
    install(build, first, "libtorch_link")
    origin = place.resolve()
    assert place.is_symlink() and (origin / "lib/libtorch_cpu.so").is_file(), place
    before = sorted(path.name for path in (origin / "lib").iterdir())
    # All of it, as `./hn install DIR` does.
    stranger.run("cmake", "--install", build, "--prefix", first, stdout=subprocess.DEVNULL)
    assert place.is_dir() and not place.is_symlink(), "the link was not replaced"
    assert before == sorted(path.name for path in (origin / "lib").iterdir()), "the copy went through the link"
    shutil.copytree(first, copied, symlinks=True)
    shutil.rmtree(first)
    for path in copied.rglob("*"):
        if path.is_symlink():
            assert path.resolve().is_relative_to(copied), f"{path} points to {path.resolve()}"

    env = dict(stranger.environment(copied, copied), LD_DEBUG="files", LD_DEBUG_OUTPUT=str(copied / "loaded"))
    run = copied / "run"
    stranger.run("hnhost", "--reward", "redness", "--steps", "1", "--batch", "1", "--rank", "1", "--set", "eval.count=1", "--out", run, env=env)
    loaded = "".join(path.read_text(errors="replace") for path in copied.glob("loaded.*"))
    found = set(re.findall(r"file=(/\S*lib(?:torch|c10|hnhost|gomp|cudart|cupti)\S*)", loaded))
    found |= set(re.findall(r"calling init: (/\S*lib(?:torch|c10|hnhost|gomp|cudart|cupti)\S*)", loaded))
    assert any("libtorch_cpu" in path for path in found), "no LibTorch was loaded"
    outside = [path for path in found if not pathlib.Path(path).resolve().is_relative_to(copied)]
    assert not outside, f"loaded from elsewhere: {outside}"
    # And back to a link.
    install(build, copied, "libtorch_link")
    assert (copied / "lib/hn/libtorch").is_symlink()
    print(f"{len(found)} libraries, all of {copied}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())
