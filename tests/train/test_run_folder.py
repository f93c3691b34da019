"""A run folder: what is recognised as one, what in it is replaced, who may write to it, and what survives damage."""

import dataclasses
import json
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from marigold.checkpoints.card import Card
from marigold.core.config import encode
from marigold.core.errors import CheckpointError, ConfigError, OutputError
from marigold.core.locks import locked
from marigold.data.source import Source
from marigold.datasets.pairs import Pairs
from marigold.train.board import Boards
from marigold.train.loop import Trainer, train
from marigold.train.place import LOCK
from marigold.train.recipe import Every, Recipe, load
from marigold.train.run import Run
from marigold.train.state import Facts, read_facts, read_state, write_state
from toys.worlds import grey_photo
from train.test_loop import recipe, same, stopped_before, weights

MADE = recipe(steps=4, accumulate=1, scored=0, validation_batches=0, every=Every(log=1, save=1, validate=0))
LONGER = replace(MADE, steps=6)
UNSCORED = "recipe: without a best checkpoint, since every.validate is 0; the last one is kept"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of four steps."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    train(MADE, folder)
    return folder


@pytest.fixture(scope="module")
def onward(tmp_path_factory):
    """The weights of a run of six steps."""
    folder = tmp_path_factory.mktemp("onward") / "run"
    train(LONGER, folder)
    return weights(folder)


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path, message: str, error=OutputError, made=LONGER) -> None:
    """The run is refused, and everything in the folder stays as it is."""
    before = content(folder)
    with pytest.raises(error, match=message):
        train(made, folder)
    assert content(folder) == before


# Where its data lie


def test_a_run_goes_on_where_its_data_have_moved_and_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here, there = moved("here"), moved("there")
    folder, told = tmp_path / "run", []
    train(here, folder)
    train(replace(there, steps=6), folder, note=told.append)
    assert read_facts(folder / "state.safetensors").step == 6
    assert f"{folder}: goes on with the same samples in another folder: data.0.root ('here' there, 'there' now)" in told
    train(replace(there, steps=7), folder)
    assert read_facts(folder / "state.safetensors").step == 7


def test_a_run_does_not_go_on_with_other_samples_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(moved("here"), tmp_path / "run")
    message = r"differs from this one in data\.0\.root \('here' there, 'there' now\)"
    refused(tmp_path / "run", message, ConfigError, moved("there", count=4))


def moved(name: str, count: int = 3) -> Recipe:
    """The run on a folder of this name, which holds so many samples."""
    for number in range(count):
        grey_photo(Path(name) / f"rgb/{number}.png", 60 * number, 16, 16)
        np.save(Path(name) / f"rgb/{number}.npy", np.linspace(1, 2, 256).reshape(16, 16))
    dataset = Pairs(image="rgb/*.png", depth="rgb/*.npy", test_every=0)
    return replace(MADE, data=(Source(dataset, root=Path(name)),))


# What is a run folder


@pytest.mark.parametrize("name", ["recipe.yaml", "notes.txt", "log.jsonl", "steps/a.txt", ".hidden", "run.lock"])
def test_a_folder_of_the_users_is_refused_and_left_alone(name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    refused(tmp_path, "is not empty and holds no training run; choose another --run")


def test_a_checkpoint_of_the_users_does_not_count_as_finished(finished, tmp_path):
    shutil.copytree(finished / "checkpoint", tmp_path / "checkpoint")
    refused(tmp_path, "is not empty and holds no training run", made=MADE)


def test_another_checkpoint_in_place_of_the_runs_is_not_replaced(run):
    card = Card.read(run / "checkpoint")
    replace(card, recipe="toy-depth@000000000000").write(run / "checkpoint")
    refused(run, "checkpoint: is there and was not written by this run; move it away, or choose another --run")


def test_a_checkpoint_that_was_put_into_a_run_which_wrote_none_is_not_replaced(finished, tmp_path, monkeypatch):
    stopped_before(2, monkeypatch, LONGER, tmp_path)
    shutil.copytree(finished / "checkpoint", tmp_path / "checkpoint")
    refused(tmp_path, "checkpoint: is there and was not written by this run")


@pytest.mark.parametrize("name", ["notes.txt", "unet.bak/x"])
def test_the_users_files_beside_a_checkpoints_parts_are_not_replaced(name, run):
    (run / "checkpoint" / name).parent.mkdir(exist_ok=True)
    (run / "checkpoint" / name).write_text("mine")
    refused(run, r"was not written by this run, which replaces the folder; move it")


@pytest.mark.parametrize("content", ["name: mine\n", "my notes", "[", "", "\x00"])
def test_a_recipe_that_the_user_put_into_a_run_folder_is_kept_by_another_name(content, run, onward):
    (run / "recipe.yaml").write_text(content)
    (run / "recipe.yaml.kept").write_text("older")
    notes = []
    train(LONGER, run, note=notes.append)
    assert (run / "recipe.yaml.kept1").read_text() == content and (run / "recipe.yaml.kept").read_text() == "older"
    assert "recipe.yaml: is not as a run wrote it here; it gets another name" in notes[0]
    assert load(str(run / "recipe.yaml")) == LONGER and same(weights(run), onward)


def test_a_recipe_as_the_run_wrote_it_is_replaced_and_not_kept(run):
    notes = []
    for steps in (6, 7):
        train(replace(LONGER, steps=steps), run, note=notes.append)
    assert notes == [UNSCORED] * 2
    assert [path.name for path in run.glob("recipe*")] == ["recipe.yaml"]


def test_the_users_files_within_a_checkpoints_parts_are_not_replaced(run):
    (run / "checkpoint/unet/notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"checkpoint/unet/notes.txt: is no part of a checkpoint and would be lost"):
        train(LONGER, run)
    assert (run / "checkpoint/unet/notes.txt").read_text() == "mine"


def test_a_kept_checkpoint_that_is_not_the_runs_is_not_replaced(run):
    (run / "steps/000005").mkdir(parents=True)
    (run / "steps/000005/mine.txt").write_text("mine")
    refused(run, "000005: is there and is no checkpoint")


@pytest.mark.parametrize("gone", [["recipe.yaml"], ["run.json"], ["state.safetensors"], ["log.jsonl", "recipe.yaml"]])
def test_no_other_recipe_goes_on_where_single_files_are_gone(gone, run):
    for name in gone:
        (run / name).unlink()
    refused(run, "differs from this one in seed", ConfigError, replace(LONGER, seed=1))


def test_no_other_recipe_goes_on_where_the_states_are_gone(run):
    for name in ("state.safetensors", "state.previous.safetensors"):
        (run / name).unlink()
    refused(run, "differs from this one in seed", ConfigError, replace(LONGER, seed=1))


@pytest.mark.parametrize("gone", ["recipe.yaml", "run.json", "log.jsonl", "state.safetensors", "checkpoint"])
def test_a_run_goes_on_to_the_same_weights_where_one_file_is_gone(gone, run, onward):
    shutil.rmtree(run / gone) if gone == "checkpoint" else (run / gone).unlink()
    train(LONGER, run)
    assert same(weights(run), onward)


def test_a_recipe_that_made_nothing_leaves_the_folder_to_another(tmp_path, monkeypatch):
    stopped_before(0, monkeypatch, MADE, tmp_path)
    assert (tmp_path / "run.json").exists()
    train(replace(MADE, seed=1), tmp_path)
    assert (tmp_path / "checkpoint").is_dir()


def as_before(folder: Path) -> None:
    """The run without a marker, its state written by the library itself, with the facts that were always there."""
    (folder / "run.json").unlink()
    (folder / "state.previous.safetensors").unlink()
    file = folder / "state.safetensors"
    with safe_open(file, "pt") as state:
        facts = json.loads(state.metadata()["facts"])
    facts.pop("earlier")
    save_file(load_file(file), file, {"facts": json.dumps(facts)})


def test_a_run_without_a_marker_and_a_checksum_goes_on(run, onward):
    as_before(run)
    train(LONGER, run)
    assert same(weights(run), onward)
    assert json.loads((run / "run.json").read_text())["kind"] == "marigold training run"


def test_a_checkpoint_of_another_name_beside_a_state_without_a_marker_is_not_replaced(run):
    as_before(run)
    replace(Card.read(run / "checkpoint"), recipe="other@0123456789ab").write(run / "checkpoint")
    refused(run, "checkpoint: is there and was not written by this run")


# What is no file


PLACES = ["recipe.yaml", "log.jsonl", "state.safetensors", "state.previous.safetensors", "run.json", LOCK]


@pytest.mark.parametrize("name", [*PLACES, "checkpoint", "best", "steps", "previews", "nonfinite", "tensorboard"])
@pytest.mark.parametrize("target", ["file", "nowhere", "folder"])
def test_nothing_is_written_through_a_link(name, target, run, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    place = run / name
    shutil.rmtree(place, ignore_errors=True) if place.is_dir() else place.unlink(missing_ok=True)
    place.symlink_to(tmp_path / target)
    refused(run, f"{name}: is a link, which training does not write to; move it away, or choose another --run")
    assert (tmp_path / "file").read_text() == "mine" and not (tmp_path / "nowhere").exists()
    assert not any((tmp_path / "folder").iterdir())


@pytest.mark.parametrize("name", PLACES)
def test_pipes_and_folders_in_place_of_files_are_refused_at_once(name, run):
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    refused(run, f"{name}: is no file")
    (run / name).unlink()
    (run / name).mkdir()
    refused(run, f"{name}: is no file")


def test_a_log_that_becomes_a_link_while_a_run_writes_is_not_followed(tmp_path):
    opened = Run(tmp_path / "run", MADE)
    opened.open()
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "run/log.jsonl").symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match=r"log\.jsonl: cannot be written"):
        opened.log(1, "train", {"loss": 1.0})
    opened.close()
    assert (tmp_path / "mine").read_text() == "mine"


# Two writers


def test_a_folder_in_use_is_refused_and_the_other_process_named(run):
    with locked(run / LOCK, "x"):
        refused(run, rf"run: is being trained by process {os.getpid()} on .*; wait until it ends, or stop it")


def test_a_folder_is_locked_while_its_run_goes_and_free_afterwards(tmp_path, monkeypatch):
    update, seen = Trainer.update, []

    def tried(self):
        with pytest.raises(OutputError, match="is being trained"):
            train(MADE, tmp_path / "run")
        seen.append(self.step)
        return update(self)

    monkeypatch.setattr(Trainer, "update", tried)
    train(MADE, tmp_path / "run")
    assert seen == [0, 1, 2, 3]
    assert not (tmp_path / "run" / LOCK).exists()


def test_a_lock_that_a_dead_process_has_left_is_none(run, onward):
    (run / LOCK).write_text("process 1 on elsewhere")
    train(LONGER, run)
    assert same(weights(run), onward)


def test_what_a_killed_process_left_half_written_is_deleted(run):
    (run / "steps").mkdir()
    (run / "previews").mkdir()
    left = [
        ".state.safetensors.0123abcd.part",
        "state.tmp",
        ".log.jsonl.0123abcd.part",
        "previews/.a.jpg.0123abcd.part",
    ]
    for name in left:
        (run / name).write_bytes(b"half")
    (run / "steps/.000002.0123abcd.part").mkdir()
    train(LONGER, run)
    assert not [path for path in run.rglob("*") if path.name.endswith((".part", ".tmp"))]


def test_a_folder_of_a_process_that_was_killed_at_once_is_empty(tmp_path):
    (tmp_path / LOCK).write_text("process 1 on elsewhere")
    (tmp_path / ".run.json.0123abcd.part").write_bytes(b"{")
    train(MADE, tmp_path)
    assert (tmp_path / "checkpoint").is_dir()


# Damage


def test_both_states_are_kept_and_state_how_far_they_are(finished):
    assert read_facts(finished / "state.safetensors").step == 4
    assert read_facts(finished / "state.previous.safetensors").step == 3


def flipped(file: Path, place: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(place)
        byte = stream.read(1)[0]
        stream.seek(place)
        stream.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_one_flipped_bit_of_the_tensors_is_noticed_and_the_state_before_goes_on(share, run, onward):
    file = run / "state.safetensors"
    begin = 8 + int.from_bytes(file.read_bytes()[:8], "little")
    flipped(file, begin + int(share * (file.stat().st_size - begin)))
    notes = []
    train(LONGER, run, note=notes.append)
    assert notes == [
        f"{file}: damaged (its content does not match its checksum); "
        "the run goes on from state.previous.safetensors of step 3",
        UNSCORED,
    ]
    assert same(weights(run), onward)


@pytest.mark.parametrize("left", [0, 7, 100, 5000, -1])
def test_a_state_that_is_cut_short_gives_way_to_the_one_before(left, run, onward):
    file = run / "state.safetensors"
    file.write_bytes(file.read_bytes()[:left])
    notes = []
    train(LONGER, run, note=notes.append)
    assert "damaged" in notes[0] and "goes on from state.previous.safetensors of step 3" in notes[0]
    assert same(weights(run), onward)
    assert read_facts(run / "state.previous.safetensors").step == 5


def test_without_a_state_before_it_a_damaged_one_is_an_error_that_says_what_to_do(run):
    (run / "state.previous.safetensors").unlink()
    flipped(run / "state.safetensors", -1 + (run / "state.safetensors").stat().st_size)
    refused(run, r"state\.safetensors: damaged \(.*checksum\); delete it to begin this run again", CheckpointError)


def test_weights_of_the_users_called_like_a_state_are_no_state(tmp_path):
    save_file({"x": torch.zeros(2)}, tmp_path / "state.safetensors")
    refused(tmp_path, r"state\.safetensors: is no state of a training run; move it elsewhere", CheckpointError)


CHANGES = {
    "missing": lambda tensors: tensors.pop("module.conv_in.weight"),
    "nothing of this run": lambda tensors: tensors.update({"module.more": torch.zeros(1)}),
    "`other` is nothing": lambda tensors: tensors.update(other=torch.zeros(1)),
    "`optimizer.99999.step` is nothing": lambda tensors: tensors.update({"optimizer.99999.step": torch.zeros(())}),
    "exp_avg` is missing": lambda tensors: tensors.pop("optimizer.0.exp_avg"),
    "exp_avg` has another shape": lambda tensors: tensors.update({"optimizer.0.exp_avg": torch.zeros(3)}),
    "bias` has another shape or type": lambda tensors: tensors.update(
        {"average.conv_in.bias": tensors["average.conv_in.bias"].double()}
    ),
    "weight` has another shape": lambda tensors: tensors.update(
        {"module.conv_in.weight": tensors["module.conv_in.weight"].flatten()}
    ),
    "`module.conv_in.bias` holds NaN": lambda tensors: tensors["module.conv_in.bias"].fill_(float("nan")),
}


@pytest.mark.parametrize("message", CHANGES)
@pytest.mark.parametrize("summed", [False, True])
def test_a_state_with_other_tensors_is_an_error_that_names_them(message, summed, run):
    file = run / "state.safetensors"
    (run / "state.previous.safetensors").unlink()
    facts, tensors = read_state(file)
    CHANGES[message](tensors)
    if summed:
        write_state(file, tensors, facts, lambda: None)
    else:
        save_file(tensors, file, {"facts": json.dumps(dataclasses.asdict(facts))})
    refused(run, rf"state\.safetensors: damaged \(.*{message}.*\); delete it to begin this run again", CheckpointError)


def test_a_state_is_what_the_library_reads(tmp_path):
    odd = {
        "a": torch.tensor(3.5, dtype=torch.float64),
        "b": torch.arange(3, dtype=torch.uint8),
        "c": torch.tensor([True, False]),
        "d": torch.empty(0, 4),
        "e": torch.arange(6.0).view(2, 3).T,
        "f": torch.ones(2, dtype=torch.bfloat16),
        "\u00e9": torch.arange(2),
    }
    facts = some_facts()
    write_state(tmp_path / "state", odd, facts, lambda: None)
    found = load_file(tmp_path / "state")
    assert found.keys() == odd.keys()
    assert all(torch.equal(found[name], x) and found[name].dtype == x.dtype for name, x in odd.items())
    assert read_state(tmp_path / "state")[0] == facts


def some_facts():
    return Facts(2, {**encode(MADE), "minutes": 0.0}, (1, 1), 1, False, 1.5, (0.25, 1), (64, 0.5), ((1, MADE.optim),))


BAD_LINES = [
    b"{",
    b"[1]",
    b"\xff\xfe\x00",
    b"null",
    b'{"kind": "train"}',
    b'{"step": NaN, "kind": "train"}',
    b'{"step": "1"}',
    b'{"step": true}',
    b'{"step": -1}',
    b'{"step": 1e300}',
    b"[" * 100_000,
    b'{"step": 1, "kind": "train", "loss": 0.5',
    b'"\\ud800"',
]


@pytest.mark.parametrize("bad", BAD_LINES)
def test_damaged_lines_of_a_log_are_dropped_and_the_others_stay(bad, run):
    log = run / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([lines[0], bad, b"\n", *lines[1:], bad]))
    train(LONGER, run)
    found = log.read_bytes().splitlines(keepends=True)
    assert found[:4] == lines[:4]
    assert [json.loads(line)["step"] for line in found] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"kind": "mine"}', '{"asked": 1}', "\ud800"])
def test_a_damaged_marker_beside_a_state_is_written_anew(text, run, onward):
    (run / "run.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    notes = []
    train(LONGER, run, note=notes.append)
    assert "run.json: " in notes[0] and notes[0].endswith("it is written anew")
    assert same(weights(run), onward)


def test_a_damaged_marker_alone_is_an_error(tmp_path):
    (tmp_path / "run.json").write_text('{"name": "mine"}')
    refused(tmp_path, r"run\.json: damaged .*; choose another --run, or delete the folder", CheckpointError)


# A full disk


@pytest.fixture
def full(monkeypatch):
    """After a call no file can grow beyond so many bytes, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))

    yield fill
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_state_that_does_not_fit_is_an_error_and_those_before_stay(run, full):
    before = {name: data for name, data in content(run).items() if name.startswith("state")}
    with pytest.raises(OutputError, match=r"state\.safetensors: cannot be written \(file too large\)"):
        full(100_000)
        train(LONGER, run)
    assert {name: data for name, data in content(run).items() if "state" in name} == before


def test_a_line_that_does_not_fit_is_an_error_and_the_log_goes_on_whole(run, full, onward):
    with pytest.raises(OutputError, match=r"log\.jsonl: cannot be written"):
        full((run / "log.jsonl").stat().st_size + 5)
        opened = Run(run, LONGER)
        opened.log(5, "train", {"loss": 1.0})
    full(resource.RLIM_INFINITY)
    train(LONGER, run)
    assert [json.loads(line)["step"] for line in (run / "log.jsonl").read_text().splitlines()] == [1, 2, 3, 4, 5, 6]
    assert same(weights(run), onward)


def test_a_preview_that_does_not_fit_is_an_error(tmp_path, full):
    from marigold.train.validation import save_preview

    noise = torch.rand(3, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    full(1000)
    with pytest.raises(OutputError, match=r"a\.jpg: cannot be written"):
        save_preview(noise, tmp_path / "a.jpg")
    assert not any(tmp_path.iterdir())


def test_a_board_that_does_not_fit_is_told_once_and_costs_no_training(tmp_path, full):
    notes = []
    opened = Run(tmp_path / "run", MADE, boards=Boards(note=notes.append))
    opened.open()
    full(1000)
    for step in range(100):
        (tmp_path / "run/log.jsonl").unlink(missing_ok=True)
        opened.log(step, "train", {"loss": 1.0})
    full(resource.RLIM_INFINITY)
    opened.close()
    (note,) = notes
    assert note.startswith("board: tensorboard fails (OSError: [Errno 27] File too large)")


def test_a_board_is_what_tensorboard_reads(finished):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    (file,) = (finished / "tensorboard").iterdir()
    events = list(EventFileLoader(str(file)).Load())
    points = [(event.step, value.tag) for event in events for value in event.summary.value]
    assert points[:3] == [(1, "train/loss"), (1, "train/lr"), (1, "train/seconds")]
    logged = [json.loads(line)["loss"] for line in (finished / "log.jsonl").read_text().splitlines()]
    losses = [value for event in events for value in event.summary.value if value.tag == "train/loss"]
    assert [loss.tensor.float_val[0] for loss in losses] == pytest.approx(logged)


# Numbers


@pytest.mark.parametrize(
    ("name", "value"),
    [("workers", 257), ("workers", -1), ("workers", 10**9), ("minutes", float("inf")), ("minutes", 1e300)],
)
def test_numbers_without_sense_are_refused_by_name_before_anything_is_made(name, value, tmp_path):
    with pytest.raises(ConfigError, match=rf"{name}: .* cannot be used; it must be 0 to "):
        train(MADE, tmp_path / "run", **{name: value})
    assert not (tmp_path / "run").exists()


def test_a_folder_of_a_name_that_is_no_text_is_trained_in(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    train(MADE, folder)
    train(LONGER, folder)
    assert (folder / "checkpoint").is_dir()
