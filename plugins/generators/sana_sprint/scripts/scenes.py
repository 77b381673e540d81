"""Descriptions of scenes: what is on the picture and where. `rendering.py` draws them, `captions.py` words them."""

import numpy as np

from vocabulary import (
    BACKGROUND_NAMES, COLOUR_NAMES, IMAGE_SIZE, KIND_SHARES, KINDS, OBJECT_NAMES, OBJECTS, RELATIONS, SPRITE_SIZES,
    TINTABLE, is_held_out_colour, is_held_out_relation,
)

MAX_SPRITES = 4

# One scene. Unused sprite entries hold -1 (object, colour) or 0. A colour of -1 is the object's natural one.
# x and y are sprite centres in pixels, size indexes SPRITE_SIZES, relation is that of sprite 0 to sprite 1 (or -1).
SCENE = np.dtype([
    ("kind", "i1"), ("background", "i1"), ("count", "i1"), ("relation", "i1"),
    ("object", "i1", MAX_SPRITES), ("colour", "i1", MAX_SPRITES),
    ("x", "f4", MAX_SPRITES), ("y", "f4", MAX_SPRITES), ("size", "i1", MAX_SPRITES),
])

NO_COLOUR = -2  # every colour of this object belongs to the other split
_TWO_CELLS = [[(16, 32), (48, 32)], [(32, 16), (32, 48)], [(16, 16), (48, 48)], [(48, 16), (16, 48)]]
_FOUR_CELLS = [(16, 16), (48, 16), (16, 48), (48, 48)]


def kind_of(scene: np.void) -> str:
    return KINDS[scene["kind"]]


def _clip_centre(value: float, size: int) -> float:
    """Keeps a sprite of this many pixels inside the picture."""
    return float(np.clip(value, size / 2, IMAGE_SIZE - size / 2))


def _draw_colour(rng: np.random.Generator, obj: int, background: int, held_out: bool) -> int:
    """A tint that differs from the background and belongs to the split, or NO_COLOUR."""
    for _ in range(60):
        colour = int(rng.integers(len(COLOUR_NAMES)))
        if colour != background and is_held_out_colour(obj, colour) == held_out:
            return colour
    return NO_COLOUR


def _place_single(scene: np.void, rng: np.random.Generator, tinted: bool, held_out: bool) -> None:
    while True:
        obj = int(rng.choice(TINTABLE)) if tinted else int(rng.integers(len(OBJECT_NAMES)))
        colour = _draw_colour(rng, obj, scene["background"], held_out) if tinted else -1
        if colour != NO_COLOUR:
            break
    scene["count"] = 1
    scene["object"][0], scene["colour"][0] = obj, colour
    scene["size"][0] = rng.integers(6, 12)
    size = SPRITE_SIZES[scene["size"][0]]
    scene["x"][0], scene["y"][0] = rng.uniform(size / 2, IMAGE_SIZE - size / 2, 2)


def _place_counting(scene: np.void, rng: np.random.Generator, held_out: bool) -> None:
    """Two to four times the same object: in four quadrants, or two in a row, a column or a diagonal."""
    count = int(rng.integers(2, 5))
    obj = int(rng.integers(len(OBJECT_NAMES)))
    colour = -1
    if OBJECTS[OBJECT_NAMES[obj]][1] and rng.random() < 0.25 and not held_out:
        colour = max(_draw_colour(rng, obj, scene["background"], held_out), -1)
    cells = _TWO_CELLS[rng.integers(4)] if count == 2 else _FOUR_CELLS
    chosen = rng.permutation(len(cells))[:count]
    base_size = int(rng.integers(1, 5))
    scene["count"] = count
    for slot, cell in enumerate(chosen):
        scene["object"][slot], scene["colour"][slot] = obj, colour
        scene["size"][slot] = np.clip(base_size + rng.integers(-1, 2), 0, 5)
        size = SPRITE_SIZES[scene["size"][slot]]
        scene["x"][slot] = _clip_centre(cells[cell][0] + rng.uniform(-3, 3), size)
        scene["y"][slot] = _clip_centre(cells[cell][1] + rng.uniform(-3, 3), size)


def _draw_pair(scene: np.void, rng: np.random.Generator, held_out: bool) -> None:
    """Two different objects and a relation; for "attribution" two different tints as well."""
    while True:
        if kind_of(scene) == "attribution":
            objects = rng.choice(TINTABLE, 2, replace=False)
            colours = [_draw_colour(rng, int(obj), scene["background"], held_out) for obj in objects]
            if NO_COLOUR in colours or colours[0] == colours[1]:
                continue
            relation = int(rng.integers(len(RELATIONS)))
            fits = not is_held_out_relation(objects[0], relation, objects[1])
        else:
            objects = rng.choice(len(OBJECT_NAMES), 2, replace=False)
            colours = [-1, -1]
            relation = int(rng.integers(len(RELATIONS)))
            fits = is_held_out_relation(objects[0], relation, objects[1]) == held_out
        if fits:
            break
    scene["count"], scene["relation"] = 2, relation
    scene["object"][:2], scene["colour"][:2] = objects, colours


def _place_pair(scene: np.void, rng: np.random.Generator) -> None:
    for slot in range(2):
        scene["size"][slot] = rng.integers(2, 7)
    half_distance = rng.uniform(15, 18)
    drift = rng.uniform(-7, 7, 2)
    centre = rng.uniform(-2, 2)
    along = [32 + centre - half_distance, 32 + centre + half_distance]
    if scene["relation"] in (1, 3):
        along.reverse()
    horizontal = scene["relation"] < 2
    for slot in range(2):
        size = SPRITE_SIZES[scene["size"][slot]]
        x, y = (along[slot], 32 + drift[slot]) if horizontal else (32 + drift[slot], along[slot])
        scene["x"][slot], scene["y"][slot] = _clip_centre(x, size), _clip_centre(y, size)


def sample_scene(rng: np.random.Generator, split: str = "train", kind: int | None = None) -> np.void:
    """Draws one scene of the split ("train" or "held"), of a given category or of a random one."""
    held_out = split == "held"
    scene = np.zeros((), SCENE)
    scene["object"], scene["colour"], scene["relation"] = -1, -1, -1
    scene["kind"] = rng.choice(len(KINDS), p=KIND_SHARES) if kind is None else kind
    scene["background"] = rng.integers(len(BACKGROUND_NAMES))
    name = kind_of(scene)
    if name in ("single", "colors"):
        _place_single(scene, rng, name == "colors", held_out)
    elif name == "counting":
        _place_counting(scene, rng, held_out)
    else:
        _draw_pair(scene, rng, held_out)
        _place_pair(scene, rng)
    return scene
