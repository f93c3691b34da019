"""The files of a checkpoint's folder: their names, how they are read, and what is said of one that cannot be used."""

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from marigold.core import documents
from marigold.core.errors import CheckpointError
from marigold.core.files import reason
from marigold.core.reading import open_file

INDEX = "model_index.json"
"""The file of diffusers that lists the parts."""
SCHEDULER = "scheduler/scheduler_config.json"
PROMPT_FILE = "empty_prompt.safetensors"
ADAPTER = "adapter_config.json"
"""The file of peft that says what kind of adapter lies beside it."""
ADAPTER_WEIGHTS = "adapter_model.safetensors"
DECODER = "decoder"
"""The part of a checkpoint that is its own small decoder, which diffusers does not know."""
REFINER = "boosting_unet"
"""The part of a published checkpoint that is its refiner's network, which diffusers does not know either."""
DECODER_FILES = ("config.json", "diffusion_pytorch_model.safetensors")
STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
"""How the files of weights are called in each part's folder."""

VARIANTS = ("", ".fp16", ".bf16")
"""What may stand in the name of a weights file, the most exact first."""
_HALF = {torch.bfloat16: (".bf16", ".fp16", ""), torch.float16: (".fp16", "", ".bf16")}
"""For networks in half precision what is read first: what is stored in it; bfloat16 is coarser than float16."""

_POINTERS = (
    b"version https://git-lfs.github.com/",
    b"version https://hawser.github.com/",
    b"version http://git-media.io/",
)
_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")
_SHARD = re.compile(r"[\w-][\w.-]{0,190}\.safetensors")
_OWN = re.compile(
    r"(?:model_index|card|adapter_config)\.json|(?:empty_prompt|adapter_model)\.safetensors|scheduler/scheduler_config\.json|(?:unet|boosting_unet|vae|text_encoder)/"
    r"(?:config\.json|(?:diffusion_pytorch_)?model[\w.-]*\.(?:safetensors|json))|tokenizer/(?:merges\.txt|"
    r"(?:vocab|added_tokens|special_tokens_map|tokenizer|tokenizer_config)\.json)"
)
"""The files that checkpoints of Stable Diffusion's parts have, in any form."""
_IN_CACHE = re.compile(r"models--([^/]+)/snapshots/([^/]+)(?:/(.+))?$")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a checkpoint; raises `CheckpointError`."""
    check_content(path)
    value = documents.read_json(path, CheckpointError, fetch_again(path))
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: not a JSON object; {fetch_again(path)}")
    return value


def weight_files(names: Collection[str], stem: str, dtype: torch.dtype | None = None) -> list[str]:
    """The safetensors files of a network among the names in its folder: one file, or an index and its shards.

    Empty when there are none. A variant such as fp16 only where there is no other, or where the network is to compute
    in half precision, as `dtype` says.
    """
    return next(iter(weight_forms(names, stem, dtype)), [])


def weight_forms(names: Collection[str], stem: str, dtype: torch.dtype | None = None) -> list[list[str]]:
    """Every form in which a network's weights lie among the names, the one to be read before the others first."""
    forms = []
    for variant in _HALF.get(dtype, VARIANTS) if dtype else VARIANTS:
        if (single := f"{stem}{variant}.safetensors") in names:
            forms.append([single])
        elif (index := f"{stem}.safetensors.index{variant}.json") in names:
            forms.append([index, *_shards(names, stem, variant)])
    return forms


def is_variant(file: str) -> bool:
    """Whether the name of a weights file, or of the index of its shards, is that of a variant in half precision."""
    return any(f"{variant}." in file or f"{variant}-" in file for variant in VARIANTS if variant)


def shards(index: Path) -> list[Path]:
    """The files that an index of shards lists, in order; raises `CheckpointError` where one of them is not there."""
    listed = read_json(index).get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(name, str) for name in listed.values()) or not listed:
        raise CheckpointError(f"{index}: `weight_map` names no files; {fetch_again(index)}")
    names = sorted(set(listed.values()))
    if wrong := [name for name in names if not _SHARD.fullmatch(name)]:
        raise CheckpointError(
            f"{index}: lists `{wrong[0][:100]}`, which is no safetensors file beside it; {fetch_again(index)}"
        )
    files = [index.with_name(name) for name in names]
    for file in files:
        if not file.exists():
            raise CheckpointError(f"{index}: lists {file.name}, which is not there; {fetch_again(file)}")
    return files


def foreign_files(folder: Path, instead: Path) -> list[str]:
    """The files below a folder that no checkpoint has and that are not in the one that is to stand `instead` of it."""
    found = sorted(_files(folder) - _files(instead))
    return [file for file in found if not _OWN.fullmatch(file)]


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, and no whole checkpoint."""
    return os.path.isfile(folder / ADAPTER) and not os.path.isfile(folder / INDEX)


def is_decoder(folder: Path) -> bool:
    """Whether a folder holds a small decoder with a card, as a training run writes one, and no whole checkpoint."""
    own = all(os.path.isfile(folder / name) for name in (*DECODER_FILES, "card.json"))
    return own and not os.path.isfile(folder / INDEX)


def within(folder: str, names: Collection[str]) -> list[str]:
    """The names that lie in the folder, without it."""
    return [name.removeprefix(f"{folder}/") for name in names if name.startswith(f"{folder}/")]


def check_content(file: Path) -> None:
    """Raises `CheckpointError` for a file that is not there, is empty, or holds something that stands for it."""
    head = _head(file)
    if head.startswith(_POINTERS):
        raise CheckpointError(
            f"{file}: a Git LFS pointer, not the file that it stands for; install Git LFS and run `git lfs pull` in "
            "the folder that was cloned"
        )
    if not head:
        raise CheckpointError(f"{file}: cannot be read (it is empty); {fetch_again(file)}")
    if head.lstrip().lower().startswith(_PAGES):
        raise CheckpointError(f"{file}: a web page, not the file that it is called after; {fetch_again(file)}")


def is_pointer(file: Path) -> bool:
    """The file only names a file in Git LFS; raises `CheckpointError` for what is no file."""
    return _head(file).startswith(_POINTERS)


def snapshot(path: Path) -> tuple[str, str] | None:
    """The hub id and the commit of a folder in the hub's cache, `models--organisation--name/snapshots/COMMIT`."""
    found = _IN_CACHE.search(path.absolute().as_posix())
    return (found[1].replace("--", "/", 1), found[2]) if found and not found[3] else None


def fetch_again(path: Path) -> str:
    """What helps where a file or folder is damaged; the hub's client never replaces what its cache holds by itself."""
    found = _IN_CACHE.search(path.absolute().as_posix())
    if not found:
        return "fetch the checkpoint again"
    hub_id, file = found[1].replace("--", "/", 1), f" {found[3]}" if found[3] else ""
    return f"run `hf download {hub_id}{file} --revision {found[2]} --force-download`"


def _files(folder: Path) -> set[str]:
    return {
        (Path(place) / name).relative_to(folder).as_posix() for place, _, names in os.walk(folder) for name in names
    }


def _head(file: Path) -> bytes:
    with open_file(file, CheckpointError, fetch_again(file)) as stream:
        try:
            return stream.read(200)
        except OSError as error:
            raise CheckpointError(f"{file}: cannot be read ({reason(error)}); {fetch_again(file)}") from error


def _shards(names: Collection[str], stem: str, variant: str) -> list[str]:
    """The shards of a variant, whose name holds it before or after the number."""
    numbered = re.compile(rf"{re.escape(stem)}({re.escape(variant)})?-\d+-of-\d+({re.escape(variant)})?\.safetensors")
    plain = re.compile(rf"{re.escape(stem)}-\d+-of-\d+\.safetensors")
    found = sorted(name for name in names if numbered.fullmatch(name))
    return found if not variant else [name for name in found if not plain.fullmatch(name)]
