"""How long a training step takes on a quiet and on a busy machine, by how long OpenMP's threads spin before they sleep.

Usage: busy_machine.py --hnhost FILE [--steps 12] [--rounds 2] [--table ../../docs/results/busy_machine.md]

libgomp lets a thread that waits spin about 300,000 times by default when it sees as many threads as processors: the fastest on a quiet machine, and on a busy
one time that whoever it waits for cannot have. Each setting trains the embedded model (redness and CLIP, batch 8, two threads) alone, beside busy
loops, and several at once; the settings take turns, so that what drifts hits all of them.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

SETTINGS = {
    "as hnhost sets it (3,000)": {},
    "libgomp's own (300,000)": {"GOMP_SPINCOUNT": "300000"},
    "GOMP_SPINCOUNT=20000": {"GOMP_SPINCOUNT": "20000"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
}
# Busy loops beside it, and trainings at once.
LOADS = {"quiet": (0, 1), "2 busy loops": (2, 1), "6 busy loops": (6, 1), "2 trainings": (0, 2), "4 trainings": (0, 4)}
MOST_SECONDS = 60  # of one training; what takes longer is told as that


def start(hnhost, folder, steps, environment):
    clean = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")}
    command = [hnhost, "--quiet", "--reward", "redness,clip", "--threads", "2", "--batch", "8", "--steps", str(steps), "--out", str(folder),
               "--set", "validation.count=0", "--set", "eval.count=1", "--set", "eval.rewards=[]", "--set", "train.sample_every=0"]
    return subprocess.Popen(command, env={**clean, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def step_seconds(hnhost, steps, environment, at_once):
    """Of the slowest of the trainings: seconds a step, or None where it was not done in time."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = [pathlib.Path(scratch) / str(i) for i in range(at_once)]
        running = [start(hnhost, folder, steps, environment) for folder in folders]
        slowest = 0.0
        for process, folder in zip(running, folders):
            try:
                _, told = process.communicate(timeout=MOST_SECONDS)
            except subprocess.TimeoutExpired:
                slowest = None
                process.kill()
                process.communicate()
                continue
            if process.returncode != 0:
                sys.exit(told[-2000:])
            seconds = json.loads((folder / "summary.json").read_text())["train_seconds"] / steps
            slowest = None if slowest is None else max(slowest, seconds)
        return slowest


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hnhost", required=True)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--table", type=pathlib.Path)
    arguments = parser.parse_args()
    found = {}
    for round_ in range(arguments.rounds):
        for load, (loops, at_once) in LOADS.items():
            busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
            try:
                for name, environment in SETTINGS.items():
                    seconds = step_seconds(arguments.hnhost, arguments.steps, environment, at_once)
                    found.setdefault(name, {}).setdefault(load, []).append(seconds)
                    print(f"round {round_ + 1}, {load}, {name}: {'too long' if seconds is None else f'{seconds:.3f} s a step'}", flush=True)
            finally:
                for process in busy:
                    process.kill()
                    process.wait()

    def cell(values):
        if None in values:
            return f"over {MOST_SECONDS / arguments.steps:.0f}"
        return f"{statistics.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"

    lines = ["| | " + " | ".join(LOADS) + " |", "|---" * (len(LOADS) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(cell(row[load]) for load in LOADS) + " |" for name, row in found.items()]
    text = "\n".join(lines)
    print(text)
    if arguments.table:
        arguments.table.write_text(
            f"# Busy machines\n\nMade by `python3 tests/bench/busy_machine.py --hnhost build/release/bin/hnhost --steps {arguments.steps} --rounds {arguments.rounds} "
            f"--table docs/results/busy_machine.md`: seconds of a training step (redness and CLIP, batch 8, two threads on {os.cpu_count()} processors, {platform.machine()}), "
            f"mean of {arguments.rounds} rounds with the least and the greatest; of several trainings at once the slowest.\n\n{text}\n")


if __name__ == "__main__":
    main()
