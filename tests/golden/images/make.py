"""Makes the small pictures that run_decode_image_test.cpp reads, and writes down what Pillow reads from each.

    pip install pillow numpy; apt-get install libjpeg-turbo-progs (cjpeg); python make.py

The first six, 5 x 3, are what other tests use too. odd/ holds a file of every kind that a decoder may get wrong: what Pillow can write is
written by it, subsamplings, restarts and arithmetic coding by libjpeg-turbo's cjpeg, everything else by hand. pixels.json: for each file its size
and the bytes of Pillow's Image.open(file).convert("RGB"), null where Pillow refuses the file; under "turned" the same after
ImageOps.exif_transpose. Tolerance: none.
"""

import gzip
import base64
import io
import json
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).parent
SIGNATURE = b"\x89PNG\r\n\x1a\n"
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def header(width, height, bits, kind, interlace=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlace))


def packed_row(samples, bits):
    """samples: integers of one row; the filter byte 0, then `bits` for each."""
    text = "".join(format(int(value), f"0{bits}b") for value in samples)
    text += "0" * (-len(text) % 8)
    return b"\0" + bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))


def pixel_rows(samples, bits, interlace):
    """samples [height, width, channels] as PNG's rows, with Adam7 in seven passes."""
    if not interlace:
        return b"".join(packed_row(row.ravel(), bits) for row in samples)
    parts = [samples[y::dy, x::dx] for x, y, dx, dy in PASSES]
    return b"".join(packed_row(row.ravel(), bits) for part in parts if part.size for row in part)


def png(samples, bits, kind, interlace=0, before=b"", after=b"", tail=b"", parts=1):
    height, width = samples.shape[:2]
    data = zlib.compress(pixel_rows(samples, bits, interlace), 9)
    step = -(-len(data) // parts)
    idat = b"".join(chunk(b"IDAT", data[i:i + step]) for i in range(0, len(data), step))
    return SIGNATURE + header(width, height, bits, kind, interlace) + before + idat + after + chunk(b"IEND", b"") + tail


def pngs(rng):
    """Every colour type and depth, plain and interlaced; and what may stand in a PNG beside its pixels."""
    out = {}
    for kind, name, channels, depths in ((0, "grey", 1, (1, 2, 4, 8, 16)), (2, "rgb", 3, (8, 16)), (3, "palette", 1, (1, 2, 4, 8)),
                                         (4, "grey_alpha", 2, (8, 16)), (6, "rgba", 4, (8, 16))):
        for bits in depths:
            samples = rng.integers(0, 1 << bits, (9, 11, channels))
            palette = chunk(b"PLTE", rng.integers(0, 256, 3 << bits).astype(np.uint8).tobytes()) if kind == 3 else b""
            for interlace in (0, 1):
                out[f"{name}_{bits}{'_adam7' if interlace else ''}.png"] = png(samples, bits, kind, interlace, palette)
    low = rng.integers(0, 600, (9, 11, 1))
    out["grey_16_low.png"] = png(low, 16, 0)
    for width, height in ((1, 1), (2, 1), (1, 3), (3, 2), (5, 5)):
        out[f"tiny_{width}x{height}_adam7.png"] = png(rng.integers(0, 256, (height, width, 3)), 8, 2, 1)
    rgb = rng.integers(0, 256, (9, 11, 3))
    grey = rng.integers(0, 256, (9, 11, 1))
    indices = rng.integers(0, 4, (9, 11, 1))
    palette = chunk(b"PLTE", rng.integers(0, 256, 12).astype(np.uint8).tobytes())
    out["palette_trns.png"] = png(indices, 2, 3, before=palette + chunk(b"tRNS", bytes((0, 128, 255))))
    out["palette_short.png"] = png(rng.integers(0, 8, (9, 11, 1)), 8, 3, before=palette)
    out["rgb_trns.png"] = png(rgb, 8, 2, before=chunk(b"tRNS", struct.pack(">3H", *rgb[0, 0])))
    out["grey_trns.png"] = png(grey, 8, 0, before=chunk(b"tRNS", struct.pack(">H", grey[0, 0, 0])))
    out["grey_16_trns.png"] = png(low, 16, 0, before=chunk(b"tRNS", struct.pack(">H", low[0, 0, 0])))
    out["grey_1_trns.png"] = png(rng.integers(0, 2, (9, 11, 1)), 1, 0, before=chunk(b"tRNS", b"\0\1"))
    colours = {
        "gama": chunk(b"gAMA", struct.pack(">I", 100000)),
        "srgb": chunk(b"sRGB", b"\0"),
        "chrm": chunk(b"cHRM", struct.pack(">8I", 30000, 30000, 60000, 30000, 30000, 60000, 15000, 6000)),
        "iccp": chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(200))),
        "sbit": chunk(b"sBIT", b"\3\3\3"),
        "bkgd": chunk(b"bKGD", struct.pack(">3H", 255, 0, 0)),
        "rgb_plte": chunk(b"PLTE", bytes(range(9))),
    }
    for name, extra in colours.items():
        out[f"{name}.png"] = png(rgb, 8, 2, before=extra)
    out["filters.png"] = as_file(Image.fromarray(smooth(11, 9)), "PNG", compress_level=9)
    out["parts.png"] = png(rgb, 8, 2, parts=7)
    out["empty_idat.png"] = png(rgb, 8, 2, before=chunk(b"IDAT", b""))
    out["trailing.png"] = png(rgb, 8, 2, tail=b"more bytes than the picture has")
    out["text_after.png"] = png(rgb, 8, 2, after=chunk(b"tEXt", b"Comment\0after the pixels"))
    rows = pixel_rows(rgb, 8, 0)
    more = lambda data: SIGNATURE + header(11, 9, 8, 2) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    out["one_row_more.png"] = more(zlib.compress(rows + bytes(34)))
    out["bytes_after_stream.png"] = more(zlib.compress(rows) + b"abc")
    frames = [Image.fromarray(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)) for _ in range(3)]
    for name, first in (("apng.png", False), ("apng_default.png", True)):
        out[name] = as_file(frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=first)

    # What is refused: by Pillow too, or by us alone because the picture would be guessed.
    good = png(rgb, 8, 2, before=chunk(b"tEXt", b"Comment\0before"))
    flipped = lambda at: good[:at] + bytes((good[at] ^ 4,)) + good[at + 1:]
    text, data = good.index(b"tEXt"), good.index(b"IDAT")
    out["bad_text_crc.png"] = flipped(text + 10)
    out["bad_idat_crc.png"] = flipped(data + 30)
    out["bad_ihdr_crc.png"] = flipped(29)
    broken = bytearray(zlib.compress(rows))
    broken[-1] ^= 1
    out["bad_adler.png"] = more(bytes(broken))
    out["zeroed.png"] = good[:data + 60] + bytes(80) + good[data + 140:]
    out["cut.png"] = good[:len(good) // 2]
    out["split_idat.png"] = SIGNATURE + header(11, 9, 8, 2) + chunk(b"IDAT", zlib.compress(rows)[:50]) + chunk(
        b"tEXt", b"a\0b") + chunk(b"IDAT", zlib.compress(rows)[50:]) + chunk(b"IEND", b"")
    out["filter_5.png"] = more(zlib.compress(b"\5" + rows[1:]))
    return out


def as_file(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def smooth(width, height):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([(x * 255 // max(1, width - 1)), (y * 255 // max(1, height - 1)), (x * 37 + y * 53) % 256], 2).astype(np.uint8)


def cjpeg(pixels, *options):
    kind, data = ("P5", pixels) if pixels.ndim == 2 else ("P6", pixels)
    ppm = f"{kind} {pixels.shape[1]} {pixels.shape[0]} 255\n".encode() + data.tobytes()
    return subprocess.run(["cjpeg", "-quality", "85", *options], input=ppm, stdout=subprocess.PIPE, check=True).stdout


def segments(jpeg):
    """[(marker, bytes of the whole segment)] up to the scan, and the rest."""
    at, out = 2, []
    while jpeg[at + 1] != 0xDA:
        length = 2 + struct.unpack(">H", jpeg[at + 2:at + 4])[0]
        out.append((jpeg[at + 1], jpeg[at:at + length]))
        at += length
    return out, jpeg[at:]


def without(jpeg, marker):
    parts, rest = segments(jpeg)
    return b"\xff\xd8" + b"".join(part for kind, part in parts if kind != marker) + rest


def with_segment(jpeg, marker, data):
    return jpeg[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


def jpegs(rng):
    colour = smooth(35, 18)
    colour[4:9, 10:20] = rng.integers(0, 256, (5, 10, 3))
    grey = colour[..., 1].copy()
    out = {}
    for name, sample in (("444", "1x1"), ("422", "2x1"), ("420", "2x2"), ("440", "1x2"), ("411", "4x1"), ("410", "4x2"), ("441", "1x4")):
        out[f"jpeg_{name}.jpg"] = cjpeg(colour, "-sample", sample)
    for name, options in (("progressive", ["-progressive", "-sample", "2x2"]), ("progressive_444", ["-progressive", "-sample", "1x1"]),
                          ("restart", ["-restart", "1B"]), ("restart_rows", ["-restart", "1"]), ("arithmetic", ["-arithmetic"]),
                          ("arithmetic_progressive", ["-arithmetic", "-progressive"]), ("optimised", ["-optimize"]),
                          ("low", ["-quality", "5"]), ("quality_100", ["-quality", "100"])):
        out[f"jpeg_{name}.jpg"] = cjpeg(colour, *options)
    out["jpeg_grey.jpg"] = cjpeg(grey)
    out["jpeg_grey_sampled.jpg"] = patch_sampling(cjpeg(grey), 0x22)
    image = Image.fromarray(colour)
    rgb = as_file(image, "JPEG", quality=85, keep_rgb=True)
    out["jpeg_rgb.jpg"] = rgb
    out["jpeg_rgb_by_letters.jpg"] = without(rgb, 0xEE)
    out["jpeg_rgb_by_marker.jpg"] = rgb.replace(b"R\x11\0G\x11\0B\x11\0", b"\1\x11\0\2\x11\0\3\x11\0").replace(
        b"\3R\0G\0B\0", b"\3\1\0\2\0\3\0")
    inks = Image.fromarray(np.concatenate([colour, (colour[..., :1] // 2)], 2), "CMYK")
    cmyk = as_file(inks, "JPEG", quality=85)
    at = cmyk.index(b"Adobe") + 11
    ycck = cmyk[:at] + b"\2" + cmyk[at + 1:]
    out["jpeg_cmyk.jpg"] = cmyk
    out["jpeg_cmyk_no_marker.jpg"] = without(cmyk, 0xEE)
    out["jpeg_ycck.jpg"] = ycck
    out["jpeg_unknown_transform.jpg"] = cmyk[:at] + b"\7" + cmyk[at + 1:]
    out["jpeg_cmyk_progressive.jpg"] = as_file(inks, "JPEG", quality=85, progressive=True)
    first, second = cjpeg(colour), cjpeg(colour[::-1].copy())
    out["jpeg_trailing.jpg"] = first + b"more bytes than the picture has"
    out["jpeg_two.jpg"] = first + second
    out["mpo.jpg"] = as_file(image, "MPO", save_all=True, append_images=[Image.fromarray(colour[::-1].copy())], quality=85)
    out["jpeg_jfif_9.jpg"] = first.replace(b"JFIF\0\1", b"JFIF\0\x09", 1)
    out["jpeg_scan_parameters.jpg"] = first.replace(b"\0\x3f\0", b"\0\x3e\0", 1)
    out["jpeg_comment.jpg"] = with_segment(first, 0xFE, b"\xff\xd8\xff\xe0 a comment that looks like a header")
    out["jpeg_icc.jpg"] = with_segment(first, 0xE2, b"ICC_PROFILE\0\1\1" + bytes(3000))
    out["jpeg_fill_bytes.jpg"] = first[:2] + b"\xff\xff\xff" + first[2:]
    # Two of the scans of a progressive picture, with a proper end.
    progressive = out["jpeg_progressive.jpg"]
    scans = [i for i in range(len(progressive) - 1) if progressive[i:i + 2] == b"\xff\xda"]
    out["jpeg_first_scans.jpg"] = progressive[:scans[2]] + b"\xff\xd9"

    out["jpeg_12_bits.jpg"] = first.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")
    out["jpeg_two_components.jpg"] = two_components(first)
    out["jpeg_cut.jpg"] = first[:len(first) * 3 // 4]
    out["jpeg_no_end.jpg"] = first[:-2]
    return out


def patch_sampling(jpeg, factors):
    at = jpeg.index(b"\xff\xc0") + 11
    return jpeg[:at] + bytes((factors,)) + jpeg[at + 1:]


def two_components(jpeg):
    at = jpeg.index(b"\xff\xc0")
    return jpeg[:at] + b"\xff\xc0\0\x0e" + jpeg[at + 4:at + 9] + b"\2" + jpeg[at + 10:at + 16] + jpeg[at + 19:]


def riff(chunks):
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def uint24(value):
    return struct.pack("<I", value)[:3]


def webps(rng):
    rgba = rng.integers(0, 256, (9, 11, 4), dtype=np.uint8)
    wide = np.concatenate([smooth(35, 18), rng.integers(0, 256, (18, 35, 1), dtype=np.uint8)], 2)
    frames = [Image.fromarray(rng.integers(0, 256, (9, 11, 4), dtype=np.uint8)) for _ in range(3)]
    out = {
        "webp_lossless.webp": as_file(Image.fromarray(rgba[..., :3].copy()), "WEBP", lossless=True),
        "webp_lossless_alpha.webp": as_file(Image.fromarray(rgba), "WEBP", lossless=True, exact=True),
        "webp_lossy.webp": as_file(Image.fromarray(wide[..., :3].copy()), "WEBP", quality=80),
        "webp_lossy_alpha.webp": as_file(Image.fromarray(wide), "WEBP", quality=80, exact=True),
        "webp_lossy_low.webp": as_file(Image.fromarray(wide[..., :3].copy()), "WEBP", quality=1),
        "webp_animated.webp": as_file(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, exact=True),
        "webp_animated_lossy.webp": as_file(Image.fromarray(wide), "WEBP", save_all=True, quality=70,
                                            append_images=[Image.fromarray(wide[::-1].copy())]),
    }
    still = out["webp_lossless_alpha.webp"]
    frame = still[still.index(b"VP8L"):]
    place = uint24(1) + uint24(2) + uint24(10) + uint24(8) + uint24(100) + b"\0"  # at 2, 4 of a canvas of 20 x 16
    out["webp_small_frame.webp"] = riff([(b"VP8X", b"\x12\0\0\0" + uint24(19) + uint24(15)), (b"ANIM", bytes(6)),
                                         (b"ANMF", place + frame)])
    out["webp_trailing.webp"] = still + b"more bytes than the picture has"
    out["webp_cut.webp"] = still[:-9]
    out["webp_riff_size.webp"] = still[:4] + struct.pack("<I", len(still) + 92) + still[8:]
    out["webp_no_pixels.webp"] = riff([(b"VP8X", bytes(4) + uint24(10) + uint24(8))])
    return out


def exif_of(orientation, little=True, kind=3, before=b""):
    """A TIFF structure of a tag Make and the orientation."""
    order = "<" if little else ">"
    value = struct.pack(order + ("H2x" if kind == 3 else "I"), orientation)
    tiff = (b"II" if little else b"MM") + struct.pack(order + "HIH", 42, 8, 2)
    tiff += struct.pack(order + "HHI", 0x010F, 2, 4) + b"abc\0" + struct.pack(order + "HHI", 0x0112, kind, 1) + value
    return before + tiff + bytes(4)


def turned(rng):
    colour = smooth(19, 10)
    colour[:4, :4] = rng.integers(0, 256, (4, 4, 3))
    plain = cjpeg(colour)
    marker = lambda exif: with_segment(plain, 0xE1, b"Exif\0\0" + exif)
    out = {f"turn_{i}.jpg": marker(exif_of(i, little=i % 2 == 0)) for i in range(1, 9)}
    out["turn_long.jpg"] = marker(exif_of(6, kind=4))
    out["turn_9.jpg"] = marker(exif_of(9))
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'
    out["turn_xmp.jpg"] = with_segment(plain, 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp % 8)
    out["turn_both.jpg"] = with_segment(out["turn_6.jpg"], 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp % 8)
    small = rng.integers(0, 256, (5, 7, 3))
    out["turn_6.png"] = png(small, 8, 2, before=chunk(b"eXIf", exif_of(6)))
    out["turn_after.png"] = png(small, 8, 2, after=chunk(b"eXIf", exif_of(5)))
    out["turn_xmp.png"] = png(small, 8, 2, before=chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp % 3))
    image = Image.fromarray(small.astype(np.uint8))
    out["turn_7.webp"] = as_file(image, "WEBP", lossless=True, exif=exif_of(7))
    out["turn_prefix.webp"] = as_file(image, "WEBP", lossless=True, exif=exif_of(8, before=b"Exif\0\0"))
    return out


def what_pillow_reads(file, turn=False):
    try:
        with Image.open(file) as image:
            pixels = (ImageOps.exif_transpose(image) if turn else image).convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        print(f"{file.name}: Pillow refuses it: {error}")
        return None
    return {"width": pixels.width, "height": pixels.height, "rgb": base64.b64encode(pixels.tobytes()).decode()}


def main():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (3, 5, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, (3, 5, 1), dtype=np.uint8)
    gradient = np.linspace(40, 200, 45).astype(np.uint8).reshape(3, 5, 3)
    Image.fromarray(rgb).save(HERE / "rgb.png")
    Image.fromarray(rgb[..., 0]).save(HERE / "grey.png")
    Image.fromarray(np.concatenate([rgb, alpha], 2)).save(HERE / "rgba.png")
    Image.fromarray(gradient).save(HERE / "photo.jpg", quality=95, subsampling=0)
    Image.fromarray(np.concatenate([rgb, alpha], 2)).save(HERE / "rgba.webp", lossless=True, exact=True)
    Image.fromarray(gradient).save(HERE / "lossy.webp", quality=90)
    shutil.rmtree(HERE / "odd", ignore_errors=True)
    (HERE / "odd").mkdir()
    files = [HERE / name for name in ("rgb.png", "grey.png", "rgba.png", "photo.jpg", "rgba.webp", "lossy.webp")]
    turn = turned(np.random.default_rng(4))
    for name, content in {**pngs(np.random.default_rng(1)), **jpegs(np.random.default_rng(2)), **webps(np.random.default_rng(3)), **turn}.items():
        files.append(HERE / "odd" / name)
        files[-1].write_bytes(content)
    pixels = {str(file.relative_to(HERE)): what_pillow_reads(file) for file in files}
    after = {f"odd/{name}": what_pillow_reads(HERE / "odd" / name, turn=True) for name in turn}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pixels.items()]
    turned_lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in after.items()]
    text = '{"plain": {\n' + ",\n".join(lines) + '\n}, "turned": {\n' + ",\n".join(turned_lines) + "\n}}\n"
    (HERE / "pixels.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
