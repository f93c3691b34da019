"""Rows of `engine.py` that start the command line: the first map of one photo, and a folder of photos."""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine_photos import make_folder, make_photo
from engine_rows import CASES


def first_map(work: Path, size: str, device: str, compiled: str) -> dict[str, Any]:
    """Seconds from the shell until the map of a photo lies on the disk, twice: the second start finds what is kept."""
    photo = work / "photo.png"
    make_photo(CASES[size].photo).save(photo)
    starts = [
        _run(work, size, device, [photo], work / f"shell-{compiled}-{number}", "npy", compiled) for number in (1, 2)
    ]
    return {"starts": [seconds for seconds, _ in starts], "rss": max(memory for _, memory in starts)}


_START = """
import json, sys, time
began, told = time.perf_counter(), {}
def tell(what):
    global began
    began, told[what] = time.perf_counter(), time.perf_counter() - began
checkpoint, device, photo, resolution = sys.argv[1:]
import torch
tell("torch")
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
tell("diffusers")
from marigold.predict.predictor import load
tell("marigold")
predictor = load(checkpoint, device=device, compile="on" if device == "cuda" else "auto")
tell("networks")
predictor.predict(photo, steps=1, ensemble=1, resolution=int(resolution))
tell("first map")
print(json.dumps(told))
"""


def start(work: Path, size: str, device: str) -> dict[str, Any]:
    """Where the seconds of a start go: imports, networks with their kernels, the first map; of the second of two."""
    photo = work / "photo.png"
    make_photo(CASES[size].photo).save(photo)
    command = [sys.executable, "-c", _START, str(work / "kl"), device, str(photo), str(CASES[size].resolution)]
    for _ in range(2):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {"start": json.loads(done.stdout.splitlines()[-1])}


def folder_of_photos(work: Path, size: str, device: str, formats: str, count: int) -> dict[str, Any]:
    """A folder through the command line, start-up included; `ms` is a photo's share of the second half."""
    photos = make_folder(work, CASES[size].folder, count)
    output = work / f"folder-{formats.replace(',', '-')}"
    seconds, memory = _run(work, size, device, [photos], output, formats, "auto")
    entries = [json.loads(line) for line in (output / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    stages = [entry["stages"] for entry in entries if "stages" in entry]
    names = sorted({name for stage in stages for name in stage})
    return {
        "photos": len(entries),
        "seconds": seconds,
        "ms": 1e3 * pace(sorted(file.stat().st_mtime for file in output.glob("**/*.npy"))),
        "stages": {name: 1e3 * statistics.median(stage.get(name, 0.0) for stage in stages) for name in names},
        "rss": memory,
    }


def pace(times: Sequence[float]) -> float:
    """Seconds from one to the next in the second half of a series of times."""
    half = len(times) // 2
    if half < 1:
        raise ValueError(f"{len(times)} results have no second half; take more photos")
    return (times[-1] - times[half - 1]) / (len(times) - half)


def _run(
    work: Path, size: str, device: str, photos: Sequence[Path], output: Path, formats: str, compiled: str
) -> tuple[float, float]:
    """Seconds and peak memory in GiB of one `marigold predict depth`."""
    command = [sys.executable, "-m", "marigold", "predict", "depth", *map(str, photos)]
    command += ["--checkpoint", str(work / "kl"), "--output", str(output), "--format", formats, "--device", device]
    command += ["--resolution", str(CASES[size].resolution), "--compile", compiled]
    shutil.rmtree(output, ignore_errors=True)
    since = time.perf_counter()
    process = subprocess.Popen(command, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"`marigold predict` ended with {process.returncode}")
    return time.perf_counter() - since, peak(usage)


def peak(usage: resource.struct_rusage) -> float:
    """The most memory of a process, in GiB; the system counts in KiB on Linux and in bytes on macOS."""
    return usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
