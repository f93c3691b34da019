"""What one prediction is asked for; the command line and every other front end are made of it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, get_args

from marigold.checkpoints.calibration import FEWEST
from marigold.checkpoints.convention import TTA, Sizing, Spacing
from marigold.core import limits
from marigold.core.choices import Compile, Offload, Reduction, Resampling
from marigold.core.errors import ConfigError
from marigold.core.find import unknown
from marigold.core.limits import SETTINGS
from marigold.core.plain import shown, word

if TYPE_CHECKING:
    from marigold.checkpoints.card import Card

Compat = Literal["none", "diffusers", "published"]
"""Whose sizes, resizing, rounding and merging a prediction follows; `none` is our own."""

FALLBACK: dict[str, Any] = {"steps": 4, "ensemble": 1, "resolution": 768, "sizing": "longest", "tta": "none"}
"""Settings where neither the request nor the checkpoint's card says one: their one home."""

REFINING: dict[str, Any] = {"tile": 768, "refiner_steps": 10, "refiner_ensemble": 1}
"""Settings of a refiner where neither the request nor its card says one: their one home."""
UPSCALE = 2.0
"""How many times as large as the global pass a refined map is, unless the photo is smaller."""
_OF_THE_CARD = {"tile": "resolution", "refiner_steps": "steps", "refiner_ensemble": "ensemble"}
"""The defaults of a refiner's card by the settings that they are of."""

HARDWARE = ("device", "precision", "compile", "offload")
"""What a request says of the machine."""


@dataclass(frozen=True)
class Refinement:
    """How a map is refined at high resolution; `Request.settings` resolves it."""

    upscale: float | None
    """The size of the refined map as a multiple of the global pass's; None: as `UPSCALE` says, and no larger than the
    photo."""
    tile: int
    """The side in pixels of the tiles that the refiner sees."""
    steps: int
    ensemble: int
    refiner: str
    """The refiner's name and revision."""


@dataclass(frozen=True)
class Settings:
    """What a prediction's values depend on, beside photo and weights; `Request.settings` resolves them."""

    steps: int
    ensemble: int
    resolution: int
    sizing: Sizing
    tta: TTA
    seed: int
    spacing: Spacing
    match_input: bool
    compat: Compat
    reduction: Reduction | None
    """None is the modality's own."""
    resample_input: Resampling
    resample_output: Resampling
    interval: float | None
    """None asks for none."""
    refinement: Refinement | None = None
    """None: the map is that of the global pass."""

    def stated(self) -> dict[str, Any]:
        """The settings by name, without an interval and a refinement where none is asked for."""
        asked = ("interval", "refinement")
        return {name: value for name, value in asdict(self).items() if name not in asked or value is not None}

    def __post_init__(self) -> None:
        for name in SETTINGS:
            check_number(name, getattr(self, name))
        if self.interval is not None and self.ensemble < FEWEST:
            raise ConfigError(
                f"interval: it comes from how far the members of an ensemble disagree, and there are {self.ensemble}; "
                f"give an ensemble of {FEWEST} or more"
            )
        if self.interval is not None and self.refinement is not None:
            raise ConfigError("interval: no checkpoint is calibrated for refined maps; leave --interval or --hr out")
        if self.tta != "none" and self.ensemble < 2:
            raise ConfigError(
                f"tta: {self.tta} lets the members of an ensemble take turns; give an ensemble of 2 or more"
            )


@dataclass(frozen=True)
class Request:
    """Settings of a prediction; `None` stands for what the checkpoint's card recommends."""

    checkpoint: str | None = None
    """A bundled name, a folder or a hub id (organisation/name), several as depth=NAME,normals=NAME; the modality's own
    when left out."""
    autoencoder: str | None = None
    """Takes the place of the checkpoint's own autoencoder: tiny, its small one, which is faster and less exact; a
    folder; or a hub id."""
    steps: int | None = None
    """Denoising steps; more are slower and often a little better."""
    ensemble: int | None = None
    """Predictions from different noise to merge; from 3 on their disagreement is written as uncertainty."""
    resolution: int | None = None
    """The size in pixels that the network works at; 0 works at the photo's own size."""
    sizing: Sizing | None = None
    """What the resolution measures: the longest side, or with area the side of a square of as many pixels, so that wide
    and tall photos are not worked at a sliver."""
    tta: TTA | None = None
    """Test-time augmentation: with flip-scale the members of an ensemble see the photo in turn as it is, flipped and
    scaled."""
    reduction: Reduction | None = None
    """How members are merged: median or mean, closest or mean for normals; by the modality when left out."""
    seed: int = 0
    """Starts the noise: the same seed gives the same result."""
    spacing: Spacing = "auto"
    """Which times are sampled; auto improves on checkpoints that begin after pure noise, published keeps theirs."""
    match_input: bool = True
    """Brings the maps to the photo's size; otherwise they stay at the size that the network worked at."""
    resample_input: Resampling = "bilinear"
    """How the photo is brought to the working size."""
    resample_output: Resampling = "bilinear"
    """How maps are brought to the photo's size."""
    compat: Compat = "none"
    """Treats photos and maps as diffusers or the published code does, to compare with their results."""
    interval: float | None = None
    """The share of pixels, such as 0.9, that the written lower and upper ends are to hold; needs an ensemble of 3 or
    more and a checkpoint that is calibrated."""
    hr: bool = False
    """High resolution: a refiner sharpens the map in overlapping tiles."""
    upscale: float | None = None
    """With hr: how many times as large as the global pass the refined map is; left out, twice, and no larger than the
    photo."""
    tile: int | None = None
    """With hr: the side in pixels of the tiles; by the refiner when left out."""
    refiner: str | None = None
    """With hr: the refiner, a name, a folder or a hub id, several as depth=NAME,normals=NAME; the one that goes with
    the checkpoint when left out."""
    refiner_steps: int | None = None
    """With hr: the refiner's denoising steps; by the refiner when left out."""
    refiner_ensemble: int | None = None
    """With hr: refined maps from different noise to merge; by the refiner when left out."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number type of the networks; auto takes bf16 where it is fast."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one. For `predict` also all: every GPU."""
    compile: Compile = "auto"
    """Whether kernels are compiled for a GPU: on before the first photo, off never, auto once the number of photos
    repays it."""
    offload: Offload = "auto"
    """Whether networks take turns on a GPU and wait in the computer's memory: stage does, auto does where the GPU does
    not hold all of them."""

    def hardware(self) -> dict[str, Any]:
        """What no value depends on beyond rounding, by the names that `load` takes."""
        return {name: getattr(self, name) for name in HARDWARE}

    def __post_init__(self) -> None:
        for name in SETTINGS:
            value = getattr(self, name)
            if value is not None or name == "seed":
                object.__setattr__(self, name, check_number(name, value))
        if self.interval is not None:
            object.__setattr__(self, "interval", _share(self.interval))
        for name in ("match_input", "hr"):
            if not isinstance(value := getattr(self, name), bool):
                raise ConfigError(f"{name}: {value!r} is neither true nor false; choose one")
        self._check_refining()
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            known = isinstance(value, str) and value in choices
            if not known and not (value is None and name in _BY_THE_CARD):
                raise ConfigError(f"{name}: {unknown('choice', word(value), choices)}")
        if self.autoencoder is not None and not (isinstance(self.autoencoder, str) and self.autoencoder.strip()):
            raise ConfigError(f"autoencoder: {shown(self.autoencoder)} names none; give tiny, a folder or a hub id")
        for name, usual in (("tta", "none"), ("sizing", "longest")):
            if self.compat != "none" and getattr(self, name) not in (None, usual):
                raise ConfigError(
                    f"{name}: {getattr(self, name)} is not what compat: {self.compat} does; leave one of them out"
                )

    def _check_refining(self) -> None:
        for name, within in limits.REFINING.items():
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, check_number(name, value, within))
        if self.upscale is not None:
            object.__setattr__(self, "upscale", _factor(self.upscale))
        given = [name for name in ("upscale", "refiner", *limits.REFINING) if getattr(self, name) is not None]
        if given and not self.hr:
            raise ConfigError(f"{given[0]}: counts at high resolution alone; add --hr, or leave it out")
        if self.hr and self.compat != "none":
            raise ConfigError(f"hr: a refined map is not what compat: {self.compat} does; leave one of them out")

    def settings(self, defaults: Mapping[str, Any], refiner: "Card | None" = None) -> Settings:
        """The settings with nothing left open; `defaults` are a checkpoint's, `refiner` is the card of its refiner.

        Without such a card nothing is refined.
        """
        usual = {**FALLBACK, **defaults}
        if self.compat != "none":
            # Other implementations know neither of these; the card's ensemble is meant for its augmentation.
            usual |= {"ensemble": 1} if usual["tta"] != "none" else {}
            usual |= {"tta": "none", "sizing": "longest"}
        names = [field.name for field in fields(Settings) if field.name != "refinement"]
        asked = {name: getattr(self, name) for name in names}
        chosen = {**asked, **{name: usual[name] for name in FALLBACK if asked[name] is None}}
        if self.tta is None and chosen["ensemble"] < 2:
            chosen["tta"] = "none"
        if self.spacing == "auto" and self.compat != "none":
            chosen["spacing"] = "published"
        return Settings(**chosen, refinement=self._refinement(refiner) if self.hr and refiner else None)

    def _refinement(self, refiner: "Card") -> Refinement:
        stated: dict[str, Any] = {name: refiner.defaults.get(key) for name, key in _OF_THE_CARD.items()}
        usual = {name: stated[name] or REFINING[name] for name in REFINING}
        chosen = {name: usual[name] if getattr(self, name) is None else getattr(self, name) for name in REFINING}
        named = f"{refiner.name}@{refiner.revision}" if refiner.revision else refiner.name
        return Refinement(self.upscale, chosen["tile"], chosen["refiner_steps"], chosen["refiner_ensemble"], named)


def _share(value: object) -> float:
    """A share of pixels. Raises `ConfigError` for what is none."""
    with suppress(OverflowError):  # of an integer that no float can be
        if isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < 1:
            return float(value)
    raise ConfigError(f"interval: {shown(value)} is no share of pixels; use a number above 0 and below 1, as 0.9")


def _factor(value: object) -> float:
    """How many times as large. Raises `ConfigError` for what is none."""
    least, most = limits.UPSCALE
    with suppress(OverflowError):
        if isinstance(value, Real) and not isinstance(value, bool) and least <= float(value) <= most:
            return float(value)
    raise ConfigError(f"upscale: {shown(value)} is no factor; use a number from {least:g} to {most:g}, as 2")


def check_number(name: str, value: object, within: tuple[int, int] | None = None) -> int:
    """A whole number; raises `ConfigError` for what is none, or is beyond its range, by default that in `SETTINGS`."""
    least, most = SETTINGS[name] if within is None else within
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ConfigError(f"{name}: {repr(value)[:100]} is not a whole number; use one from {least} to {most}")
    number = int(value)
    if number < least:
        raise ConfigError(f"{name}: {_shown(number)} is too small; use {least} or more")
    if number > most:
        raise ConfigError(f"{name}: {_shown(number)} is too large; use {most} or less")
    return number


def _shown(number: int) -> str:
    """A number as it is written, but for one of hundreds of digits."""
    return str(number) if number.bit_length() < 200 else "a number of so many digits"


_CHOICES: dict[str, tuple[str, ...]] = {
    "sizing": get_args(Sizing),
    "tta": get_args(TTA),
    "reduction": get_args(Reduction),
    "spacing": get_args(Spacing),
    "resample_input": get_args(Resampling),
    "resample_output": get_args(Resampling),
    "compat": get_args(Compat),
}
_BY_THE_CARD = ("sizing", "tta", "reduction")
