"""Plugins for the cases: bundles around tests/support/unruly, compiled once with the machine's compiler."""
import functools
import hashlib
import os
import pathlib
import platform
import shutil
import struct
import subprocess
import tempfile
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests/support/unruly"


def picture(width=8, height=8, value=(200, 40, 90)):
    """A PNG of one colour."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(value) * width for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@functools.lru_cache(maxsize=None)
def library(*flags):
    """The bytes of libunruly.so, built with further flags of the compiler."""
    with tempfile.TemporaryDirectory() as folder:
        run = lambda *words: subprocess.run(words, cwd=folder, check=True, capture_output=True)
        run(os.environ.get("CC", "cc"), "-std=gnu11", "-O1", "-fPIC", "-fexceptions", "-I", ROOT / "sdk/include", "-I",
            ROOT / "sdk/include", *flags, "-c", SOURCE / "unruly.c", "-o", "c.o")
        run(os.environ.get("CXX", "c++"), "-fPIC", "-c", SOURCE / "unruly_throw.cpp", "-o", "throw.o")
        run(os.environ.get("CXX", "c++"), "-shared", *flags, "c.o", "throw.o", "-o", "libunruly.so", "-lm", "-lpthread")
        return pathlib.Path(folder, "libunruly.so").read_bytes()


def manifest(digest, name="unruly", text=None):
    """plugin.toml with the tables that a build appends."""
    text = text or (SOURCE / "plugin.toml").read_text().replace('"unruly"', f'"{name}"').replace("hn.reward.unruly", f"hn.reward.{name}")
    machine = "aarch64" if platform.machine() == "aarch64" else "x86_64"
    return text + (f'\n[abi]\nmajor = 1\nmin_minor = 0\n\n[library.linux-{machine}]\nfile = "libunruly.so"\nsha256 = "{digest}"\n'
                   '\n[requires]\nlibtorch = "none"\n')


def bundle(folder, flags=()):
    """Makes FOLDER/unruly.hnp and returns FOLDER, for --plugin-path."""
    made = pathlib.Path(folder) / "unruly.hnp"
    made.mkdir(parents=True)
    content = library(*flags)
    (made / "libunruly.so").write_bytes(content)
    (made / "plugin.toml").write_text(manifest(hashlib.sha256(content).hexdigest()))
    for path in (made.parent, made, *made.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return made.parent


def installed(command, name):
    """The bundle NAME.hnp that the command finds by itself."""
    return pathlib.Path(command).resolve().parents[1] / "lib/hn/plugins" / f"{name}.hnp"


def copy_of(command, name, folder):
    """A copy of an installed bundle at FOLDER/NAME.hnp; links stay links."""
    copy = pathlib.Path(folder) / f"{name}.hnp"
    shutil.copytree(installed(command, name), copy, symlinks=True)
    return copy
