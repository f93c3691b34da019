"""Checkpoints on the hub: only the files that are needed, and why one cannot be had."""

import os
import re
from collections.abc import Collection
from pathlib import Path

import torch

from marigold.checkpoints.cache import absence, held, held_autoencoder
from marigold.checkpoints.layout import (
    DECODER,
    DECODER_FILES,
    INDEX,
    PROMPT_FILE,
    REFINER,
    SCHEDULER,
    STEMS,
    weight_files,
    within,
)
from marigold.core import files
from marigold.core.errors import CheckpointError
from marigold.core.find import unknown

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@(?!.*\.\.)\w[\w./-]*)?")
_TEXT = re.compile(r"\w[\w.-]*\.(json|txt)")
"""Files of a tokenizer; other names could lead elsewhere, or stand for many files where they are asked for."""
_LOG_IN = "log in with `hf auth login` or set HF_TOKEN"


def is_hub_id(name: str) -> bool:
    """The name looks like `organisation/name` or, with a branch, tag or commit, `organisation/name@REVISION`."""
    return bool(_HUB_ID.fullmatch(name))


def fetch(name: str, instead: Collection[str], *, known: bool = False, dtype: torch.dtype | None = None) -> Path:
    """The folder of a checkpoint from the hub, or from its local cache where the hub does not answer.

    For networks in half precision, as `dtype` says, the variant in half precision is fetched where there is one, unless
    the full weights are here already. Raises `CheckpointError`, which says how to get it and names what may be used
    `instead`; where the id may as well be the path of a folder that is not there, unless it is `known` to be a
    checkpoint's, it says that.
    """
    from huggingface_hub import HfApi, snapshot_download

    hub_id, _, revision = name.partition("@")
    here = held(name)
    try:
        repository = HfApi().model_info(hub_id, revision=revision or None)
        there = {entry.rfilename for entry in repository.siblings or ()}
        current = here if here and here.name == repository.sha else None
        if current and (current / PROMPT_FILE).is_file():
            there.add(PROMPT_FILE)  # computed here before, so that the text encoder is not needed
        _check_weights(name, there)
        wanted = needed(there, dtype)
        if current and (_all_in(current, wanted) or _all_in(current, needed(there))):
            return current
        return Path(snapshot_download(hub_id, revision=revision or None, allow_patterns=wanted))
    except CheckpointError:
        raise
    except Exception as error:  # no network, no such repository, a gate: every version of the client has its own
        if here:
            return here
        reason, remedy = _explained(error, hub_id, revision)
        if not known and os.path.isdir(Path(hub_id).parent):
            raise CheckpointError(_no_folder(name, reason)) from error
        raise CheckpointError(
            f"{name}: {absence(name)}, and the hub does not give it: {reason}; {remedy}, or use a checkpoint that is "
            f"bundled: {', '.join(instead)}"
        ) from error


def fetch_autoencoder(name: str) -> Path:
    """The folder of an autoencoder from the hub, its configuration and weights, or from the local cache.

    `name` is `organisation/name` or `organisation/name@REVISION`. Raises `CheckpointError`.
    """
    from huggingface_hub import HfApi, snapshot_download

    hub_id, _, revision = name.partition("@")
    try:
        repository = HfApi().model_info(hub_id, revision=revision or None)
        files = weight_files([entry.rfilename for entry in repository.siblings or ()], STEMS["vae"])
        if not files:
            raise CheckpointError(
                f"autoencoder {name}: holds no safetensors of an autoencoder; choose a repository in diffusers' layout"
            )
        wanted = ["config.json", *files]
        return Path(snapshot_download(hub_id, revision=revision or None, allow_patterns=wanted))
    except CheckpointError:
        raise
    except Exception as error:  # as for checkpoints
        if here := held_autoencoder(name):
            return here
        reason, remedy = _explained(error, hub_id, revision)
        raise CheckpointError(
            f"autoencoder {name}: not in this machine's cache, and the hub does not give it: {reason}; {remedy}, or "
            "leave --autoencoder out"
        ) from error


def needed(there: Collection[str], dtype: torch.dtype | None = None) -> list[str]:
    """Of all files of a repository, those that opening it reads.

    Configurations; for every network its weights in one form, the most exact that there is, or for a `dtype` of half
    precision the variant that is stored in it; text encoder and tokenizer only where the empty prompt is not stored;
    its small decoder and its refiner. Pickles never.
    """
    parts = ["unet", "vae"] if PROMPT_FILE in there else ["unet", "vae", "text_encoder"]
    own = (f"{DECODER}/{name}" for name in DECODER_FILES)
    files = {name for name in (INDEX, "card.json", PROMPT_FILE, SCHEDULER, *own) if name in there}
    for part in (*parts, REFINER):
        files |= {name for name in (f"{part}/config.json",) if name in there}
        files |= {f"{part}/{name}" for name in weight_files(within(part, there), STEMS.get(part, STEMS["unet"]), dtype)}
    if "text_encoder" in parts:
        files |= {f"tokenizer/{name}" for name in within("tokenizer", there) if _TEXT.fullmatch(name)}
    return sorted(files)


def _all_in(folder: Path, names: Collection[str]) -> bool:
    return all((folder / name).is_file() for name in names)


def _explained(error: BaseException, hub_id: str, revision: str) -> tuple[str, str]:
    """Why the hub does not give a checkpoint, and what helps."""
    from huggingface_hub import constants, errors

    error = _telling(error)
    page = f"{constants.ENDPOINT}/{hub_id}"
    which = f"{hub_id} --revision {revision}" if revision else hub_id
    folder = hub_id.split("/")[-1]  # this name may say how the network is called
    elsewhere = f"run `hf download {which} --local-dir {folder}` where there is a network and give that folder"
    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    if isinstance(error, errors.GatedRepoError):
        return "its authors ask for consent first (a gated model)", f"accept the licence on {page} and {_LOG_IN}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"it has no revision `{revision}`", f"choose a branch, tag or commit that {page} lists"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "there is none of that name, or it is private", f"correct the name or, for a private one, {_LOG_IN}"
    if status in (401, 403):
        return f"access is refused ({status})", f"accept the licence on {page} if it asks for that, and {_LOG_IN}"
    if status == 429:
        return "too many requests (429)", f"wait some minutes or {_LOG_IN}"
    if status:
        return f"it answers with an error ({status})", "try again later"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids asking", f"unset HF_HUB_OFFLINE, or {elsewhere}"
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError | TimeoutError):
        where = error.filename or constants.HF_HUB_CACHE
        return f"{where} cannot be written ({files.reason(error)})", "make room there or set HF_HOME to another folder"
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"no connection, or it broke ({reason})", f"try again, which goes on where it stopped, or {elsewhere}"


def _telling(error: BaseException) -> BaseException:
    """Of an error and those that it came from, the one that tells the cause."""
    from huggingface_hub import errors

    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    kinds = (errors.HfHubHTTPError, errors.OfflineModeIsEnabled)
    telling = [one for one in chain if isinstance(one, kinds) and not isinstance(one, errors.EntryNotFoundError)]
    return (telling or chain)[0]


def _no_folder(path: str, reason: str) -> str:
    """The message for a path whose last part is not there, and which the hub does not have either."""
    parent, _, name = path.partition("/")
    try:
        there = sorted(entry.name for entry in os.scandir(parent) if entry.is_dir())
    except OSError:  # it may not be listed
        there = []
    return f"{path}: {unknown(f'folder in `{parent}`', name, there)} (the hub does not give it either: {reason})"


def _check_weights(hub_id: str, there: Collection[str]) -> None:
    if INDEX not in there:
        raise CheckpointError(f"{hub_id}: holds no {INDEX}; choose a repository in diffusers' layout")
    for part in ("unet", "vae"):
        if not weight_files(within(part, there), STEMS[part]):
            raise CheckpointError(
                f"{hub_id}: holds no safetensors of its `{part}`, and a pickle can run code when it is opened; fetch "
                "and convert it, and give the folder"
            )
