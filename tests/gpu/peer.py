"""Python's diffusers and peft on the folder that gpu_measure measures, with the same names for the same things. One line of JSON.

    python peer.py ROW FOLDER DEVICE DTYPE SIZE REPEATS [--checkpointing] [--parts times|train|both]

text, noise_net and the training step are timed as they are; one_step and four_steps are the pipeline less the text, denoise
(four_steps - one_step) / 3, decode one_step - denoise. The training step: text, offset, one step to a picture, its redness,
gradient, clipping to norm 1, AdamW; adapters of rank 16 on every Linear. Eager mode, as published code runs.
"""
import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from peft import LoraConfig, get_peft_model

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "python")]
from pipelines import kind_of  # noqa: E402

given = argparse.ArgumentParser()
for name, kind in (("row", str), ("folder", Path), ("device", str), ("dtype", str), ("size", int), ("repeats", int)):
    given.add_argument(name, type=kind)
given.add_argument("--checkpointing", action="store_true")
given.add_argument("--parts", choices=("times", "train", "both"), default="both")
given = given.parse_args()
cuda = given.device.startswith("cuda")
dtype = getattr(torch, given.dtype)
result = {"row": given.row}


def wait():
    if cuda:
        torch.cuda.synchronize()


def seconds(call):
    wait()
    begin = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - begin


def median(call):
    call()
    return statistics.median(seconds(call) for _ in range(given.repeats))


def begin_memory():
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def end_memory(part):
    if cuda:
        free, total = torch.cuda.mem_get_info()
        result[f"{part}_peak_mib"] = torch.cuda.max_memory_allocated() >> 20
        result[f"{part}_reserved_mib"] = torch.cuda.max_memory_reserved() >> 20
        result[f"{part}_device_mib"] = (total - free) >> 20


def load():
    pipe = DiffusionPipeline.from_pretrained(given.folder, torch_dtype=dtype).to(given.device)
    pipe.set_progress_bar_config(disable=True)
    return pipe


start = time.perf_counter()
pipe = load()
wait()
result["load_ms"] = 1000 * (time.perf_counter() - start)
kind = kind_of(pipe)
result["pipeline"] = type(pipe).__name__
base = getattr(pipe, kind.network).requires_grad_(False)
pipe.vae.requires_grad_(False)
prompt = "a red cube on a green hill"
side = given.size // pipe.vae_scale_factor
channels = pipe.vae.config.latent_channels
noise = torch.randn(1, channels, side, side, dtype=dtype).to(given.device)
linears = [name for name, module in base.named_modules() if isinstance(module, torch.nn.Linear)]


def offset(network, noise, told):
    with torch.device(given.device):  # of the numbers that it makes by itself
        return kind.offset(pipe, network, noise, told)


def encode():
    with torch.no_grad():
        return kind.encode(pipe, [prompt])


def picture(latents):
    config = pipe.vae.config
    scaled = latents / config.scaling_factor + (config.get("shift_factor") or 0)
    return (pipe.vae.decode(scaled)[0] / 2 + 0.5).clamp(0, 1)


def sample(steps):
    with torch.no_grad():
        picture(kind.latents(pipe, [prompt], noise.clone(), steps, torch.Generator(given.device).manual_seed(0)))


def times():
    begin_memory()
    text = median(encode)
    one, four = (median(lambda n=n: sample(n)) - text for n in (1, 4))
    denoise = (four - one) / 3
    end_memory("sample")
    for key, value in (("text", text), ("one_step", one), ("four_steps", four), ("denoise", denoise), ("decode", one - denoise)):
        result[f"{key}_ms"] = 1000 * value


def train():
    network = get_peft_model(base, LoraConfig(r=16, lora_alpha=32, target_modules=linears))
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=1e-4)
    told = encode()

    def offset_alone():
        with torch.no_grad():
            offset(network, noise, told)

    if given.parts != "train":
        result["noise_net_ms"] = 1000 * median(offset_alone)
    network.train()
    if given.checkpointing:
        base.enable_gradient_checkpointing()
        pipe.vae.enable_gradient_checkpointing()
    begin_memory()

    def step():
        told = encode()
        delta = offset(network, noise, told)
        moved = (noise + delta).detach().requires_grad_()
        # Back inside of the mode: checkpoints compute again, and must do so without the adapter.
        with network.disable_adapter():
            red, green, blue = picture(moved - offset(network, moved, told)).float().mean((2, 3)).unbind(1)
            ((green + blue) / 2 - red).mean().backward()
        (0.5 * delta.float().pow(2).mean() + (delta * moved.grad).float().sum()).backward()
        if any(p.grad is None for p in parameters):
            raise SystemExit("peer: an adapter got no gradient")
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    result["train_step_ms"] = 1000 * median(step)
    end_memory("train")


if given.parts != "train":
    times()
if given.parts != "times":
    train()
print(json.dumps({key: round(value, 3) if isinstance(value, float) else value for key, value in result.items()}))
