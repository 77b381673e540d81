"""Every C header of the contract compiles alone: as C11, C17, C++11 to C++20, by gcc and clang, also with short enums.

Usage: headers.py SOURCE_DIR
"""
import concurrent.futures
import pathlib
import subprocess
import sys

import compilers


def main(source):
    includes = [source / "sdk/include", source / "host/include"]
    headers = sorted(p.relative_to(includes[0]) for p in (includes[0] / "hn").glob("*.h"))
    headers += sorted(p.relative_to(includes[1]) for p in (includes[1] / "hnhost").glob("*.h"))
    flags = [f"-I{path}" for path in includes] + ["-fsyntax-only", "-"]

    def compile_one(header, mode, command):
        # Included twice: the guard is part of the promise.
        text = f"#include <{header.as_posix()}>\n" * 2 + "int hn_header_test;\n"
        run = subprocess.run(command + flags, input=text, capture_output=True, text=True)
        return None if run.returncode == 0 else f"{header} as {mode}:\n{run.stderr}"

    jobs = [(header, mode, command) for header in headers for mode, command in compilers.modes()]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        failures = [text for text in pool.map(lambda job: compile_one(*job), jobs) if text]
    for text in failures:
        print(text)
    print(f"{len(jobs) - len(failures)} of {len(jobs)} compiled ({len(headers)} headers)")
    return 1 if failures or not jobs else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
