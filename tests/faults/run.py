"""Kills, full disks and damage: what a run directory and other output is worth afterwards. Each case is a table row of
docs/results/faults.md.

Usage: run.py [--hnhost FILE] [--topic NAME]... [-k TEXT] [--slow] [--table ../../docs/results/faults.md]
HN_FAULT_SHIM names the preloaded library (shim.c); without it, the C compiler makes one.
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import suite  # noqa: E402

if __name__ == "__main__":
    suite.main(HERE, "Kills, full disks and damage", "Made by `python3 tests/faults/run.py --table docs/results/faults.md`: what was "
               "tried, what a user may expect, and what came. Directories are compared file by file and byte by byte, times aside.")
