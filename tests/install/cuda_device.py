"""Builds templates/reward_cuda against the installed, moved hn, and cuda_check.cpp, which runs it on the first device.

Usage: cuda_device.py WORK_DIR CHECK_SOURCE
"""
import os
import pathlib
import shutil
import sys

import stranger


def main(work, check):
    if not os.path.exists("/dev/nvidiactl") or not stranger.nvcc():
        print("SKIPPED: no GPU or no nvcc here")
        return
    prefix, folder = work / "moved", work / "cuda_device"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(prefix / "share/hn/templates/reward_cuda", folder)
    env = stranger.environment(prefix, folder)
    stranger.configure_and_build(folder, folder / "build", prefix, ("gcc", "g++"), env)
    shutil.copy(check, folder / "check.cu")
    stranger.run(stranger.nvcc(), "-std=c++17", f"-I{prefix}/include", folder / "check.cu", "-ldl", "-o", folder / "check", env=env)
    stranger.run(folder / "check", folder / "build/lib/hn/plugins/my_reward_cuda.hnp/libmy_reward_cuda.so", env=env)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
