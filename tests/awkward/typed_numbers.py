"""Numbers: what people type, and what is not finite."""
import json
import math
import shutil

from tensor_numbers_files import ROOT, picky, png, poison, poisoned_emoji, read_tensor, tensor_file
from suite import case

DRY = ["train", "--reward", "redness", "--dry-run"]
NO_INTEGERS = ["", " ", "+5", " 5", "5 ", "5.0", "1e3", "0x10", "0b1", "1_000", "1,000", "5k", "--5", "٣", "５", "nan", "inf", "true",
               "99999999999999999999", "-99999999999999999999", "5\n"]
NO_NUMBERS = [" ", "nan", "-nan", "inf", "-inf", "infinity", "1,5", "0x1p3", "0x10", " 5", "5 ", "1e400", "-1e400", "1e", "1.5.3", "five", "１"]
# verb and what it needs, then its flags of whole numbers
FLAGS = [
    (["train", "--reward", "redness"], ["--steps", "--batch", "--rank", "--seed", "--threads"]),
    (["sample", "--prompt", "a star", "--out-dir", "out"], ["--steps", "--batch", "--seed", "--threads", "--count"]),
    (["search", "--reward", "redness", "--out-dir", "out"], ["--n", "--batch", "--seed", "--threads", "--count", "--steps"]),
    (["headroom", "--reward", "redness"], ["--seeds", "--batch", "--seed", "--threads", "--count", "--steps"]),
    (["score", "--reward", "redness", "x.png"], ["--batch", "--decoders", "--threads"]),
    (["compare", "--reward", "redness", "a", "b"], ["--batch", "--decoders", "--threads"]),
    (["demo", "--out", "demo"], ["--seeds", "--threads"]),
    (["selftest", "--reward", "redness"], ["--threads"]),
    (["rewards", "--measure", "redness"], ["--size", "--threads"]),
    (["pull", "sd-turbo"], ["--connections"]),
]


@case("every flag of a whole number with texts that are none: " + ", ".join(repr(x) for x in NO_INTEGERS[2:12]) + " and more",
      expected="refused with exit code 2; the flag, its range and the text are named")
def no_integers(t):
    count = 0
    for words, flags in FLAGS:
        for flag in flags:
            for text in NO_INTEGERS:
                if text:
                    t.refused([*words, f"{flag}={text}"], says=[flag, "expected a whole number from"], code=2)
                else:
                    t.refused([*words, flag, text], says=[flag], code=2)
                count += 1
    t.got(f"{count} refused by name")


@case("whole numbers out of range: --batch 0 and 10^12, --threads -1, --rank 65537, --size 0, --connections 65, --seeds 0",
      expected="refused with the range")
def out_of_range(t):
    wrong = {"--batch": ("train", ["0", "-1", "1000000000000", "1048577"]), "--rank": ("train", ["0", "65537"]),
             "--threads": ("train", ["-1", "4097"]), "--steps": ("train", ["-1", "1000000001"]), "--seed": ("train", ["-1", str(2**63), str(2**64)]),
             "--size": ("rewards", ["0", "4097"]), "--connections": ("pull", ["0", "65"]), "--seeds": ("demo", ["0", "-1"])}
    for flag, (verb, texts) in wrong.items():
        words = DRY if verb == "train" else [verb]
        for text in texts:
            t.refused([*words, f"{flag}={text}"], says=[flag, "expected a whole number from", f"'{text}'"], code=2)
    t.got("refused, such as: " + t.refused([*DRY, "--batch", "1000000000000"]).err.splitlines()[0])


@case("--seed 010, 0100, 007, -0 and the largest, 9223372036854775807", expected="decimal: 10, 100, 7, 0 and the largest itself")
def decimal(t):
    for text, wanted in [("010", 10), ("0100", 100), ("007", 7), ("-0", 0), (str(2**63 - 1), 2**63 - 1)]:
        t.holds(f"\nseed = {wanted}\n" in "\n" + t.fine([*DRY, "--seed", text]).out, f"--seed {text} is not {wanted}")
    t.got("10, 100, 7, 0, 9223372036854775807")


@case("sample with the seeds 2^63-1 and 2^63-2, and with 2^63, 2^64-1 and -1", expected="two pictures; the others are refused, as train does")
def seeds(t):
    draw = lambda seed: ["sample", "--prompt", "a star", "--threads", "1", "--noise-out", t.path(f"{seed}.safetensors"), "--seed", seed]
    t.fine(draw(2**63 - 1))
    t.fine(draw(2**63 - 2))
    t.holds(t.path(f"{2**63 - 1}.safetensors").read_bytes() != t.path(f"{2**63 - 2}.safetensors").read_bytes(), "the same noise")
    for seed in (2**63, 2**64 - 1, -1):
        t.refused(draw(seed), says=["--seed", "9223372036854775807"], code=2)
    t.got("two noises; 9223372036854775808, 18446744073709551615 and -1 refused")


@case("--set seed=010, 0x10, 1e3, 5.0, -1, 2^63, +5, '5', 1_000; eval.seeds=[1, -1]",
      expected="TOML as it is: 1_000 and +5 are numbers; the others are refused, the key and the text named")
def set_values(t):
    for text, says in [("010", "'010'"), ("0x10", "'0x10'"), ("1e3", "1000"), ("5.0", "5.0"), ("-1", "-1"), ("'5'", "'5'"), ("1_", "'1_'"),
                       ("", "''"), ("nan", "'nan'")]:
        t.refused([*DRY, "--set", f"seed={text}"], says=["seed", says], code=2)
    t.refused([*DRY, "--set", f"seed={2**63}"], says=[str(2**63)], code=2)
    t.refused([*DRY, "--set", "eval.seeds=[1,-1]"], says=["seeds", "-1"], code=2)
    t.refused([*DRY, "--set", "train.batch=1000000000000"], says=["batch", "1000000000000"], code=2)
    for text, wanted in [("+5", 5), ("1_000", 1000)]:
        t.holds(f"seed = {wanted}\n" in t.fine([*DRY, "--set", f"seed={text}"]).out, text)
    t.got(t.refused([*DRY, "--set", "seed=010"]).err.splitlines()[0])


@case("a value of --set with 100,000 characters", expected="taken as text (a regular expression overflowed the stack here)")
def long_value(t):
    t.fine([*DRY, "--set", "run.dir=" + "a" * 100_000])
    t.fine([*DRY, "--set", 'run.dir="' + "a" * 100_000 + '"'])


@case("steps x batch x accumulation of more than 2^62 samples", expected="refused, all three named")
def too_many_samples(t):
    t.refused([*DRY, "--steps", "1000000000", "--batch", "1048576", "--set", "train.accumulation=1048576"],
              says=["steps * batch * accumulation"], code=2)


@case("--monitor judge=0, judge=1e3, judge=+5, judge=99999999999999999999; --reward-option redness.every=5.0",
      expected="refused, the flag and its range named")
def name_equals_number(t):
    for text in ("0", "1e3", "+5", "5.0", "", "99999999999999999999", "-1"):
        t.refused([*DRY, "--monitor", f"judge={text}"], says=["--monitor judge", "expected a whole number from 1"], code=2)
    for text in ("5.0", "-1", "0x1", ""):
        t.refused([*DRY, "--reward-option", f"redness.every={text}"], says=["--reward-option redness.every", "expected a whole number"], code=2)
    t.fine([*DRY, "--monitor", "judge=010"])


@case("real numbers that are none: nan, inf, 1,5, hexadecimal, 1e400, in --lr, --kl, --reward NAME=W, --guard, --seconds",
      expected="refused, the flag named")
def no_numbers(t):
    for text in NO_NUMBERS:
        t.refused([*DRY, f"--lr={text}"], says=["--lr", "expected a number"], code=2)
        t.refused([*DRY, f"--kl={text}"], says=["--kl", "expected a number"], code=2)
        t.refused(["train", "--reward", f"redness={text}", "--dry-run"] if "," not in text else ["train", "--reward", "redness=1.5.3", "--dry-run"],
                  says=["--reward redness", "expected a number"], code=2)
    t.refused(["rewards", "--measure", "redness", "--seconds=nan"], says=["--seconds"], code=2)
    t.refused([*DRY, "--monitor", "judge", "--guard", "judge=nan"], says=["--guard", "nan"], code=2)
    for text, wanted in [("1.", "lr = 1.0"), (".5", "lr = 0.5"), ("1e-3", "lr = 0.001")]:
        t.holds(wanted in t.fine([*DRY, "--lr", text]).out, text)


@case("--memory-budget 1.5.3GiB, -1, nan, 0x10, 1e3, 2^64, 0.3", expected="refused: none of them is a size, and 0.3 bytes is not 'no limit'")
def memory_budget(t):
    for text in ("1.5.3GiB", "-1", "nan", "inf", "0x10", "1e3", str(2**64), "9999999999TiB", "0.3", "GiB", "1,5GiB", "8 Gi"):
        t.refused([*DRY, f"--memory-budget={text}"], says=["memory_budget", f"'{text}'"], code=2)
    t.holds('memory_budget = "1536"' in t.fine([*DRY, "--memory-budget", "1.5KiB"]).out, "1.5KiB")


@case("--device cuda:01, cuda:128, cuda:99999999999, cuda:", expected="refused as no device")
def devices(t):
    for text in ("cuda:01", "cuda:128", "cuda:99999999999", "cuda:", "cuda:-1", "cuda: 1"):
        t.refused([*DRY, "--device", text], says=["expected device", f"'{text}'"], code=2)


@case("one NaN in a weight of the generator, one infinity in its decoder", expected="refused, the tensor named; nothing is written")
def nan_weight(t):
    for component, part, value in [("transformer", "to_q.weight", math.nan), ("vae", "decoder.conv_in.weight", math.inf)]:
        folder, name = poisoned_emoji(t, component, part, value)
        t.refused(["sample", "--weights", folder, "--prompt", "a star", "--threads", "1", "--out-dir", t.path("out"), "--latents-out",
                   t.path("latents.safetensors"), "--images-out", t.path("images.safetensors")],
                  says=["not finite", name, "1 of"], code=1)
        t.holds(not any(t.path(n).exists() for n in ("out", "latents.safetensors", "images.safetensors")), "files were written")


@case("one NaN in a weight of the judge, whose thresholds would make a plain 0 of it", expected="refused, the tensor named")
def nan_judge(t):
    weights = t.path("judge.safetensors")
    shutil.copy(ROOT / "plugins/rewards/judge/weights/judge.safetensors", weights)
    name = poison(weights, "mix.weight")
    t.write("i.safetensors", tensor_file("images", [1, 3, 4, 4], [0.5] * 48))
    t.refused(["score", "--reward", "judge", "--weights", f"judge={weights}", "--images-in", t.path("i.safetensors"), "--prompt", "a star"],
              says=["not finite", name, "1 of"], code=1)


@case("a NaN in the file of --noise-in", expected="refused; file, tensor and place named")
def nan_noise(t):
    t.fine(["sample", "--prompt", "a star", "--threads", "1", "--noise-out", t.path("noise.safetensors")])
    name, shape, values = read_tensor(t.path("noise.safetensors"))
    t.write("noise.safetensors", tensor_file(name, shape, [*values[:5], math.nan, *values[6:]]))
    t.refused(["sample", "--prompt", "a star", "--noise-in", t.path("noise.safetensors"), "--out-dir", t.path("out")],
              says=["noise.safetensors: noise", "nan at [0,", f"1 of {len(values)}"], code=1)
    t.holds(not t.path("out").exists(), "files were written")


@case("--images-in with a NaN, with numbers from 0 to 255, from -1 to 1, and a little outside of 0 to 1",
      expected="the first three refused by file and place; what resizing overshoots by is scored")
def images_in(t):
    grey = [0.5] * 48
    for text, values in [("nan", [math.nan, *grey[1:]]), ("255", [255.0, *grey[1:]]), ("-1", [-1.0, *grey[1:]])]:
        t.write("i.safetensors", tensor_file("images", [1, 3, 4, 4], values))
        t.refused(["score", "--reward", "redness", "--images-in", t.path("i.safetensors")], says=["i.safetensors: images", text, "[0,0,0,0]"], code=1)
    t.write("i.safetensors", tensor_file("images", [1, 3, 4, 4], [-0.02, 1.03, *grey[2:]]))
    t.fine(["score", "--reward", "redness", "--images-in", t.path("i.safetensors")])


def black_and_white(t):
    white = [1.0] * 48
    black = [0.25] * 48
    return t.write("i.safetensors", tensor_file("images", [2, 3, 4, 4], black + white))


@case("a score that is NaN, of tensors", expected="null with its reason, the other picture's number stays; --strict: exit code 1")
def nan_score(t):
    words = ["score", *picky(t), "--reward", "picky,redness", "--images-in", black_and_white(t), "--prompt", "a star"]
    answer = t.fine([*words, "--json"]).json()
    picky_row, redness = answer["rewards"]
    t.equal(picky_row["scores"], [0.25, None])
    t.equal(picky_row["mean"]["n"], 1)
    t.equal(picky_row["errors"], [{"image": 1, "error": "picky: the score is nan"}])
    t.holds(None not in redness["scores"] and answer["errors"] == 1, str(answer))
    t.refused([*words, "--strict"], says=["picky: the score is nan"], code=1)
    t.got("null, \"picky: the score is nan\"")


@case("a score that is NaN, of picture files: JSON, CSV, JSON Lines, --stdin and compare",
      expected="null or an empty cell with its reason, counted as an error; the other reward's number and the other picture stay")
def nan_in_a_set(t):
    t.write("set/dark.png", png((64, 64, 64)))
    t.write("set/white.png", png((255, 255, 255)))
    words = [*picky(t), "--reward", "picky,redness"]
    said = "picky: the score is nan"
    answer = t.fine(["score", t.path("set"), *words, "--prompt", "a star", "--json"]).json()
    dark, white = answer["rows"]
    t.holds("error" not in dark and dark["scores"]["picky"] is not None, str(dark))
    t.equal([white["scores"]["picky"], white["error"]], [None, said])
    t.holds(white["scores"]["redness"] is not None, str(white))
    t.equal([answer["errors"], answer["scored"], [r["n"] for r in answer["rewards"]]], [1, 1, [1, 2]])
    for name in ("s.csv", "s.jsonl"):
        t.refused(["score", t.path("set"), *words, "--prompt", "a star", "--out", t.path(name), "--strict"], code=1)
    t.equal(t.path("s.csv").read_text().splitlines()[2].split(",")[2::2], ["", said])
    t.equal(json.loads(t.path("s.jsonl").read_text().splitlines()[1])["error"], said)
    request = json.dumps({"image": str(t.path("set/white.png")), "prompt": "a star"})
    t.equal(t.fine(["score", *words, "--stdin"], stdin=request + "\n").json()["error"], said)
    pairs = t.fine(["compare", t.path("set"), t.path("set"), *words, "--prompt", "a star", "--json"]).json()
    t.equal([[r["pairs"] for r in pairs["rewards"]], pairs["errors"], pairs["first_error"]], [[1, 2], 2, "white.png: " + said])


@case("a score that is NaN, with --scores-out; a gradient that is NaN, with --grad-out", expected="refused, no file")
def nan_tensors(t):
    out = t.path("out.safetensors")
    words = ["score", *picky(t), "--reward", "picky", "--prompt", "a star"]
    t.refused([*words, "--images-in", black_and_white(t), "--scores-out", out], says=["the score is nan at sample 1"], code=1)
    t.write("black.safetensors", tensor_file("images", [1, 3, 4, 4], [0.25] * 48))
    t.refused([*words, "--images-in", t.path("black.safetensors"), "--reward-option", "picky.nan_gradient=true", "--grad-out", out],
              says=["the image gradient is nan at sample 0", "48 of 48"], code=1)
    t.holds(not out.exists(), "a file was written")


@case("a NaN in an adapter", expected="refused by the tensor's name")
def nan_adapter(t):
    run = train(t, "run")
    name = poison(run / "adapter/adapter_model.safetensors", "lora_B")
    t.refused(["sample", "--adapter", run, "--prompt", "a star", "--threads", "1", "--out-dir", t.path("out")], says=[name, "not finite"], code=1)


def train_words(t, name, *more, steps=3):
    prompts = t.write("prompts.txt", "a star\na red balloon\n")
    return ["train", "--prompts", prompts, "--eval-prompts", prompts, "--sample-prompts", prompts, "--steps", steps, "--batch", "2", "--rank", "2",
            "--threads", "1", "--out", t.path(name), *more]


def train(t, name):
    t.fine(train_words(t, name, "--reward", "redness", "--measure", "redness"))
    return t.path(name)


@case("a training whose every step is skipped for what is not finite", expected="exit code 1: nothing was trained; also when it is started again")
def all_skipped(t):
    words = train_words(t, "run", *picky(t), "--reward", "picky", "--measure", "redness", "--reward-option", "picky.nan_gradient=true", "--set",
                        "train.non_finite=skip")
    for _ in range(2):
        t.refused(words, says=["nothing was trained: each of the 3 steps was skipped", "gradient of reward picky: nan"], code=1)
    t.holds(not t.path("run/summary.json").exists(), "a summary says that the run is complete")


@case("a learning rate that overflows the adapter", expected="exit code 1, the matrix named; neither adapter nor checkpoint is written")
def overflow(t):
    t.refused(train_words(t, "run", "--reward", "redness", "--measure", "redness", "--lr", "1e300", "--set", "train.warmup=0", steps=1),
              says=["[adapter]", "lora_", "is not finite"], code=1)
    t.holds(not t.path("run/adapter").exists() and not t.path("run/checkpoint.safetensors").exists(), "something was written")
