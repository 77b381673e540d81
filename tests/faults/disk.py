"""One file operation fails, or all from one on: the command says so and names the file, and goes on later."""
import os
import shutil

from run_files import (QUICK, Reference, differences, directory, disturbed, finish, fresh, one_of_each, operations, spread, training,
                       verdict)
from suite import Failed, case

REASONS = {"ENOSPC": "No space left on device", "EIO": "Input/output error"}


def judged(outcome, what, path, complete):
    """What is wrong with the end of a command whose operation on `path` failed; complete() answers differences."""
    if outcome.code < 0 or outcome.code > 2:
        return [f"{what}: ended by signal or with {outcome.code}: {outcome.err.strip()[-200:]}"]
    if outcome.code == 0:  # rightly, where nothing is lost
        return [f"{what}: exit code 0 and {text}" for text in complete()]
    name = os.path.basename(path)
    folder = os.path.basename(os.path.dirname(path)) or path
    if name not in outcome.err and folder not in outcome.err:
        return [f"{what}: the message names neither {name} nor its folder: {outcome.err.strip()[-200:]}"]
    return []


def failing(trial, whole, chosen, reasons, forever=False):
    wrong, tried = [], 0
    for each in chosen:
        for reason in reasons:
            run = fresh(trial, "failing")
            outcome = disturbed(trial, training(trial, run), run, each.number, reason, forever)
            tried += 1
            what = f"{reason} at {each.number} ({each.kind} {each.path})"
            wrong += judged(outcome, what, str(run / each.path), lambda: differences(directory(run), whole.directory))
            if outcome.code > 0 and not forever and REASONS.get(reason, "") not in outcome.err:
                wrong.append(f"{what}: the message lacks the reason: {outcome.err.strip()[-200:]}")
            wrong += finish(trial, run, whole.directory, what)
    return wrong, tried


@case("a training in which one file operation fails, one of every kind", expected="an error that names the file, or no harm; then the same directory")
def some_kinds(t):
    whole = Reference(t)
    chosen = spread(one_of_each(whole.operations), 6)
    wrong = []
    for i, each in enumerate(chosen):
        wrong += failing(t, whole, [each], [("ENOSPC", "EIO")[i % 2]])[0]
    verdict(t, wrong, f"{len(chosen)} failures, nothing lost")


@case("a training in which the first operation of every kind on every file fails, with ENOSPC and with EIO",
      expected="an error that names the file, or no harm; then the same directory", slow=True)
def every_kind(t):
    whole = Reference(t)
    wrong, tried = failing(t, whole, one_of_each(whole.operations), ("ENOSPC", "EIO"))
    verdict(t, wrong, f"{tried} failures, nothing lost")


def part(number, parts):
    @case(f"a training in which every file operation fails once, with ENOSPC and with EIO, part {number} of {parts}",
          expected="an error that names the file, or no harm; then the same directory", slow=True)
    def every_operation(t):
        whole = Reference(t)
        wrong, tried = failing(t, whole, whole.operations[number - 1::parts], ("ENOSPC", "EIO"))
        verdict(t, wrong, f"{tried} failures, nothing lost")


for i in range(8):
    part(i + 1, 8)


@case("a disk that is full from one operation on", expected="an error that names the file; then the same directory")
def full_from(t):
    whole = Reference(t)
    chosen = [each for each in whole.operations if each.kind == "write"]
    wrong, tried = failing(t, whole, spread(chosen, 3), ("ENOSPC",), forever=True)
    verdict(t, wrong, f"{tried} tried, nothing lost")


@case("every write of a training cut in two", expected="the same directory")
def short_writes(t):
    whole = Reference(t)
    run = fresh(t, "short")
    outcome = disturbed(t, training(t, run), run, 1, "short", forever=True)
    wrong = [] if outcome.code == 0 else [f"exit code {outcome.code}: {outcome.err.strip()[-200:]}"]
    verdict(t, wrong + differences(directory(run), whole.directory), "the same directory")


# --- The other commands that write files

def pictures(trial):
    """Two pictures that the product drew, for what scores and compares."""
    folder = trial.path("pictures")
    if not folder.exists():
        trial.fine(["sample", "--prompt", "a star", "--prompt", "a kite", "--seed", "1", "--threads", "1", "--out-dir", folder], env=QUICK)
    return folder


def files_below(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()} if folder.exists() else {}


def writes(trial, command, name, reasons, limit):
    """Fails operations of command(out), which writes below `out`, and gives the command again."""
    whole = trial.path(f"whole-{name}")
    whole.mkdir()
    listing = trial.path(f"operations-{name}")
    first = disturbed(trial, command(whole / "out"), whole, listing=listing)
    if first.code != 0:
        raise Failed(f"undisturbed: {first.err[-400:]}")
    wanted, found = files_below(whole), operations(listing, whole)
    wrong, tried = [], 0
    for each in found if limit is None else spread(one_of_each(found), limit):
        for reason in reasons:
            place = trial.path(f"out-{name}")
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            outcome = disturbed(trial, command(place / "out"), place, each.number, reason)
            tried += 1
            what = f"{name}: {reason} at {each.number} ({each.kind} {each.path})"
            wrong += judged(outcome, what, str(place / each.path), lambda: differences(files_below(place), wanted))
            # A failure that did no harm left a project, and `new` rightly refuses to write over it.
            made = name == "new" and outcome.code == 0 and not differences(files_below(place), wanted)
            again = trial.hnhost(*command(place / "out"), env=QUICK)
            if again.code != 0 and not made:
                wrong.append(f"{what}: again: {again.err.strip()[-200:]}")
            else:
                wrong += [f"{what}: then {text}" for text in differences(files_below(place), wanted)]
    return wrong, tried


def other_commands(trial):
    """Name -> arguments for what it writes below a folder."""
    drawn = ["sample", "--prompt", "a star", "--prompt", "a kite", "--seed", "1", "--threads", "1"]
    return {
        "sample --out-dir": lambda out: [*drawn, "--out-dir", out],
        "sample --images-out": lambda out: [*drawn, "--images-out", str(out) + ".safetensors"],
        "score --out": lambda out: ["score", pictures(trial), "--reward", "redness", "--out", str(out) + ".jsonl"],
        "new": lambda out: ["new", "reward", "my_taste", "--folder", out],
    }


def other(name, slow):
    @case(f"{name}: " + ("each file operation fails once, with ENOSPC and with EIO" if slow else "a file operation fails"),
          expected="an error that names the file, or no harm; the command again writes the same files", slow=slow)
    def fails(t):
        command = other_commands(t)[name]
        wrong, tried = writes(t, command, name.replace(" ", "").replace("-", ""), ("ENOSPC", "EIO") if slow else ("ENOSPC",),
                              None if slow else 3)
        verdict(t, wrong, f"{tried} failures, nothing lost")


for each_name in ("sample --out-dir", "sample --images-out", "score --out", "new"):
    other(each_name, False)
    other(each_name, True)


@case("compare of runs: each file operation fails once, with ENOSPC and with EIO",
      expected="an error that names the file, or no harm; the command again writes the page", slow=True)
def compare_fails(t):
    run = fresh(t, "whole")
    t.fine(training(t, run), env=QUICK)
    wrong, tried = writes(t, lambda out: ["compare", "--x", "redness", "--out", str(out) + ".html", run], "compare", ("ENOSPC", "EIO"), None)
    verdict(t, wrong, f"{tried} failures, nothing lost")


def limited(size):
    """A wrapper as a shell's ulimit -f, for the command alone; its messages go through a pipe, which has no size."""
    return ("bash", "-c", '{ prlimit --fsize="$0" "$@" 2>&1 >&3 | cat >&2; exit "${PIPESTATUS[0]}"; } 3>&1', size)


@case("a training under a limit on file sizes (ulimit -f)", expected="an error that names the file and \"File too large\", no death by SIGXFSZ; without the limit the same directory")
def file_size_limit(t):
    whole = Reference(t)
    wrong = []
    sizes = (1, 3000, 20000)
    for size in sizes:
        run = fresh(t, "limited")
        outcome = t.hnhost(*training(t, run), env=QUICK, wrapper=limited(size))
        if outcome.code != 1 or "File too large" not in outcome.err:
            wrong.append(f"{size} bytes: exit code {outcome.code}: {outcome.err.strip()[-200:]}")
        wrong += finish(t, run, whole.directory, f"{size} bytes")
    verdict(t, wrong, f"{len(sizes)} limits, each told by name")


@case("sample, score and new under a limit on file sizes", expected="an error that names the file and \"File too large\"")
def other_file_size_limits(t):
    wrong = []
    pictures(t)
    for name, command in other_commands(t).items():
        outcome = t.hnhost(*command(t.path("limited")), env=QUICK, wrapper=limited(60))
        if outcome.code != 1 or "File too large" not in outcome.err or "limited" not in outcome.err:
            wrong.append(f"{name}: exit code {outcome.code}: {outcome.err.strip()[-200:]}")
    verdict(t, wrong, "each named its file")
