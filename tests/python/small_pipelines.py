"""Writes a small random pipeline with diffusers' own save_pretrained, as a user's folder is: a model of the goldens.

    python small_pipelines.py sd_turbo plain DIR
    python small_pipelines.py flux_schnell guided DIR --variant fp16 --shards 20KB

With --variant fp16 the weights are float16; with --shards larger ones come in several files and an index.
"""

import argparse
import sys
from pathlib import Path

import torch

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
GENERATORS = ("sana_sprint", "sd_turbo", "flux_schnell")


def build(generator: str, model: str):
    """The pipeline of MODELS[model] in tests/golden/GENERATOR/make.py; one generator a process."""
    sys.path.insert(0, str(GOLDEN / generator))
    import make  # noqa: PLC0415

    if model not in make.MODELS:
        raise SystemExit(f"[small_pipelines] expected a model of {generator}, one of {sorted(make.MODELS)}, got {model!r}")
    return make.build(model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", choices=GENERATORS)
    parser.add_argument("model", help="of tests/golden/GENERATOR/models.py or make.py")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variant", choices=["fp16"])
    parser.add_argument("--shards", metavar="SIZE", help="of the largest file, as 20KB")
    arguments = parser.parse_args()
    pipeline = build(arguments.generator, arguments.model)
    if arguments.variant:
        pipeline.to(torch.float16)
    pipeline.save_pretrained(arguments.folder, variant=arguments.variant, max_shard_size=arguments.shards or "10GB")


if __name__ == "__main__":
    main()
