"""A suite of cases against the built hnhost: each case makes its files, runs the command and says what came.

A file of cases is a module beside its suite's run.py. Each case is a function with the decorator:

    @case("a PNG whose pixels' checksum is wrong", expected="refused, the file and CRC named")
    def wrong_crc(t):
        picture = t.write("a.png", damaged_png())
        t.refused(["score", picture, "--reward", "redness"], says=["a.png", "CRC"])

`t` is a Trial below; a case that returns passed, and what it set with t.got(...) stands in the table. Standard library only.
"""
import argparse
import dataclasses
import importlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class Case:
    topic: str
    name: str
    expected: str
    body: object
    slow: bool = False


CASES = []


def case(name, expected, slow=False):
    """Adds the decorated function to the suite; its module's name is the topic. slow: in the long form only."""

    def add(body):
        CASES.append(Case(body.__module__, name, expected, body, slow))
        return body

    return add


class Failed(AssertionError):
    """What came is not what was expected."""


@dataclasses.dataclass
class Outcome:
    code: int  # the exit code; negative: the signal that ended it
    out: str
    err: str
    seconds: float = 0.0
    peak_mib: int = 0

    def json(self):
        return json.loads(self.out)


class Trial:
    """What a case works with: a folder of its own, the command, and what to say of the result."""

    def __init__(self, command, folder):
        self.command, self.folder, self.text = pathlib.Path(command), pathlib.Path(folder), ""

    def path(self, name):
        return self.folder / name

    def write(self, name, content):
        """Writes text (as UTF-8) or bytes, and returns the path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def got(self, text):
        """What the table says came."""
        self.text = str(text)

    def hnhost(self, *arguments, env=None, stdin=None, timeout=300, cwd=None, before=None, wrapper=()):
        """Runs hnhost to its end. env: laid over a clean environment (None removes); before: called in the child."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HN_", "XDG_", "HF_", "LC_"))}
        clean.update(HOME=str(self.folder / "home"), LC_ALL="C.UTF-8")
        for key, value in (env or {}).items():
            clean.pop(key, None) if value is None else clean.__setitem__(key, str(value))
        out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        begin = time.monotonic()
        process = subprocess.Popen([*map(str, wrapper), str(self.command), *map(str, arguments)], env=clean, stdout=out,
                                   stderr=err, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                                   cwd=cwd or self.folder, preexec_fn=before)
        try:
            if stdin is not None:
                try:
                    process.stdin.write(stdin.encode() if isinstance(stdin, str) else stdin)
                    process.stdin.close()
                except BrokenPipeError:
                    pass
            usage, code = self._wait(process, timeout)
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
        return Outcome(code, *texts, time.monotonic() - begin, usage.ru_maxrss >> 10)

    @staticmethod
    def _wait(process, timeout):
        # HN_PATIENCE: a factor for machines that do other work meanwhile.
        limit = time.monotonic() + timeout * float(os.environ.get("HN_PATIENCE", "1"))
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return usage, process.returncode
            if time.monotonic() > limit:
                raise Failed(f"hung: no end within {timeout} s")
            time.sleep(0.005)

    def fine(self, arguments, **more):
        """hnhost ends with 0; its outcome."""
        outcome = self.hnhost(*arguments, **more)
        if outcome.code != 0:
            raise Failed(f"expected exit code 0, got {outcome.code}: {outcome.err.strip()[-600:]}")
        return outcome

    def refused(self, arguments, says=(), code=(1, 2), **more):
        """hnhost ends with one of `code` (never by a signal), and stderr names every text of `says`; its outcome."""
        outcome = self.hnhost(*arguments, **more)
        codes = (code,) if isinstance(code, int) else tuple(code)
        if outcome.code not in codes:
            raise Failed(f"expected exit code {codes}, got {outcome.code}: {(outcome.err or outcome.out).strip()[-600:]}")
        missing = [text for text in says if text not in outcome.err]
        if missing:
            raise Failed(f"the message lacks {missing}: {outcome.err.strip()[-600:]}")
        if not self.text:
            lines = [line for line in outcome.err.splitlines() if line.startswith("hnhost: ")] or outcome.err.splitlines()
            self.got(lines[-1][:200] if lines else "no message")
        return outcome

    def scores(self, arguments, **more):
        """`hnhost score ... --json`: the rows, as {"image", "prompt", "scores", "error"?}."""
        answer = self.fine(["score", *arguments, "--json"], **more).json()
        return answer["rows"] if "rows" in answer else answer

    def score(self, picture, reward="redness", prompt=None, extra=()):
        """One picture's score by one reward."""
        words = [picture, "--reward", reward, *(["--prompt", prompt] if prompt else []), *extra]
        row = self.scores(words)[0]
        if row.get("error"):
            raise Failed(f"expected a score, got: {row['error']}")
        return row["scores"][reward]

    def equal(self, got, wanted, tolerance=0.0):
        """Numbers within an absolute tolerance, anything else exactly."""
        number = isinstance(wanted, (int, float)) and not isinstance(wanted, bool)
        same = got is not None and abs(got - wanted) <= tolerance if number and tolerance else got == wanted
        if not same:
            raise Failed(f"expected {wanted}, got {got}")

    def holds(self, condition, text):
        if not condition:
            raise Failed(text)


def run_case(each, command):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hn-suite-"))
    trial = Trial(command, folder)
    try:
        each.body(trial)
        # Where the case's files lay, and the tree, differ from machine to machine.
        return True, trial.text.replace(f"{folder}/", "").replace(f"{ROOT}/", "") or "as expected"
    except Failed as failure:
        return False, str(failure)
    except Exception:  # a case's own mistake must not hide the others
        return False, traceback.format_exc(limit=4)
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


def table(results, title, intro):
    cell = lambda text: " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")
    lines = [f"# {title}", "", intro, ""]
    for topic in dict.fromkeys(each.topic for each, _, _ in results):
        rows = [r for r in results if r[0].topic == topic]
        lines += [f"## {topic.replace('_', ' ')}", "", "| tried | expected | got |", "| --- | --- | --- |"]
        lines += [f"| {cell(e.name)} | {cell(e.expected)} | {'' if good else '**wrong:** '}{cell(text)} |" for e, good, text in rows]
        lines.append("")
    return "\n".join(lines)


def main(folder, title, intro):
    """The command line of a suite: run.py [--hnhost FILE] [--topic NAME]... [-k TEXT] [--slow] [--table FILE]."""
    parser = argparse.ArgumentParser(description=intro)
    parser.add_argument("--hnhost", default=ROOT / "build/release/bin/hnhost")
    parser.add_argument("--topic", action="append", help="only these files of cases; repeat")
    parser.add_argument("-k", default="", help="only cases whose name has this text")
    parser.add_argument("--slow", action="store_true", help="the long form")
    parser.add_argument("--table", help="write the table of results here")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.path.insert(0, str(folder))
    modules = sorted(p.stem for p in pathlib.Path(folder).glob("*.py") if p.stem not in ("run", "__init__") and not p.stem.endswith("_files"))
    for name in modules:
        if not arguments.topic or name in arguments.topic:
            importlib.import_module(name)
    chosen = [c for c in CASES if arguments.k in c.name and (arguments.slow or not c.slow)]
    if not chosen:
        sys.exit("no case of that name")
    results = []
    for each in chosen:
        good, text = run_case(each, pathlib.Path(arguments.hnhost).resolve())
        print(f"{'ok    ' if good else 'FAILED'} {each.topic}: {each.name}" + ("" if good else f"\n       {text}"), flush=True)
        results.append((each, good, text))
    failed = sum(not good for _, good, _ in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    if arguments.table:
        pathlib.Path(arguments.table).write_text(table(results, title, intro))
    sys.exit(1 if failed else 0)
