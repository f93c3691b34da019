"""Run folders of strangers: whatever is in their files, a run goes on or an error says in one line what to do."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from marigold.core.errors import CheckpointError, ConfigError, OutputError
from marigold.train import log
from marigold.train.run import Run
from marigold.train.state import Facts, read_state, write_state
from toys.mutations import as_text, damaged_bytes, damaged_values, survives
from train.test_run_folder import MADE, some_facts

TRIED = 120
ALLOWED = (CheckpointError, ConfigError, OutputError)


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """The content of a small state of `MADE`, and the facts in it as JSON says them."""
    file = tmp_path_factory.mktemp("state") / "state.safetensors"
    write_state(file, {"module.x": torch.arange(6.0).view(2, 3), "y": torch.tensor(1)}, some_facts(), lambda: None)
    with safe_open(file, "pt") as opened:
        return file.read_bytes(), json.loads(opened.metadata()["facts"])


@pytest.mark.parametrize("seed", range(TRIED))
def test_bytes_of_a_state(seed, state, tmp_path):
    file = tmp_path / "state.safetensors"
    for number, content in enumerate(damaged_bytes(state[0], 4, seed=seed)):
        file.write_bytes(content)
        survives(lambda: Run(tmp_path, MADE).tensors(), ALLOWED, f"{seed} {number}")
        if survives(lambda: read_state(file), ALLOWED, f"{seed} {number}"):
            facts, tensors = read_state(file)
            assert facts == some_facts() and torch.equal(tensors["module.x"], torch.arange(6.0).view(2, 3))


@pytest.mark.parametrize("seed", range(TRIED))
def test_facts_of_a_state(seed, state, tmp_path):
    file = tmp_path / "state.safetensors"
    for number, facts in enumerate(damaged_values(state[1], 4, seed=seed)):
        file.write_bytes(save({"x": torch.zeros(1)}, {"facts": as_text(facts).decode()}))
        survives(lambda: Run(tmp_path, MADE), ALLOWED, f"{seed} {number}")
        if survives(lambda: read_state(file), ALLOWED, f"{seed} {number}"):
            assert isinstance(read_state(file)[0], Facts)


@pytest.mark.parametrize("seed", range(TRIED))
def test_a_marker(seed, tmp_path):
    whole = {"asked": {**some_facts().asked}, "labels": ["a@1"], "good": 2, "stopped": 3}
    whole["kind"] = "marigold training run"
    for number, marker in enumerate(damaged_values(whole, 3, seed=seed)):
        (tmp_path / "run.json").write_bytes(as_text(marker))
        survives(lambda: Run(tmp_path, MADE), ALLOWED, f"{seed} {number}")
    for number, content in enumerate(damaged_bytes(as_text(whole), 3, seed=seed)):
        (tmp_path / "run.json").write_bytes(content)
        survives(lambda: Run(tmp_path, MADE), ALLOWED, f"{seed} bytes {number}")


@pytest.mark.parametrize("seed", range(TRIED))
def test_a_log(seed, tmp_path):
    file = tmp_path / "log.jsonl"
    lines = [{"step": step, "kind": "train", "loss": 0.5, "lr": 1e-3} for step in range(1, 9)]
    whole = b"".join(as_text(line) + b"\n" for line in lines)
    for number, content in enumerate(damaged_bytes(whole, 3, seed=seed)):
        file.write_bytes(content)
        assert survives(lambda: log.rewind(file, 5), (), f"{seed} {number}")
        log.append(file, 6, "train", {"loss": float("nan")})
        found = [json.loads(line) for line in file.read_bytes().splitlines()]
        assert all(0 <= line["step"] <= 5 for line in found[:-1])
        assert found[-1] == {"step": 6, "kind": "train", "loss": None}
    for number, values in enumerate(damaged_values(lines, 2, seed=seed)):
        content = b"".join(as_text(line) + b"\n" for line in values) if isinstance(values, list) else as_text(values)
        file.write_bytes(content)
        assert survives(lambda: log.rewind(file, 5), (), f"{seed} values {number}")


@pytest.mark.parametrize("name", ["state.safetensors", "run.json"])
def test_what_is_deep_or_long_is_refused_in_one_short_line(name, state, tmp_path):
    deep = b"[" * 100_000
    (tmp_path / name).write_bytes(save({"x": torch.zeros(1)}, {"facts": deep.decode()}) if "state" in name else deep)
    with pytest.raises(CheckpointError, match=name) as error:
        Run(tmp_path, MADE)
    assert len(str(error.value)) < 600 + len(str(Path(tmp_path)))
    shutil.rmtree(tmp_path)
