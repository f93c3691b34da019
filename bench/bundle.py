"""Puts a trained checkpoint into the package: half precision, scores on the card, the recipe
as it ran beside the weights, shared parts left out.

python bench/bundle.py CHECKPOINT NAME [--shares generator] [--scores bench/results/scores-X.json] [--note TEXT]
"""

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch

from marigold.checkpoints import catalogue, store
from marigold.checkpoints.convention import TTA
from slim import narrower_time

SHARED = ("vae", "text_encoder", "tokenizer")
"""Parts that are the same in the whole small family."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("name")
    parser.add_argument("--shares", default="", help="the bundled checkpoint that holds the shared parts")
    parser.add_argument("--scores", type=Path, default=None, help="what bench/scores.py wrote")
    parser.add_argument("--recipe", type=Path, default=None, help="the resolved recipe; by default the run's own")
    parser.add_argument("--source", default=None, help="the checkpoint that it was fine-tuned from")
    parser.add_argument("--steps", type=int, default=None, help="sampling steps when nothing else is asked for")
    parser.add_argument("--ensemble", type=int, default=None, help="members when nothing else is asked for")
    parser.add_argument("--tta", choices=get_args(TTA), default=None, help="what the members then see")
    parser.add_argument("--time-width", type=int, default=0, help="neurons of the time embedding, if fewer than it has")
    parser.add_argument("--note", default="")
    options = parser.parse_args()
    estimator = store.open(options.checkpoint)
    if options.time_width:
        estimator.backbone.unet = narrower_time(estimator.backbone.unet, options.time_width)
    scores = json.loads(options.scores.read_text()) if options.scores else {}
    note = options.note or estimator.card.note
    source = origin(estimator.card.source)
    estimator.card = replace(estimator.card, name=options.name, scores=scores, note=note, source=source)
    if options.source is not None:
        estimator.card = replace(estimator.card, source=options.source)
    chosen = {name: getattr(options, name) for name in ("steps", "ensemble", "tta")}
    defaults = estimator.card.defaults | {name: value for name, value in chosen.items() if value is not None}
    estimator.card = replace(estimator.card, defaults=defaults)
    shares = {part: str(options.shares) for part in SHARED} if options.shares else {}
    folder = catalogue.BUNDLED / options.name
    recipes = {file: file.read_text() for file in folder.glob("recipe*.yaml")}  # of this and of earlier stages
    for file in recipes:
        file.unlink()
    try:
        store.save(estimator, folder, dtype=torch.float16, shares=shares)
    finally:
        for file, text in recipes.items():
            file.write_text(text)
    recipe = options.recipe or options.checkpoint.parent / "recipe.yaml"
    if recipe.is_file():
        (folder / "recipe.yaml").write_text(started(recipe.read_text(), estimator.card.source))
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder.name}: {size / 1e6:.1f} MB")


def started(recipe: str, source: str) -> str:
    """A recipe that starts from the checkpoint called `source`, not from where a copy of it lay on that machine."""
    name = source.partition(" ")[0]
    return re.sub(r"^start: /.*$", f"start: {name}", recipe, flags=re.MULTILINE)


def origin(source: str) -> str:
    """A run's checkpoint by the run's name: where it lay on the training machine means nothing elsewhere."""
    path = Path(source)
    return path.parent.name if path.name == "checkpoint" else source


if __name__ == "__main__":
    main()
