"""The build checks the manifest: a mistake in it fails the build with file and line, and leaves no manifest of an earlier build.

Usage: manifest.py WORK_DIR
"""
import pathlib
import shutil
import subprocess
import sys

import stranger

# name: (text of the manifest, what stands there instead, what the build says)
MISTAKES = {
    "a misspelt key": ("summary =", "sumary =", ["plugin.toml:", "sumary: unknown key; did you mean 'summary'?"]),
    "a misspelt table": ("[reward]", "[rewards]", ["plugin.toml:", "rewards: unknown key; did you mean 'reward'?"]),
    "a missing key": ("functions =", "# functions =", ["plugin.toml", "functions"]),
    "the build's table by hand": ("[reward]", "[abi]\nmajor = 1\nmin_minor = 0\n\n[reward]", ["abi: the build writes this table"]),
    "another kind": ('kind = "reward"', 'kind = "generator"', ["plugin.toml"]),
    "an option without a domain": ("[reward]", '[[options]]\nkey = "strength"\ntype = "int"\nhelp = "h"\n\n[reward]',
                                   ["'strength' has no dot", "org.example.strength"]),
}


def main(work):
    prefix, source = work / "moved", work / "manifest"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(prefix / "share/hn/templates/minimal_c", source)
    env = stranger.environment(prefix, source)
    manifest, build = source / "plugin.toml", source / "build"
    good = manifest.read_text()
    finished = build / "lib/hn/plugins/my_minimal_c.hnp/plugin.toml"
    stranger.configure_and_build(source, build, prefix, ("cc", "c++"), env)
    assert "[abi]" in finished.read_text()

    def fails(what, says):
        done = subprocess.run(["cmake", "--build", build], env=env, capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert done.returncode != 0, f"{what}: the build did not fail"
        for text in says:
            assert text in said, f"{what}: expected '{text}' in\n{said}"
        assert not finished.exists(), f"{what}: the manifest of an earlier build is there"
        print(f"{what}: refused")

    for what, (old, new, says) in MISTAKES.items():
        assert old in good, old
        manifest.write_text(good.replace(old, new, 1))
        fails(what, says)
        manifest.write_text(good)
        stranger.run("cmake", "--build", build, env=env, stdout=subprocess.DEVNULL)
        assert finished.exists()
    code = source / "plugin.c"
    whole = code.read_text()
    code.write_text(whole + "\n#error not today\n")
    fails("a source that does not compile", ["not today"])
    code.write_text(whole)
    stranger.run("cmake", "--build", build, env=env, stdout=subprocess.DEVNULL)
    assert finished.exists()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
