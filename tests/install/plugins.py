"""Builds plugins of this tree against the installed, moved hn, from copies that have nothing of the tree around them.

Usage: plugins.py WORK_DIR SOURCE_DIR FOLDER NAME...       NAME: clip, sana_sprint, ... or `all`

The bundles are in WORK_DIR/FOLDER/build/lib/hn/plugins; their contract suites are tests of their own.
"""
import pathlib
import shutil
import sys

import stranger

PROJECT = """cmake_minimum_required(VERSION 3.24)
project(plugins LANGUAGES C CXX)
find_package(hn 1.0 REQUIRED COMPONENTS c formats text nn reward generator)
"""


def main(work, source, folder, names):
    place = work / folder
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    found = {path.parent.name: path.parent for path in sorted(source.glob("plugins/*/*/CMakeLists.txt"))}
    wanted = list(found) if names == ["all"] else names
    for name in wanted:
        shutil.copytree(found[name], place / name)
    (place / "CMakeLists.txt").write_text(PROJECT + "".join(f"add_subdirectory({name})\n" for name in wanted))
    env = stranger.environment(work / "moved", place)
    stranger.configure_and_build(place, place / "build", work / "moved", ("gcc", "g++"), env)
    for name in wanted:
        assert (place / f"build/lib/hn/plugins/{name}.hnp/plugin.toml").is_file(), f"{name} was left out"


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
