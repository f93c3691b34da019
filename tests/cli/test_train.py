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
        return folder / "checkpoint"

    monkeypatch.setattr(loop, "train", started_in)

    def run(*arguments):
        code = cli.main(["train", str(path), "--run", str(tmp_path), "--device", "cpu", *arguments])
        return code == 0 and len(started) == 1

    return run


def test_a_run_that_ends_before_its_last_phases_names_them(train, capsys):
    assert train("--steps", "500")
    note, last = capsys.readouterr().err.splitlines()
    assert note == (
        "note: recipe.steps: the run ends at step 500, before phase 2 of 2 (end_to_end, 200 steps); "
        "use 700 or more for all phases, or shorten `phases`"
    )
    assert last.startswith("checkpoint: ")


def test_a_run_through_all_phases_has_no_note(train, capsys):
    assert train()
    assert "note" not in capsys.readouterr().err
