"""The contract suite of the installed, moved hn on one bundle that was built against it.

Usage: validate.py WORK_DIR BUNDLE [OPTIONS]        OPTIONS: TOML lines, for a plugin that brings no weights of its own
"""
import pathlib
import sys

import stranger


def main(work, bundle, options):
    env = stranger.environment(work / "moved", work)
    env["OMP_NUM_THREADS"] = "1"
    report = stranger.validate(bundle, env, [line.replace(" = ", "=", 1) for line in options.splitlines()])
    print(f"{bundle.name}: {report['passed']} checks passed, {report['skipped']} skipped")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
