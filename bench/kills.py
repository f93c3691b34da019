"""Commands that are killed at random moments: do they end as those that are left alone?

    python bench/kills.py [VERB ...] [--kills 20] [--seed 0] [--result bench/results/kills.md]

A command runs once undisturbed. Then it runs elsewhere and is killed (SIGKILL, the process alone) at a moment drawn
from the time that it takes, is started again, and so on until it ends; that is repeated until all kills are made. Each
result is compared with the undisturbed one byte for byte, but for the times that some files hold. What is left over is
counted: temporary files, and processes that outlive the one they belong to.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
import yaml

from marigold_scenes.render import render

VERBS = ("train", "train --workers 2", "synth", "predict", "evaluate")
Command = Callable[[Path], list[str]]
"""A command line whose results lie in a folder, given that."""
TIMED = {"seconds", "seconds_of_training", "began", "files"}
"""Keys of JSON whose values differ between any two runs, or whose order does not matter."""
RECIPE: dict[str, Any] = {
    "name": "killed",
    "modality": "depth",
    "network": {
        "unet": {
            "in_channels": 4,
            "out_channels": 4,
            "block_out_channels": [8, 8],
            "down_block_types": ["DownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "UpBlock2D"],
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "cross_attention_dim": 8,
        },
        "vae": {
            "latent_channels": 4,
            "block_out_channels": [8, 8],
            "down_block_types": ["DownEncoderBlock2D"] * 2,
            "up_block_types": ["UpDecoderBlock2D"] * 2,
            "norm_num_groups": 4,
        },
        "schedule": {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
        "prompt_dim": 8,
    },
    "data": [{"dataset": "folder", "capacity": 8, "renewal": 0.5, "block": 4}],
    "optim": {"lr": 1e-3, "warmup": 2, "decay": 1000},
    "every": {"log": 1, "save": 5, "validate": 40, "keep": 40},
    "steps": 120,
    "batch": 2,
    "scored": 2,
    "defaults": {"steps": 1, "resolution": 64},
    "validation_batches": 1,
}


@dataclass(frozen=True)
class Options:
    """Which commands, and how often they are killed."""

    verbs: Annotated[tuple[str, ...], tyro.conf.Positional] = VERBS
    kills: int = 20
    seed: int = 0
    result: Path | None = None
    """Where to write what is printed."""


def main(options: Options) -> None:
    """Prints a row for every command."""
    rows = ["| command | kills | ends | files | that differ | temporary files left | processes left |"]
    rows += ["|---|---|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        commands = _commands(Path(folder))
        for verb in options.verbs:
            rows.append(f"| `{verb}` | {_measured(commands[verb], Path(folder) / verb.replace(' ', '_'), options)} |")
            print(rows[-1], flush=True)
    if options.result:
        options.result.parent.mkdir(parents=True, exist_ok=True)
        options.result.write_text("\n".join(rows) + "\n", encoding="utf-8")


def _measured(command: Command, folder: Path, options: Options) -> str:
    """The columns of a row."""
    begun = time.monotonic()
    subprocess.run(command(folder / "whole"), check=True, capture_output=True)
    whole = _hashes(folder / "whole")
    runs = _Runs(command(folder / "killed"), time.monotonic() - begun, options)
    different, left = set(), 0
    while runs.kills < options.kills or not runs.ends:
        shutil.rmtree(folder / "killed", ignore_errors=True)
        runs.until_it_ends()
        killed = _hashes(folder / "killed")
        different |= {name for name in whole.keys() | killed.keys() if whole.get(name) != killed.get(name)}
        left += sum(file.name.endswith((".part", ".tmp", ".lock", ".old")) for file in folder.rglob("*"))
    if different:
        print(f"differ: {', '.join(sorted(different)[:10])}", file=sys.stderr)
    return f"{runs.kills} | {runs.ends} | {len(whole)} | {len(different)} | {left} | {runs.orphans()}"


class _Runs:
    """A command that is started again and again."""

    def __init__(self, command: list[str], seconds: float, options: Options) -> None:
        self.kills = self.ends = 0
        self._command, self._seconds, self._most = command, seconds, options.kills
        self._rng, self._mark = random.Random(options.seed), ("MARIGOLD_KILLS", f"{os.getpid()} {' '.join(command)}")

    def until_it_ends(self) -> None:
        """Kills the command at random moments until it ends before, or all kills are made."""
        while True:
            environment = os.environ | dict([self._mark])
            process = subprocess.Popen(self._command, env=environment, stdout=-3, stderr=subprocess.PIPE)
            limit = self._rng.uniform(0.1, 1.0) * self._seconds if self.kills < self._most else None
            try:
                _, errors = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                process.stderr.close()
                self.kills += 1
                continue
            if process.returncode:
                words = errors.decode(errors="replace")
                raise SystemExit(f"{' '.join(self._command)}: exit code {process.returncode}\n{words}")
            self.ends += 1
            return

    def orphans(self) -> int:
        """How many processes of killed commands are there five seconds later."""
        time.sleep(5)
        return len(_processes("=".join(self._mark).encode()))


def _processes(mark: bytes) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(process.name)
        except OSError:  # it has ended, or is another user's
            continue
    return found


def _commands(folder: Path) -> dict[str, Command]:
    marigold = [sys.executable, "-m", "marigold"]
    recipe, photos, scenes = folder / "recipe.yaml", folder / "photos", folder / "scenes"
    recipe.write_text(yaml.safe_dump(RECIPE))
    _write_photos(photos)
    for split in ("train", "test"):
        made = [*marigold, "synth", str(scenes), "--split", split, "--count", "12", "--size", "64"]
        subprocess.run(made, check=True, capture_output=True)
    train = [*marigold, "train", str(recipe), "--device", "cpu", "--data.0.root", str(scenes)]
    predict = [*marigold, "predict", "depth,normals", str(photos), "--resolution", "64", "--steps", "1"]
    evaluate = [*marigold, "evaluate", "depth", str(scenes), "--resolution", "64", "--steps", "1"]
    synth = ["--count", "24", "--size", "48", "--batch", "3"]
    return {
        "train": lambda place: [*train, "--run", str(place)],
        "train --workers 2": lambda place: [*train, "--workers", "2", "--run", str(place)],
        "synth": lambda place: [*marigold, "synth", str(place), *synth],
        "predict": lambda place: [*predict, "--output", str(place)],
        "evaluate": lambda place: [*evaluate, "--output", str(place / "result.json")],
    }


def _write_photos(folder: Path) -> None:
    from PIL import Image

    folder.mkdir()
    image = render(7, list(range(12)), 48, 64).image
    for number, one in enumerate(image):
        pixels = (one.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")


def _hashes(folder: Path) -> dict[str, str]:
    """The hash of every file of a result, but for logs, which tell of each start."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.suffix != ".jsonl")
    return {file.relative_to(folder).as_posix(): _hash(file) for file in files if "tensorboard" not in file.parts}


def _hash(file: Path) -> str:
    """Of the content, without when it was made."""
    content = file.read_bytes()
    if file.suffix == ".safetensors":
        content = _tensors(content)
    if file.suffix == ".json":
        content = json.dumps(_timeless(json.loads(content))).encode()
    return hashlib.sha256(content).hexdigest()


def _tensors(content: bytes) -> bytes:
    """The tensors of a file of weights, without what its header says of times."""
    return content[8 + int.from_bytes(content[:8], "little") :]


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in TIMED}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
