"""Encoded samples on the disk: a frozen autoencoder need not see the same picture twice.

What is kept is found by the content of the sample, by what brought it to size and whether it was mirrored, and by what
encoded it. Files are written whole; when they have taken the space that they may take, no more are written.
"""

import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from marigold.core.errors import OutputError, reason
from marigold.core.files import delete_leftovers, make_folder, whole_file
from marigold.core.sample import Sample
from marigold.data.augment import Augment
from marigold.data.source import Source

WRITERS = 4
"""Threads that write."""


@dataclass(frozen=True)
class LatentFiles:
    """A folder of encoded samples; `encoder` names what encodes them."""

    folder: Path
    encoder: str

    def name(self, source: Source, key: str, identity: str, mirrored: bool) -> str:
        """What the latents of a sample are kept under."""
        content = replace(source, root=Path(), split="", weight=1.0, augment=Augment(), optional=False)
        text = "\0".join((self.encoder, repr(content), str(source.side), key, identity, str(mirrored)))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    @staticmethod
    def content(sample: Sample) -> str:
        """A text that tells a sample from all others with other content."""
        found = hashlib.blake2b(digest_size=16)
        for x in (sample.image, *sample.maps.values(), *sample.valid.values()):
            found.update(x.contiguous().view(-1).view(torch.uint8).numpy().data)
        return found.hexdigest()

    def find(self, name: str) -> dict[str, Tensor] | None:
        """What is kept under a name; None where nothing is, or what is there is damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            return load(self._file(name).read_bytes())
        except (OSError, SafetensorError, ValueError):
            return None

    def keep(self, name: str, latents: dict[str, Tensor]) -> int:
        """Writes what is found under a name from now on, and returns its size in bytes. Raises `OutputError`."""
        from safetensors.torch import save

        content = save({key: x.detach().cpu().contiguous() for key, x in latents.items()})
        file = self._file(name)
        make_folder(file.parent)
        with whole_file(file) as stream:
            stream.write(content)
        return len(content)

    def size(self) -> int:
        """Bytes of all that is kept; what a killed process left half written is deleted. Raises `OutputError`."""
        make_folder(self.folder)
        total = 0
        try:
            for part in os.scandir(self.folder):
                if part.is_dir(follow_symlinks=False) and len(part.name) == 2:
                    delete_leftovers(Path(part.path))
                    total += sum(entry.stat().st_size for entry in os.scandir(part.path))
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be listed ({reason(error)}); choose another folder") from error
        return total

    def _file(self, name: str) -> Path:
        return self.folder / name[:2] / f"{name[2:]}.safetensors"


class LatentStore:
    """A folder of latents, written in the background until they take `most` bytes.

    Raises `OutputError` for a folder that cannot be used; what cannot be written later ends the writing alone.
    """

    def __init__(self, folder: Path, most: float) -> None:
        self._trouble, self._told = "", False
        self._files = LatentFiles(folder, "")
        self._left = most - self._files.size()
        self._writers = ThreadPoolExecutor(WRITERS)
        self._written: deque[Future[int]] = deque()

    def files(self, encoder: str) -> LatentFiles:
        """What one encoder has made, to be found."""
        return LatentFiles(self._files.folder, encoder)

    def keep(self, names: list[str], latents: dict[str, Tensor]) -> None:
        """Keeps latents [n, ...] under these names."""
        self._settle()
        if self._left <= 0 or self._trouble:
            return
        held = {key: x.detach().cpu() for key, x in latents.items()}
        for row, name in enumerate(names):
            if self._left > 0:
                one = {key: x[row] for key, x in held.items()}
                self._left -= sum(x.nbytes for x in one.values())
                self._written.append(self._writers.submit(self._files.keep, name, one))

    def take_trouble(self) -> str:
        """Why no more are written, where that is so and has not been asked for before."""
        fresh = "" if self._told else self._trouble
        self._told |= bool(fresh)
        return fresh

    def close(self) -> None:
        """Waits for what is being written."""
        self._writers.shutdown()
        self._settle()

    def _settle(self) -> None:
        """Looks at what has been written."""
        while self._written and self._written[0].done():
            try:
                self._written.popleft().result()
            except OutputError as error:
                self._trouble = str(error)
