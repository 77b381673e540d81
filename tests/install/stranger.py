"""What a stranger has: an installed hn, a compiler, and an environment without anything of the source tree."""
import json
import os
import shutil
import subprocess
import sys


def run(*command, **options):
    """Runs a command, shows it, and fails with it."""
    words = [str(word) for word in command]
    print("$", " ".join(words), flush=True)
    done = subprocess.run(words, **options)
    if done.returncode != 0:
        sys.exit(f"{words[0]} ended with {done.returncode}")


def output(*command, **options):
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def environment(prefix, home):
    """The install's command in PATH, an empty home, no variable of hn's."""
    keep = {key: value for key, value in os.environ.items()
            if not key.startswith(("HN_", "XDG_", "CMAKE_", "LD_")) and key not in ("CC", "CXX")}
    keep.update(HN=str(prefix), HOME=str(home), PATH=f"{prefix}/bin:{keep.get('PATH', '/usr/bin:/bin')}",
                OMP_WAIT_POLICY="PASSIVE")
    return keep


def with_ccache(env):
    """The environment and CMake's words for compiling through the cache that builds of hn use, where there is one: the tests
    compile the same files at each run. Precompiled headers need the sloppiness that ccache's manual names for them."""
    if not shutil.which("ccache"):
        return env, []
    folder = subprocess.run(["ccache", "-k", "cache_dir"], capture_output=True, text=True).stdout.strip()
    env = dict(env, CCACHE_DIR=os.environ.get("CCACHE_DIR", folder), CCACHE_SLOPPINESS="pch_defines,time_macros")
    return env, ["-DCMAKE_C_COMPILER_LAUNCHER=ccache", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"]


def nvcc():
    """CUDA's compiler, found as templates/reward_cuda finds it, or None."""
    return os.environ.get("CUDACXX") or shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")


def configure_and_build(source, build, prefix, compilers, env, *more):
    """more: further words for the configure step."""
    cc, cxx = compilers
    env, launchers = with_ccache(dict(env, CC=cc, CXX=cxx))
    if launchers and "clang" not in cxx:
        launchers.append("-DCMAKE_CXX_FLAGS=-fpch-preprocess")
    run("cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release", *launchers, *more, env=env,
        stdout=subprocess.DEVNULL)
    run("cmake", "--build", build, "-j", str(os.cpu_count()), env=env)


def validate(bundle, env, options=()):
    """The contract suite on a bundle; fails with the rows that did not pass, else returns the report."""
    words = [word for option in options for word in ("--set", option)]
    done = subprocess.run(["hnhost", "validate", str(bundle), "--json", *words], env=env, capture_output=True, text=True)
    if not done.stdout:
        sys.exit(f"hnhost validate {bundle} ended with {done.returncode}\n{done.stderr}")
    report = json.loads(done.stdout)
    bad = [row for row in report["checks"] if row["status"] not in ("passed", "skipped")]
    assert report["ok"] and not bad, bad
    assert report["passed"] > 30, report
    return report
