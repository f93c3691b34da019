"""Scoring on a data set, with painters whose answers are known."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from marigold.core import seeds
from marigold.core.errors import DataError
from marigold.core.sample import Sample
from marigold.datasets.base import Dataset, DatasetCard
from marigold.diffusion.samplers import Fresh
from marigold.diffusion.sampling import Sampling
from marigold.diffusion.schedule import Output, Schedule
from marigold.evaluate.runner import evaluate, painter
from marigold.measure.alignment import Protocol
from marigold.modalities.base import Modality
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image

KEYS = [f"made/{index}" for index in range(5)]
HEIGHT, WIDTH = 10, 14
SCHEDULE = Schedule(torch.zeros(1), torch.ones(1), Output.SAMPLE, spacing="trailing")


@dataclass(frozen=True)
class Made(Dataset):
    """Depth is 1 to 9 m and random; the photo's red channel is the depth divided by 10."""

    card = DatasetCard(("depth",), ("test",), "none", "made up")
    empty: str = ""

    def scan(self, root: Path, split: str) -> list[str]:
        return KEYS

    def read(self, root: Path, key: str) -> Sample:
        depth = 1 + 8 * torch.rand(1, HEIGHT, WIDTH, generator=seeds.stream(0, key))
        image = torch.cat([depth / 10, torch.zeros(2, HEIGHT, WIDTH)])
        return Sample(key, image, {"depth": depth}, {"depth": torch.full((1, HEIGHT, WIDTH), key != self.empty)})


def red(image: Tensor) -> Tensor:
    return image[:, :1]


def run(paint, batch: int = 2, **options):
    return evaluate(paint, Depth(), Made(), Path(), KEYS, batch=batch, progress=False, **options)


def test_a_painter_that_is_right_scores_perfectly():
    scores = run(red)
    assert scores.means()["abs_rel"] == pytest.approx(0, abs=1e-6)
    assert scores.means()["delta1"] == 1


def test_the_table_holds_the_answers_that_never_saw_the_photo():
    scores = run(red, name="red")
    assert list(scores.methods) == ["red", "truth as painted", "affine in the row", "constant"]
    assert scores.means("affine in the row")["rmse"] > 1
    assert scores.means("affine in the row")["rmse"] <= scores.means("constant")["rmse"]


def test_a_painter_without_error_scores_like_the_painted_truth():
    def perfect(image: Tensor) -> Tensor:
        samples = [Sample("", one, {"depth": one[:1]}, {"depth": one[:1] > 0}) for one in image]
        return torch.cat([Depth().decode(Depth().encode(sample)[0][None]) for sample in samples])

    scores = run(perfect)
    assert scores.means() == pytest.approx(scores.means("truth as painted"), rel=1e-4)
    assert scores.means()["abs_rel"] > 0


@pytest.mark.parametrize("batch", [1, 3, 5, 8])
def test_scores_do_not_depend_on_the_batch(batch):
    def noisy(image: Tensor) -> Tensor:
        return red(image) ** 2

    assert run(noisy, batch).means() == pytest.approx(run(noisy, 2).means(), rel=1e-9)
    assert run(noisy, batch).rows == run(noisy, 2).rows


def test_every_sample_has_its_row():
    scores = run(lambda image: red(image) ** 2)
    assert [row["key"] for row in scores.rows] == KEYS
    assert sum(row["abs_rel"] for row in scores.rows) / 5 == pytest.approx(scores.means()["abs_rel"])


def test_the_mean_is_over_images():
    assert run(red).methods["estimator"]["rmse"].weight == 5


def test_the_protocol_reaches_the_score():
    assert run(lambda image: 20 * red(image), protocol=Protocol(space="none")).means()["abs_rel"] == pytest.approx(1)


def test_a_sample_without_truth_is_named():
    with pytest.raises(DataError, match="made/3"):
        evaluate(red, Depth(), Made(empty="made/3"), Path(), KEYS, progress=False)


class Mirror(torch.nn.Module):
    """An estimator whose latents are its pixels: it answers with the photo, plus a share of the noise it was given."""

    class backbone:  # noqa: N801
        conditions, targets, latent_channels, stride = 1, 1, 3, 4

    def __init__(self, modality: Modality, share: float = 0.0) -> None:
        super().__init__()
        self.modality, self.share, self.seen = modality, share, []

    def encode_image(self, image: Tensor) -> Tensor:
        self.seen.append(image)
        return image

    def sampling(self, steps: int) -> Sampling:
        return Sampling(steps, SCHEDULE)

    def sample(self, condition: Tensor, noise: Tensor, sampling: Sampling, fresh: Fresh) -> Tensor:
        assert noise.shape == (len(condition), 3, condition.shape[2] // 4, condition.shape[3] // 4)
        fine = torch.nn.functional.interpolate(noise, condition.shape[-2:], mode="nearest")
        return condition + self.share * fine

    def decode(self, latent: Tensor) -> Tensor:
        return self.modality.decode(latent[:, None])


def test_padding_is_undone_exactly():
    photo = torch.rand(2, 3, HEIGHT, WIDTH)
    mirror = Mirror(Image())
    torch.testing.assert_close(painter(mirror, steps=1)(photo), photo)
    assert mirror.seen[0].shape == (2, 3, 12, 16)


def test_the_photo_is_encoded_once_whatever_the_number_of_members():
    mirror = Mirror(Image(), 0.1)
    painter(mirror, steps=1, ensemble=4)(torch.rand(2, 3, 8, 8))
    assert len(mirror.seen) == 1


def test_photos_do_not_depend_on_their_batch_mates():
    photos = torch.rand(3, 3, 16, 16)
    paint = painter(Mirror(Depth(), 0.1), steps=1, ensemble=3)
    alone = torch.cat([paint(photo[None]) for photo in photos])
    torch.testing.assert_close(paint(photos), alone)


def test_the_noise_of_a_member_follows_from_the_seed():
    photo = torch.full((1, 3, 8, 8), 0.5)
    painted = painter(Mirror(Image(), 0.01), steps=1, seed=3)(photo)
    noise = torch.randn(3, 2, 2, generator=seeds.stream(3, "noise", 0)).repeat_interleave(4, 1).repeat_interleave(4, 2)
    torch.testing.assert_close(painted[0], 0.5 + 0.005 * noise)


def test_members_are_merged():
    photo = torch.full((1, 3, 8, 8), 0.5)
    one, many = (painter(Mirror(Image(), 0.1), steps=1, ensemble=n)(photo) for n in (1, 9))
    assert (many - photo).abs().mean() < (one - photo).abs().mean()


@pytest.mark.parametrize(("resolution", "expected"), [(0, (20, 40)), (40, (20, 40)), (60, (30, 60)), (10, (5, 10))])
def test_the_longest_side_is_brought_to_the_resolution(resolution, expected):
    mirror = Mirror(Image())
    painted = painter(mirror, steps=1, resolution=resolution)(torch.rand(1, 3, 20, 40))
    assert painted.shape == (1, 3, 20, 40)
    height, width = (-(-side // 4) * 4 for side in expected)
    assert mirror.seen[0].shape == (1, 3, height, width)
