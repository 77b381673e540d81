"""The tiny CLIP: its shape, its tokenizer wrapper, its features."""

from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTokenizerFast, CLIPVisionConfig

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
MAX_TOKENS = 32


def clip_config(vocabulary_size: int) -> CLIPConfig:
    start, end = vocabulary_size - 2, vocabulary_size - 1
    text = CLIPTextConfig(
        vocab_size=vocabulary_size, hidden_size=128, intermediate_size=512, num_hidden_layers=3,
        num_attention_heads=4, max_position_embeddings=MAX_TOKENS, projection_dim=128, bos_token_id=start,
        eos_token_id=end, pad_token_id=end,
    )
    vision = CLIPVisionConfig(
        hidden_size=128, intermediate_size=512, num_hidden_layers=5, num_attention_heads=4, image_size=64,
        patch_size=8, projection_dim=128,
    )
    return CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=128)


PREPROCESSOR = dict(
    image_processor_type="CLIPImageProcessor", do_resize=True, size=dict(shortest_edge=64), do_center_crop=True,
    crop_size=dict(height=64, width=64), do_rescale=True, rescale_factor=1 / 255, do_normalize=True,
    image_mean=list(MEAN), image_std=list(STD), do_convert_rgb=True, resample=3,
)


class ClipTokenizer:
    """Caption -> token ids padded with the end token to the longest of the batch, cached."""

    def __init__(self, folder: Path):
        self._tokenizer = CLIPTokenizerFast.from_pretrained(folder)
        self._cache: dict[str, list[int]] = {}

    def __call__(self, captions: list[str]) -> torch.Tensor:
        new = [text for text in dict.fromkeys(captions) if text not in self._cache]
        if new:
            encoded = self._tokenizer(new, truncation=True, max_length=MAX_TOKENS)["input_ids"]
            self._cache.update(zip(new, encoded))
        rows = [self._cache[text] for text in captions]
        longest = max(map(len, rows))
        end = self._tokenizer.eos_token_id
        return torch.tensor([row + [end] * (longest - len(row)) for row in rows])


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures in 0..1 -> CLIP's input."""
    return (pictures - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def pooled_image(model: CLIPModel, pictures: torch.Tensor) -> torch.Tensor:
    """The image tower's pooled output [B,128] before projection; pictures in 0..1."""
    return model.vision_model(pixel_values=normalise(pictures))[1]


def image_features(model: CLIPModel, pictures: torch.Tensor) -> torch.Tensor:
    """Unit vectors [B,128] of pictures [B,3,64,64] in 0..1."""
    return F.normalize(model.visual_projection(pooled_image(model, pictures)), dim=-1)


def text_features(model: CLIPModel, ids: torch.Tensor) -> torch.Tensor:
    """Unit vectors [B,128] of token ids [B,T]."""
    return F.normalize(model.text_projection(model.text_model(input_ids=ids)[1]), dim=-1)


@torch.no_grad()
def clip_scores(
    model: CLIPModel, tokenizer: ClipTokenizer, pictures: torch.Tensor, captions: list[str], batch: int = 200
) -> torch.Tensor:
    """Cosine [B] between each picture (in 0..1) and its caption: what the clip reward returns."""
    scores = []
    for start in range(0, len(captions), batch):
        part = slice(start, start + batch)
        images = image_features(model, pictures[part])
        scores.append((images * text_features(model, tokenizer(captions[part]))).sum(-1))
    return torch.cat(scores)


def load_clip(folder: Path) -> tuple[CLIPModel, ClipTokenizer]:
    return CLIPModel.from_pretrained(folder, dtype=torch.float32).eval(), ClipTokenizer(folder)
