"""Trains the small family within a time budget: one process renders, and stages that can train side by side do.

    python bench/family.py OUT --device cuda --compiled --minutes 24 [--photos FOLDER] [--start CHECKPOINT]

The stages are packaged recipes, in three waves: the autoencoder; the generator, and the decoder once more; depth,
normals, appearance and lighting. All of a wave's stages draw from the scenes that the renderer has made so far, and
the clock decides on their number of steps: the learning rate decays towards the end of the wave. A stage whose
checkpoint lies in OUT is not trained again; `--start` is an earlier generator to go on from. The recipe as it ran is in
OUT/STAGE/recipe.yaml, a half-precision copy for shipping in OUT/fp16/STAGE, each stage's output in OUT/STAGE.log.

A wave's stages train side by side, or with `--in-turn` one after the other: better where one network keeps the device
busy. Each but the first compiles while the one before it trains (`--ahead`, where the device has memory for both); what
later phases of another shape need compiles beside the first. The phases of a recipe share its stage's time by what
their steps cost. The exit code is 1 if a stage failed.

With a second device (`--renderer cuda:1`) nobody waits for the scenes, and there are more of them. Using an encoded
sample often (`--reuse`) saves time and costs variety. To go on from earlier results, take scenes that they have not
seen (`--world`), a lower rate, and the phases that still teach (`--from-phase`).
"""

import argparse
import os
import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import ForkingPickler
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import torch
import torch.multiprocessing as mp

from marigold import checkpoint
from marigold.checkpoints.card import Card
from marigold.core import seeds
from marigold.core.fields import FIELDS
from marigold.core.sample import Sample
from marigold.data.pool import Pool, Pools, draw
from marigold.data.source import Source, open_dataset
from marigold.train.build import card
from marigold.train.loop import Trainer, held_out
from marigold.train.recipe import Recipe, load
from marigold.train.run import Run

WAVES = (
    (0.2, ("tiny-autoencoder",)),
    (0.2, ("tiny-generator", "tiny-decoder")),
    (0.6, ("tiny-depth", "tiny-normals", "tiny-appearance", "tiny-lighting")),
)
"""Each wave's part of the time, relative to the waves that are still to be done, and its stages."""
BEFORE = {"tiny-autoencoder": "-", "tiny-generator": "tiny-autoencoder", "tiny-decoder": "tiny-autoencoder"}
"""Where a stage starts, if not from the generator. The decoder touches no latent, so nobody waits for it."""
BRIEF = {"tiny-decoder": 0.8}
"""Stages that need only this part of their wave."""
TURN = {"tiny-generator": 3, "tiny-depth": 1.5, "tiny-appearance": 1.15}
"""Stages that get this many times as long as others when they train in turn."""
ENOUGH = 2048
"""Scenes that a stage waits for once its networks are compiled."""
PACE = 25
"""Steps between two looks at the clock."""
THROUGH_DECODER = 1.7
"""How many times as much a sample costs that is compared as a result."""
SIDE = 256
"""Height and width of the recipes' scenes, in pixels."""
FOREVER = 1 << 40
"""Steps of a phase that the clock ends."""


def main() -> int:
    options = parse()
    mp.set_sharing_strategy("file_system")
    end = time.time() + options.minutes * 60
    todo = {name for name in options.stages if not (options.out / name / "checkpoint").is_dir()}
    waves = [(share, [name for name in names if name in todo]) for share, names in WAVES]
    waves = [(share, names) for share, names in waves if names]
    options.out.mkdir(parents=True, exist_ok=True)
    prepare(options)
    renderer, failed = Renderer(options), False
    for position, (share, names) in enumerate(waves):
        left = end - time.time() - options.finish
        span = left * share / sum(other for other, _ in waves[position:])
        say(f"{', '.join(names)}: {span:.0f} s")
        children = [renderer.child(stage, options, name, times) for name, times in schedule(options, names, span)]
        beside = renderer.child(rehearsal, options, names[0]) if options.compiled else None
        renderer.work_beside(children)
        if beside and beside.exitcode:
            say(f"{names[0]}: its rehearsal failed, see {options.out / names[0]}-rehearsal.log")
        for name, child in zip(names, children, strict=True):
            say(f"{name}: {f'failed, see {options.out / name}.log' if child.exitcode else 'done'}")
        failed = failed or any(child.exitcode for child in children)
    renderer.pool.close()
    return int(failed)


def parse() -> argparse.Namespace:
    every = [name for _, names in WAVES for name in names]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--renderer", default="", help="the device that renders, if it is another one, such as cuda:1")
    parser.add_argument("--world", type=int, default=0, help="which scenes are drawn: another number, others")
    parser.add_argument("--from-phase", type=int, default=1, help="leave out a recipe's phases before this one")
    parser.add_argument("--rate", type=float, default=0.0, help="learning rate, in place of the recipes'")
    parser.add_argument("--minutes", type=float, default=24.0)
    parser.add_argument("--finish", type=float, default=15.0, help="seconds of them for the last wave's export")
    parser.add_argument("--photos", type=Path, default=Path("data/photos"))
    parser.add_argument("--start", default="", help="an earlier generator that the first wave goes on from")
    parser.add_argument("--earlier", type=Path, help="folder of checkpoints by stage, which these stages go on from")
    parser.add_argument("--stages", nargs="+", default=every, choices=every)
    parser.add_argument("--in-turn", action="store_true", help="a wave's stages one after the other")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--compiled", action="store_true", help="compile networks and ray-caster (a GPU)")
    parser.add_argument("--size", type=int, default=0, help="side of the scenes, in place of the recipes'")
    parser.add_argument("--capacity", type=int, default=0, help="scenes kept, in place of the recipes'")
    parser.add_argument("--batch", type=int, default=0, help="batch, in place of the recipes'")
    parser.add_argument("--block", type=int, default=0, help="scenes rendered at a time, in place of the recipes'")
    parser.add_argument("--reuse", type=int, default=0, help="uses of an encoded sample, in place of the recipes'")
    parser.add_argument("--average", type=float, default=0.0, help="decay of the average, in place of the recipes'")
    parser.add_argument(
        "--ahead", type=float, default=170.0, help="seconds before its turn in which a stage compiles, if memory allows"
    )
    parser.add_argument("--rest", type=float, default=2.0, help="pause after a block once the pool is full, in seconds")
    parser.add_argument(
        "--snapshot",
        type=float,
        nargs="+",
        default=[],
        help="also export at these parts of a stage's time, as fp16/STAGE-snapshot",
    )
    return parser.parse_args()


def schedule(options: argparse.Namespace, names: list[str], span: float) -> list[tuple[str, tuple[float, float]]]:
    """When each stage of a wave begins and ends: all at once, or in turn, some longer than others."""
    now = time.time()
    if not options.in_turn:
        return [(name, (now, now + span * BRIEF.get(name, 1))) for name in names]
    whole, done, times = sum(TURN.get(name, 1) for name in names), 0.0, []
    for name in names:
        first, done = done, done + span * TURN.get(name, 1) / whole
        times.append((name, (now + first, now + done)))
    return times


def prepare(options: argparse.Namespace) -> None:
    """Settings of every process."""
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    # Photos and stacked targets differ in number: each is compiled for itself.
    torch._dynamo.config.automatic_dynamic_shapes = False
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "8")
    if options.device == "cpu":
        torch.set_num_threads(1)


def needed(options: argparse.Namespace) -> set[str]:
    """The fields that the stages of this run read."""
    names = set(options.stages)
    if names & {"tiny-autoencoder", "tiny-decoder"}:
        return set(FIELDS)
    return {field for name in names for field in load(name).make_modality().needs}


class Renderer:
    """Renders into a pool that other processes draw from, for as long as they train."""

    def __init__(self, options: argparse.Namespace) -> None:
        source = next(s for s in adapted(options, load("tiny-depth")).data if s.dataset == "procedural")
        dataset = open_dataset(source)
        self.options = options
        self.pool = Pool(
            dataset=dataset,
            root=Path(),
            split="train",
            needs=tuple(sorted(needed(options) & set(dataset.card.fields))),
            capacity=source.capacity,
            renewal=1.0,
            seed=options.world,
            device=options.renderer or options.device,
            block=source.block,
            workers=options.workers,
            kept_on=options.device,
        )
        self.context = mp.get_context("spawn")
        self.ready: Synchronized = self.context.Value("l", 0)
        self.blocks = 0
        self.render()
        if options.compiled:
            dataset.compile()

    def render(self) -> None:
        """One more block; the others see it once it is complete."""
        self.blocks += 1
        self.pool.read_on(self.blocks)
        if self.options.device.startswith("cuda"):
            for device in {self.options.device, self.options.renderer or self.options.device}:
                torch.cuda.synchronize(device)
        self.ready.value = min(self.blocks * self.pool.block, self.pool.capacity)

    def child(self, work: Callable, options: argparse.Namespace, name: str, *more: object) -> SpawnProcess:
        """A process that does some work on one stage, such as to train it from one time to another."""
        stored = bytes(ForkingPickler.dumps(self.pool.stored))
        child = self.context.Process(target=work, args=(options, name, stored, self.ready, *more))
        child.start()
        return child

    def work_beside(self, children: list[SpawnProcess]) -> None:
        """Renders until all of them are done; more slowly once the pool is full."""
        told = time.time()
        while any(child.is_alive() for child in children):
            full = self.ready.value == self.pool.capacity
            self.render()
            if full:
                time.sleep(self.options.rest)
            if time.time() - told > 20:
                told = time.time()
                say(f"{self.blocks * self.pool.block} scenes so far")
        for child in children:
            child.join()


@dataclass
class SharedPool:
    """The renderer's pool as another process sees it."""

    stored: Sample
    ready: Synchronized
    needs: tuple[str, ...]
    seed: int

    def draw(self, step: int, count: int, needs: tuple[str, ...] | None = None) -> Sample:
        """`count` of the scenes that there are by now."""
        rng = seeds.stream(self.seed, "draw", step)
        return draw(self.stored, self.ready.value, count, self.needs if needs is None else needs, rng)

    def close(self) -> None:
        """Nothing to end: the renderer's process goes on."""


class SharedPools(Pools):
    """Pools of which the scenes for training are the renderer's."""

    def __init__(self, device: str, stored: Sample, ready: Synchronized) -> None:
        super().__init__(device)
        self._stored, self._ready = stored, ready

    def of(self, source: Source, needs: set[str], seed: int) -> Pool | SharedPool:
        """The renderer's pool, or one of this process for anything else."""
        if source.dataset == "procedural" and source.split == "train":
            return SharedPool(self._stored, self._ready, tuple(sorted(needs)), seed)
        return super().of(source, needs, seed)


def stage(
    options: argparse.Namespace,
    name: str,
    stored: bytes,
    ready: Synchronized,
    times: tuple[float, float],
) -> None:
    """Compiles, then trains one stage from its begin to its deadline and exports it."""
    begin, deadline = times
    time.sleep(max(0.0, begin - options.ahead - time.time()))
    trainer = ready_to_train(options, name, stored, ready, options.out / name)
    rehearse(trainer, phases_like_the_first(trainer.recipe))
    # The renderer's first scenes come before its compilation: a stage that went on with those alone would learn them.
    while time.time() < begin or ready.value < min(ENOUGH, options.capacity or ENOUGH):
        time.sleep(0.5)
    say(f"{name}: begins with {ready.value} scenes, {deadline - time.time():.0f} s left")
    trainer.enter(0)
    teach(trainer, deadline, options)
    settle(trainer)
    trainer.finish()
    trainer.run.close()
    ship(options, name, options.out / name / "checkpoint")
    say(f"{name}: {trainer.step} steps, {deadline - time.time():.0f} s left")


def rehearsal(options: argparse.Namespace, name: str, stored: bytes, ready: Synchronized) -> None:
    """Compiles beside a stage what its later phases need: they, and other stages, find it in the compiler's cache."""
    folder = options.out / f"{name}-rehearsal"
    trainer = ready_to_train(options, name, stored, ready, folder)
    alike = phases_like_the_first(trainer.recipe)
    rehearse(trainer, [phase for phase in range(len(costs(trainer.recipe))) if phase not in alike])
    say("rehearsed")


def ready_to_train(options: argparse.Namespace, name: str, stored: bytes, ready: Synchronized, folder: Path) -> Trainer:
    """What a process of its own trains a stage with; from here on it writes to the log beside the folder."""
    log = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    mp.set_sharing_strategy("file_system")
    prepare(options)
    recipe = started(options, name)
    pools = SharedPools(options.device, pickle.loads(stored), ready)
    return Trainer(recipe, Run(folder, recipe), options.device, options.compiled, pools)


def phases_like_the_first(recipe: Recipe) -> list[int]:
    """The numbers of the phases whose batches have the first one's shape."""
    first = recipe.during(0)
    every = [(number, recipe.during(number)) for number in range(len(costs(recipe)))]
    return [number for number, now in every if (now.batch, _side(now)) == (first.batch, _side(first))]


def rehearse(trainer: Trainer, phases: list[int]) -> None:
    """A few steps of these phases, the first one last: what would fail later fails here, and what compiles has."""
    recipe = trainer.recipe
    for phase in reversed(phases):
        trainer.recipe = replace(recipe.during(phase), phases=())
        trainer.enter(0)
        for _ in range(3):
            advance(trainer)
    trainer.recipe = recipe
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def teach(trainer: Trainer, deadline: float, options: argparse.Namespace) -> None:
    """Updates until the deadline; the rate's decay aims at the step that will then have been reached."""
    clock = Clock(trainer, deadline)
    losses: list[torch.Tensor] = []
    due = sorted(clock.begun + part * (deadline - clock.begun) for part in options.snapshot)
    while time.time() < deadline:
        losses.append(advance(trainer))
        if trainer.step % PACE:
            continue
        loss = float(losses[-1])  # waits for the device, so that the clock tells the truth
        clock.tick()
        if trainer.step % (8 * PACE) == 0:
            trainer.report(losses)
            losses.clear()
            say(f"step {trainer.step} of {trainer.recipe.optim.decay}, phase {trainer.phase}, loss {loss:.4f}")
        if due and time.time() > due[0]:
            due.pop(0)
            snapshot(trainer, clock.settled(), options)
    trainer.recipe = clock.settled()


def snapshot(trainer: Trainer, recipe: Recipe, options: argparse.Namespace) -> None:
    """A copy for shipping of what there is by now, with the recipe so far: a device may go before the end."""
    going, label = trainer.recipe, trainer.estimator.card
    trainer.recipe, trainer.estimator.card = recipe, labelled(recipe)
    folder, name = trainer.run.folder / "snapshot", f"{recipe.name}-snapshot"
    trainer.export(folder)
    ship(options, name, folder)
    Run(options.out / "fp16" / name, recipe).close()
    trainer.recipe, trainer.estimator.card = going, label


class Clock:
    """Turns the phases and the rate's decay of a recipe, given in steps, into shares of a time."""

    def __init__(self, trainer: Trainer, deadline: float) -> None:
        self.trainer, self.begun, self.deadline = trainer, time.time(), deadline
        self.phases = trainer.recipe.phases
        parts = costs(trainer.recipe)
        shares = [sum(parts[: number + 1]) / sum(parts) for number in range(len(parts))]
        self.ends = [self.begun + share * (deadline - self.begun) for share in shares]
        self.lasted: list[int] = []
        self.tick()

    def tick(self) -> None:
        """Begins the phase that is due, and sets the decay so that the rate is where it should be by now."""
        trainer, now = self.trainer, time.time()
        trainer.seconds = now - self.begun
        while len(self.lasted) < min(len(self.phases), len(self.ends) - 1) and now >= self.ends[len(self.lasted)]:
            self.lasted.append(max(1, trainer.step - sum(self.lasted)))
        going = FOREVER if len(self.lasted) < len(self.phases) else 0
        recipe = self._lasting(going, 2 * FOREVER)
        beyond, share = trainer.step - recipe.optim.warmup, (now - self.begun) / (self.deadline - self.begun)
        decay = recipe.optim.warmup + max(1, int(max(beyond, 1) / min(max(share, 0.01), 1)))
        trainer.recipe = replace(recipe, optim=replace(recipe.optim, decay=decay))

    def settled(self) -> Recipe:
        """The recipe with the steps that have been taken by now."""
        steps = max(self.trainer.step, sum(self.lasted) + (len(self.lasted) < len(self.phases)))
        return self._lasting(steps - sum(self.lasted), steps)

    def _lasting(self, last: int, steps: int) -> Recipe:
        """The recipe with the phases that there have been so far, of which the last takes so many steps."""
        lasted = [*self.lasted, last] if last else self.lasted
        phases = [replace(phase, steps=count) for phase, count in zip(self.phases, lasted, strict=False)]
        return replace(self.trainer.recipe, phases=tuple(phases), steps=steps)


def costs(recipe: Recipe) -> list[float]:
    """What each part of a recipe costs, relative to the others: its samples times their pixels."""
    rest = max(0, recipe.steps - sum(phase.steps for phase in recipe.phases))
    parts = []
    for number, steps in enumerate([*(phase.steps for phase in recipe.phases), *([rest] if rest else [])]):
        now = recipe.during(number)
        parts.append(steps * now.batch * _side(now) ** 2 * (THROUGH_DECODER if now.objective == "end_to_end" else 1))
    return parts


def _side(recipe: Recipe) -> int:
    """Height and width that a recipe's batches have, in pixels."""
    source = recipe.data[-1]
    return source.augment.size or source.options.get("height", SIDE)


def settle(trainer: Trainer) -> None:
    """Writes the recipe with the number of steps that it came to."""
    recipe = trainer.recipe
    (trainer.run.folder / "recipe.yaml").unlink()
    trainer.run, trainer.recipe = Run(trainer.run.folder, recipe), recipe
    trainer.estimator.card = labelled(recipe)


def labelled(recipe: Recipe) -> Card:
    return card(recipe, checkpoint.open(recipe.start).card if recipe.start else None)


def ship(options: argparse.Namespace, name: str, folder: Path) -> None:
    checkpoint.save(checkpoint.open(folder), options.out / "fp16" / name, dtype=torch.float16)


def advance(trainer: Trainer) -> torch.Tensor:
    loss = trainer.update()
    trainer.step += 1
    return loss


def adapted(options: argparse.Namespace, recipe: Recipe) -> Recipe:
    """A recipe with the command line's folder of photographs, size, capacity and batch; saved only at its end.

    The sizes and batches of its phases change in proportion.
    """
    data = []
    for source in recipe.data:
        if source.dataset == "photos":
            source = replace(source, root=options.photos)
        elif options.capacity:
            source = replace(source, capacity=options.capacity)
        block = min(options.block or source.block, source.capacity)
        source = source if source.dataset == "photos" else replace(source, block=block)
        if options.size:
            source = replace(source, options={**source.options, "height": options.size, "width": options.size})
        data.append(source)
    every = replace(recipe.every, save=0, validate=0)
    few = tuple(held_out(source, 16) for source in data)
    batch = options.batch or recipe.batch
    smaller, side = batch / recipe.batch, (options.size or SIDE) / SIDE
    phases = [replace(phase, size=int(phase.size * side), batch=int(phase.batch * smaller)) for phase in recipe.phases]
    phases, skipped = phases[options.from_phase - 1 :], phases[: options.from_phase - 1]
    steps = recipe.steps - sum(phase.steps for phase in skipped)
    optim = replace(recipe.optim, lr=options.rate or recipe.optim.lr)
    changed = {"data": tuple(data), "validation": few, "every": every, "batch": batch, "phases": tuple(phases)}
    changed |= {"reuse": options.reuse or recipe.reuse, "average": options.average or recipe.average}
    return replace(recipe, **changed, optim=optim, steps=steps, scored=0)


def started(options: argparse.Namespace, name: str) -> Recipe:
    """A stage's recipe, starting from an earlier result, the wave before it in OUT, or the command line's generator."""
    recipe = adapted(options, load(name))
    if options.earlier and (options.earlier / name).is_dir():
        return replace(recipe, start=str(options.earlier / name))
    before = BEFORE.get(name, "tiny-generator")
    folder = options.out / before / "checkpoint"
    return replace(recipe, start=str(folder) if folder.is_dir() else options.start or recipe.start)


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
