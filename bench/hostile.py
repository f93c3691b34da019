"""Reads files that were made to take all time or memory, each in a process of its own: peak memory, seconds, message.

python bench/hostile.py [--only TEXT] [--most-gb 2.0] [--most-seconds 60] [--result bench/results/hostile.md]

A case is a function that writes a file into a folder and returns its path; `@case(reader)` says what reads it.
"""

import io
import os
import random
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
import tyro
from PIL import Image

import hostile_documents
from marigold.core.errors import MarigoldError
from marigold.core.images import read_photo, to_photo
from marigold.core.raster import Photo

CASES: dict[str, tuple[Callable[[Path], object], Callable[[object], object]]] = {**hostile_documents.CASES}
SIDE = 13300
"""Pixels of a side of the largest photo that is read."""


@dataclass(frozen=True)
class Options:
    """What to run, and what counts as too much."""

    only: str = ""
    """Cases whose name holds this."""
    most_gb: float = 2.0
    """Peak memory of a process, the program itself included."""
    most_seconds: float = 60.0
    result: Path | None = None
    """Where to write a table."""


def case(reader: Callable):
    def register(make: Callable) -> Callable:
        CASES[make.__name__] = (make, reader)
        return make

    return register


def written(folder: Path, name: str, *parts: bytes) -> Path:
    (folder / name).write_bytes(b"".join(parts))
    return folder / name


# TIFF


def tiff(folder: Path, *entries: tuple, tail: bytes = b"", following: int = 0, large: bool = False) -> Path:
    """A TIFF of one directory at byte 8 (16 in a BigTIFF); entries (code, type, count, value or place)."""
    number, start = ("Q", 16) if large else ("I", 8)
    head = b"II\x2b\0\x08\0\0\0" if large else b"II*\0"
    table = b"".join(struct.pack(f"<HH{number}{number}", *entry) for entry in sorted(entries))
    count = struct.pack("<Q" if large else "<H", len(entries))
    first, last = (struct.pack(f"<{number}", place) for place in (start, following))
    return written(folder, "a.tif", head, first, count, table, last, tail or PADDING)


PADDING = bytes(200_000)
"""Bytes without use, which let a file look as if there were enough in it."""


def usual(width: int, height: int, bits: int = 8, compression: int = 1, channels: int = 1) -> list[tuple]:
    return [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, compression)),
        *((262, 3, 1, 1 if channels == 1 else 2), (277, 3, 1, channels)),
    ]


@case(read_photo)
def tiff_tiles_of_one_pixel(folder):
    return tiff(folder, *usual(SIDE, SIDE), (322, 3, 1, 1), (323, 3, 1, 1), (324, 4, 1, 8), (325, 4, 1, 1))


@case(read_photo)
def tiff_of_134_bytes(folder):
    path = tiff_tiles_of_one_pixel(folder)
    os.truncate(path, 134)
    return path


@case(read_photo)
def tiff_strips_of_one_row(folder):
    return tiff(folder, *usual(8, 22_000_000), (273, 4, 1, 8), (278, 3, 1, 1), (279, 4, 1, 8))


@case(read_photo)
def tiff_of_one_huge_tile(folder):
    return tiff(
        folder, *usual(64, 64, compression=8), (322, 4, 1, 65536), (323, 4, 1, 65536), (324, 4, 1, 8), (325, 4, 1, 9)
    )


@case(read_photo)
def tiff_of_65535_channels(folder):
    entries = usual(SIDE, SIDE, compression=8, channels=65535)
    return tiff(folder, *entries, (273, 4, 1, 8), (278, 4, 1, SIDE), (279, 4, 1, 9))


@case(read_photo)
def tiff_of_a_deep_volume(folder):
    return tiff(folder, *usual(1000, 1000, 8, 8), (32997, 4, 1, 1 << 30), (273, 4, 1, 8), (279, 4, 1, 9))


@case(read_photo)
def tiff_of_complex_numbers(folder):
    return tiff(folder, *usual(SIDE, SIDE, 128, 8), (339, 3, 1, 6), (273, 4, 1, 8), (279, 4, 1, 9))


@case(read_photo)
def tiff_of_long_floats_from_little(folder):
    strip = zlib.compress(bytes(1 << 20))
    entries = usual(SIDE, SIDE, 64, 8, 4)
    place = 8 + 2 + 12 * 10 + 4
    entries += [(339, 3, 1, 3), (273, 4, 1, place), (278, 4, 1, SIDE), (279, 4, 1, len(strip))]
    return tiff(folder, *entries, tail=strip + PADDING)


@case(read_photo)
def tiff_in_circles(folder):
    return tiff(folder, *usual(64, 64), (273, 4, 1, 8), (279, 4, 1, 64), following=8)


@case(read_photo)
def tiff_below_itself(folder):
    return tiff(folder, *usual(64, 64), (273, 4, 1, 8), (279, 4, 1, 64), (330, 4, 1, 8))


@case(read_photo)
def tiff_of_many_pages(folder):
    pages = b"".join(struct.pack("<HHHIII", 1, 256, 3, 1, 64, 8 + 18 * (n + 1)) for n in range(500_000))
    return written(folder, "a.tif", b"II*\0\x08\0\0\0", pages)


@case(read_photo)
def tiff_of_nested_directories(folder):
    pages = b"".join(struct.pack("<HHHIII", 1, 330, 4, 1, 8 + 18 * (n + 1), 0) for n in range(4000))
    return written(folder, "a.tif", b"II*\0\x08\0\0\0", pages, bytes(18))


@case(read_photo)
def tiff_of_a_million_numbers_an_entry(folder):
    entries = [(code, 4, 1_000_000, 8) for code in range(40000, 44000)]
    return tiff(folder, *usual(64, 64), (273, 4, 1, 8), (279, 4, 1, 64), *entries, tail=bytes(4_000_000))


@case(read_photo)
def tiff_of_one_place_for_all_entries(folder):
    entries = [(code, 7, 10_000_000, 8) for code in range(40000, 44000)]
    return tiff(folder, *usual(64, 64), (273, 4, 1, 8), (279, 4, 1, 64), *entries, tail=bytes(10_000_000))


@case(read_photo)
def tiff_of_huge_counts(folder):
    entries = [(258, 3, 1 << 31, 8), (339, 3, 1 << 31, 8), (34675, 7, 1 << 31, 8), (320, 3, 1 << 31, 8)]
    return tiff(folder, *[entry for entry in usual(64, 64) if entry[0] != 258], *entries, (273, 4, 1, 8))


@case(read_photo)
def tiff_of_huge_strips(folder):
    entries = [*usual(64, 64, compression=8), (273, 16, 1, 16), (279, 16, 1, 1 << 60)]
    return tiff(folder, *entries, tail=bytes(4096), large=True)


@case(read_photo)
def tiff_of_one_strip_many_times(folder):
    parts, strip = 200_000, 4_000_000
    start = 8 + 2 + 12 * 9 + 4
    tail = struct.pack("<I", start + 8 * parts) * parts + struct.pack("<I", strip) * parts + bytes(strip)
    entries = [*usual(8, parts), (273, 4, parts, start), (278, 3, 1, 1), (279, 4, parts, start + 4 * parts)]
    return tiff(folder, *entries, tail=tail)


def bomb(folder: Path, compression: int, strip: bytes) -> Path:
    start = 8 + 2 + 12 * 9 + 4
    entries = usual(64, 64, 8, compression)
    return tiff(folder, *entries, (273, 4, 1, start), (278, 3, 1, 64), (279, 4, 1, len(strip)), tail=strip)


@cache
def zeros(kind: Callable = zlib.compressobj, pieces: int = 2500) -> bytes:
    """Megabytes of nothing, packed."""
    packer = kind(1)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(pieces)), packer.flush()])


@case(read_photo)
def tiff_deflate_bomb(folder):
    return bomb(folder, 8, zeros())


@case(read_photo)
def tiff_lzma_bomb(folder):
    import lzma

    return bomb(folder, 34925, zeros(lambda level: lzma.LZMACompressor(preset=0)))


@case(read_photo)
def tiff_zstd_bomb(folder):
    return bomb(folder, 50000, imagecodecs.zstd_encode(bytes(1 << 30)))


@case(read_photo)
def tiff_lzw_bomb(folder):
    return bomb(folder, 5, imagecodecs.lzw_encode(bytes(1 << 29)))


@case(read_photo)
def tiff_packbits_bomb(folder):
    return bomb(folder, 32773, b"\x81\0" * 20_000_000)


def picture(form: str, side: int = 12000, **options: object) -> bytes:
    content = io.BytesIO()
    Image.new("L" if form != "WEBP" else "RGB", (side, side)).save(content, form, **options)
    return content.getvalue()


@case(read_photo)
def tiff_of_a_large_jpeg_in_a_small_strip(folder):
    return bomb(folder, 7, picture("JPEG"))


@case(read_photo)
def tiff_of_a_large_jpeg_below_a_page(folder):
    strip, start = picture("JPEG"), 8 + 2 + 12 * 1 + 4
    below = sorted(
        [*usual(64, 64, 8, 7), (273, 4, 1, start + 2 + 9 * 12 + 4), (278, 3, 1, 64), (279, 4, 1, len(strip))]
    )
    table = struct.pack("<H", 9) + b"".join(struct.pack("<HHII", *entry) for entry in below) + bytes(4)
    return tiff(folder, (330, 4, 1, start), tail=table + strip)


@case(read_photo)
def tiff_of_a_large_webp_in_a_small_strip(folder):
    return bomb(folder, 50001, picture("WEBP", lossless=True, method=0))


@case(read_photo)
def tiff_of_a_large_jpeg2000_in_a_small_strip(folder):
    return bomb(folder, 34712, picture("JPEG2000", no_jp2=True))


@case(read_photo)
def tiff_of_a_large_jpegxl_in_a_small_strip(folder):
    return bomb(folder, 50002, imagecodecs.jpegxl_encode(np.zeros((8000, 8000), np.uint8), effort=1))


# PNG


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(folder: Path, *extra: bytes, width: int = 64, height: int = 64, depth: int = 8, data: bytes | None = None):
    rows = zlib.compress(bytes((1 + width * depth // 8) * height)) if data is None else data
    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    return written(folder, "a.png", start, *extra, chunk(b"IDAT", rows), chunk(b"IEND", b""))


@case(read_photo)
def png_of_a_million_words(folder):
    return png(folder, chunk(b"tEXt", b"a\0b") * 1_000_000)


@case(read_photo)
def png_of_a_million_pieces(folder):
    return png(folder, chunk(b"IDAT", b"") * 1_000_000)


@case(read_photo)
def png_of_words_that_unfold(folder):
    return png(folder, *[chunk(b"zTXt", b"a\0\0" + zeros(pieces=100))] * 50)


@case(read_photo)
def png_of_a_label_that_unfolds(folder):
    return png(folder, *[chunk(b"zTXt", b"Raw profile type exif\0\0" + zeros(pieces=500))] * 20)


@case(read_photo)
def png_of_a_profile_that_unfolds(folder):
    return png(folder, chunk(b"iCCP", b"a\0\0" + zeros()))


@case(read_photo)
def png_of_16_bits_and_a_profile_that_unfolds(folder):
    return png(folder, chunk(b"iCCP", b"a\0\0" + zeros()), depth=16)


@case(read_photo)
def png_of_pixels_that_unfold(folder):
    return png(folder, data=zeros())


@case(read_photo)
def png_of_16_bits_that_unfold(folder):
    return png(folder, depth=16, data=zeros())


@case(read_photo)
def png_that_ends_early(folder):
    return png(folder, chunk(b"junk", PADDING), width=SIDE, height=SIDE, data=b"")


@case(read_photo)
def png_of_16_bits_that_ends_early(folder):
    return png(folder, chunk(b"junk", PADDING), width=SIDE, height=SIDE, depth=16, data=b"")


@case(read_photo)
def png_of_many_frames(folder):
    frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 64, 64, 0, 0, 1, 1, 0, 0)) + chunk(b"fdAT", bytes(8))
    return png(folder, chunk(b"acTL", struct.pack(">II", 1 << 30, 0)), frame * 300_000)


# JPEG, GIF, WebP, AVIF, JPEG 2000, PPM, BMP


@case(read_photo)
def jpeg_of_many_scans(folder):
    content = picture("JPEG", 8000, progressive=True, quality=10)
    place = content.rindex(b"\xff\xda")
    return written(folder, "a.jpg", content[:place], content[place:-2] * 2000, b"\xff\xd9")


@case(read_photo)
def jpeg_that_ends_early(folder):
    content = picture("JPEG", 16)
    large = content.replace(struct.pack(">HH", 16, 16), struct.pack(">HH", SIDE, SIDE))
    return written(folder, "a.jpg", large)


@case(read_photo)
def jpeg_of_many_segments(folder):
    content = picture("JPEG", 16)
    return written(folder, "a.jpg", content[:2], (b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65527)) * 1500, content[2:])


@case(read_photo)
def gif_of_a_large_screen(folder):
    head = b"GIF89a" + struct.pack("<HHBBB", SIDE, SIDE, 0x80, 0, 0) + bytes(6)
    return written(folder, "a.gif", head, b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02D\x01\0;")


@case(read_photo)
def gif_of_many_comments(folder):
    content = picture("GIF", 16)
    return written(folder, "a.gif", content[:-1], b"!\xfe", (b"\xff" + bytes(255)) * 100_000, b"\0;")


@case(read_photo)
def gif_of_many_frames(folder):
    content = io.BytesIO()
    frames = [Image.new("L", (16, 16), n % 256) for n in range(2000)]
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    return written(folder, "a.gif", content.getvalue() * 50)


@case(read_photo)
def webp_of_a_large_canvas(folder):
    content = io.BytesIO()
    frames = [Image.new("RGB", (16, 16), n) for n in (0, 99)]
    frames[0].save(content, "WEBP", save_all=True, append_images=frames[1:])
    canvas = bytearray(content.getvalue())
    place = canvas.index(b"VP8X") + 12
    canvas[place : place + 6] = (SIDE - 1).to_bytes(3, "little") * 2
    return written(folder, "a.webp", canvas)


@case(read_photo)
def avif_that_states_less(folder):
    content = bytearray(picture("AVIF", 12000, speed=10))
    place = content.index(b"ispe") + 8
    content[place : place + 8] = struct.pack(">II", 64, 64)
    return written(folder, "a.avif", content)


@case(read_photo)
def avif_that_states_more(folder):
    content = bytearray(picture("AVIF", 64))
    place = content.index(b"ispe") + 8
    content[place : place + 8] = struct.pack(">II", SIDE, SIDE)
    return written(folder, "a.avif", content)


@case(read_photo)
def jpeg2000_that_states_less(folder):
    content = bytearray(picture("JPEG2000", 12000))
    place = content.index(b"ihdr") + 4
    content[place : place + 8] = struct.pack(">II", 64, 64)
    return written(folder, "a.jp2", content)


@case(read_photo)
def jpeg2000_of_tiny_tiles(folder):
    content = bytearray(picture("JPEG2000", 64, no_jp2=True))
    place = content.index(b"\xff\x51") + 6
    content[place : place + 32] = struct.pack(">8I", SIDE, SIDE, 0, 0, 1, 1, 0, 0)
    return written(folder, "a.j2k", content)


@case(read_photo)
def jpeg2000_of_a_small_window_in_large_tiles(folder):
    content = bytearray(picture("JPEG2000", 64, no_jp2=True))
    place = content.index(b"\xff\x51") + 6
    whole = (1 << 31) - 1
    content[place : place + 32] = struct.pack(">8I", whole, whole, whole - 64, whole - 64, whole, whole, 0, 0)
    return written(folder, "a.j2k", content)


@case(read_photo)
def ppm_of_words_without_end(folder):
    return written(folder, "a.ppm", b"P3 13000 13000 255\n", b"1" * 50_000_000)


@case(read_photo)
def ppm_of_a_long_comment(folder):
    return written(folder, "a.ppm", b"P6 #" + b"x" * 100_000_000)


@case(read_photo)
def ppm_that_ends_early(folder):
    return written(folder, "a.ppm", b"P6 13300 13300 65535\n", PADDING)


@case(read_photo)
def bmp_of_huge_sizes(folder):
    head = struct.pack("<IiiHHIIiiII", 40, 1 << 30, -(1 << 30), 1, 24, 0, 0, 0, 0, 1 << 31, 0)
    return written(folder, "a.bmp", b"BM" + struct.pack("<IHHI", 1 << 31, 0, 0, 1 << 30), head)


@case(read_photo)
def bmp_that_ends_early(folder):
    head = struct.pack("<IiiHHIIiiII", 40, SIDE, -SIDE, 1, 8, 1, 0, 0, 0, 256, 0)
    return written(folder, "a.bmp", b"BM" + struct.pack("<IHHI", 54, 0, 0, 54), head, PADDING)


# What is only long, or only seems to be large


def sparse(folder: Path, name: str, head: bytes, size: int) -> Path:
    path = written(folder, name, head)
    os.truncate(path, size)
    return path


@case(read_photo)
def long_webp(folder):
    return sparse(folder, "a.webp", b"RIFF\xff\xff\xff\xffWEBPVP8 ", 3 << 30)


@case(read_photo)
def long_avif(folder):
    return sparse(folder, "a.avif", b"\0\0\0\x20ftypavif", 3 << 30)


@case(read_photo)
def long_png(folder):
    path = png(folder, depth=16)
    os.truncate(path, 3 << 30)
    return path


@case(read_photo)
def endless_file(folder):
    return sparse(folder, "a.jpg", b"\xff\xd8\xff\xe0", 1 << 40)


@case(read_photo)
def pipe(folder):
    os.mkfifo(folder / "a.jpg")
    return folder / "a.jpg"


@case(read_photo)
def device(folder):
    return Path("/dev/zero")


@case(read_photo)
def random_bytes(folder):
    return written(folder, "a.jpg", b"\xff\xd8\xff", random.Random(0).randbytes(20_000_000))


@case(to_photo)
def array_of_one_number(folder):
    return np.broadcast_to(np.float32(0.5), (1_000_000, 1_000_000))


@case(to_photo)
def file_of_numbers_in_a_pickle(folder):
    return np.full((64, 64), None, object)


@case(read_photo)
def tiff_stack_of_a_microscope(folder):
    tags = [(33628, "I", 4000, (4,) * 4000, True), (33629, "2I", 4000, (1, 1) * 4000, True)]
    tifffile.imwrite(folder / "a.tif", np.zeros((64, 64), np.uint8), extratags=tags)
    return folder / "a.tif"


def measured(name: str, most_seconds: float) -> tuple[float, float, str]:
    """Peak memory in GB, seconds and the message of one case, which runs in a child."""
    make, read = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        given = make(Path(folder))
        source, sink = os.pipe()
        start = time.perf_counter()
        child = os.fork()
        if child == 0:
            os._exit(run(read, given, sink, most_seconds))
        os.close(sink)
        with os.fdopen(source, "rb") as pipe:
            said = pipe.read().decode("utf-8", "replace")
        _, status, used = os.wait4(child, 0)
        seconds = time.perf_counter() - start
    return used.ru_maxrss * 1024 / 1e9, seconds, said or f"ended by signal {os.WTERMSIG(status)}"


def run(read: Callable, given: object, sink: int, most_seconds: float) -> int:
    """What the child does: it reads, says how that went, and is ended by the system where it takes too long."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(most_seconds), int(most_seconds) + 1))
    try:
        found = read(given)
        said = f"read: {list(found.pixels.shape)}" if isinstance(found, Photo) else "used"
    except MarigoldError as error:
        said = f"refused: {error}"
    except BaseException as error:
        said = f"TRACEBACK: {type(error).__name__}: {error}"
    os.write(sink, said.encode("utf-8", "backslashreplace")[:4000])
    return 0


def main(options: Options) -> None:
    """Prints a line for each case, and what was most of all; ends with 1 where that was too much."""
    worst, slowest, bad = 0.0, 0.0, 0
    rows = ["| case | peak memory [GB] | seconds | outcome |", "|---|---:|---:|---|"]
    chosen = [name for name in CASES if options.only in name]
    for name in chosen:
        peak, seconds, said = measured(name, options.most_seconds)
        worst, slowest = max(worst, peak), max(slowest, seconds)
        fault = peak > options.most_gb or not said.startswith(("read", "used", "refused"))
        bad += fault
        print(f"{'BAD ' if fault else ''}{name}: {peak:.2f} GB, {seconds:.1f} s, {said}", flush=True)
        rows.append(f"| {name.replace('_', ' ')} | {peak:.2f} | {seconds:.1f} | {said.split(':')[0]} |")
    summary = f"{len(chosen)} cases: peak {worst:.2f} GB, slowest {slowest:.1f} s, {bad} bad"
    print(summary)
    if options.result:
        options.result.parent.mkdir(parents=True, exist_ok=True)
        options.result.write_text("\n".join([summary, "", *rows]) + "\n", encoding="utf-8")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
