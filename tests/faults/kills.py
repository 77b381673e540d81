"""A training that is killed and started again leaves the directory of one that never was."""
import random
import signal
import subprocess

from run_files import QUICK, Reference, disturbed, finish, fresh, one_of_each, spread, training, verdict
from suite import Failed, case


def kill_at(trial, whole, chosen, modes, more=()):
    """Kills one training at each of these operations and finishes it; the differences."""
    wrong, kills = [], 0
    for each in chosen:
        for mode in modes if each.kind == "write" else ("kill",):
            run = fresh(trial, "killed")
            outcome = disturbed(trial, training(trial, run, more=more), run, each.number, mode)
            what = f"{mode} at {each.number} ({each.kind} {each.path})"
            if outcome.code != -signal.SIGKILL:
                wrong.append(f"{what}: expected to be killed, got exit code {outcome.code}")
                continue
            kills += 1
            wrong += finish(trial, run, whole.directory, what)
    return wrong, kills


@case("a training killed before one operation of every kind", expected="the same command ends in the same directory, byte for byte")
def some_kinds(t):
    whole = Reference(t)
    chosen = spread(one_of_each(whole.operations), 8)
    wrong, kills = kill_at(t, whole, chosen, ("half",))
    verdict(t, wrong, f"{kills} kills, no directory differed")


@case("a training killed before the first operation of every kind on every file, writes also in their middle",
      expected="the same command ends in the same directory, byte for byte", slow=True)
def every_kind(t):
    whole = Reference(t)
    wrong, kills = kill_at(t, whole, one_of_each(whole.operations), ("kill", "half"))
    verdict(t, wrong, f"{kills} kills, no directory differed")


def part(number, parts):
    @case(f"a training killed before every one of its file operations, part {number} of {parts}",
          expected="the same command ends in the same directory, byte for byte", slow=True)
    def every_operation(t):
        whole = Reference(t)
        wrong, kills = kill_at(t, whole, whole.operations[number - 1::parts], ("half",))
        verdict(t, wrong, f"{kills} kills of {len(whole.operations)} operations, no directory differed")


for i in range(8):
    part(i + 1, 8)


@case("a training killed three times on its way", expected="the same directory")
def several_times(t):
    whole = Reference(t)
    run = fresh(t, "killed")
    # Within the second and the third process the operations count anew.
    for at in (len(whole.operations) // 3, len(whole.operations) // 2, len(whole.operations) // 2):
        disturbed(t, training(t, run), run, at, "half")
    verdict(t, finish(t, run, whole.directory, "three kills"), "no difference")


def overwritten(trial, whole, modes, chosen):
    """A finished run of another seed, killed while --overwrite makes it this one."""
    other = fresh(trial, "other")
    outcome = trial.hnhost(*training(trial, other, more=("--seed", "9")), env=QUICK)
    if outcome.code != 0:
        raise Failed(outcome.err[-400:])
    listing = trial.path("overwriting")
    copy = fresh(trial, "listed")
    subprocess.run(["cp", "-a", other, copy], check=True)
    disturbed(trial, training(trial, copy, more=("--overwrite",)), copy, listing=listing)
    lines = [line.split(" ", 2) for line in listing.read_text().splitlines()]
    # Up to the new configuration, and the first files behind it.
    end = next(i for i, line in enumerate(lines) if line[1] == "rename" and line[2].endswith("config.toml"))
    wrong, kills = [], 0
    for number, kind, path in chosen(lines[:end + 8]):
        for mode in modes:
            run = fresh(trial, "killed")
            subprocess.run(["cp", "-a", other, run], check=True)
            outcome = disturbed(trial, training(trial, run, more=("--overwrite",)), run, int(number), mode)
            what = f"{mode} at {number} ({kind} {path})"
            if outcome.code != -signal.SIGKILL:
                wrong.append(f"{what}: expected to be killed, got exit code {outcome.code}")
                continue
            kills += 1
            wrong += finish(trial, run, whole.directory, what, more=("--overwrite",))
    return wrong, kills


@case("a run that --overwrite begins anew, killed while the old one is removed", expected="the same directory")
def overwrite(t):
    wrong, kills = overwritten(t, Reference(t), ("kill",), lambda lines: spread(lines, 3))
    verdict(t, wrong, f"{kills} kills, no directory differed")


@case("a run that --overwrite begins anew, killed before every operation of it", expected="the same directory", slow=True)
def overwrite_everywhere(t):
    wrong, kills = overwritten(t, Reference(t), ("half",), lambda lines: lines)
    verdict(t, wrong, f"{kills} kills, no directory differed")


def at_random(trial, whole, number, count, seed):
    """`count` signals at random times of a training each; the differences, and how many came in time."""
    chance, wrong, hits = random.Random(seed), [], 0
    for i in range(count):
        run = fresh(trial, "killed")
        wait = chance.uniform(0.02, whole.seconds)
        wrong_before = len(wrong)
        outcome = trial.hnhost(*training(trial, run), env=QUICK, wrapper=("timeout", "--foreground", f"-s{number}", f"{wait:.4f}"))
        stopped = outcome.code not in (0,)
        hits += stopped
        if run.exists() or stopped:
            wrong += finish(trial, run, whole.directory, f"signal {number} after {wait:.3f} s (seed {seed}, {i})")
        if len(wrong) > wrong_before + 3:
            break
    return wrong, hits


@case("a training killed at random moments", expected="the same directory")
def a_few_at_random(t):
    whole = Reference(t)
    wrong, hits = at_random(t, whole, signal.SIGKILL.value, 3, 1)
    verdict(t, wrong, f"3 tried, {hits} before its end, no directory differed")


def stopped_at(trial, whole, chosen):
    """SIGTERM at each of these operations; it ends with 1 and a checkpoint, or at its end with 0. The differences, and how many stopped."""
    wrong, stops = [], 0
    for each in chosen:
        run = fresh(trial, "stopped")
        outcome = disturbed(trial, training(trial, run), run, each.number, "term")
        what = f"SIGTERM at {each.number} ({each.kind} {each.path})"
        if outcome.code not in (0, 1):
            wrong.append(f"{what}: expected a stop, got exit code {outcome.code}: {outcome.err.strip()[-200:]}")
        stops += outcome.code == 1
        wrong += finish(trial, run, whole.directory, what)
    return wrong, stops


def appended(whole):
    """The appended rows and events: training and evaluations lie between them."""
    return [each for each in whole.operations if each.kind == "write" and each.path.startswith(("metrics.", "events."))]


@case("a training stopped by SIGTERM while an evaluation on its way (sample_every) is scored",
      expected="it stops with a checkpoint; the evaluation is done by the same command, and the same directory comes out")
def stopped_in_an_evaluation(t):
    whole = Reference(t)
    # The last event of a step that is evaluated: what comes next is the evaluation.
    sheet = next(each.number for each in whole.operations if each.path == "samples/step_0002.png")
    wrong, stops = stopped_at(t, whole, [max((e for e in appended(whole) if e.number < sheet), key=lambda e: e.number)])
    t.equal(stops, 1)
    verdict(t, wrong, "no directory differed")


@case("a training stopped by SIGTERM at every row and event that it appends", expected="the same directory", slow=True)
def stopped_everywhere(t):
    whole = Reference(t)
    wrong, stops = stopped_at(t, whole, appended(whole))
    verdict(t, wrong, f"{len(appended(whole))} tried, {stops} before its end, no directory differed")


@case("a training stopped by SIGTERM at random moments", expected="it stops with a checkpoint, and the same directory comes out")
def terminated(t):
    whole = Reference(t)
    wrong, hits = at_random(t, whole, signal.SIGTERM.value, 4, 2)
    verdict(t, wrong, f"4 tried, {hits} before its end, no directory differed")


def random_part(number, parts, count, signal_number, what):
    @case(f"a training {what} at {count} random moments, part {number} of {parts}", expected="the same directory", slow=True)
    def random_moments(t):
        whole = Reference(t)
        wrong, hits = at_random(t, whole, signal_number.value, count, 100 + number)
        verdict(t, wrong, f"{count} tried, {hits} before its end, no directory differed")


for i in range(10):
    random_part(i + 1, 10, 100, signal.SIGKILL, "killed")
random_part(1, 1, 100, signal.SIGTERM, "stopped by SIGTERM")
