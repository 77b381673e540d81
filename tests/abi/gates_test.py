"""The gates themselves: released.py and baseline.py see each way to break a promise, and let each allowed growth through.

Usage: gates_test.py SOURCE_DIR
"""
import pathlib
import shutil
import sys
import tempfile

import baseline
from released import problems

OLD = ({"hn_call": "8", "hn_fn_v1": "16", "hn_str": "16", "HN_OK": "0", "HN_ABI_MINOR": "0"},
       {"hn_call": {"struct_size": "0 4", "flags": "4 4"}, "hn_fn_v1": {"open": "0 8", "close": "8 8"}, "hn_str": {"data": "0 8"}})


def changed(values=(), fields=()):
    new = ({**OLD[0], **dict(values)}, {name: dict(each) for name, each in OLD[1].items()})
    for struct, field, where in fields:
        new[1][struct][field] = where
    return new


BROKEN = {
    "a field moved": changed(fields=[("hn_call", "flags", "8 4")]),
    "a struct shrank": changed([("hn_call", "4")]),
    "a table grew": changed([("hn_fn_v1", "24")], [("hn_fn_v1", "shapes", "16 8")]),
    "a plain struct grew": changed([("hn_str", "24")]),
    "a code changed": changed([("HN_OK", "1")]),
    "the minor fell": changed([("HN_ABI_MINOR", "-1")]),
    "a constant went": ({k: v for k, v in OLD[0].items() if k != "HN_OK"}, OLD[1]),
    "a struct went": (OLD[0], {k: v for k, v in OLD[1].items() if k != "hn_call"}),
}
ALLOWED = {
    "nothing": changed(),
    "a struct grew at its end": changed([("hn_call", "16")], [("hn_call", "next", "8 8")]),
    "a new code": changed([("HN_NEW", "12")]),
    "the minor rose": changed([("HN_ABI_MINOR", "1")]),
}
bad = [f"not seen: {name}" for name, new in BROKEN.items() if not list(problems(OLD, new))]
bad += [f"refused: {name}: {list(problems(OLD, new))}" for name, new in ALLOWED.items() if list(problems(OLD, new))]


def header_with(source, folder, file, old, new):
    """A copy of the headers with one change, which the baseline of `source` is then compared with."""
    copy = pathlib.Path(folder) / "tree"
    for part in ("sdk/include", "host/include", "tests/abi/released"):
        shutil.copytree(source / part, copy / part, dirs_exist_ok=True)
    text = (copy / file).read_text()
    assert old in text, (file, old)
    (copy / file).write_text(text.replace(old, new, 1))
    return copy


def baseline_says(file, old, new):
    with tempfile.TemporaryDirectory() as folder:
        return baseline.main(header_with(SOURCE, folder, file, old, new), record=False)


SOURCE = pathlib.Path(sys.argv[1]).resolve()
FN, HNHOST = "sdk/include/hn/fn.h", "host/include/hnhost/hnhost.h"
for name, change, want in (
        ("nothing changed", (FN, "#endif", "#endif"), 0),
        ("another type of the same size", (FN, "uint64_t rng_seed;", "int64_t rng_seed;"), 1),
        ("another argument of a table's function", (FN, "(HN_CALL* close)(hn_fn*)", "(HN_CALL* close)(hn_saved*)"), 1),
        ("a function of hnhost.h is gone", (HNHOST, "HNHOST_API uint32_t hnhost_api_version(void);", ""), 1),
        ("a function of hnhost.h is new", (HNHOST, "HNHOST_API uint32_t hnhost_api_version(void);",
                                            "HNHOST_API uint32_t hnhost_api_version(void);\nHNHOST_API int hnhost_new_one(int);"), 0)):
    if baseline_says(*change) != want:
        bad.append(f"baseline: {name}: expected exit code {want}")
with tempfile.TemporaryDirectory() as folder:
    copy = header_with(SOURCE, folder, FN, "#endif", "#endif")
    (copy / baseline.BASELINE).unlink()
    if baseline.main(copy, record=False) != 1:
        bad.append("a missing baseline passed")
print("\n".join(bad) or f"{len(BROKEN)} broken promises seen, {len(ALLOWED)} changes allowed")
sys.exit(1 if bad else 0)
