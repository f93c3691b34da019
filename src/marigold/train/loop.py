"""The one training loop: every modality, objective and generator passes through it."""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from marigold.accel.compile import compile_networks, uncompiled
from marigold.checkpoints import store
from marigold.core import seeds
from marigold.core.errors import ConfigError, DataError
from marigold.core.sample import Batch
from marigold.data.augment import Augment
from marigold.data.mix import Mix
from marigold.data.pool import Pools
from marigold.data.source import Source, open_dataset
from marigold.estimator import Estimator
from marigold.evaluate.runner import evaluate, painter
from marigold.train.average import Average
from marigold.train.build import build
from marigold.train.optim import make_optimizer, rate, set_rate
from marigold.train.pictures import save_grid
from marigold.train.recipe import Recipe
from marigold.train.ring import Ring
from marigold.train.run import Run, pack, unpack


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    compiled: bool = False,
    workers: int = 0,
    pools: Pools | None = None,
) -> Path:
    """Runs a recipe in a run folder, or resumes it, and returns the folder of the finished checkpoint.

    `workers` processes read or lay out samples ahead of need; `pools` lets runs of one process share their samples.

    Every random draw is a function of the seed and the step, so a resumed run ends with the same weights as an
    uninterrupted one, to the bit on the CPU.
    """
    run = Run(folder, recipe)
    trainer = Trainer(recipe, run, device, compiled, pools or Pools(device, workers))
    try:
        trainer.resume()
        if not trainer.finished:
            trainer.go()
            trainer.finish()
    finally:
        run.close()
        if pools is None:
            trainer.pools.close()
    return run.checkpoint


class Trainer:
    """The state of one run: estimator, optimizer, average, step."""

    def __init__(self, recipe: Recipe, run: Run, device: str, compiled: bool, pools: Pools) -> None:
        self.recipe, self.run, self.device, self.pools = recipe, run, device, pools
        self.estimator: Estimator = build(recipe).to(device)
        self.module = recipe.make_objective().trainable(self.estimator)
        if compiled:
            compile_networks(self.estimator)
        self.estimator.requires_grad_(False)
        self.module.requires_grad_(True).train()
        self.optimizer = make_optimizer(self.module.parameters(), recipe.optim)
        self.average = Average(self.module, recipe.average)
        self.step, self.seconds = 0, 0.0
        self.earlier = self.estimator.card.seconds_of_training
        self.losses: list[Tensor] = []  # of the steps since the last line of the log
        self.enter(0)

    def enter(self, phase: int) -> None:
        """Begins a phase: `now` is the recipe as it holds from here on. Weights, moments and average are kept."""
        self.phase, self.now = phase, self.recipe.during(phase)
        self.objective = self.now.make_objective()
        trained = self.objective.trainable(self.estimator)
        if {*map(id, trained.parameters())} != {*map(id, self.module.parameters())}:
            raise ConfigError(
                f"recipe.phases.{phase}.objective: `{self.now.objective}` trains another network than "
                f"`{self.recipe.objective}`; make it a run of its own"
            )
        self.kept = self.objective.setup(self.estimator).to(self.device)
        self.mix = self._mix(self.now.data)
        few = tuple(held_out(source, self.now.batch) for source in self.now.data)
        self.held_out = self._mix(self.now.validation or few)
        first = sum(before.steps for before in self.recipe.phases[:phase]) * self.now.accumulate
        make, slots = partial(self._encoded, count=self.now.batch), max(1, self.now.held // self.now.batch)
        self.ring = Ring(make, slots, self.now.reuse, self.now.seed, first=first)

    def resume(self) -> None:
        """Continues from the run folder's saved state, or from the beginning, with the log as it was there."""
        saved = self.run.load()
        if saved is None:
            self.run.rewind(0)
            return
        tensors, facts = saved
        self.step, self.seconds = facts["step"], facts["seconds"]
        total, count = facts.get("losses", (0.0, 0))
        # Of the steps before, the next line of the log depends on the mean alone.
        self.losses = [torch.tensor(total / count, device=self.device)] * count if count else []
        # The state was saved at the end of a step, before the next one began another phase.
        self.enter(self.recipe.phase(max(self.step - 1, 0)))
        unpack(tensors, self.module, self.kept, self.average, self.optimizer)
        self.run.rewind(self.step)

    @property
    def finished(self) -> bool:
        """All steps are done and the checkpoint is written."""
        return self.step >= self.recipe.steps and self.run.checkpoint.is_dir()

    def go(self) -> None:
        """Trains from the current step to the recipe's last one."""
        every, begun, before = self.recipe.every, time.monotonic(), self.seconds
        bar = tqdm(total=self.recipe.steps, initial=self.step, desc=self.recipe.name, unit="step", mininterval=1.0)
        while self.step < self.recipe.steps:
            self.losses.append(self.update())
            self.step += 1
            self.seconds = before + time.monotonic() - begun
            bar.update()
            if _due(self.step, every.log) or self.step == self.recipe.steps:
                bar.set_postfix(loss=f"{self.report(self.losses):.4f}")
                self.losses.clear()
            if _due(self.step, every.validate) and self.step < self.recipe.steps:
                self._validate()
            if _due(self.step, every.save) or self.step == self.recipe.steps:
                self._save()
            if _due(self.step, every.keep):
                self.export(self.run.folder / "steps" / f"{self.step:06d}")
        bar.close()

    def finish(self) -> None:
        """Validates once more and writes the checkpoint with the averaged weights."""
        with self.average.applied(self.module), torch.no_grad(), uncompiled():
            self.objective.finish(self.estimator, self.mix.batch)
        self._validate()
        self.export(self.run.checkpoint)

    def update(self) -> Tensor:
        """One optimizer step over `accumulate` batches; returns the mean loss, still on the device."""
        if self.phase != (phase := self.recipe.phase(self.step)):
            self.enter(phase)
        recipe, total = self.recipe, torch.zeros((), device=self.device)
        for part in range(recipe.accumulate):
            position = self.step * recipe.accumulate + part
            prepared = self._prepared(position)
            with self._autocast():
                loss = self.objective.loss(self.estimator, prepared, self.kept, self._rng("step", position))
            (loss / recipe.accumulate).backward()
            total += loss.detach() / recipe.accumulate
        if recipe.optim.clip:
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), recipe.optim.clip)
            # One number that is not finite has spoilt the norm and with it every gradient: the batch teaches nothing.
            for p in self.module.parameters():
                if p.grad is not None:
                    p.grad.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
        set_rate(self.optimizer, rate(self.step, recipe.optim))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.module, self.step)
        self.objective.after_step(self.estimator, self.kept)
        return total

    def report(self, losses: list[Tensor]) -> float:
        """Logs the mean of the losses that are numbers and returns it; raises `DataError` when none of them is."""
        every = torch.stack(losses)
        loss, left_out = float(every.nanmean()), int(every.isnan().sum())
        if loss != loss:
            raise DataError(
                f"{self.run.folder}: the loss is not a number at step {self.step}; the last good state is in "
                f"{self.run.state_file.name}; lower optim.lr or check the data"
            )
        numbers = {"loss": loss, "lr": rate(self.step - 1, self.recipe.optim), "seconds": round(self.seconds, 1)}
        self.run.log(self.step, "train", {**numbers, "left_out": left_out} if left_out else numbers)
        return loss

    @torch.no_grad()
    def _validate(self) -> None:
        """The objective's loss on held-out samples, and a picture, for every source; with averaged weights."""
        with self.average.applied(self.module), uncompiled():
            for position, source in enumerate(self.held_out.sources):
                batches = [self.held_out.batch_of(position, step) for step in range(self.recipe.validation_batches)]
                with self._autocast():
                    losses = [self._loss(batch, "validate", step) for step, batch in enumerate(batches)]
                    grid = self.objective.pictures(self.estimator, batches[0].first(6), self._rng("pictures", 0))
                name = "_".join(filter(None, (source.dataset, source.paint, str(position))))
                numbers = {"loss": float(torch.stack(losses).mean()), **self._scores(source)}
                self.run.log(self.step, "validate", {f"{key}_{name}": value for key, value in numbers.items()})
                save_grid(grid, self.run.folder / "pictures" / f"{self.step:06d}_{name}.jpg")

    def _scores(self, source: Source) -> dict[str, float]:
        """The metrics that `marigold evaluate` prints, on the first held-out samples of a source."""
        modality = self.mix.modality(source)
        if not (modality.needs and self.recipe.scored and self.estimator.backbone.conditions):
            return {}
        dataset = open_dataset(source)
        keys = dataset.scan(source.root, source.split)[: self.recipe.scored]
        paint = painter(self.estimator, steps=int(self.recipe.defaults.get("steps", 4)))
        return evaluate(paint, modality, dataset, source.root, keys, device=self.device, progress=False).means()

    def _loss(self, batch: Batch, purpose: str, position: int) -> Tensor:
        prepared = self.objective.prepare(self.estimator, batch)
        return self.objective.loss(self.estimator, prepared, self.kept, self._rng(purpose, position))

    def _prepared(self, position: int) -> dict[str, Tensor]:
        """What the loss needs at a position: encoded now, or drawn from the ring of encoded samples."""
        if self.now.reuse > 1:
            return self.ring.draw(position, self.now.batch)
        return self._encoded(position, self.now.batch)

    def _encoded(self, position: int, count: int) -> dict[str, Tensor]:
        batch = self.mix.batch(position, count)
        with self._autocast():
            return self.objective.prepare(self.estimator, batch)

    def _save(self) -> None:
        tensors = pack(self.module, self.kept, self.average, self.optimizer)
        known = [loss for loss in self.losses if not loss.isnan()]
        losses = (float(sum(known)), len(known))
        self.run.save(tensors, {"step": self.step, "seconds": self.seconds, "losses": losses})

    def export(self, folder: Path) -> None:
        """The estimator with averaged weights as a checkpoint folder."""
        steps = f"{self.step} of {self.recipe.steps} steps"
        seconds = round(self.earlier + self.seconds)
        self.estimator.card = replace(self.estimator.card, seconds_of_training=seconds, note=steps)
        with self.average.applied(self.module):
            store.save(self.estimator, folder)

    def _mix(self, sources: tuple[Source, ...]) -> Mix:
        now = self.now
        return Mix(sources, self.estimator.modality, self.pools, batch=now.batch, seed=now.seed)

    def _rng(self, *path: str | int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(seeds.number(self.recipe.seed, *path))

    def _autocast(self) -> AbstractContextManager:
        if self.recipe.precision == "fp32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)


def held_out(source: Source, count: int) -> Source:
    """The `test` split of a training source, unaugmented but for its size: `count` samples that never change."""
    unchanged = Augment(mirror=0.0, size=source.augment.size)
    return replace(source, split="test", capacity=count, renewal=0.0, augment=unchanged)


def _due(step: int, period: int) -> bool:
    return period > 0 and step % period == 0
