"""What one prediction is asked for; the command line and every other front end are made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any, Literal, get_args

from marigold.checkpoints.convention import TTA, Spacing
from marigold.core.errors import ConfigError
from marigold.core.find import unknown

Compat = Literal["none", "diffusers", "published"]
"""Whose sizes, resizing, rounding and merging a prediction follows; `none` is our own."""

FALLBACK = {"steps": 4, "ensemble": 1, "resolution": 768, "tta": "none"}
"""Settings where neither the request nor the checkpoint's card says one."""


@dataclass(frozen=True)
class Settings:
    """What a prediction's result depends on, beside the photo and the weights; the fields are those of `Request`."""

    steps: int
    ensemble: int
    resolution: int
    seed: int
    spacing: Spacing = "auto"
    match_input: bool = True
    compat: Compat = "none"
    tta: TTA = "none"

    def __post_init__(self) -> None:
        check_tta(self.tta, self.ensemble)


@dataclass(frozen=True)
class Request:
    """Settings of a prediction; `None` stands for what the checkpoint's card recommends."""

    checkpoint: str | None = None
    """A bundled name, a folder or a hub id (organisation/name), several as depth=NAME,normals=NAME; the modality's own
    when left out."""
    steps: int | None = None
    """Denoising steps; more are slower and often a little better."""
    ensemble: int | None = None
    """Predictions from different noise to merge; from 3 on their disagreement is written as uncertainty."""
    resolution: int | None = None
    """The longest side, in pixels, that the network works at; 0 works at the photo's own size."""
    seed: int = 0
    """Starts the noise: the same seed gives the same result."""
    spacing: Spacing = "auto"
    """Which times are sampled; `auto` improves on checkpoints that begin after pure noise, `published` keeps theirs."""
    match_input: bool = True
    """Brings the maps to the photo's size; otherwise they stay at the size that the network worked at."""
    compat: Compat = "none"
    """Treats photos and maps as diffusers or the published code does, to compare with their results."""
    tta: TTA | None = None
    """What the members of an ensemble see; varied shows them the photo in turn as it is, mirrored and larger."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number type of the networks; auto takes bf16 where it is fast."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("ensemble", 1), ("resolution", 0), ("seed", 0)):
            value = getattr(self, name)
            if value is None and name != "seed":
                continue
            if not isinstance(value, Integral) or isinstance(value, bool):
                raise ConfigError(f"{name}: {value!r} is not a whole number; use one of {least} or more")
            if value < least:
                raise ConfigError(f"{name}: {value} is too small; use {least} or more")
        if not isinstance(self.match_input, bool):
            raise ConfigError(f"match_input: {self.match_input!r} is neither true nor false; choose one")
        for name, kind in (("spacing", Spacing), ("compat", Compat), ("tta", TTA)):
            value = getattr(self, name)
            if value not in get_args(kind) and not (name == "tta" and value is None):
                raise ConfigError(f"{name}: {unknown('choice', str(value), get_args(kind))}")
        if self.tta == "flip-scale" and self.compat != "none":
            raise ConfigError(f"tta: {self.tta} is not what compat: {self.compat} does; leave one of them out")

    def keywords(self) -> dict[str, Any]:
        """What `Predictor.predict` takes of a request, by the names of its arguments."""
        return {field.name: getattr(self, field.name) for field in fields(Settings)}

    def settings(self, defaults: Mapping[str, Any]) -> Settings:
        """The settings with nothing left open; `defaults` are a checkpoint's."""
        usual = {**FALLBACK, **defaults}
        if self.compat != "none" and usual["tta"] != "none":  # an ensemble that no other implementation has
            usual |= {"ensemble": 1, "tta": "none"}
        ensemble = usual["ensemble"] if self.ensemble is None else self.ensemble
        return Settings(
            steps=usual["steps"] if self.steps is None else self.steps,
            ensemble=ensemble,
            resolution=usual["resolution"] if self.resolution is None else self.resolution,
            seed=self.seed,
            match_input=self.match_input,
            compat=self.compat,
            tta=chosen_tta(self.tta, usual["tta"], ensemble),
            spacing="published" if self.spacing == "auto" and self.compat != "none" else self.spacing,
        )


def chosen_tta(asked: TTA | None, recommended: TTA, ensemble: int) -> TTA:
    """What the members see: what is asked for, or else what is recommended, where there are several."""
    return asked or (recommended if ensemble > 1 else "none")


def check_tta(tta: str, ensemble: int) -> None:
    """Raises `ConfigError` where a single member would have to take turns."""
    if tta != "none" and ensemble < 2:
        raise ConfigError(f"tta: {tta} lets the members of an ensemble take turns; give an ensemble of 2 or more")
