"""Generates pictures with the diffusers pipeline of a folder from given noise, to compare `hnhost sample` with.

    python diffusers_reference.py --weights DIR --noise-in noise.safetensors --prompts prompts.txt --out ref.safetensors

--noise-in holds `noise` [B,C,h,w] and, for several steps, optionally `step_noise` [n-1,B,C,h,w]. --out gets `images`
[B,3,H,W] in 0..1 and `latents` [B,C,h,w], and with --adapter `delta` [B,C,h,w] of the noise network. With --compare,
files of the same tensors, the largest differences are printed as JSON, and the exit status is 1 above --tolerance.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import reference


def reference_tensors(arguments: argparse.Namespace) -> dict[str, torch.Tensor]:
    noise = reference.read_tensor(arguments.noise_in, "noise", 4)
    step_noise = None
    if arguments.steps > 1 and "step_noise" in load_file(arguments.noise_in):
        step_noise = reference.read_tensor(arguments.noise_in, "step_noise", 5)
        expected = (arguments.steps - 1, *noise.shape)
        if tuple(step_noise.shape) != expected:
            raise SystemExit(f"[diffusers_reference] expected step_noise {expected}, got {tuple(step_noise.shape)}")
    prompts = reference.match_prompts(reference.read_prompts(arguments.prompts), noise)
    pipeline = reference.load_pipeline(arguments.weights, getattr(torch, arguments.dtype), arguments.variant)
    tensors: dict[str, torch.Tensor] = {}
    if arguments.adapter:
        network = reference.load_noise_network(pipeline, arguments.adapter)
        with torch.no_grad():
            told = {name: value.float() for name, value in reference.encode_prompts(pipeline, prompts).items()}
            tensors["delta"] = reference.offset(pipeline, network, noise, told)
        noise = noise + tensors["delta"]
    tensors["images"], tensors["latents"] = reference.sample(
        pipeline, prompts, noise, arguments.steps, step_noise, arguments.seed)
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def compare(ours: dict[str, torch.Tensor], paths: list[Path], tolerance: float) -> bool:
    """Prints the largest difference of each tensor that both have; true where all are within the tolerance."""
    rows = {}
    for path in paths:
        theirs = load_file(path)
        common = sorted(set(ours) & set(theirs))
        if not common:
            raise SystemExit(f"[diffusers_reference] expected one of {sorted(ours)} in {path}, got {sorted(theirs)}")
        for name in common:
            if ours[name].shape != theirs[name].shape:
                shapes = tuple(ours[name].shape), tuple(theirs[name].shape)
                raise SystemExit(f"[diffusers_reference] expected {name!r} {shapes[0]}, got {shapes[1]} in {path}")
            difference = (ours[name] - theirs[name].float()).abs()
            largest = ours[name].abs().max().item()
            rows[name] = {"max": difference.max().item(), "mean": difference.mean().item(), "largest value": largest,
                          "relative": difference.max().item() / largest if largest else None}
    print(json.dumps(rows))
    return all(row["max"] <= tolerance * row["largest value"] for row in rows.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="folder in diffusers layout")
    parser.add_argument("--noise-in", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True, help="one prompt a line; a single line serves all")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="for the noise of steps 2..n that is not given")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--variant", help="which of several weight files to read, as fp16")
    parser.add_argument("--adapter", type=Path, help="PEFT folder of a noise network")
    parser.add_argument("--out", type=Path, help="safetensors file to write")
    parser.add_argument("--compare", type=Path, nargs="+", help="safetensors files to compare with")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="relative to the largest value (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tensors = reference_tensors(arguments)
    if arguments.out:
        save_file(tensors, arguments.out)
    if arguments.compare:
        return 0 if compare(tensors, arguments.compare, arguments.tolerance) else 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
