"""Configurations of models: files under other names, left out, or with other keys."""
import json
import shutil

from clip_folders_files import CLIP, PICTURE, edit, folder, refused, score
from suite import ROOT, case

SPRINT = ROOT / "plugins/generators/sana_sprint/weights/emoji-sprint"
PLAIN = ("preprocessor_config.json",)


def processing(**changes):
    value = json.loads((CLIP / "preprocessor_config.json").read_text())
    value.update(image_mean=[0.1, 0.2, 0.3], image_std=[0.5, 0.4, 0.6], **changes)
    return value


def expected(t):
    """The score by processing() in the file that has been there all along."""
    return score(t, folder(t, "wanted", preprocessor_config=processing()), "a red cat")


@case("transformers 5's processor_config.json instead of preprocessor_config.json", "its mean and deviation are used")
def processor(t):
    target = folder(t, without=PLAIN, processor_config={"image_processor": processing(), "processor_class": "CLIPProcessor"})
    t.equal(score(t, target, "a red cat"), expected(t))


@case("both files, which disagree", "processor_config.json wins, as in transformers 5")
def both(t):
    target = folder(t, processor_config={"image_processor": processing()})
    t.equal(score(t, target, "a red cat"), expected(t))


@case("an older processor_config.json without image_processor", "preprocessor_config.json is read")
def older(t):
    target = folder(t, preprocessor_config=processing(), processor_config={"processor_class": "CLIPProcessor"})
    t.equal(score(t, target, "a red cat"), expected(t))


@case("neither file", "OpenAI's processing, and a warning that says so")
def neither(t):
    arguments = ["score", PICTURE, "--reward", "clip", "--prompt", "a red cat", "--weights", f"clip={folder(t, without=PLAIN)}", "--json"]
    outcome = t.fine(arguments)
    t.holds("preprocessor_config.json" in outcome.err and "OpenAI's mean" in outcome.err, f"no warning: {outcome.err}")
    t.equal(outcome.json()["rows"][0]["scores"]["clip"], score(t, CLIP, "a red cat"))
    t.got("scored, with a warning")


@case("no config.json beside the weights", "sizes from the tensors, and a warning that says what was assumed")
def no_config(t):
    outcome = t.hnhost("score", PICTURE, "--reward", "clip", "--prompt", "a red cat", "--weights", f"clip={folder(t, without=('config.json',))}", "--json")
    t.holds("no config.json" in outcome.err and "layer_norm_eps" in outcome.err, f"no warning: {outcome.err}")
    t.got("a warning that says what was assumed")


@case("sizes written as a number, a list and an object", "one score")
def sizes(t):
    forms = [{"size": 64, "crop_size": 64}, {"size": {"shortest_edge": 64}, "crop_size": [64, 64]}, {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}]
    scores = [score(t, folder(t, f"form{i}", preprocessor_config=processing(**form)), "a red cat") for i, form in enumerate(forms)]
    t.holds(len(set(scores)) == 1, f"got {scores}")


@case("preprocessor_config.json without sizes, for a tower of 64 pixels", "refused: 224 is what upstream takes then")
def no_sizes(t):
    target = folder(t)
    edit(target, "preprocessor_config.json", lambda j: [j.pop("size"), j.pop("crop_size")])
    refused(t, target, ["preprocessor_config.json", "64 x 64", "224 x 224"])


REFUSED = {
    "another image_processor_type": ({"image_processor_type": "SiglipImageProcessor"}, ["image_processor_type", "SiglipImageProcessor"]),
    "resample lanczos": ({"resample": 1}, ["resample", "got 1"]),
    "do_center_crop false": ({"do_center_crop": False}, ["do_center_crop"]),
    "rescale_factor 1/127.5": ({"rescale_factor": 1 / 127.5}, ["rescale_factor"]),
    "two numbers for image_mean": ({"image_mean": [0.5, 0.5]}, ["image_mean", "three numbers"]),
    "do_pad": ({"do_pad": True}, ["do_pad"]),
    "a key that nobody knows": ({"do_invert": True}, ["do_invert"]),
}


@case("preprocessor_config.json with " + "; ".join(REFUSED), "each refused by file and key")
def refusals(t):
    for number, (change, says) in enumerate(REFUSED.values()):
        value = json.loads((CLIP / "preprocessor_config.json").read_text())
        value.update(change)
        refused(t, folder(t, f"bad{number}", preprocessor_config=value), ["preprocessor_config.json", *says])
    t.got("each refused by file and key")


def pipeline(t, part, change):
    target = t.path("sprint")
    shutil.copytree(SPRINT, target)
    edit(target, part, change)
    return t.hnhost("inspect", "sana_sprint", "--weights", target)


def refused_pipeline(t, part, change, says):
    outcome = pipeline(t, part, change)
    text = outcome.out + outcome.err
    t.holds(outcome.code == 1 and all(word in text for word in says), f"code {outcome.code}: {text[-500:]}")
    t.got(next(line for line in text.splitlines() if says[-1] in line).strip()[:200])


@case("a model_index.json that names another scheduler than the scheduler's own file", "refused: upstream opens a part by the index")
def index(t):
    refused_pipeline(t, "model_index.json", lambda j: j.update(scheduler=["diffusers", "LCMScheduler"]), ["model_index.json", "scheduler", "LCMScheduler"])


@case("a key that nobody knows in the text encoder's config.json", "refused by file and key")
def text_encoder(t):
    refused_pipeline(t, "text_encoder/config.json", lambda j: j.update(attention_sinks=4), ["config.json", "attention_sinks"])


@case("a tokenizer_config.json whose add_bos_token differs from tokenizer.json", "refused: upstream's versions take different ones")
def bos(t):
    refused_pipeline(t, "tokenizer/tokenizer_config.json", lambda j: j.update(add_bos_token=False), ["tokenizer_config.json", "add_bos_token"])
