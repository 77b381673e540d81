"""Prompts of one's own, and rewards that cannot answer them."""
import json

from tensor_numbers_files import picky, png, tensor_file
from suite import case

CROCODILE = "a photo of a crocodile surfing"
REASON = "expected a colour or an object at word 5"


def words(t, name, prompts, *more, train="a star\na red balloon\n", steps=2, batch=2):
    own = t.write("own.txt", "\n".join(prompts) + "\n")
    own_train = t.write("train.txt", train)
    return ["train", "--prompts", own_train, "--eval-prompts", own, "--sample-prompts", own_train, "--steps", steps, "--batch", batch, "--rank", "2",
            "--threads", "1", "--out", t.path(name), *more]


@case("--eval-prompts with a prompt outside of the judge's grammar, and the default measures",
      expected="the run ends well; the judge has a missing number with its reason, its means say n = 1, summary, report and table say it once")
def eval_prompts(t):
    outcome = t.fine(words(t, "run", ["a red star", CROCODILE], "--reward", "redness"))
    said = "judge: 1 of 2 prompts not answered: "
    t.equal(outcome.out.count(said), 1)
    t.holds(REASON in outcome.out, outcome.out)
    scores = json.loads(t.path("run/scores.json").read_text())
    for key in ("before", "after"):
        t.holds(scores[key]["columns"]["judge"][0] is not None, "the other prompt has no number")
        t.equal(scores[key]["columns"]["judge"][1], None)
        t.holds(None not in scores[key]["columns"]["clip"], "clip lost a number")
        (missing,) = scores[key]["missing"]["judge"]
        t.equal(missing["sample"], 1)
        t.holds(REASON in missing["why"], missing["why"])
    summary = json.loads(t.path("run/summary.json").read_text())
    (row,) = summary["unanswered"]
    t.equal([row["reward"], row["prompts"], row["of"]], ["judge", 1, 2])
    n = {m["name"]: m["difference"]["n"] for m in summary["measures"]}
    t.equal([n["judge"], n["clip"], n["redness"]], [1, 2, 2])
    t.holds("1 of 2 prompts not answered" in t.path("run/report.html").read_text(), "the report does not say it")
    rows = [json.loads(line) for line in t.path("run/metrics.jsonl").read_text().splitlines()]
    t.equal([r["missing"] for r in rows if r["kind"] == "eval"], [{"judge": 1}] * 2)
    t.got(said + "... " + REASON)


@case("--eval-prompts of which the judge answers none", expected="the run ends well; the judge has no mean, and why is said")
def none_answered(t):
    outcome = t.fine(words(t, "run", [CROCODILE], "--reward", "redness"))
    t.holds("judge: 1 of 1 prompts not answered: " in outcome.out, outcome.out)
    summary = json.loads(t.path("run/summary.json").read_text())
    t.equal([m["difference"]["n"] for m in summary["measures"] if m["name"] in ("judge", "clip")], [1, 0])


@case("a resume of a run with missing numbers", expected="the same scores and summary")
def resumed(t):
    arguments = words(t, "run", ["a red star", CROCODILE], "--reward", "redness", "--measure", "judge")
    t.fine(arguments)
    before = t.path("run/scores.json").read_text()
    t.path("run/summary.json").unlink()
    t.fine(arguments)
    t.equal(json.loads(t.path("run/scores.json").read_text()), json.loads(before))
    t.equal(json.loads(t.path("run/summary.json").read_text())["unanswered"][0]["prompts"], 1)


@case("a monitor that cannot answer one of three training prompts", expected="its curve is over the others; one warning says so")
def monitor(t):
    arguments = words(t, "run", ["a red star"], "--reward", "redness", "--measure", "redness", "--monitor", "judge=1", steps=4, batch=3,
                      train=f"a star\n{CROCODILE}\na red balloon\n")
    outcome = t.fine(arguments)
    rows = [json.loads(line) for line in t.path("run/metrics.jsonl").read_text().splitlines()]
    t.equal([("judge" in r["rewards"]) for r in rows if r["kind"] == "train"], [True] * 4)
    warnings = [w for r in rows for w in r.get("warnings", [])]
    t.equal(len(warnings), 1)
    t.holds("reward judge: 1 of 3 prompts not answered" in warnings[0] and REASON in warnings[0], warnings[0])
    t.holds("not answered" in outcome.err, outcome.err)
    t.got(warnings[0])


@case("a monitor that answers no training prompt, with a guard on it", expected="it is off with a warning that names the guard; training goes on")
def monitor_off(t):
    t.fine(words(t, "run", ["a red star"], "--reward", "redness", "--measure", "redness", "--monitor", "judge=1", "--guard", "judge=drop:0.1",
                 train=CROCODILE + "\n"))
    rows = [json.loads(line) for line in t.path("run/metrics.jsonl").read_text().splitlines()]
    (warning,) = [w for r in rows for w in r.get("warnings", [])]
    t.holds("reward judge: off" in warning and "guard" in warning, warning)
    t.holds(all("judge" not in r["rewards"] for r in rows if r["kind"] == "train"), "it has numbers")
    t.got(warning)


@case("a trained reward that cannot answer 12 of 14 training prompts", expected="refused before the first step; the prompts, their number and the reason named")
def trained(t):
    prompts = [f"dog {i}" for i in range(12)]
    outcome = t.refused(words(t, "run", ["a red star"], *picky(t), "--reward", "picky", "--measure", "redness",
                              train="a star\n" + "\n".join(prompts) + "\na cup\n"),
                        says=["reward picky is trained on and cannot answer 12 of 14 training prompts", "'dog 0'", "'dog 9'", "and 2 more",
                              "knows no dogs"], code=1)
    t.holds("dog 10'" not in outcome.err, "more than ten are listed")
    for name in ("samples/before.png", "metrics.jsonl", "scores.json", "checkpoint.safetensors", "adapter", "summary.json"):
        t.holds(not t.path(f"run/{name}").exists(), f"half done: {name}")


@case("score by clip and judge, a prompt that judge cannot answer", expected="clip's number is there, judge's is null with its reason, in JSON, CSV and --stdin")
def score(t):
    picture = t.write("i.safetensors", tensor_file("images", [2, 3, 8, 8], [0.5] * 384))
    for name in ("a.png", "b.png"):
        t.write(name, png((128, 32, 16)))
    prompts = t.write("p.txt", f"a star\n{CROCODILE}\n")
    common = ["--reward", "clip,judge"]
    good, bad = t.scores([t.path("a.png"), t.path("b.png"), *common, "--prompts", prompts])
    t.holds("error" not in good and None not in good["scores"].values(), str(good))
    t.holds(bad["scores"]["clip"] is not None and bad["scores"]["judge"] is None, str(bad))
    t.holds(bad["error"].startswith("judge: ") and REASON in bad["error"], bad["error"])
    t.fine(["score", t.path("a.png"), t.path("b.png"), *common, "--prompts", prompts, "--out", t.path("s.csv")])
    line = t.path("s.csv").read_text().splitlines()[2]
    t.holds("judge: " in line and line.split(",")[2] != "" and line.split(",")[3] == "", line)
    request = json.dumps({"image": str(t.path("b.png")), "prompt": CROCODILE})
    answer = t.fine(["score", *common, "--stdin"], stdin=request + "\n").json()
    t.equal(answer["scores"]["clip"], bad["scores"]["clip"], 1e-5)
    t.equal(answer["scores"]["judge"], None)
    t.holds(REASON in answer["error"], str(answer))
    tensors = t.fine(["score", *common, "--images-in", picture, "--prompts", prompts, "--json"]).json()
    t.holds(None not in tensors["rewards"][0]["scores"] and tensors["rewards"][1]["scores"][1] is None, str(tensors))
    t.holds(REASON in tensors["rewards"][1]["errors"][0]["error"], str(tensors))
    # All of one reward missing is not "nothing could be scored"; --strict still says so.
    t.fine(["score", t.path("b.png"), *common, "--prompt", CROCODILE])
    t.refused(["score", t.path("b.png"), *common, "--prompt", CROCODILE, "--strict"], code=1)
    t.refused(["score", t.path("b.png"), "--reward", "judge", "--prompt", CROCODILE], code=1)
    t.got(bad["error"])
