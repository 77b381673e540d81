"""The whole way of an author, timed: hnhost new, configure and build, validate, train. Prints the seconds of each part.

Usage: path.py WORK_DIR KIND NAME
"""
import pathlib
import shutil
import sys
import time

import stranger
import template


def main(work, kind, name):
    folder = work / f"path_{kind}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    prefix = work / "moved"
    env = stranger.environment(prefix, folder)
    parts = []

    def timed(part, action):
        begin = time.monotonic()
        action()
        parts.append((part, time.monotonic() - begin))

    timed("new", lambda: stranger.run("hnhost", "new", kind, name, cwd=folder, env=env))
    project = folder / name
    timed("build", lambda: stranger.configure_and_build(project, project / "build", prefix, ("gcc", "g++"), env))
    bundle = project / f"build/lib/hn/plugins/{name}.hnp"
    env = dict(env, HN_PLUGIN_PATH=str(bundle.parent))
    timed("validate", lambda: stranger.validate(bundle, env))
    timed("train", lambda: template.train(name, ["--generator", "emoji-sprint", "--reward", name], env, folder))
    parts.append(("all", sum(seconds for _, seconds in parts)))
    print(f"{kind}: " + ", ".join(f"{part} {seconds:.1f} s" for part, seconds in parts))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3])
