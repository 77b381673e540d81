"""Files as people have them: odd, damaged, of other tools and other writers. Each case is a table row of docs/results/awkward.md.

Usage: run.py [--hnhost FILE] [--topic NAME]... [-k TEXT] [--slow] [--table ../../docs/results/awkward.md]
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import suite  # noqa: E402

if __name__ == "__main__":
    suite.main(HERE, "Awkward files", "Made by `python3 tests/awkward/run.py --slow --table docs/results/awkward.md`: what was tried, "
               "what a user may expect, and what came.")
