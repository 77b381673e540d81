"""Pictures of cameras, browsers, drawing programs and broken disks. The odd ones, and what Pillow reads from them, are those of
tests/golden/images; PNGs are made here."""
import gzip
import base64
import json
import os
import random
import struct
import zlib

from suite import ROOT, Failed, case

GOLDEN = ROOT / "tests/golden/images"


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, data, bits=8, kind=2, before=b""):
    """data: the compressed rows."""
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def rgb_png(width, height, rgb):
    rows = b"".join(b"\0" + rgb[3 * width * y:3 * width * (y + 1)] for y in range(height))
    return png(width, height, zlib.compress(rows))


def zeros(count):
    """`count` zero bytes, compressed, without having them all."""
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(count >> 20)] + [packer.compress(bytes(count & 0xFFFFF)), packer.flush()]
    return b"".join(parts)


def photo(seed, width=96, height=64):
    """A picture with structure and noise, as PNG."""
    noise = random.Random(seed)
    rgb = bytes(min(255, (x * 2 + 60 * channel + noise.randrange(24)) % 256) for y in range(height) for x in range(width)
                for channel in range(3))
    return rgb_png(width, height, rgb)


def rows_of(t, arguments, **more):
    """The rows of a set, whatever the exit code."""
    outcome = t.hnhost("score", *arguments, "--reward", "redness,brightness", "--json", **more)
    if outcome.code not in (0, 1):
        raise Failed(f"expected exit code 0 or 1, got {outcome.code}: {outcome.err[-400:]}")
    return {row["image"]: row for row in outcome.json()["rows"]}


def expected_pixels(section):
    return json.loads(gzip.decompress((GOLDEN / "pixels.json.gz").read_bytes()))[section]


def same_scores(t, section, extra=()):
    """Each golden file against a plain PNG of the pixels that Pillow reads from it."""
    names = expected_pixels(section)
    (t.folder / "odd").mkdir()
    (t.folder / "plain").mkdir()
    for name, pixels in names.items():
        file = GOLDEN / name
        (t.folder / "odd" / file.name).write_bytes(file.read_bytes())
        if pixels:
            content = rgb_png(pixels["width"], pixels["height"], base64.b64decode(pixels["rgb"]))
            (t.folder / "plain" / (file.name + ".png")).write_bytes(content)
    odd, plain = rows_of(t, ["odd", *extra]), rows_of(t, ["plain"])
    wrong, refused = [], 0
    for name, pixels in names.items():
        row = odd[name.split("/")[-1]]
        if pixels is None:
            refused += 1
            if not row.get("error"):
                wrong.append(f"{name} was scored, Pillow refuses it")
        elif row.get("error"):
            wrong.append(row["error"])
        elif row["scores"] != plain[name.split("/")[-1] + ".png"]["scores"]:
            wrong.append(f"{name}: {row['scores']}")
    t.holds(not wrong, "; ".join(wrong[:5]))
    t.got(f"{len(names) - refused} equal, {refused} refused")


@case("a file of every PNG colour type and depth, interlaced or not; JPEGs of every subsampling, progressive, arithmetic, CMYK and YCCK "
      "with and without Adobe's marker; MPO, APNG, animated WebP; trailing bytes",
      expected="the scores of the pixels that Pillow's Image.open(f).convert(\"RGB\") gives; refused what Pillow refuses")
def as_pillow(t):
    same_scores(t, "plain")


@case("pictures with the eight EXIF orientations, and with XMP's, under --exif-orientation",
      expected="the scores of the pixels after Pillow's ImageOps.exif_transpose")
def exif_orientation(t):
    same_scores(t, "turned", ["--exif-orientation"])


@case("the same without --exif-orientation, with [pictures] exif_orientation in --config, and on stdin",
      expected="as stored; turned; turned")
def exif_other_ways(t):
    picture = t.write("a.jpg", (GOLDEN / "odd/turn_6.jpg").read_bytes())
    reward = ["--reward", "symmetry"]
    as_stored = t.scores([picture, *reward])[0]["scores"]
    turned = t.scores([picture, *reward, "--exif-orientation"])[0]["scores"]
    t.holds(as_stored != turned, f"both {turned}")
    config = t.write("c.toml", "[pictures]\nexif_orientation = true\n")
    t.equal(t.scores([picture, *reward, "--config", config])[0]["scores"], turned)
    line = json.dumps({"image": str(picture)}) + "\n"
    answer = json.loads(t.fine(["score", "--stdin", *reward, "--exif-orientation"], stdin=line).out)
    t.equal(answer["scores"], turned)


@case("a PNG with a zeroed sector (512 bytes), as a full disk or a bad cable leaves it", expected="refused; file, chunk and CRC named")
def zeroed_sector(t):
    good = photo(1)
    at = good.index(b"IDAT") + 1000
    t.write("a.png", good[:at] + bytes(512) + good[at + 512:])
    t.refused(["score", "a.png", "--reward", "redness", "--json"], code=1)
    error = rows_of(t, ["a.png"])["a.png"]["error"]
    t.holds("a.png" in error and "IDAT" in error and "CRC" in error, error)
    t.got(error)


@case("400 copies of a PNG with one flipped bit each", expected="each refused, or scored as the undamaged one (a bit that changes nothing)")
def flipped_png(t):
    flips(t, photo(2), ".png", must_be_told=True)


@case("400 copies of a JPEG with one flipped bit each",
      expected="no crash; refused where the decoder notices (JPEG has no checksum: most flips cannot be told)", slow=True)
def flipped_jpeg(t):
    flips(t, (GOLDEN / "odd/jpeg_progressive_444.jpg").read_bytes(), ".jpg")


@case("400 copies of a WebP with one flipped bit each",
      expected="no crash; refused where the decoder notices (WebP has no checksum: most flips cannot be told)", slow=True)
def flipped_webp(t):
    flips(t, (GOLDEN / "odd/webp_lossy_alpha.webp").read_bytes(), ".webp")


def flips(t, good, ending, must_be_told=False, count=400):
    (t.folder / "set").mkdir()
    (t.folder / "set" / ("good" + ending)).write_bytes(good)
    bits = random.Random(5)
    for i in range(count):
        bit, copy = bits.randrange(8 * len(good)), bytearray(good)
        copy[bit // 8] ^= 1 << bit % 8
        (t.folder / "set" / f"{i}{ending}").write_bytes(copy)
    rows = rows_of(t, ["set"])
    wanted = rows.pop("good" + ending)["scores"]
    t.equal(len(rows), count)
    refused = sum("error" in row for row in rows.values())
    same = sum("error" not in row and row["scores"] == wanted for row in rows.values())
    t.got(f"{refused} refused, {same} scored as the undamaged one, {count - refused - same} otherwise")
    t.holds(not must_be_told or refused + same == count, t.text)


@case("PNG, JPEG, progressive JPEG, lossy, lossless and animated WebP, each cut at 40 places", expected="all refused, the file named")
def cut(t):
    (t.folder / "set").mkdir()
    wanted = 0
    for name in ("odd/rgb_8_adam7.png", "odd/jpeg_420.jpg", "odd/jpeg_progressive.jpg", "odd/webp_lossy.webp", "odd/webp_lossless.webp",
                 "odd/webp_animated.webp"):
        good = (GOLDEN / name).read_bytes()
        for i in range(40):
            stem, ending = name.split("/")[1].split(".")
            (t.folder / "set" / f"{stem}_{i}.{ending}").write_bytes(good[:len(good) * i // 40])
            wanted += 1
    rows = rows_of(t, ["set"])
    scored = [name for name, row in rows.items() if not row.get("error")]
    unnamed = [row["error"] for name, row in rows.items() if row.get("error") and name not in row["error"]]
    t.equal(len(rows), wanted)
    t.holds(not scored, f"scored: {scored[:5]}")
    t.holds(not unnamed, f"not named: {unnamed[:3]}")
    t.got(f"{wanted} refused")


@case("a damaged PNG as --image, on stdin, and in one of two sets of compare", expected="refused; an error row; a pair that is not scored")
def other_ways(t):
    good = photo(3)
    bad = good[:-30] + bytes(4) + good[-26:]
    t.write("bad.png", bad)
    t.refused(["score", "--image", "bad.png", "--reward", "redness"], says=["bad.png", "CRC"])
    answer = json.loads(t.fine(["score", "--stdin", "--reward", "redness"], stdin='{"image": "bad.png"}\n').out)
    t.holds("CRC" in answer["error"], str(answer))
    for name, content in (("a/1.png", good), ("a/2.png", good), ("b/1.png", good), ("b/2.png", bad)):
        t.write(name, content)
    outcome = t.fine(["compare", "a", "b", "--reward", "redness", "--json"]).json()
    t.equal(outcome["errors"], 1)
    t.equal(outcome["rewards"][0]["pairs"], 1)


@case("a 31 kB PNG of 16000 x 16000 pixels", expected="refused by its header, size and limit named, in little memory")
def too_many_pixels(t):
    t.write("a.png", png(16000, 16000, zeros(16000 * 2001), bits=1, kind=0))
    outcome = t.hnhost("score", "a.png", "--reward", "redness", "--json")
    error = outcome.json()["rows"][0]["error"]
    t.holds(outcome.code == 1 and "16000x16000" in error and "--max-pixels" in error, error)
    t.holds(outcome.peak_mib < 400, f"took {outcome.peak_mib} MiB")
    t.got(error)


@case("--max-pixels 6144 and 6143 for a picture of 96 x 64, as a flag, in --config and on stdin", expected="scored; refused each time")
def max_pixels(t):
    t.write("a.png", photo(4))
    t.score("a.png", extra=["--max-pixels", "6144"])
    config = t.write("c.toml", "[pictures]\nmax_pixels = 6143\n")
    for extra in (["--max-pixels", "6143"], ["--config", config]):
        t.holds("6143" in rows_of(t, ["a.png", *extra])["a.png"]["error"], "was scored")
        t.refused(["score", "--image", "a.png", "--reward", "redness", *extra], says=["a.png", "6143", "96x64"])
    line = t.fine(["score", "--stdin", "--reward", "redness", "--max-pixels", "6143"], stdin='{"image": "a.png"}\n').out
    t.holds("6143" in json.loads(line)["error"], line)
    t.refused(["score", "a.png", "--reward", "redness", "--max-pixels", "0"], says=["--max-pixels"])


@case("1 x 1 PNGs of 300 kB whose pixels, zTXt, iTXt or iCCP unpack to 300 MB",
      expected="the first refused, the others scored as the one pixel, in little memory")
def bombs(t):
    bomb, pixel = zeros(300 << 20), zlib.compress(b"\0\xff\0\0")
    packer = zlib.compressobj(9)
    rows = packer.compress(b"\0\xff\0\0") + b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    t.write("idat.png", png(1, 1, rows))
    for name, head in (("zTXt", b"a\0\0"), ("iTXt", b"a\0\1\0\0\0"), ("iCCP", b"a\0\0")):
        t.write(f"{name}.png", png(1, 1, pixel, before=chunk(name.encode(), head + bomb)))
    limit = 0
    for name in ("idat", "zTXt", "iTXt", "iCCP"):
        outcome = t.hnhost("score", f"{name}.png", "--reward", "redness", "--json")
        row = outcome.json()["rows"][0]
        if name == "idat":
            t.holds("far more image data" in row.get("error", ""), str(row))
        else:
            t.equal(row["scores"]["redness"], 1.0, 1e-6)
        limit = max(limit, outcome.peak_mib)
    t.holds(limit < 400, f"took {limit} MiB")


@case("a PNG of 16000 x 5000 pixels, 80 million", expected="scored; at most 12 bytes a pixel as floats and 12 more for the reward's own copy of a picture, 2,100 MiB in all",
      slow=True)
def large_picture(t):
    t.write("a.png", png(16000, 5000, zeros(5000 * (3 * 16000 + 1))))
    outcome = t.fine(["score", "a.png", "--reward", "redness", "--json"])
    t.got(f"{outcome.peak_mib} MiB, {outcome.seconds:.1f} s")
    t.holds(outcome.peak_mib < 2100, t.text)


@case("40 PNGs of 4000 x 4000 pixels, 46 MiB each when decoded", expected="scored in less than 2,300 MiB: two windows of five decoded, and a batch of five as floats",
      slow=True)
def many_large_pictures(t):
    (t.folder / "set").mkdir()
    first = t.write("set/0.png", png(4000, 4000, zeros(4000 * (3 * 4000 + 1))))
    for i in range(1, 40):
        os.link(first, t.folder / "set" / f"{i}.png")
    outcome = t.fine(["score", "set", "--reward", "redness", "--json"])
    t.equal(outcome.json()["scored"], 40)
    t.got(f"{outcome.peak_mib} MiB, {outcome.seconds:.1f} s")
    t.holds(outcome.peak_mib < 2300, t.text)


@case("a folder with the endings .png, .JPG, .jpeg, .jfif, .jpe, .WebP, and .gif beside them", expected="six pictures")
def endings(t):
    jpeg, webp = (GOLDEN / "photo.jpg").read_bytes(), (GOLDEN / "lossy.webp").read_bytes()
    for name, content in (("a.png", photo(5)), ("b.JPG", jpeg), ("c.jpeg", jpeg), ("d.jfif", jpeg), ("e.jpe", jpeg), ("f.WebP", webp)):
        t.write("set/" + name, content)
    t.write("set/g.gif", b"GIF89a")
    rows = rows_of(t, ["set"])
    t.equal(sorted(rows), ["a.png", "b.JPG", "c.jpeg", "d.jfif", "e.jpe", "f.WebP"])
    t.holds(not any(row.get("error") for row in rows.values()), str(rows))


@case("a JPEG named .png, a PNG without an ending, a WebP named .gif", expected="each by its bytes")
def wrong_endings(t):
    t.write("a.png", (GOLDEN / "photo.jpg").read_bytes())
    t.write("b", photo(6))
    t.write("c.gif", (GOLDEN / "lossy.webp").read_bytes())
    rows = rows_of(t, ["a.png", "b", "c.gif"])
    t.holds(not any(row.get("error") for row in rows.values()), str(rows))


@case("a GIF, BMP, TIFF, AVIF, HEIC, JPEG XL, SVG, PDF, web page, Git LFS pointer or empty file named a.png",
      expected="refused; the message says which of them it is")
def other_kinds(t):
    kinds = {
        "GIF": b"GIF89a\1\0\1\0\0\0\0;", "BMP": b"BM" + bytes(60), "TIFF": b"II*\0\x08\0\0\0", "AVIF": b"\0\0\0\x1cftypavif" + bytes(20),
        "HEIC": b"\0\0\0\x1cftypheic" + bytes(20), "JPEG XL": b"\xff\x0a\xfa\x1f", "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "PDF": b"%PDF-1.7\n", "web page": b"<!DOCTYPE html>\n<html><title>404</title></html>",
        "git lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n", "empty": b"",
    }
    for name, content in kinds.items():
        t.write("a.png", content)
        error = rows_of(t, ["a.png"])["a.png"]["error"]
        t.holds(name.lower() in error.lower() and "a.png" in error, f"{name}: {error}")
    t.got(error)
