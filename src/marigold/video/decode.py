"""Video files as frames, upright sRGB, by PyAV: every timing that the file has, one frame in memory at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from marigold.core.console import printable
from marigold.core.errors import ImageError, MissingExtraError
from marigold.core.raster import Photo, check_size
from marigold.core.reading import open_file
from marigold.video.frames import Clip, Frame, Lost, file_digest

_HD = 720
"""From so many lines on, colours that state no matrix are those of high definition (ITU-R BT.709)."""
_UNSTATED = 2
_BT709 = 1
_HDR = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of ITU-T H.273 whose brightness is beyond sRGB's."""
_MOST_REASONS = 5


def library() -> Any:
    """PyAV. Raises `MissingExtraError`."""
    try:
        import av
        import av.logging
    except ImportError as error:
        raise MissingExtraError("PyAV", "video", "reading and writing video") from error
    av.logging.set_level(None)  # what matters is raised; the rest would stand between the lines
    return av


class VideoFile(Clip):
    """The first video stream of a file that is no cover picture."""

    def __init__(self, path: Path) -> None:
        """Opens the file once to learn its timing. Raises `ImageError` for what is no video, `MissingExtraError`."""
        self._path, self.name, self.lost = path, path.stem, Lost()
        with self._opened() as (_, stream):
            rate = stream.average_rate or stream.guessed_rate or Fraction(24)
            self.tick, self.rate = Fraction(stream.time_base or 1 / rate), float(rate)
            self.notes = tuple(_remarks(stream))

    def frames(self) -> Iterator[Frame]:
        """All frames that can be decoded; the packets of others are counted in `lost`. Raises `ImageError`."""
        self.lost = Lost()
        number, ticks = 0, -self.step
        with self._opened() as (container, stream):
            for picture in self._decoded(container, stream):
                ticks = ticks + self.step if picture.pts is None else picture.pts
                yield Frame(number, _photo(picture), ticks, damaged=bool(picture.is_corrupt))
                number += 1
        if number == 0:
            why = f" ({self.lost.reasons[0]})" if self.lost.reasons else ""
            raise ImageError(printable(f"{self._path}: a video without a frame{why}; copy or export it again"))

    def digest(self) -> str:
        """The SHA-256 hash of the file."""
        return file_digest(self._path)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        av = library()
        with open_file(self._path, ImageError, "check the path and its permissions") as file:
            try:
                container = av.open(file, metadata_errors="replace")
            except Exception as error:  # of a library that meets hostile bytes
                reason = _reason(error)
                raise ImageError(
                    printable(f"{self._path}: not a video that can be read ({reason}); copy or export it again")
                ) from error
            with container:
                yield container, self._stream(container)

    def _stream(self, container: Any) -> Any:
        covers = library().stream.Disposition.attached_pic
        streams = [one for one in container.streams.video if not one.disposition & covers]
        if not streams:
            raise ImageError(printable(f"{self._path}: holds no video, only other streams; name a file with pictures"))
        stream = streams[0]
        if stream.codec_context is None:
            raise ImageError(printable(f"{self._path}: its video is of an unknown kind; export it as H.264"))
        try:
            check_size(stream.codec_context.width, stream.codec_context.height)
        except ImageError as error:
            raise ImageError(printable(f"{self._path}: {error}")) from error
        return stream

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        """The pictures of a stream in the order in which they are shown; a packet that fails costs its own."""
        stream.thread_type = "AUTO"
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except Exception as error:  # the file ends in the midst of a packet
                self._lose(error)
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except Exception as error:
                self._lose(error)

    def _lose(self, error: Exception) -> None:
        self.lost.packets += 1
        if len(self.lost.reasons) < _MOST_REASONS:
            self.lost.reasons.append(_reason(error))


def _reason(error: Exception) -> str:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(words).split())[:200].lower()


def _remarks(stream: Any) -> Iterator[str]:
    context = stream.codec_context
    ratio = stream.sample_aspect_ratio
    if ratio and ratio != 1:
        yield f"its pixels are not square ({ratio.numerator}:{ratio.denominator}); maps have its pixels as they are"
    if context.color_trc in _HDR:
        yield f"its brightness is HDR ({_HDR[context.color_trc]}), taken as it is; convert it to SDR for better maps"


def _photo(picture: Any) -> Photo:
    """A decoded picture as an upright photo, uint8."""
    matrix = {}
    if picture.colorspace == _UNSTATED and picture.height >= _HD and "yuv" in picture.format.name:
        matrix = {"src_colorspace": _BT709}
    rgb = picture.to_ndarray(format="rgb24", **matrix)
    # The side data say by how many degrees to turn counterclockwise.
    upright = np.rot90(rgb, round(picture.rotation / 90) % 4)
    return Photo(torch.from_numpy(np.ascontiguousarray(upright.transpose(2, 0, 1))))
