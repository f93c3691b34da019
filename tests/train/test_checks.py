"""What would end a run is found before anything is trained or written; what is legal runs to its end."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from marigold import checkpoint
from marigold.accel.training import TrainPlan
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.core.errors import ConfigError, DataError, MarigoldError, OutputError
from marigold.data.augment import Augment
from marigold.data.source import Source
from marigold.datasets.base import DatasetCard
from marigold.datasets.folder import Folder, write_index, write_sample
from marigold.datasets.photos import Photos
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from marigold.modalities.normals import Normals
from marigold.objectives.end_to_end import EndToEnd
from marigold.train.loop import train
from marigold.train.recipe import Every, Optim, PhaseSettings, Recipe, load
from toys.scenes import NETWORK, Toy


def scenes(root: Path, *, splits=("train", "test"), sizes=(16, 16, 16)) -> Path:
    write_index(root, DatasetCard(("depth",), splits, "own", "closed form"), {})
    for split in splits:
        for number, width in enumerate(sizes):
            sample = Toy().read(root, f"{split}/{number}").resized(16, width)
            write_sample(root, replace(sample, key=f"{split}/{number}"))
    return root


def source(root: Path, **changes) -> Source:
    return Source(Folder(), root=root, **{"capacity": 4, "renewal": 1.0, "block": 2, **changes})


def recipe(*sources: Source, **changes) -> Recipe:
    settings = dict(
        name="toy",
        modality=Depth(),
        network=NETWORK,
        defaults={"steps": 1, "resolution": 16},
        data=sources,
        optim=Optim(lr=1e-3, warmup=1, decay=10),
        every=Every(log=1, save=1, validate=0),
        steps=2,
        batch=2,
        scored=2,
        validation_batches=1,
    )
    return Recipe(**{**settings, **changes})


def kinds(folder: Path) -> list[str]:
    return [json.loads(line)["kind"] for line in (folder / "log.jsonl").read_text().splitlines()]


def test_without_a_test_split_a_run_ends_without_validation_and_says_so(tmp_path):
    notes = []
    folder = tmp_path / "run"
    train(recipe(source(scenes(tmp_path / "data", splits=("train",)))), folder, note=notes.append)
    assert checkpoint.open(folder / "checkpoint").card.note == "2 of 2 steps"
    assert kinds(folder) == ["train", "train"]
    assert "recipe.data.0: trained without validation" in notes[0] and "test" in notes[0]
    assert notes[1:] == ["recipe: without a best checkpoint, since every.validate is 0; the last one is kept"]


def test_validation_can_be_turned_off(tmp_path):
    train(recipe(Source(Toy(), capacity=4, block=4), validation_batches=0), tmp_path / "run")
    assert kinds(tmp_path / "run") == ["train", "train"]


def test_a_source_with_a_test_split_is_validated_beside_one_without(tmp_path):
    both = (source(scenes(tmp_path / "one", splits=("train",))), Source(Toy(), capacity=4, block=4))
    train(recipe(*both), tmp_path / "run")
    last = json.loads((tmp_path / "run/log.jsonl").read_text().splitlines()[-1])
    assert {"loss_toys.scenes_0", "abs_rel_toys.scenes_0"} <= last.keys()


def test_fewer_samples_than_a_batch_are_enough(tmp_path):
    train(recipe(source(scenes(tmp_path / "data", sizes=(16,))), batch=5), tmp_path / "run")
    assert (tmp_path / "run/checkpoint").is_dir()


def test_samples_of_several_sizes_train_at_one(tmp_path):
    mixed = source(scenes(tmp_path / "data", sizes=(16, 24, 32)), augment=Augment(size=16))
    train(recipe(mixed), tmp_path / "run")
    assert kinds(tmp_path / "run") == ["train", "train", "validate"]


def test_sides_that_are_no_multiple_of_the_stride_are_trained_through_the_decoder(tmp_path):
    odd = Source(Toy(size=19), capacity=4, block=4)
    train(recipe(odd, objective=EndToEnd(latent=0.1), scored=0), tmp_path / "run")
    assert kinds(tmp_path / "run") == ["train", "train", "validate"]


def refused(tmp_path: Path, bad: Recipe, message: str, error: type[MarigoldError] = DataError) -> None:
    with pytest.raises(error, match=message):
        train(bad, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_split_that_is_not_there_is_refused(tmp_path):
    root = scenes(tmp_path / "data")
    refused(tmp_path, recipe(source(root, split="val")), r"recipe\.data\.0: .*no split `val`; there are: ")


def test_validation_that_a_recipe_names_must_be_there(tmp_path):
    root = scenes(tmp_path / "data", splits=("train",))
    bad = recipe(source(root), validation=(source(root, split="test"),))
    refused(tmp_path, bad, r"recipe\.validation\.0: .*no split `test`")


class Empty(Toy):
    """A data set without samples."""

    def scan(self, root, split):
        return []


def test_an_empty_split_is_refused(tmp_path):
    refused(tmp_path, recipe(Source(Empty())), r"recipe\.data\.0: .*`train` has no sample")


def test_a_folder_that_is_no_data_set_is_refused(tmp_path):
    refused(tmp_path, recipe(source(tmp_path / "nowhere")), r"recipe\.data\.0: .*nowhere: no data set there")


def test_absent_photographs_are_refused(tmp_path):
    bad = recipe(Source(Photos(), root=tmp_path / "nowhere"), modality=Image())
    refused(tmp_path, bad, r"recipe\.data\.0: .*nowhere: no photographs")


def test_a_recipe_of_optional_sources_alone_needs_one_of_them(tmp_path):
    bad = recipe(Source(Photos(), root=tmp_path / "nowhere", optional=True), modality=Image())
    refused(tmp_path, bad, "no source is left", ConfigError)


@pytest.mark.parametrize("named", [False, True])
def test_a_data_set_without_what_the_modality_needs_is_refused(named, tmp_path):
    one = {"modality": "normals"} if named else {}
    bad = recipe(Source(Toy(), **one), modality=Depth() if named else Normals())
    refused(tmp_path, bad, r"recipe\.data\.0: toys\.scenes has no normals, which normals needs; it has: depth")


def test_the_fields_that_count_are_those_of_the_folder_not_of_the_class(tmp_path):
    only_depth = recipe(source(scenes(tmp_path / "scenes")), modality=Normals())
    refused(tmp_path, only_depth, r"recipe\.data\.0: folder has no normals, which normals needs; it has: depth")


def test_samples_without_what_the_modality_needs_are_refused(tmp_path):
    root = scenes(tmp_path / "data")
    write_index(root, DatasetCard(("depth", "normals"), ("train", "test"), "own", "an index that is wrong"), {})
    refused(tmp_path, recipe(source(root), modality=Normals()), "has no normals, only depth")


@pytest.mark.parametrize("block", [1, 2])
def test_samples_of_several_sizes_are_refused(block, tmp_path):
    mixed = source(scenes(tmp_path / "data", sizes=(16, 24, 32)), block=block)
    refused(tmp_path, recipe(mixed), r"pixels, .*set its `augment\.size`")


@pytest.mark.parametrize(
    ("start", "modality", "message"),
    [
        ("depth", Appearance(), r"recipe\.start: `depth`, for appearance: .*1 targets.*start from the generator"),
        ("appearance", Depth(), r"recipe\.start: `appearance`, for depth"),
        ("depth", Image(), r"recipe\.start: `depth` predicts from a photo"),
    ],
)
def test_a_start_with_other_targets_is_refused(start, modality, message, tmp_path):
    class Everything(Toy):
        card = DatasetCard(("depth", "albedo", "roughness", "metallicity"), ("train",), "own", "none")

    bad = recipe(Source(Everything()), modality=modality, start=start)
    refused(tmp_path, bad, message, ConfigError)


def test_metric_depth_has_no_target_and_is_refused(tmp_path):
    bad = recipe(Source(Toy(), capacity=2, block=2), modality=Depth(scale_invariant=False))
    refused(tmp_path, bad, "scale_invariant: true", ConfigError)


def test_the_result_of_a_network_without_a_photo_cannot_be_trained(tmp_path):
    bad = recipe(Source(Toy()), modality=Image(), objective=EndToEnd())
    refused(tmp_path, bad, "end_to_end: the network sees no photo", ConfigError)


def test_an_unknown_backbone_is_refused(tmp_path):
    bad = recipe(Source(Toy()), network={**NETWORK, "name": "stable_difusion"})
    refused(tmp_path, bad, "did you mean `stable_diffusion`", MarigoldError)


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        train(recipe(Source(Toy(), capacity=2, block=2)), tmp_path / "file" / "run")


def test_what_is_in_the_way_of_the_checkpoint_is_found_before_the_first_step(tmp_path):
    (tmp_path / "run/checkpoint").mkdir(parents=True)
    (tmp_path / "run/checkpoint/notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="checkpoint: is there and is no checkpoint"):
        train(recipe(Source(Toy(), capacity=2, block=2)), tmp_path / "run")


TOY = Source(Toy(), capacity=4, renewal=0.5, block=2)


def test_a_finished_run_goes_on_to_the_weights_of_a_longer_one(tmp_path):
    train(recipe(TOY, steps=2), tmp_path / "onward")
    train(recipe(TOY, steps=4, scored=0), tmp_path / "onward")
    train(recipe(TOY, steps=4, scored=0), tmp_path / "whole")
    onward, whole = (load_file(tmp_path / name / "state.safetensors") for name in ("onward", "whole"))
    assert all(torch.equal(onward[name], whole[name]) for name in whole)
    assert checkpoint.open(tmp_path / "onward/checkpoint").card.note == "4 of 4 steps"


PARTS = (PhaseSettings(2, size=8, batch=4), PhaseSettings(2, objective=EndToEnd()), PhaseSettings(1))


@pytest.mark.parametrize("first", [1, 2, 3, 4, 5, 6])
def test_a_finished_run_goes_on_in_any_phase(first, tmp_path):
    quiet = {"phases": PARTS, "scored": 0, "validation_batches": 0, "every": Every(log=1, save=4, validate=0)}
    train(recipe(TOY, steps=first, **quiet), tmp_path / "onward")
    for name in ("onward", "whole"):
        train(recipe(TOY, steps=7, **quiet), tmp_path / name)
    onward, whole = (load_file(tmp_path / name / "state.safetensors") for name in ("onward", "whole"))
    assert onward.keys() == whole.keys() and all(torch.equal(onward[name], whole[name]) for name in whole)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("onward", "whole")]
    assert [json.loads(line)["loss"] for line in logs[0]] == [json.loads(line)["loss"] for line in logs[1]]


def test_fewer_steps_than_were_made_are_refused(tmp_path):
    train(recipe(TOY, steps=2), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"has made 2 steps, but recipe\.steps is 1; .*--steps 2"):
        train(recipe(TOY, steps=1), tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"optim": Optim(lr=1e-4, warmup=1, decay=10)}, r"optim\.lr \(0\.001 there, 0\.0001 now\)"),
        ({"modality": Depth(ratio=16.0)}, r"modality\.ratio \(32\.0 there, 16\.0 now\)"),
        ({"seed": 1, "batch": 3}, r"batch \(2 there, 3 now\), seed \(0 there, 1 now\)"),
        ({"data": (replace(TOY, dataset=Toy(size=32)),)}, r"data\.0\.size \(16 there, 32 now\)"),
        ({"phases": (PhaseSettings(1),)}, r"phases\.0 \(left out there, \{.*\} now\)"),
        ({"plan": TrainPlan(optimizer_bits=8)}, r"plan\.optimizer_bits \(32 there, 8 now\)"),
    ],
)
def test_a_run_of_another_recipe_is_refused_with_the_keys_that_differ_and_both_values(changes, keys, tmp_path):
    train(recipe(TOY), tmp_path / "run")
    log = (tmp_path / "run/log.jsonl").read_text()
    with pytest.raises(ConfigError, match=rf"whose recipe differs from this one in {keys}; compare"):
        train(recipe(TOY, **changes) if "data" not in changes else recipe(*changes["data"]), tmp_path / "run")
    assert (tmp_path / "run/log.jsonl").read_text() == log


def test_a_time_budget_ends_a_run_and_its_recipe_says_the_steps(tmp_path):
    folder = tmp_path / "run"
    train(recipe(TOY, steps=100_000, every=Every(log=0, save=0, validate=0), scored=0), folder, minutes=0.02)
    written = load(str(folder / "recipe.yaml"))
    made = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])["step"]
    assert 1 <= made == written.steps < 100_000
    assert checkpoint.open(folder / "checkpoint").card.recipe == written.label()
    before = (folder / "checkpoint/card.json").stat().st_mtime_ns
    train(recipe(TOY, steps=100_000, every=Every(log=0, save=0, validate=0), scored=0), folder, minutes=0.02)
    assert (folder / "checkpoint/card.json").stat().st_mtime_ns == before


def test_samples_are_kept_whole_when_nothing_asks_for_a_size():
    assert TOY.side == 0
    assert replace(TOY, augment=Augment(size=10, zoom=1.25)).side == 13


@pytest.mark.parametrize("how", [{"minutes": -1.0}, {"minutes": float("nan")}, {"workers": -1}])
def test_a_time_or_a_number_of_processes_below_nothing_is_refused(how, tmp_path):
    with pytest.raises(ConfigError, match=rf"{next(iter(how))}: .* cannot be used"):
        train(recipe(TOY), tmp_path / "run", **how)
    assert not (tmp_path / "run").exists()


def test_training_that_memory_does_not_hold_is_refused_before_it_begins(tmp_path, monkeypatch):
    weights = sum(one.numel() for one in StableDiffusion.tiny(**NETWORK).unet.parameters())
    # The gradients, two moments and the average of 4 bytes each; the widened input adds a few weights.
    monkeypatch.setattr("marigold.core.device.available_bytes", lambda: 16 * weights - 1)
    with pytest.raises(ConfigError, match=r"gradients, moments and average of .* train a smaller network"):
        train(recipe(source(scenes(tmp_path / "scenes"))), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoint").exists() and not (tmp_path / "run" / "state.safetensors").exists()
