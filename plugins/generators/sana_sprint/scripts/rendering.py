"""Draws scenes: 64x64 8-bit RGB, emoji cut-outs on a softly shaded background."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from scenes import SCENE, sample_scene
from vocabulary import BACKGROUND_NAMES, BACKGROUNDS, COLOURS, IMAGE_SIZE, OBJECTS, SPRITE_SIZES

CUTOUTS = Path(__file__).parent / "cutouts"
_LUMINANCE = np.array([0.3, 0.59, 0.11])
_MID_TONE = 0.55  # the tone at which a tint shows its pure colour
_HIGHLIGHTS = 0.45  # the range of tones above it


def tint(rgba: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Gradient map of an [H,W,4] picture (0..255): dark parts stay dark, the median tone takes the colour."""
    luminance = rgba[..., :3] / 255 @ _LUMINANCE
    median = np.median(luminance[rgba[..., 3] > 127.5])
    tone = np.clip(luminance, 0, 1) ** (np.log(_MID_TONE) / np.log(np.clip(median, 0.12, 0.95)))
    tone = tone[..., None]
    pure = np.array(colour) / 255
    shade = pure * (tone / _MID_TONE) ** 1.2
    light = pure + (1 - pure) * (tone - _MID_TONE) / _HIGHLIGHTS * 0.75
    rgb = np.where(tone < _MID_TONE, shade, light)
    return np.concatenate([np.clip(rgb, 0, 1) * 255, rgba[..., 3:]], -1)


class Sprites:
    """All objects in all tints and sizes, premultiplied: (colour 0..255 [h,w,3], 1 - alpha [h,w,1])."""

    def __init__(self, cutouts: Path = CUTOUTS):
        self._sprites: dict[tuple[int, int, int], tuple[np.ndarray, np.ndarray]] = {}
        for index, (code_point, tintable) in enumerate(OBJECTS.values()):
            picture = Image.open(cutouts / "webp" / f"{code_point}.webp").convert("RGBA")
            natural = np.asarray(picture.crop(picture.getchannel("A").getbbox())).astype(np.float64)
            self._add(index, -1, natural)
            for colour, rgb in enumerate(COLOURS.values() if tintable else ()):
                self._add(index, colour, tint(natural, rgb))

    def _add(self, obj: int, colour: int, rgba: np.ndarray) -> None:
        premultiplied = rgba.copy()
        premultiplied[..., :3] *= rgba[..., 3:] / 255
        picture = Image.fromarray(np.clip(premultiplied, 0, 255).astype(np.uint8))
        for size_index, size in enumerate(SPRITE_SIZES):
            scale = size / max(picture.size)
            target = tuple(max(1, round(side * scale)) for side in picture.size)
            method = Image.Resampling.BOX if scale < 0.2 else Image.Resampling.LANCZOS
            # Channel by channel: Pillow would premultiply an RGBA picture a second time.
            small = Image.merge("RGBA", [channel.resize(target, method) for channel in picture.split()])
            pixels = np.asarray(small).astype(np.float32) / 255
            self._sprites[obj, colour, size_index] = (pixels[..., :3] * 255, 1 - pixels[..., 3:])

    def get(self, obj: int, colour: int, size_index: int) -> tuple[np.ndarray, np.ndarray]:
        return self._sprites[obj, colour, size_index]


@cache
def _upsampling_matrix(cells: int) -> np.ndarray:
    """[IMAGE_SIZE, cells] matrix of bilinear interpolation, for low-frequency background noise."""
    position = np.clip((np.arange(IMAGE_SIZE) + 0.5) / IMAGE_SIZE * cells - 0.5, 0, cells - 1)
    left = np.minimum(position.astype(int), cells - 2)
    fraction = position - left
    matrix = np.zeros((IMAGE_SIZE, cells), np.float32)
    matrix[np.arange(IMAGE_SIZE), left] = 1 - fraction
    matrix[np.arange(IMAGE_SIZE), left + 1] += fraction
    return matrix


_ROWS, _COLUMNS = np.mgrid[0:IMAGE_SIZE, 0:IMAGE_SIZE].astype(np.float32) / (IMAGE_SIZE - 1) - 0.5


def render(scene: np.void, sprites: Sprites, rng: np.random.Generator) -> np.ndarray:
    """Draws one scene as [64,64,3] uint8; the background's shading is random."""
    base = np.array(BACKGROUNDS[BACKGROUND_NAMES[scene["background"]]], np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    amplitude = rng.uniform(0, 0.26)
    shading = 1 + amplitude * (np.cos(angle) * _COLUMNS + np.sin(angle) * _ROWS)
    upsample = _upsampling_matrix(4)
    shading = shading + 0.035 * (upsample @ rng.standard_normal((4, 4)).astype(np.float32) @ upsample.T)
    image = shading[..., None] * base
    for slot in range(scene["count"]):
        colour, transparency = sprites.get(*(int(scene[field][slot]) for field in ("object", "colour", "size")))
        height, width = transparency.shape[:2]
        left = int(np.clip(round(float(scene["x"][slot] - np.float32(width / 2))), 0, IMAGE_SIZE - width))
        top = int(np.clip(round(float(scene["y"][slot] - np.float32(height / 2))), 0, IMAGE_SIZE - height))
        window = image[top:top + height, left:left + width]
        window *= transparency
        window += colour
    return np.clip(image, 0, 255).astype(np.uint8)


def make_scenes(
    count: int, sprites: Sprites, seed: int, split: str = "train", kinds: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """`count` pictures [N,64,64,3] and their descriptions [N] of SCENE; `kinds` are taken in turn."""
    rng = np.random.default_rng(seed)
    scenes = np.empty(count, SCENE)
    images = np.empty((count, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    for index in range(count):
        scenes[index] = sample_scene(rng, split, None if kinds is None else kinds[index % len(kinds)])
        images[index] = render(scenes[index], sprites, rng)
    return images, scenes
