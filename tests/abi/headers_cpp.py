"""Every public header of the SDK's C++ layers and blocks compiles alone, twice included, without a warning.

Usage: headers_cpp.py SOURCE_DIR [LIBTORCH_DIR]

Without LIBTORCH_DIR those that need no LibTorch (hn/c, hn/cpp, hn/formats, hn/text), by gcc and clang; with it the others, by gcc:
some seconds each.
"""
import concurrent.futures
import pathlib
import shutil
import subprocess
import sys

PLAIN = ["cpp", "formats", "text"]
TORCH = ["torch", "nn", "reward", "generator"]
# hn/c/reward.h is a plugin's whole file but for the formula.
C_REWARD = """#define C_REWARD "x"
#define C_REWARD_VERSION "0.1.0"
#include <hn/c/reward.h>
static int c_reward_score(const c_reward_options* o, const c_reward_picture* p, double* score, float* grad) {
  (void)o, (void)p, (void)grad;
  *score = 0;
  return 0;
}
"""


def main(source, libtorch):
    include = source / "sdk/include"
    flags = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{include}"]
    if libtorch:
        flags += ["-isystem", f"{libtorch}/include", "-isystem", f"{libtorch}/include/torch/csrc/api/include"]
    jobs = []
    for block in TORCH if libtorch else PLAIN:
        for path in sorted((include / "hn" / block).glob("*.hpp")):
            name = path.relative_to(include).as_posix()
            for compiler in ("g++",) if libtorch else ("g++", "clang++"):
                jobs.append((name, f"#include <{name}>\n" * 2, [compiler, "-std=c++20", "-x", "c++"]))
    if not libtorch:
        for compiler in ("gcc", "clang"):
            jobs.append(("hn/c/reward.h", C_REWARD, [compiler, "-std=c11", "-x", "c"]))
    jobs = [job for job in jobs if shutil.which(job[2][0])]

    def compile_one(job):
        name, text, command = job
        run = subprocess.run(command + flags + ["-"], input=text, capture_output=True, text=True)
        return None if run.returncode == 0 else f"{name} by {command[0]}:\n{run.stderr[:2000]}"

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        failures = [text for text in pool.map(compile_one, jobs) if text]
    for text in failures:
        print(text)
    print(f"{len(jobs) - len(failures)} of {len(jobs)} compiled")
    return 1 if failures or not jobs else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
