"""find_package(hn COMPONENTS X) for every X alone, from the installed, moved hn: the target is there and what needs no LibTorch
links; unknown components and forgotten ones are refused by name.

Usage: components.py WORK_DIR

What the components with LibTorch compile and link is the business of the plugins and templates beside this test.
"""
import pathlib
import shutil
import subprocess
import sys

import stranger

USES = {
    "sdk": ("cpp", "#include <hn/cpp/plugin.hpp>\nint main() { return HN_ABI_MAJOR == 1 ? 0 : 1; }\n"),
    "formats": ("cpp", "#include <hn/formats/safetensors.hpp>\n#include <vector>\n"
                       "int main() { const float x = 1; const std::vector<hn::TensorToWrite> t = {{\"x\", hn::TensorDtype::kF32, {1}, &x, 4}};\n"
                       "  hn::write_safetensors(\"x.safetensors\", t);\n"
                       "  return hn::SafetensorsFile::open(\"x.safetensors\").tensors().size() == 1 ? 0 : 1; }\n"),
    "text": ("cpp", "#include <hn/text/clip_tokenizer.hpp>\n"
                    "int main(int, char** argv) { const auto t = hn::ClipTokenizer::from_open_clip(argv[1]);\n"
                    "  return t.encode(\"a red cat\", 77).end_position == 4 ? 0 : 1; }\n"),
    "host": ("c", "#include <hnhost/hnhost.h>\n#include <stdio.h>\nint main(void) { return puts(hnhost_version()) < 0; }\n"),
}
ALL = ["sdk", "c", "formats", "text", "torch", "nn", "reward", "generator", "host"]


def project(folder, component, body):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.24)\nproject(uses LANGUAGES C CXX)\n"
        f"find_package(hn 1.0 REQUIRED COMPONENTS {component})\n{body}\n")
    return folder


def refused(folder, prefix, env, *words):
    done = subprocess.run(["cmake", "-S", str(folder), "-B", str(folder / "build"), f"-DCMAKE_PREFIX_PATH={prefix}"], env=env,
                          capture_output=True, text=True)
    said = " ".join(done.stderr.split())
    assert done.returncode != 0 and all(word in said for word in words), done.stderr


def main(work):
    prefix, place = work / "moved", work / "components"
    env = stranger.environment(prefix, place)
    for component in ALL:
        target = "" if component == "sdk" else f"if(NOT TARGET hn::{component})\n  message(FATAL_ERROR \"no target\")\nendif()\n"
        body = target + "if(NOT COMMAND hn_add_plugin)\n  message(FATAL_ERROR \"no hn_add_plugin\")\nendif()\n"
        if component in USES:
            language, code = USES[component]
            body += f"add_executable(use use.{language})\ntarget_link_libraries(use PRIVATE hn::{component})\ntarget_compile_features(use PRIVATE cxx_std_20)\n"
        folder = project(place / component, component, body)
        if component in USES:
            (folder / f"use.{language}").write_text(code)
        stranger.configure_and_build(folder, folder / "build", prefix, ("gcc", "g++"), env)
        if component in USES:
            stranger.run(folder / "build/use", prefix / "share/hn/text/bpe_simple_vocab_16e6.txt.gz", cwd=folder, env=env)
    refused(project(place / "unknown", "formts", ""), prefix, env, "formts")
    folder = project(place / "forgotten", "sdk", "hn_add_plugin(x KIND reward TORCH SOURCES x.cpp LIBS hn::reward)")
    refused(folder, prefix, env, "find_package(hn COMPONENTS torch)")
    folder = project(place / "forgotten_lib", "sdk", "hn_add_plugin(x KIND reward SOURCES x.cpp LIBS hn::formats)")
    refused(folder, prefix, env, "find_package(hn COMPONENTS formats)")
    print(f"{len(ALL)} components")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
