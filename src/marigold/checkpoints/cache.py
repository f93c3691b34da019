"""What the hub's local cache holds: which checkpoints open from it without a network, and what the others lack."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from marigold.checkpoints import layout
from marigold.checkpoints.headers import read_header
from marigold.checkpoints.layout import INDEX, PROMPT_FILE, REFINER, SCHEDULER, STEMS
from marigold.core.errors import CheckpointError
from marigold.core.reading import read_bytes

_COMMIT = r"\w[\w.-]*"


@dataclass(frozen=True)
class Cached:
    """A checkpoint in the hub's local cache."""

    name: str
    folder: Path
    bytes: int


def cached() -> Iterator[Cached]:
    """The checkpoints that open from the hub's local cache, each by its id alone."""
    for repository in sorted(_cache().glob("models--*--*")):
        name = repository.name.removeprefix("models--").replace("--", "/", 1)
        if folder := held(name):
            yield Cached(name, folder, _size(repository))


def held(name: str) -> Path | None:
    """The folder of a hub id in the local cache if it opens without a network.

    With a revision that one alone; without one that of the branch `main` or, where that is not there as a whole, the
    one that was fetched last.
    """
    return next((folder for folder in _snapshots(name) if not _lacking(folder)), None)


def held_autoencoder(name: str) -> Path | None:
    """The folder of an autoencoder by its hub id in the local cache, if its configuration and weights are there."""
    for folder in _snapshots(name):
        weights = layout.weight_files([file.name for file in _files(folder)], STEMS["vae"])
        if weights and all(_whole(folder / file) for file in ("config.json", *weights)):
            return folder
    return None


def absence(name: str) -> str:
    """What the local cache has of a checkpoint that does not open from it."""
    folder = next(iter(_snapshots(name)), None)
    if folder is None:
        return "not in this machine's cache"
    return f"only in part in this machine's cache, without {', '.join(_lacking(folder))}"


def _snapshots(name: str) -> list[Path]:
    """The folders that may hold a hub id in the local cache, the best first."""
    hub_id, _, revision = name.partition("@")
    repository = _cache() / f"models--{hub_id.replace('/', '--')}"
    reference = repository / "refs" / (revision or "main")
    every = [] if revision else sorted(repository.glob("snapshots/*"), key=_fetched, reverse=True)
    commit = _commit(reference) or revision
    named = repository / "snapshots" / commit
    return [named, *every] if re.fullmatch(_COMMIT, commit) and named.is_dir() else every


def _commit(reference: Path) -> str:
    """The commit that a branch or tag stands for; empty where the cache does not say."""
    try:
        return read_bytes(reference, CheckpointError, "fetch the checkpoint again", most=1000).decode().strip()
    except (CheckpointError, UnicodeDecodeError):
        return ""


def _fetched(snapshot: Path) -> float:
    """When a snapshot came, in seconds; 0 for a link that leads nowhere."""
    try:
        return snapshot.stat().st_mtime
    except OSError:
        return 0.0


def _lacking(folder: Path) -> list[str]:
    """What opening the folder would miss: files that are not there or cannot be read."""
    names = {file.relative_to(folder).as_posix() for file in _files(folder)}
    parts = [part for part in STEMS if part != "text_encoder" or PROMPT_FILE not in names]
    prompt = ["tokenizer/vocab.json", "tokenizer/merges.txt"] if "text_encoder" in parts else [PROMPT_FILE]
    if "text_encoder" in parts and "tokenizer/tokenizer.json" in names:
        prompt = ["tokenizer/tokenizer.json"]
    wanted = [INDEX, SCHEDULER, *(f"{part}/config.json" for part in parts), *prompt]
    lacking = [name for name in wanted if name not in names or not _whole(folder / name)]
    refiner = [REFINER] if f"{REFINER}/config.json" in names else []
    for part in (*parts, *refiner):
        forms = layout.weight_forms(layout.within(part, names), STEMS.get(part, STEMS["unet"]))
        if not any(all(_whole(folder / part / file) for file in form) for form in forms):
            lacking.append(f"the weights in {part}/")
    return lacking


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())


def _whole(file: Path) -> bool:
    """Whether a file can be read: JSON, weights as long as their header says, an index of shards that are there."""
    try:
        layout.check_content(file)
        if ".safetensors.index" in file.name:
            return all(map(_whole, layout.shards(file)))
        if file.suffix == ".json":
            layout.read_json(file)
        if file.suffix == ".safetensors":
            read_header(file)
    except (OSError, CheckpointError):
        return False
    return True


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _size(repository: Path) -> int:
    """Bytes of all revisions; files of several are links to one."""
    files = [*_files(repository / "blobs"), *_files(repository / "snapshots")]
    return sum(file.stat().st_size for file in files if not file.is_symlink())
