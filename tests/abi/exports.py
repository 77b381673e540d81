"""What the dynamic linker sees of built plugins: one export, no process-wide symbols, relative run paths, no surprises.

Usage: exports.py BUNDLE...

An independent reading (nm, readelf) of what the contract suite reads itself.
"""
import pathlib
import re
import subprocess
import sys

# What a plugin without LibTorch may take from the system: C libraries, nothing of C++.
SYSTEM = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "ld-linux-x86-64.so.2"}
TORCH = {"libtorch_cpu.so", "libc10.so", "libtorch_cuda.so", "libc10_cuda.so", "libstdc++.so.6", "libgcc_s.so.1", "libgomp.so.1"}
# The tokenisers' libraries; their symbols carry their version, so that two of them can live in one process.
TOKENISERS = re.compile(r"libicu(uc|i18n|data)\.so\.\d+|libz\.so\.1")
SANITIZERS = re.compile(r"lib(a|ub|t)san\.so")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def manifest_text(manifest, table, key):
    """A text of a table that the build wrote. Python knows TOML from 3.11 on only."""
    found = re.search(rf"^\[{re.escape(table)}\]$[^\[]*?^{key} *= *\"([^\"]*)\"", manifest, re.MULTILINE)
    if not found:
        raise SystemExit(f"[exports] expected {key} in [{table}] of the manifest, got none")
    return found[1]


def problems(bundle):
    manifest = (bundle / "plugin.toml").read_text(encoding="utf-8")
    library = bundle / manifest_text(manifest, "library.linux-x86_64", "file")
    torch = manifest_text(manifest, "requires", "libtorch") != "none"
    # Absolute symbols are the version script's own.
    exports = [line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines() if line.split()[-2] != "A"]
    if exports != ["hn_plugin_entry_v1"]:
        yield f"expected the one export hn_plugin_entry_v1, got {exports[:8]}"
    if not torch and "UNIQUE" in run("readelf", "--dyn-syms", "-W", library):
        yield "has STB_GNU_UNIQUE symbols"
    dynamic = run("readelf", "-d", "-W", library)
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    surprises = {name for name in needed - SYSTEM - (TORCH if torch else set()) if not SANITIZERS.match(name)
                 and not (torch and TOKENISERS.fullmatch(name))}
    if surprises:
        yield f"needs {sorted(surprises)}"
    paths = [path for line in re.findall(r"\(RUNPATH\).*\[(.*)\]", dynamic) for path in line.split(":")]
    if any(not path.startswith("$ORIGIN") for path in paths):
        yield f"has a run path that is not relative to the bundle: {paths}"
    if "(RPATH)" in dynamic:
        yield "has an RPATH, which reaches beyond the library"
    if "(TEXTREL)" in dynamic:
        yield "has text relocations"


def main(bundles):
    bad = 0
    for bundle in bundles:
        for problem in problems(pathlib.Path(bundle)):
            bad += 1
            print(f"{bundle}: {problem}")
    print(f"{len(bundles)} bundles, {bad} problems")
    return 1 if bad or not bundles else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
