"""What a stranger has: an installed hn, a compiler, and an environment without anything of the source tree."""
import os
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


def configure_and_build(source, build, prefix, compilers, env):
    cc, cxx = compilers
    env = dict(env, CC=cc, CXX=cxx)
    run("cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release", env=env,
        stdout=subprocess.DEVNULL)
    run("cmake", "--build", build, env=env)
