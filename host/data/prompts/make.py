"""Makes the lists beside it: prompts for models that bring none of their own.

    python host/data/prompts/make.py        # writes train.txt, heldout.txt and demo.txt; the same ones each time

Half of them name objects, counts, colours and places, the six tasks of GenEval (arXiv 2310.11513); the other half are small scenes in a
medium, for taste. Every list has all kinds in equal shares; no prompt stands twice, in one list or in two. Needs Python alone.
"""
import random
from pathlib import Path

SIZES = {"heldout": 96, "demo": 12, "train": 1200}  # drawn in this order: a longer train.txt changes no other list

THINGS = """apple backpack banana bench bicycle boat book bottle bowl bus cake camera candle car chair clock computer cup door drum fork guitar
hammer hat helicopter kettle keyboard kite ladder lamp lantern leaf mug orange pear pencil piano pillow pumpkin rocket sandwich scarf shoe
spoon suitcase table teapot telephone tent toaster train tree truck umbrella vase violin wheel""".split()
ANIMALS = """bear bee bird butterfly camel cat cow crab deer dog dolphin duck elephant fish fox frog giraffe goat horse kangaroo koala lion
monkey mouse octopus otter owl panda parrot penguin rabbit raccoon shark sheep snail squirrel swan tiger turtle whale wolf zebra""".split()
COLOURS = "red orange yellow green blue purple pink brown black white grey turquoise".split()
PLURAL = {"bus": "buses", "bench": "benches", "leaf": "leaves", "mouse": "mice", "wolf": "wolves", "fish": "fish", "sheep": "sheep", "deer": "deer",
          "sandwich": "sandwiches", "fox": "foxes", "butterfly": "butterflies", "octopus": "octopuses", "scarf": "scarves"}
COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}
RELATIONS = ["to the left of", "to the right of", "above", "below", "behind", "in front of"]
MOODS = "sleepy curious tiny proud cheerful old young wet fluffy brave".split()
DEEDS = ["reading a book", "playing a drum", "looking at the stars", "wearing a hat", "riding a bicycle", "eating a pear", "sitting on a chair",
         "crossing a bridge", "holding an umbrella", "painting a door", "dancing", "sleeping under a tree"]
PLACES = ["in a snowy forest", "on a beach at sunset", "in a busy market", "in a small kitchen", "on a mountain top", "in a library", "in the rain",
          "in a field of flowers", "on a city roof at night", "under water", "in a desert", "beside a lake in autumn"]
MEDIA = ["oil painting", "watercolour", "pencil drawing", "photograph, soft light", "pixel art", "paper collage", "woodcut", "clay figure",
         "comic panel", "pastel drawing"]


def a(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def many(count, word):
    return f"{COUNTS[count]} {PLURAL.get(word, word + 's')}"


def two(rng, words):
    return rng.sample(words, 2)


ANY = THINGS + ANIMALS
KINDS = [
    lambda r: f"{r.choice(['a photo', 'a close-up', 'a studio photo', 'a drawing'])} of {a(r.choice(ANY))}",
    lambda r: "a photo of {} and {}".format(*map(a, two(r, ANY))),
    lambda r: f"a photo of {many(r.choice(list(COUNTS)), r.choice(ANY))}",
    lambda r: f"a photo of {a(r.choice(COLOURS) + ' ' + r.choice(THINGS))}",
    lambda r: "a photo of {1} {0} {2}".format(r.choice(RELATIONS), *map(a, two(r, ANY))),
    lambda r: "a photo of {} and {}".format(*(a(f"{c} {t}") for c, t in zip(two(r, COLOURS), two(r, THINGS)))),
    lambda r: f"{a(r.choice(MOODS) + ' ' + r.choice(ANIMALS))} {r.choice(DEEDS)}, {r.choice(MEDIA)}",
    lambda r: f"{a(r.choice(ANIMALS))} {r.choice(PLACES)}, {r.choice(MEDIA)}",
    lambda r: f"{a(r.choice(COLOURS) + ' ' + r.choice(THINGS))} {r.choice(PLACES)}, {r.choice(MEDIA)}",
    lambda r: f"{many(r.choice(list(COUNTS)), r.choice(ANIMALS))} {r.choice(DEEDS[5:])} {r.choice(PLACES)}",
    lambda r: f"{a(r.choice(MOODS) + ' ' + r.choice(ANIMALS))} and {a(r.choice(COLOURS) + ' ' + r.choice(THINGS))} {r.choice(PLACES)}",
    lambda r: f"{r.choice(MEDIA)} of {a(r.choice(MOODS) + ' ' + r.choice(ANIMALS))} {r.choice(DEEDS)} {r.choice(PLACES)}",
]


def main():
    folder = Path(__file__).resolve().parent
    rng = random.Random(2310)
    used = set()
    for name, size in SIZES.items():
        prompts = []
        while len(prompts) < size:
            prompt = KINDS[len(prompts) % len(KINDS)](rng)
            if prompt not in used:
                used.add(prompt)
                prompts.append(prompt)
        (folder / f"{name}.txt").write_text("\n".join(prompts) + "\n")


if __name__ == "__main__":
    main()
