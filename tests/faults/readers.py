"""Every file that the product reads, cut short and with flipped bits: 2 cuts and 2 flips each in the short form, 50 in the long one.

However a file is damaged, the command ends by itself, soon and without taking the machine's memory; where it refuses, it names the
file. Where a format carries a checksum, damage never passes for another result; where it carries none (prompts, configurations,
safetensors of others), the table says how often it did, since nobody could know.
"""
import gzip
import itertools
import pathlib
import random
import re
import shutil

from suite import ROOT, Failed, case

GOLDEN = ROOT / "tests/golden"
EMOJI = ROOT / "plugins/generators/sana_sprint/weights/emoji-sprint"
CLIP = ROOT / "plugins/rewards/clip/weights/tiny-clip"
PICTURE = GOLDEN / "images/rgb.png"
SHORT, LONG = 2, 50
MEMORY = 400  # MiB above what the whole file needs
NOT_FINITE = re.compile(r"(the score|the picture|the latents|delta|gradient) is (not finite|nan|-?inf)")
TIMES = re.compile(r'"(seconds|load_seconds|images_per_second|train_seconds|samples_per_second|peak_memory_bytes|delta_milliseconds|picture_milliseconds)": [^,\n]*')


def damaged(content, count, seed):
    """(what was done, the damaged bytes): cuts and flips at places drawn with `seed`, the ends among them."""
    dice = random.Random(seed)
    size = len(content)
    cuts = {0, max(0, size - 1)} | {dice.randrange(size) for _ in range(count)}
    for place in itertools.islice(sorted(cuts, key=lambda _: dice.random()), count):
        yield f"cut to {place} of {size} bytes", content[:place]
    for _ in range(count):
        place, bit = dice.randrange(size), dice.randrange(8)
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        yield f"bit {bit} of byte {place} flipped", bytes(flipped)


class Reader:
    """A command that reads `file`; everything that it writes lies in `scratch` and is made anew by `prepare`."""

    def __init__(self, file, command, named=None, protected=False, prepare=lambda: None, result=lambda: "", env=None):
        self.file, self.command, self.named = pathlib.Path(file), command, named or (pathlib.Path(file).name,)
        self.protected, self.prepare, self.result, self.env = protected, prepare, result, env


def attempt(t, reader):
    reader.prepare()
    outcome = t.hnhost(*reader.command, timeout=120, env=reader.env)
    return outcome, (TIMES.sub("", outcome.out), reader.result() if outcome.code == 0 else "")


def run(t, reader, count):
    content = reader.file.read_bytes()
    whole, expected = attempt(t, reader)
    if whole.code != 0:
        raise Failed(f"the whole file was refused: {whole.err[-400:]}")
    tally = {"refused": 0, "no number (not finite, told)": 0, "the same result": 0, "another result": 0}
    problems = []
    for what, bytes_ in damaged(content, count, seed=reader.file.name):
        reader.file.write_bytes(bytes_)
        try:
            outcome, result = attempt(t, reader)
        except Failed as hung:
            problems.append(f"{what}: {hung}")
            continue
        if outcome.code < 0:
            problems.append(f"{what}: ended by signal {-outcome.code}")
        elif outcome.peak_mib > whole.peak_mib + MEMORY:
            problems.append(f"{what}: {outcome.peak_mib} MiB, {whole.peak_mib} for the whole file")
        elif outcome.code != 0 and not reader.protected and NOT_FINITE.search(outcome.err + outcome.out):
            # A flipped exponent reads as another weight; what it does to the score is seen and told.
            tally["no number (not finite, told)"] += 1
        elif outcome.code != 0:
            tally["refused"] += 1
            if not any(name in outcome.err + outcome.out for name in reader.named):
                problems.append(f"{what}: the message does not name {reader.named[0]}: {(outcome.err + outcome.out).strip()[-300:]}")
        elif result == expected:
            tally["the same result"] += 1
        else:
            tally["another result"] += 1
            if reader.protected:
                problems.append(f"{what}: another result, in silence: {outcome.err.strip()[-200:]}")
    reader.file.write_bytes(content)
    t.got(", ".join(f"{n} {name}" for name, n in tally.items() if n))
    if problems:
        raise Failed(f"{len(problems)} of {2 * count}: " + " / ".join(problems[:4]))


def reads(name, protected=False):
    """Adds a reader's case in both forms; the function gets a Trial and gives a Reader."""

    def add(make):
        good = "refused by name" + ("" if protected else ", or read as what it then says")
        case(name, expected=good)(lambda t: run(t, make(t), SHORT))
        case(name + f", {2 * LONG} places", expected=good, slow=True)(lambda t: run(t, make(t), LONG))
        return make

    def named(make):
        make.__name__ = name
        return add(make)

    return named


def copied(t, source, name=None):
    target = t.path(name or pathlib.Path(source).name)
    if pathlib.Path(source).is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
    return target


def scoring(picture, *more, reward="redness"):
    return ["score", picture, "--reward", reward, "--strict", "--json", *more]


for picture, sums in (("rgb.png", True), ("photo.jpg", False), ("lossy.webp", False)):

    @reads(f"a picture: {picture}", protected=sums)
    def a_picture(t, picture=picture):
        file = copied(t, GOLDEN / "images" / picture)
        return Reader(file, scoring(file), protected=sums and picture.endswith("png"))


for name, text in (("prompts.txt", "a red star\n"), ("prompts.tsv", "prompt\tnote\na red star\tone\n"),
                   ("prompts.jsonl", '{"prompt": "a red star"}\n')):

    @reads(f"prompts: {name}")
    def prompts(t, name=name, text=text):
        return Reader(t.write(name, text), ["sample", "--prompts", t.path(name), "--images-out", t.path("out.safetensors"), "--json"],
                      result=lambda: t.path("out.safetensors").read_bytes())


for name, text in (("set.csv", "image,prompt\n{0},a red star\n"), ("set.jsonl", '{{"image": "{0}", "prompt": "a red star"}}\n')):

    @reads(f"a table of pictures: {name}")
    def a_table(t, name=name, text=text):
        file = t.write(name, text.format(copied(t, PICTURE).name))
        # A damaged path is a row of its own: it names the picture that is not there.
        return Reader(file, scoring(file, reward="clip"), named=(name, '"error"'))


@reads("a caption beside its picture")
def a_caption(t):
    picture = copied(t, PICTURE)
    return Reader(t.write("rgb.txt", "a red star"), scoring(picture, reward="clip"), named=("rgb.txt", ".txt file beside"))


@reads("a configuration")
def a_configuration(t):
    file = t.write("run.toml", 'generator = "emoji-sprint"\nseed = 5\ntrain.steps = 3\n[[reward]]\nname = "redness"\nweight = 2.0\n')
    # A flipped letter may name another generator or reward: the message then has that name.
    return Reader(file, ["train", "--config", file, "--dry-run", "--out", t.path("run")], named=(file.name, "no generator '", "no reward '"))


def bundle(t):
    source = next((t.command.parents[1] / "lib/hn/plugins").glob("redness.hnp"))
    return copied(t, source, "own/redness.hnp")


@reads("a plugin's manifest")
def a_manifest(t):
    t.path("own").mkdir()
    folder = bundle(t)
    # Cut before its name it is no longer redness, and stands in the list of broken bundles.
    return Reader(folder / "plugin.toml", scoring(copied(t, PICTURE), "--plugin-path", t.path("own")), named=("plugin.toml", "broken bundles: 1", "the manifest describes"))


@reads("a plugin's library", protected=True)
def a_library(t):
    t.path("own").mkdir()
    folder = bundle(t)
    library = next(p for p in folder.iterdir() if p.suffix == ".so")
    return Reader(library, scoring(copied(t, PICTURE), "--plugin-path", t.path("own")), protected=True)


for name in ("config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"):

    @reads(f"a reward's weights: {name}")
    def a_reward(t, name=name):
        folder = copied(t, CLIP)
        return Reader(folder / name,
                      scoring(copied(t, PICTURE), "--prompt", "a red star", "--weights", f"clip={folder}", reward="clip"),
                      named=(name, str(folder)))  # what does not fit together concerns the folder


for name in sorted(str(p.relative_to(EMOJI)) for p in EMOJI.rglob("*.json")) + ["transformer/diffusion_pytorch_model.safetensors"]:
    if not (EMOJI / name).exists():
        continue

    @reads(f"a generator's weights: {name}")
    def a_generator(t, name=name):
        folder = copied(t, EMOJI)
        return Reader(folder / name, ["sample", "--generator", "sana_sprint", "--weights", folder, "--prompt", "a red star",
                                      "--images-out", t.path("out.safetensors"), "--json"],
                      named=(pathlib.Path(name).name, str(folder)), result=lambda: t.path("out.safetensors").read_bytes())


@reads("raw pictures: images.safetensors")
def raw_pictures(t):
    t.fine(["sample", "--prompt", "a red star", "--images-out", t.path("images.safetensors")])
    return Reader(t.path("images.safetensors"), ["score", "--images-in", t.path("images.safetensors"), "--reward", "redness", "--json"])


@reads("noise: noise.safetensors")
def noise(t):
    t.fine(["sample", "--prompt", "a red star", "--noise-out", t.path("noise.safetensors")])
    return Reader(t.path("noise.safetensors"), ["sample", "--noise-in", t.path("noise.safetensors"), "--prompt", "a red star",
                                                "--images-out", t.path("out.safetensors"), "--json"],
                  result=lambda: t.path("out.safetensors").read_bytes())


def training(t, out, steps=2):
    prompts = t.write("own.txt", "a star\na red balloon\n")
    return ["train", "--reward", "redness", "--measure", "redness", "--prompts", prompts, "--eval-prompts", prompts, "--sample-prompts",
            prompts, "--steps", str(steps), "--batch", "2", "--rank", "2", "--threads", "1", "--set", "train.checkpoint_every=1",
            "--out", out, "--json"]


for name, net in (("adapter_model.safetensors", "hypernet"), ("adapter_config.json", "hypernet"),
                  ("noise_net.safetensors", "low-frequency"), ("noise_net.json", "low-frequency")):

    # A noise network of our own carries its sum.
    @reads(f"an adapter: {name}", protected=name == "noise_net.safetensors")
    def an_adapter(t, name=name, net=net):
        t.fine(training(t, t.path("run")) + ["--net", net])
        folder = copied(t, t.path("run/adapter"), "own")
        return Reader(folder / name, ["sample", "--adapter", folder, "--prompt", "a red star", "--images-out", t.path("out.safetensors"), "--json"],
                      result=lambda: t.path("out.safetensors").read_bytes(), protected=name == "noise_net.safetensors")


for name, sums in (("config.toml", False), ("checkpoint.safetensors", True), ("metrics.jsonl", False), ("scores.json", False),
                   ("events.out.tfevents.0.hnhost", True)):

    @reads(f"a run that goes on: {name}", protected=sums)
    def a_run(t, name=name, sums=sums):
        t.fine(training(t, t.path("whole")))
        t.path("whole/summary.json").unlink()
        file = copied(t, t.path("whole") / name, "damaged")

        def prepare():
            shutil.rmtree(t.path("run"), ignore_errors=True)
            shutil.copytree(t.path("whole"), t.path("run"))
            shutil.copy(file, t.path("run") / name)

        def result():
            return (t.path("run/adapter/adapter_model.safetensors").read_bytes(), t.path("run/scores.json").read_bytes())

        return Reader(file, training(t, t.path("run")), named=(name, f"{t.path('run')}"), protected=sums, prepare=prepare, result=result)


@reads("a finished run: summary.json, in a comparison")
def a_summary(t):
    t.fine(training(t, t.path("run")))
    return Reader(t.path("run/summary.json"), ["compare", "--x", "redness", t.path("run"), "--out", t.path("page.html"), "--json"])


for name in ("scores.csv", "scores.jsonl"):

    @reads(f"a table of scores that goes on: {name}")
    def a_score_table(t, name=name):
        for each in ("one.png", "two.png", "three.png"):
            copied(t, PICTURE, f"set/{each}") if t.path("set").exists() else (t.path("set").mkdir(), copied(t, PICTURE, f"set/{each}"))
        command = scoring(t.path("set"), "--out", t.path(name))
        t.fine(command)
        content = t.path(name).read_bytes()
        file = t.write("damaged", content)

        def prepare():
            shutil.copy(file, t.path(name))

        return Reader(file, command, named=(name,), prepare=prepare, result=lambda: t.path(name).read_bytes())


def unpacked(t, folder):
    """A copy of a golden folder whose files are packed once or twice."""
    for source in (GOLDEN / folder).iterdir():
        content, name = source.read_bytes(), source.name
        while name.endswith(".gz"):
            content, name = gzip.decompress(content), name[:-3]
        t.write(f"weights/{name}", content)
    return t.path("weights")


for folder, reward, name in (("aesthetic_linear", "aesthetic", "sa_0_4_vit_l_14_linear.pth"),
                             ("aesthetic_linear", "aesthetic", "open_clip_pytorch_model.bin"),
                             ("hps_derived", "hps", "HPS_v2.1_compressed.pt")):

    @reads(f"a PyTorch file of {reward}: {name}")
    def a_torch_file(t, folder=folder, reward=reward, name=name):
        weights = unpacked(t, f"clip_rewards/{folder}")
        picture = copied(t, PICTURE)
        return Reader(weights / name, scoring(picture, "--prompt", "a red star", "--weights", f"{reward}={weights}", reward=reward))
