"""Contact sheets: rows of pictures with captions."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

TILE = 128
CAPTION_HEIGHT = 26
GAP = 4


def _two_lines(text: str, width: int) -> str:
    first: list[str] = []
    words = text.split()
    while words and len(" ".join(first + words[:1])) <= width:
        first.append(words.pop(0))
    return " ".join(first) + "\n" + " ".join(words)[:width]


def contact_sheet(rows: list[np.ndarray], captions: list[str], path: Path, columns: int = 8) -> None:
    """Each row [N,64,64,3] uint8 is one model; the pictures of one caption stand below each other."""
    blocks = -(-len(captions) // columns)
    block_height = len(rows) * TILE + CAPTION_HEIGHT + GAP
    sheet = Image.new("RGB", (columns * (TILE + GAP), blocks * block_height), "white")
    draw = ImageDraw.Draw(sheet)
    for index, text in enumerate(captions):
        left, top = index % columns * (TILE + GAP), index // columns * block_height
        for row, pictures in enumerate(rows):
            tile = Image.fromarray(pictures[index]).resize((TILE, TILE), Image.Resampling.BICUBIC)
            sheet.paste(tile, (left, top + row * TILE))
        draw.text((left + 1, top + len(rows) * TILE), _two_lines(text, TILE // 6), fill="black")
    sheet.save(path)
