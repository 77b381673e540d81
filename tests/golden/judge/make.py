"""Golden values of the judge: the Python original on scenes, blends of scenes, and noise.

    python make.py [OUT_DIR]        # default: this folder; needs torch 2.11, numpy, pillow, safetensors

Uses plugins/generators/sana_sprint/scripts (judge.py, captions.py, rendering.py) and plugins/rewards/judge/weights. Writes

golden.safetensors.gz
    image                   [N,3,64,64] uint8: drawn scenes of all categories, then blends of two scenes, then noise
    objects, colours, background   logits of every sixth image, float32
    right, background_right [M] uint8: verdicts of (image, prompt) pairs
    pair_image              [M] int32
    metadata "prompts": JSON, M captions; half are the image's own, half have one attribute altered
captions.json.gz            captions of every form with the parse that their scene and mentions imply

Tolerance: 1e-4 relative for logits; verdicts and parses identical.
"""
import gzip
import json, re, sys
from pathlib import Path

import numpy as np, torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "plugins/generators/sana_sprint/scripts"))
import vocabulary as V                                                         # noqa: E402
from captions import PAIR_KINDS, alter, draw_mentions, word_caption            # noqa: E402
from judge import find, is_right, load_judge                                   # noqa: E402
from rendering import Sprites, make_scenes                                     # noqa: E402
from scenes import kind_of, sample_scene                                       # noqa: E402


def check_vocabulary():
    """The plugin's word lists are these, in this order."""
    text = (ROOT / "plugins/rewards/judge/vocabulary.hpp").read_text()
    for name, words in dict(kObjects=V.OBJECT_NAMES, kColours=V.COLOUR_NAMES, kBackgrounds=V.BACKGROUND_NAMES, kRelations=V.RELATIONS,
                            kNumbers=V.NUMBERS).items():
        found = re.findall(r'"([^"]*)"', re.search(name + r" = \{(.*?)\};", text, re.S).group(1))
        assert found == list(words), (name, found)
    pairs = re.findall(r'\{"(\w+)",\s*"(\w+)"\}', text)
    assert dict(pairs) == V.IRREGULAR_PLURALS, pairs


def implied(scene, mentions):
    """What the caption of a scene asks for, from the scene and what is mentioned."""
    kind, count = kind_of(scene), int(scene["count"])
    colours = [int(c) if mentions.colour else -1 for c in scene["colour"]]
    objects = [int(o) for o in scene["object"]]
    relation, any_number = -1, False
    if kind in PAIR_KINDS:
        order = (1, 0) if mentions.second_first else (0, 1)
        items = [[objects[i], colours[i]] for i in order]
        if mentions.relation: relation = int(scene["relation"]) ^ (1 if mentions.second_first else 0)
        asked = "attribution" if any(c >= 0 for _, c in items) else "position" if relation >= 0 else "two"
    elif kind == "counting":
        any_number = not mentions.count
        items = [[objects[0], colours[0]]] * (1 if any_number else count)
        asked = "counting"
    else:
        items = [[objects[0], colours[0]]]
        asked = "colors" if colours[0] >= 0 else "single"
    return dict(category=V.KINDS.index(asked), items=items, any_number=any_number, relation=relation,
                background=int(scene["background"]) if mentions.background else -1)


def main(out):
    check_vocabulary()
    rng = np.random.default_rng(7)
    judge = load_judge(ROOT / "plugins/rewards/judge/weights/judge.safetensors")
    drawn, scenes = make_scenes(24, Sprites(), seed=77, kinds=range(6))
    blends = [(0.5 * drawn[i] + 0.5 * drawn[i + 1]).astype(np.uint8) for i in range(0, 12, 2)]
    noise = [rng.integers(0, 256, (64, 64, 3)).astype(np.uint8) for _ in range(3)]
    soft = [np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8) for _ in range(3)]
    image = torch.from_numpy(np.stack([*drawn, *blends, *noise, *soft])).permute(0, 3, 1, 2).contiguous()
    pictures = image.float() / 127.5 - 1
    findings = find(judge, pictures)
    with torch.no_grad(): logits = judge(pictures[::6])

    prompts, pair_image, right, background_right = [], [], [], []
    for i, finding in enumerate(findings):
        scene = scenes[i % len(scenes)]
        # full: the caption says everything that the category's verdict needs, so the scene's verdict is the caption's.
        mentions = draw_mentions(scene, rng, full=True)
        kind = kind_of(scene)
        what = {"counting": "count", "colors": "color", "position": "relation", "attribution": "swap"}.get(kind, "object")
        altered = alter(scene, rng, what)
        if what == "count": altered["object"], altered["colour"] = scene["object"][0], scene["colour"][0]
        for wanted in (scene, altered):
            prompts.append(word_caption(wanted, mentions)); pair_image.append(i)
            right.append(bool(is_right(finding, wanted)))
            background_right.append(bool(not mentions.background or finding.background == wanted["background"]))
    save_file(dict(image=image, objects=logits["cls"].contiguous(), colours=logits["col"].contiguous(), background=logits["bg"].contiguous(),
                   right=torch.tensor(right, dtype=torch.uint8), background_right=torch.tensor(background_right, dtype=torch.uint8),
                   pair_image=torch.tensor(pair_image, dtype=torch.int32)),
              str(out / "golden.safetensors"), metadata={"prompts": json.dumps(prompts)})
    packed = gzip.compress((out / "golden.safetensors").read_bytes(), 9, mtime=0)
    (out / "golden.safetensors.gz").write_bytes(packed)
    (out / "golden.safetensors").unlink()

    rows = []
    for i in range(600):
        scene = sample_scene(rng, kind=i % 6)
        mentions = draw_mentions(scene, rng)
        rows.append(dict(caption=word_caption(scene, mentions), **implied(scene, mentions)))
    text = "[" + ",\n".join(json.dumps(r) for r in rows) + "]\n"
    (out / "captions.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(findings)} pictures, {sum(right)} of {len(right)} pairs right, {len(rows)} captions")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
