"""Small videos for tests, written by PyAV with timings that are known."""

from fractions import Fraction

import av
import numpy as np

TICK = Fraction(1, 600)


def flat(level, height=32, width=48):
    return np.full((height, width, 3), level, np.uint8)


def video(path, pictures, times=None, *, codec="libx264", turned=0, audio=False):
    """Writes pictures [H, W, 3], shown at times in units of `TICK`: at 24 frames a second when left out."""
    times = times or [25 * number for number in range(len(pictures))]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=None, options={"crf": "1"} if codec == "libx264" else {})
        stream.height, stream.width = pictures[0].shape[:2] if pictures else (32, 48)
        stream.pix_fmt = "yuv444p" if codec == "libx264" else "yuv420p"
        stream.codec_context.time_base = stream.time_base = TICK
        if turned:
            stream.set_display_rotation(turned)
        container.start_encoding()
        for ticks, picture in zip(times, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = ticks, TICK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sound(path):
    """Writes a file with sound alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
