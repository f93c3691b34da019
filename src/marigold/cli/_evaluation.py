"""Score a checkpoint, a model or a folder of predictions on benchmarks: tables, samples and a page that shows them.

`marigold evaluate compare A B` compares two results, `marigold evaluate verify RESULT` runs one again,
`marigold evaluate calibrate CHECKPOINT DATASET` fits the checkpoint's intervals; each has a --help of its own.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Suppress

from marigold.predict.settings import Request


@dataclass(frozen=True)
class _Request(Request):
    """The settings of `marigold predict`, but for what an evaluation decides."""

    checkpoint: Suppress[str | None] = None
    match_input: Suppress[bool] = True


@dataclass(frozen=True)
class Options:
    """Options of `marigold evaluate`."""

    what: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SUITE|DATASET", help_behavior_hint="")
    ]
    """A suite such as quick or depth, the name of a data set, or a folder that `marigold synth` wrote. With a
    checkpoint in front, the table alone: CHECKPOINT DATASET."""
    checkpoint: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME")] = ()
    """A bundled name, a folder or a hub id; several each with --checkpoint. Left out: those that the suite names."""
    predictions: Path | None = None
    """A folder of somebody's predictions: npy, 16-bit PNG, EXR, TIFF or PFM."""
    pattern: str = ""
    """How their files are called, such as '{key}_depth.npy', with {key}, {folder}, {name}, {id} and {output}; usual
    names are tried when left out."""
    model: str = ""
    """MODULE:CLASS of Python code with one method, predict(photo); its code runs."""
    modality: str = ""
    """What predictions or a model give, such as depth."""
    name: str = ""
    """What tables and the folder of the result call it."""
    root: Path | None = None
    """Where a data set lies, or for a suite the folder that holds the folders of its sets."""
    settings: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = ()
    """A setting of the data set, as a recipe has it, in a suite DATASET.KEY=VALUE; several each with --set."""
    split: Annotated[str, tyro.conf.arg(help_behavior_hint="")] = ""
    """Which part of the data set; when left out, test or the only one there is."""
    count: int = 0
    """Use the first so many samples of each set; 0 means all."""
    measures: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME")] = ()
    """A group of metrics in place of the suite's: standard, edges, uncertainty and so on; several each with
    --measures."""
    beside: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME")] = ()
    """What is scored beside the model: ceiling, autoencoder, baselines or none; several each with --beside."""
    align: Literal["depth", "disparity", "log", "none"] | None = None
    """Where depth is fitted to the truth; as the suite says, or in depth."""
    fit: Literal["least-squares", "l1", "ransac", "median", "scale"] | None = None
    """How it is fitted: scale and shift by least squares, by least absolute errors or by RANSAC; or one factor, the
    median ratio or by least squares."""
    longest: int | None = None
    """The fit is made on maps with at most so many pixels on the longest side; 0 takes all."""
    pooling: Literal["image", "pixel"] | None = None
    """Means over images of each image's value, or over all pixels of all images."""
    jobs: int = 2
    """Threads that read and score; they change no score."""
    report: bool = True
    """Make report.html, a page of tables, histograms and the best, median and worst samples."""
    batch: int = 8
    """Of CHECKPOINT DATASET: samples read at a time; 1 when sizes differ. It changes no score."""
    output: Path | None = None
    """The folder of results, `results` when left out; the result is in OUTPUT/SUITE/MODEL. Of CHECKPOINT DATASET the
    JSON file."""
    trust: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="PACKAGE")] = ()
    """A package whose code the checkpoint may run, such as my_package; several each with --trust."""
    request: Annotated[OmitArgPrefixes[_Request], tyro.conf.arg(name="prediction")] = field(default_factory=_Request)
