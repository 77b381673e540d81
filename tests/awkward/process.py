"""The process around the work: stdout that cannot be written, descriptors that are closed, a folder that is gone, little memory."""
import json
import resource
import signal
import subprocess

from suite import case
from unruly_files import picture

# Every verb that answers on stdout, short of those that take long: (name, arguments).
ANSWERS = [
    ("--help", ["--help"]), ("--version", ["--version"]), ("score --help", ["score", "--help"]), ("version", ["version"]),
    ("version --json", ["version", "--json"]), ("list", ["list"]), ("list --json", ["list", "--json"]), ("rewards", ["rewards"]),
    ("rewards --json", ["rewards", "--json"]), ("rewards --markdown", ["rewards", "--markdown"]), ("inspect", ["inspect", "clip"]),
    ("inspect --json", ["inspect", "clip", "--json"]), ("pull", ["pull"]), ("pull --json", ["pull", "--json"]),
    ("train --dry-run", ["train", "--reward", "redness", "--dry-run"]), ("score", ["score", "a.png", "--reward", "redness"]),
    ("score --json", ["score", "a.png", "--reward", "redness", "--json"]),
    ("score --image", ["score", "--image", "a.png", "--reward", "redness"]),
    ("compare", ["compare", "--reward", "redness", "one", "two"]), ("new", ["new", "reward", "thing", "--folder", "made"]),
    ("sample", ["sample", "--prompt", "a red cup", "--out-dir", "pictures"]),
]
LONG = [
    ("selftest", ["selftest", "--reward", "redness"]), ("validate", ["validate", "redness"]), ("validate --json", ["validate", "redness", "--json"]),
    ("train", ["--reward", "redness", "--measure", "redness", "--steps", "1", "--batch", "1", "--set", "eval.count=1", "--overwrite"]),
    ("train --json", ["--reward", "redness", "--measure", "redness", "--steps", "1", "--batch", "1", "--set", "eval.count=1", "--overwrite", "--json"]),
]


def through(redirection):
    """The command behind a shell's redirection: ">/dev/full"."""
    return ("sh", "-c", f'exec "$@" {redirection}', "sh")


def prepare(t):
    t.write("a.png", picture())
    for side in ("one", "two"):
        t.write(f"{side}/a.png", picture())


def not_written(t, answers, redirection, reason):
    prepare(t)
    for name, words in answers:
        outcome = t.hnhost(*words, wrapper=through(redirection))
        t.holds(outcome.code == 1, f"{name}: expected exit code 1, got {outcome.code}: {outcome.err[-300:]}")
        t.holds("hnhost: stdout: cannot be written: " + reason in outcome.err, f"{name}: stderr says {outcome.err[-300:]!r}")
        subprocess.run(["rm", "-rf", t.path("made"), t.path("pictures")], check=True)
    t.got(f"exit code 1 and \"stdout: cannot be written: {reason}\" for {len(answers)} verbs")


@case("stdout is full (/dev/full), every verb that answers there", expected="exit code 1, stdout and the reason named")
def full(t):
    not_written(t, ANSWERS, ">/dev/full", "No space left on device")


@case("stdout is full, the verbs that take longer", expected="exit code 1, stdout and the reason named", slow=True)
def full_long(t):
    not_written(t, LONG, ">/dev/full", "No space left on device")


@case("stdout is closed (>&-), every verb that answers there", expected="exit code 1, stdout and the reason named")
def closed(t):
    not_written(t, ANSWERS, ">&-", "Bad file descriptor")


@case("stdout is closed, the verbs that take longer", expected="exit code 1, stdout and the reason named", slow=True)
def closed_long(t):
    not_written(t, LONG, ">&-", "Bad file descriptor")


@case("an answer of 300 kB into a file that may hold 100 kB", expected="exit code 1, stdout and the reason named")
def limited(t):
    t.write("a.png", picture())
    many = "\n".join(json.dumps({"image": "a.png", "prompt": "x" * 2000}) for _ in range(150))

    def before():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    t.refused(["score", "--stdin", "--reward", "redness"], says=["stdout: cannot be written: File too large"], code=1, stdin=many, before=before)


@case("`score --stdin` into a full stdout: three requests", expected="ends at the first answer that is lost, exit code 1")
def service_full(t):
    t.write("a.png", picture())
    t.refused(["score", "--stdin", "--reward", "redness"], says=["stdout: cannot be written"], code=1, stdin='{"image": "a.png"}\n' * 3,
              wrapper=through(">/dev/full"))


@case("`hnhost list --json | head -c 1`: the reader leaves", expected="ends by SIGPIPE, silent, as Unix tools do; never with 0")
def reader_leaves(t):
    outcome = t.hnhost("list", "--json", wrapper=("bash", "-c", '"$@" | sleep 0; exit ${PIPESTATUS[0]}', "bash"))
    t.equal(outcome.code, 128 + signal.SIGPIPE)
    t.equal(outcome.err, "")
    t.got("exit code 141 (SIGPIPE), nothing on stderr")


@case("the same where SIGPIPE is ignored (as under systemd or nohup)", expected="exit code 1, stdout and the reason named")
def reader_leaves_ignored(t):
    t.refused(["list", "--json"], says=["stdout: cannot be written: Broken pipe"], code=1,
              wrapper=("bash", "-c", 'trap "" PIPE; "$@" | sleep 0; exit ${PIPESTATUS[0]}', "bash"))


@case("the reader of stderr leaves during a scoring (2>&1 | head)", expected="the work goes on to its end")
def stderr_reader_leaves(t):
    t.write("a.png", picture())
    outcome = t.hnhost("score", "a.png", "--reward", "redness", "--json", "--out", "scores.jsonl",
                       wrapper=("bash", "-c", '{ "$@" >answer; echo $? >code; } 2>&1 | sleep 0; wait', "bash"))
    del outcome
    t.equal(t.path("code").read_text().strip(), "0")
    t.equal(json.loads(t.path("answer").read_text())["scored"], 1)


@case("`score --stdin` with stdin closed (<&-), or a folder as stdin", expected="exit code 1, stdin and the reason named")
def stdin_closed(t):
    t.refused(["score", "--stdin", "--reward", "redness"], says=["[stdin] cannot be read: Bad file descriptor"], code=1, wrapper=through("<&-"))
    t.refused(["score", "--stdin", "--reward", "redness"], says=["[stdin] cannot be read: Is a directory"], code=1, wrapper=through("</"))


def run_files(t, folder):
    """name -> bytes of a run directory."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink()}


@case("a training with descriptors 0, 1 and 2 closed", expected="exit code 1 (its answer is lost), the run directory whole, no log in its files")
def all_closed(t):
    words = ["--reward", "redness", "--measure", "redness", "--steps", "2", "--batch", "1", "--set", "eval.count=1", "--out", "run"]
    outcome = t.hnhost(*words, wrapper=through("<&- >&- 2>&-"))
    t.equal(outcome.code, 1)
    rows = [json.loads(line) for line in t.path("run/metrics.jsonl").read_text().splitlines()]
    t.holds(len(rows) >= 2, f"metrics.jsonl has {len(rows)} rows")
    files = run_files(t, t.path("run"))
    for name in ("summary.json", "adapter/adapter_model.safetensors", "report.html", "config.toml"):
        t.holds(name in files, f"{name} is missing")
    for name, content in files.items():
        t.holds(b"hnhost: " not in content and b"step 1/2" not in content, f"the log went into {name}")
    t.got(f"exit code 1, {len(files)} files, metrics.jsonl of {len(rows)} rows and nothing else")


@case("each of descriptors 0, 1, 2 closed alone, `score --out`", expected="the table is right whatever is closed; exit code 1 only without stdout")
def one_closed(t):
    t.write("a.png", picture())
    t.fine(["score", "a.png", "--reward", "redness", "--out", "right.jsonl"])
    for which, code in (("<&-", 0), (">&-", 1), ("2>&-", 0), ("<&- 2>&-", 0), ("<&- >&-", 1), (">&- 2>&-", 1)):
        t.equal(t.hnhost("score", "a.png", "--reward", "redness", "--out", "got.jsonl", wrapper=through(which)).code, code)
        t.equal(t.path("got.jsonl").read_text(), t.path("right.jsonl").read_text())
        t.path("got.jsonl").unlink()
    t.got("six combinations: the same scores.jsonl each time")


@case("the working folder was deleted", expected="what needs LibTorch is refused with the reason; listing works")
def folder_gone(t):
    t.write("a.png", picture())
    inside = lambda *words: t.hnhost(*words, wrapper=("sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh"))
    says = ["the working folder cannot be told", "deleted"]
    outcome = inside("score", t.path("a.png"), "--reward", "redness")
    t.holds(outcome.code == 1 and all(text in outcome.err for text in says), f"{outcome.code}: {outcome.err[-300:]}")
    t.holds("MKL" not in outcome.err, outcome.err[-300:])
    t.equal(inside("list", "--json").code, 0)
    t.got(outcome.err.strip()[:150])


def under_limits(t, sizes, *words):
    """Ends of the command under `ulimit -v`: {size in MB: exit code}; each failure is told."""
    codes, crashes = {}, []
    for size in sizes:
        subprocess.run(["rm", "-rf", t.path("run")], check=True)

        def before():
            resource.setrlimit(resource.RLIMIT_AS, (size << 20, size << 20))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        outcome = t.hnhost(*words, before=before, env={"OMP_NUM_THREADS": "2"})
        if outcome.code == -signal.SIGSEGV and "ulimit -v" in outcome.err and "crashed" in outcome.err:
            crashes.append(size)  # LibTorch's libraries do not look at every allocation
            continue
        t.holds(outcome.code in (0, 1), f"{size} MB: {outcome.code}: {outcome.err[-300:]}")
        t.holds(outcome.code == 0 or outcome.err.strip(), f"{size} MB: exit code 1 without a message")
        codes[size] = outcome.code
    t.holds(10 * len(crashes) <= len(sizes), f"crashed at {crashes} MB")
    t.holds(codes[max(codes)] == 0, f"{max(codes)} MB are not enough")
    ends = list(codes.values())
    t.got(f"{len(sizes)} limits: {ends.count(1)} told failures, {ends.count(0)} done, {len(crashes)} crashes of LibTorch's libraries, told")


@case("`ulimit -v`, 24 sizes from 64 MB to 6 GB, list and score",
      expected="done, or exit code 1 with a message; where a numeric library crashes for want of memory, a message that says so")
def little_memory(t):
    t.write("a.png", picture())
    under_limits(t, (64, 96, 128, 6000), "list", "--json")
    under_limits(t, (100, 200, 300, 340, 360, *range(370, 450, 8), 470, 500, 600, 1000, 6000), "score", "a.png", "--reward", "redness")


@case("`ulimit -v`, 70 sizes, score and train",
      expected="done, or exit code 1 with a message; where a numeric library crashes for want of memory, a message that says so", slow=True)
def little_memory_long(t):
    t.write("a.png", picture())
    under_limits(t, (*range(340, 480, 4), 6000), "score", "a.png", "--reward", "redness")
    under_limits(t, (*range(380, 700, 10), 6000), "--reward", "redness", "--measure", "redness", "--steps", "1", "--batch", "1", "--set", "eval.count=1", "--out", "run")
