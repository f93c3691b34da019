"""What counts as a clip: names that end as videos do, patterns of them, and sequences where they are asked for."""

import pytest

from marigold.cli import main
from marigold.core.errors import ConfigError, ImageError
from marigold.video.inputs import clip_inputs, open_clip
from marigold.video.options import VideoOptions
from toys.runs import photo


def test_videos_are_told_from_photos_by_their_endings(tmp_path):
    assert clip_inputs(["a.mp4", "b.png", "C.MOV", str(tmp_path)], VideoOptions()) == (
        ["a.mp4", "C.MOV"],
        ["b.png", str(tmp_path)],
    )


def test_a_pattern_of_videos_is_written_out(tmp_path):
    for name in ("b.mp4", "a.mp4", "c.png"):
        (tmp_path / name).touch()
    found, photos = clip_inputs([str(tmp_path / "*.mp4")], VideoOptions())
    assert (found, photos) == ([str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")], [])


def test_a_sequence_is_a_folder_s_photos_in_order(tmp_path):
    for name in ("b.png", "a.png"):
        photo(tmp_path / name, 99)
    options = VideoOptions(sequence=True, rate=30.0)
    assert clip_inputs([str(tmp_path)], options) == ([str(tmp_path)], [])
    clip = open_clip(str(tmp_path), options, tmp_path / "out")
    assert clip.name == tmp_path.name and clip.rate == 30
    assert [float(frame.ticks * clip.tick) for frame in clip.frames()] == [0, pytest.approx(1 / 30)]


def test_a_sequence_of_videos_alone_means_nothing():
    with pytest.raises(ConfigError, match="sequence"):
        clip_inputs(["a.mp4"], VideoOptions(sequence=True))


def test_a_folder_without_photos_is_no_sequence(tmp_path):
    with pytest.raises(ImageError, match="no photo"):
        open_clip(str(tmp_path), VideoOptions(sequence=True), tmp_path / "out")


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"carry": 1.5}, {"smooth": -1}, {"smooth": 99}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        VideoOptions(**wrong)


def test_the_command_names_a_video_that_cannot_be_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"none")
    assert main(["predict", "depth", "a.mp4"]) == 1
    assert "a.mp4: not a video" in capsys.readouterr().err
