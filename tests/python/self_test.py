"""Checks the Python checks themselves, without hnhost: they must accept what is right and refuse what is wrong.

A random adapter is saved by peft; its offset is computed a second way, with the LoRA products added into the weights.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

import reference

HERE = Path(__file__).resolve().parent
DEFAULT_WEIGHTS = HERE.parents[1] / "plugins/generators/sana_sprint/weights/emoji-sprint"
PROMPTS = ["a dog", "A photo of two Red cars"]


def save_random_adapter(pipeline, folder: Path) -> None:
    base = reference.noise_network_base(pipeline)
    linears = [name for name, module in base.named_modules() if isinstance(module, torch.nn.Linear)]
    network = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules=linears, lora_dropout=0.0))
    generator = torch.Generator().manual_seed(1)
    for name, parameter in network.named_parameters():
        if "lora_" in name:
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    network.save_pretrained(str(folder))


def merged_offset(pipeline, adapter: Path, noise: torch.Tensor) -> torch.Tensor:
    """The offset without peft: W + (alpha / r) B A."""
    base = reference.noise_network_base(pipeline)
    tensors = load_file(adapter / "adapter_model.safetensors")
    for name, down in tensors.items():
        if ".lora_A." not in name:
            continue
        up = tensors[name.replace(".lora_A.", ".lora_B.")]
        path = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        base.get_submodule(path).weight.data += 8 / 4 * up @ down
    with torch.no_grad():
        return reference.offset(pipeline, base, noise, reference.encode_prompts(pipeline, PROMPTS))


def run(script: str, *options: object) -> int:
    command = [sys.executable, str(HERE / script), *map(str, options)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def expect(what: str, right: bool) -> None:
    if not right:
        raise SystemExit(f"[self_test] {what}: failed")
    print(f"{what}: ok", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    weights = parser.parse_args().weights
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        generator = torch.Generator().manual_seed(2)
        noise = torch.randn(2, 16, 8, 8, generator=generator)
        step_noise = torch.randn(1, 2, 16, 8, 8, generator=generator)
        save_file({"noise": noise, "step_noise": step_noise}, work / "noise.safetensors")
        (work / "prompts.txt").write_text("\n".join(PROMPTS) + "\n", encoding="utf-8")
        pipeline = reference.load_pipeline(weights)
        save_random_adapter(pipeline, work / "adapter")
        delta = merged_offset(pipeline, work / "adapter", noise)
        save_file({"delta": delta}, work / "delta.safetensors")
        save_file({"delta": delta * 1.01}, work / "wrong.safetensors")
        common = ["--weights", weights, "--noise-in", work / "noise.safetensors", "--prompts", work / "prompts.txt"]
        roundtrip = [*common, "--adapter", work / "adapter", "--delta"]
        expect("peft gives the merged offset", run("peft_roundtrip.py", *roundtrip, work / "delta.safetensors") == 0)
        expect("a wrong offset is refused", run("peft_roundtrip.py", *roundtrip, work / "wrong.safetensors") == 1)
        (work / "other").mkdir()
        (work / "other/model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}', encoding="utf-8")
        other = ["--weights", work / "other", *roundtrip[2:], work / "delta.safetensors"]
        expect("another pipeline is refused", run("peft_roundtrip.py", *other) == 1)
        several = [*common, "--steps", 2, "--adapter", work / "adapter"]
        expect("two-step reference", run("diffusers_reference.py", *several, "--out", work / "a.safetensors") == 0)
        tensors = load_file(work / "a.safetensors")
        expect("its shapes", {key: tuple(value.shape) for key, value in tensors.items()} == {
            "delta": (2, 16, 8, 8), "images": (2, 3, 64, 64), "latents": (2, 16, 8, 8)})
        expect("its offset", torch.allclose(tensors["delta"], delta, atol=1e-5))
        again = ["--compare", work / "a.safetensors"]
        expect("given noise decides", run("diffusers_reference.py", *several, *again, "--seed", 5) == 0)
        save_file({"noise": noise}, work / "noise.safetensors")
        expect("other re-noising is seen", run("diffusers_reference.py", *several, *again, "--seed", 5) == 1)


if __name__ == "__main__":
    main()
