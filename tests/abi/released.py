"""What was released stays: every table in released/ is a prefix of today's contract (layout.txt), line by line.

Usage: released.py SOURCE_DIR

- A function table (a struct without struct_size) never changes at all.
- A struct with struct_size keeps every field where it is; it may grow at its end, so its size may only rise.
- The shape of what has neither (hn_str, hn_stream, hn_shape, hn_named_tensor, DLPack's) never changes.
- Flags, codes, ids and other numbers keep their values; HN_ABI_MINOR may rise.

Each release puts its layout.txt there, as NAME.txt.
"""
import pathlib
import sys


def read(path):
    """{struct or constant: value}, {struct: {field: text}}"""
    values, fields = {}, {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(" ")
        if "." in name:
            struct, _, field = name.partition(".")
            fields.setdefault(struct, {})[field] = value
        else:
            values[name] = value
    return values, fields


def problems(old, new):
    old_values, old_fields = old
    new_values, new_fields = new
    for name, value in old_values.items():
        now = new_values.get(name)
        if now is None:
            yield f"{name} is gone"
        elif name == "HN_ABI_MINOR":
            if int(now) < int(value):
                yield f"{name} fell from {value} to {now}"
        elif now != value:
            grows = "struct_size" in old_fields.get(name, {})
            if not grows or int(now) < int(value):
                yield f"{name} was {value}, is {now}" + ("" if grows else ", and may not change")
    for struct, fields in old_fields.items():
        now = new_fields.get(struct, {})
        for field, where in fields.items():
            if now.get(field) != where:
                yield f"{struct}.{field} was at {where}, is at {now.get(field)}"
        added = [field for field in now if field not in fields]
        if added and "struct_size" not in fields:
            yield f"{struct} has no struct_size, and got {', '.join(added)}"


def main(source):
    folder = source / "tests/abi"
    today = read(folder / "layout.txt")
    released = sorted((folder / "released").glob("*.txt"))
    bad = 0
    for path in released:
        for problem in problems(read(path), today):
            bad += 1
            print(f"{path.stem}: {problem}")
    print(f"{len(released)} releases, {bad} broken promises")
    return 1 if bad or not released else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
