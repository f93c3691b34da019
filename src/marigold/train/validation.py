"""Validation: held-out loss, previews, and the scores that `marigold evaluate` prints."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from marigold.core.contact_sheet import grid
from marigold.core.files import make_folder, whole_file
from marigold.data import border
from marigold.data.source import Source
from marigold.estimator import Estimator
from marigold.evaluate.runner import LeaveOut, score, snapshot
from marigold.predict.settings import Request
from marigold.train.stage import Stage

ROWS = 6
"""Samples in a preview."""
GAP = 4
"""White pixels between the images of a preview."""


@torch.no_grad()
def validate(stage: Stage, device: str) -> Iterator[tuple[str, dict[str, float], Tensor]]:
    """For every held-out source its name, its numbers and a preview."""
    recipe, mix = stage.recipe, stage.held_out
    for position, source in enumerate(mix.sources):
        batches = [mix.batch_of(position, number) for number in range(recipe.validation_batches)]
        losses = [stage.held_out_loss(batch, number) for number, batch in enumerate(batches)]
        numbers = {"loss": float(torch.stack(losses).mean())}
        if recipe.scored and not source.modality:
            leave_out = partial(stage.leave_out, source)
            numbers |= validation_scores(stage.estimator, source, recipe.scored, device, leave_out)
        yield f"{source.name}_{position}", numbers, stage.preview(batches[0].first(ROWS))


def validation_scores(
    estimator: Estimator, source: Source, count: int, device: str, leave_out: LeaveOut
) -> dict[str, float]:
    """The metrics that `marigold evaluate` prints for the first samples of a source.

    None for a network that does not answer from the photo alone: a generator, or one that refines another's maps.
    `leave_out` is called with samples that cannot be read.
    """
    if not (estimator.modality.needs and estimator.backbone.conditions == 1):
        return {}
    keys = border.keys(source.dataset, source.root, source.split)[:count]
    request = Request(device=device)
    batch = 1 if source.side or source.resize else 8  # samples of several sizes
    predictor = snapshot(estimator, request)
    how: dict[str, Any] = dict(request=request, batch=batch, progress=False, leave_out=leave_out)
    found = score(predictor, source.dataset, source.root, keys, **how)
    return found.means()


def save_preview(preview: Tensor, path: Path) -> None:
    """Writes [rows, columns, 3, H, W] in -1 to 1 as one JPEG, what is no number as grey. Raises `OutputError`."""
    levels = ((preview.float().cpu().nan_to_num(0.0).clamp(-1, 1) + 1) * 127.5).round().byte()
    make_folder(path.parent)
    with whole_file(path) as file:
        # [rows, columns, H, W, 3]
        Image.fromarray(grid(levels.permute(0, 1, 3, 4, 2).numpy(), gap=GAP)).save(file, "jpeg", quality=90)
