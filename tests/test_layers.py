"""The architecture: a module imports only from the lines below its own, and nothing runs in circles.

Imports inside functions count like any other, and so do those for type checkers alone.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
LAYERS = """
cli
train video
evaluate folders objectives
metric
predict
export compat
accel
checkpoints.refiners
checkpoints.store data
estimator
checkpoints.bases
checkpoints.catalogue
checkpoints.published
backbones modalities datasets
diffusion measure
checkpoints
core
"""
HEIGHT = {name: -line for line, names in enumerate(LAYERS.split("\n")) for name in names.split()}
LOWEST_THAT_KNOWS = HEIGHT["modalities"]
FILES = {
    ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted(SOURCE.rglob("*.py"))
}
NAMED = {name for name in FILES if "." in name}
OWN = [name for name in FILES if name.startswith("marigold.")]
DOORS = {"marigold", "marigold.__main__", "marigold.checkpoint", "marigold.predict.batch"}
"""What is there for users: nothing inside imports these, and they may import anything."""
MODALITIES = {name.rpartition(".")[2] for name in OWN if name.startswith("marigold.modalities.")} - {"base"}
ELSEWHERE = {"depth", "normals", "image"}
"""Modalities that are called like a field, a quantity or an argument."""
QUANTITIES = {"marigold.core.fields", "marigold.measure.alignment"}
"""Where lower layers need such words: the vocabulary of fields, and what scale and shift are fitted to."""


def tree(module):
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def imported(module):
    """The modules that a module imports, wherever in it; of `from a import b` also `a.b` if that is one."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from names & FILES.keys()
            if not names <= FILES.keys():
                yield node.module
        elif isinstance(node, ast.Constant) and node.value in NAMED and module not in DOORS:
            yield node.value  # a module by its name, as `import_module` takes it


def layer(module):
    """The entry of the drawing that a module belongs to: the longest that it begins with."""
    name = module.removeprefix("marigold.")
    entries = [entry for entry in HEIGHT if name == entry or name.startswith(f"{entry}.")]
    return max(entries, key=len, default=None)


def every(module):
    return set(imported(module)) - {module}


def reached(module):
    return {other for other in imported(module) if other.split(".")[0] == "marigold"} - {module}


@pytest.mark.parametrize("module", sorted(set(OWN) - DOORS))
def test_a_module_imports_only_from_the_lines_below_its_own(module):
    own = layer(module)
    assert own is not None, f"{module} is in no line of the drawing"
    others = {other for other in reached(module) if layer(other) != own}
    assert {other for other in others if layer(other) is None or HEIGHT[layer(other)] >= HEIGHT[own]} == set()


@pytest.mark.parametrize("module", sorted(set(OWN) - DOORS))
def test_nothing_inside_imports_the_root_package_or_another_door(module):
    assert reached(module) & DOORS == set()


def test_no_imports_run_in_a_circle():
    graph = {module: every(module) & FILES.keys() for module in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_a_circle_would_be_seen(tmp_path, monkeypatch):
    for name, other in (("one", "two"), ("two", "one")):
        (tmp_path / f"{name}.py").write_text(f"def later():\n    from marigold.core.{other} import something\n")
        monkeypatch.setitem(FILES, f"marigold.core.{name}", tmp_path / f"{name}.py")
    graph = {f"marigold.core.{name}": reached(f"marigold.core.{name}") for name in ("one", "two")}
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", [module for module in OWN if HEIGHT.get(layer(module), 0) < LOWEST_THAT_KNOWS])
def test_nothing_below_the_modalities_spells_a_modality_s_name(module):
    words = {node.value for node in ast.walk(tree(module)) if isinstance(node, ast.Constant)}
    assert words & (MODALITIES - ELSEWHERE) == set()
    if module not in QUANTITIES:
        assert words & {"depth", "normals"} == set()


@pytest.mark.parametrize("module", sorted(FILES))
def test_nothing_imports_torchvision(module):
    assert not any(name.split(".")[0] == "torchvision" for name in imported(module))


@pytest.mark.parametrize("module", OWN)
def test_the_scenes_are_a_stranger_s_plugin(module):
    assert not any(name.split(".")[0] == "marigold_scenes" for name in imported(module))
