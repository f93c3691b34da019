"""Which autoencoder `--autoencoder` means: the small one of a checkpoint, a folder's, or one on the hub."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from marigold.checkpoints.card import FILE, Card
from marigold.checkpoints.hub import fetch_autoencoder, is_hub_id
from marigold.checkpoints.layout import DECODER, INDEX, STEMS, is_adapter, read_json, snapshot, weight_files
from marigold.core.console import printable
from marigold.core.errors import CheckpointError
from marigold.core.plain import word
from marigold.core.reading import open_file

TINY = "tiny"
"""Stands for the small decoder or autoencoder that goes with a checkpoint."""
_KNOWN = {(4, 0.18215): "madebyollin/taesd"}
"""Small autoencoders on the hub by the channels and the scaling factor of the latents: Stable Diffusion 1.x and 2.x."""
_ANY = "image"
"""The modality of decoders that were made for any image."""
_CONFIG = "config.json"
_GIVE = "give the folder of an autoencoder, of a decoder or of a checkpoint, or a hub id"


def find(name: str | Path, parts: Mapping[str, Path], checkpoint: str) -> Path:
    """The folder of an autoencoder or a small decoder by name; `parts` are those of the checkpoint it is for.

    `tiny` is the checkpoint's own small decoder, its part `decoder`, or else the one that is known for its latents.
    Raises `CheckpointError` for a name that stands for none.
    """
    if not isinstance(name, str | os.PathLike) or not str(name):
        raise CheckpointError(f"autoencoder: {word(name)} is no name; give {TINY}, or {_GIVE[5:]}")
    if str(name) == TINY:
        return parts[DECODER] if DECODER in parts else fetch_autoencoder(_known(parts, checkpoint))
    folder = Path(os.path.expanduser(name))
    if os.path.isdir(folder):
        return _within(folder)
    if isinstance(name, str) and "://" not in name and is_hub_id(name):
        return fetch_autoencoder(name)
    raise CheckpointError(f"autoencoder {printable(str(name))}: no such folder; give {TINY}, or {_GIVE[5:]}")


def remark(name: str | Path | None, modality: str) -> str:
    """What to tell of a small decoder in a folder whose card says that it was made for other maps; empty else."""
    folder = None if name is None or str(name) == TINY else Path(os.path.expanduser(name))
    if folder is None or not os.path.isdir(folder) or not os.path.isfile(_within(folder) / FILE):
        return ""
    card = Card.read(_within(folder))
    if card.modality in (modality, _ANY):
        return ""
    made = printable(card.modality)
    return f"the decoder `{printable(card.name)}` was made for {made}; maps of {printable(modality)} may be worse by it"


def label(folder: Path) -> str:
    """What results call an autoencoder: its name, and twelve digits of a hash of its configuration and weights."""
    digest = hashlib.sha256()
    names = [_CONFIG, *weight_files([file.name for file in folder.glob("*")], STEMS["vae"])]
    for name in names:
        with open_file(folder / name, CheckpointError, _GIVE) as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return f"{_name(folder)}@{digest.hexdigest()[:12]}"


def _within(folder: Path) -> Path:
    """The folder itself or, of a checkpoint, its small decoder or its autoencoder."""
    if os.path.isfile(folder / INDEX) or is_adapter(folder):
        inside = [folder / part for part in (DECODER, "vae") if os.path.isfile(folder / part / _CONFIG)]
        if not inside:
            raise CheckpointError(f"{folder}: a checkpoint without an autoencoder of its own; {_GIVE}")
        return inside[0]
    if not os.path.isfile(folder / _CONFIG):
        inside = f"give {folder / 'checkpoint'}" if os.path.isdir(folder / "checkpoint") else _GIVE
        raise CheckpointError(f"{folder}: holds no {_CONFIG}; {inside}")
    return folder


def _known(parts: Mapping[str, Path], checkpoint: str) -> str:
    """The hub id of the small autoencoder for a checkpoint's latents."""
    config = read_json(parts["vae"] / _CONFIG) if "vae" in parts else {}
    channels, scale = config.get("latent_channels", 4), config.get("scaling_factor", 0.18215)
    if found := _KNOWN.get((channels, scale)):
        return found
    raise CheckpointError(
        f"autoencoder {TINY}: `{printable(checkpoint)}` has no small decoder of its own, and none is known for latents "
        f"of {channels} channels with the factor {scale}; distil one (`marigold train tiny-distil-decoder` for a "
        f"bundled checkpoint), or {_GIVE}"
    )


def _name(folder: Path) -> str:
    if os.path.isfile(folder / FILE):
        return Card.read(folder).name
    found = snapshot(folder)
    return found[0] if found else Path(os.path.abspath(folder)).name
