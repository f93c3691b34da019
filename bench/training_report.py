"""What `training.py` measured, as a page: tables, aims, where the time goes, and what is missing."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from random_networks import make_estimator
from training_loops import PIXELS
from training_variants import REQUIRED, SHARED, VARIANTS

Row = dict[str, Any]
Result = dict[str, Any]
PARTS = {"encode": "Photo and target through the autoencoder", "step": "U-Net and optimizer, latents cached"}
PEAK = 989
"""TFLOP/s of an H200 by its data sheet."""
GROUPS = {
    "norms, activations, casts (generated)": "^triton",
    "attention": "sdpa|fmha|flash",
    "convolutions": "fprop|dgrad|wgrad|implicit_gemm",
    "optimizer": "multi_tensor_apply",
    "copies and other elementwise work": "elementwise_kernel|Memcpy|Memset",
    "matrix products": "nvjet|gemm|cutlass",
}
"""Kinds of kernels by their names; the first that fits."""


@dataclass(frozen=True)
class Aim:
    """What a number of some variant should come to."""

    what: str
    limit: float
    key: str
    names: tuple[str, ...] = tuple(VARIANTS)
    """The variants that count."""
    at_least: bool = False

    def text(self, rows: list[Row]) -> str:
        """Whether the best of these rows comes to it."""
        found = [(row[self.key], row["about"]) for row in rows if row["name"] in self.names and self.key in row]
        aim = f"{self.what}: {'at least' if self.at_least else 'at most'} {self.limit:g}"
        if not found:
            return f"- {aim}: **not measured**."
        value, about = max(found) if self.at_least else min(found)
        reached = value >= self.limit if self.at_least else value <= self.limit
        return f"- {aim}: {'reached' if reached else '**not reached**'}, {value:.1f} ({about})."


AIMS = (
    Aim("times the published loop", 6, "speed", at_least=True),
    Aim("ms a sample", 12, "ms"),
    Aim("ms a sample, latents cached", 7, "cached_ms"),
    Aim("GB for a step of micro-batches of 2", 24, "peak_gb", ("fp32-2", "bf16-2")),
    Aim("GB with checkpointing and 8-bit Adam", 12, "peak_gb", ("checkpointed-2-8bit",)),
    Aim("times one GPU, two with as many samples each", 1.9, "gain", tuple(SHARED), at_least=True),
)


def page(results: list[Result]) -> str:
    """All results of `training.py`, of one process and of several."""
    rows = [row for result in results for row in compared(result)]
    parts = [shared_table(one) if one["processes"] > 1 else table(one) for one in results]
    for result in results:
        if profiled := [row for row in result["rows"] if "kernels" in row]:
            parts += [*(kernels(row, operations(result["size"])) for row in profiled), needed(result)]
    return "\n\n".join(
        ["# One optimizer step at full size", *parts, "\n".join(aim.text(rows) for aim in AIMS), missing(results)]
    )


def compared(result: Result) -> list[Row]:
    """The rows with their speed in that of the published loop, or of one process."""
    published = _published(result)
    return [
        row
        | ({"speed": published / row["ms"]} if "ms" in row else {})
        | ({"gain": row["one_ms"] / row["each_ms"]} if "each_ms" in row else {})
        for row in result["rows"]
    ]


def missing(results: list[Result]) -> str:
    """The variants that were asked for and are in no result."""
    found = [(row, result["processes"] > 1) for result in results for row in result["rows"]]
    names = {(row["name"], several) for row, several in found if _measured(row, several)}
    left = [f"{VARIANTS[name].about} ({VARIANTS[name].batch})" for name in REQUIRED if (name, False) not in names]
    left += [f"several GPUs, {name}" for name in SHARED if (name, True) not in names]
    return f"Not measured: {'; '.join(left)}." if left else "Every variant was measured."


def _measured(row: Row, several: bool = False) -> bool:
    """Whether the row has the number that it is there for."""
    if several:
        return "each_ms" in row
    return ("encode_ms" if VARIANTS[row["name"]].encoder_alone else "ms") in row


def hours(milliseconds: float, updates: int = 30_000, samples: int = 32) -> float:
    """The hours of a published run at so many milliseconds a sample."""
    return math.prod((milliseconds, updates, samples)) / 3_600_000


def table(result: Result) -> str:
    """One process: a line for each variant, its ratio to the published loop, and the hours of a published run."""
    published = _published(result)
    head = (
        f"{result['device']}, torch {result['torch']}; steps of {result['samples']} samples; network: "
        f"{result['size']}; hours are those of a published depth run of 30,000 updates of 32."
    )
    title = (
        "| variant | in a pass | ms a sample | times as fast | ms, latents cached | times as fast | ms to encode "
        "| peak GB | hours | hours, cached | latents differ by | output differs by | first step, s | compiling, s |"
    )
    lines = [f"| {row['about']} | {row['batch']} | {_cells(row, published)} |" for row in result["rows"]]
    failed = [f"\n{row['about']}: {row['error']}" for row in result["rows"] if "error" in row and _measured(row)]
    return "\n".join([head, "", title, f"|---|{'---:|' * 13}", *lines, *failed])


def _published(result: Result) -> float:
    return next((row["ms"] for row in result["rows"] if row["name"] == "published" and "ms" in row), float("nan"))


def _cells(row: Row, published: float) -> str:
    if "error" in row and not _measured(row):
        return f"{row['error'].replace('|', '/')} |" + " |" * 10
    whole, cached = row.get("ms"), row.get("cached_ms")
    cells = [f"{whole:.1f}", f"{published / whole:.1f}"] if whole else ["", ""]
    cells += [f"{cached:.1f}", f"{published / cached:.1f}"] if cached else ["", ""]
    cells += [f"{row[key]:.1f}" if key in row else "" for key in ("encode_ms", "peak_gb")]
    cells += [f"{hours(one):.1f}" if one else "" for one in (whole, cached)]
    cells += [f"{row[key]:.1e}" if key in row else "" for key in ("latents_differ", "output_differs")]
    cells += [f"{row[key]:.0f}" if key in row else "" for key in ("first_seconds", "compile_seconds")]
    return " | ".join(cells)


def kernels(row: Row, work: Mapping[str, float]) -> str:
    """Where the time of a variant goes, by kinds of kernels; those that are not listed leave each a lower bound."""
    lines = [f"## Where the time goes: {row['about']}, {row['batch']} in a pass"]
    for part, found in row["kernels"].items():
        took = _took(row, part)
        alike = "" if "span" in found else " (of kernels whose names begin alike it has one)"
        cells = [f"| {kind} | {spent:.2f} | {spent / took:.0%} |" for kind, spent in by_kind(found).most_common()]
        lines.append(
            f"{PARTS[part]}: {took:.2f} ms a sample for {work[part]:.2f} TFLOP, {work[part] / took * 1e3:.0f} TFLOP/s. "
            f"The profile shows {found['all']:.2f} ms of it{alike}."
        )
        lines.append("\n".join(["| kernels | ms, at least | share |", "|---|---:|---:|", *cells]))
    return "\n\n".join(lines)


def needed(result: Result) -> str:
    """The rates of computation that the aims in milliseconds stand for."""
    work = operations(result["size"])
    whole, cached = (aim.limit for aim in AIMS if aim.key in ("ms", "cached_ms"))
    return (
        f"{whole:g} ms a sample would be {sum(work.values()) / whole * 1e3:.0f} TFLOP/s, and {cached:g} ms with cached "
        f"latents {work['step'] / cached * 1e3:.0f}; the data sheet of the H200 has {PEAK} for dense products in bf16."
    )


@cache
def operations(size: str) -> dict[str, float]:
    """The products and sums of a sample by part of the step, in 10^12: two images encoded; a pass and its gradients."""
    from torch.utils.flop_counter import FlopCounterMode

    estimator, (height, width) = make_estimator(size, "meta"), PIXELS[size]
    with torch.no_grad(), FlopCounterMode(display=False) as encoder:
        latent = estimator.encode_image(torch.empty(1, 3, height, width, device="meta"))
    with torch.no_grad(), FlopCounterMode(display=False) as network:
        estimator.backbone.network(latent, torch.zeros(1, dtype=torch.long, device="meta"), latent)
    return {"encode": 2 * encoder.get_total_flops() / 1e12, "step": 3 * network.get_total_flops() / 1e12}


def by_kind(found: Mapping[str, float]) -> Counter[str]:
    """Milliseconds by kind of kernel."""
    spent = Counter[str]()
    for name, value in found.items():
        if name in ("all", "span") or name.startswith("aten::"):
            continue
        spent[next((kind for kind, pattern in GROUPS.items() if re.search(pattern, name)), "others")] += value
    return spent


def _took(row: Row, part: str) -> float:
    """The milliseconds a sample that a part of the step was measured to take."""
    if part == "step":
        return row["cached_ms"]
    return row["encode_ms"] if "encode_ms" in row else row["ms"] - row["cached_ms"]


def shared_table(result: Result) -> str:
    """Several processes: milliseconds a sample, and how many times as fast as one process they are together."""
    lines = []
    for row in result["rows"]:
        if "each_ms" not in row:
            lines.append(f"| {row['name']} | {row.get('error', 'not finished').replace('|', '/')} |" + " |" * 4)
            continue
        for kind, title in (("same", f"{result['samples']} together"), ("each", f"{result['samples']} each")):
            pairs = [(row[f"{kind}{rest}"], row[f"one{rest}"]) for rest in ("_ms", "_cached_ms")]
            cells = " | ".join(f"{alone:.2f} | {shared:.2f} | {alone / shared:.2f}" for shared, alone in pairs)
            lines.append(f"| {row['name']}, {title} | {cells} |")
    title = "| samples of a step | ms of one | ms a sample | times one | ms of one, cached | ms, cached | times one |"
    head = f"{result['processes']} x {result['device']}, torch {result['torch']}; gradients as the package shares them"
    return "\n".join([head, "", title, f"|---|{'---:|' * 6}", *lines])
