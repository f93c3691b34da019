"""Runs resume to the bit however they compute, and a plan may change on the way."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from marigold.accel import training
from marigold.accel.training import TrainPlan
from marigold.core.config import encode
from marigold.core.errors import ConfigError, DataError, MissingExtraError
from marigold.train.loop import Trainer, train
from marigold.train.optim import make_optimizer, set_rate
from marigold.train.recipe import Every, Optim, load, names
from marigold.train.state import read_state
from train.test_loop import losses, recipe, same, stopped_before, weights

WIDE = {
    "unet": {
        "sample_size": 8,
        "block_out_channels": [16, 32],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "layers_per_block": 1,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
}
"""A network with matrices of 4096 numbers and more, as moments of 8 bits need them."""
PLANS = {
    "as it is": TrainPlan(),
    "checkpointing": TrainPlan(checkpointing=True),
    "8 bits": TrainPlan(optimizer_bits=8),
    "bf16, channels last": TrainPlan(precision="bf16", channels_last=True),
    "fp16": TrainPlan(precision="fp16"),
    "all": TrainPlan("bf16", checkpointing=True, channels_last=True, optimizer_bits=8),
}


def planned(plan: TrainPlan, **changes):
    made = recipe(**{"steps": 3, "accumulate": 1, "scored": 0, "validation_batches": 0, "plan": plan, **changes})
    return replace(made, network={**made.network, "unet": {**made.network["unet"], **WIDE["unet"]}})


@pytest.fixture(autouse=True)
def half_precision_everywhere():
    """As if this CPU had fp16."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cpu, "_is_amx_fp16_supported", lambda: True)
        yield


@pytest.mark.parametrize(
    ("plan", "average"), [*((plan, 0.9) for plan in PLANS), ("checkpointing", 0.0), ("8 bits", 0.0)]
)
def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(plan, average, tmp_path, monkeypatch):
    made = planned(PLANS[plan], average=average)
    train(made, tmp_path / "whole")
    stopped_before(2, monkeypatch, made, tmp_path / "again")
    train(made, tmp_path / "again")
    whole, again = tmp_path / "whole", tmp_path / "again"
    assert same(weights(whole), weights(again))
    file = "checkpoint/unet/diffusion_pytorch_model.safetensors"
    assert same(load_file(whole / file), load_file(again / file))
    assert any(name.startswith("average.") for name in weights(tmp_path / "again")) == bool(average)


def test_moments_of_8_bits_are_saved_as_such(tmp_path):
    train(planned(TrainPlan(optimizer_bits=8)), tmp_path)
    state = weights(tmp_path)
    codes = {name: x for name, x in state.items() if name.endswith(".codes")}
    assert codes and all(x.dtype == torch.uint8 and x.numel() >= 4096 for x in codes.values())
    # One scale for each block of 256 numbers
    assert all(state[name[:-5] + "scale"].numel() * 256 == x.numel() for name, x in codes.items())


def test_the_plan_may_change_on_the_way_and_leaves_the_label_as_it_is(tmp_path, monkeypatch):
    made = planned(TrainPlan())
    stopped_before(2, monkeypatch, made, tmp_path)
    other = replace(made, plan=TrainPlan("fp16", checkpointing=True, channels_last=True))
    assert made.label() == other.label()
    train(other, tmp_path)
    assert load(str(tmp_path / "recipe.yaml"), "toys").plan == other.plan
    assert json.loads((tmp_path / "checkpoint/card.json").read_text())["recipe"] == made.label()
    train(replace(made, steps=4), tmp_path)  # the scale of fp16 is left behind
    assert not any(name.startswith("scaler.") for name in weights(tmp_path))


@pytest.mark.parametrize(("before", "now"), [(32, 8), (8, 32)])
def test_the_bits_of_the_moments_stay(before, now, tmp_path, monkeypatch):
    stopped_before(2, monkeypatch, planned(TrainPlan(optimizer_bits=before)), tmp_path)
    with pytest.raises(ConfigError, match=rf"plan\.optimizer_bits \({before} there, {now} now\)"):
        train(planned(TrainPlan(optimizer_bits=now)), tmp_path)


def test_8_bits_are_for_adamw_alone():
    with pytest.raises(
        ConfigError, match=r"recipe\.plan\.optimizer_bits: 8 is for adamw, and optim\.name is muon; use"
    ):
        recipe(optim=Optim(name="muon"), plan=TrainPlan(optimizer_bits=8))


def test_8_bits_without_their_library_name_the_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "marigold.train.eightbit", raising=False)
    monkeypatch.setitem(sys.modules, "torchao.optim", None)
    with pytest.raises(MissingExtraError, match=r"optimizer_bits 8 needs torchao, .*\[adam8bit\]"):
        make_optimizer(nn.Linear(2, 2).parameters(), Optim(), TrainPlan(optimizer_bits=8))


def learned(bits) -> list[float]:
    """The losses of a hundred steps that fit a network to another."""
    torch.manual_seed(0)
    teacher, student = (nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64)) for _ in range(2))
    optimizer = make_optimizer(student.parameters(), Optim(), TrainPlan(optimizer_bits=bits))
    found = []
    for _ in range(100):
        x = torch.randn(64, 64)
        set_rate(optimizer, 3e-3)
        loss = (student(x) - teacher(x).detach()).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(float(loss.detach()))
    return found


def test_over_a_hundred_steps_8_bits_lose_as_32_do_to_within_five_percent():
    full, few = learned(32), learned(8)
    assert full[-1] < 0.2 * full[0]
    assert few != full
    assert few == pytest.approx(full, rel=0.05)


def test_an_8_bit_step_needs_no_compiler(monkeypatch):
    torch._dynamo.reset()
    monkeypatch.setattr(
        "torch._dynamo.convert_frame.ConvertFrame.__call__", lambda *given, **_: pytest.fail("compiles")
    )
    learned(8)


def test_fp16_leaves_out_a_step_whose_gradients_overflow_and_halves_the_scale(tmp_path, monkeypatch):
    made = planned(TrainPlan(precision="fp16"), every=Every(log=1, save=1, validate=0), steps=3)
    scale, calls = torch.amp.GradScaler.scale, []

    def overflowing(self, loss):
        calls.append(1)
        return scale(self, loss) * (float("inf") if len(calls) == 3 else 1)

    monkeypatch.setattr(torch.amp.GradScaler, "scale", overflowing)
    train(made, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["scale"] for line in lines] == [65536.0, 65536.0, 32768.0]
    before, after = (read_state(tmp_path / name)[1] for name in ("state.previous.safetensors", "state.safetensors"))
    module = [name for name in before if name.startswith("module.")]
    assert all(torch.equal(before[name], after[name]) for name in module)
    assert (before["scaler.scale"], before["scaler.steps"]) == (65536.0, 2)
    assert (after["scaler.scale"], after["scaler.steps"]) == (32768.0, 0)


def test_fp16_that_overflows_at_every_scale_ends_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.amp.GradScaler, "get_scale", lambda self: 2.0**-30)
    with pytest.raises(DataError, match=r"overflow in fp16 at every scale of the loss; use plan\.precision bf16"):
        train(planned(TrainPlan(precision="fp16")), tmp_path)


def test_a_run_in_other_precisions_logs_no_scale(tmp_path):
    train(planned(TrainPlan()), tmp_path)
    assert "scale" not in (tmp_path / "log.jsonl").read_text()
    assert len(losses(tmp_path)) == 3


@pytest.mark.parametrize("name", names())
def test_a_recipe_says_its_precision_in_its_plan(name):
    content = encode(load(name))
    assert content["plan"]["precision"] in ("fp32", "bf16") and "precision" not in content


def test_a_plan_is_checked_before_anything_is_made(tmp_path, monkeypatch):
    def refuse(plan, device):
        raise ConfigError("plan: refused; use another")

    monkeypatch.setattr(training, "check", refuse)
    monkeypatch.setattr(Trainer, "go", lambda self: pytest.fail("begins"))
    with pytest.raises(ConfigError, match="plan: refused"):
        train(planned(TrainPlan()), tmp_path / "run")
    assert not Path(tmp_path / "run").exists()
