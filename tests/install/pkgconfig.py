"""hn.pc and hnhost.pc of the installed, moved hn: a plugin in C, and a program that embeds the engine, built without CMake.

Usage: pkgconfig.py WORK_DIR
"""
import pathlib
import shutil
import sys

import stranger


def main(work):
    if not shutil.which("pkg-config"):
        print("SKIPPED: no pkg-config here")
        return
    prefix, folder = work / "moved", work / "pkgconfig"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    env = dict(stranger.environment(prefix, folder), PKG_CONFIG_PATH=str(prefix / "lib/pkgconfig"))

    def flags(*words):
        return stranger.output("pkg-config", *words, env=env).split()

    version = stranger.output("pkg-config", "--modversion", "hnhost", env=env).strip()
    assert version == stranger.output("pkg-config", "--modversion", "hn", env=env).strip() and version, version
    plugins = stranger.output("pkg-config", "--variable=plugindir", "hn", env=env).strip()
    assert (pathlib.Path(plugins) / "redness.hnp").is_dir(), plugins
    templates = prefix / "share/hn/templates"
    stranger.run("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden", *flags("--cflags", "hn"),
                 templates / "minimal_c/plugin.c", "-o", folder / "plugin.so", "-lm", env=env)
    exports = stranger.output("nm", "-D", "--defined-only", folder / "plugin.so", env=env)
    assert exports.split()[-1] == "hn_plugin_entry_v1" and len(exports.splitlines()) == 1, exports
    stranger.run("gcc", "-std=c11", templates / "embed_c/main.c", *flags("--cflags", "--libs", "hnhost"), f"-Wl,-rpath,{prefix}/lib",
                 "-o", folder / "embed", env=env)
    stranger.run(folder / "embed", folder / "adapter", "redness", env=env)
    assert (folder / "adapter/adapter_model.safetensors").is_file()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
