"""Every error that a user can cause. Each message says what is wrong, where, and what to do.

MarigoldError
├── UnknownNameError     a modality, backbone, recipe or checkpoint that does not exist
├── ConfigError          a recipe or an option that cannot be used
│   └── DeviceMemoryError    a photo that does not fit into the device's memory with these settings
├── ImageError           a photo or map that cannot be read
├── DataError            a data set sample that breaks its promise
│   └── RefusedSampleError   one that is as it should be, and that the data set's own rules leave out
├── CheckpointError      a checkpoint that cannot be opened, or weights that cannot be used
├── OutputError          a file or folder that cannot be written
├── ProcessError         another process of a run that has ended
└── MissingExtraError    an optional library that is not installed
"""

import re

from marigold.core.console import printable
from marigold.core.distribution import how_to_install


class MarigoldError(Exception):
    """Base of all errors that a user can cause; the command line prints its message on one line and exits with 1.

    A message repeats names and text of files. It is one line that can be printed, whatever they hold: an indented line
    of a longer message follows after a space, and all else that breaks a line or steers a console is an escape.
    """

    def __str__(self) -> str:
        return printable(re.sub(r"\n[ \t]+", " ", super().__str__()))


def reason(error: Exception) -> str:
    """What the system says of an error, as a part of a sentence."""
    return ((error.strerror if isinstance(error, OSError) else None) or str(error)).lower()


class UnknownNameError(MarigoldError):
    """A name that stands for nothing."""


class ConfigError(MarigoldError):
    """A recipe or option that cannot be used; the message holds the key's path."""


class DeviceMemoryError(ConfigError):
    """A photo that does not fit into the device's memory with these settings; smaller ones may."""


class ImageError(MarigoldError):
    """A photo or map that cannot be read; the message holds the file."""


class DataError(MarigoldError):
    """A data set sample that breaks its promise; the message holds the sample's key."""


class RefusedSampleError(DataError):
    """A sample that is as it should be, and that the data set's own rules leave out: nothing is wrong with the data."""


class MissingPredictionError(DataError):
    """A photo to which whoever is evaluated has no answer."""


class CheckpointError(MarigoldError):
    """A checkpoint that cannot be opened or whose weights cannot be used."""


class OutputError(MarigoldError):
    """A file or folder that cannot be written."""


class ProcessError(MarigoldError):
    """Another process of a run has ended; its own message says why."""


class MissingExtraError(MarigoldError):
    """An optional library that is not installed; the message names the extra to install."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {library}, which is not installed; run: {how_to_install(extra)}")
