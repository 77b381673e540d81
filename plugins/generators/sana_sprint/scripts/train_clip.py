"""Stage: the tiny CLIP (transformers' CLIPModel), the default reward.

Trained on scenes and on noisy VAE reconstructions of scenes, lightly augmented, so that a score means something on
generated pictures too. Besides the other captions of the batch, each picture sees its own caption with one attribute
altered. `--resume` goes on from the folder's weights; `--relation-share` raises the share of altered relations.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import CLIPModel

from captions import draw_mentions, draw_negative, word_caption
from clip_accuracy import alteration_accuracy
from clip_model import PREPROCESSOR, ClipTokenizer, clip_config, load_clip, pooled_image, text_features
from scenes import MAX_SPRITES
from training import Budget, Log, Schedule, add_common_arguments, descend, load_split, prepare
from vocabulary import BACKGROUND_NAMES, COLOUR_NAMES, IMAGE_SIZE, KINDS, OBJECT_NAMES

MAX_LOG_SCALE = math.log(60)
RECONSTRUCTED_SHARE = 0.4  # of the batches
IMPOSSIBLE = -1e4  # logit of a "negative" that is the right caption in other words
PAIR_KINDS = [KINDS.index(name) for name in ("two", "position", "attribution")]


class ReadOut(torch.nn.Module):
    """Reads objects, number, background, colours and places off the image tower: a helper of the training only."""

    def __init__(self, width: int = 128):
        super().__init__()
        objects = len(OBJECT_NAMES)
        self._sizes = [objects, MAX_SPRITES, len(BACKGROUND_NAMES), objects * (len(COLOUR_NAMES) + 1), objects * 2]
        self.heads = torch.nn.Linear(width, sum(self._sizes))

    def loss(self, pooled: torch.Tensor, scenes: np.ndarray) -> torch.Tensor:
        presence, count, background, colour, place = self.heads(pooled).split(self._sizes, 1)
        batch, objects = presence.shape
        is_present = torch.zeros(batch, objects)
        true_colour = torch.full((batch, objects), -100)
        true_place = torch.zeros(batch, objects, 2)
        place_known = torch.zeros(batch, objects, 1)
        for row, scene in enumerate(scenes):
            for slot in range(scene["count"]):
                obj = scene["object"][slot]
                is_present[row, obj] = 1
                true_colour[row, obj] = int(scene["colour"][slot]) + 1
                if KINDS[scene["kind"]] != "counting":
                    half = IMAGE_SIZE / 2
                    true_place[row, obj] = torch.tensor([scene["x"][slot] / half - 1, scene["y"][slot] / half - 1])
                    place_known[row, obj] = 1
        counts = torch.from_numpy(scenes["count"].astype(np.int64)) - 1
        backgrounds = torch.from_numpy(scenes["background"].astype(np.int64))
        colours = colour.reshape(batch * objects, -1)
        place_error = (place.view(batch, objects, 2) - true_place).abs() * place_known
        return (
            8 * F.binary_cross_entropy_with_logits(presence, is_present)
            + 0.5 * F.cross_entropy(count, counts)
            + 0.3 * F.cross_entropy(background, backgrounds)
            + 0.5 * F.cross_entropy(colours, true_colour.flatten(), ignore_index=-100)
            + place_error.sum() / place_known.sum().clamp(min=1)
        )


def augment(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Blur, noise and brightness at random; pictures in 0..1."""
    if rng.random() < 0.3:
        pictures = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    if rng.random() < 0.5:
        pictures = pictures + torch.randn_like(pictures) * float(rng.uniform(0, 0.06))
    return (pictures * float(rng.uniform(0.92, 1.08))).clamp(0, 1)


class Batches:
    """Draws pictures (in 0..1), their scenes, their captions and the altered captions."""

    def __init__(self, work: Path, arguments: argparse.Namespace, rng: np.random.Generator):
        self._images, self._scenes = load_split(work, "train")
        reconstructed = work / "train_reconstructed.npy"
        self._reconstructed = np.load(reconstructed, mmap_mode="r") if reconstructed.exists() else None
        self._arguments, self._rng = arguments, rng
        self._pairs = np.flatnonzero(np.isin(self._scenes["kind"], PAIR_KINDS))

    def _draw_indices(self, limit: int) -> np.ndarray:
        """Indices below the limit; `pair_share` of them are scenes of two objects."""
        size = self._arguments.batch
        chosen = self._rng.integers(0, limit, size)
        pairs = self._pairs[:np.searchsorted(self._pairs, limit)]
        if self._arguments.pair_share and len(pairs):
            forced = self._rng.random(size) < self._arguments.pair_share
            chosen[forced] = self._rng.choice(pairs, int(forced.sum()))
        return np.sort(chosen)

    def draw(self) -> tuple[torch.Tensor, np.ndarray, list[str], list[str]]:
        rng, arguments = self._rng, self._arguments
        use_reconstructed = self._reconstructed is not None and rng.random() < RECONSTRUCTED_SHARE
        source = self._reconstructed if use_reconstructed else self._images
        chosen = self._draw_indices(len(source))
        pictures = torch.from_numpy(source[chosen]).permute(0, 3, 1, 2).float() / 255
        right, altered = [], []
        for scene in self._scenes[chosen]:
            mentions = draw_mentions(scene, rng)
            right.append(word_caption(scene, mentions))
            for _ in range(arguments.negatives):
                altered.append(draw_negative(scene, mentions, rng, arguments.relation_share))
        return augment(pictures, rng), self._scenes[chosen], right, altered


def contrastive_loss(
    model: CLIPModel, images: torch.Tensor, texts: torch.Tensor, right: list[str], altered: list[str]
) -> torch.Tensor:
    """CLIP's symmetric loss over the batch with the altered captions added on the text side, plus half the loss of
    telling the right caption from the altered ones alone. images [B,D]; texts [B + B*negatives, D]."""
    batch = len(images)
    scale = model.logit_scale.clamp(max=MAX_LOG_SCALE).exp()
    own, negatives = texts[:batch], texts[batch:].view(batch, -1, texts.shape[-1])
    among = scale * images @ own.T
    against = scale * (images[:, None] * negatives).sum(-1)
    equal = torch.tensor([[a == b for b in right] for a in right]) & ~torch.eye(batch, dtype=torch.bool)
    among = among.masked_fill(equal, IMPOSSIBLE)
    per_row = negatives.shape[1]
    unchanged = [[altered[row * per_row + k] == right[row] for k in range(per_row)] for row in range(batch)]
    against = against.masked_fill(torch.tensor(unchanged), IMPOSSIBLE)
    label = torch.arange(batch)
    image_side = F.cross_entropy(torch.cat([among, against], 1), label)
    text_side = F.cross_entropy(among.T, label)
    own_only = F.cross_entropy(torch.cat([among.diagonal()[:, None], against], 1), torch.zeros_like(label))
    return (image_side + text_side) / 2 + 0.5 * own_only


def train(arguments: argparse.Namespace) -> None:
    rng = prepare(arguments, 31 if arguments.resume else 2)
    folder = arguments.out / "tiny-clip"
    if arguments.resume:
        model, tokenizer = load_clip(folder)
    else:
        tokenizer = ClipTokenizer(folder)
        model = CLIPModel(clip_config(len(json.loads((folder / "vocab.json").read_text(encoding="utf-8")))))
    model.train()
    read_out = ReadOut()
    optimiser = torch.optim.AdamW(
        [*model.parameters(), *read_out.parameters()], lr=arguments.rate, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = Schedule(optimiser, arguments.rate, 50 if arguments.resume else 200, hold=0.3, floor=0.03)
    batches = Batches(arguments.work, arguments, rng)
    budget = Budget(arguments.seconds, arguments.steps)
    log = Log("clip", budget, arguments.batch)
    while budget.running():
        schedule.apply(budget.step, budget.progress())
        pictures, scenes, right, altered = batches.draw()
        with torch.autocast("cpu", torch.bfloat16):
            pooled = pooled_image(model, pictures)
            images = F.normalize(model.visual_projection(pooled), dim=-1).float()
            texts = text_features(model, tokenizer(right + altered)).float()
        loss = contrastive_loss(model, images, texts, right, altered)
        descend(loss + 0.5 * read_out.loss(pooled.float(), scenes), optimiser)
        budget.count_step()
        log.add(loss.item())
    model.eval()
    model.logit_scale.data.clamp_(max=MAX_LOG_SCALE)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=1) + "\n", encoding="utf-8")
    for split in ("val", "held"):
        print(f"clip: {split}:", alteration_accuracy(model, tokenizer, *load_split(arguments.work, split)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate (default: %(default)s)")
    parser.add_argument("--negatives", type=int, default=3, help="altered captions a picture (default: %(default)s)")
    parser.add_argument("--relation-share", type=float, default=0.0,
                        help="share of altered captions that alter the relation, where there is one")
    parser.add_argument("--pair-share", type=float, default=0.0, help="share of pictures that must have two objects")
    parser.add_argument("--resume", action="store_true", help="continue from the saved weights")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
