"""Checkpoints on the hub: only the files that are needed, and what the local cache holds."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marigold.checkpoints.published import INDEX, PUBLISHED
from marigold.core.errors import CheckpointError
from marigold.core.find import unknown

PROMPT_FILE = "empty_prompt.safetensors"
VARIANTS = ("", ".fp16", ".bf16")
"""What may stand in the name of a weights file, the most exact first."""

_STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True)
class Cached:
    """A checkpoint in the hub's local cache."""

    name: str
    folder: Path
    bytes: int


def is_hub_id(name: str) -> bool:
    """The name looks like `organisation/name`."""
    return bool(_HUB_ID.fullmatch(name))


def fetch(hub_id: str, instead: Collection[str]) -> Path:
    """The folder of a checkpoint from the hub, or from its local cache where the hub does not answer.

    Raises `CheckpointError`, which says how to get it and names what may be used `instead`; where the id may as well be
    the path of a folder that is not there, it says that.
    """
    from huggingface_hub import HfApi, snapshot_download

    held = _in_cache(hub_id)
    try:
        repository = HfApi().model_info(hub_id)
        there = {entry.rfilename for entry in repository.siblings or ()}
        if held and held.name == repository.sha and (held / PROMPT_FILE).is_file():
            there.add(PROMPT_FILE)  # computed here before, so that the text encoder is not needed
        _check_weights(hub_id, there)
        wanted = needed(there)
        if held and held.name == repository.sha and all((held / name).is_file() for name in wanted):
            return held
        return Path(snapshot_download(hub_id, allow_patterns=wanted))
    except CheckpointError:
        raise
    except Exception as error:  # no network, no such repository, a gate: every version of the client has its own
        if held:
            return held
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        told = _no_folder(hub_id, reason) if _may_be_a_path(hub_id) else _not_fetched(hub_id, reason, instead)
        raise CheckpointError(told) from error


def needed(there: Collection[str]) -> list[str]:
    """Of all files of a repository, those that opening it reads.

    Configurations; for every network its weights in one form, the most exact that there is; text encoder and tokenizer
    only where the empty prompt is not stored. Pickles never.
    """
    parts = ["unet", "vae"] if PROMPT_FILE in there else ["unet", "vae", "text_encoder"]
    files = {name for name in (INDEX, "card.json", PROMPT_FILE, "scheduler/scheduler_config.json") if name in there}
    for part in parts:
        files |= {name for name in (f"{part}/config.json",) if name in there}
        files |= {f"{part}/{name}" for name in weight_files(_within(part, there), _STEMS[part])}
    if "text_encoder" in parts:
        files |= {f"tokenizer/{name}" for name in _within("tokenizer", there) if name.endswith((".json", ".txt"))}
    return sorted(files)


def weight_files(names: Collection[str], stem: str) -> list[str]:
    """The safetensors files of a network among the names in its folder: one file, or an index and its shards.

    Empty when there are none; a variant such as fp16 only where there is no other.
    """
    for variant in VARIANTS:
        if (single := f"{stem}{variant}.safetensors") in names:
            return [single]
        if (index := f"{stem}.safetensors.index{variant}.json") in names:
            return [index, *_shards(names, stem, variant)]
    return []


def cached() -> Iterator[Cached]:
    """The checkpoints in the hub's local cache that hold an index and a network."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        found = scan_cache_dir(constants.HF_HUB_CACHE)
    except (CacheNotFound, ValueError):
        return
    for repository in sorted(found.repos, key=lambda one: one.repo_id):
        folder = _latest(repository)
        if folder and (folder / INDEX).is_file() and any((folder / "unet").glob("*.safetensors")):
            yield Cached(repository.repo_id, folder, repository.size_on_disk)


def _in_cache(hub_id: str) -> Path | None:
    """The folder of a checkpoint in the local cache, if it holds a network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        index = try_to_load_from_cache(hub_id, INDEX)
    except HFValidationError:
        return None
    folder = Path(index).parent if isinstance(index, str) else None
    return folder if folder and any((folder / "unet").glob("*.safetensors")) else None


def _may_be_a_path(hub_id: str) -> bool:
    """Whether a folder is called like the first part, and no checkpoint is known by the whole."""
    return Path(hub_id).parent.is_dir() and hub_id not in {published.name for published in PUBLISHED}


def _no_folder(path: str, reason: str) -> str:
    """The message for a path whose last part is not there, and which the hub does not have either."""
    parent, _, name = path.partition("/")
    there = sorted(entry.name for entry in Path(parent).iterdir() if entry.is_dir())
    return f"{path}: {unknown(f'folder in `{parent}`', name, there)} (the hub does not give it either: {reason})"


def _not_fetched(hub_id: str, reason: str, instead: Collection[str]) -> str:
    """The message for a checkpoint that the hub does not give."""
    folder = hub_id.split("/")[-1]  # the name may tell how the network is called
    return (
        f"{hub_id}: not in this machine's cache, and it cannot be fetched from the hub ({reason}); run "
        f"`hf download {hub_id} --local-dir {folder}` where there is a network and give that folder, or use a "
        f"checkpoint that is bundled: {', '.join(instead)}"
    )


def _check_weights(hub_id: str, there: Collection[str]) -> None:
    if INDEX not in there:
        raise CheckpointError(f"{hub_id}: holds no {INDEX}; choose a repository in diffusers' layout")
    for part in ("unet", "vae"):
        if not weight_files(_within(part, there), _STEMS[part]):
            raise CheckpointError(
                f"{hub_id}: holds no safetensors of its `{part}`, and a pickle can run code when it is opened; fetch "
                "and convert it, and give the folder"
            )


def _latest(repository: Any) -> Path | None:
    """The snapshot of a repository that was changed last."""
    latest = max(repository.revisions, key=lambda revision: revision.last_modified, default=None)
    return latest.snapshot_path if latest else None


def _within(folder: str, there: Collection[str]) -> list[str]:
    return [name.removeprefix(f"{folder}/") for name in there if name.startswith(f"{folder}/")]


def _shards(names: Collection[str], stem: str, variant: str) -> list[str]:
    """The shards of a variant, whose name holds it before or after the number."""
    numbered = re.compile(rf"{re.escape(stem)}({re.escape(variant)})?-\d+-of-\d+({re.escape(variant)})?\.safetensors")
    plain = re.compile(rf"{re.escape(stem)}-\d+-of-\d+\.safetensors")
    found = sorted(name for name in names if numbered.fullmatch(name))
    return found if not variant else [name for name in found if not plain.fullmatch(name)]
