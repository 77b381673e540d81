"""Hugging Face's cache: environments, names in addresses, file systems without links, sums compared later."""
import hashlib
import shutil
import subprocess

from suite import case
from weights_files import COMMIT, Hub

BIG = bytes(range(256)) * 400
FILES = {"config.json": b'{"a": 1}', "unet/w.safetensors": BIG}
ENTRY = 'schema = 1\n[[models]]\nname = "tiny"\nrepo = "o/n"\nfiles = ["*"]\nlicence = "Apache-2.0"\npermissive = true\n'


def pull(t, hub, *more, env=None, listed=ENTRY):
    words = ["pull", "tiny", "--list", t.write("list.toml", listed), "--json", *more]
    return words, {"HF_ENDPOINT": hub.url, "HF_HOME": t.path("hf"), "HTTP_PROXY": None, "http_proxy": None, "no_proxy": "127.0.0.1"} | (env or {})


def pulled(t, hub, *more, env=None, listed=ENTRY, **how):
    words, environment = pull(t, hub, *more, env=env, listed=listed)
    return t.fine(words, env=environment, **how).json()


def snapshot(t):
    return t.path(f"hf/hub/models--o--n/snapshots/{COMMIT}")


@case("HF_HOME='$SCRATCH/hf', '~/hf', '${SCRATCH}/hf'", expected="expanded as huggingface_hub expands them")
def expansion(t):
    with Hub(FILES) as hub:
        for value, folder in (("$SCRATCH/hf", "scratch/hf"), ("${SCRATCH}/b", "scratch/b"), ("~/hf", "home/hf")):
            got = pulled(t, hub, env={"HF_HOME": value, "SCRATCH": t.path("scratch")})["folder"]
            t.equal(got, str(t.path(f"{folder}/hub/models--o--n/snapshots/{COMMIT}")))
    t.holds(not any("$" in path.name for path in t.folder.iterdir()), "a folder with a dollar sign in its name")


@case("HF_HUB_CACHE beside HUGGINGFACE_HUB_CACHE, HF_HOME and XDG_CACHE_HOME", expected="the first of them counts")
def precedence(t):
    with Hub(FILES) as hub:
        names = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"]
        for i, (name, below) in enumerate(zip(names, ("", "", "hub/", "huggingface/hub/"))):
            env = {each: t.path(each.lower()) if j >= i else None for j, each in enumerate(names)}
            t.equal(pulled(t, hub, env=env)["folder"], str(t.path(f"{name.lower()}/{below}models--o--n/snapshots/{COMMIT}")))


@case("pull --revision refs/pr/1, and a revision with a blank, '#' and '?'", expected="one escaped part of the address")
def revision(t):
    with Hub(FILES) as hub:
        for given, asked in (("refs/pr/1", "refs%2Fpr%2F1"), ("a b#c?d%", "a%20b%23c%3Fd%25")):
            pulled(t, hub, "--revision", given)
            t.holds(f"/api/models/o/n/revision/{asked}" in hub.asked, f"asked for {hub.asked[:2]}")
        t.equal(t.path("hf/hub/models--o--n/refs/refs/pr/1").read_text(), COMMIT)


@case("pull --revision ../../x", expected="refused")
def revision_outside(t):
    with Hub(FILES) as hub:
        words, env = pull(t, hub, "--revision", "../../x")
        t.refused(words, env=env, says=["revision: expected a branch, a tag or a commit, got '../../x'"])


@case("files named 'a b/c#d?e%.json' and 'ü+.json'", expected="fetched under these names")
def odd_names(t):
    files = {"a b/c#d?e%.json": b"1", "ü+.json": b"2"}
    with Hub(files) as hub:
        pulled(t, hub)
    for name, content in files.items():
        t.equal((snapshot(t) / name).read_bytes(), content)


@case("HF_HUB_DISABLE_SYMLINKS=1", expected="the files stand in the snapshot itself, and are found again")
def no_links(t):
    with Hub(FILES) as hub:
        pulled(t, hub, env={"HF_HUB_DISABLE_SYMLINKS": "1"})
        file = snapshot(t) / "unet/w.safetensors"
        t.holds(not file.is_symlink() and file.read_bytes() == BIG, "not a file of its own")
        t.equal(list(t.path("hf/hub/models--o--n/blobs").iterdir()), [])
        t.equal(pulled(t, hub, env={"HF_HUB_DISABLE_SYMLINKS": "1"})["downloaded_bytes"], 0)


@case("a file system that has no symbolic links", expected="as with HF_HUB_DISABLE_SYMLINKS, and told once")
def links_refused(t):
    compiler = shutil.which("cc") or shutil.which("gcc")
    t.holds(compiler, "no C compiler")
    source = t.write("nolink.c", "#include <errno.h>\nint symlink(const char* a, const char* b) { (void)a; (void)b; errno = EPERM; return -1; }\n")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", t.path("nolink.so"), source], check=True)
    with Hub(FILES) as hub:
        words, env = pull(t, hub)
        outcome = t.fine(words, env=env | {"LD_PRELOAD": t.path("nolink.so")})
    t.equal((snapshot(t) / "unet/w.safetensors").read_bytes(), BIG)
    t.holds(not (snapshot(t) / "config.json").is_symlink(), "a link all the same")
    t.equal(outcome.err.count("has no symbolic links"), 1)


@case("a byte that changes on the way, in a large and in a small file", expected="refused with both sums, nothing kept")
def damaged_download(t):
    for name, small in (("unet/w.safetensors", ()), ("config.json", ("config.json",))):
        flip = lambda file, content, name=name: content[:2] + bytes([content[2] ^ 1]) + content[3:] if file == name else content
        with Hub(FILES, damage=flip, small=small) as hub:
            words, env = pull(t, hub, env={"HF_HOME": t.path(f"hf-{len(small)}")})
            t.refused(words, env=env, says=[name, "expected git-sha1" if small else "expected sha256", "thrown away, 2 times"])
        t.holds(not (t.path(f"hf-{len(small)}/hub/models--o--n/snapshots/{COMMIT}") / name).exists(), "the wrong file was kept")


def verified(t, path, code):
    outcome = t.hnhost("inspect", "--weights", path, "--verify", "--json", env={"HF_HOME": t.path("hf")})
    t.equal(outcome.code, code)
    return {row["file"]: row for row in outcome.json()["files"]}, outcome


@case("inspect --weights --verify over a pulled folder, then with one byte flipped in each file", expected="each file by name, exit code 1 where one is wrong")
def verify(t):
    with Hub(FILES, small=("config.json",)) as hub:
        pulled(t, hub)
    (snapshot(t) / "mine.txt").write_bytes(b"mine")
    rows, _ = verified(t, snapshot(t), 0)
    t.equal({name: row["state"] for name, row in rows.items()}, {"config.json": "right", "unet/w.safetensors": "right", "mine.txt": "unknown"})
    t.equal([rows["config.json"]["kind"], rows["unet/w.safetensors"]["kind"]], ["git-sha1", "sha256"])
    t.equal(rows["mine.txt"]["got"], hashlib.sha256(b"mine").hexdigest())
    for name in FILES:
        file = snapshot(t) / name
        good = file.read_bytes()
        file.write_bytes(good[:5] + bytes([good[5] ^ 1]) + good[6:])
        rows, outcome = verified(t, snapshot(t), 1)
        t.equal([each for each, row in rows.items() if row["state"] == "wrong"], [name])
        t.holds(f"{name}: expected {rows[name]['kind']}" in outcome.err, f"not named: {outcome.err}")
        file.write_bytes(good)
    text = t.fine(["inspect", "--weights", snapshot(t), "--verify"]).out
    t.holds("2 right, 0 wrong, 1 of which no sum is known" in text, text)


@case("inspect --weights --verify over a folder of one's own", expected="no sum is known, and each file's sha256")
def verify_own(t):
    file = t.write("own/model.bin", b"weights")
    text = t.fine(["inspect", "--weights", file.parent, "--verify"]).out
    t.holds(f"no sum is known; its sha256 is {hashlib.sha256(b'weights').hexdigest()}" in text, text)


@case("inspect --weights --verify where a link's blob is gone", expected="exit code 1, the file named")
def verify_gone(t):
    with Hub(FILES) as hub:
        pulled(t, hub)
    (snapshot(t) / "config.json").resolve().unlink()
    rows, _ = verified(t, snapshot(t), 1)
    t.holds("which is gone" in rows["config.json"]["problem"], str(rows["config.json"]))


@case("inspect NAME --verify, --verify alone", expected="a usage error")
def verify_usage(t):
    t.refused(["inspect", "clip", "--verify"], says=["--weights PATH"], code=2)
