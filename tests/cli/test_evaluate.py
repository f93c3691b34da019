"""`marigold evaluate`: the table, the JSON, and command lines that cannot work."""

import json
import os
import shutil
from dataclasses import replace

import pytest

from marigold import checkpoint
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.cli import main
from marigold.datasets.folder import write_index, write_sample
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from toys.pairs import write_pairs
from toys.scenes import NETWORK, Toy


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A random depth checkpoint."""
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(conditions=1, targets=1)
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    card = Card(name="tiny", modality="depth", defaults={"steps": 2, "resolution": 16, "ensemble": 1})
    checkpoint.save(Estimator(backbone, Depth(), card), folder)
    return folder


@pytest.fixture
def scenes(tmp_path):
    """Three toy scenes on disk."""
    root = tmp_path / "scenes"
    write_index(root, Toy().card, {})
    for index, key in enumerate(Toy().scan(root, "test")[:3]):
        write_sample(root, replace(Toy().read(root, key), key=f"test/{index:06d}"))
    return root


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*words: object) -> int:
    return main(["evaluate", *map(str, words), "--device", "cpu"])


def test_it_prints_the_table_and_the_protocol(tiny, scenes, capsys):
    assert run(tiny, scenes) == 0
    printed = capsys.readouterr().out
    methods = [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("|")]
    assert methods[2:] == ["tiny", "representation ceiling", "affine in the row", "constant"]
    for fact in ("steps: 2", "ensemble: 1", "seed: 0", "test, 3 samples", "least squares scale and shift in depth"):
        assert fact in printed


def test_what_is_compiled_is_asked_for_and_is_no_part_of_a_result(tiny, scenes, tmp_path, capsys):
    assert run(tiny, scenes, "--compile", "on") == 1
    assert "compile: nothing can be compiled for cpu" in capsys.readouterr().err
    assert run(tiny, scenes, "--compile", "off") == 0
    (result,) = (tmp_path / "output").glob("*.json")
    assert json.loads(result.read_text())["protocol"] and '"compile"' not in result.read_text()


def test_settings_say_how_a_data_set_is_to_be_read(tiny, tmp_path, capsys):
    write_pairs(tmp_path / "rooms", count=3)
    words = ["--set", "depth=depth/*.png", "--set", "unit=0.001", "--set", "test_every=1", "--output", "scores.json"]
    assert run(tiny, "pairs", "--root", tmp_path / "rooms", *words) == 0
    assert "set: depth=depth/*.png unit=0.001 test_every=1" in capsys.readouterr().out
    report = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert {row["key"] for row in report["samples"]} == {"0000", "0001", "0002"}


def test_a_setting_that_a_data_set_does_not_have_is_an_error(tiny, scenes, capsys):
    assert run(tiny, "pairs", "--root", scenes, "--set", "depths=depth/*.png") == 1
    assert "--set.depths: no key named `depths`; did you mean `depth`" in capsys.readouterr().err


def test_it_writes_json_with_every_sample(tiny, scenes, tmp_path):
    assert run(tiny, scenes, "--output", tmp_path / "deep" / "scores.json", "--ensemble", 3, "--steps", 1) == 0
    content = json.loads((tmp_path / "deep" / "scores.json").read_text())
    assert content["protocol"]["ensemble"] == 3
    assert content["protocol"]["steps"] == 1
    assert [row["key"] for row in content["samples"]] == ["test/000000", "test/000001", "test/000002"]
    assert set(content["scores"]) == {"tiny", "representation ceiling", "affine in the row", "constant"}


def test_the_card_s_views_are_seen_by_several_members(tiny, scenes, tmp_path, capsys):
    estimator = checkpoint.open(tiny)
    defaults = {"steps": 1, "resolution": 16, "ensemble": 2, "tta": "flip-scale"}
    estimator.card = replace(estimator.card, defaults=defaults)
    checkpoint.save(estimator, tmp_path / "flip-scale")
    for more, views in (((), "flip-scale"), (("--ensemble", 1), "none"), (("--tta", "none"), "none")):
        assert run(tmp_path / "flip-scale", scenes, "--count", 1, *more) == 0
        assert f"tta: {views}" in capsys.readouterr().out


def test_the_json_has_a_default_place(tiny, scenes, tmp_path, capsys):
    assert run(tiny, scenes, "--count", 1) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "output/evaluation_tiny_scenes.json"
    assert len(json.loads((tmp_path / "output/evaluation_tiny_scenes.json").read_text())["samples"]) == 1


def test_a_data_set_can_be_named_by_its_module(tiny):
    assert run(tiny, "toys.scenes", "--count", 2) == 0


def test_scores_do_not_depend_on_the_batch(tiny, scenes, tmp_path):
    for batch in (1, 3):
        assert run(tiny, scenes, "--batch", batch, "--output", tmp_path / f"{batch}.json") == 0
    one, three = (json.loads((tmp_path / f"{batch}.json").read_text())["scores"]["tiny"] for batch in (1, 3))
    assert one == pytest.approx(three, rel=1e-3)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--steps", 0], "steps: 0 is too small"),
        (["--count", -1], "--count -1: must be at least 0"),
        (["--seed", -1], "seed: -1 is too small"),
        (["--split", "train"], "no split `train`; there are: test"),
    ],
)
def test_options_that_cannot_work_are_refused(tiny, scenes, capsys, words, complaint):
    assert run(tiny, scenes, *words) == 1
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("output", ["taken/scores.json", "."])
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_loaded(tmp_path, capsys, output):
    (tmp_path / "taken").touch()
    assert run("no-such-checkpoint", "no/such/folder", "--output", output) in (1, 2)
    assert output.split("/")[0] in (error := capsys.readouterr().err) and "checkpoint" not in error


def test_a_missing_folder_is_named(tiny, capsys):
    assert run(tiny, "no/such/folder") == 1
    assert "no/such/folder: no such folder" in capsys.readouterr().err


def test_a_data_set_is_found_in_the_folder_of_the_user(tiny, scenes, monkeypatch):
    monkeypatch.setenv("HOME", str(scenes.parent))
    assert run(tiny, f"~/{scenes.name}", "--count", 1) == 0


def test_an_unknown_data_set_gets_a_suggestion(tiny, capsys):
    assert run(tiny, "photoz") == 1
    assert "did you mean `photos`?" in capsys.readouterr().err


def test_a_data_set_without_the_field_is_refused(tiny, capsys):
    assert run(tiny, "photos") == 1
    assert "has no depth" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "..", "", "a\nb", "\x1b[2J", "\ud800", "x" * 300])
def test_nothing_of_a_hostile_name_lands_anywhere(tiny, scenes, tmp_path, capsys, name):
    folder = copied(tiny, tmp_path / "hostile", name=name)
    before = sorted(tmp_path.rglob("*"))
    assert run(folder, scenes, "--count", 1) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert "card.json: the name `" in line and line.isprintable()
    assert {path.name for path in set(tmp_path.rglob("*")) - set(before)} <= {"output"}


@pytest.mark.parametrize(("folder", "shown"), [("a\nb", r"a\nb"), ("\x1b[2J", r"\x1b[2J"), ("\u202eb", r"\u202eb")])
def test_a_name_of_a_folder_is_escaped_where_it_is_printed(tiny, scenes, tmp_path, capsys, folder, shown):
    copied(tiny, tmp_path / folder)
    (tmp_path / folder / "card.json").unlink()
    edit(tmp_path / folder / "model_index.json", default_denoising_steps=1, default_processing_resolution=16)
    assert run(tmp_path / folder, scenes, "--count", 1, "--output", "scores.json") == 0
    printed = capsys.readouterr().out
    assert shown in printed and all(line.isprintable() for line in printed.splitlines())
    assert folder in json.loads((tmp_path / "scores.json").read_bytes())["scores"]


def test_names_that_no_file_can_have_ask_for_a_name_of_the_result(tiny, scenes, tmp_path, capsys):
    copied(tiny, tmp_path / "a\nb")
    (tmp_path / "a\nb" / "card.json").unlink()
    assert run(tmp_path / "a\nb", scenes, "--count", 1) == 1
    assert "cannot name a file" in (error := capsys.readouterr().err) and "or name the result with --output" in error


@pytest.mark.parametrize("kind", ["pipe", "device", "empty"])
def test_a_result_replaces_nothing_that_is_no_file(tmp_path, capsys, kind):
    os.mkfifo(tmp_path / "pipe")
    output = {"pipe": tmp_path / "pipe", "device": "/dev/null", "empty": ""}[kind]
    assert run("no-such-checkpoint", "no/such/folder", "--output", output) in (1, 2)
    assert "checkpoint" not in capsys.readouterr().err and (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("content", ["mine", '{"scores": {}}', '["protocol"]', "\x89PNG"])
@pytest.mark.parametrize("named", [True, False])
def test_a_file_of_the_user_s_in_the_place_of_a_result_is_not_replaced(tiny, scenes, tmp_path, capsys, named, content):
    file = tmp_path / "output" / "evaluation_tiny_scenes.json"
    file.parent.mkdir()
    file.write_text(content)
    assert run(tiny, scenes, "--count", 1, *(["--output", file] if named else [])) == 1
    assert "is there and is no evaluation, so that it is not replaced; choose another" in capsys.readouterr().err
    assert file.read_text() == content


def test_an_empty_file_and_an_earlier_result_make_way(tiny, scenes, tmp_path):
    (tmp_path / "scores.json").touch()
    for count in (1, 2):
        assert run(tiny, scenes, "--count", count, "--output", "scores.json") == 0
        assert len(json.loads((tmp_path / "scores.json").read_text())["samples"]) == count


def test_a_killed_evaluation_leaves_no_result_and_its_rest_goes_with_the_next(tiny, scenes, tmp_path):
    (tmp_path / "output").mkdir()
    for name in (
        ".evaluation_tiny_scenes.json.0123abcd.part",
        ".evaluation.json.0123abcd.part",
        ".other.0123abcd.part",
    ):
        (tmp_path / "output" / name).write_text('{"prot')
    assert run(tiny, scenes, "--count", 1) == 0
    assert sorted(os.listdir(tmp_path / "output")) == [".other.0123abcd.part", "evaluation_tiny_scenes.json"]


def test_an_interrupted_evaluation_leaves_the_earlier_result(tiny, scenes, tmp_path, monkeypatch):
    assert run(tiny, scenes, "--count", 1, "--output", "scores.json") == 0
    earlier = (tmp_path / "scores.json").read_bytes()

    def interrupted(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr("marigold.core.files.os.fsync", interrupted)
    assert run(tiny, scenes, "--count", 2, "--output", "scores.json") == 130
    assert (tmp_path / "scores.json").read_bytes() == earlier
    assert [path for path in os.listdir(tmp_path) if path.endswith(".part")] == []


def test_a_batch_that_no_machine_holds_is_refused(capsys):
    assert run("depth", "procedural", "--batch", 10**9) == 1
    assert "--batch 1000000000: must be at most 256" in capsys.readouterr().err


def copied(checkpoint, folder, **card):
    shutil.copytree(checkpoint, folder)
    edit(folder / "card.json", **card)
    return folder


def edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
