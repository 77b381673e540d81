"""The types of the contract as libabigail sees them, against the recorded baseline: abidw writes it, abidiff compares.

Usage: baseline.py SOURCE_DIR [--record]

Every struct and every function of the headers stands in a generated probe, compiled with debug information. A missing tool or a
missing baseline is a failure, never a pass. layout.txt has the numbers; this has the types behind them: signatures, constness,
what a pointer points to.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from layout import strip, structs_of

BASELINE = "tests/abi/released/baseline.abi"
CHANGE, INCOMPATIBLE = 4, 8  # bits of abidiff's exit code


def functions_of(path):
    return re.findall(r"\b(hnhost_\w+)\s*\((?!\*)", re.sub(r"\{[^}]*\}", "{}", strip(path.read_text())))


def probe(source):
    headers = sorted((source / "sdk/include/hn").glob("*.h")) + sorted((source / "host/include/hnhost").glob("*.h"))
    lines = ["#include <hn/hn.h>", "#include <hnhost/hnhost.h>"]
    for header in headers:
        if header.name == "dlpack.h":
            continue
        lines += [f"{name} probe_{name};" for name, _ in structs_of(header)]
        if header.parent.name == "hnhost":
            lines += [f"__typeof__({name})* probe_{name};" for name in dict.fromkeys(functions_of(header))]
    return "\n".join(lines) + "\n"


def main(source, record):
    missing = [tool for tool in ("abidw", "abidiff", "gcc") if not shutil.which(tool)]
    if missing:
        print(f"expected {', '.join(missing)} (Debian: abigail-tools), found none")
        return 1
    baseline = source / BASELINE
    with tempfile.TemporaryDirectory() as folder:
        code, library, today = (pathlib.Path(folder) / name for name in ("probe.c", "libprobe.so", "today.abi"))
        code.write_text(probe(source))
        # A folder name in the debug information would be another on every machine.
        subprocess.run(["gcc", "-std=gnu11", "-g", "-fPIC", "-shared", f"-ffile-prefix-map={source}=.", f"-ffile-prefix-map={folder}=.",
                        f"-I{source}/sdk/include", f"-I{source}/host/include", str(code), "-o", str(library)], check=True)
        subprocess.run(["abidw", "--no-show-locs", "--no-corpus-path", "--no-comp-dir-path", "--out-file", str(today), str(library)],
                       check=True)
        if record:
            baseline.write_text(today.read_text())
            print(f"recorded {len(today.read_text().splitlines())} lines")
            return 0
        if not baseline.exists():
            print(f"expected the baseline {BASELINE}, found none")
            return 1
        run = subprocess.run(["abidiff", str(baseline), str(today)], capture_output=True, text=True)
        print(run.stdout + run.stderr)
        # New structs and functions are additions, which abidiff reports without calling them incompatible.
        removed = re.search(r"[1-9]\d* (Removed|Changed)", run.stdout)
        if run.returncode & ~(CHANGE | INCOMPATIBLE) or run.returncode & INCOMPATIBLE or removed:
            return 1
        print("the types are those of the baseline")
        return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), "--record" in sys.argv[2:]))
