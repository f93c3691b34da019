"""Samples from the disk: which ones a batch holds, whoever reads them, and what becomes of those that are damaged."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from marigold.core.errors import DataError, RefusedSampleError
from marigold.core.sample import Sample
from marigold.data.augment import Augment
from marigold.data.latents import LatentStore
from marigold.data.mix import Mix
from marigold.data.pool import Pools
from marigold.data.reader import Reading
from marigold.data.source import Source
from marigold.data.streamed import Streamed
from marigold.datasets.base import Dataset, DatasetCard
from marigold.modalities.image import Image


@dataclass(frozen=True)
class Counted(Dataset):
    """Sample n is a picture of the value n / 1024, whose left half is 0.5 darker where that is possible."""

    length: int = 500
    damaged: tuple[int, ...] = ()
    large: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    changed: str = ""
    card: DatasetCard = field(default=DatasetCard((), ("train",), "Apache-2.0", "closed form"), init=False)

    def scan(self, root: Path, split: str):
        return [str(number) for number in range(self.length)]

    def read(self, root: Path, key: str) -> Sample:
        if int(key) in self.damaged:
            raise DataError(f"{key}: damaged; download it again")
        if int(key) in self.refused:
            raise RefusedSampleError(f"{key}: by rule; drop it")
        side = 16 if int(key) in self.large else 8
        image = torch.full((3, side, side), int(key) / 1024)
        image[:, :, 0] = 1.0
        return Sample(key, image, {}, {})


@dataclass(frozen=True)
class Known(Counted):
    """The same, with an identity, so that it need not be read to know whether it has been seen."""

    def identity(self, root: Path, key: str) -> str:
        return f"{key} {self.changed}"


def mix(*datasets: Dataset, workers: int = 0, batch: int = 4, pools: Pools | None = None, **more) -> Mix:
    sources = tuple(Source(dataset, weight=1 + number) for number, dataset in enumerate(datasets))
    how = Reading(workers=workers)
    return Mix(sources, Image(), pools or Pools(how), batch=batch, seed=7, **more)


def numbers(image: torch.Tensor) -> list[int]:
    """Which samples a batch of images in -1 to 1 holds."""
    return [round(float(value + 1) * 512) for value in image[:, 0, 0, 4]]


def test_an_epoch_reads_every_sample_once():
    whole = mix(Counted(40))
    seen = [number for position in range(10) for number in numbers(whole.batch(position).image)]
    assert sorted(seen) == list(range(40))
    assert seen != sorted(seen)


def test_a_mix_that_starts_late_gives_what_one_that_ran_gives():
    ran = mix(Counted(40), Counted(300))
    found = [ran.batch(position).image for position in range(25)]
    assert torch.equal(mix(Counted(40), Counted(300)).batch(24).image, found[24])
    assert torch.equal(ran.batch(3).image, found[3])


def test_processes_that_read_give_the_same_batches():
    one, several = mix(Counted(40), Counted(300)), mix(Counted(40), Counted(300), workers=2)
    for position in range(6):
        assert torch.equal(one.batch(position).image, several.batch(position).image)
    several.close()


def test_ranks_see_the_positions_of_one_process_between_them():
    alone = mix(Counted(40), Counted(300))
    ranks = [mix(Counted(40), Counted(300), every=2) for _ in range(2)]
    for position in range(8):
        assert torch.equal(ranks[position % 2].batch(position).image, alone.batch(position).image)


def test_a_damaged_sample_gives_its_place_to_another_and_is_named():
    pools = Pools(Reading())
    damaged = mix(Counted(500, damaged=(7, 100)), pools=pools)
    seen = [number for position in range(125) for number in numbers(damaged.batch(position).image)]
    assert len(seen) == 500
    assert not {7, 100} & set(seen)
    assert sorted(skipped.key for skipped in pools.skipped.take()) == ["100", "7"]
    assert pools.skipped.take() == []


def test_more_than_one_in_a_hundred_damaged_samples_end_the_run_with_a_list():
    damaged = mix(Counted(300, damaged=(1, 2, 3, 4)))
    listed = r"4 of 300 samples cannot be used, more than 1%: \d: damaged; .*likewise( \d,?){3}$"
    with pytest.raises(DataError, match=listed):
        for position in range(75):
            damaged.batch(position)


def test_a_source_of_which_nothing_can_be_read_says_so():
    with pytest.raises(DataError, match="damaged"):
        mix(Counted(50, damaged=tuple(range(50))))


def test_samples_that_the_data_sets_rules_refuse_are_replaced_and_counted():
    pools = Pools(Reading())
    refused = tuple(number for number in range(100) if number % 10)
    some = mix(Counted(100, refused=refused), pools=pools)
    some.check()
    seen = [number for position in range(25) for number in numbers(some.batch(position).image)]
    assert len(seen) == 100 and set(seen) == set(range(0, 100, 10))
    # Each of the 90 comes once as itself, whatever was drawn in its place.
    assert list(pools.skipped.refused().values()) == [90]
    assert pools.skipped.take() == []


def test_refused_samples_do_not_hide_damaged_ones():
    refused = tuple(range(50, 300))
    with pytest.raises(DataError, match=r"4 of 300 samples cannot be used, more than 1%"):
        damaged = mix(Counted(300, damaged=(1, 2, 3, 4), refused=refused))
        for position in range(75):
            damaged.batch(position)


def test_a_source_of_which_everything_is_refused_says_so():
    with pytest.raises(DataError, match=r"rules leave none of 50 samples, the first: 0: by rule; drop it; turn"):
        mix(Counted(50, refused=tuple(range(50))))
    whole = Streamed(Source(Counted(500, refused=tuple(range(500))), resize=(8, 8)), (), [*map(str, range(500))], 0)
    with pytest.raises(DataError, match="rules leave none of 100 samples"):
        whole.item(0)


def test_a_sample_of_another_size_is_left_out():
    pools = Pools(Reading())
    some = mix(Counted(500, large=(250,)), pools=pools)
    for position in range(125):
        assert some.batch(position).image.shape[-1] == 8
    (skipped,) = pools.skipped.take()
    assert skipped.key == "250"
    assert "is 16 x 16 pixels, where others are 8 x 8" in skipped.why


def test_samples_are_brought_to_the_size_that_is_asked_for():
    source = Source(Counted(20, large=(1, 2, 3)), resize=(8, 24))
    assert Mix((source,), Image(), Pools(Reading()), batch=20, seed=0).batch(0).image.shape == (20, 3, 8, 24)


class Encoder:
    """Counts the pictures that it is given."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, batch) -> dict[str, torch.Tensor]:
        self.seen += len(batch.image)
        return {"clean": batch.image[:, :1] * 2, "valid": batch.image[:, :1] > 0}


def store(tmp_path: Path, most: int = 1 << 20) -> LatentStore:
    return LatentStore(tmp_path / "latents", most)


def encoded(dataset: Dataset, latents: LatentStore | None, encoder: str = "vae", positions: int = 12):
    encode, chosen = Encoder(), mix(dataset, latents=latents, encoder=encoder)
    found = [chosen.encoded(position, encode) for position in range(positions)]
    if latents:
        latents.close()
    return found, encode.seen


def same(one: list, other: list) -> bool:
    return all(torch.equal(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in a)


@pytest.mark.parametrize("dataset", [Counted(16), Known(16)])
def test_kept_latents_are_those_that_would_be_encoded(dataset, tmp_path):
    plain, seen = encoded(dataset, None)
    filled, _ = encoded(dataset, store(tmp_path))
    again, seen_again = encoded(dataset, store(tmp_path))
    assert same(plain, filled)
    assert same(plain, again)
    assert (seen, seen_again) == (48, 0)


def test_latents_of_another_encoder_or_content_are_not_taken(tmp_path):
    encoded(Known(16), store(tmp_path))
    assert encoded(Known(16), store(tmp_path), "another")[1] > 0
    assert encoded(Known(16, changed="since"), store(tmp_path))[1] > 0


def test_latents_stop_being_kept_where_their_space_is_used_up(tmp_path):
    filled, _ = encoded(Known(16), store(tmp_path, most=1000))
    assert same(filled, encoded(Known(16), None)[0])
    files = list((tmp_path / "latents").rglob("*.safetensors"))
    # A latent and its mask have 8 x 8 x (4 + 1) bytes: the third to the fourth pass the limit.
    assert len(files) == 4


def test_latents_that_cannot_be_written_cost_no_more_than_that(tmp_path):
    latents = store(tmp_path)
    (tmp_path / "latents").rmdir()
    (tmp_path / "latents").write_bytes(b"")
    found, _ = encoded(Known(16), latents)
    assert same(found, encoded(Known(16), None)[0])
    assert "latents" in latents.take_trouble()
    assert latents.take_trouble() == ""


def test_a_damaged_file_of_latents_is_encoded_again(tmp_path):
    plain, _ = encoded(Known(16), store(tmp_path))
    for file in (tmp_path / "latents").rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:20])
    again, seen = encoded(Known(16), store(tmp_path))
    assert same(plain, again)
    assert seen > 0


def test_augmentation_that_never_repeats_is_known():
    assert Augment().repeats
    assert not Augment(jitter=0.1).repeats
    assert not Augment(zoom=1.1).repeats


@dataclass(frozen=True)
class BrokenLater(Counted):
    """Nothing can be read but the samples that are looked at first."""

    def read(self, root: Path, key: str) -> Sample:
        if int(key) % 16:
            raise DataError(f"{key}: damaged; download it again")
        return super().read(root, key)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_process_cannot_read_is_one_line_here(workers):
    broken = mix(BrokenLater(512), workers=workers)
    with pytest.raises(DataError) as caught:
        for position in range(20):
            broken.batch(position)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "damaged" in str(caught.value)
