"""Times `hnhost score` beside transformers' CLIPModel and CLIPProcessor: the same weights, pictures and prompts, in one run.

    python tests/bench/scoring.py speed  --hnhost build/release/bin/hnhost [--threads 1] [--pictures 48]
    python tests/bench/scoring.py memory --hnhost build/release/bin/hnhost
    python tests/bench/scoring.py resize --hnhost build/release/bin/hnhost

speed: two models, the embedded tiny CLIP and a random ViT-B/32 that is saved for the purpose, at batch 1 and 16. Each side reads PNG
files, resizes as transformers does (preprocess = "official"), encodes a prompt a picture and scores; loading is not counted. The sides
alternate, the median of the rounds counts, and the scores must agree. Memory is
the peak of the whole process, LibTorch included. memory: that peak over 1,000, 4,000 and 10,000 pictures. resize: a training step of the
embedded generator at 256 pixels with two rewards of one picture size, each resizing for itself, and once for all.
Needs transformers, torch, numpy and Pillow. Prints a Markdown table.
"""

import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

TINY = Path(__file__).resolve().parents[2] / "plugins/rewards/clip/weights/tiny-clip"
WORDS = "red blue green cat dog bird tree house star moon car boat cup chair apple cloud".split()


def make_pictures(folder: Path, count: int, side: int, kind: str) -> list[str]:
    folder.mkdir()
    rng = np.random.default_rng(0)
    prompts = []
    with open(folder / "prompts.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "prompt"])
        for i in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            coarse.resize((side, side), Image.BICUBIC).save(folder / f"{i:05}.{kind}")
            prompts.append(" ".join(rng.choice(WORDS, 6)) + f" {i}")
            table.writerow([f"{i:05}.{kind}", prompts[-1]])
    return prompts


def make_vit_b32(folder: Path) -> None:
    """In a process of its own: a peak of memory is handed down to children, this one's must stay small."""
    run_and_measure([sys.executable, __file__, "make", "--folder", str(folder)])


def make(options: argparse.Namespace) -> None:
    """A random model of ViT-B/32's size with the tiny model's tokeniser."""
    folder = Path(options.folder)
    import torch
    from transformers import CLIPConfig, CLIPModel

    tiny = json.loads((TINY / "config.json").read_text())
    torch.manual_seed(0)
    config = CLIPConfig()  # the published ViT-B/32's sizes are its defaults
    config.text_config.eos_token_id = tiny["text_config"]["eos_token_id"]
    config.text_config.bos_token_id = tiny["text_config"]["bos_token_id"]
    config.text_config.pad_token_id = tiny["text_config"]["pad_token_id"]
    CLIPModel(config).save_pretrained(folder)
    for name in ("merges.txt", "vocab.json", "tokenizer.json", "tokenizer_config.json"):
        if (TINY / name).exists():
            shutil.copy(TINY / name, folder)
    processor = json.loads((TINY / "preprocessor_config.json").read_text())
    processor["size"] = {"shortest_edge": 224}
    processor["crop_size"] = {"height": 224, "width": 224}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))


def run_and_measure(command: list[str], environment: dict[str, str] | None = None) -> tuple[str, float]:
    """What a command prints, and its peak memory in MiB."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True, env=environment)
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"{command[0]} failed:\n{errors}")
        out.seek(0)
        return out.read(), usage.ru_maxrss / 1024


def run_hn(hnhost: str, model: Path, pictures: Path, batch: int, threads: int) -> tuple[float, float, list[float]]:
    command = [hnhost, "score", str(pictures), "--reward", "clip", "--weights", f"clip={model}", "--prompts",
               str(pictures / "prompts.csv"), "--batch", str(batch), "--threads", str(threads), "--decoders", str(threads),
               "--reward-option", "clip.preprocess=official", "--json", "--quiet"]
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="PASSIVE")
    printed, peak = run_and_measure(command, environment)
    answer = json.loads(printed)
    return answer["seconds"], peak, [row["scores"]["clip"] for row in answer["rows"]]


def run_python(model: Path, pictures: Path, batch: int, threads: int) -> tuple[float, float, list[float]]:
    command = [sys.executable, __file__, "peer", "--model", str(model), "--folder", str(pictures), "--batch", str(batch),
               "--threads", str(threads)]
    printed, peak = run_and_measure(command)
    answer = json.loads(printed.splitlines()[-1])
    return answer["seconds"], peak, answer["scores"]


def peer(options: argparse.Namespace) -> None:
    import torch
    from transformers import CLIPModel, CLIPProcessor

    torch.set_num_threads(options.threads)
    model = CLIPModel.from_pretrained(options.model).eval()
    processor = CLIPProcessor.from_pretrained(options.model)
    folder = Path(options.folder)
    with open(folder / "prompts.csv") as file:
        rows = list(csv.DictReader(file))
    scores: list[float] = []
    start = time.perf_counter()
    with torch.inference_mode():
        for i in range(0, len(rows), options.batch):
            part = rows[i:i + options.batch]
            images = [Image.open(folder / row["image"]).convert("RGB") for row in part]
            inputs = processor(text=[row["prompt"] for row in part], images=images, return_tensors="pt", padding=True, truncation=True)
            out = model(**inputs)
            scores += (out.image_embeds * out.text_embeds).sum(-1).tolist()
    print(json.dumps({"seconds": time.perf_counter() - start, "scores": scores}))


def speed(options: argparse.Namespace) -> None:
    print("| model | batch | hn, ms a picture | Python, ms a picture | Python / hn | hn, MiB | Python, MiB | largest difference of a score |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as root:
        big = Path(root) / "vit-b32"
        make_vit_b32(big)
        for name, model, count in (("tiny CLIP, 64 px", TINY, options.pictures * 8), ("ViT-B/32, 224 px", big, options.pictures)):
            pictures = Path(root) / f"pictures-{count}"
            if not pictures.exists():
                make_pictures(pictures, count, 256, "png")
            for batch in (1, 16):
                ours, theirs, ratios, peaks, worst = [], [], [], [0.0, 0.0], 0.0
                for _ in range(options.rounds):
                    seconds, peak, scores = run_hn(options.hnhost, model, pictures, batch, options.threads)
                    peer_seconds, peer_peak, peer_scores = run_python(model, pictures, batch, options.threads)
                    worst = max(worst, max(abs(a - b) for a, b in zip(scores, peer_scores, strict=True)))
                    ours.append(1000 * seconds / count)
                    theirs.append(1000 * peer_seconds / count)
                    ratios.append(peer_seconds / seconds)
                    peaks = [max(peaks[0], peak), max(peaks[1], peer_peak)]
                if worst > 1e-4:
                    sys.exit(f"{name}: the scores differ by {worst}")
                median = statistics.median
                print(f"| {name} | {batch} | {median(ours):.2f} ({min(ours):.2f}-{max(ours):.2f}) | {median(theirs):.2f} "
                      f"({min(theirs):.2f}-{max(theirs):.2f}) | {median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) | "
                      f"{peaks[0]:.0f} | {peaks[1]:.0f} | {worst:.1e} |", flush=True)


def memory(options: argparse.Namespace) -> None:
    print("| pictures | peak MiB | seconds |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as root:
        for count in (1000, 4000, 10000):
            pictures = Path(root) / str(count)
            make_pictures(pictures, count, 64, "png")
            start = time.perf_counter()
            _, peak = run_and_measure([options.hnhost, "score", str(pictures), "--reward", "clip,brightness", "--prompts",
                                       str(pictures / "prompts.csv"), "--out", str(Path(root) / f"{count}.jsonl"), "--threads",
                                       str(options.threads), "--quiet"])
            print(f"| {count} | {peak:.0f} | {time.perf_counter() - start:.1f} |", flush=True)


def resize(options: argparse.Namespace) -> None:
    """Times of training steps from metrics.jsonl; both variants must give the same rewards."""
    print("| resize | a step, ms | peak MiB | reward at the first step |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as root:
        big = Path(root) / "vit-b32"
        make_vit_b32(big)
        for name, edge in (("each reward for itself", 0), ("once for all", 224)):
            run = Path(root) / f"run-{edge}"
            command = [options.hnhost, "train", "--out", str(run), "--quiet", "--steps", str(options.steps), "--batch", "2", "--rank", "4",
                       "--threads", str(options.threads), "--set", "generator_options.width=256", "--set", "generator_options.height=256",
                       "--set", "eval.count=1", "--set", "train.sample_every=0"]
            for reward in ("clip", "pickscore"):
                command += ["--reward", reward, "--weights", f"{reward}={big}"]
                if edge:
                    command += ["--reward-option", f"{reward}.resize={edge}"]
            _, peak = run_and_measure(command)
            rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
            steps = [row for row in rows if row["kind"] == "train"]
            seconds = [1000 * row["seconds"] for row in steps[1:]]
            print(f"| {name} | {statistics.median(seconds):.1f} ({min(seconds):.1f}-{max(seconds):.1f}) | {peak:.0f} | "
                  f"{steps[0]['rewards']} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "memory", "resize", "peer", "make"))
    parser.add_argument("--hnhost")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--model")
    parser.add_argument("--folder")
    parser.add_argument("--batch", type=int)
    options = parser.parse_args()
    {"speed": speed, "memory": memory, "resize": resize, "peer": peer, "make": make}[options.what](options)


if __name__ == "__main__":
    main()
