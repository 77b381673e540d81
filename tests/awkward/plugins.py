"""Plugins that misbehave in the process, and bundles that are not what they look like."""
import hashlib
import os
import resource
import shutil
import signal

from suite import case
from unruly_files import bundle, copy_of, installed, picture


def deed(name, at="forward", after=0):
    """Flags that let the reward unruly do it."""
    options = (("deed", name), ("at", at), ("after", after))
    return [word for key, value in options for word in ("--reward-option", f"unruly.{key}={value}")]


def limits():
    """No core files, and a stack that ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))


def score(t, *flags, extra=(), pictures=("a.png",), **more):
    """`hnhost score` by unruly and, after it, by redness."""
    for name in pictures:
        t.write(name, picture())
    if not t.path("bundles").exists():
        bundle(t.path("bundles"))
    words = ["score", *pictures, "--plugin-path", t.path("bundles"), "--reward", "unruly,redness", *flags, "--json", *extra]
    return t.hnhost(*words, before=limits, **more)


def train(t, *flags, steps=3):
    if not t.path("bundles").exists():
        bundle(t.path("bundles"))
    words = ["--plugin-path", t.path("bundles"), "--reward", "unruly", "--measure", "redness", "--steps", steps, "--batch", 1,
             "--set", "eval.count=1", "--out", "run"]
    return t.hnhost(*words, *flags, before=limits)


def says(t, outcome, code, *texts):
    t.holds(outcome.code == code, f"expected {code}, got {outcome.code}: {outcome.err.strip()[-400:]}")
    missing = [text for text in texts if text not in outcome.err]
    t.holds(not missing, f"the message lacks {missing}: {outcome.err.strip()[-500:]}")
    lines = [line for line in outcome.err.splitlines() if line.startswith("hnhost: ")]
    t.got(f"{'exit code' if code >= 0 else 'signal'} {abs(code)}: {lines[-1].replace(str(t.folder), '')[:220] if lines else 'no message'}")


def each_exit(t, at, where):
    for name, call in (("exit", "exit(0)"), ("_exit", "_exit(0)"), ("_Exit", "_Exit(0)"), ("quick_exit", "quick_exit(0)"), ("exit3", "exit(3)")):
        says(t, score(t, *deed(name, at)), 1, "plugin 'unruly' (", "libunruly.so) ended the process in " + where, "it called " + call)


@case("a reward calls exit, _exit, _Exit or quick_exit while it scores", expected="exit code 1; plugin, library and function named")
def exits(t):
    each_exit(t, "forward", "score")


@case("the same in create", expected="exit code 1; plugin, library and function named")
def exits_in_create(t):
    each_exit(t, "create", "create")


@case("a reward calls exit(0) in the second step of a training", expected="exit code 1; plugin, function and step named")
def exit_in_training(t):
    says(t, train(t, *deed("exit", "backward", 1)), 1, "plugin 'unruly'", "in score backward at step 2", "it called exit(0)")


@case("a thread of a plugin calls exit(0)", expected="exit code 1; the plugin named")
def exit_in_thread(t):
    says(t, score(t, *deed("exit_in_a_thread")), 1, "while plugin 'unruly'", "it called exit(0)")


@case("a library calls exit(0) while it is loaded", expected="exit code 1; the plugin named")
def exit_at_load(t):
    bundle(t.path("bundles"), ('-DLOAD_DEED="exit"',))
    says(t, score(t), 1, "plugin 'unruly'", "in load", "it called exit(0)")


@case("a plugin leaves an atexit handler that calls _exit(0), and the command fails", expected="the failure's exit code stands")
def leave_at_exit(t):
    t.equal(score(t, *deed("leave_at_exit"), extra=["--strict", "missing.png"]).code, 1)


@case("a plugin forks a process that ends with _exit(0)", expected="nothing happens: that process may")
def fork(t):
    outcome = score(t, *deed("fork"))
    t.equal((outcome.code, outcome.err.count("ended the process")), (0, 0))


CRASHES = (("segv", signal.SIGSEGV, "Segmentation fault"), ("raise_segv", signal.SIGSEGV, "Segmentation fault"), ("bus", signal.SIGBUS, "Bus error"),
           ("fpe", signal.SIGFPE, "Floating point exception"), ("ill", signal.SIGILL, "Illegal instruction"), ("abort", signal.SIGABRT, "Aborted"))


@case("a reward crashes: segmentation fault, bus error, division by zero, illegal instruction, abort",
      expected="plugin, library and function named; ends by the same signal as without the message")
def crashes(t):
    for name, number, text in CRASHES:
        says(t, score(t, *deed(name)), -number, "plugin 'unruly' (", "libunruly.so) crashed in score: " + text)


@case("a reward crashes in the third step of a training", expected="the step named")
def crash_in_training(t):
    says(t, train(t, *deed("segv", "backward", 2)), -signal.SIGSEGV, "plugin 'unruly'", "crashed in score backward at step 3: Segmentation fault")


@case("a reward recurses without end", expected="named as the others, with the word stack; SIGSEGV")
def run_over(t):
    says(t, score(t, *deed("run_over")), -signal.SIGSEGV, "plugin 'unruly'", "crashed in score: Segmentation fault", "stack ran over")


@case("a thread of a plugin crashes", expected="the plugin that ran named; SIGSEGV")
def crash_in_thread(t):
    says(t, score(t, *deed("crash_in_a_thread")), -signal.SIGSEGV, "a thread crashed while plugin 'unruly'", "in score")


@case("a library crashes while it is loaded, or in create", expected="plugin and function named; SIGSEGV")
def crash_at_load(t):
    says(t, score(t, *deed("segv", "create")), -signal.SIGSEGV, "plugin 'unruly'", "crashed in create")
    shutil.rmtree(t.path("bundles"))
    bundle(t.path("bundles"), ('-DLOAD_DEED="segv"',))
    says(t, score(t), -signal.SIGSEGV, "plugin 'unruly'", "crashed in load")


@case("a plugin ends the thread with pthread_exit", expected="not 0; the plugin named")
def pthread_exit(t):
    outcome = score(t, *deed("pthread_exit"))
    t.holds(outcome.code != 0, "exit code 0")
    t.holds("plugin 'unruly'" in outcome.err, outcome.err[-300:])
    t.got(f"signal {-outcome.code}, the plugin named")


@case("a crash leaves a core file as before", expected="the process ends by the signal itself, not by an exit code")
def core(t):
    t.write("a.png", picture())
    bundle(t.path("bundles"))
    outcome = t.hnhost("score", "a.png", "--plugin-path", t.path("bundles"), "--reward", "unruly", *deed("abort"), before=limits)
    says(t, outcome, -signal.SIGABRT, "Aborted (signal 6)")


@case("a reward throws a C++ exception through the C interface", expected="an error that names the plugin and says what was thrown")
def throws(t):
    for at, where in (("forward", "unruly: score: "), ("create", "unruly: create: ")):
        outcome = score(t, *deed("throw", at))
        t.holds(outcome.code == 1, f"exit code {outcome.code}")
        t.holds(where + "an exception left the plugin: thrown on purpose" in outcome.err + outcome.out, (outcome.out + outcome.err)[-400:])
    says(t, train(t, *deed("throw", "backward", 1)), 1, "unruly: score backward: an exception left the plugin: thrown on purpose")


@case("a reward fails with a code", expected="an error that names the plugin")
def fails(t):
    outcome = score(t, *deed("fail"))
    t.equal(outcome.code, 1)
    t.holds("unruly: score: " in outcome.out + outcome.err, (outcome.out + outcome.err)[-300:])


MODES = (("rounding", "the rounding mode"), ("flush", "flushing of tiny numbers to zero"), ("traps", "the traps of floating-point exceptions"),
         ("locale", "the locale (C before"), ("thread_locale", "the thread's locale"))
PLACES = (("folder", "the working folder ("), ("umask", "the umask (0022 before, 0000 after)"), ("handler", "the handler of signal Interrupt"),
          ("mask", "the mask of signals"))


def refused_deeds(t, deeds):
    for name, what in deeds:
        outcome = score(t, *deed(name))
        text = outcome.err + outcome.out
        t.holds(outcome.code == 1, f"{name}: exit code {outcome.code}")
        t.holds("unruly: score: the plugin changed " + what in text, f"{name}: {text[-400:]}")
    t.got("exit code 1: " + ", ".join(what.split(" (")[0] for _, what in deeds))


@case("a reward leaves another rounding mode, flush to zero, unmasked traps, another locale", expected="refused; the plugin and the mode named")
def modes(t):
    refused_deeds(t, MODES if os.uname().machine == "x86_64" else MODES[:1] + MODES[3:])


@case("a reward leaves another working folder, umask, signal handler or signal mask", expected="refused; the plugin and the change named")
def places(t):
    os.umask(0o022)
    refused_deeds(t, PLACES)


@case("the same in the second step of a training", expected="refused, at that step", slow=True)
def modes_in_training(t):
    says(t, train(t, *deed("rounding", "backward", 1)), 1, "unruly: score backward: the plugin changed the rounding mode")


@case("a reward leaves other modes when it is created", expected="put back, with a warning: the scores are those of a quiet plugin")
def modes_in_create(t):
    os.umask(0o022)
    quiet = score(t, *deed("nothing", "create"))
    for name, what in MODES[:1] + MODES[3:] + PLACES:
        outcome = score(t, *deed(name, "create"))
        t.holds(outcome.code == 0 and outcome.json()["rows"] == quiet.json()["rows"], f"{name}: {outcome.err[-300:]}")
        t.holds("unruly: create: the plugin changed " + what in outcome.err, f"{name}: {outcome.err[-300:]}")


@case("a library linked with -ffast-math switches flush to zero on when it is loaded", expected="put back, with a warning that names it")
def fast_math(t):
    bundle(t.path("bundles"), ("-ffast-math",))
    outcome = score(t)
    if os.uname().machine == "x86_64":
        says(t, outcome, 0, "plugin unruly (", "loading it changed flushing of tiny numbers to zero", "-ffast-math")


# ---- bundles

@case("--plugin-path has a bundle of an installed name whose plugin.toml is broken", expected="refused; both named, the installed one is not used in its place")
def broken_in_front(t):
    t.write("a.png", picture())
    copy = copy_of(t.command, "redness", t.path("mine"))
    text = (copy / "plugin.toml").read_text()
    breaks = {
        "not TOML": text + "\n[[[\n",
        "an unknown key": text.replace('licence = ', 'license = '),
        "another schema": text.replace("schema = 1", "schema = 9"),
        "no library": text.replace("libredness.so", "libnone.so"),
        "empty": "",
    }
    for content in breaks.values():
        (copy / "plugin.toml").write_text(content)
        for where in ({"extra": ["--plugin-path", t.path("mine")]}, {"env": {"HN_PLUGIN_PATH": t.path("mine")}}):
            for name in ("redness", "red") if content else ("redness",):
                t.refused(["score", "a.png", "--reward", name, *where.get("extra", [])], env=where.get("env"),
                          says=[f"no reward '{name}'", "its bundle is broken", str(copy), str(installed(t.command, "redness"))])
    (copy / "plugin.toml").unlink()
    t.refused(["score", "a.png", "--reward", "redness", "--plugin-path", t.path("mine")], says=["its bundle is broken", str(copy)])
    t.got(f"refused, both named: {', '.join(breaks)}, no plugin.toml")


@case("the same, listed", expected="the broken one with its reason; the installed one as shadowed by it, and not among the rewards")
def broken_listed(t):
    copy = copy_of(t.command, "redness", t.path("mine"))
    (copy / "plugin.toml").write_text("schema = 9\nname = \"redness\"\n")
    answer = t.fine(["list", "--json", "--plugin-path", t.path("mine")]).json()
    rows = {row["path"]: row for row in answer["plugins"]}
    t.equal(rows[str(copy)]["status"], "broken")
    t.equal(rows[str(installed(t.command, "redness"))]["status"], "shadowed")
    t.holds("broken bundle" in rows[str(installed(t.command, "redness"))]["reason"], "the reason does not say so")
    t.holds("redness" not in [row["name"] for row in answer["rewards"]], "redness is among the rewards")


@case("a broken bundle of another name in --plugin-path", expected="a row of the list; the installed rewards work")
def broken_other(t):
    t.write("mine/other.hnp/plugin.toml", "schema = 9\nname = \"other\"\n")
    t.write("a.png", picture())
    t.fine(["score", "a.png", "--reward", "redness", "--plugin-path", t.path("mine")])


@case("--plugin-path names a folder that is not there", expected="a warning that names it")
def no_folder(t):
    t.write("a.png", picture())
    outcome = t.fine(["score", "a.png", "--reward", "redness", "--plugin-path", t.path("typo")])
    t.holds("typo: cannot be searched" in outcome.err, f"stderr: {outcome.err[-300:]}")


@case("a library that is a symlink out of its bundle", expected="refused; link and target named")
def link_out(t):
    t.write("a.png", picture())
    copy = copy_of(t.command, "redness", t.path("mine"))
    library = copy / "libredness.so"
    library.rename(t.path("elsewhere.so"))
    library.symlink_to(t.path("elsewhere.so"))
    t.refused(["score", "a.png", "--reward", "redness", "--plugin-path", t.path("mine")], says=["leads out of the bundle", str(library), "elsewhere.so"])
    library.unlink()
    (copy / "lib").mkdir()
    shutil.copy(t.path("elsewhere.so"), copy / "lib/real.so")
    library.symlink_to("lib/real.so")
    t.fine(["score", "a.png", "--reward", "redness", "--plugin-path", t.path("mine")])


@case("a bundle whose files are all links into a store (GNU stow, Nix)", expected="works")
def stow(t):
    t.write("a.png", picture())
    copy = copy_of(t.command, "redness", t.path("store"))
    farm = t.path("mine/redness.hnp")
    farm.mkdir(parents=True)
    for path in copy.iterdir():
        (farm / path.name).symlink_to(path)
    t.fine(["score", "a.png", "--reward", "redness", "--plugin-path", t.path("mine")])


@case("bundle, library, manifest or the folder around the bundle can be written by everybody", expected="a warning that names the place; none in a sticky folder such as /tmp, none for a group")
def writable(t):
    t.write("a.png", picture())
    words = ["score", "a.png", "--reward", "redness", "--plugin-path", t.path("mine")]
    copy = copy_of(t.command, "redness", t.path("mine"))
    for path, mode in ((copy, 0o777), (copy, 0o1777), (copy / "libredness.so", 0o666), (copy / "plugin.toml", 0o646), (copy.parent, 0o777)):
        for clean in (copy.parent, copy, *copy.iterdir()):
            clean.chmod(0o775 if clean.is_dir() else 0o664)
        path.chmod(mode)
        outcome = t.fine(words)
        t.holds(f"{path} can be changed by every user" in outcome.err, f"{path} {mode:o}: {outcome.err[-300:]}")
        t.holds("can be changed" not in t.fine([*words, "--quiet"]).err, "--quiet is not quiet")
        path.chmod(0o775 if path.is_dir() else 0o664)
    copy.parent.chmod(0o1777)
    t.equal("can be changed" in t.fine(words).err, False)


@case("a library that was changed after its bundle was made", expected="refused, both hashes named, no code of it runs")
def changed(t):
    t.write("a.png", picture())
    copy = copy_of(t.command, "redness", t.path("mine"))
    content = (copy / "libredness.so").read_bytes()
    (copy / "libredness.so").write_bytes(content + b"more")
    t.refused(["score", "a.png", "--reward", "redness", "--plugin-path", t.path("mine")], says=["expected sha256", hashlib.sha256(content + b"more").hexdigest()])
