"""Scoring on a data set, with functions whose answers are known."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from marigold.core import seeds
from marigold.core.errors import ConfigError, DataError, RefusedSampleError
from marigold.core.sample import Sample
from marigold.datasets.base import Dataset, DatasetCard
from marigold.evaluate.runner import evaluate, function, score, snapshot
from marigold.measure.alignment import Protocol
from marigold.modalities.depth import Depth
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from toys.identity import identity_estimator

KEYS = [f"made/{index}" for index in range(5)]
HEIGHT, WIDTH = 10, 14


@dataclass(frozen=True)
class Made(Dataset):
    """Depth is 1 to 9 m and random; the photo's red channel is the depth divided by 10."""

    card = DatasetCard(("depth",), ("test",), "none", "made up")
    empty: str = ""
    refused: tuple[str, ...] = ()

    def scan(self, root: Path, split: str) -> list[str]:
        return KEYS

    def read(self, root: Path, key: str) -> Sample:
        if key in self.refused:
            raise RefusedSampleError(f"{key}: by rule")
        depth = 1 + 8 * torch.rand(1, HEIGHT, WIDTH, generator=seeds.stream(0, key))
        image = torch.cat([depth / 10, torch.zeros(2, HEIGHT, WIDTH)])
        return Sample(key, image, {"depth": depth}, {"depth": torch.full((1, HEIGHT, WIDTH), key != self.empty)})


def red(image: Tensor) -> Tensor:
    return image[:, :1]


def run(predict, batch: int = 2, **options):
    return evaluate(predict, Depth(), Made(), Path(), KEYS, batch=batch, progress=False, **options)


def test_an_answer_that_is_right_scores_perfectly():
    scores = run(red)
    assert scores.means()["abs_rel"] == pytest.approx(0, abs=1e-6)
    assert scores.means()["delta1"] == 1


def test_samples_that_the_data_set_refuses_are_not_scored():
    some = Made(refused=("made/0", "made/2", "made/3"))
    scores = evaluate(red, Depth(), some, Path(), KEYS, batch=2, progress=False)
    assert [row["key"] for row in scores.rows] == ["made/1", "made/4"]
    with pytest.raises(DataError, match="rules refuse all 5 samples"):
        evaluate(red, Depth(), Made(refused=tuple(KEYS)), Path(), KEYS, batch=2, progress=False)


def test_the_table_holds_the_answers_that_never_saw_the_photo():
    scores = run(red, name="red")
    assert list(scores.methods) == ["red", "representation ceiling", "affine in the row", "constant"]
    assert scores.means("affine in the row")["rmse"] > 1
    assert scores.means("affine in the row")["rmse"] <= scores.means("constant")["rmse"]


def test_target_images_without_error_score_like_the_representation_ceiling():
    def perfect(image: Tensor) -> Tensor:
        samples = [Sample("", one, {"depth": one[:1]}, {"depth": one[:1] > 0}) for one in image]
        return torch.cat([Depth().decode(Depth().encode(sample)[0][None]) for sample in samples])

    scores = run(perfect)
    assert scores.means() == pytest.approx(scores.means("representation ceiling"), rel=1e-4)
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


@pytest.mark.parametrize("shape", [(2, HEIGHT, WIDTH), (2, 3, HEIGHT, WIDTH), (2, 1, 5, 7), (1, 1, HEIGHT, WIDTH)])
def test_values_of_a_wrong_shape_are_refused_not_broadcast(shape):
    with pytest.raises(DataError, match=r"made/0 made/1: rival gives .* ask for \[2, 1, 10, 14\]; return that shape"):
        run(lambda image: torch.zeros(shape), name="rival")


def test_what_is_no_tensor_is_refused():
    with pytest.raises(DataError, match="rival gives ndarray"):
        run(lambda image: red(image).numpy(), name="rival")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused_not_left_out(number):
    def broken(image: Tensor) -> Tensor:
        values = red(image).clone()
        values[0, 0, 0, 0] = number
        return values

    with pytest.raises(DataError, match="made/0 made/1: rival gives NaN or infinite values"):
        run(broken, name="rival")


def test_the_metrics_are_those_that_the_modality_states():
    scores = run(red)
    assert scores.metrics == Depth.metrics
    assert [metric.name for metric in scores.metrics] == list(scores.means())


def test_photos_do_not_depend_on_their_batch_mates():
    photos = torch.rand(3, 3, 16, 16)
    predictor = Predictor(identity_estimator(leak=0.1))
    predict = function(predictor, Request(ensemble=3).settings(predictor.estimator.card.defaults))
    alone = torch.cat([predict(photo[None]) for photo in photos])
    torch.testing.assert_close(predict(photos), alone, rtol=0, atol=0)


def test_a_snapshot_is_a_copy_that_later_training_does_not_change():
    estimator = identity_estimator()
    taken = snapshot(estimator, Request(device="cpu"))
    with torch.no_grad():
        estimator.backbone.scale.fill_(5)
    assert float(taken.estimator.backbone.scale) == 1


def test_the_range_of_the_data_set_is_the_protocol_s():
    @dataclass(frozen=True)
    class Near(Made):
        card = DatasetCard(("depth",), ("test",), "none", "made up", depth_range=(1.0, 2.0))

    predictor = Predictor(identity_estimator())
    near, unlimited = (
        score(predictor, dataset, Path(), KEYS, progress=False).means()["rmse"] for dataset in (Near(), Made())
    )
    assert near > unlimited


def test_a_reduction_that_prediction_refuses_is_refused_here_too():
    predictor = Predictor(identity_estimator())
    with pytest.raises(ConfigError, match="reduction: members of depth are not merged by their closest"):
        score(predictor, Made(), Path(), KEYS, request=Request(reduction="closest"), progress=False)
