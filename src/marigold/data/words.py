"""Data sets in words: by name, with settings `KEY=VALUE` whose values are YAML."""

import os
from collections.abc import Iterable
from typing import Any

from marigold.core.config import NAME, decode
from marigold.core.console import printable
from marigold.core.documents import from_yaml
from marigold.core.errors import ConfigError
from marigold.core.find import implementation
from marigold.datasets.base import Dataset


def dataset(name: str, settings: Iterable[str]) -> Dataset:
    """A data set by its name, with settings in words. Raises `UnknownNameError` and `ConfigError`."""
    implementation(Dataset, name)
    return decode(Dataset, {NAME: name, **dict(map(setting, settings))}, "--set")


def setting(word: str) -> tuple[str, Any]:
    """Key and value of `KEY=VALUE`; the key may have parts, `~/` in front of the value is the user's folder.

    Raises `ConfigError`.
    """
    key, equals, text = word.partition("=")
    if not equals or not all(part.isidentifier() for part in key.split(".")) or key == NAME:
        raise ConfigError(f"--set {printable(word)}: no setting; write KEY=VALUE, such as height=192")
    try:
        return key, os.path.expanduser(text) if text.startswith("~/") else from_yaml(text)
    except ValueError as error:
        told = printable(" ".join(str(error).split()))
        raise ConfigError(f"--set {printable(key)}: {told}; write it as a recipe has it") from error
