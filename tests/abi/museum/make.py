"""Puts this version into the museum: four small plugins and a host, as an install builds them, stripped and packed.

Usage: make.py PREFIX NAME       (PREFIX: a folder that `./hn install --link PREFIX` filled; NAME: 1.0.0-rc)

The plugins are the templates, built out of tree with what the prefix gives: raw C, C++ without LibTorch, a LibTorch reward, a
generator. The host is the command, its library and its helper, without the core: what it is asked needs no LibTorch. Each becomes NAME/<what>.tar.xz; museum.py unpacks and runs them.
A released version is made once and never again: what counts is that the bytes stay.
"""
import io
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PLUGINS = {"c": "raw_c", "cpp": "museum_cpp", "torch": "reward", "generator": "generator"}


def pack(folder, archive):
    """The same bytes for the same files."""

    def plain(info):
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        return info

    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, path.relative_to(folder.parent), recursive=False, filter=plain)


def build_plugin(prefix, source, work):
    # No folder of the machine that made it stays in an exhibit.
    maps = " ".join(f"-ffile-prefix-map={path}=." for path in ((prefix / "lib/hn/libtorch").resolve(), prefix, work, source))
    subprocess.run(["cmake", "-S", source, f"-DCMAKE_CXX_FLAGS={maps}", f"-DCMAKE_C_FLAGS={maps}", "-B", work, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_PREFIX_PATH={prefix}",
                    "-DCMAKE_SHARED_LINKER_FLAGS=-s", "-DCMAKE_MODULE_LINKER_FLAGS=-s"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", work], check=True, stdout=subprocess.DEVNULL)
    bundles = list((work / "lib/hn/plugins").glob("*.hnp"))
    assert len(bundles) == 1, bundles
    return bundles[0]


def main(prefix, name):
    target = HERE / name
    if target.exists():
        raise SystemExit(f"{target} is there: a version is put into the museum once")
    target.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for what, template in PLUGINS.items():
            source = HERE / "cpp" if template == "museum_cpp" else prefix / "share/hn/templates" / template
            pack(build_plugin(prefix, source, folder / what), target / f"{what}.tar.xz")
        host = folder / "host"
        for file in ("bin/hnhost", "lib/libhnhost.so.*", "libexec/hn/hnhost_helper"):
            for path in prefix.glob(file):
                copy = host / path.relative_to(prefix)
                copy.parent.mkdir(parents=True, exist_ok=True)
                if path.is_symlink():
                    copy.symlink_to(path.readlink())
                    continue
                shutil.copy(path, copy)
                subprocess.run(["strip", "--strip-unneeded", copy], check=True)
        pack(host, target / "host.tar.xz")
    for path in sorted(target.iterdir()):
        print(f"{path.stat().st_size:9} {path.name}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2])
