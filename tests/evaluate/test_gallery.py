"""Pictures of scored samples."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from marigold.core.colour import NEUTRAL_GREY, colormap
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.evaluate.gallery import BINS, FEWEST, WIDEST, as_number, bins, chosen, shown
from marigold.measure.alignment import Protocol
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals

DEPTH = Protocol("depth")


def pixels(picture):
    """The picture [H, W, 3] behind an address."""
    head, _, content = picture.address.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def depth_sample(height=32, width=48):
    """A ramp from 1 to 3 metres whose left quarter has no truth."""
    truth = torch.linspace(1, 3, width).expand(1, height, width).clone()
    valid = torch.ones(1, height, width, dtype=torch.bool)
    valid[..., : width // 4] = False
    return Sample("scene/1", torch.full((3, height, width), 0.5), {"depth": truth}, {"depth": valid})


def relative(values, sample, protocol):
    """A tenth at the truth's far end, nothing at the near one."""
    return (sample.maps["depth"] - 1) / 20


def pictures(answer, sample=None, modality=None, error=relative, **more):
    sample = sample or depth_sample()
    found = shown(answer, sample, modality or Depth(), DEPTH, "worst", of="set", error=error, **more)
    return {picture.caption: picture for picture in found.pictures}


def test_a_sample_is_named():
    found = shown(
        Answer(depth_sample().maps["depth"]), depth_sample(), Depth(), DEPTH, "best", of="NYU", error=relative
    )
    assert (found.title, found.key, found.of, found.bins) == ("best", "scene/1", "NYU", ())
    assert [picture.caption for picture in found.pictures] == ["photo", "truth", "prediction", "error"]


def test_an_aligned_prediction_has_the_colours_of_the_truth():
    """0.25 times the truth less 0.1 fits it exactly, so that only pixels without truth differ."""
    found = pictures(Answer(depth_sample().maps["depth"] * 0.25 - 0.1))
    truth, prediction = pixels(found["truth"]), pixels(found["prediction"])
    assert np.abs(truth[:, 16:].astype(int) - prediction[:, 16:]).max() <= 3


def test_near_is_red_and_far_is_violet_between_the_ends_of_the_truth():
    found = pixels(pictures(Answer(depth_sample().maps["depth"]))["truth"])
    far = colormap(np.ones((1, 1)))[0, 0].astype(int)
    assert np.abs(found[16, -1] - far).max() < 12


def test_pixels_without_truth_are_grey_in_truth_and_error_alone():
    found = pictures(Answer(depth_sample().maps["depth"]))
    for caption, is_grey in {"truth": True, "error": True, "prediction": False}.items():
        corner = pixels(found[caption])[8:24, :6].astype(int)
        assert (np.abs(corner - NEUTRAL_GREY).max() < 8) == is_grey


def test_the_photo_is_as_it_is():
    assert np.abs(pixels(pictures(Answer(depth_sample().maps["depth"]))["photo"]).astype(int) - 128).max() <= 1


def test_the_bar_of_the_error_begins_at_nought_and_ends_at_its_98th_percentile():
    errors = torch.rand(1, 32, 48, generator=torch.Generator().manual_seed(0))
    bar = pictures(Answer(depth_sample().maps["depth"]), error=lambda *_: errors, unit="%")["error"].bar
    assert (bar.low, bar.unit) == (0.0, "%")
    assert bar.high == pytest.approx(np.quantile(errors[..., 12:].numpy(), 0.98), abs=1e-5)


def test_large_pictures_shrink_and_small_ones_stay():
    large = pictures(Answer(torch.rand(1, 300, 1200)), depth_sample(300, 1200))
    assert {(picture.width, picture.height) for picture in large.values()} == {(WIDEST, 128)}
    small = pictures(Answer(torch.rand(1, 32, 48)))
    assert {(picture.width, picture.height) for picture in small.values()} == {(48, 32)}


def test_sparse_truth_stays_visible_when_it_shrinks():
    """One pixel of sixteen is known, as of a laser; each of the shrunk pixels holds four columns."""
    sample = depth_sample(64, 2048)
    sample.valid["depth"][:] = False
    sample.valid["depth"][:, ::4, ::4] = True
    found = pixels(pictures(Answer(torch.rand(1, 64, 2048)), sample)["truth"])
    assert found.shape == (16, WIDEST, 3)
    assert np.abs(found.astype(int) - NEUTRAL_GREY).max(axis=-1).min() > 8


def test_errors_that_are_no_numbers_are_left_out():
    def broken(values, sample, protocol):
        return torch.where(sample.maps["depth"] > 2.5, torch.nan, relative(values, sample, protocol))

    bar = pictures(Answer(depth_sample().maps["depth"]), error=broken)["error"].bar
    assert 0.05 < bar.high <= 0.075


def test_uncertainty_is_a_picture_and_bins():
    sample = depth_sample()
    answer = Answer(sample.maps["depth"], sample.maps["depth"] / 10)
    found = shown(answer, sample, Depth(), DEPTH, "best", of="x", error=relative)
    assert found.pictures[-1].caption == "uncertainty"
    assert found.pictures[-1].bar.high == pytest.approx(0.1 + 0.2 * 0.98, abs=0.005)
    assert len(found.bins) == BINS
    assert [one.error for one in found.bins] == sorted(one.error for one in found.bins)


def test_several_outputs_stand_truth_above_prediction():
    sample = Sample(
        "a",
        torch.rand(3, 16, 16),
        {name: torch.rand(3, 16, 16) for name in ("albedo", "shading", "residual")},
        {name: torch.ones(1, 16, 16, dtype=torch.bool) for name in ("albedo", "shading", "residual")},
    )
    found = shown(
        Answer(torch.rand(9, 16, 16)),
        sample,
        Lighting(),
        DEPTH,
        "best",
        of="x",
        error=lambda values, sample, protocol: values.mean(dim=0, keepdim=True),
    )
    captions = [picture.caption for picture in found.pictures]
    assert captions[1 : found.columns] == ["truth of albedo", "truth of shading", "truth of residual"]
    assert captions[found.columns + 1 :] == [
        "prediction of albedo",
        "prediction of shading",
        "prediction of residual",
    ]


def test_normals_need_no_alignment():
    facing = torch.tensor([0.0, 0.0, 1.0])[:, None, None].expand(3, 16, 16)
    sample = Sample(
        "a", torch.rand(3, 16, 16), {"normals": facing}, {"normals": torch.ones(1, 16, 16, dtype=torch.bool)}
    )
    found = pictures(Answer(facing), sample, Normals(), error=lambda *_: torch.zeros(1, 16, 16))
    assert found["truth"].address == found["prediction"].address


def test_a_sample_without_error_has_a_black_picture():
    found = pictures(Answer(depth_sample().maps["depth"]), error=lambda *_: torch.zeros(1, 32, 48))
    assert found["error"].bar.high == 0
    assert pixels(found["error"])[16, 40].max() < 12


def test_bins_hold_equally_many_pixels_in_order_of_uncertainty():
    """Uncertainties 0 to 159 in any order, the error twice as large: bins of ten with means 4.5, 14.5 and so on."""
    uncertainty = torch.randperm(160, generator=torch.Generator().manual_seed(0)).view(1, 10, 16).double()
    found = bins(uncertainty, 2 * uncertainty, torch.ones(1, 10, 16, dtype=torch.bool))
    assert [one.uncertainty for one in found] == [4.5 + 10 * place for place in range(16)]
    assert [one.error for one in found] == [9 + 20 * place for place in range(16)]
    assert (found[0].low, found[0].high) == (pytest.approx(1.8), pytest.approx(16.2))


def test_few_pixels_make_few_bins_and_hardly_any_make_none():
    valid = torch.zeros(1, 10, 10, dtype=torch.bool)
    valid.view(-1)[: 2 * FEWEST] = True
    assert len(bins(torch.rand(1, 10, 10), torch.rand(1, 10, 10), valid)) == 2
    valid.view(-1)[FEWEST - 1 :] = False
    assert bins(torch.rand(1, 10, 10), torch.rand(1, 10, 10), valid) == ()


@pytest.mark.parametrize(("higher", "best", "worst"), [(False, "b", "d"), (True, "d", "b")])
def test_the_best_the_median_and_the_worst_sample_are_chosen(higher, best, worst):
    rows = [{"key": key, "x": value} for key, value in {"a": 2.0, "b": "1.0", "c": 3.0, "d": 4.0, "e": 2.5}.items()]
    assert chosen(rows, "x", higher) == {"best": best, "median": "e", "worst": worst}


def test_holes_are_not_chosen_and_few_samples_are_enough():
    rows = [{"key": "a", "x": ""}, {"key": "b", "x": None}, {"key": "c", "x": float("nan")}, {"key": "d"}]
    assert chosen(rows, "x", False) == {}
    assert chosen([*rows, {"key": "e", "x": 1.0}], "x", False) == {"best": "e"}
    two = [{"key": "e", "x": 2.0}, {"key": "f", "x": 1.0}]
    assert chosen(two, "x", False) == {"best": "f", "worst": "e"}


@pytest.mark.parametrize(
    ("value", "number"), [("0.5", 0.5), (2, 2.0), ("", None), (None, None), ("nan", None), (float("inf"), None)]
)
def test_a_row_s_value_is_a_number_or_nothing(value, number):
    assert as_number(value) == number
