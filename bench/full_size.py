"""A full-size Stable Diffusion 2 checkpoint with random weights: opened and run for one step at 768 pixels on the CPU.

python bench/full_size.py [--size 768]      writes bench/results/full_size.md

Makes the checkpoint in a temporary folder (2 GB), opens it in a fresh process, and prints the seconds of each stage and
the peak memory of that process as a table. Nothing is downloaded; the map means nothing, time and memory are those of
the published checkpoints, whose networks have the same sizes.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "full_size.md"

STAGES = {"encode the photo": "encode", "one step": "sample", "decode": "decode"}
"""What a report calls the stages that are shown."""


def make(folder: Path) -> None:
    """Writes a depth checkpoint of full size in bfloat16."""
    import torch

    from marigold import checkpoint
    from random_networks import make_estimator

    checkpoint.save(make_estimator("full", dtype=torch.bfloat16), folder)  # drawn in the type that they are stored in


def run(folder: Path, size: int) -> dict[str, float]:
    """Opens the checkpoint and predicts one photo of size x size in one step; seconds by stage, and memory in GB."""
    import torch

    since = time.perf_counter()
    from marigold.core.seeds import stream
    from marigold.predict.predictor import load

    predictor = load(folder, device="cpu", precision="bf16")
    opened = time.perf_counter() - since
    image = torch.rand(3, size, size, generator=stream(0, "photo"))
    spent = predictor.predict(image, steps=1, ensemble=1, resolution=0).report["seconds"]
    stages = {name: spent[stage] for name, stage in STAGES.items()}
    return {
        "open, with imports": opened,
        **stages,
        "peak memory in GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def count(folder: Path) -> str:
    """The number of weights of U-Net and autoencoder, in millions."""
    from safetensors import safe_open

    def numbers(file: Path) -> int:
        with safe_open(file, "pt") as tensors:
            return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118

    return " + ".join(f"{numbers(file) / 1e6:.0f}" for file in sorted(folder.glob("*/diffusion_pytorch_model.*")))


def table(numbers: dict[str, float], weights: str, size: int, load: float) -> str:
    """The numbers as Markdown."""
    import torch

    where = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}, bfloat16"
    rows = [f"| {name} | {number:.1f} |" for name, number in numbers.items()]
    head = f"{weights} million weights, {size} x {size} pixels, {where}; load average {load:.1f} before the run"
    return "\n".join([head, "", "| stage | seconds |", "|---|---:|", *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=768, help="side of the photo in pixels, a multiple of 64")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(options.make)
    elif options.run:
        print(json.dumps(run(options.run, options.size)))
    else:
        compare(options.size)


def compare(size: int) -> None:
    """Makes and runs the checkpoint in processes of their own, so that memory is that of running alone."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "full-size"
        subprocess.run([sys.executable, __file__, "--make", folder], check=True)
        command = [sys.executable, __file__, "--run", folder, "--size", str(size)]
        load = os.getloadavg()[0]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        result = table(json.loads(answer.splitlines()[-1]), count(folder), size, load)
    print(result)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(result + "\n")


if __name__ == "__main__":
    main()
