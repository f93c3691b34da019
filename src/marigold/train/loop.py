"""The one training loop: every modality, objective and generator passes through it."""

import math
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor
from tqdm import tqdm

from marigold.accel.compile import compile_networks, uncompiled
from marigold.checkpoints import store
from marigold.checkpoints.card import FILE, Card
from marigold.core.config import encode, require
from marigold.core.device import require_room
from marigold.core.errors import CheckpointError, ConfigError, DataError
from marigold.core.find import name_of
from marigold.data.pool import Pools
from marigold.data.reader import Reading
from marigold.estimator import Estimator
from marigold.train.average import Average
from marigold.train.build import build
from marigold.train.checks import training_sources, validation_sources
from marigold.train.clock import Clock, as_made
from marigold.train.log import CHANGED
from marigold.train.lora import as_saved, trained, without_dropout
from marigold.train.optim import make_optimizer, rate, set_rate
from marigold.train.packing import not_finite, pack, unpack
from marigold.train.phase import Phase, phases, unreached
from marigold.train.recipe import Optim, Recipe
from marigold.train.run import REMEDIES, Run
from marigold.train.stage import Stage
from marigold.train.state import Facts, damaged
from marigold.train.validation import save_preview, validate

MOST_WORKERS = 256
MOST_MINUTES = 1_000_000
"""A time budget of about two years."""


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
    found before anything is trained or written. The folder is locked until the run ends.

    Raises `DataError` where the loss or the weights are no numbers: nothing that was good is replaced then, and the run
    goes on from there, also with another `optim.lr`, `optim.warmup` or `optim.clip`. Raises `OutputError` for a folder
    that holds no run, is in use or cannot be written, `CheckpointError` for a damaged state.
    """
    require(0 <= workers <= MOST_WORKERS, "workers", workers, f"0 to {MOST_WORKERS}")
    require(0 <= minutes <= MOST_MINUTES, "minutes", minutes, f"0 to {MOST_MINUTES}")
    run = Run(folder, recipe, minutes)
    with ExitStack() as stack:
        stack.callback(run.close)
        run.hold()
        if _finished(run, minutes):
            return run.checkpoint
        if pools is None:
            pools = Pools(Reading(device, workers, renderer, compiled))
            stack.callback(pools.close)
        if compiled:
            # Photos and stacked targets differ in number: each is compiled for itself.
            stack.enter_context(torch._dynamo.config.patch(automatic_dynamic_shapes=False))
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=True))
        trainer = Trainer(recipe, run, pools, device=device, compiled=compiled, minutes=minutes, trust=trust)
        for text in filter(None, (unreached(recipe), *run.notes, *trainer.notes)):
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
        self.network = _trained(self.phases, self.estimator, recipe)
        self.module = trained(self.network) if recipe.lora else self.network
        _check_room(self.module, recipe, device)
        if compiled:
            compile_networks(self.estimator)
        self.estimator.requires_grad_(False)
        self.module.requires_grad_(True)
        self.network.train()
        self.optimizer = make_optimizer(self.module.parameters(), recipe.optim)
        self.average = Average(self.module, recipe.average)
        self.step, self.seconds, self.made = 0, 0.0, [0] * len(self.phases)
        self.losses: list[Tensor] = []  # of the steps since the last line of the log
        self.proven = torch.full((), -1, device=device)  # the last step from which the loss was a number
        self.earlier: tuple[tuple[int, Optim], ...] = ()
        self.clock = Clock(self.phases, minutes)
        self._resume()

    def go(self) -> None:
        """Trains from the current step to the last one, validates and writes the checkpoint."""
        if self.step == 0:
            self.stage.check()
        self.run.open()
        self.run.write_recipe(self.recipe, self._remark())
        self.run.rewind(self.step)
        if self.run.replaced:
            self.run.log(self.step, CHANGED, {key: getattr(self.recipe.optim, key[6:]) for key in REMEDIES})
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
        while facts := self.run.facts:
            try:
                self._go_on(facts)
                return
            except CheckpointError as error:
                self.run.fall_back(error)
        self.number, self.stage = 0, self._stage(0)

    def _go_on(self, facts: Facts) -> None:
        if facts.phase >= len(self.phases) or len(facts.made) > len(self.phases):
            raise damaged(self.run.source, f"it has {len(facts.made)} phases, the run {len(self.phases)}")
        self.made = [*facts.made, *[0] * (len(self.phases) - len(facts.made))]
        # The state was saved at the end of a step, before the next one began another phase.
        self.number, self.stage = facts.phase, self._stage(facts.phase)
        file = self.run.source
        unpack(self.run.tensors(), self.module, self.stage.kept, self.average, self.optimizer, file)
        self.step, self.seconds, self.earlier = facts.step, facts.seconds, facts.earlier
        if before := self.run.replaced:
            self.earlier += ((facts.step, before),)
        if facts.began:
            self.clock.begin(*facts.began)
        total, count = facts.losses
        # Of the steps before, the next line of the log depends on the mean alone.
        self.losses = [torch.tensor(total / count, device=self.device)] * count if count else []

    def _stage(self, number: int) -> Stage:
        """A phase that begins now; weights, moments and average go on from the one before."""
        first = sum(self.made[:number]) * self.recipe.accumulate
        return Stage(self.phases[number], self.recipe, self.estimator, self.pools, self.device, first=first)

    def _advance(self) -> None:
        """One step, of the phase that is due."""
        due = next(number for number, phase in enumerate(self.phases) if phase.end > self._position())
        if due != self.number:
            self.number, self.stage = due, self._stage(due)
        loss = self.update()
        self.losses.append(loss)
        self.proven = torch.where(loss.isfinite(), self.step, self.proven)
        self.step += 1
        self.made[due] += 1

    def _record(self, bar: tqdm) -> None:
        """Logs, validates, saves and keeps what is due after a step, unless the weights are no numbers."""
        every, last = self.recipe.every, self._over()
        if _due(self.step, every.log) or last:
            bar.set_postfix(loss=f"{self._report():.4f}")
        validate, save, keep = (_due(self.step, period) for period in (every.validate, every.save, every.keep))
        if not (validate or save or keep or last):
            return
        if ruined := not_finite(self._tensors()):
            self._stop(f"`{ruined}` holds NaN or infinity")
        if validate and not last:
            self._validate()
        # After a loss that is no number the weights may be such that none will be one again: nothing is saved then.
        if int(self.proven) < self.step - 1:
            return
        if keep:  # before the state: a run that goes on from there does not come by here again
            self.export(self.run.folder / "steps" / f"{self.step:06d}")
        if save or last:
            self._save(last)

    def _finish(self) -> None:
        """Validates once more and writes the checkpoint with the averaged weights."""
        with self.average.applied(self.module), torch.no_grad(), uncompiled():
            self.stage.finish(self.step * self.recipe.accumulate)
        losses = self._validate()
        if losses and not any(map(math.isfinite, losses)):
            self._stop("the held-out loss is not a number")
        if not (self.run.facts and self.run.facts.step == self.step):
            if not losses:
                self._stop("the loss is not a number")
            self._save(True)
        self.run.write_recipe(self._made_recipe(), self._remark())
        self.export(self.run.checkpoint)

    def _stop(self, what: str) -> NoReturn:
        """Ends a run that is ruined: nothing more of it is saved."""
        where = self.run.stop(self.step, int(self.proven))
        raise DataError(f"{self.run.folder}: {what} at step {self.step}; {where}; lower optim.lr or check the data")

    def _report(self) -> float:
        """Logs the mean of the losses that are numbers and returns it; raises `DataError` when none of them is."""
        every = torch.stack(self.losses)
        self.losses.clear()
        fine = every.isfinite()
        left_out = int((~fine).sum())
        if left_out == len(every):
            self._stop("the loss is not a number")
        loss = float(every[fine].mean())
        lr = self.optimizer.param_groups[0]["lr"]
        numbers = {"loss": loss, "lr": lr, "seconds": round(self.seconds, 1)}
        self.run.log(self.step, "train", {**numbers, "left_out": left_out} if left_out else numbers)
        self.run.prove(int(self.proven))
        return loss

    def _validate(self) -> list[float]:
        """Numbers and a preview for every held-out source, with averaged weights; returns the losses."""
        losses = []
        with self.average.applied(self.module), without_dropout(self.network), uncompiled():
            for name, numbers, preview in validate(self.stage, self.device):
                losses.append(numbers["loss"])
                self.run.log(self.step, "validate", {f"{key}_{name}": value for key, value in numbers.items()})
                save_preview(preview, self.run.folder / "previews" / f"{self.step:06d}_{name}.jpg")
        return losses

    def _tensors(self) -> dict[str, Tensor]:
        return pack(self.module, self.stage.kept, self.average, self.optimizer)

    def _save(self, done: bool) -> None:
        losses = torch.stack(self.losses).tolist() if self.losses else []
        known = [loss for loss in losses if math.isfinite(loss)]
        facts = Facts(
            step=self.step,
            asked=self.run.asked,
            made=tuple(self.made),
            phase=self.number,
            done=done,
            seconds=self.seconds,
            losses=(math.fsum(known), len(known)),
            began=self.clock.began,
            earlier=self.earlier,
        )
        self.run.save(self._tensors(), facts)

    def export(self, folder: Path) -> None:
        """The estimator with averaged weights as a checkpoint folder. Raises `DataError` if they are no numbers."""
        recipe, card = self._made_recipe(), self.estimator.card
        seconds, note = round(card.seconds_of_training + self.seconds), f"{self.step} of {recipe.steps} steps"
        card = replace(card, recipe=_label(recipe, self.earlier), seconds_of_training=seconds, note=note)
        with self.average.applied(self.module), as_saved(self.network, recipe.lora) as adapter:
            if ruined := not_finite(self.estimator.backbone.state_dict()):
                self._stop(f"`{ruined}` of the result holds NaN or infinity")
            self.run.claim(folder, card.recipe)
            store.save(Estimator(self.estimator.backbone, self.estimator.modality, card), folder, adapter=adapter)

    def _position(self) -> float:
        """How far the run is, in steps of the recipe."""
        return self.clock.position(self.step, self.seconds)

    def _over(self) -> bool:
        return self._position() >= self.recipe.steps

    def _remark(self) -> str:
        """What the recipe's file says of settings that were replaced on the way."""
        return "; ".join(f"to step {step} with optim: {encode(optim)}" for step, optim in self.earlier)

    def _made_recipe(self) -> Recipe:
        return as_made(self.recipe, self.made) if self.minutes else self.recipe


def _finished(run: Run, minutes: float) -> bool:
    """All steps are done and the checkpoint is written."""
    facts = run.facts
    if facts is None or not facts.done or run.stopped or not (run.checkpoint / FILE).is_file():
        return False
    made = as_made(run.recipe, list(facts.made)) if minutes else run.recipe
    return facts.step >= made.steps and Card.read(run.checkpoint).recipe == _label(made, facts.earlier)


def _label(recipe: Recipe, earlier: tuple[tuple[int, Optim], ...]) -> str:
    """What a card calls the recipe: the steps that were made with other settings are named before it."""
    before = [f"{replace(recipe, optim=optim).label()} to step {step}" for step, optim in earlier]
    return ", then ".join([*before, recipe.label()])


def _trained(parts: list[Phase], estimator: Estimator, recipe: Recipe) -> torch.nn.Module:
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


def _check_room(module: torch.nn.Module, recipe: Recipe, device: str) -> None:
    """Raises `ConfigError` where what training keeps beside the weights does not fit, activations not counted."""
    weights = sum(parameter.nbytes for parameter in module.parameters())
    copies = 3 + (recipe.average > 0)  # gradients, two moments, the average
    what = f"gradients, moments and average of {weights / 4e6:.0f} million weights"
    require_room(copies * weights, device, what, "train a smaller network, or on a larger device")


def _due(step: int, period: int) -> bool:
    return period > 0 and step % period == 0
