"""Sizes and offsets of every struct of the contract, and its numbers and ids, by every compiler and mode, against layout.txt.

Usage: layout.py SOURCE_DIR [--record]

Structs, fields and macros are read from the headers, so that a new one cannot be forgotten. What of it may change once it is
released, released.py says.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import compilers

# Flags, codes, kinds, ids: what a peer compiled in.
CONSTANT = re.compile(r'^#define[ \t]+(HN[A-Z]*_\w+)[ \t]*(?:\\\n[ \t]*)?(\(?-?(?:0x[0-9a-f]+|\d+)u?\)?|"[^"]*")[ \t]*(?:/\*|$)', re.M)
FUNCTION = re.compile(r"\(HN_CALL\*\s*(\w+)\)\s*\(")


def strip(text):
    """Without comments and preprocessor lines."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", " ", text, flags=re.M)


def fields_of(body):
    names = []
    depth, start = 0, 0
    for i, c in enumerate(body):
        depth += (c == "(") - (c == ")")
        if c != ";" or depth:
            continue
        declaration, start = body[start:i].strip(), i + 1
        function = FUNCTION.search(declaration)
        if function:
            names.append(function.group(1))
        elif declaration:
            names += [re.search(r"(\w+)\s*(?:\[\w+\])?$", part.strip()).group(1) for part in declaration.split(",")]
    return names


def structs_of(path):
    text = strip(path.read_text())
    return [(m.group(2), fields_of(m.group(1))) for m in re.finditer(r"typedef struct \w+ \{(.*?)\} (\w+);", text, flags=re.S)]


def program(source):
    headers = sorted((source / "sdk/include/hn").glob("*.h")) + sorted((source / "host/include/hnhost").glob("*.h"))
    lines = ["#include <hn/hn.h>", "#include <hnhost/hnhost.h>", "#include <stdio.h>", "int main(void) {"]
    for header in headers:
        if header.name == "dlpack.h":
            continue
        for name, fields in structs_of(header):
            lines.append(f'  printf("{name} %zu\\n", sizeof({name}));')
            for field in fields:
                lines.append(f'  printf("{name}.{field} %zu %zu\\n", offsetof({name}, {field}), sizeof((({name}*)0)->{field}));')
    for header in headers:
        for name, value in CONSTANT.findall(header.read_text()):
            if value.startswith('"'):
                lines.append(f'  printf("%s %s\\n", "{name}", {name});')
            else:
                lines.append(f'  printf("{name} %lld\\n", (long long)({name}));')
    # Of DLPack only what crosses the boundary.
    lines.append('  printf("DLDevice %zu\\n", sizeof(DLDevice));')
    for field in ("code", "bits", "lanes"):
        lines.append(f'  printf("DLDataType.{field} %zu\\n", offsetof(DLDataType, {field}));')
    for field in ("data", "device", "ndim", "dtype", "shape", "strides", "byte_offset"):
        lines.append(f'  printf("DLTensor.{field} %zu\\n", offsetof(DLTensor, {field}));')
    return "\n".join(lines + ["  return 0;", "}", ""])


def table(source, folder, command):
    code, binary = folder / "layout.c", folder / "layout"
    code.write_text(program(source))
    subprocess.run(command + [f"-I{source}/sdk/include", f"-I{source}/host/include", str(code), "-o", str(binary)], check=True)
    return subprocess.run([str(binary)], check=True, capture_output=True, text=True).stdout


def main(source, record):
    recorded = source / "tests/abi/layout.txt"
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for mode, command in compilers.modes():
            got = table(source, pathlib.Path(folder), command)
            if record:
                recorded.write_text(got)
                print(f"recorded {len(got.splitlines())} lines as {mode} has them")
                record = False
            want = recorded.read_text()
            if got == want:
                continue
            failed += 1
            got_lines, want_lines = set(got.splitlines()), set(want.splitlines())
            print(f"{mode}: gone or changed: {sorted(want_lines - got_lines)}, new: {sorted(got_lines - want_lines)}")
    print("layouts differ from tests/abi/layout.txt" if failed else "every layout is the recorded one")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), "--record" in sys.argv[2:]))
