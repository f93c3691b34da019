"""`marigold train` from the command line to the loop."""

import pytest

from marigold import cli
from marigold.train import loop


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Runs `marigold train` with a recipe of two phases up to the first step, and says whether it came so far."""
    path, started = tmp_path / "mine.yaml", []
    path.write_text(
        "base: tiny-depth\nname: mine\nobjective: denoise\nsteps: 700\n"
        "phases: [{steps: 500}, {steps: 200, objective: end_to_end}]\n"
    )

    def started_in(recipe, folder, **options):
        started.append(recipe)
        options["note"](f"{recipe.steps} steps")
        return folder / "checkpoint"

    monkeypatch.setattr(loop, "train", started_in)

    def run(*arguments):
        code = cli.main(["train", str(path), "--run", str(tmp_path), "--device", "cpu", *arguments])
        return code == 0 and len(started) == 1

    return run


def test_what_the_user_should_know_stands_before_the_result(train, capsys):
    assert train("--steps", "500")
    note, last = capsys.readouterr().err.splitlines()
    assert note == "note: 500 steps"
    assert last.startswith("checkpoint: ")
