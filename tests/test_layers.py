"""The architecture: a package imports only from the lines below its own."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "marigold"
LAYERS = """
cli
train
evaluate serve
predict
objectives accel
checkpoint data export
estimator
backbones modalities datasets
diffusion measure synth
core
"""
HEIGHT = {package: -line for line, packages in enumerate(LAYERS.split("\n")) for package in packages.split()}
FILES = {str(file.relative_to(SOURCE)): file for file in sorted(SOURCE.rglob("*.py")) if file.parent != SOURCE}
FILES |= {name: SOURCE / name for name in ("estimator.py", "checkpoint.py")}


def package_of(module):
    """`marigold.core.images` belongs to `core`."""
    return module.split(".")[1] if module.startswith("marigold.") else None


def imported(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("name", FILES)
def test_a_package_imports_only_from_the_lines_below_its_own(name):
    own = Path(name).parts[0].removesuffix(".py")
    others = {package_of(module) for module in imported(FILES[name])} & HEIGHT.keys() - {own}
    assert own in HEIGHT
    assert {package for package in others if HEIGHT[package] >= HEIGHT[own]} == set()


@pytest.mark.parametrize("name", FILES)
def test_nothing_imports_torchvision(name):
    assert not any(module.split(".")[0] == "torchvision" for module in imported(FILES[name]))
