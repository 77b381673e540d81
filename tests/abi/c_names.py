"""Every name that a header of hn/c/ gives to the file that includes it has the header's prefix, or is the ABI's own.

Usage: c_names.py SOURCE_DIR
"""
import pathlib
import re
import sys

# "reward.h": c_reward_score, C_REWARD_ID. The structs behind the ABI's handles and its one symbol are defined there too.
ABI = {"hn_instance", "hn_fn", "hn_saved", "hn_plugin_entry_v1"}
GUARD = re.compile(r"HN_C_\w+_H$")


def file_scope(text):
    """The text without comments, strings, directives and what stands in braces or parentheses' bodies."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text)
    text = re.sub(r"(?:^|(?<=\n))[ \t]*#(?:\\\n|[^\n])*", " ", text)
    text = re.sub(r"__attribute__\s*\(\(.*?\)\)", " ", text)
    kept, depth = [], 0
    for character in text:
        if character == "{":
            if depth == 0:
                kept.append("{};")
            depth += 1
        elif character == "}":
            depth -= 1
        elif depth == 0:
            kept.append(character)
    return "".join(kept)


def declared(statement):
    """The names that one statement at file scope declares."""
    statement = " ".join(statement.split())
    names = set(re.findall(r"\b(?:struct|union|enum) (\w+) \{\}", statement))
    if statement.startswith("typedef"):
        return names | set(re.findall(r"(\w+)$", statement))
    head = statement.split("=")[0].split("{}")[0].strip()
    function = re.search(r"\b(?!HN_CALL\b)(\w+) ?\(", head)
    if function:
        return names | {function.group(1)}
    variable = re.search(r"(\w+)(?: ?\[[^\]]*\])* ?$", head)
    if variable and re.search(r"\w[ *]+\w", head) and not head.startswith(("struct", "union", "enum")):
        names.add(variable.group(1))
    return names


def names_of(text):
    names = set(re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", text, re.M))
    names = {name for name in names if not GUARD.match(name)}
    for statement in file_scope(text).split(";"):
        names |= declared(statement)
    return names


def strangers(path, text):
    prefix = f"c_{path.stem}"
    return sorted(name for name in names_of(text) - ABI
                  if not re.match(rf"{prefix}(_|$)", name) and not re.match(rf"{prefix.upper()}(_|$)", name))


def main(source):
    headers = sorted((source / "sdk/include/hn/c").glob("*.h"))
    bad = {path.name: strangers(path, path.read_text()) for path in headers}
    for name, names in bad.items():
        if names:
            print(f"hn/c/{name} gives names without its prefix: {', '.join(names)}")
    # The check itself: each kind of name is seen.
    text = ("#define LOAD 1\nstruct thing { int a; };\ntypedef struct c_reward_x other;\nstatic const int kTable[2] = {1, 2};\n"
            "static inline float load(const char* p) { return *p; }\nextern int counter;\nstatic hn_status HN_CALL slot(int a);\n"
            "static int c_reward_fine(int a) { int inner = a; return inner; }\n")
    seen = strangers(pathlib.Path("reward.h"), text)
    wanted = ["LOAD", "counter", "kTable", "load", "other", "slot", "thing"]
    count = sum(len(names_of(path.read_text())) for path in headers)
    print(f"{count} names in {len(headers)} headers; the planted ones are {'seen' if seen == wanted else f'NOT SEEN: {seen}'}")
    return 1 if any(bad.values()) or seen != wanted or count < 20 else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
