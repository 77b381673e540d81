"""Times Python diffusers + peft (eager, float32, CPU) on the weights that hn runs, to stand beside `hn bench`.

Cases, each in a process of its own so that its peak memory is its own:
  sample_bN            prompts to pictures in one step through SanaSprintPipeline (text encoding included)
  sample_core_bN       the same without text encoding and pipeline: transformer, autoencoder
  adapted_sample_bN    sample_core_bN behind a noise network (LoRA rank 16 on every Linear)
  train_redness        one optimiser step of the noise network, batch 16: text encoding, offset, picture, redness,
                       gradient, clipping to norm 1, AdamW; loss = 0.5 mean(delta^2) - reward
  train_clip           the same with the tiny CLIP's cosine as the reward
Prints JSON: seconds (median, min, max) of a call and peak resident memory in MiB.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import diffusers
import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model

import reference

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
BATCHES = (1, 16)
TRAIN_BATCH = 16
RANK = 16
KL_WEIGHT = 1.0
CASES = [f"{kind}_b{batch}" for kind in ("sample", "sample_core", "adapted_sample") for batch in BATCHES]
CASES += ["train_redness", "train_clip"]


class Peer:
    """The generator, a fresh noise network on it, and the prompts, all with fixed seeds."""

    def __init__(self, arguments: argparse.Namespace):
        torch.manual_seed(0)
        self.pipeline = reference.load_pipeline(arguments.generator)
        self.generator = self.pipeline.transformer.requires_grad_(False)
        self.vae = self.pipeline.vae.requires_grad_(False)
        self.prompts = reference.read_prompts(arguments.prompts)
        self.clip_folder = arguments.clip
        self.max_tokens = arguments.max_tokens

    def batch_of(self, size: int, start: int = 0) -> list[str]:
        return [self.prompts[(start + index) % len(self.prompts)] for index in range(size)]

    def noise_network(self):
        base = reference.noise_network_base(self.pipeline)
        linears = [name for name, module in base.named_modules() if isinstance(module, torch.nn.Linear)]
        return get_peft_model(base, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=linears, lora_dropout=0.0))

    def picture(self, noise: torch.Tensor, told: dict[str, torch.Tensor]) -> torch.Tensor:
        """One step from noise to a picture in 0..1; at noise level 1 the data is noise minus velocity."""
        latents = noise - reference.offset(self.pipeline, self.generator, noise, told)
        return (self.vae.decode(latents / self.vae.config.scaling_factor)[0] / 2 + 0.5).clamp(0, 1)


def sample_call(peer: Peer, batch: int) -> Callable[[], None]:
    noise, prompts = torch.randn(batch, 16, 8, 8), peer.batch_of(batch)

    def call() -> None:
        peer.pipeline(
            prompts, latents=noise.clone(), num_inference_steps=1, intermediate_timesteps=None, height=64, width=64,
            complex_human_instruction=None, use_resolution_binning=False, output_type="pt",
            max_sequence_length=peer.max_tokens)

    return call


def core_call(peer: Peer, batch: int, adapted: bool) -> Callable[[], None]:
    noise = torch.randn(batch, 16, 8, 8)
    told = reference.encode_prompts(peer.pipeline, peer.batch_of(batch), peer.max_tokens)
    network = peer.noise_network().eval() if adapted else None

    @torch.no_grad()
    def call() -> None:
        delta = reference.offset(peer.pipeline, network, noise, told) if network is not None else 0
        peer.picture(noise + delta, told)

    return call


def redness(images: torch.Tensor) -> torch.Tensor:
    red, green, blue = images.mean((2, 3)).unbind(1)
    return red - (green + blue) / 2


class ClipReward:
    """Cosine between picture and prompt by transformers' CLIPModel."""

    def __init__(self, folder: Path):
        self._model = transformers.CLIPModel.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False)
        self._tokenizer = transformers.CLIPTokenizerFast.from_pretrained(folder)
        normal = transformers.CLIPImageProcessor.from_pretrained(folder)
        self._mean = torch.tensor(normal.image_mean).view(1, 3, 1, 1)
        self._std = torch.tensor(normal.image_std).view(1, 3, 1, 1)

    def __call__(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        tokens = self._tokenizer(prompts, padding=True, return_tensors="pt")
        output = self._model(pixel_values=(images - self._mean) / self._std, **tokens)
        return torch.nn.functional.cosine_similarity(output.image_embeds, output.text_embeds)


def train_call(peer: Peer, reward_name: str) -> Callable[[], None]:
    network = peer.noise_network().train()
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.0, betas=(0.9, 0.99))
    clip = ClipReward(peer.clip_folder) if reward_name == "clip" else None
    position = 0

    def call() -> None:
        nonlocal position
        prompts = peer.batch_of(TRAIN_BATCH, position)
        position += TRAIN_BATCH
        told = reference.encode_prompts(peer.pipeline, prompts, peer.max_tokens)
        noise = torch.randn(TRAIN_BATCH, 16, 8, 8)
        delta = reference.offset(peer.pipeline, network, noise, told)
        images = peer.picture(noise + delta, told)
        reward = redness(images) if clip is None else clip(images, prompts)
        loss = KL_WEIGHT * 0.5 * delta.pow(2).mean() - reward.mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()

    return call


def make_call(peer: Peer, case: str) -> Callable[[], None]:
    if case.startswith("train_"):
        return train_call(peer, case.removeprefix("train_"))
    kind, _, batch = case.rpartition("_b")
    if kind == "sample":
        return sample_call(peer, int(batch))
    return core_call(peer, int(batch), adapted=kind == "adapted_sample")


def run_case(arguments: argparse.Namespace) -> dict[str, object]:
    torch.set_num_threads(arguments.threads)
    call = make_call(Peer(arguments), arguments.case)
    for _ in range(arguments.warm_up):
        call()
    seconds = []
    for _ in range(arguments.repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"median_s": round(statistics.median(seconds), 5), "min_s": round(min(seconds), 5),
            "max_s": round(max(seconds), 5), "repeats": len(seconds), "peak_rss_mib": round(peak, 1)}


def run_all(arguments: argparse.Namespace) -> dict[str, object]:
    """Every case in a child process with the same options."""
    report: dict[str, object] = {"environment": {
        "python": platform.python_version(), "torch": torch.__version__, "diffusers": diffusers.__version__,
        "transformers": transformers.__version__, "peft": peft.__version__, "threads": arguments.threads,
        "max_tokens": arguments.max_tokens}}
    for case in arguments.cases:
        command = [sys.executable, __file__, *sys.argv[1:], "--case", case]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        report[case] = json.loads(done.stdout.splitlines()[-1])
        print(f"{case}: {report[case]}", file=sys.stderr, flush=True)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    generator = PLUGINS / "generators/sana_sprint/weights/emoji-sprint"
    parser.add_argument("--generator", type=Path, default=generator, help="folder in diffusers layout")
    parser.add_argument("--clip", type=Path, default=PLUGINS / "rewards/clip/weights/tiny-clip")
    parser.add_argument("--prompts", type=Path, default=generator / "prompts/train_full.txt")
    parser.add_argument("--max-tokens", type=int, default=20,
                        help="prompts are padded to this (default: %(default)s, the recipe's; the pipeline's is 300)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warm-up", type=int, default=3, help="calls before the timed ones")
    parser.add_argument("--repeats", type=int, default=15, help="timed calls (default: %(default)s)")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--case", choices=CASES, help="run this one here, without a child process")
    arguments = parser.parse_args()
    print(json.dumps(run_case(arguments)) if arguments.case else json.dumps(run_all(arguments), indent=1))


if __name__ == "__main__":
    main()
