"""`marigold predict` from shell to files: seconds for one photo and for each further one, stages, peak memory.

python bench/predict.py [CHECKPOINT] [--photos N]      writes bench/results/predict.md

Every figure is of fresh processes on photos of 640 x 480 pixels (scikit-image's coffee, shifted a little from one photo
to the next). The stages are those that the results' JSON files report, on average over the photos after the first;
start-up is what they leave of the first photo's time: interpreter, imports, opening the checkpoint.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL.Image

RESULT = Path(__file__).parent / "results" / "predict.md"
STAGES = ("read", "encode", "sample", "decode", "ensemble", "resize", "write")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="depth")
    parser.add_argument("--photos", type=int, default=9, help="photos of the longer run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photos = make_photos(folder, options.photos)
        rows = [measure(options.checkpoint, photos, folder, precision) for precision in ("auto", "fp32")]
    text = table(options.checkpoint, rows)
    print(text)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(text + "\n", encoding="utf-8")


def make_photos(folder: Path, count: int) -> list[Path]:
    """Photos of 640 x 480 pixels."""
    import skimage.data

    coffee = PIL.Image.fromarray(skimage.data.coffee()).resize((640, 480), PIL.Image.Resampling.LANCZOS)
    paths = [folder / f"coffee-{number:02}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        PIL.Image.fromarray(np.roll(np.asarray(coffee), 8 * number, axis=1)).save(path, quality=90)
    return paths


def measure(checkpoint: str, photos: list[Path], folder: Path, precision: str) -> dict[str, float | str]:
    """One run on the first photo, one on all of them."""
    alone, memory, (first,) = predict(checkpoint, photos[:1], folder / f"one-{precision}", precision)
    together, _, reports = predict(checkpoint, photos, folder / f"all-{precision}", precision)
    further = [report["seconds"] for report in reports[1:]]
    return {
        "precision": first["settings"]["precision"],
        "members": first["settings"]["ensemble"],
        "one photo, shell to files": alone,
        "of it start-up": alone - sum(first["seconds"].values()),
        "each further photo": (together - alone) / (len(photos) - 1),
        **{stage: sum(seconds[stage] for seconds in further) / len(further) for stage in STAGES},
        "peak memory in GB": memory,
    }


def predict(checkpoint: str, photos: list[Path], output: Path, precision: str) -> tuple[float, float, list[dict]]:
    """Seconds, peak memory in GB and the reports of `marigold predict depth`."""
    command = [sys.executable, "-m", "marigold", "predict", "depth", *map(str, photos), "--checkpoint", checkpoint]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--output", str(output), "--precision", precision, "--device", "cpu"], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    seconds = time.perf_counter() - start
    return seconds, peak(usage), [json.loads(file.read_text()) for file in sorted(output.glob("*.json"))]


def peak(usage: resource.struct_rusage) -> float:
    """The most memory of a process, in GB; the system counts in KB on Linux and in bytes on macOS."""
    return usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def table(checkpoint: str, rows: list[dict[str, float | str]]) -> str:
    """The figures as Markdown, one column for each precision."""
    import torch

    head = f"Checkpoint `{checkpoint}`, photos of 640 x 480 pixels, {os.cpu_count()} cores, torch {torch.__version__}"
    head += f"; members of an ensemble: {rows[0]['members']}"
    names = [name for name in rows[0] if name not in ("precision", "members")]
    lines = [f"| {name} | {' | '.join(f'{row[name]:.3f}' for row in rows)} |" for name in names]
    title = f"| seconds | {' | '.join(str(row['precision']) for row in rows)} |"
    return "\n".join([head, "", title, f"|---|{'---:|' * len(rows)}", *lines])


if __name__ == "__main__":
    main()
