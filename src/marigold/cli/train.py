"""Train or fine-tune by a recipe; the same command resumes an interrupted run."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

USAGE = """usage: marigold train RECIPE [--run FOLDER] [--device DEVICE] [--workers N] [--compiled] [--KEY VALUE ...]

Train or fine-tune by a recipe; the same command resumes an interrupted run.

RECIPE is the name of a recipe or a YAML file. Every key of it is an option too: --steps 500, --optim.lr 1e-4,
--data.0.weight 2. `marigold train RECIPE --help` lists them with the recipe's values."""


@dataclass(frozen=True)
class Options:
    """What `marigold train` is told."""

    recipe: Any
    run: Path | None
    device: str
    workers: int
    compiled: bool


def parse(arguments: list[str]) -> Options:
    """The recipe named first, with the overrides that follow it."""
    import tyro

    from marigold.cli import paths
    from marigold.train import recipe as recipes

    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"{USAGE}\n\nrecipes: {', '.join(recipes.names())}")
        raise SystemExit(0 if arguments else 2)

    @dataclass(frozen=True)
    class Line:
        """Train by a recipe."""

        recipe: Annotated[recipes.Recipe, tyro.conf.arg(name="")]
        run: Path | None = None
        """The run folder, which is also what resumes; runs/NAME when left out."""
        device: str = "auto"
        """auto, cpu, cuda, cuda:1 or mps."""
        workers: int = 0
        """Processes that read or lay out samples ahead of need; they change no result."""
        compiled: bool = False
        """Compile the trained network: a slow start, then more steps a second."""

    line = tyro.cli(
        Line,
        args=arguments[1:],
        default=Line(recipes.load(arguments[0])),
        prog=f"marigold train {arguments[0]}",
        registry=paths(),
    )
    return Options(line.recipe, line.run, line.device, line.workers, line.compiled)


def run(options: Options) -> int:
    """Trains, or resumes, and says which phases are left out and where the checkpoint is."""
    from marigold.accel.precision import resolve_device
    from marigold.train.loop import train

    folder = options.run or Path("runs") / options.recipe.name
    device = str(resolve_device(options.device))
    if note := options.recipe.unreached():
        print(f"note: {note}", file=sys.stderr)
    finished = train(options.recipe, folder, device=device, compiled=options.compiled, workers=options.workers)
    print(f"checkpoint: {finished}", file=sys.stderr)
    return 0
