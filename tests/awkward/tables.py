"""Tables, prompts, captions and requests as people have them: names that two rows bear, orders, encodings, JSON, FIFOs, cells."""
import json
import os
import pathlib
import signal
import struct
import subprocess
import time
import zlib

from suite import Failed, case

REDNESS = ["--reward", "redness"]
SHORT = dict(timeout=60)


def png(red=0, size=8):
    """A picture of one colour; its redness differs with `red`."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([red, 0, 0]) * size) * size
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pictures(t, *names):
    for i, name in enumerate(names):
        t.write(name, png(red=20 * i % 256))


def prompts(t, arguments, **more):
    return {row["image"]: row["prompt"] for row in t.scores([*arguments, *REDNESS], **more)}


def json_lines(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def stdin_answers(t, requests):
    out = t.fine(["score", *REDNESS, "--stdin"], stdin=requests, **SHORT).out
    return [json.loads(line) for line in out.splitlines()]


# --- names that two rows bear

@case("prompts for gen/00000/samples/0000.png and gen/00001/samples/0000.png in a table whose paths stand elsewhere",
      expected="each picture gets the prompt of its own row")
def same_names_elsewhere(t):
    pictures(t, "gen/00000/samples/0000.png", "gen/00001/samples/0000.png")
    table = t.write("t.csv", "image,prompt\n/old/gen/00000/samples/0000.png,first\n/old/gen/00001/samples/0000.png,second\n")
    got = prompts(t, ["gen", "--prompts", table])
    t.equal(got, {"00000/samples/0000.png": "first", "00001/samples/0000.png": "second"})


@case("a table with a.png of two models and pictures that show only a.png", expected="refused, both rows named")
def ambiguous_rows(t):
    pictures(t, "set/a.png")
    table = t.write("t.csv", "image,prompt\nm1/a.png,first\nm2/a.png,second\n")
    t.refused(["score", "set", "--prompts", table, *REDNESS], says=["line 2 (m1/a.png)", "line 3 (m2/a.png)"])


@case("one row old/a.png for new/x/a.png and new/y/a.png", expected="refused: it fits both")
def row_for_two(t):
    pictures(t, "new/x/a.png", "new/y/a.png")
    table = t.write("t.csv", "image,prompt\nold/a.png,first\n")
    t.refused(["score", "new", "--prompts", table, *REDNESS], says=["x/a.png", "y/a.png", "line 2"])


@case("two rows of one picture with one prompt", expected="no ambiguity")
def same_row_twice(t):
    pictures(t, "a.png")
    table = t.write("t.csv", "image,prompt\na.png,one\na.png,one\n")
    t.equal(prompts(t, ["a.png", "--prompts", table]), {"a.png": "one"})


@case("./a.png, sub/../b.png and absolute paths in a table", expected="the same files as without the detours")
def detours(t):
    pictures(t, "set/a.png", "set/b.png", "set/c.png")
    table = t.write("t.csv", f"image,prompt\n./a.png,A\nsub/../b.png,B\n{t.path('set/c.png')},C\n")
    t.equal(prompts(t, ["set", "--prompts", table]), {"a.png": "A", "b.png": "B", "c.png": "C"})


@case("score a/ b/ where both have x.png, with --out, twice", expected="two rows that name their folders; the second run skips both")
def two_folders(t):
    pictures(t, "a/x.png", "b/x.png")
    command = ["score", "a", "b", *REDNESS, "--out", "s.jsonl", "--json"]
    t.equal(t.fine(command).json()["scored"], 2)
    rows = json_lines(t.path("s.jsonl"))
    t.equal([row["image"] for row in rows], ["a/x.png", "b/x.png"])
    t.holds(rows[0]["scores"] != rows[1]["scores"], "both rows have one score")
    t.equal(t.fine(command).json()["skipped"], 2)


@case("a.png, ./a.png and its folder in one command with --out", expected="one row a picture")
def one_picture_thrice(t):
    pictures(t, "set/a.png", "set/b.png")
    t.fine(["score", "set", "set", "./set", *REDNESS, "--out", "s.csv"])
    t.equal(len(t.path("s.csv").read_text().splitlines()), 3)


@case("a.png and a.jpg beside one a.txt", expected="the caption serves both")
def one_caption(t):
    pictures(t, "set/a.png", "set/a.webp")
    t.write("set/a.txt", "both")
    t.write("set/a.webp", png())
    t.equal({row["image"]: row["prompt"] for row in t.scores(["set", *REDNESS])}, {"a.png": "both", "a.webp": "both"})


@case("compare with a.png and a.jpg on one side", expected="refused, both named")
def compare_one_stem(t):
    pictures(t, "a/a.png", "a/a.jpg", "b/a.png")
    t.refused(["compare", *REDNESS, "a", "b"], says=["once in A", "a.jpg", "a.png"])


@case("a row of the prompts' table whose name has a typo", expected="scored, and a note on stderr and in the JSON names it")
def unused_row(t):
    pictures(t, "set/a.png")
    table = t.write("t.csv", "image,prompt\na.png,A\nbb.png,B\n")
    outcome = t.fine(["score", "set", "--prompts", table, *REDNESS, "--json"])
    t.holds("line 3: bb.png" in outcome.err, f"no note: {outcome.err}")
    t.holds("line 3: bb.png" in outcome.json()["notes"][0], "no note in the JSON")


@case("a table with the column prompt twice", expected="refused")
def column_twice(t):
    pictures(t, "a.png")
    t.refused(["score", t.write("t.csv", "image,prompt,prompt\na.png,x,y\n"), *REDNESS], says=["t.csv", "line 1", "prompt"])


# --- order

@case("0.png to 11.png with twelve lines of prompts", expected="line by line in the order of the numbers")
def natural_order(t):
    pictures(t, *[f"set/{i}.png" for i in range(12)])
    lines = t.write("p.txt", "".join(f"prompt {i}\n" for i in range(12)))
    t.equal(prompts(t, ["set", "--prompts", lines]), {f"{i}.png": f"prompt {i}" for i in range(12)})


@case("score *.png as a shell sorts it (10.png before 2.png) with prompts in order", expected="refused: that order is not the numbers'")
def shell_order(t):
    names = [f"{i}.png" for i in sorted(range(12), key=str)]
    pictures(t, *names)
    lines = t.write("p.txt", "".join(f"prompt {i}\n" for i in range(12)))
    t.refused(["score", *names, "--prompts", lines, *REDNESS], says=["11.png before 2.png"])


@case("a resource fork ._a.png of macOS in the folder", expected="left out")
def apple_double(t):
    pictures(t, "set/a.png")
    t.write("set/._a.png", b"\0\5\x16\7")
    t.equal([row["image"] for row in t.scores(["set", *REDNESS])], ["a.png"])


@case("sample --out-dir for 101 prompts, then score the folder without a flag",
      expected="101 rows, each with the prompt it was drawn for, no sheet among them", slow=True)
def sample_and_score(t):
    lines = t.write("p.txt", "".join(f"a star {i}\n" for i in range(101)))
    t.fine(["sample", "--prompts", lines, "--out-dir", "drawn", "--threads", "2", "-q"])
    t.equal(prompts(t, ["drawn"]), {f"{i:03}.png": f"a star {i}" for i in range(101)})


@case("sample --out-dir into the folder of a longer sample, then score it", expected="only the new pictures, with the new prompts")
def shorter_sample(t):
    for words in (["a star", "=three lions", "a cup"], ["a new star"]):
        flags = [flag for word in words for flag in ("--prompt", word)]
        t.fine(["sample", *flags, "--out-dir", "drawn", "--threads", "2", "-q"])
        t.equal(prompts(t, ["drawn"]), {f"{i:02}.png": word for i, word in enumerate(words)})
    pictures(t, "drawn/mine.png")
    t.refused(["sample", "--prompt", "x", "--out-dir", "drawn", "-q"], says=["drawn", "mine.png"])


# --- encodings

@case("a caption with a byte order mark and Windows line ends", expected="the text without them")
def caption_bom(t):
    pictures(t, "a.png")
    t.write("a.txt", b"\xef\xbb\xbfa red cat\r\n")
    t.equal(prompts(t, ["a.png"]), {"a.png": "a red cat"})


@case("a caption of two lines", expected="both, with the line end between them")
def caption_lines(t):
    pictures(t, "a.png")
    t.write("a.txt", "a red cat\non a mat\n\n")
    t.equal(prompts(t, ["a.png"]), {"a.png": "a red cat\non a mat"})


@case("a caption, prompts, a CSV, a TSV and JSON Lines in Latin-1", expected="each refused: file, line and byte named")
def latin(t):
    pictures(t, "set/a.png")
    for name, text in {"p.txt": "good\ncaf\xe9\n", "p.csv": "image,prompt\na.png,caf\xe9\n", "p.tsv": "image\tprompt\na.png\tcaf\xe9\n",
                       "p.jsonl": '{"image": "a.png"}\n{"image": "caf\xe9"}\n'}.items():
        t.write(name, text.encode("latin-1"))
        t.refused(["score", "set", "--prompts", name, *REDNESS], says=[name, "2", "0xe9", "UTF-8"])
    t.write("set/a.txt", b"one\ncaf\xe9")
    t.refused(["score", "set", *REDNESS], says=["a.txt", "line 2", "0xe9"])


@case("a caption, prompts, a CSV and a configuration in UTF-16", expected="each refused as UTF-16 text")
def utf16(t):
    pictures(t, "set/a.png")
    for name in ("p.txt", "p.csv", "p.jsonl"):
        t.write(name, "image,prompt\na.png,x\n".encode("utf-16"))
        t.refused(["score", "set", "--prompts", name, *REDNESS], says=[name, "UTF-16"])
    t.write("c.toml", "[train]\nsteps = 1\n".encode("utf-16"))
    t.refused(["score", "set", "--config", "c.toml", *REDNESS], says=["c.toml", "UTF-16"])
    t.write("set/a.txt", "a cat".encode("utf-16"))
    t.refused(["score", "set", *REDNESS], says=["a.txt", "UTF-16"])


@case("a CSV with a byte order mark, as Excel saves it", expected="its first column keeps its name")
def csv_bom(t):
    pictures(t, "a.png")
    t.write("t.csv", b"\xef\xbb\xbfimage,prompt\r\na.png,\"x, y\"\r\n")
    t.equal(prompts(t, ["t.csv"]), {"a.png": "x, y"})


@case("a configuration with a byte order mark", expected="read as without it")
def toml_bom(t):
    pictures(t, "a.png")
    t.write("c.toml", b"\xef\xbb\xbf[[reward]]\r\nname = \"redness\"\r\n")
    t.fine(["score", "a.png", "--config", "c.toml"])


@case("prompts with line ends of old Macs (a lone CR)", expected="one prompt a line")
def old_mac(t):
    pictures(t, "set/a.png", "set/b.png")
    t.write("p.txt", b"first\rsecond\r")
    t.equal(prompts(t, ["set", "--prompts", "p.txt"]), {"a.png": "first", "b.png": "second"})


@case("a zero byte in a caption and in prompts", expected="refused, the line named")
def zero_byte(t):
    pictures(t, "set/a.png")
    t.write("p.txt", b"good\nb\0d\n")
    t.refused(["score", "set", "--prompts", "p.txt", *REDNESS], says=["p.txt", "2", "zero byte"])
    t.write("set/a.txt", b"b\0d")
    t.refused(["score", "set", *REDNESS], says=["a.txt", "line 1", "zero byte"])


@case("--prompt in Latin-1", expected="refused: not UTF-8")
def prompt_latin(t):
    pictures(t, "a.png")
    os.makedirs(t.path("x"), exist_ok=True)
    word = b"caf\xe9"
    process = subprocess.run([os.fsencode(str(t.command)), b"score", b"a.png", b"--reward", b"redness", b"--prompt", word], cwd=t.folder,
                             capture_output=True, timeout=60)
    t.equal(process.returncode, 2)
    t.holds(b"UTF-8" in process.stderr and b"caf\\xe9" in process.stderr, process.stderr.decode())


@case("sample --prompts FILE.csv", expected="the column prompt, as in a TSV")
def sample_csv(t):
    t.write("p.csv", "n,prompt\n1,\"a star, red\"\n")
    t.fine(["sample", "--prompts", "p.csv", "--out-dir", "drawn", "-q"])
    t.equal(json_lines(t.path("drawn/prompts.jsonl")), [{"image": "00.png", "prompt": "a star, red"}])


# --- JSON from outside

@case("score --stdin: JSON 60,000 levels deep, a key twice, NaN, 1e999, bytes that are no UTF-8, a zero byte, an integer of 70 bits",
      expected="an error row each, and the request behind them is answered")
def stdin_bad_json(t):
    pictures(t, "a.png")
    bad = [b"[" * 60000 + b"]" * 60000, b'{"image":' * 60000, b'{"image": "a.png", "image": "b.png"}', b'{"image": "a.png", "x": NaN}',
           b'{"image": "a.png", "x": 1e999}', b'{"image": "a\xff.png"}', b'{"image": "a.png"}\0{', b'{"image": "a.png", "id": 1234567890123456789012}',
           b"\xff\xfe{\0}\0"]
    answers = stdin_answers(t, b"\n".join(bad) + b'\n{"z": 1, "image": "a.png", "a": [2]}\n')
    t.equal(len(answers), len(bad) + 1)
    t.holds(all(set(answer) == {"error"} for answer in answers[:-1]), f"expected errors, got {answers[:-1]}")
    t.equal(list(answers[-1]), ["z", "image", "a", "scores"])


@case("score --stdin: a list with a request that is no object, and an answer that comes in again", expected="errors in their places; the answer is scored anew")
def stdin_lists(t):
    pictures(t, "a.png")
    answers = stdin_answers(t, '[3, {"image": "a.png"}, {"image": 4}]\n{"image": "a.png", "error": "old", "scores": {"redness": 9}}\n')
    t.holds("error" in answers[0][0] and "scores" in answers[0][1] and "error" in answers[0][2], str(answers[0]))
    t.equal(answers[1], answers[0][1])


@case("JSON Lines 60,000 levels deep, as prompts and as pictures", expected="refused, the line named")
def deep_lines(t):
    pictures(t, "a.png")
    t.write("p.jsonl", "\n" + "[" * 60000)
    t.refused(["score", "a.png", "--prompts", "p.jsonl", *REDNESS], says=["p.jsonl", "line 2"])
    t.refused(["score", "p.jsonl", *REDNESS], says=["p.jsonl", "line 2"])
    t.refused(["sample", "--prompts", "p.jsonl", "--out-dir", "x"], says=["p.jsonl", "2"])


@case("\"a.png\\u0000zz\" as a path, from stdin, JSON Lines and TOML", expected="refused: a zero byte")
def zero_in_path(t):
    pictures(t, "a.png")
    answers = stdin_answers(t, '{"image": "a.png\\u0000zz"}\n{"image": "a.png", "prompt": "x\\u0000y"}\n')
    t.holds(all("zero byte" in answer["error"] for answer in answers), str(answers))
    t.refused(["score", t.write("t.jsonl", '{"image": "a.png\\u0000zz"}\n'), *REDNESS], says=["t.jsonl", "line 1", "zero byte"])
    t.refused(["score", "a.png", "--config", t.write("c.toml", '[[reward]]\nname = "redness"\nweights = "x\\u0000y"\n')], says=["zero byte"])


@case("SIGTERM while score --stdin waits for a request", expected="the command ends")
def stdin_term(t):
    process = subprocess.Popen([str(t.command), "score", *REDNESS, "--stdin"], cwd=t.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        pictures(t, "a.png")
        process.stdin.write(b'{"image": "a.png"}\n')
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        t.got(f"ended with {process.returncode}")
    except subprocess.TimeoutExpired:
        raise Failed("still waiting after 20 s")
    finally:
        process.kill()
        process.wait()


# --- FIFOs and other things that are no files

def fifo(t, name):
    path = t.path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path


@case("a FIFO as picture, among a folder's pictures, and from stdin", expected="a row that says so")
def fifo_picture(t):
    pictures(t, "set/b.png")
    fifo(t, "set/a.png")
    rows = t.scores(["set", *REDNESS], **SHORT)
    t.holds("a FIFO" in rows[0]["error"] and "error" not in rows[1], str(rows))
    t.holds("a FIFO" in stdin_answers(t, '{"image": "set/a.png"}\n')[0]["error"], "not named")
    t.refused(["score", "--image", "set/a.png", *REDNESS], says=["set/a.png", "a FIFO"], **SHORT)


@case("a FIFO as prompts, table, caption, configuration, output, weights, adapter and tensors", expected="each refused, named as a FIFO")
def fifo_files(t):
    pictures(t, "a.png", "set/c.png")
    for name in ("p.txt", "p.csv", "c.toml", "s.jsonl", "s.csv", "w.safetensors", "set/c.txt", "a.safetensors"):
        fifo(t, name)
    for arguments, name in [(["score", "a.png", "--prompts", "p.txt", *REDNESS], "p.txt"),
                            (["score", "a.png", "--prompts", "p.csv", *REDNESS], "p.csv"),
                            (["score", "p.csv", *REDNESS], "p.csv"), (["score", "set", *REDNESS], "c.txt"),
                            (["score", "a.png", "--config", "c.toml"], "c.toml"), (["train", "--config", "c.toml"], "c.toml"),
                            (["score", "a.png", *REDNESS, "--out", "s.jsonl"], "s.jsonl"),
                            (["score", "a.png", *REDNESS, "--out", "s.csv"], "s.csv"),
                            (["score", "a.png", "--reward", "clip", "--prompt", "x", "--weights", "clip=w.safetensors"], "w.safetensors"),
                            (["sample", "--adapter", "a.safetensors", "--out-dir", "x"], "a.safetensors"),
                            (["sample", "--noise-in", "a.safetensors", "--out-dir", "x"], "a.safetensors"),
                            (["score", "--images-in", "a.safetensors", *REDNESS], "a.safetensors"),
                            (["sample", "--prompts", "p.txt", "--out-dir", "x"], "p.txt")]:
        try:
            t.refused(arguments, says=[name, "FIFO"], **SHORT)
        except Failed as failure:
            raise Failed(f"{' '.join(map(str, arguments))}: {failure}")


@case("a FIFO for inspect --weights, validate and a folder of plugins", expected="none waits for it")
def fifo_elsewhere(t):
    fifo(t, "f")
    for arguments in (["inspect", "--weights", "f"], ["validate", "f"], ["list", "--plugin-path", "f"], ["compare", *REDNESS, "f", "f"]):
        t.holds(t.hnhost(*arguments, **SHORT).code >= 0, f"{arguments} ended by a signal")


@case("a FIFO as plugin.toml", expected="a broken bundle, named, in the list")
def fifo_manifest(t):
    fifo(t, "plugins/x.hnp/plugin.toml")
    outcome = t.hnhost("list", "--plugin-path", t.path("plugins"), **SHORT)
    t.holds("a FIFO" in outcome.out + outcome.err, (outcome.out + outcome.err)[-600:])


@case("a FIFO as checkpoint, metrics, scores, configuration or summary of a run", expected="each refused, named as a FIFO")
def fifo_run(t):
    lines = t.write("p.txt", "a star\n")
    train = ["train", *REDNESS, "--prompts", lines, "--eval-prompts", lines, "--sample-prompts", lines, "--batch", "1", "--rank", "2",
             "--threads", "1", "--out", "run", "-q"]
    t.fine([*train, "--steps", "1"])
    for name in ("checkpoint.safetensors", "metrics.jsonl", "scores.json", "config.toml", "summary.json"):
        whole = t.path("run") / name
        kept = whole.read_bytes()
        summary = (t.path("run/summary.json")).read_bytes()
        whole.unlink()
        if name != "summary.json":
            t.path("run/summary.json").unlink()
        os.mkfifo(whole)
        try:
            t.refused([*train, "--steps", "1"], says=[name, "FIFO"], **SHORT)
        except Failed as failure:
            raise Failed(f"{name}: {failure}")
        whole.unlink()
        whole.write_bytes(kept)
        t.path("run/summary.json").write_bytes(summary)


@case("/dev/null and /dev/full as --out", expected="written to: nothing kept, and an error that says the disk is full")
def devices(t):
    pictures(t, "a.png")
    t.fine(["score", "a.png", *REDNESS, "--out", "/dev/null"])
    t.refused(["score", "a.png", *REDNESS, "--out", "/dev/full"], says=["/dev/full", "No space left"])


# --- rows and cells

@case("prompts and names that begin with = + - @, in a CSV that is continued", expected="guarded for spreadsheets, numbers untouched, nothing scored twice")
def formulas(t):
    names = ["=a.png", "+b.png", "@c.png", "-d.png"]
    pictures(t, *[f"set/{name}" for name in names])
    t.write("p.txt", "".join(f"{word}\n" for word in ["+1", "'=quoted", "=1+1", "@x"]))
    command = ["score", "set", "--prompts", "p.txt", *REDNESS, "--out", "s.csv", "--json"]
    t.equal(t.fine(command).json()["scored"], 4)
    cells = [line.split(",") for line in t.path("s.csv").read_text().splitlines()[1:]]
    t.holds(all(row[0].startswith("'") and row[1].startswith("'") for row in cells), f"not guarded: {cells}")
    t.holds(all(not row[2].startswith("'") for row in cells), f"numbers were guarded: {cells}")
    t.equal(t.fine(command).json()["skipped"], 4)
    t.equal(prompts(t, ["set", "--prompts", "s.csv"]), {"+b.png": "+1", "-d.png": "'=quoted", "=a.png": "=1+1", "@c.png": "@x"})


@case("score --out over a broken picture, three times, the picture mended before the last", expected="one row a picture each time")
def error_rows(t):
    pictures(t, "set/a.png")
    t.write("set/b.png", b"no picture")
    for out in ("s.jsonl", "s.csv"):
        t.write("set/b.png", b"no picture")
        for mended in (False, False, True):
            if mended:
                pictures(t, "set/b.png")
            t.fine(["score", "set", *REDNESS, "--out", out])
            rows = t.path(out).read_text().splitlines()[out.endswith(".csv"):]
            t.equal(len(rows), 2)
        t.holds("no picture" not in t.path(out).read_text() and "rror\":" not in t.path(out).read_text(), "the error is still there")


@case("pictures whose names are not UTF-8, continued in JSON Lines and in CSV", expected="scored once, each under a name of its own")
def latin_names(t):
    (t.folder / "set").mkdir()
    for name in (b"caf\xe9.png", b"caf\xe8.png", b"caf\\xe9.png"):
        pathlib.Path(os.fsdecode(os.fsencode(t.folder) + b"/set/" + name)).write_bytes(png())
    for out in ("s.jsonl", "s.csv"):
        command = ["score", "set", *REDNESS, "--out", out, "--json"]
        t.equal(t.fine(command).json()["scored"], 3)
        t.equal(t.fine(command).json()["skipped"], 3)
    t.equal(len({row["image"] for row in json_lines(t.path("s.jsonl"))}), 3)


@case("one damaged line in the middle of a table that is continued", expected="refused with the line; no row is lost")
def damaged_row(t):
    pictures(t, *[f"set/{i}.png" for i in range(5)])
    for out, old, new in (("s.jsonl", '{"image":"2.png"', '{"image:"2.png"'), ("s.csv", "\n2.png,", "\n\"2.png,")):
        command = ["score", "set", *REDNESS, "--out", out]
        t.fine(command)
        damaged = t.path(out).read_text().replace(old, new, 1)
        t.write(out, damaged)
        t.refused(command, says=[out, "line"])
        t.equal(t.path(out).read_text(), damaged)
        t.write(out, damaged.replace(new, old, 1)[:-9])
        t.fine(command)
        t.equal(len(t.path(out).read_text().splitlines()), 5 + out.endswith(".csv"))


@case("plugin.toml with [} as a table, a key of a million parts, UTF-16, and letters outside of texts", expected="a broken bundle each, with file and line")
def broken_toml(t):
    for name, text in {"a": b"x = 1\n[}\n", "b": b"a." * 400000 + b"a = 1\n", "c": "x = 1\n".encode("utf-16"), "d": "x = 1\né = 2\n".encode()}.items():
        t.write(f"plugins/{name}.hnp/plugin.toml", text)
    outcome = t.hnhost("list", "--plugin-path", t.path("plugins"), **SHORT)
    t.holds(outcome.code >= 0, f"ended by signal {-outcome.code}")
    said = outcome.out + outcome.err
    for text in ("plugin.toml:2:", "bare key", "64 parts", "UTF-16", "ASCII"):
        t.holds(text in said, f"{text} is not said: {said[-900:]}")
