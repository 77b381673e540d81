"""Builds one template out of tree against the installed, moved hn, and uses what came out.

Usage: template.py WORK_DIR TEMPLATE COMPILER        COMPILER: gcc or clang

Plugins: the contract suite, a row of `hnhost list`, and with gcc a run of two training steps. embed_c: the program is run.
"""
import json
import pathlib
import shutil
import sys

import stranger

COMPILERS = {"gcc": ("gcc", "g++"), "clang": ("clang", "clang++")}
SMALL_RUN = ["--steps", "2", "--batch", "2", "--rank", "2", "--set", "eval.count=2"]


def check_plugin(name, bundle, env, train, work):
    report = json.loads(stranger.output("hnhost", "validate", bundle, "--json", env=env))
    bad = [row for row in report["checks"] if row["status"] not in ("passed", "skipped")]
    assert report["ok"] and not bad, bad
    assert report["passed"] > 30, report
    print(f"{name}: {report['passed']} checks passed, {report['skipped']} skipped")

    env = dict(env, HN_PLUGIN_PATH=str(bundle.parent))
    listed = json.loads(stranger.output("hnhost", "list", "plugins", "--json", env=env))
    rows = listed["plugins"] if isinstance(listed, dict) else listed
    assert any(row.get("name") == name and row["status"] == "ok" for row in rows), rows
    if not train:
        return
    run = work / f"run_{name}"
    shutil.rmtree(run, ignore_errors=True)
    what = ["--generator", name, "--reward", "redness"] if "generator" in name else ["--generator", "emoji-sprint", "--reward", name]
    stranger.run("hnhost", *what, *SMALL_RUN, "--out", run, env=env)
    for file in ("report.html", "summary.json", "adapter/adapter_model.safetensors", "metrics.jsonl"):
        assert (run / file).is_file(), f"{file} is not in the run directory"


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
    stranger.configure_and_build(source, build, prefix, COMPILERS[compiler], env)
    name = f"my_{template}"
    if template != "embed_c":
        check_plugin(name, build / f"lib/hn/plugins/{name}.hnp", env, compiler == "gcc", source)
        return
    stranger.run(build / name, source / "adapter", "redness", env=env)
    assert (source / "adapter/adapter_model.safetensors").is_file()
    assert (source / "adapter/adapter_config.json").is_file()
    needed = stranger.output("readelf", "-d", "-W", build / name)
    assert "libtorch" not in needed and "libc10" not in needed, "the embedding program must not link LibTorch"


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3])
