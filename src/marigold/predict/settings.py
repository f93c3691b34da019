"""What one prediction is asked for; the command line and every other front end are made of it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any, Literal, get_args

from marigold.checkpoints.calibration import FEWEST
from marigold.checkpoints.convention import TTA, Sizing, Spacing
from marigold.core.choices import Compile, Offload, Reduction, Resampling
from marigold.core.errors import ConfigError
from marigold.core.find import unknown
from marigold.core.limits import SETTINGS
from marigold.core.plain import shown, word

Compat = Literal["none", "diffusers", "published"]
"""Whose sizes, resizing, rounding and merging a prediction follows; `none` is our own."""

FALLBACK: dict[str, Any] = {"steps": 4, "ensemble": 1, "resolution": 768, "sizing": "longest", "tta": "none"}
"""Settings where neither the request nor the checkpoint's card says one: their one home."""

HARDWARE = ("device", "precision", "compile", "offload")
"""What a request says of the machine."""


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

    def stated(self) -> dict[str, Any]:
        """The settings by name, without an interval where none is asked for."""
        return {name: value for name, value in asdict(self).items() if name != "interval" or value is not None}

    def __post_init__(self) -> None:
        for name in SETTINGS:
            check_number(name, getattr(self, name))
        if self.interval is not None and self.ensemble < FEWEST:
            raise ConfigError(
                f"interval: it comes from how far the members of an ensemble disagree, and there are {self.ensemble}; "
                f"give an ensemble of {FEWEST} or more"
            )
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
        if not isinstance(self.match_input, bool):
            raise ConfigError(f"match_input: {self.match_input!r} is neither true nor false; choose one")
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

    def settings(self, defaults: Mapping[str, Any]) -> Settings:
        """The settings with nothing left open; `defaults` are a checkpoint's."""
        usual = {**FALLBACK, **defaults}
        if self.compat != "none":
            # Other implementations know neither of these; the card's ensemble is meant for its augmentation.
            usual |= {"ensemble": 1} if usual["tta"] != "none" else {}
            usual |= {"tta": "none", "sizing": "longest"}
        asked = {field.name: getattr(self, field.name) for field in fields(Settings)}
        chosen = {**asked, **{name: usual[name] for name in FALLBACK if asked[name] is None}}
        if self.tta is None and chosen["ensemble"] < 2:
            chosen["tta"] = "none"
        if self.spacing == "auto" and self.compat != "none":
            chosen["spacing"] = "published"
        return Settings(**chosen)


def _share(value: object) -> float:
    """A share of pixels. Raises `ConfigError` for what is none."""
    with suppress(OverflowError):  # of an integer that no float can be
        if isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < 1:
            return float(value)
    raise ConfigError(f"interval: {shown(value)} is no share of pixels; use a number above 0 and below 1, as 0.9")


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
