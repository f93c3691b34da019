"""What every data set promises.

Every test takes a data set and the folder it lies in, so that other test files can run them on data sets of their own.
One that needs files has a tiny folder in `tests/toys/datasets.py`.
"""

from pathlib import Path

import pytest
import torch

from marigold.core.config import decode
from marigold.core.errors import DataError
from marigold.core.fields import FIELDS
from marigold.core.find import implementation, name_of, names
from marigold.data.source import Source
from marigold.datasets.base import Dataset
from toys.datasets import MINIATURES


@pytest.fixture(scope="module", params=names(Dataset))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def dataset(name: str) -> Dataset:
    return implementation(Dataset, name)()


@pytest.fixture(scope="module")
def root(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the data set; an empty one where it has no miniature."""
    folder = tmp_path_factory.mktemp(name)
    if name in MINIATURES:
        MINIATURES[name](folder)
    return folder


def test_its_card_says_what_it_holds(dataset, root):
    card = dataset.card_of(root)
    assert set(card.fields) <= set(FIELDS)
    assert card.splits
    assert card.licence
    assert card.source
    assert 0 < card.depth_range[0] < card.depth_range[1]


def test_every_split_of_its_card_has_samples(dataset, root):
    for split in dataset.card_of(root).splits:
        assert len(dataset.scan(root, split)) > 0


def test_its_settings_can_lie_beside_the_keys_of_a_source(dataset):
    content = {"dataset": name_of(dataset), "weight": 2.0}
    assert decode(Source, content) == Source(dataset, weight=2.0)


def test_an_empty_folder_is_an_error_or_not_needed(dataset, tmp_path):
    try:
        keys = dataset.scan(tmp_path, dataset.card.splits[-1])
    except DataError as error:
        assert str(tmp_path) in str(error)
    else:
        assert keys


def test_its_samples_hold_every_field_with_its_channels_and_mask(dataset, root):
    card = dataset.card_of(root)
    fields, key = card.fields, dataset.scan(root, card.splits[-1])[0]
    sample = dataset.read(root, key)
    height, width = sample.image.shape[-2:]
    assert sample.key == key
    assert sample.image.shape[0] == 3
    assert 0 <= sample.image.min() <= sample.image.max() <= 1
    assert set(sample.maps) == set(sample.valid) == set(fields)
    for name, values in sample.maps.items():
        valid = sample.valid[name].expand_as(values)
        assert sample.valid[name].dtype == torch.bool
        assert values.shape == (FIELDS[name].channels, height, width)
        assert values[valid].isfinite().all()
        assert values[valid].min() >= FIELDS[name].low
        assert values[valid].max() <= FIELDS[name].high


def test_several_samples_are_those_that_it_reads_one_by_one(dataset, root):
    keys = list(dataset.scan(root, dataset.card_of(root).splits[0])[:2])
    together = dataset.read_many(root, keys, "cpu")
    for index, key in enumerate(keys):
        alone = dataset.read(root, key)
        assert (together.image[index] - alone.image).abs().max() < 1e-5
        for name, values in alone.maps.items():
            assert together.maps[name][index].shape == values.shape
            assert (together.valid[name][index] == alone.valid[name]).all()


def test_its_keys_are_unique_and_in_a_fixed_order(dataset, root):
    split = dataset.card_of(root).splits[-1]
    keys = dataset.scan(root, split)
    assert len(set(keys)) == len(keys)
    assert list(keys) == list(dataset.scan(root, split))


def test_no_sample_is_in_two_splits(dataset, root):
    seen: set[str] = set()
    for split in dataset.card_of(root).splits:
        keys = dataset.scan(root, split)
        first = {keys[index] for index in range(min(1000, len(keys)))}
        assert not first & seen
        seen |= first
