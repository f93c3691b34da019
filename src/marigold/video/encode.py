"""Preview videos: the pictures of a shot as a segment, and segments joined without encoding them again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from marigold.core.errors import MarigoldError, OutputError
from marigold.core.files import whole_file
from marigold.video.decode import library

Add = Callable[[int, np.ndarray], None]
"""Takes a picture [H, W, 3] uint8 and when it is shown."""
CODEC = "libx264"
_OPTIONS = {"crf": "18", "preset": "veryfast"}
_SEGMENT = "nut"
"""The format of segments, which keeps any time as it is."""


@contextmanager
def segment(path: Path, tick: Fraction, step: int, size: tuple[int, int]) -> Iterator[Add]:
    """Writes a segment: the block gets a function that adds a picture with its time, in units of `tick` seconds.

    A picture is shown until the next, the last for `step` units. All get `size`, height and width, and repeat their
    last row or column where that is odd. Raises `OutputError`.
    """
    av = library()
    with whole_file(path) as file, _written(path), av.open(file, "w", format=_SEGMENT) as container:
        stream = _stream(av, container, tick, size)

        def add(ticks: int, picture: np.ndarray) -> None:
            frame = av.VideoFrame.from_ndarray(_fitted(picture, *size), format="rgb24")
            frame.pts, frame.duration, frame.time_base = ticks, step, tick
            container.mux(stream.encode(frame))

        yield add
        container.mux(stream.encode(None))


def join(segments: Sequence[Path], path: Path) -> None:
    """One MP4 of segments that follow each other, the first picture at time 0. Raises `OutputError`."""
    av = library()
    with whole_file(path) as file, _written(path), av.open(file, "w", format="mp4") as container:
        stream, start = None, 0
        for segment in segments:
            with av.open(str(segment)) as read:
                for packet in read.demux(read.streams.video[0]):
                    if packet.dts is None:  # the end
                        continue
                    if stream is None:
                        stream, start = container.add_stream_from_template(packet.stream), packet.pts
                    packet.pts, packet.dts, packet.stream = packet.pts - start, packet.dts - start, stream
                    container.mux(packet)


def _stream(av: Any, container: Any, tick: Fraction, size: tuple[int, int]) -> Any:
    if CODEC not in av.codecs_available:
        raise OutputError("preview: this build of PyAV writes no H.264; leave preview out of --format")
    stream = container.add_stream(CODEC, rate=None, options=_OPTIONS)
    stream.height, stream.width = (side + side % 2 for side in size)
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = stream.time_base = tick
    stream.codec_context.max_b_frames = 0  # so that segments follow each other as they are
    return stream


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except (MarigoldError, OSError):
        raise
    except Exception as error:  # of a library
        raise OutputError(
            f"{path}: the preview cannot be encoded ({type(error).__name__}: {error}); leave preview out of --format"
        ) from error


def _fitted(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture at a size: cut, or its last row and column repeated."""
    rows, columns = height + height % 2, width + width % 2
    cut = picture[:rows, :columns]
    padding = ((0, rows - cut.shape[0]), (0, columns - cut.shape[1]), (0, 0))
    return np.ascontiguousarray(np.pad(cut, padding, mode="edge"))
