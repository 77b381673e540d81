"""The shapes of the tiny models and how to call them: text encoder, transformer, VAE.

Latents are [B,16,8,8] with unit variance; pictures are [B,3,64,64] in -1..1. Captions are lower-cased and stripped,
without the pipeline's "complex human instruction".
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from diffusers import AutoencoderDC, SanaTransformer2DModel
from tokenizers import Tokenizer
from transformers import Gemma2Config, Gemma2Model

LATENT_SHAPE = (16, 8, 8)
MAX_TOKENS = 20  # in training; the pipeline pads to 300, padding is masked and the results agree
GUIDANCE = 0.45  # the pipeline's default 4.5 times guidance_embeds_scale 0.1: always this constant

VAE_CONFIG = dict(
    in_channels=3, latent_channels=16, attention_head_dim=32,
    encoder_block_types=["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"],
    decoder_block_types=["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"],
    encoder_block_out_channels=[16, 32, 64, 128], decoder_block_out_channels=[16, 32, 64, 128],
    encoder_layers_per_block=[0, 1, 1, 1], decoder_layers_per_block=[1, 1, 1, 1],
    encoder_qkv_multiscales=[[], [], [], []], decoder_qkv_multiscales=[[], [], [], [5]],
    downsample_block_type="conv", upsample_block_type="pixel_shuffle",
    decoder_norm_types="rms_norm", decoder_act_fns="silu", scaling_factor=1.0,
)

TRANSFORMER_CONFIG = dict(
    in_channels=16, out_channels=16, num_attention_heads=8, attention_head_dim=32, num_layers=6,
    num_cross_attention_heads=8, cross_attention_head_dim=32, cross_attention_dim=256, caption_channels=128,
    mlp_ratio=2.5, dropout=0.0, attention_bias=False, sample_size=8, patch_size=2, norm_elementwise_affine=False,
    norm_eps=1e-6, interpolation_scale=None, guidance_embeds=True, guidance_embeds_scale=0.1,
    qk_norm="rms_norm_across_heads", timestep_scale=1.0,
)


def text_encoder_config(vocabulary_size: int) -> Gemma2Config:
    return Gemma2Config(
        vocab_size=vocabulary_size, hidden_size=128, intermediate_size=384, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, head_dim=32, query_pre_attn_scalar=32,
        max_position_embeddings=512, sliding_window=256, attn_logit_softcapping=50.0, final_logit_softcapping=30.0,
        pad_token_id=0, eos_token_id=1, bos_token_id=2, rms_norm_eps=1e-6, attention_dropout=0.0,
        initializer_range=0.05,
    )


@dataclass(frozen=True)
class Text:
    """Encoded captions: states [B,T,128] and mask [B,T] (True where a token is)."""

    states: torch.Tensor
    mask: torch.Tensor

    def __getitem__(self, index) -> "Text":
        return Text(self.states[index], self.mask[index])

    def expand(self, batch: int) -> "Text":
        return Text(self.states.expand(batch, -1, -1), self.mask.expand(batch, -1))


def join_texts(first: Text, second: Text) -> Text:
    return Text(torch.cat([first.states, second.states]), torch.cat([first.mask, second.mask]))


class CaptionTokenizer:
    """Caption -> padded token ids, cached; the same ids as the pipeline's tokenizer gives."""

    def __init__(self, folder: Path):
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._cache: dict[str, list[int]] = {}
        self.size = self._tokenizer.get_vocab_size()

    def ids_of(self, text: str) -> list[int]:
        if text not in self._cache:
            self._cache[text] = self._tokenizer.encode(text.lower().strip()).ids
        return self._cache[text]

    def __call__(self, captions: list[str], length: int = MAX_TOKENS) -> tuple[torch.Tensor, torch.Tensor]:
        """-> ids [B,length] (0 is padding) and mask [B,length]."""
        ids = torch.zeros(len(captions), length, dtype=torch.long)
        for row, text in enumerate(captions):
            tokens = self.ids_of(text)[:length]
            ids[row, :len(tokens)] = torch.tensor(tokens)
        return ids, ids != 0


class Models(NamedTuple):
    vae: AutoencoderDC
    text_encoder: Gemma2Model
    transformer: SanaTransformer2DModel
    tokenizer: CaptionTokenizer


def load_models(folder: Path, transformer: Path | None = None) -> Models:
    """Loads a pipeline folder in float32 for inference; `transformer` names another transformer (the teacher)."""
    return Models(
        AutoencoderDC.from_pretrained(folder / "vae").float().eval().requires_grad_(False),
        Gemma2Model.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval().requires_grad_(False),
        SanaTransformer2DModel.from_pretrained(transformer or folder / "transformer").float().eval(),
        CaptionTokenizer(folder / "tokenizer"),
    )


def encode_text(text_encoder: Gemma2Model, tokenizer: CaptionTokenizer, captions: list[str]) -> Text:
    ids, mask = tokenizer(captions)
    return Text(text_encoder(input_ids=ids, attention_mask=mask.long())[0], mask)


def velocity(transformer, noisy: torch.Tensor, level: torch.Tensor | float, text: Text) -> torch.Tensor:
    """Flow-matching velocity (noise - data) at x_s = (1 - s) data + s noise, with the noise level s in 0..1."""
    batch = len(noisy)
    return transformer(
        noisy, encoder_hidden_states=text.states, encoder_attention_mask=text.mask.float(),
        guidance=torch.full((batch,), GUIDANCE), timestep=torch.as_tensor(level, dtype=torch.float32).expand(batch),
        return_dict=False,
    )[0]


@torch.no_grad()
def decode(vae: AutoencoderDC, latents: torch.Tensor, batch: int = 64) -> torch.Tensor:
    """Unit-variance latents -> pictures [B,3,64,64], clamped to -1..1."""
    scaled = latents / vae.config.scaling_factor
    return torch.cat([vae.decoder(part).float().clamp(-1, 1) for part in scaled.split(batch)])


@torch.no_grad()
def encode(vae: AutoencoderDC, pictures: torch.Tensor, batch: int = 64) -> torch.Tensor:
    """Pictures [B,3,64,64] in -1..1 -> unit-variance latents."""
    return torch.cat([vae.encoder(part).float() for part in pictures.split(batch)]) * vae.config.scaling_factor
