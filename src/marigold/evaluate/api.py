"""Evaluates a Python object on a benchmark, in one call: what `marigold evaluate WHAT --model ...` does."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from marigold.core.find import implementation
from marigold.evaluate.asked import Asked, root_of, suite_of
from marigold.evaluate.model import Model
from marigold.evaluate.run import Where, run
from marigold.evaluate.source import of_model
from marigold.modalities.base import Modality


def evaluate(
    model: Model,
    what: str | Path,
    *,
    modality: str = "depth",
    name: str = "",
    root: str | Path | None = None,
    split: str = "",
    count: int = 0,
    settings: Mapping[str, Any] | None = None,
    measures: Sequence[str] = (),
    output: str | Path = "results",
    jobs: int = 2,
    **protocol: Any,
) -> dict[str, Any]:
    """Scores `model.predict(photo)` and writes the result to `output/WHAT/NAME`; gives what is in its `summary.json`.

    `what` is a suite, the name of a data set or a folder that `marigold synth` wrote; `root` is where data lie. `split`
    and `count`, the first so many samples of each set, are as the suite says where they are empty or 0. `settings` are
    those of the data set, in a suite under `DATASET.KEY`; `measures` are groups of metrics by name. `protocol` are
    fields of `Protocol` that go before the suite's, such as `space="disparity"`. Raises `ConfigError` for settings that
    cannot be, `DataError` for data or answers that cannot be scored, and `OutputError`.
    """
    asked = Asked(
        str(what),
        model=f"{type(model).__module__}:{type(model).__qualname__}",
        modality=modality,
        name=name,
        root=str(root or ""),
        split=split,
        count=count,
        set=tuple(f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()),
        measures=tuple(measures),
        protocol=protocol,
    )
    called, suite = suite_of(asked)
    source = of_model(model, implementation(Modality, modality)(), name)
    where = Where(root_of(asked), Path(output), count, jobs, protocol)
    return run(called, suite, source, where, asked.as_plain()).summary
