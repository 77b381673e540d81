"""What the cases of this suite share: the smallest training, the shim, and a run directory without its times."""
import collections
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import zlib

from suite import Failed

HERE = pathlib.Path(__file__).resolve().parent
STEPS = 4


def shim(trial):
    """The preloaded library: the build's, else made beside the case's files."""
    built = os.environ.get("HN_FAULT_SHIM")
    if built and pathlib.Path(built).exists():
        return built
    made = pathlib.Path(tempfile.gettempdir()) / f"hn-fault-shim-{os.getuid()}-{zlib.crc32((HERE / 'shim.c').read_bytes())}.so"
    if not made.exists():
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", f"{made}.{os.getpid()}", HERE / "shim.c"], check=True)
        os.replace(f"{made}.{os.getpid()}", made)
    return made


def training(trial, run, steps=STEPS, more=()):
    """The arguments of a training with everything that a run writes: sheets, events, a monitor, two checkpoints."""
    prompts = trial.path("prompts.txt")
    if not prompts.exists():
        prompts.write_text("a star\na red balloon\n")
    given = {"--prompts": prompts, "--eval-prompts": prompts, "--sample-prompts": prompts, "--steps": steps, "--batch": 1,
             "--rank": 2, "--threads": 1, "--out": run}
    # Few layers: each tensor is a write of its own in two files.
    settings = {"train.checkpoint_every": 2, "train.sample_every": 2, "train.warmup": 2, "net.targets": '["to_q"]'}
    return ["train", "--reward", "redness", "--monitor", "brightness", "--measure", "redness", "--quiet",
            *[word for pair in given.items() for word in pair],
            *[word for pair in settings.items() for word in ("--set", f"{pair[0]}={pair[1]}")], *more]


# OpenMP's threads only wait here; the runs are small.
QUICK = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

Operation = collections.namedtuple("Operation", "number kind path")


def disturbed(trial, arguments, root, at=0, do=None, forever=False, listing=None, **more):
    """Runs hnhost with the shim. at, do: the operation to disturb and how (shim.c)."""
    env = dict(QUICK, LD_PRELOAD=shim(trial), HN_FAULT_ROOT=pathlib.Path(root).resolve())
    if at:
        env.update(HN_FAULT_AT=at, HN_FAULT_DO=do)
    if forever:
        env["HN_FAULT_FOREVER"] = 1
    if listing:
        env["HN_FAULT_LIST"] = listing
    return trial.hnhost(*arguments, env=env, **more)


def operations(listing, root):
    """The operations of an undisturbed run; paths below `root`, temporary files under their final names."""
    found = []
    for line in pathlib.Path(listing).read_text().splitlines():
        number, kind, path = line.split(" ", 2)
        found.append(Operation(int(number), kind, final_name(os.path.relpath(path, pathlib.Path(root).resolve()))))
    return found


def final_name(path):
    folder, name = os.path.split(path)
    return os.path.join(folder, re.sub(r"^\.(.+)\.tmp\.\d+\.\d+$", r"\1", name))


def one_of_each(found):
    """The first operation of every kind on every kind of file; pictures count as one."""
    chosen = {}
    for each in found:
        chosen.setdefault((each.kind, re.sub(r"\d+\.png$", "N.png", each.path)), each)
    return list(chosen.values())


def spread(items, count):
    """About `count` of them, evenly."""
    return [items[i * len(items) // count] for i in range(count)] if len(items) > count else list(items)


# --- A run directory without its times

def events(data):
    """TensorBoard's records with their wall times taken out; a broken record is kept as it is."""
    records, at = [], 0
    while at < len(data):
        size, = struct.unpack_from("<Q", data, at) if len(data) - at >= 8 else (len(data),)
        record = data[at + 12:at + 12 + size]
        if len(record) < size or record[:1] != b"\x09":
            records.append(("broken", data[at:]))
            break
        records.append(record[9:])  # key, eight bytes of wall time, the rest
        at += 16 + size
    return records


def without(table, keys):
    return {key: value for key, value in table.items() if key not in keys}


def content(path, name):
    """What must be equal in two runs' files of this name."""
    data = path.read_bytes()
    try:
        if name == ".lock":
            return b""  # the process's number
        if name == "metrics.jsonl":
            if not data.endswith(b"\n"):
                return data
            return [list(without(json.loads(line), {"seconds"}).items()) for line in data.splitlines()]
        if name.startswith("events."):
            return events(data)
        if name == "summary.json":
            summary = without(json.loads(data), {"train_seconds", "samples_per_second", "peak_memory_bytes"})
            if isinstance(summary.get("noise_network"), dict):
                summary["noise_network"] = without(summary["noise_network"], {"delta_milliseconds", "picture_milliseconds"})
            return list(summary.items())
        if name == "report.html":
            return re.sub(rb"<td>(training|peak memory of the process|noise network)</td><td>[^<]*", rb"\1", data)
    except ValueError:
        pass
    return data


def directory(run):
    """Every file of a run directory by its name, without what holds times."""
    run = pathlib.Path(run)
    return {str(p.relative_to(run)): content(p, str(p.relative_to(run))) for p in sorted(run.rglob("*")) if not p.is_dir()}


def differences(got, wanted):
    """"summary.json differs", "x is missing", "y is left over"."""
    out = [f"{name} is missing" for name in wanted if name not in got]
    out += [f"{name} is left over" for name in got if name not in wanted]
    for name in wanted:
        if name in got and got[name] != wanted[name]:
            sizes = f" ({len(got[name])} for {len(wanted[name])} rows)" if isinstance(wanted[name], list) else ""
            out.append(f"{name} differs{sizes}")
    return out


class Reference:
    """One undisturbed training: its operations, its directory."""

    def __init__(self, trial):
        self.run = trial.path("whole") / "run"
        listing = trial.path("operations")
        outcome = disturbed(trial, training(trial, self.run), self.run, listing=listing)
        if outcome.code != 0:
            raise Failed(f"the undisturbed training failed: {outcome.err[-600:]}")
        self.seconds = outcome.seconds
        self.operations = operations(listing, self.run)
        self.directory = directory(self.run)


def finish(trial, run, wanted, what, more=()):
    """The same command again, to its end; the differences of the directory from the whole one, as texts."""
    outcome = trial.hnhost(*training(trial, run, more=more), env=QUICK)
    if outcome.code != 0:
        return [f"{what}: the command again ended with {outcome.code}: {outcome.err.strip()[-200:]}"]
    return [f"{what}: {text}" for text in differences(directory(run), wanted)]


def fresh(trial, name):
    """A place for a run: the folder's own name stands in its summary."""
    folder = trial.path(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder / "run"


def verdict(trial, wrong, text):
    """Fails with the first differences, or says `text`."""
    if wrong:
        raise Failed(f"{len(wrong)} differ: " + "; ".join(wrong[:5]))
    trial.got(text)
