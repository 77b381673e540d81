"""Installs a build into a prefix, moves the prefix elsewhere, and looks at what is there.

Usage: prefix.py BUILD_DIR WORK_DIR [CONFIG]

The other tests of this folder run against WORK_DIR/moved. Nothing in it may name the build tree or the first prefix.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys

import stranger


def libraries(prefix):
    yield prefix / "bin/hnhost"
    yield prefix / "libexec/hn/hnhost_helper"
    for path in sorted((prefix / "lib").rglob("*.so*")):
        if path.is_file() and not path.is_symlink() and "libtorch" not in path.relative_to(prefix).parts:
            yield path


def check_links(folder):
    """What a page in the install says that another page says, stands there. Folders of the source tree may be spoken of."""
    for page in sorted(folder.rglob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+\.(?:md|jpg|png))(?:#[^)]*)?\)", page.read_text()):
            if target.startswith("http") or re.match(r"(\.\./)*(tests|host|plugins|templates)/", target):
                continue
            assert (page.parent / target).is_file(), f"{page.relative_to(folder)} points to {target}, which is not there"


def main(build, work):
    shutil.rmtree(work, ignore_errors=True)
    first, moved = work / "first", work / "moved"
    work.mkdir(parents=True)
    # The link form of LibTorch, as `./hn install --link` has it: bundled.py looks at the other.
    for component in ("sdk", "plugins", "host", "docs", "libtorch_link"):
        stranger.run("cmake", "--install", build, "--prefix", first, "--component", component, stdout=subprocess.DEVNULL)
    first.rename(moved)

    for path in libraries(moved):
        dynamic = stranger.output("readelf", "-d", "-W", path)
        for runpath in re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", dynamic):
            absolute = [p for p in runpath.split(":") if p and not p.startswith("$ORIGIN")]
            assert not absolute, f"{path} has the absolute run path {absolute}"
    described = sorted((moved / "lib/cmake/hn").glob("*.cmake")) + sorted((moved / "lib/pkgconfig").glob("*.pc"))
    assert len(described) > 10, described
    for path in described:
        text = path.read_text()
        for folder in (build, first):
            assert str(folder) not in text, f"{path} names {folder}"
    for name in ("include/hn/hn.h", "include/hn/torch/reward.hpp", "include/hnhost/hnhost.h", "include/hn/c/reward.h",
                 "include/hn/nn/lora.hpp", "lib/libhn_nn.a", "share/hn/templates/reward/plugin.cpp", "share/hn/text/README.md",
                 "share/doc/hn/docs/abi.md", "share/doc/hn/sdk/README.md", "share/doc/hn/LICENSE"):
        assert (moved / name).is_file(), f"{name} was not installed"
    check_links(moved / "share/doc/hn")
    for name in ("broken", "throwing"):
        assert not (moved / f"lib/hn/plugins/{name}.hnp").exists(), "a bundle for tests was installed"

    environment = stranger.environment(moved, work)
    listed = json.loads(stranger.output("hnhost", "list", "plugins", "--json", env=environment))
    rows = listed["plugins"] if isinstance(listed, dict) else listed
    assert rows, "hnhost list shows no plugin"
    for row in rows:
        assert row["status"] == "ok", f"{row}"
    print(f"{len(rows)} plugins in {moved}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
