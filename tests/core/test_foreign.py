"""Pictures that cannot be read are told by content or ending, and addresses keep their slashes."""

import io
from pathlib import Path

import PIL.Image
import pytest

from marigold.core.decode import FORMATS
from marigold.core.errors import ImageError
from marigold.core.images import SUFFIXES, read_image, read_photo, to_photo

HEIC = b"\0\0\0\x18ftypheic" + bytes(64)
REFUSED = {
    "a.heic": (HEIC, "a HEIC photo.*convert it"),
    "b.HEIC": (b"anything", "a HEIC photo"),
    "c.jpg": (HEIC, "a HEIC photo"),
    "d.heif": (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic" + bytes(64), "a HEIC photo"),
    "e.jxl": (b"\xff\x0a" + bytes(64), "a JPEG XL picture"),
    "f.png": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(64), "a JPEG XL picture"),
    "g.psd": (b"8BPS\0\1" + bytes(64), "a document or drawing.*convert it"),
    "h.svg": (b"<?xml version='1.0'?><svg/>", "a document or drawing"),
    "i.cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(64), "a raw file of a camera.*develop it"),
    "j.CR3": (b"\0\0\0\x18ftypcrx \0\0\0\1" + bytes(64), "a raw file of a camera"),
    "k.raf": (b"FUJIFILMCCD-RAW 0201" + bytes(64), "a raw file of a camera"),
    "l.arw": (b"II*\0\x08\0\0\0" + bytes(64), "a raw file of a camera"),
    "m.orf": (b"IIRO\x08\0\0\0" + bytes(64), "a raw file of a camera"),
    "n.exr": (b"v/1\x01\2\0\0\0", "a picture of high dynamic range.*16-bit PNG"),
    "o.tga": (bytes(64), "a picture of a rare format"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_picture_that_is_not_read_is_named_with_what_to_do(tmp_path, name):
    content, message = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=rf"{name}: {message}"):
        read_image(tmp_path / name)


@pytest.mark.parametrize(
    ("ending", "form"),
    [
        ("jfif", "JPEG"),
        ("JPE", "JPEG"),
        ("avif", "AVIF"),
        ("gif", "GIF"),
        ("jp2", "JPEG2000"),
        ("ppm", "PPM"),
        ("heic", "JPEG"),
        ("nef", "PNG"),
    ],
)
def test_a_photo_is_read_by_what_it_holds(tmp_path, ending, form):
    PIL.Image.new("RGB", (32, 24), (200, 120, 60)).save(tmp_path / f"a.{ending}", format=form)
    photo = read_photo(tmp_path / f"a.{ending}")
    assert photo.pixels.shape == (3, 24, 32) and photo.notes == ()
    for value, expected in zip(photo.pixels[:, 9, 9], (200, 120, 60), strict=True):
        assert abs(float(value) * 255 - expected) < 6


def test_every_ending_in_a_folder_belongs_to_a_format_that_is_read():
    PIL.Image.init()
    formats = {PIL.Image.EXTENSION.get(ending, "") for ending in SUFFIXES}
    assert formats - {"MPO"} <= set(FORMATS)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_picture_is_read_with_a_note(tmp_path, form):
    first, second = (PIL.Image.new("RGB", (32, 24), colour) for colour in ("white", "black"))
    content = io.BytesIO()
    first.save(content, form, save_all=True, append_images=[second])
    (tmp_path / "a").write_bytes(content.getvalue())
    photo = read_photo(tmp_path / "a")
    assert float(photo.pixels.min()) > 0.98 and "animation" in photo.notes[0]


ADDRESSES = {
    "https://example.org/p.jpg": "https://example.org/p.jpg: an address.*download it first",
    "http://example.org/a/b.png?size=[1]": r"http://example.org/a/b.png\?size=\[1\]: an address.*download it first",
    "HTTPS://EXAMPLE.ORG": "HTTPS://EXAMPLE.ORG: an address",
    "s3://bucket/p.jpg": "s3://bucket/p.jpg: an address.*download it first",
    "file:///home/p.jpg": "file:///home/p.jpg: an address, not a path; leave out `file://`",
    "data:image/png;base64," + "A" * 9000: r"^data:image/png;base64,A{18}\.\.\.: .* save it as a file",
}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("read", [read_photo, read_image, to_photo])
def test_an_address_is_told_as_it_was_given(address, read):
    with pytest.raises(ImageError, match=ADDRESSES[address]):
        read(address)


def test_a_path_that_was_made_of_an_address_has_its_slashes_again():
    with pytest.raises(ImageError, match=r"https://example\.org/p\.jpg: an address"):
        read_image(Path("https://example.org/p.jpg"))


def test_a_file_whose_name_looks_like_an_address_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my:").mkdir()
    PIL.Image.new("RGB", (16, 16)).save("my:/p.png")
    assert read_image("my:/p.png").shape == (3, 16, 16)


@pytest.mark.parametrize("name", ["C:/photos/p.jpg", "a:b.jpg", "dir/http/p.jpg"])
def test_a_path_with_a_colon_is_a_path(name):
    with pytest.raises(ImageError, match="no such file"):
        read_image(name)
