"""What `engine.py` measures: rows, named ENGINE/TASK or by a name alone, and the photos that they are measured with."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """Photos as (width, height) in pixels, and the working size of the networks."""

    photo: tuple[int, int]
    """Of this size the networks see it."""
    large: tuple[int, int]
    """Brought to the working size and its map back."""
    folder: tuple[int, int]
    resolution: int
    stride: int
    """Pixels of a side of a latent cell."""
    products: int
    """Rows and columns of the matrices whose product is the limit."""


CASES = {
    "full": Case((768, 576), (4000, 3000), (1600, 1200), 768, 8, 8192),
    "tiny": Case((64, 48), (400, 300), (160, 120), 64, 2, 256),
}

PEER = "diffusers"
ENGINES = {
    "ours-fp32": "ours, fp32, not compiled",
    "ours-off": "ours, not compiled",
    "ours-auto": "ours, compiled when it repays",
    "ours-on": "ours, compiled",
    "ours-fp16": "ours, fp16, not compiled",
    "ours-4gb": "ours, within 4 GiB",
    "ours-decoder": "ours, compiled, small decoder",
    "ours-tiny": "ours, compiled, tiny autoencoder",
    PEER: "diffusers",
    "diffusers-compiled": "diffusers, compiled",
    "diffusers-tiny": "diffusers, tiny autoencoder",
}
"""Engines and what a table calls them. Without another precision it is ours in bf16, diffusers in fp16 on a GPU."""


@dataclass(frozen=True)
class Task:
    """What an engine is asked for, and how many times it runs each network for one photo."""

    title: str
    denoised: int = 1
    decoded: int = 1
    """0: the arithmetic is not counted."""


TASKS = {
    "photo": Task("one photo"),
    "square": Task("one photo of 768 x 768", 0, 0),
    "warming": Task("one photo again and again"),
    "batch-8": Task("8 photos at once, each"),
    "batch-16": Task("16 photos at once, each"),
    "members": Task("10 members, 4 steps", 40, 10),
    "large": Task("a large photo"),
    "folder": Task("photos from a folder, npy"),
    "stages-1": Task("networks alone, 1 photo"),
    "stages-16": Task("networks alone, 16 photos, each"),
    "reference": Task("map that others are compared with", 0, 0),
    "agreement": Task("map beside the one in fp32", 0, 0),
    "mates": Task("map with other photos in the batch", 0, 0),
}
MEMBERS, STEPS = 10, 4

ALONE = {
    "limit": "the limit: a product of matrices",
    "arithmetic": "the arithmetic of a photo",
    "arithmetic-decoder": "the arithmetic of the small decoder",
    "shell-auto": "first map from the shell",
    "shell-off": "first map from the shell, not compiled",
    "shell-on": "first map from the shell, compiled",
    "start": "a second start, by what it does",
    "folder-npy": "a folder, npy",
    "folder-png16": "a folder, npy and 16-bit PNG",
}
"""Rows without an engine, and their titles."""

REFERENCE = "ours-fp32/reference"

CUDA = (
    *("limit", "arithmetic", "ours-fp32/reference"),
    *("ours-on/photo", "ours-on/agreement", "ours-on/batch-8", "ours-on/stages-1", "ours-on/large", "ours-on/members"),
    *("diffusers/photo", "diffusers/agreement", "diffusers/batch-8", "diffusers/large", "diffusers/members"),
    *("diffusers/folder", "ours-off/photo", "ours-off/agreement", "ours-off/batch-8", "ours-off/stages-16"),
    *("ours-off/large", "ours-off/members", "ours-off/mates", "folder-npy", "folder-png16", "shell-auto"),
    *("ours-4gb/photo", "ours-4gb/square", "ours-decoder/photo", "arithmetic-decoder", "ours-tiny/photo"),
    *(
        "diffusers-tiny/photo",
        "shell-on",
        "shell-off",
        "start",
        "ours-auto/warming",
        "ours-fp16/photo",
        "ours-fp16/agreement",
    ),
    *("ours-on/batch-16", "ours-on/stages-16", "ours-on/mates", "diffusers-compiled/photo"),
)
"""Rows on a GPU, the most important ones first; those of one engine that follow each other share a process."""
CPU = ("limit", "arithmetic", *("ours-auto/photo", "diffusers/photo") * 2, REFERENCE, "ours-auto/agreement")
"""Rows on a CPU, ours and the peer's in turn."""

TOLERANCE = {"mean": 0.005, "max": 0.08}
"""How far the map of a plan may be from the one of eager fp32, as a share of that map's range.

Twice what bf16 changes in a map of 576 x 768 pixels by random weights, on a CPU, in ours and in diffusers.
"""

ALIKE = {"max": 0.0}
"""How far a map may be from the one with other photos in the batch."""


def chosen(text: str, device: str) -> list[str]:
    """The rows of a comma-separated list, where an engine's name stands for all of its rows; all when it is empty."""
    default = list(CUDA if device == "cuda" else CPU)
    names = [name for name in text.split(",") if name]
    known = {*ALONE, *(f"{engine}/{task}" for engine in ENGINES for task in TASKS)}
    found: list[str] = []
    for name in names:
        found += [row for row in CUDA if row.startswith(f"{name}/")] if name in ENGINES else [name]
    if unknown := set(found) - known:
        raise SystemExit(f"no row is called {', '.join(sorted(unknown))}; there are: {', '.join(sorted(known))}")
    compared = any(row.endswith("/agreement") for row in found) and REFERENCE not in found
    return [REFERENCE] * compared + found or default


def processes(rows: Iterable[str], device: str) -> list[list[str]]:
    """Rows by the process that measures them: on a CPU each has its own, as the memory is that of the process."""
    if device == "cpu":
        return [[row] for row in rows]
    return [list(group) for _, group in itertools.groupby(rows, key=lambda row: row.partition("/")[0])]


def title(row: str) -> str:
    """What a table calls a row."""
    engine, _, task = row.partition("/")
    return f"{ENGINES[engine]}: {TASKS[task].title}" if task else ALONE[row]
