"""Loads an adapter that hn saved with Python's peft and compares the offset that both compute from the same noise.

    hnhost sample ... --adapter DIR --noise-in noise.safetensors --prompts prompts.txt --delta-out delta.safetensors
    python peft_roundtrip.py --weights DIR --adapter DIR --noise-in noise.safetensors --prompts prompts.txt \
        --delta delta.safetensors

Every LoRA tensor of the file must land in peft's model, and no other may be left as initialised. Prints JSON; the exit
status is 1 where the largest difference exceeds --tolerance times the largest value of the offset.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file

import reference


def unmatched_tensors(network, adapter: Path) -> list[str]:
    """Names that only the file or only peft's model has, or whose values differ."""
    saved = load_file(adapter / "adapter_model.safetensors")
    loaded = {name.replace(".default.", "."): value for name, value in network.state_dict().items() if "lora_" in name}
    only_one = set(saved) ^ set(loaded)
    both = set(saved) & set(loaded)
    different = {name for name in both if not torch.equal(saved[name].float(), loaded[name].float())}
    return sorted(only_one | different)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="the generator's folder in diffusers layout")
    parser.add_argument("--adapter", type=Path, required=True, help="adapter_model.safetensors + adapter_config.json")
    parser.add_argument("--noise-in", type=Path, required=True, help="safetensors with `noise` [B,C,h,w]")
    parser.add_argument("--prompts", type=Path, required=True, help="one prompt a line; a single line serves all")
    parser.add_argument("--delta", type=Path, required=True, help="safetensors with `delta` [B,C,h,w]")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="relative (default: %(default)s)")
    parser.add_argument("--variant", help="which of several weight files to read, as fp16")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    noise = reference.read_tensor(arguments.noise_in, "noise", 4)
    delta = reference.read_tensor(arguments.delta, "delta", 4)
    if delta.shape != noise.shape:
        raise SystemExit(f"[peft_roundtrip] expected delta {tuple(noise.shape)}, got {tuple(delta.shape)}")
    prompts = reference.match_prompts(reference.read_prompts(arguments.prompts), noise)
    pipeline = reference.load_pipeline(arguments.weights, variant=arguments.variant)
    network = reference.load_noise_network(pipeline, arguments.adapter)
    unmatched = unmatched_tensors(network, arguments.adapter)
    with torch.no_grad():
        expected = reference.offset(pipeline, network, noise, reference.encode_prompts(pipeline, prompts))
    largest = expected.abs().max().item()
    difference = (expected - delta).abs().max().item()
    within = difference <= arguments.tolerance * largest and largest > 0
    print(json.dumps({"largest difference": difference, "largest value": largest, "relative": difference / largest
                      if largest else None, "unmatched tensors": unmatched, "passed": within and not unmatched}))
    return 0 if within and not unmatched else 1


if __name__ == "__main__":
    raise SystemExit(main())
