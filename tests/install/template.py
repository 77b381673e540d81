"""Builds one template out of tree against the installed, moved hn, and uses what came out.

Usage: template.py WORK_DIR TEMPLATE COMPILER        COMPILER: gcc or clang

Plugins: a row of `hnhost list`; with gcc, and for those that a compiler has hardly touched before, the contract suite; with gcc a
run of two training steps, or for a score-only one a measurement. embed_c: the program is run.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import stranger

COMPILERS = {"gcc": ("gcc", "g++"), "clang": ("clang", "clang++")}
SMALL_RUN = ["--steps", "2", "--batch", "2", "--rank", "2", "--set", "eval.count=2"]


def check_row(name, bundle, env):
    listed = json.loads(stranger.output("hnhost", "list", "plugins", "--json", env=env))
    rows = listed["plugins"] if isinstance(listed, dict) else listed
    assert any(row.get("name") == name and row["status"] == "ok" for row in rows), rows


def train(name, what, env, work):
    run = work / f"run_{name}"
    shutil.rmtree(run, ignore_errors=True)
    stranger.run("hnhost", *what, *SMALL_RUN, "--out", run, env=env)
    for file in ("report.html", "summary.json", "adapter/adapter_model.safetensors", "metrics.jsonl"):
        assert (run / file).is_file(), f"{file} is not in the run directory"
    return run


def check_score_only(name, env, work):
    """It measures, is refused for training by name, and a program that fails is an error with its last words."""
    run = train(name, ["--generator", "emoji-sprint", "--reward", "redness", "--measure", name], env, work)
    assert name in (run / "summary.json").read_text(), "the summary has no measurement of it"
    refused = subprocess.run(["hnhost", "--reward", name, *SMALL_RUN, "--out", str(work / "no")], env=env, capture_output=True, text=True)
    assert refused.returncode != 0 and "score-only" in refused.stderr, refused.stderr
    picture = next(run.rglob("*.png"))
    for command, words in (('["sh", "-c", "echo my last words >&2; exit 3"]', ["code 3", "my last words"]),
                           ('["sh", "-c", "echo seven"]', ["expected one finite number a line", "seven"]),
                           ('["sh", "-c", "exit 0"]', ["expected 1 numbers", "printed 0"]),
                           ('["no-such-program"]', ["cannot start no-such-program"]),
                           ('["sh", "-c", "sleep 60"]', ["took longer than 1", "timeout"])):
        done = subprocess.run(["hnhost", "score", "--reward", name, "--reward-option", f"{name}.org.example.command={command}", "--reward-option",
                               f"{name}.org.example.timeout=1.0", "--prompt", "x", "--strict", "--json", str(picture)],
                              env=env, capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert done.returncode != 0 and all(word in said for word in words), (command, done.returncode, said)


def check_cuda(name, env, work):
    """Without a GPU the plugin says so by name; with one tests/gpu's kind of check runs (cuda_check, label gpu)."""
    done = subprocess.run(["hnhost", "--reward", name, "--device", "cuda", *SMALL_RUN, "--out", str(work / "no")], env=env,
                          capture_output=True, text=True)
    assert done.returncode != 0 and "CUDA" in done.stderr, (done.returncode, done.stderr)


def main(work, template, compiler):
    prefix = work / "moved"
    if not shutil.which(COMPILERS[compiler][0]):
        print(f"SKIPPED: no {compiler} here")
        return
    source = work / f"{template}_{compiler}"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(prefix / "share/hn/templates" / template, source)
    home = source / "home"
    home.mkdir()
    env = stranger.environment(prefix, home)
    build = source / "build"
    name = f"my_{template}"
    if template == "reward_cuda" and not stranger.nvcc():
        done = subprocess.run(["cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"], env=env, capture_output=True, text=True)
        assert done.returncode != 0 and "needs the CUDA toolkit" in done.stderr, done.stderr
        print("SKIPPED: no nvcc here; the configure step says so")
        return
    stranger.configure_and_build(source, build, prefix, COMPILERS[compiler], env)
    if template == "embed_c":
        stranger.run(build / name, source / "adapter", "redness", env=env)
        assert (source / "adapter/adapter_model.safetensors").is_file()
        assert (source / "adapter/adapter_config.json").is_file()
        needed = stranger.output("readelf", "-d", "-W", build / name)
        assert "libtorch" not in needed and "libc10" not in needed, "the embedding program must not link LibTorch"
        return
    bundle = build / f"lib/hn/plugins/{name}.hnp"
    env = dict(env, HN_PLUGIN_PATH=str(bundle.parent))
    check_row(name, bundle, env)
    if template == "reward_cuda":
        if not os.path.exists("/dev/nvidiactl"):
            check_cuda(name, env, source)
        return
    if compiler == "gcc" or template in ("minimal_c", "raw_c", "reward"):
        report = stranger.validate(bundle, env)
        print(f"{name}: {report['passed']} checks passed, {report['skipped']} skipped")
    if compiler != "gcc":
        return
    if template == "reward_score_only":
        check_score_only(name, env, source)
    elif template == "generator":
        train(name, ["--generator", name, "--reward", "redness"], env, source)
    else:
        train(name, ["--generator", "emoji-sprint", "--reward", name], env, source)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3])
