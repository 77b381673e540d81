"""The caption grammar, and captions with one altered attribute (hard negatives).

    [a photo of] NOUN | COUNT NOUNS | NOUN and NOUN | NOUN RELATION NOUN [on a COLOUR background]

A caption may leave details out; what it does not mention, the generator's noise decides.
"""

from dataclasses import dataclass, replace

import numpy as np

from scenes import kind_of
from vocabulary import (
    BACKGROUND_NAMES, COLOUR_NAMES, IRREGULAR_PLURALS, NUMBERS, OBJECT_NAMES, RELATIONS, TINTABLE,
)

PAIR_KINDS = ("two", "position", "attribution")
ALTERATIONS = ("object", "background", "color", "count", "relation", "swap")


@dataclass(frozen=True)
class Mentions:
    """What a caption of a scene mentions; `second_first` swaps the order of two objects (and turns the relation)."""

    second_first: bool
    background: bool
    colour: bool
    count: bool
    photo: bool
    relation: bool


def draw_mentions(scene: np.void, rng: np.random.Generator, full: bool = False) -> Mentions:
    """Draws what to mention. `full` leaves out nothing that belongs to the scene's category; the background stays
    a matter of chance."""

    def chance(share: float) -> bool:
        return not full and bool(rng.random() < share)

    second_first = bool(rng.random() < 0.5)
    background = bool(rng.random() < 0.5)
    colour, count, photo = not chance(0.12), not chance(0.12), chance(0.12)
    kind = kind_of(scene)
    if full:
        relation = kind == "position"
    else:
        relation = bool(rng.random() < {"two": 0.25, "position": 0.9, "attribution": 0.4}.get(kind, 0))
    return Mentions(second_first, background, colour, count, photo, relation)


def with_article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def plural(noun: str) -> str:
    return IRREGULAR_PLURALS.get(noun, noun + "s")


def word_caption(scene: np.void, mentions: Mentions) -> str:
    """The caption of a scene, given what it mentions."""
    colours = [COLOUR_NAMES[c] + " " if c >= 0 and mentions.colour else "" for c in scene["colour"]]
    names = [OBJECT_NAMES[o] for o in scene["object"]]
    kind = kind_of(scene)
    if kind in PAIR_KINDS:
        first, second = (1, 0) if mentions.second_first else (0, 1)
        relation = scene["relation"] ^ 1 if mentions.second_first else scene["relation"]
        joint = RELATIONS[relation] if mentions.relation else "and"
        text = f"{with_article(colours[first] + names[first])} {joint} {with_article(colours[second] + names[second])}"
    elif kind == "counting":
        number = NUMBERS[scene["count"]] + " " if mentions.count else ""
        text = number + colours[0] + plural(names[0])
    else:
        text = with_article(colours[0] + names[0])
    if mentions.background:
        text += f" on a {BACKGROUND_NAMES[scene['background']]} background"
    return "a photo of " + text if mentions.photo else text


def caption(scene: np.void, rng: np.random.Generator, full: bool = False) -> str:
    return word_caption(scene, draw_mentions(scene, rng, full))


def with_background(mentions: Mentions) -> Mentions:
    return replace(mentions, background=True)


def _draw_other(rng: np.random.Generator, pool, taken) -> int:
    """A member of the pool (a sequence, or the number of entries) that is not taken."""
    while (value := int(rng.integers(pool) if isinstance(pool, int) else rng.choice(pool))) in taken:
        pass
    return value


def possible_alterations(scene: np.void, mentions: Mentions) -> list[str]:
    """Attributes that the caption mentions and that can be altered; the telling ones twice, to be drawn more often."""
    kind = kind_of(scene)
    options = ["object"]
    if mentions.background:
        options.append("background")
    if mentions.colour and scene["colour"][0] >= 0:
        options += ["color"] * 2
    if kind == "counting" and mentions.count:
        options += ["count"] * 2
    if kind in PAIR_KINDS and mentions.relation:
        options += ["relation"] * 2
    if kind == "attribution" and mentions.colour:
        options += ["swap"] * 2
    return options


def alter(scene: np.void, rng: np.random.Generator, what: str) -> np.void:
    """A copy of the scene in which one attribute, one of ALTERATIONS, is different."""
    changed = scene.copy()
    kind, count = kind_of(scene), int(scene["count"])
    if what == "background":
        changed["background"] = _draw_other(rng, len(BACKGROUND_NAMES), [scene["background"]])
    elif what == "color":
        slot = int(rng.integers(count)) if kind == "attribution" else 0
        colour = _draw_other(rng, len(COLOUR_NAMES), scene["colour"].tolist())
        slots = slice(slot, slot + 1) if kind == "attribution" else slice(count)
        changed["colour"][slots] = colour
    elif what == "count":
        changed["count"] = rng.choice([other for other in (2, 3, 4) if other != count])
    elif what == "relation":
        relation = int(scene["relation"])
        changed["relation"] = relation ^ 1 if rng.random() < 0.7 else (relation + 2) % 4
    elif what == "swap":
        changed["colour"][:2] = scene["colour"][1::-1]
    elif what == "object":
        slot = int(rng.integers(count)) if kind in PAIR_KINDS else 0
        pool = TINTABLE if scene["colour"][slot] >= 0 else len(OBJECT_NAMES)
        other = _draw_other(rng, pool, scene["object"][:count])
        changed["object"][slice(count) if kind == "counting" else slot] = other
    else:
        raise ValueError(f"[alter] expected one of {ALTERATIONS}, got {what!r}")
    return changed


def draw_negative(scene: np.void, mentions: Mentions, rng: np.random.Generator, relation_share: float = 0.0) -> str:
    """A caption with one mentioned attribute altered; `relation_share` of them, where a relation is mentioned, alter
    the relation, the others draw from `possible_alterations`."""
    options = possible_alterations(scene, mentions)
    if "relation" in options and rng.random() < relation_share:
        what = "relation"
    else:
        what = options[rng.integers(len(options))]
    return word_caption(alter(scene, rng, what), mentions)
