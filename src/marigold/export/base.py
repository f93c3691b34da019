"""The contract of a file format: what it can hold, which options it has, and how one photo's maps become its files."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from marigold.core.console import printable
from marigold.core.errors import ConfigError
from marigold.core.fields import Space
from marigold.core.find import implementation, name_of, names
from marigold.core.view import View
from marigold.export._options import NO_OPTIONS, USUAL, Options
from marigold.modalities.base import Modality

CONVENTIONS: dict[Space, str] = {
    "metric": "planar depth, 0 near to 1 far, right up to the scale and shift of the scene",
    "direction": "unit normals in camera axes: x right, y up, z towards the viewer",
    "srgb": "sRGB values, 0 to 1 (IEC 61966-2-1)",
    "linear": "linear values",
}
"""What the numbers of a map mean, in the words that go into files."""
Reach = Literal["affine", "up to scale", "metric"]
DEPTHS: dict[Reach, str] = {
    "affine": CONVENTIONS["metric"],
    "up to scale": "planar depth, 0 at the camera, right up to the scale of the scene",
    "metric": "planar depth in metres, 0 at the camera",
}
"""What the numbers of a depth map mean by how much of the scene they tell."""
SUFFIXES: dict[Reach, str] = {"affine": "", "up to scale": "_scaled", "metric": "_metres"}
"""What the name of a measured depth map ends in."""
_MOST_WORDS = 2000
"""Characters of a fact, which comes from a checkpoint and may say anything."""


@dataclass(frozen=True)
class Maps:
    """What one modality says about one photo."""

    modality: Modality
    values: Mapping[str, np.ndarray]
    """By output of the modality, float32: [H, W], or [H, W, C] for maps with several channels."""
    uncertainty: np.ndarray | None = None
    """How far the ensemble's members disagree, [H, W] in the unit of the maps."""
    bounds: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    """The ends of intervals, by output and `Modality.ends`, float32, shaped like the map or [H, W]."""
    photo: np.ndarray | None = None
    """The photo at the size of the maps, [H, W, 3] uint8 sRGB."""
    measured: Reach | None = None
    """Of depth that has been brought to known distances, how much of the scene it tells; None for what is predicted."""
    view: View | None = None
    """The photo's camera, if anything is known of it."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What else files should say about themselves, such as the checkpoint and its licence: printable, on one line."""

    def __post_init__(self) -> None:
        words = {name: printable(" ".join(said.split()))[:_MOST_WORDS] for name, said in self.facts.items()}
        if self.with_meaning("metric"):
            words = {"Depth": self.reach, **words}
        object.__setattr__(self, "facts", words)

    @property
    def name(self) -> str:
        """The modality's name."""
        return name_of(self.modality)

    @property
    def reach(self) -> Reach:
        """How much of the scene depth tells."""
        if self.measured is not None:
            return self.measured
        return "affine" if self.modality.ambiguity.shift else "up to scale"

    def label(self, output: str) -> str:
        """What file names call a map: its own name, after that of the modality if the two differ.

        So the albedo of `appearance` and that of `lighting` do not overwrite each other.
        """
        name = output if output == self.name else f"{self.name}_{output}"
        depth = self.measured is not None and self.modality.meaning(output) == "metric"
        return f"{name}{SUFFIXES[self.reach]}" if depth else name

    def words(self, space: Space) -> str:
        """What the numbers of a map of this space mean."""
        return CONVENTIONS[space] if space != "metric" else DEPTHS[self.reach]

    def shown(self) -> dict[str, np.ndarray]:
        """The maps as the modality shows them: measured depth as 0 to 1 between its ends."""
        if self.measured is None:
            return dict(self.values)
        depths = self.with_meaning("metric")
        return {name: _between_ends(values) if name in depths else values for name, values in self.values.items()}

    def layers(self) -> "Iterator[Layer]":
        """All maps."""
        for name, values in self.values.items():
            space = self.modality.meaning(name)
            yield Layer(name, self.label(name), values, space, self.words(space))

    def ends(self) -> "Iterator[Layer]":
        """The ends of all intervals."""
        for output, ends in self.bounds.items():
            alike = len(self.modality.ends) > 1
            space = self.modality.meaning(output) if alike else "linear"
            for end, values in ends.items():
                words = self.modality.ends[end] + (f": {self.words(space)}" if alike else "")
                yield Layer(f"{output}_{end}", f"{self.label(output)}_{end}", values, space, words)

    def with_meaning(self, space: Space) -> dict[str, np.ndarray]:
        """The maps whose numbers mean this, by name."""
        return {name: self.values[name] for name in outputs(self.modality, space) if name in self.values}


def _between_ends(depth: np.ndarray) -> np.ndarray:
    near, far = float(depth.min()), float(depth.max())
    return (depth - near) / max(far - near, 1e-12)


@dataclass(frozen=True)
class Layer:
    """A map, or one end of its intervals."""

    name: str
    label: str
    """What file names call it."""
    values: np.ndarray
    """[H, W] or [H, W, C], float32."""
    space: Space
    meaning: str
    """What its numbers mean, in words."""


class Format(ABC):
    """A file format. A concrete one is a frozen dataclass; its fields are options, named as in `Options`."""

    together: ClassVar[bool] = False
    """Whether the maps of all modalities belong into one set of files (`write_set`)."""
    meaning: ClassVar[Space | None] = None
    """What the numbers of the maps mean that the format can hold; None stands for anything."""

    def takes(self, modality: Modality) -> bool:
        """Whether the format can hold anything that this modality gives."""
        return self.meaning is None or bool(outputs(modality, self.meaning))

    @abstractmethod
    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """Writes what the format can hold into an existing folder, and returns the files; names start with `stem`.

        Each file is written whole or not at all. Raises `OutputError`.
        """

    def write_set(self, parts: Sequence[Maps], folder: Path, stem: str) -> list[Path]:
        """Writes several modalities' maps of one photo."""
        return [file for maps in parts for file in self.write(maps, folder, stem)]


def chosen(wanted: str | Sequence[str | Format] = USUAL, options: Options = NO_OPTIONS) -> list[Format]:
    """The formats meant by names (`npy,exr`, or a sequence) or given as objects, each once; those by name with options.

    Raises `UnknownNameError` for a name that is no format and `ConfigError` for what is neither a name nor a format or
    for an option that cannot be used.
    """
    if not isinstance(wanted, Iterable):
        raise ConfigError(_cannot_use(wanted))
    formats: list[Format] = []
    for one in [wanted] if isinstance(wanted, str) else wanted:
        if not isinstance(one, str | Format):
            raise ConfigError(_cannot_use(one))
        named = [one] if isinstance(one, Format) else [_with_options(name, options) for name in _listed(one)]
        formats += [format_ for format_ in named if format_ not in formats]
    return formats


def check(formats: Sequence[Format], modalities: Sequence[Modality]) -> None:
    """Raises `ConfigError` when a format can hold nothing of what these modalities give."""
    for format_ in formats:
        if not any(format_.takes(modality) for modality in modalities):
            given = ", ".join(name_of(modality) for modality in modalities)
            raise ConfigError(f"format: `{name_of(format_)}` holds nothing of {given}; see docs/formats.md")


def check_options(formats: Sequence[Format], options: Options) -> None:
    """Raises `ConfigError` for an option that somebody has set and that none of these formats has."""
    used = {option for format_ in formats for option in _options(type(format_))}
    for option in fields(options):
        if option.name not in used and getattr(options, option.name) != option.default:
            users = [name for name in names(Format) if option.name in _options(implementation(Format, name))]
            asked = ", ".join(name_of(format_) for format_ in formats)
            raise ConfigError(
                f"{option.name}: no format that is asked for ({asked}) has this option; add {' or '.join(users)} to "
                "them or leave the option out"
            )


def outputs(modality: Modality, space: Space) -> list[str]:
    """The outputs of a modality whose numbers mean this."""
    return [name for name in modality.outputs if modality.meaning(name) == space]


def _cannot_use(one: object) -> str:
    return f'formats: {one!r} cannot be used; give a sequence of names and formats, such as ["npy", Ply(fov=60)]'


def _listed(names: str) -> list[str]:
    """`npy, exr` as a list without repetitions."""
    listed = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not listed:
        raise ConfigError(f"format: no format is named; use some of {', '.join(USUAL)} or another of docs/formats.md")
    return listed


def _with_options(name: str, options: Options) -> Format:
    kind = implementation(Format, name)
    return kind(**{option: getattr(options, option) for option in _options(kind)})


def _options(kind: type[Format]) -> list[str]:
    """Those of `Options` that a format has."""
    known = {option.name for option in fields(Options)}
    return [option.name for option in fields(kind) if option.init and option.name in known]  # pyright: ignore[reportArgumentType]
