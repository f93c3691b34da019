"""Train or fine-tune by a recipe; the same command resumes an interrupted run."""

import sys
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from marigold.core.choices import Compile
from marigold.core.errors import ConfigError

USAGE = """usage: marigold train RECIPE [--run FOLDER] [--device DEVICE] [--workers N] [--renderer DEVICE]
                      [--compile auto|on|off] [--compiled] [--precision NAME] [--minutes MINUTES]
                      [--cache-latents FOLDER] [--cache-size GB] [--board NAME] [--dry-run] [--trust PACKAGE]
                      [--KEY VALUE ...]
       marigold train inspect RUN/nonfinite/STEP.safetensors

Train or fine-tune by a recipe; the same command resumes an interrupted run. `inspect` shows the batch that a run has
ended with because its losses were no numbers.

RECIPE is the name of a recipe or a YAML file. Every key of it is an option too: --steps 500, --optim.lr 1e-4,
--data.0.weight 2. `marigold train RECIPE --help` lists them with the recipe's values."""


@dataclass(frozen=True)
class Options:
    """A recipe and how to run it."""

    recipe: Any
    run: Path | None = None
    """The run folder, which is also what resumes; runs/NAME when left out."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    workers: int = 0
    """Processes that read or lay out samples ahead of need; they change no result."""
    renderer: str = ""
    """A device on which those processes, at least one, also make the samples, such as cuda:1."""
    compile: Compile = "auto"
    """Whether networks and rendering are compiled, which is a slow start and then more steps a second: on, off, or
    auto, which leaves that to the recipe."""
    compiled: bool = False
    """Short for --compile on, and for --plan.compiled."""
    precision: str = ""
    """fp32, bf16 or fp16. Short for --plan.precision."""
    minutes: float = 0.0
    """Train for so long: the phases and the rate's decay get their shares of the time. The run's recipe then says how
    many steps that made, which depends on the machine. 0 makes the recipe's steps."""
    cache_latents: Path | None = None
    """A folder in which encoded samples are kept, for this run and others with the same data and autoencoder."""
    cache_size: float = 100.0
    """The most that it may hold, in GB."""
    board: tuple[str, ...] = ()
    """Where curves are shown: tensorboard, wandb, trackio or none; several each with --board. Left out: tensorboard, if
    it is installed."""
    dry_run: bool = False
    """Say what the run reads and takes of memory, disk and time, by a few real steps; write nothing."""
    trust: tuple[str, ...] = ()
    """A package whose code may run though the checkpoint that the recipe starts from asks for it, or a recipe that lies
    in a run or a checkpoint; several each with --trust."""


@dataclass(frozen=True)
class Inspection:
    """A file to look at."""

    file: Path


def parse(arguments: list[str]) -> Options | Inspection:
    """The recipe named first, with the overrides that follow it, or a file that is to be looked at."""
    import tyro

    from marigold.cli import expanded, paths, strict
    from marigold.cli._recipe_options import typed
    from marigold.core.config import decode, encode
    from marigold.train import recipe as recipes
    from marigold.train.board import Name

    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"{USAGE}\n\nrecipes: {', '.join(recipes.names())}")
        raise SystemExit(0 if arguments else 2)
    if arguments[0] == "inspect" and len(arguments) == 2:
        return Inspection(expanded(arguments[1]))
    loaded = typed(recipes.load(arguments[0], _trusted(arguments[1:])))

    @dataclass(frozen=True)
    class Line(Options):
        recipe: Annotated[type(loaded), tyro.conf.arg(name="")]  # pyright: ignore[reportInvalidTypeForm]
        board: Annotated[tuple[Name, ...], tyro.conf.UseAppendAction] = ()
        trust: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="PACKAGE")] = ()

    parse = partial(
        tyro.cli,
        Line,
        default=Line(loaded),
        prog=f"marigold train {arguments[0]}",
        description=f"Train by a recipe. Its file chooses the classes that have these settings: {_classes(loaded)}.",
        config=(tyro.conf.DisallowNone,),
        registry=paths(),
    )
    line = strict(parse, "train", arguments[1:])
    recipe = decode(recipes.Recipe, _planned(encode(line.recipe), line), "recipe")
    return Options(**{**vars(line), "recipe": recipe})


def _planned(recipe: dict[str, Any], line: Options) -> dict[str, Any]:
    """A recipe with what the short options say of its plan."""
    if line.compiled and line.compile == "off":
        raise ConfigError("compile: `off` and --compiled contradict each other; leave one of them out")
    plan = dict(recipe["plan"])
    if line.compiled or line.compile != "auto":
        plan["compiled"] = line.compile != "off"
    if line.precision:
        plan["precision"] = line.precision
    return {**recipe, "plan": plan}


def _trusted(arguments: list[str]) -> list[str]:
    """What follows `--trust`, which counts before the recipe is read that decides about the other options."""
    following = [word for before, word in pairwise(arguments) if before == "--trust"]
    return [*following, *(word.partition("=")[2] for word in arguments if word.startswith("--trust="))]


def run(options: Options | Inspection) -> int:
    """Trains, or resumes, and says what is left out and where the checkpoint is; or says what would be done."""
    from marigold.accel.parallel import is_first
    from marigold.accel.precision import resolve_device
    from marigold.core.files import file_name
    from marigold.train import loop, nonfinite, rehearsal
    from marigold.train.latents import Latents

    if isinstance(options, Inspection):
        print(nonfinite.describe(options.file))
        return 0
    folder = options.run or Path("runs") / file_name(options.recipe.name, "recipe.name")
    how: dict[str, Any] = dict(
        device=str(resolve_device(options.device)),
        workers=options.workers,
        renderer=str(resolve_device(options.renderer)) if options.renderer else "",
        minutes=options.minutes,
        boards=options.board,
        trust=options.trust,
    )
    if options.dry_run and not is_first():
        return 0
    if options.dry_run:
        print(rehearsal.rehearse(options.recipe, folder, **how))
        return 0
    kept = Latents(options.cache_latents, options.cache_size) if options.cache_latents else None
    finished = loop.train(options.recipe, folder, latents=kept, note=_note, **how)
    if is_first():
        print(f"checkpoint: {finished}", file=sys.stderr)
    return 0


def _note(text: str) -> None:
    """Prints what the user should know, beside the progress bar."""
    from tqdm import tqdm

    tqdm.write(f"note: {text}", file=sys.stderr)


def _classes(recipe: Any) -> str:
    """The classes that a recipe's keys name."""
    from marigold.core.find import name_of

    objects = {"objective": recipe.objective, "modality": recipe.modality}
    objects |= {f"phases.{number}.objective": phase.objective for number, phase in enumerate(recipe.phases)}
    objects |= {f"data.{number}": source.dataset for number, source in enumerate(recipe.data)}
    return ", ".join(f"{key} `{name_of(value)}`" for key, value in objects.items() if value is not None)
