"""SD-Turbo at its published size on the CPU: this project's stages beside diffusers', in turn, on the same folder of random weights.

    python published.py --folder DIR
    python full_size.py DIR build/release/bin/sd_turbo_full_size_test [--dtype bfloat16|float32]

Prints seconds and peak memory of both, and how far latents and pictures differ. OMP_NUM_THREADS sets the threads of both.
"""
import argparse, os, resource, subprocess, sys, tempfile, time
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../support"))
from counter_weights import noise  # noqa: E402


def timed(what, f):
    begin = time.perf_counter()
    result = f()
    print(f"{what} | {time.perf_counter() - begin:.2f} s | peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB", flush=True)
    return result


def reference(folder, dtype, out):
    from diffusers import StableDiffusionPipeline
    from safetensors.torch import save_file
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    pipe = timed("load", lambda: StableDiffusionPipeline.from_pretrained(folder, torch_dtype=dtype, safety_checker=None))
    pipe.set_progress_bar_config(disable=True)
    with torch.no_grad():
        timed("text", lambda: pipe.encode_prompt("a red apple", "cpu", 1, False))
        x = noise("full_size/noise", (1, 4, 64, 64)).to(dtype)
        step = lambda: pipe("a red apple", num_inference_steps=1, guidance_scale=0.0, latents=x, output_type="latent", return_dict=False)[0]
        latents = timed("text and U-Net, one step", step)
        latents = timed("text and U-Net, one step again", step)
        image = timed("decode", lambda: (pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample * 0.5 + 0.5).clamp(0, 1))
    save_file(dict(latents=latents.float().contiguous(), image=image.float().contiguous()), out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("program", nargs="?")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--reference", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.reference:
        reference(a.folder, getattr(torch, a.dtype), a.reference)
        sys.exit()
    from safetensors.torch import load_file
    with tempfile.TemporaryDirectory() as scratch:
        ours, theirs = os.path.join(scratch, "ours.safetensors"), os.path.join(scratch, "theirs.safetensors")
        print("## diffusers", flush=True)
        subprocess.run([sys.executable, __file__, a.folder, "--dtype", a.dtype, "--reference", theirs], check=True)
        print("## hn", flush=True)
        subprocess.run([a.program], check=True, env=dict(os.environ, HN_SD_FOLDER=a.folder, HN_SD_DTYPE=a.dtype, HN_SD_OUT=ours))
        x, y = load_file(ours), load_file(theirs)
        for key in ("latents", "image"):
            print(f"{key}: largest difference {(x[key] - y[key]).abs().max() / y[key].abs().max():.1e} of the largest number, "
                  f"mean {(x[key] - y[key]).abs().mean() / y[key].abs().mean():.1e} of the mean")
