"""What safetensors files say of their tensors: read, checked and bounded before any tensor is.

The format (https://github.com/huggingface/safetensors): the header's length in 8 bytes, the header in JSON, the data.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from marigold.checkpoints.layout import check_content, fetch_again
from marigold.checkpoints.outline import reason
from marigold.core.errors import CheckpointError
from marigold.core.reading import open_file

LONGEST = 16 << 20
"""Bytes that a header may have: some 150,000 tensors."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
CONVERT = (
    "this format can run code when it is opened; convert it with "
    "`safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'NAME.safetensors')` and remove it"
)
FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}
"""Number types that weights may have, with the bytes of each."""


@dataclass(frozen=True)
class Header:
    """What is known of one tensor."""

    shape: tuple[int, ...]
    kind: str
    """The number type by its name in the format, such as F32."""
    file: Path

    @property
    def numbers(self) -> int:
        """How many numbers the tensor has."""
        return math.prod(self.shape)


def read_header(file: Path) -> dict[str, Header]:
    """The tensors of one safetensors file by name; raises `CheckpointError` naming the file.

    The file is as long as its header says, and its tensors lie side by side in it.
    """
    from safetensors import safe_open

    if file.suffix in PICKLES:
        raise CheckpointError(f"{file}: a pickle; {CONVERT}")
    check_content(file)
    _check_length(file)
    try:
        with safe_open(file, "numpy") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
            return {name: Header(tuple(one.get_shape()), one.get_dtype(), file) for name, one in slices.items()}
    except Exception as error:  # beside its own `SafetensorError` those of the system and of what it is written in
        raise unreadable(file, error) from error


def unreadable(file: Path, error: Exception) -> CheckpointError:
    """The error for a safetensors file that cannot be read."""
    return CheckpointError(f"{file}: cannot be read ({_cut_short(file) or reason(error)}); {fetch_again(file)}")


def _check_length(file: Path) -> None:
    """Raises `CheckpointError` for a header that is longer than any, or than the file."""
    with open_file(file, CheckpointError, fetch_again(file)) as stream:
        length = int.from_bytes(stream.read(8), "little")
    if LONGEST < length < file.stat().st_size:
        raise CheckpointError(
            f"{file}: cannot be read (its header has {length >> 20} MB, and {LONGEST >> 20} are the most); "
            f"{fetch_again(file)}"
        )


def _cut_short(file: Path) -> str:
    """How much of a file is missing, by its header; empty if that does not say."""
    size = file.stat().st_size
    with open_file(file, CheckpointError, fetch_again(file)) as stream:
        start = 8 + int.from_bytes(stream.read(8), "little")
        header = stream.read(min(start - 8, LONGEST))
    try:
        tensors = json.loads(header)
        whole = start + max(tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__")
        return f"cut short: {size} of {whole} bytes are there" if size < whole else ""
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""
