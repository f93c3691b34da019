"""Merging depth members whose truth is known: error and time of three methods.

python bench/ensemble.py [--quick]
writes bench/results/ensemble.md, bench/results/ensemble.json and docs/images/ensemble.png (--quick only prints)

Truth is a floor with discs; a member is the truth at a scale and shift of its own, with smooth and pixel noise, clipped
to 0 to 1. An outlier is a smooth map of nothing, or its own member upside down. The methods are ours
(`measure/ensemble.py`), that of the installed diffusers, and the published search with its 50 iterations
(`measure/published.py`). The error is the root mean square after the best scale and shift to the truth, as a share of
its range, averaged over seeds. Errors are found at 48 x 64 pixels, where the published search takes no minutes.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.compat._merging import OFFICIAL, merge_depth
from marigold.measure.alignment import least_squares
from marigold.measure.ensemble import merge_affine

RESULTS = Path(__file__).parent / "results"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "ensemble.png"
HEIGHT, WIDTH = 48, 64
SEEDS = 4
THREADS = 2
"""What the times are measured with; small maps are merged by one."""


@dataclass(frozen=True)
class Setting:
    """One kind of ensemble."""

    members: int
    noise: float
    """Standard deviation, as a share of the members' range."""
    outliers: int
    kind: str
    """`none`, `other` (a map of nothing) or `inverted`."""


def ours(members: Tensor) -> Tensor:
    return merge_affine(members)[0]


def of_diffusers(members: Tensor) -> Tensor:
    from diffusers import MarigoldDepthPipeline

    return MarigoldDepthPipeline.ensemble_depth(members[:, None])[0][0, 0]


def published(members: Tensor) -> Tensor:
    return merge_depth(members, OFFICIAL, scale=True, shift=True)[0]


METHODS: dict[str, Callable[[Tensor], Tensor]] = {"ours": ours, "diffusers": of_diffusers, "published": published}


def settings(quick: bool = False) -> Iterator[Setting]:
    """Every combination of size, noise and outliers."""
    for members in (3, 5) if quick else (3, 5, 10, 20):
        for noise in (0.03,) if quick else (0.01, 0.03, 0.1):
            yield Setting(members, noise, 0, "none")
            for outliers in sorted({1, max(1, members // 4)}):
                yield from (Setting(members, noise, outliers, kind) for kind in ("other", "inverted"))


def truth(rng: torch.Generator, height: int, width: int) -> Tensor:
    """A floor that rises towards the viewer, and six discs in front of it; 0 to 1."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    depth = 1 - 0.6 * torch.rand(1, generator=rng) * y
    for _ in range(6):
        across, down, radius, near = torch.rand(4, generator=rng)
        disc = (x - across).square() + (y - down).square() < (0.05 + 0.2 * radius) ** 2
        depth = torch.where(disc, torch.minimum(depth, 0.1 + 0.8 * near), depth)
    return _stretched(depth)


def draw(setting: Setting, seed: int, height: int = HEIGHT, width: int = WIDTH) -> tuple[Tensor, Tensor]:
    """Members [E, H, W] in 0 to 1, and the truth [H, W]."""
    rng = torch.Generator().manual_seed(seed)
    exact = truth(rng, height, width)
    scale = 0.5 + 0.5 * torch.rand(setting.members, 1, 1, generator=rng)
    shift = (1 - scale) * torch.rand(setting.members, 1, 1, generator=rng)
    members = scale * exact + shift
    grain = torch.randn(members.shape, generator=rng)
    members = members + setting.noise * 0.5**0.5 * (_smooth(setting.members, height, width, rng) + grain)
    for number in range(setting.outliers):
        nothing = _stretched(_smooth(1, height, width, rng)[0])
        members[number] = nothing if setting.kind == "other" else 1 - members[number]
    return members.clamp(0, 1), exact


def error(merged: Tensor, exact: Tensor) -> float:
    """The root mean square error after the best scale and shift."""
    scale, shift = least_squares(merged, exact, torch.ones_like(exact, dtype=torch.bool))
    return (scale * merged.double() + shift - exact.double()).square().mean().sqrt().item()


def compare(setting: Setting, seeds: int) -> dict[str, float]:
    """The mean error of every method over seeds."""
    drawn = [draw(setting, seed) for seed in range(seeds)]
    return {
        name: sum(error(merge(members), exact) for members, exact in drawn) / seeds for name, merge in METHODS.items()
    }


def seconds(merge: Callable[[Tensor], Tensor], members: Tensor, runs: int) -> float:
    """The shortest of several runs."""
    merge(members[:, :32, :32])
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        merge(members)
        times.append(time.perf_counter() - start)
    return min(times)


def timed(quick: bool) -> list[dict[str, float | str]]:
    """Seconds of ten members at 480 x 640, and with the published search at 120 x 160."""
    rows = []
    for (height, width), names in (((120, 160), list(METHODS)), ((480, 640), ["ours", "diffusers"])):
        members, _ = draw(Setting(10, 0.03, 0, "none"), 0, height, width)
        once = {name: seconds(METHODS[name], members, 7 if name == "ours" else 1) for name in names}
        rows.append({"size": f"{width} x {height}", **once})
        if quick:
            break
    return rows


def _smooth(count: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    """Smooth noise [count, H, W] of about unit deviation."""
    coarse = torch.randn(count, 1, 6, 8, generator=rng)
    return F.interpolate(coarse, (height, width), mode="bicubic")[:, 0]


def _stretched(depth: Tensor) -> Tensor:
    return (depth - depth.min()) / (depth.max() - depth.min())


def table(rows: list[tuple[Setting, dict[str, float]]], times: list[dict[str, float | str]], seeds: int) -> str:
    """Errors in percent of the range, and times, as Markdown."""
    won = sum(found["ours"] <= min(found["diffusers"], found["published"]) for _, found in rows)
    lines = [
        f"Error in percent of the range, the mean of {seeds} seeds at {WIDTH} x {HEIGHT}; ours is the lowest in {won} "
        f"of {len(rows)} settings.",
        "",
        "| members | noise | outliers | ours | diffusers | published |",
        "|---:|---:|---|---:|---:|---:|",
    ]
    for setting, found in rows:
        outliers = f"{setting.outliers} {setting.kind}" if setting.outliers else "-"
        cells = " | ".join(f"{100 * found[name]:.2f}" for name in METHODS)
        lines.append(f"| {setting.members} | {100 * setting.noise:g} % | {outliers} | {cells} |")
    load = os.getloadavg()[0]
    lines += [
        "",
        f"Time of ten members, torch {torch.__version__}, {torch.get_num_threads()} threads, load average {load:.1f} "
        "after the run; ratios are measured in one run.",
        "",
        "| size | ours | diffusers | published |",
        "|---|---:|---:|---:|",
    ]
    for row in times:
        own = float(row["ours"])
        cells = [f"{own * 1000:.0f} ms"]
        cells += [f"{float(row[name]) / own:.0f} times as long" if name in row else "-" for name in list(METHODS)[1:]]
        lines.append(f"| {row['size']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(rows: list[tuple[Setting, dict[str, float]]], path: Path) -> None:
    """Error against the number of members, without outliers and with one."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
    for axis, (title, kind) in zip(axes, (("no outlier", "none"), ("one member upside down", "inverted")), strict=True):
        chosen = [(s, e) for s, e in rows if s.noise == 0.03 and s.kind == kind and s.outliers <= 1]
        for name, style in zip(METHODS, ("o-", "s-", "^--"), strict=True):
            axis.plot([s.members for s, _ in chosen], [100 * e[name] for _, e in chosen], style, label=name)
        axis.set(title=f"{title}, noise of 3 %", xlabel="members", xscale="log")
        axis.set_xticks([s.members for s, _ in chosen], [str(s.members) for s, _ in chosen])
        axis.minorticks_off()
    axes[0].set_ylabel("error, % of the range")
    axes[0].set_ylim(bottom=0)
    axes[0].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few settings, two seeds, nothing written")
    quick = parser.parse_args().quick
    seeds = 2 if quick else SEEDS
    rows = []
    torch.set_num_threads(1)
    for setting in settings(quick):
        rows.append((setting, compare(setting, seeds)))
        print(setting, {name: round(value, 5) for name, value in rows[-1][1].items()}, flush=True)
    torch.set_num_threads(min(THREADS, os.cpu_count() or 1))
    times = timed(quick)
    text = table(rows, times, seeds)
    print(text)
    if quick:
        return
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "ensemble.md").write_text(text + "\n", encoding="utf-8")
    content = {"errors": [{**asdict(s), **found} for s, found in rows], "seconds": times}
    (RESULTS / "ensemble.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    plot(rows, PICTURE)


if __name__ == "__main__":
    main()
