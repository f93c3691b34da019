"""Clips from frames to files: what is written, what a killed run leaves, what a bad frame costs."""

import json
import os

import numpy as np
import PIL.Image
import pytest

from marigold.core.errors import ConfigError
from marigold.predict.settings import Request
from marigold.video.decode import VideoFile
from marigold.video.frames import PhotoSequence
from marigold.video.options import VideoOptions
from marigold.video.run import predict_clip
from toys.runs import both, identity
from toys.videos import flat, video

AS_PREDICTED = VideoOptions(align=False, smooth=0)


def shaded(level, height=32, width=48):
    """A ramp whose brightest pixel has this level."""
    return np.rint(np.linspace(0, level, width)[None, :, None] * np.ones((height, 1, 3))).astype(np.uint8)


def photos(folder, levels, **size):
    folder.mkdir()
    for number, level in enumerate(levels):
        PIL.Image.fromarray(shaded(level, **size)).save(folder / f"{number:03d}.png")
    return sorted(folder.iterdir())


def run(clip, output, predictors=None, request=Request(), **how):  # noqa: B008
    return predict_clip(predictors or identity(), clip, request, output, **{"formats": "npy,preview", **how})


def maps(folder, name="depth"):
    return [np.load(file) for file in sorted(folder.glob(f"*_{name}.npy"))]


def sequence(path, levels=(250, 240, 230, 220), **size):
    return PhotoSequence(photos(path, levels, **size), "clip", 25)


def content(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


def test_every_frame_has_its_map(tmp_path):
    done = run(sequence(tmp_path / "in"), tmp_path / "out", options=AS_PREDICTED)
    assert sorted(os.listdir(done.folder)) == [*(f"{n:06d}_depth.npy" for n in range(4)), "depth.mp4", "video.json"]
    for level, map_ in zip((250, 240, 230, 220), maps(done.folder), strict=True):
        np.testing.assert_allclose(map_, shaded(level)[..., 0] / 255, atol=1e-6)


def test_frames_that_differ_by_a_scale_become_one(tmp_path):
    done = run(sequence(tmp_path / "in"), tmp_path / "out", options=VideoOptions(smooth=0))
    found = np.stack(maps(done.folder))
    assert np.ptp(found, axis=0).max() < 0.01
    scales = done.report["shots"][0]["steadied"]["depth"]["scale"]
    np.testing.assert_allclose(np.array(scales) / scales[0], [1, 250 / 240, 250 / 230, 250 / 220], rtol=0.005)


def test_the_preview_keeps_a_variable_rate(tmp_path):
    times = [50, 75, 90, 300]
    done = run(VideoFile(video(tmp_path / "a.mkv", [flat(99)] * 4, times)), tmp_path / "out")
    preview = VideoFile(done.folder / "depth.mp4")
    shown = [float(frame.ticks * preview.tick) for frame in preview.frames()]
    np.testing.assert_allclose(shown, (np.array(times) - 50) / 600, atol=1e-3)


def test_odd_sides_are_written(tmp_path):
    done = run(sequence(tmp_path / "in", height=33, width=47), tmp_path / "out")
    assert maps(done.folder)[0].shape == (33, 47)
    assert next(VideoFile(done.folder / "depth.mp4").frames()).photo.size == (34, 48)


def test_a_cut_begins_a_shot_in_one_preview(tmp_path):
    rng = np.random.default_rng(0)
    scenes = [rng.integers(0, 256, (4, 6, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1) for _ in range(2)]
    done = run(VideoFile(video(tmp_path / "a.mp4", [scenes[0]] * 3 + [scenes[1]] * 2)), tmp_path / "out")
    assert [shot["frames"] for shot in done.report["shots"]] == [[0, 1, 2], [3, 4]]
    assert sum(1 for _ in VideoFile(done.folder / "depth.mp4").frames()) == 5


def test_several_modalities_have_one_report(tmp_path):
    done = run(sequence(tmp_path / "in"), tmp_path / "out", both())
    assert set(done.report["modalities"]) == {"depth", "normals"}
    assert len(maps(done.folder)) == len(maps(done.folder, "normals")) == 4
    assert {"depth.mp4", "normals.mp4"} <= set(os.listdir(done.folder))


def test_a_complete_clip_is_skipped_and_another_request_replaces_it(tmp_path):
    clip = sequence(tmp_path / "in")
    assert not run(clip, tmp_path / "out").skipped
    assert run(clip, tmp_path / "out").skipped
    assert not run(clip, tmp_path / "out", overwrite=True).skipped
    done = run(clip, tmp_path / "out", formats="exr")
    assert sorted(os.listdir(done.folder)) == [*(f"{n:06d}_depth.exr" for n in range(4)), "video.json"]


def test_a_file_that_is_gone_is_written_again(tmp_path):
    clip = sequence(tmp_path / "in")
    folder = run(clip, tmp_path / "out").folder
    (folder / "000002_depth.npy").unlink()
    assert not run(clip, tmp_path / "out").skipped
    assert (folder / "000002_depth.npy").is_file()


def test_one_bad_frame_costs_that_frame(tmp_path):
    clip = sequence(tmp_path / "in")
    (tmp_path / "in" / "001.png").write_bytes(b"no photo")
    done = run(clip, tmp_path / "out")
    assert list(done.failed) == ["1"] and "001.png" in done.failed["1"]
    assert done.report["shots"][0]["frames"] == [0, 2, 3]
    assert len(maps(done.folder)) == 3


class Killed(BaseException):
    """Ends a run wherever it is, as a signal does."""


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("carry", [0.0, 0.5])
def test_a_killed_run_goes_on_and_gives_the_same(after, carry, tmp_path):
    def stop(number):
        if number == after:
            raise Killed

    clip, options = sequence(tmp_path / "in"), VideoOptions(carry=carry)
    whole = run(clip, tmp_path / "whole", identity(leak=0.2), options=options).folder
    with pytest.raises(Killed):
        run(clip, tmp_path / "out", identity(leak=0.2), options=options, progress=stop)
    counted = identity(leak=0.2)
    folder = run(clip, tmp_path / "out", counted, options=options).folder
    assert counted.predictors["depth"].estimator.backbone.photos == 3 - after
    same = {name: data for name, data in content(folder).items() if name.endswith(".npy")}
    assert same == {name: data for name, data in content(whole).items() if name.endswith(".npy")}
    assert not (folder / ".work").exists()


def test_what_was_begun_with_other_options_is_not_gone_on_with(tmp_path):
    clip = sequence(tmp_path / "in")

    def stop(number):
        raise Killed

    with pytest.raises(Killed):
        run(clip, tmp_path / "out", progress=stop)
    counted = identity()
    run(clip, tmp_path / "out", counted, request=Request(seed=1))
    assert counted.predictors["depth"].estimator.backbone.photos == 4


def test_the_previous_latent_is_mixed_into_the_noise(tmp_path):
    def found(carry):
        options = VideoOptions(carry=carry, align=False, smooth=0)
        clip = PhotoSequence(paths, "clip", 25)
        return maps(run(clip, tmp_path / f"{carry}", identity(leak=0.5), options=options).folder)

    paths = photos(tmp_path / "in", (200, 200, 200))
    plain, mixed = found(0.0), found(0.3)
    np.testing.assert_array_equal(plain[0], plain[1])
    np.testing.assert_array_equal(mixed[0], plain[0])
    assert np.abs(mixed[1] - mixed[0]).max() > 0.01


def test_intervals_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="interval"):
        run(sequence(tmp_path / "in"), tmp_path / "out", request=Request(interval=0.9, ensemble=3))


def test_a_format_of_sets_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="pbr"):
        run(sequence(tmp_path / "in"), tmp_path / "out", both(), formats="npy,pbr")


def test_nothing_else_in_the_folder_is_touched(tmp_path):
    clip = sequence(tmp_path / "in")
    folder = run(clip, tmp_path / "out").folder
    (folder / "mine_depth.npy").write_text("mine")
    report = json.loads((folder / "video.json").read_text())
    report["files"]["previews"] = ["../elsewhere"]
    (folder / "video.json").write_text(json.dumps(report))
    (tmp_path / "out" / "elsewhere").write_text("mine")
    run(clip, tmp_path / "out", overwrite=True)
    assert (folder / "mine_depth.npy").read_text() == "mine"
    assert (tmp_path / "out" / "elsewhere").read_text() == "mine"
