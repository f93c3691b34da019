"""What is no number replaces nothing that was good, and the same folder goes on from there with a lower rate."""

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from marigold.checkpoints.card import Card
from marigold.core.errors import ConfigError, DataError
from marigold.data.source import Source
from marigold.modalities.image import Image
from marigold.objectives.autoencode import Autoencode
from marigold.objectives.denoise import Denoise
from marigold.objectives.end_to_end import EndToEnd
from marigold.train.loop import Trainer, train
from marigold.train.packing import not_finite
from marigold.train.recipe import Every, Optim, PhaseSettings, load
from marigold.train.state import read_facts
from toys.scenes import Toy
from train.test_loop import recipe, same, weights

NAN = float("nan")
QUIET = {"scored": 0, "validation_batches": 0}


def rated(made, lr: float):
    return replace(made, optim=replace(made.optim, lr=lr))


def every(log: int, save: int, keep: int = 0) -> Every:
    return Every(log=log, save=save, validate=0, keep=keep)


def lines(folder: Path, kind: str) -> list[dict]:
    found = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]


def last_good(error: pytest.ExceptionInfo) -> tuple[str, int] | None:
    """The file and the step that the message calls the last good state."""
    found = re.search(r"last good state, .*, is (\S+) of step (\d+)", str(error.value))
    return (found[1], int(found[2])) if found else None


def ruined_at(patch: pytest.MonkeyPatch, steps: range, value: float = NAN) -> None:
    """Losses become `value` in the forward passes of these numbers."""
    loss, calls = Denoise.loss, itertools.count()

    def bad(self, *given):
        found = loss(self, *given)
        return found * value if next(calls) in steps else found

    patch.setattr(Denoise, "loss", bad)


def goes_on(made, folder: Path) -> None:
    """The folder's run ends with another rate, with a checkpoint of finite weights."""
    train(made, folder)
    assert not_finite(load_file(folder / "checkpoint/unet/diffusion_pytorch_model.safetensors")) == ""
    assert not_finite(weights(folder)) == ""


@pytest.mark.parametrize(
    ("optimizer", "clip", "log", "save"),
    [("adamw", 0.0, 1, 1), ("adamw", 1.0, 4, 2), ("adamw", 1.0, 0, 1), ("muon", 0.0, 4, 2), ("muon", 1.0, 0, 0)],
)
def test_a_run_that_diverges_is_an_error_and_goes_on_with_a_lower_rate(optimizer, clip, log, save, tmp_path):
    wild = recipe(steps=8, every=every(log, save), optim=Optim(1e-3, 2, 100), **QUIET)
    wild = replace(wild, optim=Optim(name=optimizer, lr=1e30, warmup=2, decay=100, clip=clip))
    with pytest.raises(DataError, match=r"at step \d; .* lower optim\.lr") as error:
        train(wild, tmp_path)
    assert not (tmp_path / "checkpoint").exists()
    if good := last_good(error):
        assert good == ("state.previous.safetensors", 1)  # after which the rate is above 0 for the first time
        assert read_facts(tmp_path / good[0]).step == 1
    else:
        assert "no good state has been saved" in str(error.value) and save != 1
    goes_on(rated(wild, 1e-3), tmp_path)


def test_the_way_on_is_that_of_a_run_which_had_the_lower_rate_from_there(tmp_path, monkeypatch):
    # The published schedule: step n has the rate lr * n / warmup. With rate 0 at first, state 1 does not know `lr`.
    wild = recipe(steps=6, every=every(1, 1), optim=Optim(lr=1e30, warmup=4, decay=100), **QUIET)
    with pytest.raises(DataError):
        train(wild, tmp_path / "run")
    train(rated(wild, 1e-3), tmp_path / "run")
    train(rated(wild, 1e-3), tmp_path / "tame")
    assert same(weights(tmp_path / "run"), weights(tmp_path / "tame"))


def test_the_card_the_log_and_the_recipe_say_that_the_rate_was_changed(tmp_path):
    wild = recipe(steps=6, every=every(1, 1), optim=Optim(lr=1e30, warmup=4, decay=100), **QUIET)
    with pytest.raises(DataError):
        train(wild, tmp_path)
    tame = rated(wild, 1e-3)
    train(tame, tmp_path)
    assert Card.read(tmp_path / "checkpoint").recipe == f"{wild.label()} to step 1, then {tame.label()}"
    assert lines(tmp_path, "changed") == [
        {"step": 1, "kind": "changed", "optim.lr": 1e-3, "optim.warmup": 4, "optim.clip": 1.0}
    ]
    assert [line["step"] for line in lines(tmp_path, "train")] == [1, 2, 3, 4, 5, 6]
    text = (tmp_path / "recipe.yaml").read_text()
    assert text.startswith("# to step 1 with optim: ") and "1e+30" in text.splitlines()[0]
    assert load(str(tmp_path / "recipe.yaml")).optim == tame.optim
    before = (tmp_path / "checkpoint/card.json").stat().st_mtime_ns
    train(tame, tmp_path)  # which has nothing left to do
    assert (tmp_path / "checkpoint/card.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [{"warmup": 5}, {"clip": 0.1}, {"lr": 1e-4, "warmup": 1, "clip": 0.5}])
def test_rate_warm_up_and_clipping_are_what_may_change(change, tmp_path, monkeypatch):
    bad = recipe(every=every(1, 1), **QUIET)
    with monkeypatch.context() as patch, pytest.raises(DataError):
        ruined_at(patch, range(6, 99))
        train(bad, tmp_path)
    goes_on(replace(bad, optim=replace(bad.optim, **change)), tmp_path)


@pytest.mark.parametrize("change", [{"beta1": 0.5}, {"name": "muon"}, {"weight_decay": 0.1}])
def test_what_the_moments_depend_on_may_not_change(change, tmp_path, monkeypatch):
    bad = recipe(every=every(1, 1), **QUIET)
    with monkeypatch.context() as patch, pytest.raises(DataError):
        ruined_at(patch, range(6, 99))
        train(bad, tmp_path)
    with pytest.raises(ConfigError, match=rf"differs from this one in optim\.{next(iter(change))} \("):
        train(replace(bad, optim=replace(bad.optim, **change)), tmp_path)


def test_once_a_run_goes_well_again_its_rate_is_fixed(tmp_path, monkeypatch):
    bad = recipe(every=every(1, 1), **QUIET)
    with monkeypatch.context() as patch, pytest.raises(DataError):
        ruined_at(patch, range(6, 99))
        train(bad, tmp_path)
    train(rated(bad, 1e-4), tmp_path)
    for lr in (1e-3, 1e-5):
        with pytest.raises(ConfigError, match=r"differs from this one in optim\.lr"):
            train(rated(bad, lr), tmp_path)


@pytest.mark.parametrize("value", [NAN, float("inf"), -float("inf")])
@pytest.mark.parametrize("first", [3, 4])
def test_the_last_good_state_is_one_from_which_a_loss_was_a_number(first, value, tmp_path, monkeypatch):
    bad = recipe(steps=9, accumulate=1, every=every(4, 2), **QUIET)
    with monkeypatch.context() as patch, pytest.raises(DataError) as error:
        ruined_at(patch, range(first, 99), value)
        train(bad, tmp_path)
    # Losses 0, 1 and 2 are numbers: state 2 is good. That of step 4 is one that only the fourth batch has spoilt.
    assert last_good(error) == (("state.safetensors", 2) if first == 3 else ("state.previous.safetensors", 2))
    assert read_facts(tmp_path / last_good(error)[0]).step == 2
    train(bad, tmp_path)
    train(bad, tmp_path / "whole")
    assert same(weights(tmp_path), weights(tmp_path / "whole"))


def test_a_window_with_one_good_loss_and_many_bad_ones_at_the_end_is_an_error(tmp_path, monkeypatch):
    ruined_at(monkeypatch, range(5, 99))
    with pytest.raises(DataError, match=r"the loss is not a number at step 8; .* state\.safetensors of step 4"):
        train(recipe(steps=8, accumulate=1, every=every(8, 4), **QUIET), tmp_path)
    assert not (tmp_path / "checkpoint").exists()


def test_a_single_bad_batch_at_the_end_is_left_out_when_the_held_out_loss_is_a_number(tmp_path, monkeypatch):
    ruined_at(monkeypatch, range(3, 4))
    short = recipe(steps=4, accumulate=1, every=every(4, 0), scored=0, validation_batches=1)
    goes_on(short, tmp_path)
    assert lines(tmp_path, "train")[-1]["left_out"] == 1


def spoil(patch: pytest.MonkeyPatch, step: int, what: str, value: float = NAN) -> None:
    """One number of the weights, the average or the moments becomes `value` after a step."""
    update = Trainer.update

    def spoilt(self):
        found = update(self)
        if self.step == step:
            moments = next(iter(self.optimizer.state.values()))
            average = next(iter(self.average.values.values()))
            one = {"weights": next(self.module.parameters()), "average": average, "moments": moments["exp_avg"]}[what]
            one.detach().view(-1)[0] = value
        return found

    patch.setattr(Trainer, "update", spoilt)


@pytest.mark.parametrize("what", ["weights", "average", "moments"])
@pytest.mark.parametrize("phased", [False, True])
def test_a_ruined_state_is_not_saved(what, phased, tmp_path, monkeypatch):
    phases = {"phases": (PhaseSettings(2, objective=EndToEnd()), PhaseSettings(2)), "reuse": 2, "cache": 4}
    bad = recipe(steps=4, accumulate=2, every=every(0, 1, keep=1), **QUIET, **(phases if phased else {}))
    spoil(monkeypatch, 3, what, float("inf"))
    name = {"weights": "module", "average": "average", "moments": "optimizer"}[what]
    with pytest.raises(DataError, match=rf"`{name}.*` holds NaN or infinity at step 4; .*state\.safetensors of step 3"):
        train(bad, tmp_path)
    assert read_facts(tmp_path / "state.safetensors").step == 3
    assert not_finite(weights(tmp_path)) == "" and not (tmp_path / "checkpoint").exists()
    assert sorted(path.name for path in (tmp_path / "steps").iterdir()) == ["000001", "000002", "000003"]


def test_a_finished_checkpoint_is_not_replaced_by_a_ruined_one(tmp_path, monkeypatch):
    train(recipe(steps=2, **QUIET), tmp_path)
    before = (tmp_path / "checkpoint/card.json").read_bytes()
    spoil(monkeypatch, 3, "average")
    with pytest.raises(DataError, match=r"last good state, .* is state\.safetensors of step 2"):
        train(recipe(steps=4, every=every(0, 0), **QUIET), tmp_path)
    assert (tmp_path / "checkpoint/card.json").read_bytes() == before
    assert not_finite(load_file(tmp_path / "checkpoint/unet/diffusion_pytorch_model.safetensors")) == ""


def test_a_held_out_loss_that_is_no_number_ends_a_run_and_is_null_in_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr("marigold.train.stage.Stage.held_out_loss", lambda *given: torch.tensor(NAN))
    with pytest.raises(DataError, match="the held-out loss is not a number at step 6"):
        train(recipe(scored=0, every=Every(log=1, save=2, validate=2)), tmp_path)
    assert not (tmp_path / "checkpoint").exists()
    assert {line["loss_toys.scenes_0"] for line in lines(tmp_path, "validate")} == {None}
    assert "NaN" not in (tmp_path / "log.jsonl").read_text()


def test_an_autoencoder_whose_latents_have_no_scale_is_an_error(tmp_path, monkeypatch):
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    begin = DiagonalGaussianDistribution.__init__

    def flat(self, parameters, *given, **options):
        begin(self, parameters * 0, *given, **options)

    monkeypatch.setattr(DiagonalGaussianDistribution, "__init__", flat)
    image = recipe(modality=Image(), objective=Autoencode(), data=(Source(Toy(), capacity=4, block=4),), **QUIET)
    with pytest.raises(DataError, match="the latents' scale is inf"):
        train(image, tmp_path)
    assert not (tmp_path / "checkpoint").exists()
