"""Render synthetic scenes with exact depth, normals and materials into a folder."""

import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from marigold.cli import parsed

if TYPE_CHECKING:
    from marigold_scenes.procedural import Procedural

_SMALLEST = 8
"""Pixels along a side, as a photo must have to be read."""
_TOGETHER, _TOGETHER_ON_CPU = 1 << 22, 1 << 20
"""Pixels of the scenes that are rendered together, in 4 GB and 1 GB; a processor gains nothing from more."""


@dataclass(frozen=True)
class Options:
    """What `marigold synth` renders, and where to."""

    output: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """The folder of the data set; complete scenes are kept, so the same command goes on after an interruption."""
    count: int = 100
    """How many scenes the split has in the end."""
    size: int = 256
    """Height in pixels, and width where --width is left out."""
    width: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Width in pixels, for pictures that are not square."""
    seed: int = 0
    """Scene n of a seed is the same scene on every machine."""
    families: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...", help_behavior_hint="")] = ()
    """The kinds of scene, such as room or street; all when left out."""
    split: Literal["train", "test"] = "train"
    """train, or test for the scenes that no training recipe of this project sees."""
    batch: int = 4
    """Scenes rendered together, at most; large ones are rendered in smaller batches."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""


def parse(arguments: list[str]) -> Options:
    """The command line as options."""
    return parsed(Options, "synth", arguments)


def run(options: Options) -> int:
    """Renders the scenes that are missing and prints where the data set is."""
    from marigold.core.console import printable
    from marigold.core.files import delete_leftovers, make_folder
    from marigold.core.locks import locked
    from marigold.datasets.folder import has_sample

    source = _source(options)
    keys = _keys(options, source)
    output, split = make_folder(options.output), options.output / options.split
    with locked(output / ".dataset.lock", f"{output}: is being labelled", wait=10):
        delete_leftovers(output)
        _label(options, source)
    with locked(output / f".{options.split}.lock", f"{split}: is being rendered"):
        _delete_leftovers(make_folder(split))
        missing = {name: key for name, key in keys if not has_sample(output, name)}
        _render(options, source, missing)
    scenes = "1 scene" if options.count == 1 else f"{options.count} scenes"
    print(f"{scenes}, {len(missing)} rendered now", file=sys.stderr)
    print(printable(split))
    return 0


def _source(options: Options) -> "Procedural":
    """The data set that the options ask for; raises `ConfigError` for options that cannot work."""
    from marigold.core.device import require_room, resolve_device
    from marigold.core.errors import ConfigError
    from marigold.datasets.folder import MOST_PIXELS, MOST_SAMPLES
    from marigold_scenes import procedural
    from marigold_scenes.families import FAMILIES

    width = options.size if options.width is None else options.width
    _check("--count", options.count, 1, MOST_SAMPLES)
    _check("--size", options.size, _SMALLEST)
    _check("--width", width, _SMALLEST)
    _check("--batch", options.batch, 1)
    _check("--seed", options.seed, 0, procedural.MOST_SEED)
    sides = f"--size {options.size}" + (f" --width {width}" if options.width is not None else "")
    if options.size * width > MOST_PIXELS:
        raise ConfigError(f"{sides}: more than {MOST_PIXELS} pixels, such as 4096 x 4096; ask for smaller scenes")
    needed = options.size * width * procedural.BYTES_PER_PIXEL
    require_room(needed, str(resolve_device(options.device)), sides, "ask for smaller scenes")
    return procedural.Procedural(options.size, width, options.families or FAMILIES, options.seed)


def _check(option: str, value: int, least: int, most: int | None = None) -> None:
    from marigold.core.errors import ConfigError

    if value < least or (most is not None and value > most):
        limit = "" if most is None else f" and at most {most}"
        raise ConfigError(f"{option} {value}: must be at least {least}{limit}")


def _keys(options: Options, source: "Procedural") -> Iterator[tuple[str, str]]:
    """The names of the scenes in the folder, with the keys that the renderer knows them by."""
    from marigold.core.errors import ConfigError

    available = source.scan(Path(), options.split)
    if options.count > len(available):
        raise ConfigError(
            f"--count {options.count}: the split `{options.split}` has {len(available)} scenes; ask for fewer"
        )
    return ((f"{options.split}/{index:06d}", available[index]) for index in range(options.count))


def _label(options: Options, source: "Procedural") -> None:
    """Writes the data set's index, or makes sure that the one that is there tells of the same scenes."""
    from marigold.core.console import printable
    from marigold.core.errors import ConfigError
    from marigold.datasets.folder import read_index, write_index

    made: dict[str, Any] = {"seed": options.seed, "size": options.size, "families": _sorted(source.families)}
    if source.width != source.height:
        made["width"] = source.width
    index = read_index(options.output)
    if index is None:
        write_index(options.output, source.card, made)
    elif _ordered(index.get("made")) != made:
        other = printable(str(index.get("made"))[:200])
        raise ConfigError(f"{options.output}: holds scenes of {other}, not {made}; choose another folder")


def _ordered(made: object) -> object:
    """How an index says that its scenes were made, with the families in the order that `_sorted` gives them."""
    named = made.get("families") if isinstance(made, dict) else None
    if not isinstance(made, dict) or not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        return made
    return {**made, "families": _sorted(named)}


def _sorted(families: Iterable[str]) -> list[str]:
    """The families in the order of the renderer, whatever order they are named in: the scenes are the same."""
    from marigold_scenes.families import FAMILIES

    return sorted(families, key=lambda name: (*FAMILIES, name).index(name))


def _delete_leftovers(split: Path) -> None:
    """Deletes what killed processes left half written: also of versions that gave it no name of its own."""
    from marigold.core.files import delete_leftovers

    delete_leftovers(split)
    for part in list(split.glob(".??????.part")):
        if re.fullmatch(r"\.\d{6}\.part", part.name) and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)


def _render(options: Options, source: "Procedural", missing: dict[str, str]) -> None:
    """Renders and writes scenes, a batch at a time."""
    from tqdm import tqdm

    from marigold.core.device import memory_is_full, resolve_device
    from marigold.core.errors import ConfigError
    from marigold.core.sample import unstack
    from marigold.datasets.folder import write_sample

    device, names = str(resolve_device(options.device)), list(missing)
    batch = _batch(options, source, device)
    with tqdm(
        total=options.count, initial=options.count - len(names), desc="scenes", unit="scene", disable=None
    ) as bar:
        for first in range(0, len(names), batch):
            chosen = names[first : first + batch]
            try:
                rendered = source.read_many(Path(), [missing[name] for name in chosen], device).to("cpu")
            except Exception as error:
                if not memory_is_full(error):
                    raise
                words = "the memory is full; choose a smaller one, or a smaller --size"
                raise ConfigError(f"--batch {len(chosen)}: {words}") from error
            for sample in unstack(rendered, chosen):
                write_sample(options.output, sample)
                bar.update()


def _batch(options: Options, source: "Procedural", device: str) -> int:
    """As many scenes together as are asked for, or as the memory for one batch holds."""
    together = _TOGETHER_ON_CPU if device == "cpu" else _TOGETHER
    return max(1, min(options.batch, together // (source.height * source.width)))
