"""A reward built against another LibTorch than hn's own, in one training with it: Debian's libtorch-dev (1.13), or the one that
HN_OTHER_LIBTORCH names.

Usage: other_libtorch.py WORK_DIR SOURCE

SOURCE is tests/install/other_libtorch. The same reward is built twice against the installed, moved hn: with hn's LibTorch, which runs
in the host's process, and with the other one, which runs in a worker. Scores, gradients and the trained adapters are compared; where
the other one may not run it is refused by name, and so is a host whose process holds the other LibTorch.
"""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

import stranger

TRAIN = ["--steps", "6", "--batch", "4", "--rank", "4", "--threads", "1", "--set", "eval.count=2"]
# Of float32 sums in another order. A score is a cosine; a gradient's bound is taken against the largest of all; an adapter's is of norms.
SCORE, GRADIENT, ADAPTER = 2e-6, 2e-5, 1e-4


def other_libtorch():
    """The folder to name in HN_LIBTORCH, and its libtorch_cpu.so; or the reason why there is none."""
    named = os.environ.get("HN_OTHER_LIBTORCH")
    for root in [named] if named else ["/usr"]:
        for library in sorted(pathlib.Path(root).glob("lib/**/libtorch_cpu.so")):
            if (pathlib.Path(root) / "include/torch/csrc/autograd/autograd.h").is_file():
                return root, library.resolve()
    return None, f"no LibTorch in {named}" if named else "libtorch-dev is not installed (Debian's LibTorch), and HN_OTHER_LIBTORCH names none"


def build_id(library):
    return re.search(r"Build ID: ([0-9a-f]+)", stranger.output("readelf", "-nW", library)).group(1)


def tensors(path):
    data = path.read_bytes()
    size = struct.unpack_from("<Q", data)[0]
    for name, entry in sorted(json.loads(data[8:8 + size]).items()):
        if name == "__metadata__": continue
        assert entry["dtype"] == "F32", entry
        begin, end = entry["data_offsets"]
        yield name, struct.unpack_from(f"<{(end - begin) // 4}f", data, 8 + size + begin)


def difference(one, other):
    """Of two adapters: the norm of what is different, over the norm of the first."""
    apart = total = 0.0
    for (name, a), (also, b) in zip(tensors(one), tensors(other), strict=True):
        assert name == also and len(a) == len(b)
        apart += sum((x - y) ** 2 for x, y in zip(a, b))
        total += sum(x * x for x in a)
    return (apart / total) ** 0.5


def fails(command, env, *words):
    done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and all(word in said for word in words), (command, done.returncode, said, words)


def main(work, source):
    root, library = other_libtorch()
    if root is None:
        print(f"SKIPPED: {library}")
        return
    prefix, place = work / "moved", work / "other_libtorch"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place / "source")
    env = stranger.environment(prefix, place)
    builds = {}
    for name, more in (("tower", []), ("tower_other", [f"-DHN_LIBTORCH={root}"])):
        builds[name] = place / name
        stranger.configure_and_build(place / "source", builds[name], prefix, ("gcc", "g++"), env, f"-DNAME={name}", *more)
    own, other = build_id(prefix / "lib/hn/libtorch/lib/libtorch_cpu.so"), build_id(library)
    bundles = {name: build / f"lib/hn/plugins/{name}.hnp" for name, build in builds.items()}
    for name, expected in (("tower", own), ("tower_other", other)):
        assert f'libtorch = "{expected}"' in (bundles[name] / "plugin.toml").read_text(), name
    # The libraries of hn that are compiled for its own are refused with another.
    project = place / "blocks"
    project.mkdir()
    (project / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.24)\nproject(x LANGUAGES C CXX)\nfind_package(hn 1.0 REQUIRED COMPONENTS reward)\n")
    fails(["cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DHN_LIBTORCH={root}"], env, "COMPONENTS", "LibTorch", root)

    env["HN_PLUGIN_PATH"] = os.pathsep.join(str(bundle.parent) for bundle in bundles.values())
    report = stranger.validate(bundles["tower_other"], env)
    print(f"contract suite with the other LibTorch: {report['passed']} passed, {report['skipped']} skipped")

    # Both in one session: scores and gradients of the same pictures.
    compare = builds["tower"] / "compare"
    config = '[[reward]]\nname = "tower"\n[[reward]]\nname = "tower_other"\n'
    for isolation in ("auto", "process", "sandbox"):
        done = subprocess.run([compare, config + f'isolation = "{isolation}"\n'], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        text = done.stdout
        for word in {"auto": ["worker process", other, own], "process": ["worker process"], "sandbox": ["sandboxed worker process"]}[isolation]:
            assert any("plugin tower_other runs in a" in line and word in line for line in done.stderr.splitlines()), (word, done.stderr)
        assert "plugin tower runs in a" not in done.stderr, done.stderr
        numbers = {words[0]: [float(word) for word in words[1:]] for words in map(str.split, text.splitlines())}
        for what, bound in (("scores", SCORE), ("gradients", GRADIENT)):
            apart, largest, different, count = numbers[what]
            print(f"{isolation}: {what}: largest difference {apart:.3g} of {largest:.3g}, {different:.0f} of {count:.0f} numbers differ")
            assert largest > 0 and apart <= bound * (1 if what == "scores" else largest), (what, numbers[what])

    # In this process it is refused, by both build ids.
    for more, extra in (('isolation = "none"\n', {}), ("", {"HN_ISOLATION": "never"})):
        fails([compare, config + more], dict(env, **extra), "tower_other", other, own)
    fails([compare, config + 'isolation = "process"\n'], dict(env, HN_ISOLATION="never"), "tower_other", "policy on isolation is never")

    # A training: with each alone, and the one beside the other.
    runs = {}
    for name, words in (("tower", ["--reward", "tower"]), ("tower_other", ["--reward", "tower_other"]),
                        ("again", ["--reward", "tower_other", "--set", "isolation=process"]),
                        ("both", ["--reward", "tower", "--reward", "tower_other"])):
        run = place / f"run_{name}"
        done = subprocess.run(["hnhost", "train", *words, *TRAIN, "--out", str(run)], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        runs[name] = [run / "adapter/adapter_model.safetensors", [row for row in rows if row["kind"] == "train"]]
        assert len(runs[name][1]) == 6, rows
    apart = difference(runs["tower"][0], runs["tower_other"][0])
    print(f"adapters after 6 steps: relative difference {apart:.3g}")
    assert apart <= ADAPTER, apart
    assert runs["tower_other"][0].read_bytes() == runs["again"][0].read_bytes(), "where the generator runs changed the adapter"
    first, also = (runs[name][1][0]["grad_norm"] for name in ("tower", "tower_other"))
    print(f"norm of the adapter's gradient in step 1: {first!r} and {also!r}")
    assert first > 0 and abs(first - also) <= GRADIENT * first
    apart = max(abs(row["rewards"]["tower"] - row["rewards"]["tower_other"]) for row in runs["both"][1])
    print(f"both in one training: scores differ by at most {apart:.3g} in 6 steps")
    assert apart <= SCORE, apart

    # A host inside of a process that holds the other LibTorch: said, not tried.
    fails(["hnhost", "train", "--reward", "redness", *TRAIN, "--out", place / "no"], dict(env, LD_PRELOAD=str(library)),
          "this process has another LibTorch", str(library.parent), other, own)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
