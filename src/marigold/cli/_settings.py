"""Settings of a data set on the command line: `--set KEY=VALUE`, where the value is YAML."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from marigold.cli import expanded, one_line
from marigold.core.console import printable

if TYPE_CHECKING:
    from marigold.datasets.base import Dataset


def dataset(name: str, words: Iterable[str]) -> "Dataset":
    """The data set of this name with the settings that the words give it, as a recipe has them.

    Raises `UnknownNameError` for the name and `ConfigError` for settings that it does not have.
    """
    from marigold.core.config import NAME, decode
    from marigold.core.find import implementation
    from marigold.datasets.base import Dataset

    implementation(Dataset, name)
    return decode(Dataset, {NAME: name, **dict(map(_setting, words))}, "--set")


def _setting(word: str) -> tuple[str, Any]:
    """The key and the value, which is YAML; `~/` in front of it is the user's folder."""
    from marigold.core.documents import from_yaml
    from marigold.core.errors import ConfigError

    key, equals, text = word.partition("=")
    if not equals or not key.isidentifier() or key == "name":
        raise ConfigError(f"--set {printable(word)}: no setting; write KEY=VALUE, such as height=192")
    try:
        return key, str(expanded(text)) if text.startswith("~/") else from_yaml(text)
    except ValueError as error:
        raise ConfigError(f"--set {printable(key)}: {one_line(str(error))}; write it as a recipe has it") from error
