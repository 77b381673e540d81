"""The words of the emoji world: objects, colours, backgrounds, relations, categories, and what is held out.

Every other file refers to an entry by its index here, so the order is part of the trained weights.
"""

import zlib

IMAGE_SIZE = 64

# name -> (code point of the Fluent Emoji cut-out, whether it may be tinted in a COLOURS colour)
OBJECTS: dict[str, tuple[str, bool]] = {
    "dog": ("1f436", True), "cat": ("1f431", True), "pig": ("1f437", True), "panda": ("1f43c", False),
    "frog": ("1f438", True), "lion": ("1f981", False), "fox": ("1f98a", False), "elephant": ("1f418", True),
    "penguin": ("1f427", False), "owl": ("1f989", False), "turtle": ("1f422", False), "fish": ("1f420", True),
    "whale": ("1f433", False), "octopus": ("1f419", True), "butterfly": ("1f98b", True), "snail": ("1f40c", False),
    "banana": ("1f34c", True), "apple": ("1f34e", True), "strawberry": ("1f353", False),
    "pineapple": ("1f34d", False), "carrot": ("1f955", False), "mushroom": ("1f344", True), "pizza": ("1f355", False),
    "burger": ("1f354", False), "donut": ("1f369", True), "cake": ("1f382", False), "lemon": ("1f34b", False),
    "watermelon": ("1f349", False), "car": ("1f697", True), "bus": ("1f68c", True), "airplane": ("2708", False),
    "rocket": ("1f680", True), "bicycle": ("1f6b2", False), "boat": ("26f5", True), "tractor": ("1f69c", False),
    "helicopter": ("1f681", False), "house": ("1f3e0", True), "tree": ("1f333", False), "cactus": ("1f335", False),
    "umbrella": ("2602", True), "clock": ("23f0", False), "guitar": ("1f3b8", True), "key": ("1f511", False),
    "chair": ("1fa91", True), "cup": ("2615", True), "shoe": ("1f45f", True), "balloon": ("1f388", True),
    "star": ("2b50", True),
}
OBJECT_NAMES = list(OBJECTS)
TINTABLE = [index for index, name in enumerate(OBJECT_NAMES) if OBJECTS[name][1]]

# 8-bit RGB: object tints, and the (paler) backgrounds. A background colour has the index of the tint it resembles.
COLOURS = {
    "red": (222, 38, 38), "yellow": (250, 205, 20), "green": (50, 170, 60), "blue": (40, 95, 225),
    "purple": (135, 50, 195), "pink": (250, 120, 185),
}
COLOUR_NAMES = list(COLOURS)
BACKGROUNDS = {
    "red": (205, 75, 70), "yellow": (243, 218, 105), "green": (120, 190, 115), "blue": (105, 160, 232),
    "purple": (158, 115, 205), "pink": (246, 178, 206), "white": (242, 242, 240), "gray": (138, 138, 142),
}
BACKGROUND_NAMES = list(BACKGROUNDS)

# Relation r and r ^ 1 are each other's converse: "a left of b" is "b right of a".
RELATIONS = ["to the left of", "to the right of", "above", "below"]

# GenEval's six categories, and how often a training scene is of each.
KINDS = ["single", "two", "counting", "colors", "position", "attribution"]
KIND_SHARES = [0.18, 0.13, 0.17, 0.18, 0.20, 0.14]

NUMBERS = ["", "one", "two", "three", "four"]
IRREGULAR_PLURALS = {
    "fish": "fish", "butterfly": "butterflies", "strawberry": "strawberries", "fox": "foxes", "bus": "buses",
    "octopus": "octopuses", "cactus": "cacti",
}

# Longer side of a rendered object in pixels.
SPRITE_SIZES = [18, 20, 22, 24, 26, 28, 30, 33, 36, 40, 44, 48]


def _per_mille(text: str) -> int:
    """A fixed pseudo-random number 0..999 for a text, the same on every machine."""
    return zlib.crc32(text.encode()) % 1000


def is_held_out_colour(obj: int, colour: int) -> bool:
    """Whether this (object, colour) never occurs in the training split: one in ten."""
    return _per_mille(f"{OBJECT_NAMES[obj]}|{COLOUR_NAMES[colour]}|c2") < 100


def is_held_out_relation(first: int, relation: int, second: int) -> bool:
    """Whether this (object, relation, object), in either wording, never occurs in the training split."""
    if relation in (1, 3):
        first, second, relation = second, first, relation - 1
    return _per_mille(f"{OBJECT_NAMES[first]}|{relation}|{OBJECT_NAMES[second]}|r2") < 100
