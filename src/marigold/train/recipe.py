"""Everything that decides what a training run computes, read from YAML; the hash of it goes into the card."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from marigold.accel.training import TrainPlan
from marigold.checkpoints.card import wrong_default
from marigold.core import find
from marigold.core.config import NAME, decode, encode, load_yaml, merge, require, require_within
from marigold.core.errors import ConfigError, UnknownNameError
from marigold.core.files import file_name
from marigold.core.limits import BATCH, LAYERS, PARTS, RATE, SAMPLES, SIDE, STEPS, WEIGHT, WHOLE
from marigold.core.plain import scalar, shown, word
from marigold.data.source import Source
from marigold.diffusion.configuration import check_keys
from marigold.modalities.base import Modality
from marigold.objectives.base import Objective
from marigold.objectives.denoise import Denoise
from marigold.train.lora import Lora
from marigold.train.stored import check_code

MEMBERS = ("objective", "modality")
"""The keys whose `name` chooses a class."""
LEAST_EPS = 1e-30
"""The least `eps` that is not 0 in single precision, and with which no step is infinite."""


@dataclass(frozen=True)
class Optim:
    """An optimizer with warm-up and exponential decay (AdamW in Ke et al. 2025: 100 warm-up steps, decay to 1 %)."""

    name: Literal["adamw", "muon"] = "adamw"
    """`muon` makes the updates of matrices and convolutions orthogonal: more progress in a step (`train/muon.py`)."""
    lr: float = 3e-5
    """Learning rate after warm-up."""
    warmup: int = 100
    """Steps of linear warm-up; the first step runs at rate 0, as published."""
    decay: int = 25_000
    """Step at which the rate has reached `final` times `lr`; constant afterwards."""
    final: float = 0.01
    """The final rate, relative to `lr`."""
    weight_decay: float = 0.0
    """Decoupled weight decay; the published training has none."""
    beta1: float = 0.9
    """Memory of the gradient."""
    beta2: float = 0.999
    """Memory of its square."""
    eps: float = 1e-8
    """Added to the root of the square."""
    clip: float = 1.0
    """Largest gradient norm; 0 turns clipping off."""

    def __post_init__(self) -> None:
        ends: dict[str, tuple[float, float]] = {"lr": (0.0, RATE)}
        ends |= dict.fromkeys(("clip", "weight_decay"), (0.0, WEIGHT))
        ends |= {**dict.fromkeys(("final", "beta1", "beta2"), (0.0, 1.0)), "eps": (LEAST_EPS, 1.0)}
        require_within("recipe.optim.", self, **ends, warmup=(0, STEPS), decay=(1, STEPS))
        require(self.lr > 0, "recipe.optim.lr", self.lr, "above 0")
        require(self.warmup < self.decay, "recipe.optim.warmup", self.warmup, "below `decay`")
        require(self.final > 0, "recipe.optim.final", self.final, "above 0")
        require(self.beta1 < 1, "recipe.optim.beta1", self.beta1, "below 1")
        require(self.beta2 < 1, "recipe.optim.beta2", self.beta2, "below 1")


@dataclass(frozen=True)
class Every:
    """Periods, in steps; 0 means never."""

    log: int = 50
    """A line in the log with the mean loss since the one before."""
    save: int = 500
    """The state that a run resumes from."""
    validate: int = 1000
    """Held-out loss, scores and previews."""
    keep: int = 0
    """Also keep the weights as an openable checkpoint under `steps/`."""
    keep_last: int = 0
    """Of the checkpoints under `steps/` the last so many stay; 0 keeps all."""

    def __post_init__(self) -> None:
        periods = ("log", "save", "validate", "keep")
        require_within("recipe.every.", self, **dict.fromkeys(periods, (0, STEPS)), keep_last=(0, STEPS))


@dataclass(frozen=True)
class PhaseSettings:
    """A part of a run with settings of its own; what it leaves out stays as the recipe says."""

    steps: int
    """Optimizer steps of this part."""
    size: int = 0
    """Height and width that the samples are brought to, in pixels: small ones are cheap, and enough for the layout."""
    batch: int = 0
    """Samples in one forward pass."""
    objective: Objective | None = None
    """What is minimised: an objective that trains the same network."""

    def __post_init__(self) -> None:
        require_within("phase: ", self, steps=(1, STEPS), size=(0, SIDE), batch=(0, BATCH))


@dataclass(frozen=True)
class Recipe:
    """One training run."""

    name: str
    """Name of the run folder and of the checkpoint."""
    modality: Modality
    """What is predicted: a file in `modalities/`, with its settings, which are stored in the checkpoint."""
    data: tuple[Source, ...]
    """Where the truth comes from."""
    start: str = ""
    """Checkpoint whose weights the run starts from: a bundled name, a folder or a hub id; empty means `network`."""
    network: dict[str, Any] = field(default_factory=dict)
    """A network built from scratch, when `start` is empty: `name`, a file in `backbones/` (`stable_diffusion` when left
    out), and what that one asks for, such as `unet`, `vae`, `schedule` and `prompt_dim`."""
    layers: tuple[int, ...] = ()
    """Layers that each of the denoiser's blocks has at least, from the full size of the latents to the smallest; those
    that `start` lacks are added and begin as the identity. Empty: as it is."""
    fresh_denoiser: bool = False
    """Draw the denoiser's weights anew instead of taking those of `start`: the control of `bench/prior.py`."""
    lora: Lora | None = None
    """Low-rank adapters that are trained in place of the denoiser; None trains the denoiser itself, as published."""
    schedule: dict[str, Any] = field(default_factory=dict)
    """Keys of `scheduler_config.json` to override for training and in the result."""
    objective: Objective = Denoise()
    """What is minimised: a file in `objectives/`, with its settings."""
    optim: Optim = Optim()
    every: Every = Every()
    steps: int = 1000
    """Optimizer steps."""
    phases: tuple[PhaseSettings, ...] = ()
    """Parts that follow each other, each for its own steps; what is left of `steps` is as the recipe says, and a run
    that `steps` ends earlier leaves the later ones out."""
    batch: int = 8
    """Samples in one forward pass."""
    accumulate: int = 1
    """Forward passes for one optimizer step."""
    reuse: int = 1
    """How often an encoded sample is used; above 1 the autoencoder encodes a batch before one of so many passes."""
    cache: int = 4096
    """Encoded samples to draw from, when they are reused; reached in the course of the first steps."""
    average: float = 0.999
    """Decay of the running average of the weights, which is what is validated and saved; 0 turns it off."""
    seed: int = 0
    """Every random draw of the run is a function of it and the step."""
    nonfinite: int = 10
    """So many steps in a row without a finite loss end the run; fewer are left out."""
    plan: TrainPlan = TrainPlan()
    validation: tuple[Source, ...] = ()
    """Held-out sources; empty means the `test` split of every training source that has one."""
    validation_batches: int = 2
    """Batches of each held-out source; 0 turns validation off."""
    scored: int = 16
    """Held-out samples of each source that are scored at every validation as `marigold evaluate` scores them."""
    defaults: dict[str, int | str] = field(default_factory=dict)
    """Inference defaults written into the checkpoint: `steps`, `resolution`, `sizing`, `ensemble`, `tta`."""
    licence: str = "Apache-2.0"
    """The checkpoint's licence, for the card."""
    about: str = ""
    """What the data is and where it comes from, for the card."""

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_lists()
        for name in ("name", "start", "licence", "about"):
            scalar(str, getattr(self, name), f"recipe.{name}")
        for name in ("network", "schedule", "defaults"):
            decode(dict[str, Any], getattr(self, name), f"recipe.{name}")
        file_name(self.name, "recipe.name", ConfigError)
        if wrong := wrong_default(self.defaults):
            raise ConfigError(f"recipe.defaults: {wrong}; correct it")
        if "schedule" in self.network:
            given = self.network["schedule"]
            usable = isinstance(given, dict) and len(given) > 0
            require(usable, "recipe.network.schedule", shown(given), "the `key: value` lines of a schedule")
            check_keys(given, "recipe.network.schedule")
        check_keys(self.schedule, "recipe.schedule")
        if self.plan.optimizer_bits == 8 and self.optim.name != "adamw":
            raise ConfigError(
                f"recipe.plan.optimizer_bits: 8 is for adamw, and optim.name is {self.optim.name}; use 32"
            )
        self._check_adapter()

    def _check_numbers(self) -> None:
        ranges = {"steps": (1, STEPS), "cache": (1, SAMPLES), "seed": (-WHOLE, WHOLE)}
        ranges |= dict.fromkeys(("batch", "accumulate", "reuse", "nonfinite"), (1, BATCH))
        ranges |= dict.fromkeys(("validation_batches", "scored"), (0, BATCH))
        require_within("recipe.", self, **ranges, average=(0.0, 1.0))
        require(self.average < 1, "recipe.average", self.average, "below 1")

    def _check_lists(self) -> None:
        require(len(self.layers) <= LAYERS, "recipe.layers", f"a list of {len(self.layers)}", f"at most {LAYERS} long")
        for number, count in enumerate(self.layers):
            require(0 <= count <= LAYERS, f"recipe.layers.{number}", count, f"from 0 to {LAYERS}")
        for name in ("data", "phases", "validation"):
            length = len(getattr(self, name))
            require(length <= PARTS, f"recipe.{name}", f"a list of {length}", f"at most {PARTS} long")
        require(len(self.data) > 0, "recipe.data", "[]", "a list of at least one source")
        for name in ("data", "validation"):
            for number, source in enumerate(getattr(self, name)):
                if source.modality:
                    decode(Modality, source.modality, f"recipe.{name}.{number}.modality")
        weights = [source.weight for source in self.data]
        require(sum(weights) > 0, "recipe.data", f"weights {weights}", "above 0 for at least one source")

    def _check_adapter(self) -> None:
        if self.lora and self.lora.saved == "adapter":
            changed = {"start": not self.start, "layers": self.layers, "fresh_denoiser": self.fresh_denoiser}
            for key in (key for key, differs in changed.items() if differs):
                wanted = f"merged with this `{key}`: an adapter is added to a checkpoint as it is"
                require(False, "recipe.lora.saved", "adapter", wanted)

    def digest(self) -> str:
        """A short hash of everything above but the plan and the places that files lie in."""
        content = encode(self)
        content.pop("start")
        content.pop("plan")
        for name in ("data", "validation"):
            content[name] = [_without_places(source) for source in getattr(self, name)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    def label(self) -> str:
        """The recipe's name and hash, as a card states them."""
        return f"{self.name}@{self.digest()}"


def _without_places(source: Source) -> dict[str, Any]:
    """A source as mappings, without the paths in it; of those that have names the names stay."""
    content = encode(source)
    del content["root"]
    for name, kind in get_type_hints(type(source.dataset)).items():
        if name in content and Path in (kind, *get_args(kind)):
            places = content.pop(name)
            content |= {name: sorted(places)} if isinstance(places, dict) else {}
    return content


def names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(path.name.removesuffix(".yaml") for path in _folder().iterdir() if path.name.endswith(".yaml"))


def load(name: str, trust: str | Iterable[str] | None = None) -> Recipe:
    """A recipe by name, or from a YAML file of the user's; `base:` names another one to start from (one level).

    One that lies in a checkpoint or a run chooses code of the packages alone that `trust` names; with None none in a
    checkpoint, and in a run whatever it says, for which the caller vouches. Raises `ConfigError` or `UnknownNameError`
    naming the recipe and the key for what cannot be used.
    """
    trusted = None if trust is None else find.packages(trust)
    content = _content(name, trusted)
    try:
        return decode(Recipe, _with_base(content, trusted), "recipe")
    except (ConfigError, UnknownNameError) as error:
        raise type(error)(f"{name}: {error}") from error


def _with_base(content: dict[str, Any], trusted: tuple[str, ...] | None) -> dict[str, Any]:
    """What a recipe says on top of what its base says."""
    base = content.pop("base", None)
    if base is None:
        return content
    require(isinstance(base, str), "base", shown(base), "the name of a recipe, or of a file of one")
    below = _content(base, trusted)
    if "base" in below:
        raise ConfigError(f"base: `{base}` has a base itself; only one level is allowed")
    return _merged(below, content)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, of which settings of another objective or modality are left out."""
    base, over = ({key: _long(key, value) for key, value in one.items()} for one in (base, over))
    for key in MEMBERS:
        before, after = (one[key].get(NAME) if isinstance(one.get(key), dict) else None for one in (base, over))
        if after and _short(after) != _short(before):
            base.pop(key, None)
    return merge(base, over)


def _short(name: object) -> object:
    """A name without the package that it is found in anyway, so that `marigold.modalities.depth` is `depth`."""
    return name.rpartition(".")[2] if isinstance(name, str) and name.startswith("marigold.") else name


def _long(key: str, value: object) -> Any:
    """`objective: denoise` as the mapping that it stands for."""
    return {NAME: value} if key in MEMBERS and isinstance(value, str) else value


def _folder() -> Path:
    return Path(str(resources.files("marigold") / "recipes"))


def _content(name: str, trusted: tuple[str, ...] | None) -> dict[str, Any]:
    if name.endswith((".yaml", ".yml")):
        content = load_yaml(Path(name))
        check_code(content, Path(name), trusted)
        return _planned(content)
    if name not in names():
        raise UnknownNameError(find.unknown("recipe", word(name), names()))
    return _planned(load_yaml(_folder() / f"{name}.yaml"))


def _planned(content: dict[str, Any]) -> dict[str, Any]:
    """A recipe whose `precision` is in its plan, where it may also be written beside it."""
    plan = content.get("plan", {})
    if "precision" not in content or not isinstance(plan, dict):
        return content
    require("precision" not in plan, "precision", shown(content["precision"]), "given once: leave out plan.precision")
    precision = content.pop("precision")
    return {**content, "plan": {**plan, "precision": precision}}
