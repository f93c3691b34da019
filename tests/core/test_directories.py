"""Directories of TIFFs that no photo has are refused before anything of the size that they state is made."""

import struct
import tracemalloc
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile

from marigold.core import directories
from marigold.core.errors import ImageError
from marigold.core.images import read_photo

PADDING = bytes(200_000)


def tiff(path, *entries, tail=b"", following=0, order="<", large=False):
    """A TIFF of one directory; an entry is (code, type, count, value or place). What follows it has a place below."""
    number, start = ("Q", 16) if large else ("I", 8)
    mark = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 43 if large else 42)
    mark += struct.pack(f"{order}HH", 8, 0) if large else b""
    table = b""
    for code, kind, count, value in sorted(entries):
        short = struct.pack(f"{order}H", value).ljust(8 if large else 4, b"\0") if (kind, count) == (3, 1) else None
        table += struct.pack(f"{order}HH{number}", code, kind, count) + (
            short or struct.pack(f"{order}{number}", value)
        )
    count = struct.pack(f"{order}{'Q' if large else 'H'}", len(entries))
    first, last = (struct.pack(f"{order}{number}", place) for place in (start, following))
    path.write_bytes(mark + first + count + table + last + tail)
    return path


def usual(width=64, height=64, bits=8, compression=1, channels=1):
    shape = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (277, 3, 1, channels)]
    return [*shape, (259, 3, 1, compression), (262, 3, 1, 1 if channels == 1 else 2)]


STRIP = [(273, 4, 1, 8), (279, 4, 1, 4096)]
HOSTILE = {
    "tiles of a pixel": (
        [*usual(13300, 13300), (322, 3, 1, 1), (323, 3, 1, 1), (324, 4, 1, 8), (325, 4, 1, 1)],
        "176890000 strips or tiles, more than 1048576",
    ),
    "rows": ([*usual(8, 20_000_000), *STRIP, (278, 3, 1, 1)], "20000000 strips or tiles"),
    "a large tile": (
        [*usual(compression=8), (322, 4, 1, 65536), (323, 4, 1, 65536), (324, 4, 1, 8), (325, 4, 1, 9)],
        "tiles of 4294967296 pixels, more than the picture has",
    ),
    "channels": ([*usual(channels=65535), *STRIP], "65535 channels of 8 bits"),
    "a volume": ([*usual(), *STRIP, (32997, 4, 1, 1 << 30)], "1073741824 deep"),
    "wide samples": ([*usual(13000, 13000, 64, 8, 4), *STRIP], "32 bytes a pixel and more than the limit"),
    "complex": ([*usual(bits=64), *STRIP, (339, 3, 1, 6)], "signed or complex samples"),
    "long entry": ([*usual(), *STRIP, (40000, 4, 1 << 30, 8)], "1073741824 numbers in the entry 40000"),
    "many pieces": ([*usual(), (273, 4, 1 << 30, 8), (279, 4, 1, 9)], "1073741824 strips or tiles"),
    "an overlap": ([*usual(), *STRIP, *((40000 + n, 7, 190_000, 8) for n in range(100))], "more in its directories"),
    "below itself": ([*usual(), *STRIP, (330, 4, 1, 8)], "lead in circles"),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_photo_states_is_refused(tmp_path, name, order):
    entries, message = HOSTILE[name]
    with pytest.raises(ImageError, match=rf"a\.tif: .*{message}.*; "):
        read_photo(tiff(tmp_path / "a.tif", *entries, tail=PADDING, order=order))


def test_a_large_picture_in_a_few_bytes_is_refused_in_figures(tmp_path):
    entries, _ = HOSTILE["tiles of a pixel"]
    path = tiff(tmp_path / "a.tif", *entries)
    with pytest.raises(ImageError, match=f"13300 x 13300 pixels in {path.stat().st_size} bytes, which no photo has; c"):
        read_photo(path)


def test_pages_in_circles_are_refused(tmp_path):
    with pytest.raises(ImageError, match="lead in circles; save it again"):
        read_photo(tiff(tmp_path / "a.tif", *usual(), *STRIP, following=8, tail=PADDING))


@pytest.mark.parametrize("large", [False, True])
def test_pages_are_counted(tmp_path, monkeypatch, large):
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=large) as file:
        for _ in range(5):
            file.write(np.zeros((16, 16), np.uint8), subifds=1)
            file.write(np.zeros((8, 8), np.uint8), subfiletype=1)
    monkeypatch.setattr(directories, "MOST_PAGES", 10)
    assert read_photo(tmp_path / "a.tif").pixels.shape == (3, 16, 16)
    monkeypatch.setattr(directories, "MOST_PAGES", 9)
    with pytest.raises(ImageError, match="more than 9 pages; save the one"):
        read_photo(tmp_path / "a.tif")


def test_a_strip_that_states_more_bytes_than_there_are_is_cut(tmp_path):
    strip = bytes(range(256)) * 16
    entries = [*usual(), (273, 16, 1, 16 + 8 + 8 * 20 + 8), (279, 16, 1, 1 << 60)]
    photo = read_photo(tiff(tmp_path / "a.tif", *entries, tail=strip, large=True))
    np.testing.assert_allclose(photo.pixels[0].numpy() * 255, np.frombuffer(strip, np.uint8).reshape(64, 64), atol=1e-4)


def packed(compression, content):
    return {
        8: zlib.compress,
        5: imagecodecs.lzw_encode,
        32773: lambda content: b"\x81\0" * (len(content) // 128),
        34925: imagecodecs.lzma_encode,
        50000: imagecodecs.zstd_encode,
    }[compression](content)


@pytest.mark.parametrize("compression", [8, 5, 32773, 34925, 50000])
def test_a_strip_never_unfolds_to_more_than_its_pixels(tmp_path, monkeypatch, compression):
    strip = packed(compression, bytes(1 << 22))
    entries = [*usual(compression=compression), (273, 4, 1, 122), (278, 3, 1, 64), (279, 4, 1, len(strip))]
    path = tiff(tmp_path / "a.tif", *entries, tail=strip)
    assert path.read_bytes()[122:] == strip
    tracemalloc.start()
    try:
        assert float(read_photo(path).pixels.max()) == 0
    except ImageError as error:
        assert "damaged or cut short" in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(("compression", "form"), [(7, "JPEG"), (34712, "JPEG2000"), (50001, "WEBP"), (34933, "PNG")])
def test_a_picture_within_a_strip_is_no_larger_than_the_strip(tmp_path, compression, form):
    PIL.Image.new("RGB", (2000, 2000)).save(tmp_path / "part", form, **({"no_jp2": True} if "2000" in form else {}))
    strip = (tmp_path / "part").read_bytes()
    entries = [*usual(compression=compression, channels=3), (273, 4, 1, 122), (278, 3, 1, 64), (279, 4, 1, len(strip))]
    with pytest.raises(ImageError, match=r"a\.tif: a tile of 4096 pixels holds 2000 x 2000; save it again"):
        read_photo(tiff(tmp_path / "a.tif", *entries, tail=strip))


def test_a_compression_whose_size_cannot_be_told_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((64, 64), np.uint8), compression="jpegxl")
    with pytest.raises(ImageError, match=r"its compression JPEGXL is not read here; save it with LZW or Deflate"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("bits", [8, 12, 16, 32])
@pytest.mark.parametrize("compression", [1, 2, 5, 6, 7, 8, 32773])
@pytest.mark.parametrize("colours", [0, 1, 2, 6])
def test_signed_samples_are_refused_whatever_decodes_them(tmp_path, bits, compression, colours):
    entries = [
        (*entry[:3], colours) if entry[0] == 262 else entry for entry in usual(bits=bits, compression=compression)
    ]
    with pytest.raises(ImageError, match=r"a\.tif: signed or complex samples; save it with unsigned 8 or 16 bits"):
        read_photo(tiff(tmp_path / "a.tif", *entries, *STRIP, (339, 3, 1, 2), tail=PADDING))
