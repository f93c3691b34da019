"""A run that is tried says what it would take, and writes nothing; what does not fit is refused before it begins."""

import os
import re
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from marigold import cli
from marigold.accel.training import TrainPlan
from marigold.core.config import encode
from marigold.core.errors import ConfigError, OutputError
from marigold.data.pool import Pools
from marigold.data.reader import Reading
from marigold.train import loop, rehearsal, room
from marigold.train.loop import Trainer, train
from marigold.train.packing import pack, size
from marigold.train.recipe import Every, PhaseSettings
from marigold.train.rehearsal import rehearse
from marigold.train.run import Run
from train.test_loop import recipe, same, stopped_before, weights
from train.test_plan import planned

PHASES = (PhaseSettings(steps=2, size=8, batch=4), PhaseSettings(steps=2))
QUIET = {"accumulate": 1, "scored": 0, "validation_batches": 1, "every": Every(log=0, save=2, validate=0)}


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    found = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    return {str(path): (path.read_bytes() if path.is_file() else b"", time) for path, time in found.items()}


def made(text: str, name: str) -> str:
    """What follows a name on its line."""
    return re.search(rf"^ *{re.escape(name)}:? (.*)$", text, re.MULTILINE)[1]


def test_it_says_what_a_run_reads_takes_and_lasts(tmp_path):
    asked = recipe(phases=PHASES, steps=5, **QUIET)
    text = rehearse(asked, tmp_path / "run")
    assert yaml.safe_load(text.partition("\nsamples\n")[0]) == yaml.safe_load(yaml.safe_dump(encode(asked)))
    assert "  train     toys.scenes, split train: 64\n  held out  toys.scenes, split test: 8\n" in text
    for number, steps in ((1, 2), (2, 2), (3, 1)):
        assert float(re.match(rf"{steps} steps, (\S+) s a step$", made(text, f"phase {number}"))[1]) > 0
    assert re.search(r"\n  \S+ hours to the end, without validation and saving\n", text)
    assert "activations (an estimate: what one step keeps for its way back): " in text
    assert "note: recipe: without a best checkpoint, since every.validate is 0" in text
    assert not (tmp_path / "run").exists()


def test_hours_are_the_seconds_of_the_steps_that_are_left(tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsal, "_pace", lambda trainer, number: rehearsal.Pace(900.0 * (number + 1), 7))
    asked = recipe(phases=PHASES, steps=5, **QUIET)
    # (2 * 900 + 2 * 1800 + 1 * 2700) / 3600
    assert "\n  2.25 hours to the end" in rehearse(asked, tmp_path / "run")
    stopped_before(3, monkeypatch, asked, tmp_path / "run")  # of which two are saved
    monkeypatch.setattr(rehearsal, "_pace", lambda trainer, number: rehearsal.Pace(900.0 * (number + 1), 7))
    assert "\n  1.75 hours to the end" in rehearse(asked, tmp_path / "run")


def test_a_run_that_is_there_stays_as_it_is_and_goes_on_as_before(tmp_path, monkeypatch):
    asked = recipe(phases=PHASES, steps=5, **QUIET)
    train(asked, tmp_path / "whole")
    stopped_before(3, monkeypatch, asked, tmp_path / "run")
    before = content(tmp_path / "run")
    rehearse(asked, tmp_path / "run")
    assert content(tmp_path / "run") == before
    train(asked, tmp_path / "run")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "run"))


def test_what_a_run_would_refuse_is_refused(tmp_path):
    asked = recipe(**QUIET)
    train(asked, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"differs from this one in seed \(0 there, 1 now\)"):
        rehearse(replace(asked, seed=1), tmp_path / "run")


def test_checkpointing_lowers_the_estimate(tmp_path):
    def activations(plan):
        text = rehearse(recipe(steps=1, plan=plan, **QUIET), tmp_path / "run")
        return float(made(text, "activations (an estimate: what one step keeps for its way back)").split()[0])

    assert activations(TrainPlan(checkpointing=True)) < 0.6 * activations(TrainPlan())


def trainer(asked, folder) -> Trainer:
    return Trainer(asked, Run(folder, asked), Pools(Reading()), device="cpu")


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize("bits", [32, 8])
def test_the_size_of_a_state_is_known_before_it_is_made(bits, average, tmp_path):
    one = trainer(planned(TrainPlan(optimizer_bits=bits), average=average), tmp_path)
    known = size(one.trained, one.stage.kept)
    one.update()
    assert known == sum(x.nbytes for x in pack(one.trained, one.stage.kept).values())


@pytest.mark.parametrize("keep", [(0, 0, 0), (1, 0, 3), (1, 2, 2), (2, 5, 1)])
def test_the_disk_that_a_run_takes_is_known_before_it_begins(keep, tmp_path):
    period, last, kept = keep
    asked = recipe(steps=3, **{**QUIET, "every": Every(log=0, save=1, validate=0, keep=period, keep_last=last)})
    needed = trainer(asked, tmp_path / "none").disk
    train(asked, tmp_path / "run")
    states = [load_file(tmp_path / "run" / name).values() for name in room.STATES]
    assert sum(x.nbytes for state in states for x in state) == needed.states
    one = tensors(tmp_path / "run/checkpoint")
    assert needed.checkpoints == pytest.approx((1 + kept) * one, rel=0.05)
    assert needed.spare == max(needed.states // 2, needed.checkpoints // (1 + kept))
    assert len([*(tmp_path / "run").glob("steps/*")]) == kept


def tensors(folder: Path) -> int:
    """Bytes of the tensors below a folder, and of what is in the tokenizer's."""
    found = sum(path.stat().st_size for path in folder.glob("tokenizer/*"))
    for file in folder.rglob("*.safetensors"):
        found += sum(x.nbytes for x in load_file(file).values())
    return found


Usage = namedtuple("Usage", "total used free")


def test_a_disk_without_room_is_refused_before_the_first_step(tmp_path, monkeypatch):
    asked = recipe(**QUIET)
    needed = trainer(asked, tmp_path / "run").disk.total
    monkeypatch.setattr(Trainer, "update", lambda self: pytest.fail("makes a step"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, needed - 1))
    message = r"run: states and checkpoints of this run come to about .* GB, and the disk has .* GB for them; make room"
    for begin in (train, rehearse):
        with pytest.raises(OutputError, match=message):
            begin(asked, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_a_run_has_written_counts_as_room_that_it_has(tmp_path, monkeypatch):
    asked = recipe(steps=2, **QUIET)
    train(asked, tmp_path / "run")
    written = room.free_bytes(tmp_path / "run") - room.free_bytes(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 5))
    assert room.free_bytes(tmp_path / "run") - 5 > 0.9 * written > 0
    assert room.free_bytes(tmp_path / "not" / "there") == 5


def test_memory_is_stated_part_by_part(tmp_path):
    one = trainer(planned(TrainPlan(optimizer_bits=8), average=0.0), tmp_path)
    needed = room.memory(one.recipe, one.estimator, one.optimizer)
    parameters = list(one.module.parameters())
    assert needed.gradients == sum(4 * p.numel() for p in parameters)
    assert needed.average == 0
    assert needed.weights > needed.gradients  # with the autoencoder
    # 8 bits for a large matrix's moments, in blocks of 256 with a scale of 4 bytes, and a table of 256 steps of 4 bytes
    few = [2 * (p.numel() + p.numel() // 256 * 4 + 1024) for p in parameters if p.numel() >= 4096]
    full = [2 * 4 * p.numel() for p in parameters if p.numel() < 4096]
    assert len(few) > 3 and all(p.numel() % 256 == 0 for p in parameters if p.numel() >= 4096)
    assert needed.moments == sum(few) + sum(full) + 4 * len(parameters)  # and a count of the steps


def test_the_command_line_prints_it_and_trains_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "train", lambda *given, **how: pytest.fail("trains"))
    monkeypatch.setattr(rehearsal, "rehearse", lambda asked, folder, **how: f"{folder} {how['device']}")
    assert cli.main(["train", "tiny-depth", "--run", str(tmp_path / "run"), "--device", "cpu", "--dry-run"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'run'} cpu\n"
    assert os.listdir(tmp_path) == []


def test_a_gpu_s_memory_is_measured(monkeypatch, tmp_path):
    """The calls are torch's; the numbers are played, since there is no GPU here."""
    one = trainer(recipe(steps=1, **QUIET), tmp_path)
    gradients = sum(p.nbytes for p in one.module.parameters())
    monkeypatch.setattr(one, "device", "cuda")
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 1000)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 1000 + gradients + 77)
    with rehearsal._measured(one) as kept:
        pass
    assert kept == [77]
