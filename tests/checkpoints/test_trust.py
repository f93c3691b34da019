"""Data chooses no code: whatever a checkpoint names, nothing is imported that the user has not named or installed."""

import json
import shutil
import sys

import numpy as np
import PIL.Image
import pytest
import torch

import marigold
from marigold import checkpoint, cli
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.core import find
from marigold.core.errors import CheckpointError, ConfigError, MarigoldError, UnknownNameError
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.predict.together import choose, load_together
from toys.scenes import NETWORK

CODE = "with open({mark!r}, 'a') as file:\n    file.write(__name__ + chr(10))\n"
MEMBERS = """
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.modalities.depth import Depth
class Member(Depth):
    pass
class Network(StableDiffusion):
    pass
"""
ASKS = {
    "evil.payload": "evil",
    "evil.payload.more": "evil",
    "depth.evil": "depth",
    "os.path": "os",
    "json.tool": "json",
    "marigold_scenes.families.room": "marigold_scenes",
}
"""Names of modules outside the package, with what would have to be trusted."""
NOTHING = [
    *("evil", "loose", "base", "_depth_spaces", "__main__", "antigravity", "", "depth ", "Depth", "depth\0"),
    *("evil.", ".evil", "..evil", "...", "evil..payload", "../evil", "evil/payload", "/evil", "evil:payload"),
    *("marigold", "marigold.evil", "marigold.cli.train", "marigold.modalities.base", "marigold.modalities.depth.evil"),
    *("marigold.modalities._depth_spaces", "marigold.objectives.denoise", "\ud800", "evil.payload\n", "\x1b[2J"),
    *("evil.payload;ls", "x" * 5000, "evil." * 1000 + "payload", "--trust", "evil.payload --trust evil"),
]
"""Names that stand for nothing, and can be no module of another package."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a checkpoint, a photo and a recipe, where modules leave a mark when they are imported."""
    folder = tmp_path_factory.mktemp("stranger")
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(1, 1)
    card = Card("toy", "depth", defaults={"steps": 1, "resolution": 16, "ensemble": 1})
    checkpoint.save(Estimator(backbone, Depth(), card), folder / "toy")
    PIL.Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(folder / "photo.png")
    (folder / "own.yaml").write_text(
        "name: own\nmodality: depth\nstart: toy\ndata: [{dataset: procedural, height: 16, width: 16}]\n"
    )
    code = CODE.format(mark=str(folder / "mark"))
    for file in ("loose.py", "evil/__init__.py", "evil/payload.py", "depth/__init__.py", "depth/evil.py"):
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(code + (MEMBERS if file == "evil/payload.py" else ""))
    return folder


@pytest.fixture
def here(made, monkeypatch):
    """The current folder, from which modules are imported as by `python -m marigold`."""
    monkeypatch.chdir(made)
    monkeypatch.syspath_prepend(made)
    yield made
    (made / "mark").unlink(missing_ok=True)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("evil", "loose", "depth")]:
        del sys.modules[name]


@pytest.fixture
def toy(here):
    """The checkpoint, whose card is what it was afterwards."""
    file = here / "toy" / "card.json"
    content = file.read_bytes()
    yield here / "toy"
    file.write_bytes(content)


def edit(folder, **changes):
    file = folder / "card.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


WAYS = {
    "open": lambda: checkpoint.open("toy"),
    "describe": lambda: checkpoint.describe("toy"),
    "load": lambda: marigold.load("toy", device="cpu"),
    "choose": lambda: choose("depth", checkpoint="toy", device="cpu"),
    "load_together": lambda: load_together("all", checkpoint="toy", device="cpu"),
    "a pair": lambda: choose("depth", checkpoint="depth=toy", device="cpu"),
    "another package": lambda: checkpoint.open("toy", trust=("my_package", "evi", "evil.pay", "payload", "d")),
}
COMMANDS = {
    "predict": ["predict", "depth", "photo.png", "--checkpoint", "toy", "--device", "cpu"],
    "predict all": ["predict", "all", "photo.png", "--checkpoint", "depth=toy", "--trust", "my_package"],
    "evaluate": ["evaluate", "toy", "procedural", "--count", "1", "--device", "cpu"],
    "train": ["train", "own.yaml", "--steps", "1", "--device", "cpu"],
}


@pytest.mark.parametrize("field", ["modality", "backbone"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ASKS)
def test_code_that_a_card_asks_for_is_refused_and_not_imported(toy, field, name, way):
    edit(toy, **{field: name})
    before = set(sys.modules)
    words = rf"card\.json: asks for code of another package, `{name}`, as its {field}; .* with --trust {ASKS[name]} "
    with pytest.raises(CheckpointError, match=words):
        WAYS[way]()
    assert not (toy.parent / "mark").exists()
    assert {module for module in set(sys.modules) - before if module.partition(".")[0] in ("evil", "depth")} == set()


@pytest.mark.parametrize("field", ["modality", "backbone"])
@pytest.mark.parametrize("name", NOTHING)
def test_names_that_stand_for_nothing_are_unknown(toy, field, name):
    edit(toy, **{field: name})
    for way in WAYS.values():
        with pytest.raises(MarigoldError, match=rf"card\.json: no {field} named `") as caught:
            way()
        assert "allow it" not in str(caught.value) and len(str(caught.value)) < 500
    assert not (toy.parent / "mark").exists()


@pytest.mark.parametrize("field", ["modality", "backbone"])
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["evil.payload", "depth.evil", "loose", "..evil", "evil\n.payload"])
def test_commands_refuse_code_that_a_card_asks_for(toy, capsys, field, name, command):
    edit(toy, **{field: name})
    assert cli.main(COMMANDS[command]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert f"card.json: {'asks for code' if name in ASKS else 'no '}" in line
    assert not (toy.parent / "mark").exists()


@pytest.mark.parametrize("field", ["modality", "backbone"])
@pytest.mark.parametrize("trust", ["evil", "evil.payload", "other, evil", ["other", "evil.payload"], ("other,evil",)])
def test_code_of_a_package_that_the_user_trusts_runs(toy, field, trust):
    edit(toy, **{field: "evil.payload"})
    opened = checkpoint.open("toy", trust=trust)
    assert type(getattr(opened, field)).__module__ == "evil.payload"
    assert (toy.parent / "mark").read_text() == "evil\nevil.payload\n"


@pytest.mark.parametrize(
    "command",
    [
        [*COMMANDS["evaluate"], "--trust", "evil", "--output", "evaluation.json"],
        [*COMMANDS["evaluate"], "--trust", "other", "--trust", "evil.payload", "--output", "evaluation.json"],
        ["predict", "evil.payload", "photo.png", "--checkpoint", "toy", "--device", "cpu"],
        ["predict", "evil.payload", "photo.png", "--checkpoint", "evil.payload=toy", "--device", "cpu"],
    ],
)
def test_commands_run_code_that_the_user_names(toy, command):
    edit(toy, modality="evil.payload")
    assert cli.main(command) == 0
    assert (toy.parent / "mark").read_text() == "evil\nevil.payload\n"


def test_naming_one_module_trusts_no_other(toy, capsys):
    edit(toy, modality="evil.payload", backbone="evil.other")
    assert cli.main(["predict", "evil.payload", "photo.png", "--checkpoint", "toy"]) == 1
    assert "`evil.other`, as its backbone" in capsys.readouterr().err


def test_a_word_that_stands_for_a_modality_trusts_no_package_of_that_name(toy, capsys):
    edit(toy, modality="depth.evil")
    assert cli.main(["predict", "depth,normals", "photo.png", "--checkpoint", "toy"]) == 1
    assert "--trust depth" in capsys.readouterr().err and not (toy.parent / "mark").exists()


@pytest.mark.parametrize("name", ["depth", "marigold.modalities.depth"])
def test_modalities_of_this_package_need_no_trust(toy, name):
    edit(toy, modality=name, backbone="marigold.backbones.stable_diffusion")
    assert type(checkpoint.open("toy").modality) is Depth


def test_what_an_installed_package_declares_needs_no_trust(toy, monkeypatch):
    monkeypatch.setattr(find, "plugins", lambda family: {"warmth": "evil.payload"} if "modalities" in family else {})
    for name in ("warmth", "evil.payload"):
        edit(toy, modality=name)
        assert type(checkpoint.open("toy").modality).__module__ == "evil.payload"


@pytest.mark.parametrize("declared", ["os.path", "evil", "marigold.modalities._depth_spaces"])
def test_a_declared_name_stands_for_the_module_that_is_declared(monkeypatch, here, declared):
    monkeypatch.setattr(find, "plugins", lambda family: {declared: "evil.payload"})
    from marigold.modalities.base import Modality

    assert find.implementation(Modality, declared).__module__ == "evil.payload"


@pytest.mark.parametrize(
    "trust", ["", " ", ",", "my_package,", "*", ".", "a b", "../x", "x/y", [""], "\x1b[2J", "\ud800"]
)
def test_what_names_no_package_cannot_be_trusted(toy, trust):
    with pytest.raises(ConfigError, match=r"trust: `.*` names no package; give one such as my_package"):
        checkpoint.open("toy", trust=trust)


def test_what_is_no_text_cannot_be_trusted(toy):
    with pytest.raises(ConfigError, match="trust: an object of type NoneType names no package"):
        checkpoint.open("toy", trust=[None])


def test_trusted_code_that_is_not_there_or_fails_is_named_with_the_card(toy, here):
    edit(toy, modality="evil.gone")
    with pytest.raises(UnknownNameError, match=r"card\.json: no module `evil\.gone`"):
        checkpoint.open("toy", trust="evil")
    (here / "evil" / "broken.py").write_text("raise RuntimeError('broken')")
    edit(toy, modality="evil.broken")
    with pytest.raises(CheckpointError, match=r"card\.json: module `evil\.broken` cannot be imported \(RuntimeError"):
        checkpoint.open("toy", trust="evil")


@pytest.mark.parametrize(
    "index",
    [
        {"_class_name": "evil.payload"},
        {"_class_name": ["evil.payload", "Member"]},
        {"unet": ["evil.payload", "Network"], "vae": ["evil", "Network"], "scheduler": ["loose", "X"]},
        {"_module": "evil.payload", "auto_map": {"AutoModel": "evil.payload--x.Member"}, "modality": "evil.payload"},
        {"custom_pipeline": "evil/payload.py", "pipeline_class": "evil.payload", "_name_or_path": "evil"},
    ],
)
@pytest.mark.parametrize("card", [True, False])
def test_a_pipeline_s_index_names_no_code(toy, tmp_path, index, card):
    shutil.copytree(toy, tmp_path / "toy")
    if not card:
        (tmp_path / "toy" / "card.json").unlink()
    file = tmp_path / "toy" / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **index}))
    try:
        checkpoint.open(tmp_path / "toy")
    except CheckpointError as error:
        assert "no modality is known" in str(error)
    assert not (toy.parent / "mark").exists()


@pytest.mark.parametrize("part", ["unet", "vae", "scheduler"])
def test_configurations_name_no_code(toy, tmp_path, part):
    shutil.copytree(toy, tmp_path / "toy")
    file = next((tmp_path / "toy" / part).glob("*config.json"))
    words = {"_module": "evil.payload", "auto_map": {"": "evil.payload"}, "_name_or_path": "evil", "custom": "loose"}
    file.write_text(json.dumps({**json.loads(file.read_text()), **words}))
    checkpoint.open(tmp_path / "toy")
    assert not (toy.parent / "mark").exists()


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "_attn_implementation_internal"])
def test_a_text_encoder_names_no_kernels_of_the_hub(toy, tmp_path, key):
    shutil.copytree(toy, tmp_path / "toy")
    (tmp_path / "toy" / "empty_prompt.safetensors").unlink()
    file = tmp_path / "toy" / "text_encoder" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: "evil/payload"}))
    prompt = checkpoint.open(tmp_path / "toy").backbone.prompt
    torch.testing.assert_close(prompt, checkpoint.open("toy").backbone.prompt)


@pytest.mark.parametrize("field", ["modality", "backbone"])
def test_a_listing_imports_nothing_and_leaves_out_what_asks_for_code(toy, tmp_path, monkeypatch, capsys, field):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for hub_id, name in (("stranger--evil", "evil.payload"), ("stranger--nothing", "loose"), ("friend--good", None)):
        edit(toy, **({field: name} if name else {"modality": "depth", "backbone": "stable_diffusion"}))
        shutil.copytree(toy, tmp_path / f"models--{hub_id}" / "snapshots" / "abc")
    assert cli.main(["models"]) == 0
    printed = capsys.readouterr().out
    assert "friend/good" in printed and "stranger" not in printed
    assert not (toy.parent / "mark").exists()


def test_training_from_a_checkpoint_of_the_recipe_s_own_modality_needs_no_more_trust(toy, here):
    from marigold.train.build import build
    from marigold.train.recipe import load

    edit(toy, modality="evil.payload")
    with pytest.raises(CheckpointError, match="--trust evil"):
        build(load("own.yaml"))
    assert build(load("own.yaml"), trust="evil").card.modality == "depth"
    (here / "plugin.yaml").write_text(
        (here / "own.yaml").read_text().replace("modality: depth", "modality: evil.payload")
    )
    assert build(load("plugin.yaml")).card.modality == "evil.payload"
