"""The autoencoder of Stable Diffusion, whole and in stripes of rows: seconds, peak memory, and how far results differ.

python bench/any_size.py [--size 768x768 ...] [--bound 256 ...] [--device cpu]

Writes bench/results/any_size_DEVICE.md. Encodes and decodes an image of each size in bfloat16, with random weights: as
a whole, and with so many MB of activations on the device at most. Each row is a process of its own. Peak memory is
beside the weights: on a CPU what the process grew by, on a GPU what was allocated there. On a CPU the seconds are those
that one thread computes, whatever else the machine does.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
WARM = 64
"""The side of the image that the libraries see first."""
REPEATS = 2
"""Runs of which the faster one counts."""


@dataclass(frozen=True)
class Row:
    """A measurement."""

    size: str
    bound: int | None
    encode: float
    decode: float
    peak_mb: float
    difference: float
    """Root mean square of what the decoded image differs by from the whole's, relative to the whole's."""
    on_device: bool
    """Whether the device held all activations."""


def measure(size: str, bound: int | None, device: str, folder: Path) -> Row:
    """Encodes and decodes in this process; the whole's image is kept in the folder for the rows that follow."""
    import torch

    from marigold.core.seeds import stream

    width, height = map(int, size.split("x"))
    backbone = prepared(device)
    image = torch.rand(1, 3, height, width, generator=stream(0, "photo")).mul(2).sub(1).to(device)
    latent = torch.randn(1, 4, height // 8, width // 8, generator=stream(0, "latent")).to(device)
    with torch.inference_mode():
        backbone.decode(backbone.encode(image[..., :WARM, :WARM]))
        backbone.bound(None if bound is None else bound * 10**6)
        before = start_memory(device)
        _, encoding = timed(lambda: backbone.encode(image), device)
        decoded, decoding = timed(lambda: backbone.decode(latent), device)
        peak = peak_memory(device) - before
    kept = folder / f"{size}.pt"
    if bound is None:
        torch.save(decoded.cpu(), kept)
    whole = torch.load(kept)
    difference = float((decoded.cpu() - whole).square().mean().sqrt() / whole.square().mean().sqrt())
    waiting = device != "cpu" and backbone.waiting_bytes(height, width) > 0
    return Row(size, bound, encoding, decoding, peak / 1e6, difference, not waiting)


def prepared(device: str) -> Any:
    """A backbone for inference, with the whole autoencoder beside a small U-Net, which computes nothing here."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    from marigold.accel.plan import Plan, apply
    from marigold.backbones.fused.ops import Plain
    from marigold.backbones.stable_diffusion import StableDiffusion
    from marigold.estimator import Estimator
    from random_networks import AUTOENCODER, make_estimator

    small = make_estimator("tiny")
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.bfloat16)
        autoencoder = AutoencoderKL(**AUTOENCODER)
    finally:
        torch.set_default_dtype(before)
    backbone = StableDiffusion(small.backbone.unet, autoencoder, small.backbone.schedule, small.backbone.prompt)
    plan = Plan(torch.device(device), torch.bfloat16)
    backbone = apply(Estimator(backbone, small.modality, small.card), plan).backbone
    backbone.suit_inference(Plain())
    return backbone


def timed(compute: Callable, device: str) -> tuple:
    """What it gives, and the seconds of the faster run."""
    import torch

    clock = time.process_time if device == "cpu" else time.perf_counter
    seconds, found = [], None
    for _ in range(REPEATS):
        since = clock()
        found = compute()
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(clock() - since)
    return found, min(seconds)


def start_memory(device: str) -> float:
    """Bytes that are taken by now; a peak is measured from here on."""
    import torch

    if device == "cpu":
        return peak_memory(device)
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def peak_memory(device: str) -> float:
    """Bytes."""
    import torch

    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return torch.cuda.max_memory_allocated()


def table(rows: list[Row], device: str, load: float) -> str:
    """The rows as Markdown."""
    import torch

    name = "one thread of a CPU" if device == "cpu" else torch.cuda.get_device_name()
    lines = [
        f"{name}, torch {torch.__version__}, bfloat16; load average {load:.1f} before the run",
        "",
        "| image | bound, MB | encode, s | decode, s | peak, MB | differs by | activations |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        bound = "none" if row.bound is None else str(row.bound)
        where = "on the device" if row.on_device else "partly beside it"
        lines.append(
            f"| {row.size} | {bound} | {row.encode:.2f} | {row.decode:.2f} | {row.peak_mb:.0f} | "
            f"{row.difference:.1e} | {where} |"
        )
    return "\n".join(lines) + "\n"


def compare(sizes: list[str], bounds: list[int], device: str) -> None:
    """Measures every row in a process of its own and writes the table."""
    load, rows, limited = os.getloadavg()[0], [], {**os.environ, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            for bound in (None, *bounds):
                task = json.dumps([size, bound, device, folder])
                command = [sys.executable, __file__, "--measure", task]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=limited)
                rows.append(Row(**json.loads(done.stdout.splitlines()[-1])))
                print(rows[-1], flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"any_size_{device.partition(':')[0]}.md").write_text(table(rows, device, load))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", default=["768x768"], help="WIDTHxHEIGHT in pixels, multiples of 8")
    parser.add_argument("--bound", nargs="+", type=int, default=[256], help="MB of activations at once")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        size, bound, device, folder = json.loads(options.measure)
        print(json.dumps(asdict(measure(size, bound, device, Path(folder)))))
    else:
        compare(options.size, options.bound, options.device)


if __name__ == "__main__":
    main()
