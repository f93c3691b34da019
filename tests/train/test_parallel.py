"""Several processes compute what one computes: losses, weights, and what a run goes on with."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from marigold.accel.parallel import World, is_first, joined
from marigold.accel.training import TrainPlan
from marigold.core.errors import ConfigError
from marigold.data.source import Source
from marigold.train.loop import train
from marigold.train.lora import Lora
from marigold.train.recipe import Every, Optim, Recipe
from marigold.train.sharded import is_sharded, shared
from toys.scenes import Toy
from train.test_loop import recipe, weights

TESTS = Path(__file__).parents[1]
SHARDINGS = ("ddp", "fsdp")
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
if __name__ == "__main__":
    torch.set_num_threads(1)
    from marigold.accel.parallel import joined
    from marigold.train.loop import train
    from train.test_parallel import SHARDINGS, made
    with joined("cpu"):
        for sharding in SHARDINGS:
            for steps in (2, 4):
                train(made(2, steps, sharding), Path(sys.argv[2]) / sharding, note=print)
"""


def made(accumulate: int, steps: int, sharding: str = "ddp") -> Recipe:
    return recipe(
        steps=steps,
        accumulate=accumulate,
        data=(Source(Toy(), weight=0.9), Source(Toy(size=24), weight=0.1)),
        optim=Optim(lr=1e-3, warmup=2, decay=100, clip=0.05),
        every=Every(log=1, save=2, validate=2),
        scored=1,
        validation_batches=1,
        plan=TrainPlan(sharding=sharding),
    )


def logged(folder: Path) -> list[float]:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if line["kind"] == "train"]


def together(folder: Path) -> str:
    """Runs of two processes, each of two steps and then of two more; returns what they print."""
    (folder / "script.py").write_text(SCRIPT)
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*start, str(folder / "script.py"), str(TESTS), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_two_processes_give_the_losses_of_one_with_twice_the_accumulation(tmp_path):
    train(made(4, 4), tmp_path / "alone")
    words = together(tmp_path)
    # Each of two kinds of sharding begins and goes on, and the first process alone says what is shared.
    assert words.count("2 processes share each step of 8 samples: accumulate is 4 in all") == 4
    whole = weights(tmp_path / "alone")
    for sharding in SHARDINGS:
        folder = tmp_path / sharding
        assert logged(folder) == pytest.approx(logged(tmp_path / "alone"), rel=1e-5)
        saved = weights(folder)
        assert saved.keys() == whole.keys()
        for name, value in whole.items():
            torch.testing.assert_close(saved[name], value, rtol=1e-3, atol=1e-5, msg=f"{sharding}: {name}")
        # One process goes on with what two have made.
        checkpoint = train(made(4, 5), folder)
        assert json.loads((checkpoint / "card.json").read_text())["note"] == "5 of 5 steps"


def test_a_time_budget_is_refused_where_clocks_differ():
    with pytest.raises(ConfigError, match="minutes"):
        shared(made(2, 2), World(0, 2), 5.0, print)


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("lora", {"lora": Lora()}),
        ("plan.optimizer_bits", {"plan": TrainPlan(sharding="fsdp", optimizer_bits=8)}),
        ("plan.precision", {"plan": TrainPlan(sharding="fsdp", precision="fp16")}),
        ("optim.name", {"optim": Optim(name="muon")}),
    ],
)
def test_what_cannot_be_spread_is_refused(key, changes):
    settings = {"plan": TrainPlan(sharding="fsdp"), **changes}
    assert not is_sharded(recipe(**settings), World())
    with pytest.raises(ConfigError, match=f"recipe.{key}: .*fsdp"):
        is_sharded(recipe(**settings), World(0, 2))


def test_a_process_that_was_not_started_as_one_of_several_says_what_is_missing(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"RANK, .*start the run with torchrun"), joined("cpu"):
        pass
    monkeypatch.setenv("WORLD_SIZE", "many")
    with pytest.raises(ConfigError, match="WORLD_SIZE: `many` is no number"), joined("cpu"):
        pass


ENDED = """
import sys, warnings
warnings.simplefilter("error")
from marigold.accel.parallel import Replicas, joined
from marigold.core.errors import ProcessError
from torch import nn
try:
    with joined("cpu") as (world, _):
        Replicas(nn.Linear(1, 1), world)
        if world.is_first:
            sys.exit(3)
        world.wait()
except ProcessError as error:
    sys.exit(f"marigold: {error}")
"""


def test_a_process_whose_peer_has_ended_says_so_and_ends():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command, pipe = [sys.executable, "-c", ENDED], subprocess.PIPE
    places = [{**common, "RANK": rank, "LOCAL_RANK": rank} for rank in "01"]
    with ExitStack() as stack:
        started = [subprocess.Popen(command, env=place, stderr=pipe, text=True) for place in places]
        first, second = map(stack.enter_context, started)
        said = second.communicate(timeout=100)[1]
        assert (first.wait(100), second.returncode) == (3, 1)
    assert "marigold: process 1: another process of this run has ended, and its own message says why" in said
    assert "Traceback" not in said


def test_the_first_process_is_known_before_the_others_are_joined(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert is_first()
    monkeypatch.setenv("RANK", "1")
    assert not is_first()
