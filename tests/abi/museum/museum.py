"""Every plugin of the museum in today's host, and every host of the museum with today's plugins.

Usage: museum.py HNHOST BUNDLES LIBTORCH_BUILD_ID

HNHOST: today's command; BUNDLES: the folder with today's bundles. An exhibit with LibTorch runs in process only where the build
id is the one that it was made with; else the line says so, and what a manifest alone can show is still checked.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def unpack(archive, folder):
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(folder)


def run(command, path, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("HN_")} | {"HN_PLUGIN_PATH": str(path), "OMP_NUM_THREADS": "1"} | more
    return subprocess.run([str(part) for part in command], env=env, capture_output=True, text=True, timeout=600)


def require(outcome, what):
    if outcome.returncode != 0:
        raise SystemExit(f"FAILED {what}: {outcome.stderr[-1500:]} {outcome.stdout[-1500:]}")
    print(f"ok     {what}")


def old_plugins(hnhost, build_id, version, folder):
    for archive in sorted(version.glob("*.tar.xz")):
        if archive.name != "host.tar.xz":
            unpack(archive, folder)
    for bundle in sorted(folder.glob("*.hnp")):
        manifest = (bundle / "plugin.toml").read_text()
        torch = re.search(r'^libtorch = "(\w+)"', manifest, re.M).group(1)
        what = f"{bundle.stem} of {version.name}"
        rows = json.loads(run([hnhost, "list", "--json"], folder).stdout)
        listed = json.dumps(rows)
        if bundle.stem not in listed:
            raise SystemExit(f"FAILED {what}: not listed: {listed[:2000]}")
        if torch not in ("none", build_id):
            print(f"ok     {what} is listed; made for the LibTorch {torch[:12]}, today's is {build_id[:12]}: not run")
            continue
        require(run([hnhost, "validate", bundle], folder), f"{what} is valid in today's host")


def old_host(version, bundles, folder):
    unpack(version / "host.tar.xz", folder)
    hnhost = folder / "host/bin/hnhost"
    missing = re.findall(r"(\S+) => not found", run(["ldd", folder / "host/lib/libhnhost.so.1"], "").stdout)
    if [name for name in missing if not name.startswith("libhnhost")]:
        print(f"ok     the host of {version.name} is not run: this system has no {', '.join(missing)}")
        return
    for name in ("redness", "brightness"):
        require(run([hnhost, "validate", bundles / f"{name}.hnp"], bundles), f"today's {name} is valid in the host of {version.name}")


def main(hnhost, bundles, build_id):
    versions = sorted(path for path in HERE.iterdir() if (path / "host.tar.xz").exists())
    if not versions:
        raise SystemExit("FAILED the museum is empty")
    for version in versions:
        with tempfile.TemporaryDirectory() as folder:
            old_plugins(hnhost, build_id, version, pathlib.Path(folder))
        with tempfile.TemporaryDirectory() as folder:
            old_host(version, bundles, pathlib.Path(folder))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3])
