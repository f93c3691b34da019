"""What a run leaves behind while it goes on: lines of the log, scores, states and checkpoints; and how it is ended."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import torch
from torch import nn

from marigold.accel.compile import uncompiled
from marigold.checkpoints.card import FILE, Card
from marigold.core.errors import DataError, OutputError
from marigold.estimator import Estimator
from marigold.train import nonfinite
from marigold.train.clock import as_made
from marigold.train.lora import as_saved, without_dropout
from marigold.train.nonfinite import Computed
from marigold.train.packing import Trained, not_finite, pack
from marigold.train.phase import phases
from marigold.train.progress import Progress
from marigold.train.recipe import Optim, Recipe
from marigold.train.run import Run
from marigold.train.stage import Stage
from marigold.train.validation import save_preview, validate

LEAST_SCALE = 2.0**-24
"""With a smaller one fp16 is at its end: gradients that overflow all the same are no numbers."""


class Recorder:
    """Writes what is due after a step, unless the weights are no numbers: then nothing that was good is replaced."""

    def __init__(
        self,
        recipe: Recipe,
        run: Run,
        estimator: Estimator,
        network: nn.Module,
        trained: Trained,
        progress: Progress,
        device: str,
    ) -> None:
        self._recipe, self._run, self._device, self._network = recipe, run, device, network
        self._estimator, self._trained, self._progress = estimator, trained, progress

    @property
    def is_due(self) -> bool:
        """Whether what comes next after a step needs the weights."""
        every = (self._recipe.every.validate, self._recipe.every.save, self._recipe.every.keep)
        return self._progress.over or any(_due(self._progress.step, period) for period in every)

    def after_step(self, stage: Stage, batches: Sequence[Computed]) -> float | None:
        """Logs, validates, keeps and saves what is due. Returns the mean loss when it was logged.

        Raises `DataError` when weights or losses are no numbers.
        """
        every, progress = self._recipe.every, self._progress
        logged = self._report(stage, batches) if _due(progress.step, every.log) or progress.over else None
        validate, save, keep = (_due(progress.step, period) for period in (every.validate, every.save, every.keep))
        if not (validate or save or keep or progress.over):
            return logged
        if ruined := not_finite(pack(self._trained, stage.kept)):
            self.stop(f"`{ruined}` holds NaN or infinity")
        if validate and not progress.over:
            self._validate(stage)
        # After a loss that is no number the weights may be such that none will be one again: nothing is saved then.
        if progress.ruined:
            return logged
        if keep:  # before the state: a run that goes on from there does not come by here again
            self.export(self._run.folder / "steps" / f"{progress.step:06d}")
            if every.keep_last:
                self._run.keep(every.keep_last, progress.step)
        if save or progress.over:
            self._save(stage, progress.over)
        return logged

    def finish(self, stage: Stage, batches: Sequence[Computed], remark: str) -> None:
        """Validates once more and writes the checkpoint with the averaged weights."""
        run, progress = self._run, self._progress
        with self._trained.average.applied(self._trained.module), torch.no_grad(), uncompiled():
            stage.finish(progress.step * self._recipe.accumulate)
        losses = self._validate(stage)
        if losses and not any(map(math.isfinite, losses)):
            self.stop("the held-out loss is not a number")
        if not (run.facts and run.facts.step == progress.step):
            if not losses:
                self.stop("the loss is not a number", stage, batches)
            self._save(stage, True)
        run.write_recipe(progress.recipe, remark)
        self.export(run.checkpoint)

    def stop(self, what: str, stage: Stage | None = None, batches: Sequence[Computed] = ()) -> NoReturn:
        """Ends a run that is ruined: nothing more of it is saved, but the batches of a step whose loss is no number."""
        run, step = self._run, self._progress.step
        where = run.stop(step, int(self._progress.proven))
        if stage is not None and self._progress.ruined:
            where += self._keep_batches(stage, batches)
        raise DataError(f"{run.folder}: {what} at step {step}; {where}; lower optim.lr or check the data")

    def export(self, folder: Path, score: str = "") -> None:
        """The estimator with averaged weights as a checkpoint folder. Raises `DataError` if they are no numbers."""
        recipe, card, progress = self._progress.recipe, self._estimator.card, self._progress
        seconds = round(card.seconds_of_training + progress.seconds)
        note = f"{progress.step} of {recipe.steps} steps{score}"
        card = replace(card, recipe=label(recipe, progress.earlier), seconds_of_training=seconds, note=note)
        backbone = self._estimator.backbone
        averaged = self._trained.average.applied(self._trained.module)
        with averaged, as_saved(self._network, self._recipe.lora) as adapter:
            if ruined := not_finite(backbone.state_dict()):
                self.stop(f"`{ruined}` of the result holds NaN or infinity")
            self._run.claim(folder, card.recipe)
            phases(recipe)[0].objective.save(Estimator(backbone, self._estimator.modality, card), folder, adapter)

    def _report(self, stage: Stage, batches: Sequence[Computed]) -> float:
        """Logs the mean of the losses that are numbers and returns it; raises `DataError` when none of them is."""
        progress, (group, *_) = self._progress, self._trained.optimizer.param_groups
        loss, left_out = progress.told()
        if not math.isfinite(loss):
            self.stop("the loss is not a number", stage, batches)
        numbers = {"loss": loss, "lr": float(group["lr"]), "seconds": round(progress.seconds, 1)}
        if left_out:
            numbers["left_out"] = left_out
        if refused := stage.refused:
            numbers["refused"] = refused
        if self._trained.scaler.is_enabled():
            numbers["scale"] = self._trained.scaler.get_scale()
            if numbers["scale"] < LEAST_SCALE:
                self.stop("gradients overflow in fp16 at every scale of the loss; use plan.precision bf16 or fp32")
        self._run.log(progress.step, "train", numbers)
        self._run.prove(int(progress.proven))
        return loss

    def _validate(self, stage: Stage) -> list[float]:
        """Numbers and a preview for every held-out source, with averaged weights; returns the losses.

        Keeps the weights as the best checkpoint if they score better than all before.
        """
        losses, scores, step, metric = list[float](), list[float](), self._progress.step, self._recipe.modality.main
        averaged = self._trained.average.applied(self._trained.module)
        with averaged, without_dropout(self._network), uncompiled():
            for name, numbers, preview in validate(stage, self._device):
                losses.append(numbers["loss"])
                scores += [numbers[metric.name]] if metric and metric.name in numbers else []
                self._run.log(step, "validate", {f"{key}_{name}": value for key, value in numbers.items()})
                save_preview(preview, self._run.folder / "previews" / f"{step:06d}_{name}.jpg")
        if self._recipe.every.validate and scores and all(map(math.isfinite, losses)):
            self._keep_best(math.fsum(scores) / len(scores))
        return losses

    def _keep_best(self, score: float) -> None:
        """Keeps a checkpoint that scores better than the best until now, by the direction of its metric."""
        metric, best, step = self._recipe.modality.main, self._run.best, self._progress.step
        assert metric is not None
        if not math.isfinite(score) or (best and not metric.is_better(score, best[1])):
            return
        self.export(self._run.folder / "best", f", the best until there: {metric.name} {score:.5g}")
        self._run.excel(step, score)

    def _save(self, stage: Stage, done: bool) -> None:
        self._run.save(pack(self._trained, stage.kept), self._progress.facts(self._run.asked, done))

    def _keep_batches(self, stage: Stage, batches: Sequence[Computed]) -> str:
        """Writes what the loss of the last step was computed from, and says how to look at it."""
        file = self._run.folder / "nonfinite" / f"{self._progress.step:06d}.safetensors"
        facts = [{"seed": stage.seed(one.position), "keys": stage.keys(one.position)} for one in batches]
        about = {"step": self._progress.step, "recipe": self._recipe.label(), "plan": str(self._recipe.plan)}
        try:
            nonfinite.write(file, batches, about, facts)
        except OutputError as error:  # beside what has ended the run
            return f"; its batch is not kept: {error}"
        return f"; `marigold train inspect {file}` shows its batch"


def is_finished(run: Run, minutes: float) -> bool:
    """All steps are done and the checkpoint is written."""
    facts = run.facts
    if facts is None or not facts.done or run.stopped or not (run.checkpoint / FILE).is_file():
        return False
    made = as_made(run.recipe, list(facts.made)) if minutes else run.recipe
    return facts.step >= made.steps and Card.read(run.checkpoint).recipe == label(made, facts.earlier)


def label(recipe: Recipe, earlier: tuple[tuple[int, Optim], ...]) -> str:
    """What a card calls the recipe: the steps that were made with other settings are named before it."""
    before = [f"{replace(recipe, optim=optim).label()} to step {step}" for step, optim in earlier]
    return ", then ".join([*before, recipe.label()])


def _due(step: int, period: int) -> bool:
    return period > 0 and step % period == 0
