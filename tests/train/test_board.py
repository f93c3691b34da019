"""Boards show what the log holds, and cost no training. W&B and trackio are played by a module with their calls."""

import json
import sys
from dataclasses import replace
from types import ModuleType

import pytest

from marigold.core.errors import ConfigError, MissingExtraError
from marigold.train.board import Boards
from marigold.train.loop import train
from marigold.train.recipe import Every
from train.test_loop import recipe, same, weights

SHORT = {"steps": 2, "accumulate": 1, "scored": 0, "validation_batches": 0}
MADE = recipe(every=Every(log=1, save=0, validate=0), **SHORT)


class Player(ModuleType):
    """A stand-in with the signatures of `init`, `log` and `finish` that W&B and trackio share; `fails` may not work."""

    def __init__(self, name: str, fails: str = "") -> None:
        super().__init__(name)
        self.calls: list = []
        self.fails = fails

    def init(self, project=None, name=None, config=None, resume=None, id=None, dir=None, mode=None):  # noqa: A002
        self.calls.append(
            ("init", {"project": project, "name": name, "config": config, "resume": resume, "mode": mode})
        )
        self._fail("init" if mode is None else "offline")

    def log(self, data, step=None):
        self._fail("log")
        self.calls.append(("log", step, data))

    def finish(self):
        self._fail("finish")
        self.calls.append(("finish",))

    def _fail(self, call):
        if call in self.fails.split():
            raise ConnectionError("no network")


@pytest.fixture
def play(monkeypatch):
    def put(name, fails=""):
        player = Player(name, fails)
        monkeypatch.setitem(sys.modules, name, player)
        return player

    return put


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_board_gets_the_numbers_of_the_log(name, play, tmp_path):
    player = play(name)
    train(MADE, tmp_path, boards=[name], note=lambda text: None)
    (_, asked), *points, end = player.calls
    assert (asked["project"], asked["resume"], asked["mode"]) == ("marigold", "allow", None)
    assert asked["name"].startswith("toy-depth-") and asked["config"]["optim"]["lr"] == 1e-3
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    names = ("loss", "lr", "seconds")
    assert points == [("log", line["step"], {f"train/{name}": line[name] for name in names}) for line in logged]
    assert end == ("finish",)
    assert not (tmp_path / "tensorboard").exists()


def test_a_resumed_run_goes_on_under_its_name(play, tmp_path):
    player = play("trackio")
    train(MADE, tmp_path, boards=["trackio"])
    train(replace(MADE, steps=3), tmp_path, boards=["trackio"])
    called = [call[1]["name"] for call in player.calls if call[0] == "init"]
    assert len(called) == 2 and len({*called}) == 1


def test_several_boards_may_be_asked_for(play, tmp_path):
    players = [play("wandb"), play("trackio")]
    train(MADE, tmp_path, boards=["wandb", "tensorboard", "trackio"])
    assert all(len(player.calls) == 4 for player in players)
    assert len([*(tmp_path / "tensorboard").iterdir()]) == 1


def test_without_a_network_wandb_is_kept_offline(play, tmp_path):
    player, notes = play("wandb", fails="init"), []
    train(MADE, tmp_path, boards=["wandb"], note=notes.append)
    assert [call[1]["mode"] for call in player.calls if call[0] == "init"] == [None, "offline"]
    assert [call[0] for call in player.calls[2:]] == ["log", "log", "finish"]
    assert not [note for note in notes if note.startswith("board")]


@pytest.mark.parametrize("fails", ["init offline", "log", "finish"])
def test_a_board_that_fails_is_told_once_and_changes_no_training(fails, play, tmp_path):
    play("wandb", fails)
    notes = []
    train(MADE, tmp_path / "with", boards=["wandb"], note=notes.append)
    (told,) = [note for note in notes if note.startswith("board")]
    assert told == (
        "board: wandb fails (ConnectionError: no network); the run goes on without it, and its log has all numbers"
    )
    train(MADE, tmp_path / "without", boards=["none"])
    assert same(weights(tmp_path / "with"), weights(tmp_path / "without"))


@pytest.mark.parametrize(("names", "made"), [((), True), (["tensorboard"], True), (["none"], False)])
def test_tensorboard_is_there_unless_it_is_refused(names, made, tmp_path):
    train(MADE, tmp_path, boards=names)
    assert (tmp_path / "tensorboard").exists() == made


def test_without_tensorboard_a_run_that_did_not_ask_for_it_goes_on(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    notes = []
    train(MADE, tmp_path, note=notes.append)
    assert not (tmp_path / "tensorboard").exists() and not [note for note in notes if note.startswith("board")]


@pytest.mark.parametrize(("name", "extra"), [("wandb", "wandb"), ("trackio", "trackio"), ("tensorboard", "train")])
def test_a_board_that_is_asked_for_and_not_installed_names_its_extra(name, extra, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"--board {name} needs {name}, .*\[{extra}\]"):
        train(MADE, tmp_path / "run", boards=[name])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("names", "message"), [(["wand"], "no board is called `wand`"), (["none", "wandb"], "exclude")]
)
def test_other_boards_are_refused(names, message):
    with pytest.raises(ConfigError, match=f"board: .*{message}"):
        Boards(names)
