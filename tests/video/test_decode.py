"""Videos as frames: their times, which way up they are, and files that are none."""

import numpy as np
import pytest

from marigold.core.errors import ImageError
from marigold.video.decode import VideoFile
from toys.videos import TICK, flat, sound, video


def levels(clip):
    return [float(frame.photo.levels.float().mean()) for frame in clip.frames()]


def test_frames_come_in_order_with_their_times(tmp_path):
    clip = VideoFile(video(tmp_path / "a.mp4", [flat(level) for level in (10, 60, 110)]))
    frames = list(clip.frames())
    assert [frame.number for frame in frames] == [0, 1, 2]
    assert [float(frame.ticks * clip.tick) for frame in frames] == [0, 1 / 24, 2 / 24]
    assert levels(clip) == pytest.approx([10, 60, 110], abs=2)


def test_a_variable_rate_keeps_its_own_times(tmp_path):
    times = [0, 30, 35, 200]
    clip = VideoFile(video(tmp_path / "a.mkv", [flat(9)] * 4, times))
    assert [float(frame.ticks * clip.tick) for frame in clip.frames()] == pytest.approx(
        [float(time * TICK) for time in times], abs=1e-3
    )


def test_a_turned_video_is_upright(tmp_path):
    picture = flat(0)
    picture[:, :8] = 255  # bright at the left
    clip = VideoFile(video(tmp_path / "a.mp4", [picture], turned=90))
    levels = next(clip.frames()).photo.levels
    # A quarter counterclockwise brings the left side down
    assert levels.shape == (3, 48, 32)
    assert levels[:, -4:].float().mean() > 200 > 50 > levels[:, :-12].float().mean()


def test_odd_sizes_are_read_as_they_are(tmp_path):
    clip = VideoFile(video(tmp_path / "a.mkv", [flat(50, 33, 47)], codec="ffv1"))
    assert next(clip.frames()).photo.size == (33, 47)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: path.write_bytes(b""), "not a video"),
        (lambda path: path.write_bytes(bytes(range(256)) * 40), "not a video"),
        (sound, "holds no video"),
        (lambda path: path.mkdir(), "a folder, not a file"),
    ],
)
def test_what_is_no_video_is_an_error_that_names_the_file(write, says, tmp_path):
    write(tmp_path / "a.mp4")
    with pytest.raises(ImageError, match=says) as raised:
        VideoFile(tmp_path / "a.mp4")
    assert "a.mp4" in str(raised.value) and ";" in str(raised.value)


def test_a_video_without_frames_is_an_error(tmp_path):
    clip = VideoFile(video(tmp_path / "a.avi", [], codec="mpeg4"))
    with pytest.raises(ImageError, match="without a frame"):
        list(clip.frames())


def test_a_damaged_part_costs_its_own_frames(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (32, 48, 3), dtype=np.uint8) for _ in range(12)]
    path = video(tmp_path / "a.avi", pictures, codec="ffv1")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = b"\xff" * 400
    path.write_bytes(content)
    clip = VideoFile(path)
    read = sum(1 for _ in clip.frames())
    assert 9 <= read + clip.lost.packets <= 12
    assert read >= 9
