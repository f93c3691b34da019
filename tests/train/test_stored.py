"""A recipe that lies in a run or a checkpoint chooses no code."""

import sys

import pytest
import yaml

from marigold import cli
from marigold.core.errors import ConfigError
from marigold.train.recipe import load

PLACES = {
    "modality": {"modality": "evil.payload"},
    "modality with settings": {"modality": {"name": "evil.payload"}},
    "objective": {"objective": "evil.payload"},
    "objective of a phase": {"phases": [{"steps": 1, "objective": {"name": "evil.payload"}}]},
    "data set": {"data": [{"dataset": "evil.payload"}]},
    "data set with settings": {"data": [{"dataset": {"name": "evil.payload"}}]},
    "modality of a source": {"data": [{"dataset": "procedural", "modality": "evil.payload"}]},
    "held-out data set": {"validation": [{"dataset": "evil.payload"}]},
    "backbone": {"start": "", "network": {"name": "evil.payload"}},
}


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A package that can be imported and leaves a mark when it is."""
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "__init__.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w').close()\n")
    (tmp_path / "evil" / "payload.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "evil", raising=False)
    yield tmp_path / "mark"
    sys.modules.pop("evil", None)
    sys.modules.pop("evil.payload", None)


def stored(folder, content, beside="run.json"):
    """The recipe in a folder that a stranger's program has written."""
    folder.mkdir()
    (folder / beside).write_text("{}")
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"base": "tiny-depth", "name": "x", **content}))
    return str(folder / "recipe.yaml")


@pytest.mark.parametrize("place", PLACES)
def test_a_stored_recipe_imports_nothing(tmp_path, evil, place):
    recipe = stored(tmp_path / "run", PLACES[place])
    words = r"recipe\.yaml: lies in a run or a checkpoint and asks for code .* `evil\.payload`.* --trust evil"
    with pytest.raises(ConfigError, match=words):
        load(recipe, trust=())
    assert cli.main(["train", recipe, "--device", "cpu"]) == 1
    assert not evil.exists()


@pytest.mark.parametrize("beside", ["card.json", "model_index.json"])
def test_a_base_that_is_stored_imports_nothing_either(tmp_path, evil, beside):
    content = {"modality": "evil.payload", "data": [{"dataset": "procedural"}]}
    stored(tmp_path / "run", content, beside)
    text = yaml.safe_dump({"name": "x", **content})
    (tmp_path / "run" / "recipe.yaml").write_text(text)
    (tmp_path / "own.yaml").write_text(f"base: {tmp_path / 'run' / 'recipe.yaml'}\nname: own\n")
    with pytest.raises(ConfigError, match="asks for code"):
        load(str(tmp_path / "own.yaml"))
    assert not evil.exists()


def test_the_user_s_own_recipe_and_a_trusted_one_are_followed(tmp_path, evil, capsys):
    recipe = stored(tmp_path / "run", PLACES["data set"])
    for words in (["--trust", "evil"], ["--trust=other,evil"]):
        assert cli.main(["train", recipe, "--device", "cpu", *words]) == 1
        assert "defines no Dataset" in capsys.readouterr().err
    assert evil.exists()
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"base": "tiny-depth", **PLACES["modality"]}))
    with pytest.raises(Exception, match="defines no Modality"):
        load(str(tmp_path / "own.yaml"))
