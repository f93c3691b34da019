"""`marigold train` from the command line to the loop."""

import json
import os
from dataclasses import replace

import pytest

from marigold import cli
from marigold.accel.training import TrainPlan
from marigold.core.errors import ConfigError
from marigold.core.locks import locked
from marigold.modalities.depth import Depth
from marigold.objectives.denoise import Denoise
from marigold.train import loop
from marigold.train.recipe import load, names
from marigold_scenes.procedural import Procedural

BOTH = "--board wandb --board tensorboard"


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


def parsed(name, *arguments):
    return cli.verb("train").parse([name, *arguments]).recipe


def test_every_setting_of_what_the_recipe_chose_is_an_option():
    found = parsed(
        *("tiny-depth", "--objective.lowest", "0.2", "--data.0.families", "room", "street", "--data.0.height", "64"),
        *("--modality.target_space", "disparity", "--optim.lr", "1e-4", "--optim.name", "adamw"),
        *("--phases.1.objective.decoded", "0.5", "--data.0.augment.zoom", "2", "--defaults.steps", "2"),
    )
    assert found.objective == Denoise("annealed", 0.9, lowest=0.2, pure=0.8)
    assert found.data[0].dataset == Procedural(height=64, families=("room", "street"))
    assert found.modality == Depth(target_space="disparity", high=1.0, shown=0.99)
    assert (found.optim.name, found.optim.lr, found.defaults["steps"]) == ("adamw", 1e-4, 2)
    assert (found.phases[1].objective.decoded, found.data[0].augment.zoom) == (0.5, 2.0)


def test_compiled_is_short_for_a_key_of_the_plan():
    plan = load("tiny-depth").plan
    assert not plan.compiled
    for words in (["--compiled"], ["--plan.compiled"]):
        assert parsed("tiny-depth", *words).plan == replace(plan, compiled=True)


def test_compile_sets_the_plan_or_leaves_it_to_the_recipe(tmp_path):
    (tmp_path / "compiled.yaml").write_text("base: tiny-depth\nplan: {compiled: true}\n")
    for name, recipe in (("tiny-depth", False), (str(tmp_path / "compiled.yaml"), True)):
        plan = load(name).plan
        assert plan.compiled is recipe
        for choice, compiled in (("auto", recipe), ("on", True), ("off", False)):
            assert parsed(name, "--compile", choice).plan == replace(plan, compiled=compiled)


def test_compiled_and_not_at_once_is_refused(capsys):
    assert parsed("tiny-depth", "--compile", "on", "--compiled").plan.compiled
    assert cli.main(["train", "tiny-depth", "--compile", "off", "--compiled"]) == 1
    assert "compile: `off` and --compiled contradict each other; leave one" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["train", "predict", "evaluate"])
def test_compile_is_one_of_three(verb, capsys):
    assert cli.main([verb, "tiny-depth", "--compile", "yes"]) == 2
    error = capsys.readouterr().err
    assert [choice for choice in ("--compile", "auto", "on", "off") if choice not in error] == []


def test_precision_is_short_for_a_key_of_the_plan():
    for words in (["--precision", "fp32"], ["--plan.precision", "fp32"]):
        assert parsed("tiny-depth", *words).plan.precision == "fp32"
    with pytest.raises(ConfigError, match="half"):
        parsed("tiny-depth", "--precision", "half")


def test_every_key_of_the_plan_is_an_option():
    words = "--plan.precision fp16 --plan.checkpointing --plan.channels-last --plan.optimizer-bits 8"
    found = parsed("tiny-depth", *words.split(), "--optim.name", "adamw", "--every.keep-last", "3").plan
    assert found == TrainPlan("fp16", checkpointing=True, channels_last=True, optimizer_bits=8)


@pytest.mark.parametrize(("words", "boards"), [("", ()), ("--board none", ("none",)), (BOTH, ("wandb", "tensorboard"))])
def test_boards_are_named_one_by_one(words, boards):
    assert cli.verb("train").parse(["tiny-depth", *words.split()]).board == boards


def test_an_unknown_board_is_no_option(capsys):
    assert cli.main(["train", "tiny-depth", "--board", "wand"]) == 2
    assert "trackio" in capsys.readouterr().err


@pytest.mark.parametrize("name", names())
def test_without_options_a_recipe_is_as_its_file_says(name):
    assert parsed(name) == load(name)


def test_a_value_that_no_recipe_could_have_is_refused(capsys):
    assert cli.main(["train", "tiny-depth", "--modality.ratio", "0.5"]) == 1
    assert "ratio: 0.5 cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--objective.lowes", "--data.0.crop", "--modality.albedo_space"])
def test_a_setting_that_the_chosen_class_lacks_is_refused(option, capsys):
    assert cli.main(["train", "tiny-depth", option, "1"]) == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tiny-depth", ["--objective.lowest", "Timesteps are drawn", "--data.0.families", "--modality.target-space"]),
        ("tiny-autoencoder", ["--data.0.smallest", "The smallest crop", "--data.1.families", "--objective.blur"]),
        ("tiny-depth", ["objective `denoise`", "data.0 `procedural`", "phases.1.objective `end_to_end`", "--minutes"]),
    ],
)
def test_help_explains_the_settings_of_what_the_recipe_chose(name, words, capsys):
    assert cli.main(["train", name, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert [word for word in words if word not in shown] == []
    assert ".card" not in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--minutes", "inf"], "minutes: inf cannot be used; it must be 0 to "),
        (["--workers", "1000000000"], "workers: 1000000000 cannot be used; it must be 0 to 256"),
        (["--name", "../elsewhere"], "recipe.name `../elsewhere` cannot name a file"),
        (["--name", "/elsewhere"], "recipe.name `/elsewhere` cannot name a file"),
    ],
)
def test_numbers_and_names_that_no_run_can_have_are_refused(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "tiny-depth", "--device", "cpu", *options]) == 1
    assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_a_second_run_in_a_folder_is_refused_with_the_first_ones_process(tmp_path, capsys):
    (tmp_path / ".run.lock").touch()
    with locked(tmp_path / ".run.lock", "x"):
        assert cli.main(["train", "tiny-depth", "--device", "cpu", "--run", str(tmp_path)]) == 1
    assert f"{tmp_path}: is being trained by process {os.getpid()} on " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "..", "", ".hidden", "a\nb", "x" * 300])
def test_a_recipe_s_name_leads_nowhere(tmp_path, monkeypatch, capsys, name):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    (tmp_path / "mine.yaml").write_text(f"base: tiny-depth\nname: {json.dumps(name)}\n")
    monkeypatch.setattr(loop, "train", lambda *_, **options: pytest.fail("begins to train"))
    assert cli.main(["train", str(tmp_path / "mine.yaml"), "--device", "cpu"]) == 1
    assert "recipe.name" in (error := capsys.readouterr().err) and "cannot name a file" in error
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "mine.yaml"]


def test_packages_are_trusted_one_by_one_or_with_commas(tmp_path):
    options = cli.verb("train").parse(["tiny-depth", "--trust", "one", "--trust", "two,three"])
    assert options.trust == ("one", "two,three")


@pytest.mark.parametrize("word", ["--zz\x1b[31m", "\x1b[31m", "\x07", "--steps\x1b=3", "--optim.name=\x1b", "\u202e"])
def test_a_word_that_steers_the_terminal_is_told_with_escapes(word, capsys):
    assert cli.main(["train", "tiny-depth", word]) == 2
    told = capsys.readouterr().err
    assert not set(told) & {"\x1b", "\x07", "\u202e"}
    assert any(escape in told for escape in ("\\x1b", "\\x07", "\\u202e"))


def test_a_key_may_be_empty_text():
    assert parsed("tiny-depth", "--about", "", "--licence=").about == ""
