"""PNG files of 8 and 16 bits, read back by Pillow and taken apart by hand."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from marigold.core.errors import ImageError, OutputError
from marigold.core.images import read_image
from marigold.core.png import read_chunks, write_png

LEVELS = np.random.default_rng(0)


def chunks(path):
    """The chunks of a PNG in order, each with its checksum verified."""
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    place, found = 8, []
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        kind, body = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        (check,) = struct.unpack(">I", content[place + 8 + length : place + 12 + length])
        assert check == zlib.crc32(kind + body)
        found.append((kind, body))
        place += 12 + length
    return found


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (1, 1), (1, 9, 3), (64, 1)])
def test_bytes_come_back(tmp_path, shape):
    levels = LEVELS.integers(0, 256, shape, dtype=np.uint8)
    write_png(tmp_path / "a.png", levels)
    with PIL.Image.open(tmp_path / "a.png") as image:
        assert image.mode == ("L" if len(shape) == 2 else "RGB")
        np.testing.assert_array_equal(np.asarray(image), levels)


def test_sixteen_bits_of_grey_come_back(tmp_path):
    levels = LEVELS.integers(0, 65536, (6, 5), dtype=np.uint16)
    write_png(tmp_path / "a.png", levels)
    with PIL.Image.open(tmp_path / "a.png") as image:
        assert image.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(image), levels)


def test_sixteen_bits_of_colour_come_back(tmp_path):
    levels = LEVELS.integers(0, 65536, (9, 12, 3), dtype=np.uint16)
    write_png(tmp_path / "a.png", levels)
    with PIL.Image.open(tmp_path / "a.png") as image:  # Pillow keeps the high byte
        np.testing.assert_array_equal(np.asarray(image), levels >> 8)
    read = read_image(tmp_path / "a.png").permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(np.rint(read * 65535), levels)


def test_words_come_back(tmp_path):
    write_png(tmp_path / "a.png", np.zeros((2, 2), np.uint8), text={"Title": "depth", "Scale": "1.5"})
    with PIL.Image.open(tmp_path / "a.png") as image:
        assert image.text == {"Title": "depth", "Scale": "1.5"}


def test_words_that_latin_1_lacks_do_not_stop_the_file(tmp_path):
    write_png(tmp_path / "a.png", np.zeros((2, 2), np.uint8), text={"Title": "Tiefe ä 深度"})
    with PIL.Image.open(tmp_path / "a.png") as image:
        assert image.text == {"Title": "Tiefe ä ??"}


@pytest.mark.parametrize(
    ("curve", "expected"), [("srgb", (b"sRGB", b"\0")), ("linear", (b"gAMA", struct.pack(">I", 100_000))), (None, None)]
)
def test_a_display_curve_is_declared_before_the_pixels(tmp_path, curve, expected):
    write_png(tmp_path / "a.png", np.zeros((2, 2, 3), np.uint8), curve=curve)
    kinds = chunks(tmp_path / "a.png")
    assert [kind for kind, _ in kinds if kind not in (b"sRGB", b"gAMA")] == [b"IHDR", b"IDAT", b"IEND"]
    assert [chunk for chunk in kinds if chunk[0] in (b"sRGB", b"gAMA")] == ([] if expected is None else [expected])
    assert kinds[0][0] == b"IHDR" and kinds[-1] == (b"IEND", b"")


def test_a_picture_that_is_not_contiguous_is_written_as_it_looks(tmp_path):
    levels = LEVELS.integers(0, 65536, (8, 6), dtype=np.uint16)[::2, ::-1]
    write_png(tmp_path / "a.png", levels)
    with PIL.Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), levels)


def test_smooth_maps_take_less_room_than_their_numbers(tmp_path):
    levels = np.linspace(0, 65535, 200 * 300).reshape(200, 300).astype(np.uint16)
    write_png(tmp_path / "a.png", levels)
    assert (tmp_path / "a.png").stat().st_size < levels.nbytes / 4


def test_a_file_that_cannot_be_written_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_png(tmp_path / "nowhere" / "a.png", np.zeros((2, 2), np.uint8))


def test_chunks_are_read_from_before_and_behind_the_pixels(tmp_path):
    write_png(tmp_path / "a.png", np.zeros((2, 3), np.uint8), text={"Title": "depth"}, curve="linear")
    content = (tmp_path / "a.png").read_bytes()
    late = struct.pack(">I", 3) + b"eXIf" + b"abc" + bytes(4)
    content = content.replace(content[-12:], late + content[-12:])
    found = read_chunks(io.BytesIO(content))
    assert found[b"gAMA"] == struct.pack(">I", 100_000) and found[b"eXIf"] == b"abc" and found[b"IDAT"] == b""
    assert found[b"IHDR"] == struct.pack(">IIBBBBB", 3, 2, 8, 0, 0, 0, 0)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffgAMA"])
def test_what_is_no_whole_png_has_the_chunks_that_are_there(content):
    assert set(read_chunks(io.BytesIO(content)).values()) <= {b""}


def with_chunks(*extra, size=(16, 16)):
    """A grey PNG with chunks (kind, content) before the pixels."""
    content = io.BytesIO()
    PIL.Image.new("L", size, 51).save(content, "PNG")
    packed = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in extra
    )
    return content.getvalue()[:33] + packed + content.getvalue()[33:]


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("keyword", [b"Comment", b"Raw profile type exif"])
def test_words_of_any_length_do_not_damage_a_photo(tmp_path, kind, keyword):
    start = {b"tEXt": b"\0", b"zTXt": b"\0\0", b"iTXt": b"\0\1\0\0\0"}[kind]
    words = bytes(5 << 18)
    words = words if kind == b"tEXt" else zlib.compress(words)
    (tmp_path / "a.png").write_bytes(with_chunks(*[(kind, keyword + start + words)] * 30))
    assert float(read_image(tmp_path / "a.png").max()) == float(np.float32(51) / np.float32(255))


def test_chunks_beyond_all_measure_are_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(with_chunks(*[(b"tEXt", b"a\0b")] * 20_000))
    with pytest.raises(ImageError, match="a PNG of more chunks than a photo has; save it again"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
def test_a_label_in_words_still_turns_the_photo(tmp_path, kind):
    body = b'<x tiff:Orientation="6"/>'
    if kind == b"iTXt":
        extra = kind, b"XML:com.adobe.xmp\0\0\0\0\0" + body
    else:
        exif = PIL.Image.Exif()
        exif[0x0112] = 6
        listed = b"\nexif\n  8\n" + exif.tobytes().hex().encode()
        extra = kind, b"Raw profile type exif\0" + (listed if kind == b"tEXt" else b"\0" + zlib.compress(listed))
    (tmp_path / "a.png").write_bytes(with_chunks(extra, size=(24, 16)))
    assert read_image(tmp_path / "a.png").shape == (3, 24, 16)
