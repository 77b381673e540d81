"""The arrows of the tree, read from its #include lines (docs/architecture.md draws them).

Usage: includes.py SOURCE_DIR

A file that breaks one is listed with its line and the rule. Before that every rule is tried on a line that breaks it.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
SUFFIXES = {".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".inc"}

# What a part of hn/ may include of the others. "abi" is hn/*.h. The order: c; formats < text < nn < reward, generator.
ABI = {"abi"}
CPP = ABI | {"cpp"}
TORCH = CPP | {"torch"}
PUBLIC = {
    "abi": ABI,
    "c": ABI | {"c"},
    "cpp": CPP,
    "torch": TORCH,
    "formats": CPP | {"formats"},
    "text": CPP | {"formats", "text"},
    "nn": TORCH | {"formats", "text", "nn"},
    "reward": TORCH | {"formats", "text", "nn", "reward"},
    "generator": TORCH | {"formats", "text", "nn", "generator"},
}
BLOCKS = ["c", "formats", "text", "nn", "reward", "generator"]

# The folders of host/src from the ground up: a folder includes those before it. `core/` is a module of its own; of it the others
# see the headers that reach no LibTorch type (torch_free()), and it sees nothing of theirs.
HOST = ["core", "support", "http", "loader", "apart", "worker", "registry", "pull", "files", "config", "host", "scoring", "search",
        "report", "validate", "inspect", "selftest", "run", "capi"]
LIBTORCH = re.compile(r"(torch|ATen|c10|hn/torch|hn/nn)/")


def torch_free(core):
    """The headers of core/ that include no LibTorch, themselves or through others of core/, as "core/NAME"."""
    includes = {f"core/{p.name}": INCLUDE.findall(p.read_text()) for p in core.glob("*.hpp")}
    held = {name for name, lines in includes.items() if any(LIBTORCH.match(to) for _, to in lines)}
    while more := {name for name, lines in includes.items() if name not in held and any(to in held for _, to in lines)}:
        held |= more
    return includes.keys() - held


def part_of(name):
    """The part of hn/ that <hn/...> belongs to, or None."""
    words = name.split("/")
    if words[0] != "hn":
        return None
    return "abi" if len(words) == 2 else words[1]


def sdk_rule(block, own, quoted, name):
    part = part_of(name)
    if part is not None:
        if quoted:
            return "public headers are included as <hn/...>"
        return None if part in PUBLIC[block] else f"hn/{block} includes of hn/ only {', '.join(sorted(PUBLIC[block]))}"
    if name.startswith("hnhost/"):
        return "the SDK does not know the host"
    if not quoted:
        return None
    return None if own is not None and (own / name.removeprefix(f"{block}/")).is_file() else \
        "expected <hn/...> or a file of the block's own folder"


def plugin_rule(own, quoted, name):
    if name.startswith("hnhost/"):
        return "plugins do not know the host"
    part = part_of(name)
    if part is not None:
        if quoted:
            return "public headers are included as <hn/...>"
        return None if part in PUBLIC else f"hn/ has no part {part}"
    if not quoted:
        return None
    return None if ".." not in name and (own / name).is_file() else "expected <hn/...> or a file of the plugin's own folder"


def command_rule(own, quoted, name):
    part = part_of(name)
    if part is not None:
        return None if not quoted and part in {"abi", "cpp", "formats"} else "the command includes of hn/ only hn/cpp and hn/formats"
    if name.startswith("hnhost/"):
        return None if name == "hnhost/hnhost.h" else "the command sees the host through hnhost.h alone"
    return None if not quoted or (own / name).is_file() else "the command sees the host through hnhost.h alone"


def host_rule(folder, quoted, name, interface):
    part = part_of(name)
    if part is not None:
        if quoted:
            return "public headers are included as <hn/...>"
        allowed = CPP | {"formats"} if folder != "core" else TORCH | {"formats", "nn"}
        return None if part in allowed else f"host/src/{folder} includes of hn/ only {', '.join(sorted(allowed))}"
    if not quoted:
        return None
    to = name.split("/")[0] if "/" in name else folder
    if to == folder:
        return None
    if to not in HOST:
        return f"host/src has no folder {to}"
    if to == "core":
        return None if name in interface else "it brings LibTorch's types, which of core/'s users none may see"
    if folder == "core":
        return "core/ is a module of its own"
    return None if HOST.index(to) < HOST.index(folder) else f"{folder}/ stands below {to}/ ({' < '.join(HOST)})"


def sources(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES and "build" not in p.relative_to(folder).parts)


def files_and_rules(root):
    sdk, host = root / "sdk", root / "host"
    for path in sources(sdk / "include/hn"):
        block = part_of(str(path.relative_to(sdk / "include")))
        yield path, (lambda q, n, b=block: sdk_rule(b, None, q, n))
    for block in BLOCKS:
        for path in sources(sdk / block):
            yield path, (lambda q, n, b=block: sdk_rule(b, sdk / b, q, n))
    plugins = [p.parent for p in sorted((root / "plugins").glob("*/*/CMakeLists.txt"))]
    templates = [p.parent for p in sorted((root / "templates").glob("*/CMakeLists.txt"))]
    for folder in plugins + [t for t in templates if t.name != "embed_c"]:
        for path in sources(folder):
            yield path, (lambda q, n, o=path.parent: plugin_rule(o, q, n))
    for path in sources(host / "cli"):
        yield path, (lambda q, n: command_rule(host / "cli", q, n))
    interface = torch_free(host / "src/core")
    for path in sources(host / "src"):
        folder = path.relative_to(host / "src").parts[0]
        yield path, (lambda q, n, f=folder: host_rule(f, q, n, interface))


def bad_examples(root):
    """Lines that must be refused, each by a rule of its own: a check that accepts them checks nothing."""
    plugin = root / "plugins/rewards/clip"
    yield "plugin", plugin_rule(plugin, True, "loader/manifest.hpp")
    yield "plugin, another's file", plugin_rule(plugin, True, "../hps/plugin.cpp")
    yield "plugin, host", plugin_rule(plugin, False, "hnhost/hnhost.h")
    yield "plugin, a part that is not there", plugin_rule(plugin, False, "hn/common/json.hpp")
    yield "formats -> text", sdk_rule("formats", root / "sdk/formats", False, "hn/text/bpe.hpp")
    yield "text -> nn", sdk_rule("text", root / "sdk/text", False, "hn/nn/ops.hpp")
    yield "reward -> generator", sdk_rule("reward", root / "sdk/reward", False, "hn/generator/functions.hpp")
    yield "formats -> torch", sdk_rule("formats", root / "sdk/formats", False, "hn/torch/tensor.hpp")
    yield "private header of another block", sdk_rule("nn", root / "sdk/nn", True, "text/text_file.hpp")
    yield "private header in a public one", sdk_rule("text", None, True, "text/text_file.hpp")
    yield "sdk -> host", sdk_rule("nn", root / "sdk/nn", False, "hnhost/hnhost.h")
    yield "command", command_rule(root / "host/cli", True, "loader/manifest.hpp")
    yield "command -> nn", command_rule(root / "host/cli", False, "hn/nn/ops.hpp")
    interface = torch_free(root / "host/src/core")
    yield "support -> run", host_rule("support", True, "run/job.hpp", interface)
    yield "run -> capi", host_rule("run", True, "capi/tensors.hpp", interface)
    yield "core -> support", host_rule("core", True, "support/files.hpp", interface)
    yield "host -> core's tensors", host_rule("scoring", True, "core/chain.hpp", interface)
    yield "host -> core's tensors, through another header", host_rule("scoring", True, "core/trainer.hpp", interface)
    yield "host -> nn", host_rule("files", False, "hn/nn/image_ops.hpp", interface)


def main(root):
    accepted = [name for name, refusal in bad_examples(root) if refusal is None]
    if accepted:
        sys.exit(f"accepted, though wrong: {', '.join(accepted)}")
    if "core/session.hpp" not in torch_free(root / "host/src/core"):
        sys.exit("core/session.hpp, which the host stands on, brings LibTorch's types")
    lines = count = 0
    broken = []
    for path, rule in files_and_rules(root):
        count += 1
        text = path.read_text()
        for match in INCLUDE.finditer(text):
            lines += 1
            refusal = rule(match[1] == '"', match[2])
            if refusal:
                line = text.count("\n", 0, match.start(2)) + 1
                broken.append(f"{path.relative_to(root)}:{line}: {match[2]}: {refusal}")
    for text in broken:
        print(text)
    print(f"{lines} includes in {count} files, {len(broken)} against the arrows")
    return 1 if broken or count < 300 else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
