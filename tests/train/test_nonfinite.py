"""Losses that are no numbers in a row end a run, and what they were computed from can be looked at."""

import itertools
import json

import pytest
import torch
from safetensors import safe_open

from marigold import cli
from marigold.core import seeds
from marigold.core.errors import DataError
from marigold.data.pool import Pool
from marigold.data.reader import Reading
from marigold.data.source import Source
from marigold.objectives.denoise import Denoise
from marigold.train.loop import train
from marigold.train.nonfinite import Computed, Streak, describe, write
from marigold.train.recipe import Every
from toys.scenes import Toy
from train.test_loop import recipe

QUIET = {"accumulate": 2, "scored": 0, "validation_batches": 0}
NAN = float("nan")


def ruined(patch: pytest.MonkeyPatch, steps: set[int], seen: list | None = None) -> None:
    """The loss of the second batch of these steps is no number."""
    loss, calls = Denoise.loss, itertools.count()

    def bad(self, estimator, prepared, *given):
        found, (step, part) = loss(self, estimator, prepared, *given), divmod(next(calls), 2)
        if seen is not None:
            seen.append(prepared)
        return found * NAN if step in steps and part else found

    patch.setattr(Denoise, "loss", bad)


@pytest.mark.parametrize(("steps", "end"), [({2, 3, 4}, 5), ({0, 1, 3, 5, 6, 7, 8}, 8), ({0, 1, 3, 4, 6, 7}, 0)])
def test_three_in_a_row_end_a_run(steps, end, tmp_path, monkeypatch):
    ruined(monkeypatch, steps)
    made = recipe(steps=9, nonfinite=3, every=Every(log=9, save=0, validate=0), **QUIET)
    if not end:
        train(made, tmp_path)
        (line,) = (json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines())
        assert line["left_out"] == len(steps)
        return
    with pytest.raises(DataError, match=rf"not a number for 3 steps in a row at step {end}; .*lower optim\.lr"):
        train(made, tmp_path)
    assert [path.name for path in (tmp_path / "nonfinite").iterdir()] == [f"{end:06d}.safetensors"]


def test_one_in_a_row_is_one_too_many_if_it_is_said(tmp_path, monkeypatch):
    ruined(monkeypatch, {1})
    with pytest.raises(DataError, match="for 1 steps in a row at step 2"):
        train(recipe(nonfinite=1, every=Every(log=0, save=0, validate=0), **QUIET), tmp_path)


def test_the_batch_is_kept_as_the_loss_saw_it(tmp_path, monkeypatch):
    seen: list = []
    ruined(monkeypatch, {1, 2}, seen)
    made = recipe(nonfinite=2, every=Every(log=9, save=0, validate=0), **QUIET)
    with pytest.raises(DataError) as error:
        train(made, tmp_path)
    file = tmp_path / "nonfinite/000003.safetensors"
    assert f"`marigold train inspect {file}` shows its batch" in str(error.value)
    with safe_open(file, "pt") as content:
        about = json.loads(content.metadata()["about"])
        for position, prepared in zip((4, 5), seen[-2:], strict=True):
            assert all(torch.equal(content.get_tensor(f"{position}/{name}"), x) for name, x in prepared.items())
    assert (about["step"], about["recipe"]) == (3, made.label())
    first, second = about["batches"]
    assert (first["position"], second["position"], second["loss"]) == (4, 5, "nan")
    assert float(first["loss"]) > 0
    assert second["seed"] == seeds.number(made.seed, "step", 5)
    assert len(second["keys"]) == 2 and all(key.startswith("train/") for key in second["keys"])


def test_the_keys_are_those_of_the_samples_that_were_drawn():
    """Each toy scene is another one, so that the photo tells which one it is."""
    source = Source(Toy(), capacity=6, renewal=0.75, block=2)
    pool, photos = Pool(source, ("depth",), 0, Reading()), {}
    for number in range(64):
        photos[f"train/{number}"] = Toy().read(None, f"train/{number}").image.half().float()
    for step in (0, 1, 2, 7, 8, 30):
        drawn, keys = pool.draw(step, 5, ("depth",)), pool.drawn(step, 5)
        assert all(torch.equal(photos[key], image) for key, image in zip(keys, drawn.image, strict=True))


def test_a_loss_that_is_no_number_at_the_end_leaves_its_batch(tmp_path, monkeypatch):
    ruined(monkeypatch, {5})
    with pytest.raises(DataError, match=r"the loss is not a number at step 6; .*inspect .*000006\.safetensors"):
        train(recipe(every=Every(log=0, save=2, validate=0), **QUIET), tmp_path)


def test_a_disk_without_room_for_the_batch_does_not_hide_the_cause(tmp_path, monkeypatch):
    ruined(monkeypatch, {1})
    (tmp_path / "nonfinite").mkdir()
    monkeypatch.setattr("marigold.train.nonfinite.whole_file", full)
    with pytest.raises(DataError, match=r"1 steps in a row at step 2; .*batch is not kept: .*no room; .*lower optim"):
        train(recipe(nonfinite=1, every=Every(log=0, save=0, validate=0), **QUIET), tmp_path / "run")


def full(path):
    from marigold.core.errors import OutputError

    raise OutputError(f"{path}: no room")


def test_a_streak_ends_with_a_number():
    streak = Streak(2, "cpu")
    losses = [NAN, 1.0, float("inf"), NAN, NAN]
    assert [streak.add(torch.tensor(loss)) for loss in losses] == [False, False, False, True, True]


def test_a_file_is_shown_tensor_by_tensor(tmp_path, capsys):
    file = tmp_path / "000007.safetensors"
    tensors = {
        "clean": torch.tensor([[1.0, NAN], [-3.5, float("inf")]]),
        "valid": torch.tensor([True, False]),
        "none": torch.full((3,), NAN, dtype=torch.bfloat16),
    }
    write(file, [Computed(12, tensors, torch.tensor(NAN))], {"step": 7}, [{"seed": 5, "keys": ["a"]}])
    assert cli.main(["train", "inspect", str(file)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["step:", "7"]
    assert json.loads(" ".join(lines[1])) == {"position": 12, "loss": "nan", "seed": 5, "keys": ["a"]}
    table = {line[0]: line[1:] for line in lines[4:]}
    assert table == {
        "12/clean": ["float32", "[2,", "2]", "-3.5", "1", "50.00%"],
        "12/none": ["bfloat16", "[3]", "none", "none", "0.00%"],
        "12/valid": ["bool", "[2]", "0", "1", "100.00%"],
    }


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_what_is_no_such_file_is_an_error(content, tmp_path):
    if content is not None:
        (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.safetensors: .*give a file that a run has written under nonfinite/"):
        describe(tmp_path / "x.safetensors")
