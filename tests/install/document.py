"""Runs a document: its shell blocks as they stand, in order, in one folder, after writing the files that it shows.

Usage: document.py WORK_DIR DOCUMENT

A block after `<!-- file: NAME -->` is written to NAME in the current folder; one after `<!-- test: skip -->` is left out. `cd` and
`export` carry over. Only ```sh blocks are run.
"""
import pathlib
import re
import shutil
import subprocess
import sys

import stranger

BLOCK = re.compile(r"(?:<!-- (?P<note>file: \S+|test: skip) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.S)


def script(document):
    lines = ["set -eux"]
    for n, block in enumerate(BLOCK.finditer(document.read_text())):
        note, text = block["note"] or "", block["text"]
        if note.startswith("file: "):
            lines.append(f"cat > {note[6:]} <<'END_OF_BLOCK_{n}'\n{text}END_OF_BLOCK_{n}")
        elif block["language"] == "sh" and note != "test: skip":
            lines.append(text)
    return "\n".join(lines) + "\n"


def main(work, document):
    folder = work / f"document_{document.stem}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    env = stranger.environment(work / "moved", folder)
    code = script(document)
    assert code.count("\n") > 5, "no commands in the document"
    done = subprocess.run(["bash", "-c", code], cwd=folder, env=env)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
