"""Charts as inline SVG, in the colours of the page that holds them: histograms, and error by uncertainty."""

import math
from collections.abc import Callable, Sequence
from html import escape

import torch

from marigold.evaluate.comparison import number
from marigold.evaluate.gallery import Bin

WIDTH, HEIGHT = 320, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 10.0, 18.0, 34.0
_MOST_BARS = 24


def histogram(values: Sequence[float], heading: str, said: Callable[[float], str]) -> str:
    """How many samples have which value, with the mean as a line.

    `heading` names the values and their unit, `said` writes one.
    """
    count = min(_MOST_BARS, max(4, math.ceil(2 * len(values) ** 0.5)))
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) or 1.0
    low, high = (low, high) if high > low else (low - spread / 2, high + spread / 2)
    numbers = torch.histc(torch.tensor(values, dtype=torch.float64), count, low, high).int().tolist()
    mean, most = math.fsum(values) / len(values), max(numbers)
    wide = (WIDTH - _LEFT - _RIGHT) / count
    bars = "".join(
        f'<rect class="bar" x="{_LEFT + place * wide + 0.5:.1f}" y="{_y(size / most):.1f}" width="{wide - 1:.1f}" '
        f'height="{_y(0) - _y(size / most):.1f}"/>'
        for place, size in enumerate(numbers)
        if size
    )
    at = _x((mean - low) / (high - low))
    line = f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP:.0f}" y2="{_y(0):.0f}"/>'
    # the words stand on that side of the line where there is room
    anchor, away = ("start", 4) if at < WIDTH / 2 else ("end", -4)
    word = f'<text x="{at + away:.1f}" y="{_TOP - 6:.0f}" text-anchor="{anchor}">mean {said(mean)}</text>'
    words = f"histogram of {heading} over {len(values)} samples: {said(low)} to {said(high)}, mean {said(mean)}"
    return _svg(words, bars + line + word + _axes(low, high, 0, most, heading, "samples"))


def reliability(bins: Sequence[Bin], unit: str) -> str:
    """The mean error of pixels by their uncertainty, with the range of the middle 80 % as a band."""
    low, high = bins[0].uncertainty, bins[-1].uncertainty
    extent, most = (high - low) or 1.0, max(max(one.high, one.error) for one in bins) or 1.0
    across = [_x((one.uncertainty - low) / extent) for one in bins]
    upper = [f"{x:.1f},{_y(one.high / most):.1f}" for x, one in zip(across, bins, strict=True)]
    lower = [f"{x:.1f},{_y(one.low / most):.1f}" for x, one in zip(across, bins, strict=True)]
    band = f'<polygon class="band" points="{" ".join([*upper, *reversed(lower)])}"/>'
    places = [(x, _y(one.error / most)) for x, one in zip(across, bins, strict=True)]
    line = f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'
    dots = "".join(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in places)
    first, last = bins[0].error, bins[-1].error
    words = (
        f"mean error by uncertainty in {len(bins)} bins of pixels: from {number(first)} at the surest to {number(last)}"
    )
    error = f"error [{unit}]" if unit else "error"
    return _svg(words, band + line + dots + _axes(low, high, 0, most, "uncertainty", error))


def _x(share: float) -> float:
    return _LEFT + share * (WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def _axes(low: float, high: float, least: float, most: float, across: str, upward: str) -> str:
    """Both axes with the values at their ends and what they are."""
    bottom, middle = _y(0), (_TOP + _y(0)) / 2
    return (
        f'<path class="axis" d="M{_LEFT:.0f} {_TOP:.0f}V{bottom:.0f}H{WIDTH - _RIGHT:.0f}"/>'
        f'<text x="{_LEFT:.0f}" y="{bottom + 13:.0f}">{_tick(low)}</text>'
        f'<text x="{WIDTH - _RIGHT:.0f}" y="{bottom + 13:.0f}" text-anchor="end">{_tick(high)}</text>'
        f'<text x="{(_LEFT + WIDTH - _RIGHT) / 2:.0f}" y="{HEIGHT - 5}" text-anchor="middle">{escape(across)}</text>'
        f'<text x="{_LEFT - 4:.0f}" y="{bottom:.0f}" text-anchor="end">{_tick(least)}</text>'
        f'<text x="{_LEFT - 4:.0f}" y="{_TOP + 4:.0f}" text-anchor="end">{_tick(most)}</text>'
        f'<text transform="translate(11 {middle:.0f}) rotate(-90)" text-anchor="middle">{escape(upward)}</text>'
    )


def _tick(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}"


def _svg(words: str, content: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(words)}">{content}</svg>'
