"""Files of a run directory that were damaged, removed or replaced: never a silent end."""
import json
import os
import random
import shutil
import signal

from run_files import QUICK, Reference, differences, directory, disturbed, finish, fresh, training, verdict
from suite import Failed, case


def finished(t, name="done"):
    run = fresh(t, name)
    t.fine(training(t, run), env=QUICK)
    return run


def stopped(t, whole, name="stopped"):
    """A training that was killed in its third step, behind a checkpoint at step 2; `whole` is its Reference."""
    run = fresh(t, name)
    rows = [each for each in whole.operations if each.kind == "write" and each.path == "metrics.jsonl"]
    last = rows[-2].number  # the row of the last step
    outcome = disturbed(t, training(t, run), run, last, "half")
    if outcome.code != -signal.SIGKILL:
        raise Failed(f"expected to be killed, got {outcome.code}")
    return run


def copy_of(run, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return shutil.copytree(run, folder / "run", symlinks=True)


def again(t, run, **more):
    return t.hnhost(*training(t, run), env=QUICK, **more)


@case("a finished run whose adapter, report or sheet is missing or damaged, trained again",
      expected="a warning that names the file, and the whole directory again")
def repaired(t):
    whole = Reference(t)
    wrong = []

    def flip(path):
        data = bytearray(path.read_bytes())
        data[-3] ^= 1
        path.write_bytes(data)

    for name, harm in (("adapter", shutil.rmtree), ("adapter/adapter_model.safetensors", os.unlink), ("adapter/adapter_config.json", os.unlink),
                       ("adapter/adapter_model.safetensors", flip), ("samples/before.png", os.unlink), ("report.html", os.unlink)):
        run = copy_of(whole.run, t.path("harmed"))
        harm(run / name)
        outcome = t.hnhost(*[word for word in training(t, run) if word != "--quiet"], env=QUICK)
        if outcome.code != 0 or name not in outcome.err:
            wrong.append(f"{name}: exit code {outcome.code}: {outcome.err.strip()[-200:]}")
        wrong += [f"{name}: {text}" for text in differences(directory(run), whole.directory)]
    verdict(t, wrong, "6 of 6 made whole, each with its name")


@case("a finished run without adapter and without checkpoint, trained again", expected="refused, both named")
def nothing_to_repair_from(t):
    run = finished(t)
    shutil.rmtree(run / "adapter")
    (run / "checkpoint.safetensors").unlink()
    t.refused(training(t, run), says=["adapter", "checkpoint.safetensors", "--overwrite"], env=QUICK)
    t.got("both named, and --overwrite as the way out")


def flips(t, count, seed):
    whole = Reference(t)
    run = stopped(t, whole)
    data = (run / "checkpoint.safetensors").read_bytes()
    chance, wrong = random.Random(seed), []
    length = int.from_bytes(data[:8], "little")
    places = [*range(8), *chance.sample(range(8, 8 + length), count // 4)]
    places += chance.sample(range(8 + length, len(data)), max(0, count - len(places)))
    for at in places[:count]:
        damaged = copy_of(run, t.path("flipped"))
        one = bytearray(data)
        one[at] ^= 1 << chance.randrange(8)
        (damaged / "checkpoint.safetensors").write_bytes(one)
        outcome = again(t, damaged)
        if outcome.code != 1 or "checkpoint.safetensors" not in outcome.err:
            wrong.append(f"byte {at} of {len(data)}: exit code {outcome.code}: {outcome.err.strip()[-200:]}")
        if (damaged / "checkpoint.safetensors").read_bytes() != bytes(one):
            wrong.append(f"byte {at}: the file was changed")
    verdict(t, wrong, f"{count} of {count} refused by name, none used")


@case("one flipped bit in the checkpoint of a stopped training, 10 places", expected="refused, the file named")
def some_flips(t):
    flips(t, 10, 1)


@case("one flipped bit in the checkpoint of a stopped training, 200 places", expected="refused, the file named", slow=True)
def many_flips(t):
    flips(t, 200, 2)


@case("one damaged line in the middle of metrics.jsonl of a stopped training", expected="refused, file and line named, the file untouched")
def damaged_metrics(t):
    whole = Reference(t)
    run = stopped(t, whole)
    lines = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b'"kind":"train"' in line)  # step 1
    wrong = []
    harms = {"a flipped bit": lambda line: bytes([line[0] ^ 1]) + line[1:], "not JSON": lambda line: b"nonsense\n", "empty": lambda line: b"\n",
             "a step that goes back": lambda line: line.replace(b'"step":1', b'"step":0'),
             "another step": lambda line: line.replace(b'"step":1', b'"step":7'), "no step": lambda line: line.replace(b'"step":1,', b""),
             "without its end": lambda line: line.rstrip(b"\n")}
    for name, harm in harms.items():
        damaged = copy_of(run, t.path("damaged"))
        text = b"".join(lines[:at]) + harm(lines[at]) + b"".join(lines[at + 1:])
        (damaged / "metrics.jsonl").write_bytes(text)
        outcome = again(t, damaged)
        if outcome.code != 1 or f"metrics.jsonl:{at + 1}:" not in outcome.err:
            wrong.append(f"{name}: exit code {outcome.code}: {outcome.err.strip()[-200:]}")
        if (damaged / "metrics.jsonl").read_bytes() != text:
            wrong.append(f"{name}: the file was changed")
    verdict(t, wrong, f"{len(harms)} of {len(harms)} refused by their line, nothing deleted")


@case("metrics.jsonl of a stopped training whose last line is half written", expected="the same directory")
def half_a_line(t):
    whole = Reference(t)
    run = stopped(t, whole)
    with open(run / "metrics.jsonl", "ab") as file:
        file.write(b'{"step":4,"kind":"tr')
    verdict(t, finish(t, run, whole.directory, "half a line"), "the same directory")


@case("a damaged record in the middle of the TensorBoard events of a stopped training", expected="refused, the file and byte named; without the file it goes on with a warning")
def damaged_events(t):
    whole = Reference(t)
    run = stopped(t, whole)
    name = "events.out.tfevents.0.hnhost"
    data = bytearray((run / name).read_bytes())
    data[200] ^= 4
    (run / name).write_bytes(data)
    t.refused(training(t, run), says=[name, "damage at byte"], env=QUICK)
    t.holds((run / name).read_bytes() == bytes(data), "the file was changed")
    (run / name).unlink()
    outcome = t.hnhost(*[word for word in training(t, run) if word != "--quiet"], env=QUICK)
    t.equal(outcome.code, 0)
    t.holds(name + " is missing" in outcome.err, f"no warning: {outcome.err[-300:]}")
    t.got("file and byte named, the file untouched; without it a warning and exit code 0")


@case("summary.json or scores.json that does not parse, is {} or lacks a key", expected="train and compare refuse it, name the file and say what helps")
def damaged_json(t):
    run = finished(t)
    wrong = []
    for name in ("summary.json", "scores.json"):
        whole = (run / name).read_text()
        table = json.loads(whole)
        texts = {"empty": "", "{}": "{}", "[]": "[]", "cut": whole[: len(whole) // 2]}
        for key in ("measures", "seed") if name == "summary.json" else ("before", "prompts"):
            texts[f"without {key}"] = json.dumps({k: v for k, v in table.items() if k != key})
        for what, text in texts.items():
            (run / name).write_text(text)
            for arguments in (training(t, run), ["compare", "--x", "redness", "--out", t.path("page.html"), run]):
                outcome = t.hnhost(*arguments, env=QUICK)
                if outcome.code != 1 or name not in outcome.err or "remove it" not in outcome.err:
                    wrong.append(f"{name} {what}, {arguments[0]}: exit code {outcome.code}: {outcome.err.strip()[-200:]}")
        (run / name).write_text(whole)
    # What the message says helps does help.
    (run / "summary.json").unlink()
    (run / "scores.json").unlink()
    t.fine(training(t, run), env=QUICK)
    verdict(t, wrong, "24 of 24 refused by name")


@case("config.toml of a run that is damaged", expected="refused, the file and line named")
def damaged_config(t):
    run = finished(t)
    (run / "config.toml").write_text("generator = = 1\n")
    t.refused(training(t, run), says=["config.toml", "line 1", "--overwrite"], env=QUICK)
    t.got("file and line named, and --overwrite as the way out")


@case("a .lock, metrics.jsonl or events file that is a link to somebody's file", expected="refused by name, the target unchanged")
def links(t):
    whole, wrong = Reference(t), []
    begun = next(each.number for each in whole.operations if each.kind == "open" and each.path == "metrics.jsonl")
    for name in (".lock", "metrics.jsonl", "events.out.tfevents.0.hnhost"):
        run = fresh(t, "linked")
        disturbed(t, training(t, run), run, begun, "kill")
        target = t.write("thesis.tex", "mine\n")
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(target)
        outcome = again(t, run)
        if outcome.code != 1 or name not in outcome.err or "symbolic link" not in outcome.err:
            wrong.append(f"{name}: exit code {outcome.code}: {outcome.err.strip()[-200:]}")
        if target.read_text() != "mine\n":
            wrong.append(f"{name}: the target was changed")
    verdict(t, wrong, "3 of 3 refused, targets unchanged")


@case("a run directory that is a link to a folder", expected="it is written to; users keep their runs on another disk so")
def linked_directory(t):
    whole = Reference(t)
    place = t.path("disk") / "run"
    place.mkdir(parents=True)
    folder = t.path("linked")
    folder.mkdir()
    (folder / "run").symlink_to(place)
    t.fine(training(t, folder / "run"), env=QUICK)
    verdict(t, differences(directory(place), whole.directory), "the same directory")
