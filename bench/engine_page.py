"""The page of `engine.py`: the rows of its result files as tables."""

import itertools
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from engine_aims import aims
from engine_rows import ALIKE, CASES, CPU, CUDA, ENGINES, PEER, TASKS, TOLERANCE, title

Row = dict[str, Any]
_NETWORKS = {"encode": "encode", "sample": "denoise", "decode": "decode"}
"""The arithmetic of stages."""


def page(rows: Iterable[Row]) -> str:
    """All rows as Markdown, a section for each device and size; of repeated rows the medians."""
    by_device: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        by_device.setdefault((row["device"], row["size"]), []).append(row)
    sections = [_section(device, size, found) for (device, size), found in by_device.items()]
    return "\n\n".join(["# Full-size networks near the chip's limit", *sections]) + "\n"


def line(row: Row) -> str:
    """A row as it is printed while the others are measured."""
    shown = ("failed", "ms", "rate", "starts", "seconds", "first_seconds", "open_seconds", "mean", "max", "range")
    said = [f"{name} {_number(row[name])}" for name in (*shown, "early_ms", "stages", "work") if name in row]
    memory = [f"{name} {row[name]:.2f} GiB" for name in ("allocated", "reserved", "rss") if name in row]
    return f"{row['row']}: {', '.join(said + memory)}"


def merged(rows: Iterable[Row]) -> dict[str, Row]:
    """Rows by name in the order of the lists; where one was measured several times, the medians of its figures.

    One that failed and was measured another time is what was measured.
    """
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row["row"], []).append(row)
    found = {name: _median([row for row in same if "failed" not in row] or same[-1:]) for name, same in by_name.items()}
    order = list(dict.fromkeys([*CUDA, *CPU, *found]))
    return {name: found[name] for name in order if name in found}


def _median(same: Sequence[Row]) -> Row:
    """The rows as one."""
    numbers = [name for name, value in same[-1].items() if isinstance(value, float | int)]
    return {**same[-1], **{name: statistics.median(row[name] for row in same if name in row) for name in numbers}}


def _section(device: str, size: str, rows: Sequence[Row]) -> str:
    """The tables of one device and size."""
    where = " and ".join(dict.fromkeys(row["where"] for row in rows if "where" in row))
    found = merged(rows)
    done = {name: row for name, row in found.items() if "failed" not in row}
    parts = [f"## {where or device}{'' if size == 'full' else f', size {size}'}", _conditions(device, size, done)]
    if size == "full":
        parts.append(_table(["aim", "bound", "measured", "reached"], aims(device, done)))
    parts += [table for make in (_engines, _stages, _shell, _maps) if (table := make(done))]
    parts += ["\n".join(f"- {title(name)}: {row['failed']}" for name, row in found.items() if "failed" in row)]
    return "\n\n".join(part for part in parts if part)


def _conditions(device: str, size: str, rows: dict[str, Row]) -> str:
    """What the figures are of."""
    case = CASES[size]
    said = [
        f"Photos of {_size(case.photo)}, large ones of {_size(case.large)}, in a folder {_size(case.folder)}; the "
        f"networks work at {case.resolution} pixels on the longest side, in one step where nothing else is said. Warm, "
        "medians, from a picture in memory to a map in memory; the first map counts from the start of the process. "
        f"Memory is {'what torch allocated and reserved' if device == 'cuda' else 'the most that the process had'}. "
        "Without another precision ours computes in bf16 and diffusers in "
        f"{'fp16' if device == 'cuda' else 'bf16'}."
    ]
    if limit := rows.get("limit"):
        said.append(f"The limit, a product of matrices of {limit['rows']:.0f} rows: {limit['rate']:.3g} TFLOP/s.")
    if counted := _counted(rows):
        shown = ", ".join(f"{name} {value:.3g}" for name, value in counted.items())
        said.append(f"The arithmetic of a photo in TFLOP, by network: {shown}.")
    return " ".join(said)


def _engines(rows: dict[str, Row]) -> str:
    """One line for each engine and task that has a time."""
    cells = []
    for name, row in rows.items():
        if name.partition("/")[0] not in ENGINES or "ms" not in row or "stages" in row:
            continue
        memory = f"{row['allocated']:.2f} / {row['reserved']:.2f}" if "allocated" in row else f"{row['rss']:.2f}"
        first = f"{row['open_seconds'] + row.get('first_seconds', 0.0):.1f}" if "open_seconds" in row else ""
        rate = work(name, rows) / row["ms"] * 1e3
        ms = f"{row['ms']:.1f}"
        if "early_ms" in row:
            ms += f" (at first {row['early_ms']:.1f}, until {row['settled_seconds']:.0f} s)"
        cells.append([title(name), ms, *_rates(rate, rows), memory, first, _ratio(name, rows)])
    return _table(["", "ms", "TFLOP/s", "of the limit", "memory, GiB", "first map, s", "times the peer"], cells)


def work(name: str, rows: dict[str, Row]) -> float:
    """The products and sums of a photo of a row, in 10^12; 0 where they are not counted."""
    engine, _, task = name.partition("/")
    asked, counted = TASKS[task], _counted(rows)
    small = engine.rpartition("-")[2]
    encoder, decoder = "tiny" if small == "tiny" else "kl", small if small in ("tiny", "decoder") else "kl"
    if not asked.decoded or f"decode, {decoder}" not in counted:
        return 0.0
    denoised, decoded = asked.denoised * counted["denoise"], asked.decoded * counted[f"decode, {decoder}"]
    return counted[f"encode, {encoder}"] + denoised + decoded


def _counted(rows: dict[str, Row]) -> dict[str, float]:
    """The products and sums of each network, in 10^12; of the small decoder where the others are counted too."""
    found = rows.get("arithmetic", {}).get("work", {})
    return {**found, **(rows.get("arithmetic-decoder", {}).get("work", {}) if found else {})}


def _rates(rate: float, rows: dict[str, Row]) -> list[str]:
    """TFLOP/s, and their share of the limit."""
    if not rate:
        return ["", ""]
    share = f"{100 * rate / rows['limit']['rate']:.0f} %" if "limit" in rows else ""
    return [f"{rate:.3g}", share]


def _ratio(name: str, rows: dict[str, Row]) -> str:
    """How many times as fast as the peer a row is."""
    peer = peer_of(name)
    return f"{rows[peer]['ms'] / rows[name]['ms']:.2f}" if peer in rows and peer != name else ""


def peer_of(name: str) -> str:
    """The row of the peer that does the same."""
    engine, _, task = name.partition("/")
    if not task:
        return f"{PEER}/folder"
    return f"{PEER}-tiny/{task}" if engine == "ours-tiny" else f"{PEER}/{'photo' if task == 'warming' else task}"


def _stages(rows: dict[str, Row]) -> str:
    """The networks apart."""
    cells = []
    for name, row in rows.items():
        if "/stages" not in name:
            continue
        line_ = [title(name)]
        for stage, network in _NETWORKS.items():
            ms, counted = row["stages"][stage], _counted(rows)
            done = counted.get(network, counted.get(f"{network}, kl", 0.0))
            line_ += [f"{ms:.2f}", _rates(done / ms * 1e3, rows)[1]]
        cells.append(line_)
    heads = itertools.chain.from_iterable((f"{stage}, ms", "of the limit") for stage in _NETWORKS)
    return _table(["", *heads], cells)


def _shell(rows: dict[str, Row]) -> str:
    """What was started from the shell."""
    starts = [
        [title(name), *(f"{seconds:.1f}" for seconds in row["starts"]), f"{row['rss']:.2f}"]
        for name, row in rows.items()
        if "starts" in row
    ]
    folders = [_folder(name, rows) for name, row in rows.items() if "photos" in row and "seconds" in row]
    heads = ["", "photos", "photos/s with the start", "ms a photo then", "stages of a photo, ms", "RAM, GiB"]
    tables = [_table(["", "first start, s", "second start, s", "RAM, GiB"], starts)]
    parts = [[title(name), _by_stage(row["start"])] for name, row in rows.items() if "start" in row]
    tables.append(_table(["", "seconds"], parts))
    return "\n\n".join(part for part in [*tables, _table([*heads, "times the peer"], folders)] if part)


def _by_stage(seconds: dict[str, float]) -> str:
    return ", ".join(f"{stage} {taken:.1f}" for stage, taken in seconds.items())


def _folder(name: str, rows: dict[str, Row]) -> list[str]:
    """The cells of a run over a folder."""
    row = rows[name]
    numbers = [f"{row['photos']:.0f}", f"{row['photos'] / row['seconds']:.2f}", f"{row['ms']:.1f}"]
    stages = ", ".join(f"{stage} {ms:.0f}" for stage, ms in row["stages"].items())
    return [title(name), *numbers, stages, f"{row['rss']:.2f}", _ratio(name, rows)]


def _maps(rows: dict[str, Row]) -> str:
    """How far maps are from each other."""
    cells = []
    for name, row in rows.items():
        if "max" in row and "ms" not in row:
            allowed = ALIKE if name.endswith("/mates") else TOLERANCE
            within = all(row[kind] <= most for kind, most in allowed.items())
            mean = f"{100 * row['mean']:.3f} %" if "mean" in row else ""
            cells.append([title(name), mean, f"{100 * row['max']:.3f} %", "yes" if within else "no"])
    if not cells:
        return ""
    stated = f"{100 * TOLERANCE['mean']:g} % in the mean and {100 * TOLERANCE['max']:g} % in any pixel"
    head = f"Differences from the map of ours in fp32, not compiled, in shares of its range; allowed are {stated}; "
    head += "none where other photos are in the batch, of the same number."
    return f"{head}\n\n{_table(['', 'mean', 'largest', 'within'], cells)}"


def _table(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Markdown; nothing without cells."""
    if not cells:
        return ""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *cells]
    return "\n".join(f"| {' | '.join(line_)} |" for line_ in lines)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _number(value: object) -> object:
    """A figure as it is printed, in whatever holds it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return {name: _number(one) for name, one in value.items()}
    return [_number(one) for one in value] if isinstance(value, list) else value
