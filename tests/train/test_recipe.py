"""Recipes: what their files may hold, what is refused with the key that is wrong, and what never fails afterwards."""

import hashlib
import json
import os
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml

from marigold.accel.training import TrainPlan
from marigold.core.config import encode
from marigold.core.errors import CheckpointError, ConfigError, MarigoldError, UnknownNameError
from marigold.data.source import Source
from marigold.datasets.photos import Photos
from marigold.modalities.depth import Depth
from marigold.train.build import build
from marigold.train.loop import train
from marigold.train.recipe import Every, Optim, PhaseSettings, Recipe, load, names
from toys.scenes import NETWORK, Toy

LEAST = {"name": "mine", "modality": "depth", "start": "generator", "data": [{"dataset": "photos"}]}


def loaded(folder: Path, content: object) -> Recipe:
    path = folder / "mine.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return load(str(path))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"steps": 10**18}, "recipe.steps"),
        ({"steps": 1e300}, "recipe.steps"),
        ({"steps": True}, "recipe.steps"),
        ({"batch": 10**9}, "recipe.batch"),
        ({"accumulate": 0}, "recipe.accumulate"),
        ({"reuse": 10**7}, "recipe.reuse"),
        ({"cache": 10**12}, "recipe.cache"),
        ({"validation_batches": 10**9}, "recipe.validation_batches"),
        ({"scored": -1}, "recipe.scored"),
        ({"seed": 2**63}, "recipe.seed"),
        ({"seed": 10**30}, "recipe.seed"),
        ({"average": float("nan")}, "recipe.average"),
        ({"average": "1e400"}, "recipe.average"),
        ({"average": 10**400}, "recipe.average"),
        ({"layers": [1, 10**6]}, "recipe.layers.1"),
        ({"layers": [-1]}, "recipe.layers.0"),
        ({"layers": [1] * 65}, "recipe.layers"),
        ({"optim": {"lr": float("inf")}}, "recipe.optim.lr"),
        ({"optim": {"lr": 1e300}}, "recipe.optim.lr"),
        ({"optim": {"eps": 1e-300}}, "recipe.optim.eps"),
        ({"optim": {"clip": -1}}, "recipe.optim.clip"),
        ({"optim": {"weight_decay": 1e300}}, "recipe.optim.weight_decay"),
        ({"optim": {"decay": 10**18}}, "recipe.optim.decay"),
        ({"every": {"save": -1}}, "recipe.every.save"),
        ({"every": {"log": 10**18}}, "recipe.every.log"),
        ({"phases": [{"steps": 1}, {"steps": 1, "size": 10**6}]}, "recipe.phases.1"),
        ({"phases": [{"steps": 0}]}, "recipe.phases.0"),
        ({"phases": [{"steps": 1}] * 200}, "recipe.phases"),
        ({"data": [{"dataset": "photos"}] * 200}, "recipe.data"),
        ({"data": [{"dataset": "photos", "root": ""}]}, "recipe.data.0.root"),
        ({"data": [{"dataset": "photos", "root": "a\0"}]}, "recipe.data.0.root"),
        ({"data": [{"dataset": "photos", "modality": "../x"}]}, "recipe.data.0.modality"),
        ({"data": []}, "recipe.data"),
        ({"objective": {"name": "denoise", "preview_steps": 10**12}}, "recipe.objective"),
        ({"objective": {"name": "autoencode", "calibration_batches": 0}}, "recipe.objective"),
        ({"objective": {"name": "end_to_end", "latent": 1e300}}, "recipe.objective"),
        ({"objective": {"name": ["denoise"]}}, "recipe.objective"),
        ({"objective": {"name": "denoise", "noise": ["gaussian"]}}, "recipe.objective.noise"),
        ({"modality": "\x1b[2J"}, "recipe.modality"),
        ({"modality": "x" * 5000}, "recipe.modality"),
        ({"modality": 3}, "recipe.modality"),
        ({"network": {"unet": {"channels": float("nan")}}}, "recipe.network.unet.channels"),
        ({"network": {"unet": {"channels": [1, 10**30]}}}, "recipe.network.unet.channels.1"),
        ({"network": {"schedule": 5}}, "recipe.network.schedule"),
        ({"network": {"schedule": {}}}, "recipe.network.schedule"),
        ({"network": {"schedule": None}}, "recipe.network.schedule"),
        ({"schedule": ["beta_start"]}, "recipe.schedule"),
        ({"defaults": {"steps": [1]}}, "recipe.defaults.steps"),
        ({"about": "\x1b]0;title\x07"}, "recipe.about"),
        ({"about": "a" * 10**6}, "recipe.about"),
        ({"licence": "a\u202eb"}, "recipe.licence"),
        ({"start": "a\0b"}, "recipe.start"),
        ({"\x1b[2J": 1}, "recipe"),
        ({"phases": None}, "recipe.phases"),
    ],
)
def test_what_cannot_be_used_is_one_short_line_with_the_file_and_the_key(changes, key, tmp_path):
    with pytest.raises((ConfigError, UnknownNameError)) as caught:
        loaded(tmp_path, {**LEAST, **changes})
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'mine.yaml'}: {key}: ")
    assert message.isprintable() and len(message) < 600


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "/tmp/x", "a/b", "a\\b", ".x", " x", "x" * 300, "a\nb", "\ud800"]
)
def test_the_name_of_a_recipe_can_name_a_folder(name, tmp_path):
    with pytest.raises(ConfigError, match=r"recipe\.name"):
        loaded(tmp_path, json.dumps({**LEAST, "name": name}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: 0x" + "f" * 6000, r"recipe\.steps"),
        ("average: 0b" + "1" * 20_000, r"recipe\.average"),
        ("steps: " + "1" * 6000, "not valid YAML"),
        ("network: " + "[" * 3000 + "]" * 3000, "64 deep"),
        ("network: &n {a: *n}", "holds itself"),
        ("phases: [" + "{steps: 1}," * 50_000 + "]", "20000 values"),
        ("about: 2001-01-01", "type date"),
        ("network: {1: 2}", "is no text"),
        ("network: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_what_no_recipe_holds_is_refused_as_it_is_read(text, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, yaml.safe_dump(LEAST) + text + "\n")


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"about: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml: not valid YAML"):
        load(str(tmp_path / "latin.yaml"))


def a_folder(path):
    path.mkdir()


def to_itself(path):
    path.symlink_to(path)


@pytest.mark.parametrize("make", [os.mkfifo, a_folder, to_itself, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_neither_a_recipe_nor_a_base(make, tmp_path):
    odd = tmp_path / "odd.yaml"
    make(odd)
    with pytest.raises(ConfigError, match=r"odd\.yaml: (a folder|a pipe|a device|cannot be read)"):
        load(str(odd))
    with pytest.raises(ConfigError, match=r"mine\.yaml: .*odd\.yaml: (a folder|a pipe|a device|cannot be read)"):
        loaded(tmp_path, {"base": str(odd)})


@pytest.mark.parametrize("base", ["mine.yaml", "nowhere.yaml", "nowhere", "", ["tiny-depth"], {"a": 1}, 3])
def test_a_base_is_another_recipe(base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ConfigError, UnknownNameError), match=r"mine\.yaml: "):
        loaded(tmp_path, {"base": base})


def test_a_base_may_lie_anywhere(tmp_path):
    below = tmp_path / "below.yaml"
    below.write_text(yaml.safe_dump({**LEAST, "steps": 7}))
    found = loaded(tmp_path, {"base": str(below), "batch": 3, "objective": {"name": "denoise", "pure": 1}})
    assert (found.steps, found.batch, found.objective.pure) == (7, 3, 1.0)


def test_there_is_one_zero(tmp_path):
    plus, minus = (loaded(tmp_path, {**LEAST, "optim": {"weight_decay": zero}}) for zero in (0.0, -0.0))
    assert plus.digest() == minus.digest()


def test_bytes_of_a_folders_name_stay_as_they_are(tmp_path):
    found = loaded(tmp_path, json.dumps({**LEAST, "data": [{"dataset": "photos", "root": "caf\udce9"}]}))
    assert os.fsencode(found.data[0].root) == b"caf\xe9"
    assert loaded(tmp_path, encode(found)) == found


@pytest.mark.parametrize("name", names())
def test_a_digest_is_the_hash_of_the_content_without_plan_and_places(name):
    content = encode(load(name))
    del content["start"], content["plan"]
    for source in content["data"] + content["validation"]:
        del source["root"]
        for table in ("splits_file", "cameras_file"):
            source.pop(table, None)
        if "lists" in source:  # by split, of which only the places of the files are left out
            source["lists"] = sorted(source["lists"])
    assert load(name).digest() == hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def test_a_digest_does_not_depend_on_where_files_lie(tmp_path):
    def digest(**settings) -> str:
        source = {"dataset": "hypersim", "split": "train", **settings}
        return loaded(tmp_path, {**LEAST, "data": [source], "validation": [source]}).digest()

    assert digest() == digest(root="elsewhere", splits_file="a.csv", cameras_file="b.csv")
    here, there = (digest(lists={"train": f"{place}/train.txt"}) for place in ("here", "there"))
    assert here == there
    assert len({here, digest(), digest(lists={"val": "here/train.txt"}), digest(camera="published")}) == 4


@pytest.mark.parametrize(
    "make",
    [
        lambda: Optim(lr="fast"),
        lambda: Every(log=1.5),
        lambda: PhaseSettings(steps=True),
        lambda: PhaseSettings(steps=None),
        lambda: PhaseSettings(steps=1, size=float("nan")),
    ],
)
def test_a_program_is_told_what_is_wrong_too(make):
    with pytest.raises(MarigoldError, match="cannot be used"):
        make()


KINDS = (
    (Optim, {}),
    (Every, {}),
    (PhaseSettings, {"steps": 1}),
    (Recipe, {"name": "x", "modality": Depth(), "data": (Source(Photos()),)}),
)


def numbers(kind):
    return [name for name, hint in get_type_hints(kind).items() if hint in (int, float)]


@pytest.mark.parametrize(("kind", "least", "name"), [(*pair, name) for pair in KINDS for name in numbers(pair[0])])
@pytest.mark.parametrize("value", [-(10**40), 10**40, 1e300, float("nan"), float("inf"), "1", None, True])
def test_every_number_has_ends(kind, least, name, value):
    with pytest.raises(ConfigError, match=f"{name}: .* cannot be used; it must be "):
        kind(**{**least, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network", {"unet": {"blocks": {1, 2}}}),
        ("network", {"unet": {1: 2, "a": 3}}),
        ("network", {"unet": {"scale": float("nan")}}),
        ("schedule", {"beta_start": object()}),
        ("defaults", [1]),
        ("about", b"bytes"),
        ("about", None),
        ("name", 5),
        ("start", Path("generator")),
    ],
)
def test_what_no_file_could_hold_is_refused_in_a_program(name, value):
    with pytest.raises(ConfigError, match=rf"^recipe\.{name}"):
        Recipe(**{**KINDS[-1][1], name: value})


def test_all_numbers_are_tried():
    assert [len(numbers(kind)) for kind, _ in KINDS] == [9, 5, 3, 10]


@pytest.mark.parametrize(
    ("key", "value"),
    [("unet", None), ("unet", "x"), ("vae", None), ("vae", [1]), ("prompt_dim", 8.5), ("prompt_dim", "x"), ("x", 1)],
)
def test_a_network_that_cannot_be_made_is_an_error_of_the_recipe(key, value):
    with pytest.raises((ConfigError, CheckpointError), match=key if key == "x" else "recipe.network|vae|unet|prompt"):
        build(Recipe(**KINDS[-1][1], network={**NETWORK, key: value}))


def test_previews_of_more_steps_than_the_schedule_has_are_refused_before_any_work(tmp_path):
    few = {**NETWORK, "schedule": {**NETWORK["schedule"], "num_train_timesteps": 3}}
    source = Source(Toy(), capacity=4, block=2)
    with pytest.raises(ConfigError, match=r"preview_steps: steps: 4 is not between 1 and 3"):
        train(Recipe("x", Depth(), (source,), network=few, steps=1), tmp_path / "run")
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_precision_may_stand_beside_the_plan(tmp_path):
    (tmp_path / "own.yaml").write_text("base: tiny-depth\nname: own\nprecision: fp32\nplan: {checkpointing: true}\n")
    assert load(str(tmp_path / "own.yaml")).plan == TrainPlan(precision="fp32", checkpointing=True)
    (tmp_path / "own.yaml").write_text("base: tiny-depth\nname: own\nprecision: fp32\nplan: {precision: bf16}\n")
    with pytest.raises(ConfigError, match="given once"):
        load(str(tmp_path / "own.yaml"))
