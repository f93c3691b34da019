"""The one training loop: every modality, objective and generator passes through it."""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from marigold.accel import parallel, training
from marigold.accel.parallel import Replicas, Shards, World
from marigold.core.config import encode
from marigold.core.errors import CheckpointError, DataError
from marigold.data.pool import Pools
from marigold.data.reader import Reading
from marigold.estimator import Estimator
from marigold.train import room
from marigold.train.average import Average
from marigold.train.board import Boards
from marigold.train.build import build
from marigold.train.changes import REMEDIES
from marigold.train.checks import check_numbers, training_sources, unscored, validation_sources
from marigold.train.latents import Latents
from marigold.train.log import CHANGED
from marigold.train.lora import trained
from marigold.train.nonfinite import Computed, Streak
from marigold.train.optim import make_optimizer, rate, set_rate
from marigold.train.packing import Trained, unpack
from marigold.train.phase import phases, trained_network, unreached
from marigold.train.progress import Progress
from marigold.train.recipe import Recipe
from marigold.train.record import Recorder, is_finished
from marigold.train.run import Run
from marigold.train.sharded import gather, is_sharded, shared, spread
from marigold.train.stage import Stage
from marigold.train.state import Facts


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    workers: int = 0,
    renderer: str = "",
    minutes: float = 0.0,
    boards: Iterable[str] = (),
    latents: Latents | None = None,
    pools: Pools | None = None,
    trust: str | Iterable[str] = (),
    note: Callable[[str], object] = lambda text: None,
) -> Path:
    """Runs a recipe in a run folder, or resumes it, and returns the folder of the finished checkpoint.

    Where `torchrun` has started several processes, each calls this: a step then has `accumulate` batches of each of
    them, and the run is that of one process with so many times the `accumulate`. The first of them writes.

    `workers` processes read or lay out samples ahead of need, and render them on the device `renderer` where one is
    given; `pools` lets runs of one process share their samples. `minutes` above 0 makes as many steps as fit into that
    time; then the recipe in the folder says how many. `boards` names where curves are shown (`train/board.py`).
    `latents` says where encoded samples are kept; None keeps none. `trust` names packages whose code the starting
    checkpoint may ask for, beside the module of the recipe's own modality. `note` is called with what the user should
    know, on the way too, such as samples that cannot be used and are left out.

    Every random draw is a function of the seed and the step, so a resumed run without a time budget ends with the same
    weights as an uninterrupted one, to the bit on the CPU. What is wrong with the recipe, the plan, the data, the disk
    or the folder is found before anything is trained or written. The folder is locked until the run ends.

    Raises `DataError` where the loss or the weights are no numbers: nothing that was good is replaced then, and the run
    goes on from there, also with another `optim.lr`, `optim.warmup` or `optim.clip`. Raises `OutputError` for a folder
    that holds no run, is in use or cannot be written, `CheckpointError` for a damaged state.
    """
    check_numbers(workers, minutes)
    with ExitStack() as stack:
        world, device = stack.enter_context(parallel.joined(device))
        recipe = shared(recipe, world, minutes, note)
        run = Run(folder, recipe, minutes, Boards(boards if world.is_first else ["none"], note))
        stack.callback(run.close)
        if world.is_first:
            run.hold()
        world.wait()
        if is_finished(run, minutes):
            return run.checkpoint
        if pools is None:
            pools = Pools(Reading(device, workers, renderer, recipe.plan.compiled))
            stack.callback(pools.close)
        stack.enter_context(training.running(recipe.plan))
        trainer = Trainer(recipe, run, pools, device=device, world=world, minutes=minutes, latents=latents, trust=trust)
        stack.callback(trainer.close)
        if world.is_first:
            for text in filter(None, (unreached(recipe), *run.notes, *trainer.notes)):
                note(text)
        trainer.go(note)
    return run.checkpoint


class Trainer:
    """The state of one run: estimator, what training changes of it, and how far it is."""

    def __init__(
        self,
        recipe: Recipe,
        run: Run,
        pools: Pools,
        *,
        device: str,
        world: World = World(),  # noqa: B008 frozen
        minutes: float = 0.0,
        latents: Latents | None = None,
        trust: str | Iterable[str] = (),
    ) -> None:
        self.recipe, self.run, self.pools, self.device, self.world = recipe, run, pools, device, world
        training.check(recipe.plan, device)
        training_sources(recipe)
        sources, notes = validation_sources(recipe, recipe.batch)
        self.estimator: Estimator = build(recipe, trust, notes.append).to(device)
        self.notes = [*notes, unscored(recipe, sources)]
        self.phases = phases(recipe)
        self.network = trained_network(self.phases, self.estimator, recipe)
        self.module = trained(self.network) if recipe.lora else self.network
        training.apply(self.estimator, recipe.plan, accumulates=recipe.accumulate > 1)
        self.estimator.requires_grad_(False)
        self.module.requires_grad_(True)
        self.network.train()
        self.optimizer = make_optimizer(self.module.parameters(), recipe.optim, recipe.plan)
        room.check_memory(room.memory(recipe, self.estimator, self.optimizer), device)
        self.replicas: Replicas | Shards = Replicas(self.module, world)
        self.average = Average(self.module, recipe.average)
        self.scaler = training.make_scaler(recipe.plan, device)
        self.trained = Trained(self.module, self.average, self.optimizer, self.scaler)
        self.progress = Progress(recipe, self.phases, minutes, device)
        self.recorder = Recorder(recipe, run, self.estimator, self.network, self.trained, self.progress, device)
        self.streak = Streak(recipe.nonfinite, device)
        self.batches: list[Computed] = []  # of the last step
        self.refusing: set[str] = set()  # the sources of which samples were refused
        self.latents = latents and latents.opened(recipe, self.estimator)
        self.stage = self.shown = self._resume()
        best, steps = not self.notes[-1], 0 if minutes else recipe.steps  # how many a time budget makes is not known
        self.disk = room.disk(recipe, self.estimator, self.trained, self.stage.kept, best=best, steps=steps)
        self.shares: Trained | None = None  # where weights are spread: those of this process
        self.computing = self.estimator
        if is_sharded(recipe, world):
            self._spread()

    @property
    def step(self) -> int:
        """The steps that have been made."""
        return self.progress.step

    def go(self, note: Callable[[str], object] = lambda text: None) -> None:
        """Trains from the current step to the last one, validates and writes the checkpoint."""
        if self.world.is_first:
            self._begin()
        self.world.wait()
        progress = self.progress
        begun = time.monotonic() - progress.seconds
        bar = tqdm(total=self.recipe.steps, desc=self.recipe.name, unit="step", mininterval=1.0)
        bar.disable |= not self.world.is_first
        with bar:
            while not progress.over:
                lost = self._advance()
                progress.seconds = time.monotonic() - begun
                progress.clock.begin(self.stage.pixels, progress.seconds)
                bar.update(int(progress.position) - bar.n)
                self._tell(note)
                self._record(lost, bar)
        if self.world.is_first:
            self.recorder.finish(self.shown, self.batches, self._remark())
            self._tell(note)
        self.world.wait()

    def close(self) -> None:
        """Ends what the run has started."""
        self.stage.close()
        if self.latents is not None:
            self.latents.close()

    def update(self) -> Tensor:
        """One optimizer step over `accumulate` batches, of which this process makes its share; returns the mean loss.

        It is still on the device, and the same in all processes.
        """
        count, size, total = self.recipe.accumulate, self.world.size, torch.zeros((), device=self.device)
        mine = range(self.step * count + self.world.rank, (self.step + 1) * count, size)
        self.batches.clear()
        for position in mine:
            prepared = self.stage.prepared(position)
            with self.replicas.apart(last=position == mine[-1]):
                loss = self.replicas.compute(partial(self.stage.loss, prepared, position))
                # Gradients are averaged over the processes, so each divides by its own number of batches.
                self.scaler.scale(loss * size / count).backward()
            self.batches.append(Computed(position, prepared, loss.detach()))
            total += loss.detach() / count
        for optimizer in {self.optimizer, self.trained.optimizer}:
            set_rate(optimizer, rate(self.step, self.recipe.optim, self.progress.position))
        self._apply_gradients()
        self.average.update(self.module, self.step)
        self.stage.after_step()
        return self.world.total(total)

    def enter(self, number: int, first: int) -> None:
        """Begins a phase at a step; weights, moments and average go on from the one before."""
        self.stage.close()
        self.progress.number, self.stage = number, self._stage(number, first, self.computing)
        self.shown = self._stage(number, first, self.estimator) if self.shares and self.world.is_first else self.stage

    def _begin(self) -> None:
        """Checks what is left to check and opens the run folder."""
        run = self.run
        room.check_disk(self.disk, run.folder)
        if self.step == 0:
            self.stage.check()
        run.open()
        run.write_recipe(self.recipe, self._remark())
        run.rewind(self.step)
        if run.replaced:
            run.log(self.step, CHANGED, {key: getattr(self.recipe.optim, key[6:]) for key in REMEDIES})

    def _record(self, lost: bool, bar: tqdm) -> None:
        """What one process writes after a step; all of them end where too many losses in a row were no numbers."""
        what = f"the loss is not a number for {self.recipe.nonfinite} steps in a row"
        if self.shares and self.recorder.is_due:
            gather(self.shares, self.trained, self.world)
        if not self.world.is_first:
            if lost:
                raise DataError(f"{self.run.folder}: {what}; the first process says more")
            return
        if lost:
            self.recorder.stop(what, self.shown, self.batches)
        if (loss := self.recorder.after_step(self.shown, self.batches)) is not None:
            bar.set_postfix(loss=f"{loss:.4f}")

    def _tell(self, note: Callable[[str], object]) -> None:
        """Names the samples that were left out since the last step, and what keeps latents from being written."""
        for skipped in self.pools.skipped.take():
            note(f"left out: {skipped.why}")
            if self.world.is_first:
                self.run.log(self.step, "skipped", {}, {"key": skipped.key, "why": skipped.why})
        refused = self.pools.skipped.refused()
        for source in (source for source in refused if source not in self.refusing):
            self.refusing.add(source)
            note(f"{source}: samples that the data set's own rules refuse are replaced by others; the log counts them")
        if self.latents is not None and (trouble := self.latents.take_trouble()):
            note(f"encoded samples are not kept any more: {trouble}")

    def _apply_gradients(self) -> None:
        """The optimizer's step, by gradients that are clipped together."""
        self.scaler.unscale_(self.optimizer)
        if self.recipe.optim.clip:
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.recipe.optim.clip)
            # One number that is not finite has spoilt the norm and with it every gradient: the batch is left out.
            for p in self.module.parameters():
                if p.grad is not None:
                    p.grad.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def _resume(self) -> Stage:
        """The stage that the run folder's saved state belongs to, once that is taken, or the first one."""
        while facts := self.run.facts:
            try:
                return self._go_on(facts)
            except CheckpointError as error:
                self.run.fall_back(error)
        return self._stage(0, 0, self.estimator)

    def _go_on(self, facts: Facts) -> Stage:
        self.progress.check(facts, self.run)
        # The state was saved at the end of a step, before the next one began another phase.
        stage = self._stage(facts.phase, sum(facts.made[: facts.phase]), self.estimator)
        unpack(self.run.tensors(), self.trained, stage.kept, self.run.source)
        self.progress.go_on(facts, self.run.replaced)
        return stage

    def _stage(self, number: int, first: int, estimator: Estimator) -> Stage:
        phase, start = self.phases[number], first * self.recipe.accumulate
        every = {"every": self.world.size, "latents": self.latents}
        return Stage(phase, self.recipe, estimator, self.pools, self.device, first=start, **every)

    def _spread(self) -> None:
        """From now on this process computes with its share of the weights; a whole copy is validated and saved."""
        self.computing, self.shares = spread(self.estimator, self.trained, self.recipe, self.world)
        self.module, self.optimizer, self.average = self.shares.module, self.shares.optimizer, self.shares.average
        self.replicas, number = Shards(self.module), self.progress.number
        self.stage = self._stage(number, sum(self.progress.made[:number]), self.computing)

    def _advance(self) -> bool:
        """One step, of the phase that is due; whether it is the last of too many whose loss was no number."""
        if (due := self.progress.due) != self.progress.number:
            self.enter(due, sum(self.progress.made[:due]))
        loss = self.update()
        self.progress.add(loss)
        return self.streak.add(loss)

    def _remark(self) -> str:
        """What the recipe's file says of settings that were replaced on the way."""
        return "; ".join(f"to step {step} with optim: {encode(optim)}" for step, optim in self.progress.earlier)
