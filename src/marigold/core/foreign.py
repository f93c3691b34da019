"""Pictures that are not read here: how to tell them, and what to do with them; and addresses, which are no files."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from marigold.core.errors import ImageError

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""What a TIFF starts with, of either order and size."""

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/{1,2}|data:", re.IGNORECASE)
_PHOTO = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|RIFF.{4}WEBP|II[*+]\0|MM\0[*+]|.{4}ftypavi|GIF8|\0\0\0\x0cjP  ", re.DOTALL
)


@dataclass(frozen=True)
class Foreign:
    """A kind of picture that is not read."""

    name: str
    endings: str
    """Of file names, separated by spaces."""
    start: bytes
    """A regular expression for the first bytes of its files."""
    remedy: str = "convert it to PNG or JPEG first"


_RAW = Foreign(
    "a raw file of a camera",
    "dng nef nrw cr2 cr3 crw arw sr2 raf orf rw2 pef srw 3fr fff iiq mrw x3f kdc dcr rwl erf gpr",
    rb"II\*\0.{4}CR|.{4}ftypcrx |FUJIFILMCCD-RAW|II(?:RO|RS|U\0)|MMOR|FOVb|\0MRM",
    "develop it with a raw converter first and give the TIFF or JPEG",
)
_KINDS = (
    _RAW,
    Foreign("a HEIC photo", "heic heics heif heifs hif", rb".{4}ftyp(?:he[iv]|m[is]f1(?!.{0,40}avi))"),
    Foreign("a JPEG XL picture", "jxl", rb"\xff\x0a|\0{3}\x0cJXL "),
    Foreign("a picture of high dynamic range", "exr hdr pfm", rb"v/1\x01|#\?R", "export it as 16-bit PNG first"),
    Foreign(
        "a document or drawing", "psd psb xcf svg ai eps pdf wmf emf", rb"8BPS|gimp xcf|\s*<(?:svg|\?xml)|%(?:!PS|PDF)"
    ),
    Foreign("a picture of a rare format", "jxr tga ico icns pcx dds qoi dcm fits", rb"II\xbc|qoif"),
)


def kind_of(path: Path) -> Foreign | None:
    """The kind that a file's ending tells; None for any other."""
    ending = path.suffix.lower()[1:]
    return next((kind for kind in _KINDS if ending in kind.endings.split()), None)


def looks_like_photo(head: bytes) -> bool:
    """Whether a file that starts like this is a photo that can be read, whatever its name."""
    return bool(_PHOTO.match(head))


def refuse(path: Path, head: bytes) -> None:
    """Raises `ImageError` for a file of such a kind, by its first bytes or, where these say nothing, its ending."""
    kind = next((kind for kind in _KINDS if re.match(kind.start, head, re.DOTALL)), None)
    if kind is None and (not looks_like_photo(head) or (head.startswith(TIFF) and kind_of(path) is _RAW)):
        kind = kind_of(path)
    if kind is not None:
        raise ImageError(f"{kind.name}, which is not read here; {kind.remedy}")


def refuse_address(name: str | os.PathLike[str]) -> None:
    """Raises `ImageError` for an address such as `https://example.org/p.jpg`, also with the slash that a path loses."""
    text = os.fspath(name)
    address = _ADDRESS.match(text)
    if address is None or os.path.exists(text):
        return
    if address[1] is None:
        raise ImageError(f"{text[:40]}...: a picture written out as text; save it as a file first")
    text = f"{address[1]}://{text[address.end() :]}"
    if address[1].lower() == "file":
        raise ImageError(f"{text}: an address, not a path; leave out `file://`")
    raise ImageError(f"{text}: an address, not a file; download it first and name the file")
