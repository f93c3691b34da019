"""What every data set promises."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from marigold.core.errors import DataError
from marigold.core.fields import FIELDS
from marigold.core.find import implementation, names
from marigold.datasets.base import Dataset


@pytest.fixture(params=names(Dataset))
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return implementation(Dataset, request.param)()


@pytest.fixture
def keys(dataset: Dataset, tmp_path: Path) -> Sequence[str]:
    """The held-out keys of a data set that needs no files."""
    try:
        return dataset.scan(tmp_path, "test")
    except DataError:
        pytest.skip("needs files")


def test_its_card_says_what_it_holds(dataset):
    assert set(dataset.card.fields) <= set(FIELDS)
    assert "test" in dataset.card.splits
    assert dataset.card.licence
    assert dataset.card.source
    assert 0 < dataset.card.depth_range[0] < dataset.card.depth_range[1]


def test_an_empty_folder_is_an_error_or_not_needed(dataset, tmp_path):
    try:
        keys = dataset.scan(tmp_path, "test")
    except DataError as error:
        assert str(tmp_path) in str(error)
    else:
        assert keys


def test_its_samples_hold_every_field_with_its_channels_and_mask(dataset, tmp_path, keys):
    sample = dataset.read(tmp_path, keys[0])
    height, width = sample.image.shape[-2:]
    assert sample.image.shape[0] == 3
    assert 0 <= sample.image.min() <= sample.image.max() <= 1
    assert set(sample.maps) == set(sample.valid) == set(dataset.card.fields)
    for name, values in sample.maps.items():
        valid = sample.valid[name].expand_as(values)
        assert values.shape == (FIELDS[name].channels, height, width)
        assert values[valid].isfinite().all()
        assert values[valid].min() >= FIELDS[name].low
        assert values[valid].max() <= FIELDS[name].high


def test_its_keys_are_unique_and_in_a_fixed_order(dataset, tmp_path, keys):
    assert len(set(keys)) == len(keys)
    assert list(keys) == list(dataset.scan(tmp_path, "test"))


def test_training_and_test_samples_are_apart(dataset, tmp_path, keys):
    train = dataset.scan(tmp_path, "train")
    assert not set(keys) & {train[index] for index in range(min(1000, len(train)))}
