"""Every C, C++ and CMake block of documents is sound: C11 and C++17 (with LibTorch C++20) without warnings, CMake configures.

Usage: doc_blocks.py SOURCE_DIR [--torch LIBTORCH] DOCUMENT...      --torch: the blocks that need LibTorch, and only those

A block that has no function of its own is the body of one; its #include lines stay outside. Comments before a block say more:
    <!-- compile: DECLARATIONS -->        what it takes from its surroundings; braces left open there are closed behind the block
    <!-- compile unit: DECLARATIONS -->   the same, and the block stands at file scope
A CMake block configures in a folder with empty sources, beside a stand-in of the package hn that knows its targets and the arguments of
hn_add_plugin. TOML blocks are looked at by the tests of manifests and configurations, `sh` by tests/install. A fence without a language is
a mistake, since nobody would look at it; "text" is one that nobody shall.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import compilers

BLOCK = re.compile(r"(?:<!-- (?P<mode>compile(?: unit)?):(?P<given>.*?)-->\n)?(?:<!-- file: \S+ -->\n)?"
                   r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.S | re.M)
FUNCTION = re.compile(r"^\w[^;={]*\)\s*\{|^namespace|^HN_PLUGIN", re.M)
TORCH = re.compile(r"#include <hn/(?:torch|nn|reward|generator)/")
KNOWN = {"c", "cpp", "cmake", "toml", "sh", "text"}
FLAGS = {"c": ["-x", "c", "-std=c11"], "cpp": ["-x", "c++", "-std=c++17"], "torch": ["-x", "c++", "-std=c++20"]}
# What an install's package gives: sdk/cmake/hnConfig.cmake.in.
PACKAGE = """
foreach(name sdk c formats text torch nn reward generator host)
  add_library(hn::${name} INTERFACE IMPORTED)
endforeach()
foreach(component IN LISTS hn_FIND_COMPONENTS)
  if(NOT component MATCHES "^(sdk|c|formats|text|torch|nn|reward|generator|host)$")
    message(FATAL_ERROR "no component ${component}")
  endif()
endforeach()
function(hn_add_plugin NAME)
  cmake_parse_arguments(ARG "TORCH;NO_INSTALL" "KIND;MANIFEST" "SOURCES;MODEL;LIBS;FILES" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS OR NOT ARG_KIND MATCHES "^(reward|generator)$" OR NOT ARG_SOURCES)
    message(FATAL_ERROR "hn_add_plugin: ${ARGN}")
  endif()
  foreach(target IN LISTS ARG_LIBS)
    if(NOT TARGET ${target})
      message(FATAL_ERROR "hn_add_plugin: no target ${target}")
    endif()
  endforeach()
  add_library(${NAME} MODULE ${ARG_SOURCES} ${ARG_MODEL})
endfunction()
"""


def program(given, text, unit):
    includes = [line for line in (given + "\n" + text).splitlines() if line.startswith("#include")]
    given, rest = ("\n".join(line for line in part.splitlines() if not line.startswith("#include")) for part in (given, text))
    opened = given.count("{") - given.count("}")
    if not unit and not opened and not FUNCTION.search(rest):
        rest = "void hn_block(void);\nvoid hn_block(void) {\n" + rest + "\n}"
    return "\n".join(includes + [given, rest, "};" * opened, ""])


def compile_block(source, block, libtorch):
    language = "torch" if libtorch else block["language"]
    flags = [f"-I{source}/sdk/include", f"-I{source}/host/include", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unused"]
    if libtorch:
        flags += ["-isystem", f"{libtorch}/include", "-isystem", f"{libtorch}/include/torch/csrc/api/include"]
    code = program(block["given"] or "", block["text"], block["mode"] == "compile unit")
    for pair in [("gcc", "g++")] if libtorch else compilers.compilers():
        compiler = pair[0] if language == "c" else pair[1]
        done = subprocess.run([compiler, *FLAGS[language], *flags, "-"], input=code, capture_output=True, text=True)
        yield compiler, done.returncode, done.stderr


def configure(text):
    """CMake's code and words on the text as a CMakeLists.txt."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "package").mkdir()
        (folder / "package/hnConfig.cmake").write_text(PACKAGE)
        (folder / "package/hnConfigVersion.cmake").write_text("set(PACKAGE_VERSION 1.0)\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n")
        for name in re.findall(r"\b(\w+\.(?:c|cpp|cu))\b", text):
            (folder / name).write_text("")
        head = "" if "project(" in text else "cmake_minimum_required(VERSION 3.24)\nproject(block LANGUAGES C CXX)\n"
        (folder / "CMakeLists.txt").write_text(head + text)
        done = subprocess.run(["cmake", "-S", folder, "-B", folder / "build", f"-Dhn_DIR={folder}/package"], capture_output=True, text=True)
        return done.returncode, done.stderr


def failures(source, document, libtorch):
    text = document.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        where = f"{document.name}:{text[:block.start('text')].count(chr(10)) + 1}"
        language = block["language"]
        if language not in KNOWN:
            yield where, 1, f"a block of language '{language}': expected one of {', '.join(sorted(KNOWN))}"
        code = (block["given"] or "") + block["text"]
        if language in ("c", "cpp") and bool(TORCH.search(code)) == bool(libtorch):
            for compiler, status, words in compile_block(source, block, libtorch):
                yield f"{where} ({compiler})", status, words
        elif language == "cmake" and not libtorch:
            yield (f"{where} (cmake)", *configure(block["text"]))


def broken_ones_are_seen(source):
    c = re.match(BLOCK, "```c\n#include <hnhost/hnhost.h>\nhnhost_session_args args = {.struct_sise = 1};\n```\n")
    return (all(status != 0 for _, status, _ in compile_block(source, c, None))
            and configure("find_package(hn)\nhn_add_plugin(x KIND reward SUORCES a.c)\n")[0] != 0
            and configure("find_package(hn)\nhn_add_plugin(x KIND reward SOURCES a.c)\n")[0] == 0)


def main(source, libtorch, documents):
    tried = bad = 0
    for document in documents:
        for name, status, words in failures(source, document, libtorch):
            tried += 1
            if status != 0:
                bad += 1
                print(f"{name} does not compile:\n{words[:3000]}")
    seen = broken_ones_are_seen(source)
    print(f"{tried - bad} of {tried} compiled; broken ones are {'seen' if seen else 'NOT SEEN'}")
    return 1 if bad or not tried or not seen else 0


if __name__ == "__main__":
    words = sys.argv[1:]
    torch = words.pop(words.index("--torch") + 1) if "--torch" in words else None
    words = [word for word in words if word != "--torch"]
    sys.exit(main(pathlib.Path(words[0]), torch, [pathlib.Path(name) for name in words[1:]]))
