"""The one training loop: every modality, objective and generator passes through it."""

import math
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from marigold.accel.compile import compile_networks, uncompiled
from marigold.checkpoints import store
from marigold.checkpoints.card import FILE, Card
from marigold.core.config import require
from marigold.core.errors import ConfigError, DataError
from marigold.core.find import name_of
from marigold.data.pool import Pools
from marigold.data.reader import Reading
from marigold.estimator import Estimator
from marigold.train.average import Average
from marigold.train.build import build
from marigold.train.checks import training_sources, validation_sources
from marigold.train.clock import Clock, as_made
from marigold.train.optim import make_optimizer, rate, set_rate
from marigold.train.phase import Phase, phases, unreached
from marigold.train.recipe import Recipe
from marigold.train.run import Run, pack, unpack
from marigold.train.stage import Stage
from marigold.train.validation import save_preview, validate


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    compiled: bool = False,
    workers: int = 0,
    renderer: str = "",
    minutes: float = 0.0,
    pools: Pools | None = None,
    trust: str | Iterable[str] = (),
    note: Callable[[str], object] = lambda text: None,
) -> Path:
    """Runs a recipe in a run folder, or resumes it, and returns the folder of the finished checkpoint.

    `workers` processes read or lay out samples ahead of need, and render them on the device `renderer` where one is
    given; `pools` lets runs of one process share their samples. `minutes` above 0 makes as many steps as fit into that
    time; then the recipe in the folder says how many. `trust` names packages whose code the starting checkpoint may ask
    for, beside the module of the recipe's own modality. `note` is called with what the user should know.

    Every random draw is a function of the seed and the step, so a resumed run without a time budget ends with the same
    weights as an uninterrupted one, to the bit on the CPU. What is wrong with the recipe, the data or the folder is
    found before anything is trained or written.
    """
    require(workers >= 0, "workers", workers, "at least 0")
    require(0 <= minutes < math.inf, "minutes", minutes, "at least 0")
    run = Run(folder, recipe, minutes)
    if _finished(run, recipe, minutes):
        return run.checkpoint
    with ExitStack() as stack:
        stack.callback(run.close)
        if pools is None:
            pools = Pools(Reading(device, workers, renderer, compiled))
            stack.callback(pools.close)
        if compiled:
            # Photos and stacked targets differ in number: each is compiled for itself.
            stack.enter_context(torch._dynamo.config.patch(automatic_dynamic_shapes=False))
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=True))
        trainer = Trainer(recipe, run, pools, device=device, compiled=compiled, minutes=minutes, trust=trust)
        for text in filter(None, (unreached(recipe), *trainer.notes)):
            note(text)
        trainer.go()
    return run.checkpoint


class Trainer:
    """The state of one run: estimator, optimizer, average, and how far it is."""

    def __init__(
        self,
        recipe: Recipe,
        run: Run,
        pools: Pools,
        *,
        device: str,
        compiled: bool = False,
        minutes: float = 0.0,
        trust: str | Iterable[str] = (),
    ) -> None:
        self.recipe, self.run, self.pools, self.device, self.minutes = recipe, run, pools, device, minutes
        training_sources(recipe)
        self.notes = validation_sources(recipe, recipe.batch)[1]
        self.estimator: Estimator = build(recipe, trust).to(device)
        self.phases = phases(recipe)
        self.module = _trained(self.phases, self.estimator)
        if compiled:
            compile_networks(self.estimator)
        self.estimator.requires_grad_(False)
        self.module.requires_grad_(True).train()
        self.optimizer = make_optimizer(self.module.parameters(), recipe.optim)
        self.average = Average(self.module, recipe.average)
        self.step, self.seconds, self.made = 0, 0.0, [0] * len(self.phases)
        self.losses: list[Tensor] = []  # of the steps since the last line of the log
        self.clock = Clock(self.phases, minutes)
        self._resume()

    def go(self) -> None:
        """Trains from the current step to the last one, validates and writes the checkpoint."""
        if self.step == 0:
            self.stage.check()
        self.run.open()
        self.run.write_recipe(self.recipe)
        self.run.rewind(self.step)
        begun = time.monotonic() - self.seconds
        with tqdm(total=self.recipe.steps, desc=self.recipe.name, unit="step", mininterval=1.0) as bar:
            while not self._over():
                self._advance()
                self.seconds = time.monotonic() - begun
                self.clock.begin(self.stage.pixels, self.seconds)
                bar.update(int(self._position()) - bar.n)
                self._record(bar)
        self._finish()

    def update(self) -> Tensor:
        """One optimizer step over `accumulate` batches; returns the mean loss, still on the device."""
        recipe, total = self.recipe, torch.zeros((), device=self.device)
        for part in range(recipe.accumulate):
            position = self.step * recipe.accumulate + part
            loss = self.stage.loss(position) / recipe.accumulate
            loss.backward()
            total += loss.detach()
        if recipe.optim.clip:
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), recipe.optim.clip)
            # One number that is not finite has spoilt the norm and with it every gradient: the batch is left out.
            for p in self.module.parameters():
                if p.grad is not None:
                    p.grad.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
        set_rate(self.optimizer, rate(self.step, recipe.optim, self._position()))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.module, self.step)
        self.stage.after_step()
        return total

    def _resume(self) -> None:
        """Continues from the run folder's saved state, or from the beginning."""
        facts = self.run.facts
        if not facts:
            self.number, self.stage = 0, self._stage(0)
            return
        self.step, self.seconds = facts["step"], facts["seconds"]
        self.made[: len(facts["made"])] = facts["made"]
        if facts["began"]:
            self.clock.begin(*facts["began"])
        total, count = facts["losses"]
        # Of the steps before, the next line of the log depends on the mean alone.
        self.losses = [torch.tensor(total / count, device=self.device)] * count if count else []
        # The state was saved at the end of a step, before the next one began another phase.
        self.number = facts["phase"]
        self.stage = self._stage(self.number)
        unpack(self.run.tensors(), self.module, self.stage.kept, self.average, self.optimizer)

    def _stage(self, number: int) -> Stage:
        """A phase that begins now; weights, moments and average go on from the one before."""
        first = sum(self.made[:number]) * self.recipe.accumulate
        return Stage(self.phases[number], self.recipe, self.estimator, self.pools, self.device, first=first)

    def _advance(self) -> None:
        """One step, of the phase that is due."""
        due = next(number for number, phase in enumerate(self.phases) if phase.end > self._position())
        if due != self.number:
            self.number, self.stage = due, self._stage(due)
        self.losses.append(self.update())
        self.step += 1
        self.made[due] += 1

    def _record(self, bar: tqdm) -> None:
        """Logs, validates, saves and keeps what is due after a step."""
        every, last = self.recipe.every, self._over()
        if _due(self.step, every.log) or last:
            bar.set_postfix(loss=f"{self._report():.4f}")
        if _due(self.step, every.validate) and not last:
            self._validate()
        if _due(self.step, every.save) or last:
            self._save(last)
        if _due(self.step, every.keep):
            self.export(self.run.folder / "steps" / f"{self.step:06d}")

    def _finish(self) -> None:
        """Validates once more and writes the checkpoint with the averaged weights."""
        with self.average.applied(self.module), torch.no_grad(), uncompiled():
            self.stage.finish(self.step * self.recipe.accumulate)
        self._validate()
        self.run.write_recipe(self._made_recipe())
        self.export(self.run.checkpoint)

    def _report(self) -> float:
        """Logs the mean of the losses that are numbers and returns it; raises `DataError` when none of them is."""
        every = torch.stack(self.losses)
        self.losses.clear()
        loss, left_out = float(every.nanmean()), int(every.isnan().sum())
        if loss != loss:
            raise DataError(
                f"{self.run.folder}: the loss is not a number at step {self.step}; the last good state is in "
                f"{self.run.state_file.name}; lower optim.lr or check the data"
            )
        lr = self.optimizer.param_groups[0]["lr"]
        numbers = {"loss": loss, "lr": lr, "seconds": round(self.seconds, 1)}
        self.run.log(self.step, "train", {**numbers, "left_out": left_out} if left_out else numbers)
        return loss

    def _validate(self) -> None:
        """Numbers and a preview for every held-out source, with averaged weights."""
        with self.average.applied(self.module), uncompiled():
            for name, numbers, preview in validate(self.stage, self.device):
                self.run.log(self.step, "validate", {f"{key}_{name}": value for key, value in numbers.items()})
                save_preview(preview, self.run.folder / "previews" / f"{self.step:06d}_{name}.jpg")

    def _save(self, done: bool) -> None:
        tensors = pack(self.module, self.stage.kept, self.average, self.optimizer)
        known = [loss for loss in self.losses if not loss.isnan()]
        losses = (float(sum(known)), len(known))
        how_far = {"step": self.step, "made": self.made, "phase": self.number, "done": done}
        self.run.save(tensors, {**how_far, "seconds": self.seconds, "began": self.clock.began, "losses": losses})

    def export(self, folder: Path) -> None:
        """The estimator with averaged weights as a checkpoint folder."""
        recipe, label = self._made_recipe(), self.estimator.card
        seconds, note = round(label.seconds_of_training + self.seconds), f"{self.step} of {recipe.steps} steps"
        label = replace(label, recipe=recipe.label(), seconds_of_training=seconds, note=note)
        with self.average.applied(self.module):
            store.save(Estimator(self.estimator.backbone, self.estimator.modality, label), folder)

    def _position(self) -> float:
        """How far the run is, in steps of the recipe."""
        return self.clock.position(self.step, self.seconds)

    def _over(self) -> bool:
        return self._position() >= self.recipe.steps

    def _made_recipe(self) -> Recipe:
        return as_made(self.recipe, self.made) if self.minutes else self.recipe


def _finished(run: Run, recipe: Recipe, minutes: float) -> bool:
    """All steps are done and the checkpoint is written."""
    if not (run.facts and run.facts["done"] and (run.checkpoint / FILE).is_file()):
        return False
    made = as_made(recipe, run.facts["made"]) if minutes else recipe
    return run.facts["step"] >= made.steps and Card.read(run.checkpoint).recipe == made.label()


def _trained(parts: list[Phase], estimator: Estimator) -> torch.nn.Module:
    """The network that all phases train. Raises `ConfigError` when one of them trains another."""
    module = parts[0].objective.trainable(estimator)
    weights = {*map(id, module.parameters())}
    for number, phase in enumerate(parts):
        if {*map(id, phase.objective.trainable(estimator).parameters())} != weights:
            raise ConfigError(
                f"recipe.phases.{number}.objective: `{name_of(phase.objective)}` trains another network than "
                f"`{name_of(parts[0].objective)}`; make it a run of its own"
            )
    return module


def _due(step: int, period: int) -> bool:
    return period > 0 and step % period == 0
