"""The demo's trainings again and again, over seeds, threads and processor features: does any of them end below its start?

Usage: run.py --hnhost FILE --out DIR [--runs 20] [--only NAME]... [--jobs N] [--table ../../docs/results/robustness.md]

Run i has seed i and the i-th of the profiles below, in turn. A stopped measurement goes on where it was: each training is a run
directory of its own. Exit status 1 where a run of a trained reward ends below its start, or fewer than 95 % of them gain two
standard errors.
"""
import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

# What differs between machines and must not matter: the number of threads, and the instructions that LibTorch's own kernels and
# oneDNN's are chosen by. Both only ever lower what the processor has.
PROFILES = {
    "2 threads": {"threads": 2},
    "1 thread": {"threads": 1},
    "2 threads, AVX2": {"threads": 2, "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "1 thread, no vectors in LibTorch, SSE4.1 in oneDNN":
        {"threads": 1, "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}
# Name of the training, the reward that is trained, what is shown beside it.
TRAININGS = {
    "redness-hypernetwork": ("redness", ["clip", "judge"]),
    "clip-hypernetwork": ("clip", ["judge", "redness"]),
    "redness-finetune": ("redness", ["clip", "judge"]),
}


def train(hnhost, out, training, seed, profile):
    settings = dict(PROFILES[profile])
    threads = settings.pop("threads")
    environment = {**os.environ, **settings, "OMP_NUM_THREADS": str(threads)}
    command = [hnhost, "demo", "--quiet", "--only", training, "--seed", str(seed), "--seeds", "1", "--threads", str(threads),
               "--out", str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    folder = out / f"{training}-seed{seed}"
    summary = json.loads((folder / "summary.json").read_text())
    print(f"{training} seed {seed} ({profile}): " + ", ".join(
        f"{m['name']} {m['difference']['mean']:+.3f} ± {m['difference']['se']:.3f}" for m in summary["measures"]
        if "." not in m["name"]), flush=True)
    return summary


def measure(summary, name):
    return next(m for m in summary["measures"] if m["name"] == name)


def cell(row):
    return f"{row['difference']['mean']:+.3f} ± {row['difference']['se']:.3f}"


def spread(values):
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{statistics.mean(values):+.3f} ± {error:.3f}, {min(values):+.3f} to {max(values):+.3f}"


def table(training, rows):
    """The lines of one training, and whether it is what it should be."""
    trained, others = TRAININGS[training]
    gains = [measure(s, trained)["difference"] for _, _, s in rows]
    below = sum(g["mean"] < 0 for g in gains)
    beyond = sum(g["mean"] > 2 * g["se"] for g in gains)
    good = below == 0 and beyond >= math.floor(.95 * len(gains))
    lines = [f"## {training}", "",
             f"{len(rows)} runs: {below} ended below their start in {trained}, {beyond} gained more than two paired standard errors.",
             ""]
    for name in [trained, *others]:
        lines.append(f"- {name}: mean over the runs with its standard error, least and greatest: "
                     + spread([measure(s, name)["difference"]["mean"] for _, _, s in rows]))
    lines += ["", f"| seed | machine | {trained} | " + " | ".join(others) + " | ½‖Δ‖² | kept step | outlier steps | returns |",
              "|---|---|" + "---|" * (len(others) + 5)]
    for seed, profile, s in rows:
        way = s["way"]
        lines.append(f"| {seed} | {profile} | {cell(measure(s, trained))} | "
                     + " | ".join(cell(measure(s, name)) for name in others)
                     + f" | {s['kl']:.2f} | {s['kept']['step']} of {s['steps']} | {way['outlier_steps']} | {len(way['returns'])} |")
    return [*lines, ""], good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hnhost", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--only", action="append", choices=list(TRAININGS))
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    parser.add_argument("--table", type=pathlib.Path)
    arguments = parser.parse_args()
    names = list(PROFILES)
    jobs = [(training, seed, names[seed % len(names)])
            for training in arguments.only or TRAININGS for seed in range(arguments.runs)]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        summaries = list(pool.map(lambda job: train(arguments.hnhost, arguments.out, *job), jobs))
    lines = ["# Robustness", "",
             f"Made by `python3 tests/robustness/run.py --hnhost build/release/bin/hnhost --out runs/robustness --runs {arguments.runs} "
             "--table docs/results/robustness.md`: the demo's trainings over seeds, numbers of threads and processor features. A "
             "cell is the paired difference of after and before over 192 held-out prompts, with its standard error over them.", ""]
    fine = True
    for training in arguments.only or TRAININGS:
        rows = [(seed, profile, s) for (name, seed, profile), s in zip(jobs, summaries) if name == training]
        part, good = table(training, rows)
        lines += part
        fine = fine and good
    text = "\n".join(lines).rstrip() + "\n"
    if arguments.table:
        unfinished = arguments.table.with_suffix(".part")
        unfinished.write_text(text)
        unfinished.replace(arguments.table)
    print(text)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
