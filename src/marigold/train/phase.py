"""The parts of a run: their range of steps, and what is trained in each."""

from dataclasses import dataclass

from torch import nn

from marigold.core.errors import ConfigError
from marigold.core.find import name_of
from marigold.estimator import Estimator
from marigold.objectives.base import Objective
from marigold.train.recipe import PhaseSettings, Recipe


@dataclass(frozen=True)
class Phase:
    """A part of a run, with everything that its settings leave to the recipe."""

    first: int
    """Its first step."""
    end: int
    """The step after its last one."""
    size: int
    """Height and width of the samples in pixels; 0 keeps their own."""
    batch: int
    objective: Objective

    def cost(self, pixels: int) -> float:
        """Pixels that pass through the networks; samples without a size of their own have so many."""
        return (self.end - self.first) * self.batch * (self.size**2 or pixels)


def phases(recipe: Recipe) -> list[Phase]:
    """The parts of a recipe one after the other, to its last step; what its phases leave of it is one more."""
    found, first = [], 0
    for settings in (*recipe.phases, PhaseSettings(recipe.steps)):
        end = min(first + settings.steps, recipe.steps)
        if end > first:
            objective = settings.objective or recipe.objective
            found.append(Phase(first, end, settings.size, settings.batch or recipe.batch, objective))
        first = end
    return found


def unreached(recipe: Recipe) -> str:
    """A note that names the phases which `steps` ends the run before; empty where it reaches all of them."""
    missed, end = [], 0
    for number, phase in enumerate(recipe.phases, start=1):
        objective = name_of(phase.objective or recipe.objective)
        if end >= recipe.steps:
            missed.append(f"phase {number} of {len(recipe.phases)} ({objective}, {phase.steps} steps)")
        end += phase.steps
    if not missed:
        return ""
    return (
        f"recipe.steps: the run ends at step {recipe.steps}, before {' and '.join(missed)}; "
        f"use {end} or more for all phases, or shorten `phases`"
    )


def trained_network(parts: list[Phase], estimator: Estimator, recipe: Recipe) -> nn.Module:
    """The network that all phases train. Raises `ConfigError` when one of them trains another."""
    module = parts[0].objective.trainable(estimator)
    if recipe.lora and module is not estimator.backbone.denoiser:
        raise ConfigError(
            f"recipe.lora: `{name_of(parts[0].objective)}` trains another network than the denoiser; leave it out"
        )
    weights = {*map(id, module.parameters())}
    for number, phase in enumerate(parts):
        if {*map(id, phase.objective.trainable(estimator).parameters())} != weights:
            raise ConfigError(
                f"recipe.phases.{number}.objective: `{name_of(phase.objective)}` trains another network than "
                f"`{name_of(parts[0].objective)}`; make it a run of its own"
            )
    return module
