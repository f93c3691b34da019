"""Render synthetic scenes with exact depth, normals and materials into a folder."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from marigold.cli import parsed

if TYPE_CHECKING:
    from marigold_scenes.procedural import Procedural


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
    """Scenes rendered together."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""


def parse(arguments: list[str]) -> Options:
    """The command line as options."""
    return parsed(Options, "synth", arguments)


def run(options: Options) -> int:
    """Renders the scenes that are missing and prints where the data set is."""
    from marigold.datasets.folder import has_sample

    source = _source(options)
    keys = _keys(options, source)
    _label(options, source)
    missing = {name: key for name, key in keys.items() if not has_sample(options.output, name)}
    _render(options, source, missing, len(keys))
    scenes = "1 scene" if len(keys) == 1 else f"{len(keys)} scenes"
    print(f"{scenes}, {len(missing)} rendered now", file=sys.stderr)
    print(options.output / options.split)
    return 0


def _source(options: Options) -> "Procedural":
    """The data set that the options ask for; raises `ConfigError` for options that cannot work."""
    from marigold.core.errors import ConfigError
    from marigold_scenes.families import FAMILIES
    from marigold_scenes.procedural import Procedural

    width = options.size if options.width is None else options.width
    numbers = {"--count": options.count, "--size": options.size, "--width": width, "--batch": options.batch}
    for name, value in numbers.items():
        if value < 1:
            raise ConfigError(f"{name} {value}: must be at least 1")
    return Procedural(options.size, width, options.families or FAMILIES, options.seed)


def _keys(options: Options, source: "Procedural") -> dict[str, str]:
    """The names of the scenes in the folder, with the keys that the renderer knows them by."""
    from marigold.core.errors import ConfigError

    available = source.scan(Path(), options.split)
    if options.count > len(available):
        raise ConfigError(
            f"--count {options.count}: the split `{options.split}` has {len(available)} scenes; ask for fewer"
        )
    return {f"{options.split}/{index:06d}": available[index] for index in range(options.count)}


def _label(options: Options, source: "Procedural") -> None:
    """Writes the data set's index, or makes sure that the one that is there tells of the same scenes."""
    from marigold.core.errors import ConfigError
    from marigold.datasets.folder import read_index, write_index

    made: dict[str, Any] = {"seed": options.seed, "size": options.size, "families": list(source.families)}
    if source.width != source.height:
        made["width"] = source.width
    index = read_index(options.output)
    if index is None:
        write_index(options.output, source.card, made)
    elif index.get("made") != made:
        raise ConfigError(f"{options.output}: holds scenes of {index.get('made')}, not {made}; choose another folder")


def _render(options: Options, source: "Procedural", missing: dict[str, str], total: int) -> None:
    """Renders and writes scenes, a batch at a time."""
    from tqdm import tqdm

    from marigold.core.device import resolve_device
    from marigold.core.sample import unstack
    from marigold.datasets.folder import write_sample

    device, names = str(resolve_device(options.device)), list(missing)
    with tqdm(total=total, initial=total - len(names), desc="scenes", unit="scene", disable=None) as bar:
        for first in range(0, len(names), options.batch):
            chosen = names[first : first + options.batch]
            rendered = source.read_many(Path(), [missing[name] for name in chosen], device).to("cpu")
            for sample in unstack(rendered, chosen):
                write_sample(options.output, sample)
                bar.update()
