"""Every C and C++ block of documents compiles against the headers, as C11 and C++17, without warnings.

Usage: doc_blocks.py SOURCE_DIR DOCUMENT...

A block that has no function of its own is the body of one; its #include lines stay outside. `<!-- compile: DECLARATIONS -->` before a
block declares what it takes from its surroundings. A block of another language is not looked at.
"""
import pathlib
import re
import subprocess
import sys

import compilers

BLOCK = re.compile(r"(?:<!-- compile: (?P<given>.*?) -->\n)?```(?P<language>c|cpp)\n(?P<text>.*?)```", re.S)
FUNCTION = re.compile(r"^\w[^;={]*\)\s*\{", re.M)
FLAGS = {"c": ["-x", "c", "-std=c11"], "cpp": ["-x", "c++", "-std=c++17"]}


def program(given, text):
    includes = [line for line in text.splitlines() if line.startswith("#include")]
    rest = "\n".join(line for line in text.splitlines() if not line.startswith("#include"))
    if not FUNCTION.search(rest):
        rest = "void hn_block(void);\nvoid hn_block(void) {\n" + rest + "\n}"
    return "\n".join(includes + [given, rest, ""])


def failures(source, document):
    flags = [f"-I{source}/sdk/include", f"-I{source}/host/include", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-"]
    for block in BLOCK.finditer(document.read_text(encoding="utf-8")):
        code = program(block["given"] or "", block["text"])
        for pair in compilers.compilers():
            compiler = pair[0] if block["language"] == "c" else pair[1]
            done = subprocess.run([compiler, *FLAGS[block["language"]], *flags], input=code, capture_output=True, text=True)
            line = document.read_text(encoding="utf-8")[:block.start("text")].count("\n") + 1
            yield f"{document.name}:{line} ({compiler})", done.returncode, done.stderr


def main(source, documents):
    tried = bad = 0
    for document in documents:
        for name, code, text in failures(source, document):
            tried += 1
            if code != 0:
                bad += 1
                print(f"{name} does not compile:\n{text}")
    # The check itself: what does not compile is seen.
    broken = program("", "#include <hnhost/hnhost.h>\nhnhost_session_args args = {.struct_sise = 1};")
    seen = subprocess.run(["gcc", *FLAGS["c"], f"-I{source}/sdk/include", f"-I{source}/host/include", "-fsyntax-only", "-"],
                          input=broken, capture_output=True, text=True).returncode != 0
    print(f"{tried - bad} of {tried} compiled; a broken one is {'seen' if seen else 'NOT SEEN'}")
    return 1 if bad or not tried or not seen else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), [pathlib.Path(name) for name in sys.argv[2:]]))
