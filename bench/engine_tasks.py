"""What an engine does while `engine.py` measures it: one photo, batches, ensembles, large photos, and agreement."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import PIL.Image
import torch

from engine_engines import Engine, Ours, Setup
from engine_photos import make_folder, make_photo
from engine_rows import MEMBERS, STEPS

Result = dict[str, Any]
MOST_RUNS = 100
FEWEST = 20
"""Runs of one that warms up, at least."""
LONGEST = 120.0
"""Seconds that are waited for it to become faster."""
REFERENCE = "reference.npy"
ONE_BY_ONE = 24
"""Photos of a folder that are read one after the other, at most."""


def timed(work: Callable[[], object], setup: Setup, share: int = 1) -> Result:
    """Milliseconds of a call after a first one, each divided by `share`: their median, the least and the most."""
    first = _seconds(work, setup.device)
    taken, since = [], time.perf_counter()
    while not taken or (time.perf_counter() - since < setup.seconds and len(taken) < MOST_RUNS):
        taken.append(_seconds(work, setup.device))
    in_ms = [1e3 * value / share for value in taken]
    return {
        "first_seconds": first,
        "ms": statistics.median(in_ms),
        "least_ms": min(in_ms),
        "most_ms": max(in_ms),
        "runs": len(in_ms),
    }


def _seconds(work: Callable[[], object], device: str) -> float:
    since = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - since


def one_photo(engine: Engine, setup: Setup) -> Result:
    """A photo of the working size, one step."""
    photo = make_photo(setup.case.photo)
    return timed(lambda: engine.predict(photo), setup)


def square(engine: Engine, setup: Setup) -> Result:
    """The largest photo of the working size, one step."""
    photo = make_photo((setup.case.resolution, setup.case.resolution))
    return timed(lambda: engine.predict(photo), setup)


def large(engine: Engine, setup: Setup) -> Result:
    """A large photo, brought to the working size and its map back."""
    photo = make_photo(setup.case.large)
    return timed(lambda: engine.predict(photo), setup)


def members(engine: Engine, setup: Setup) -> Result:
    """An ensemble in several steps."""
    photo = make_photo(setup.case.photo)
    return timed(lambda: engine.predict(photo, MEMBERS, STEPS), setup)


def batch(engine: Engine, setup: Setup, count: int) -> Result:
    """Different photos at once; the figures are a photo's share."""
    photos = [make_photo(setup.case.photo, seed) for seed in range(count)]
    return timed(lambda: engine.predict_many(photos), setup, count)


def folder(engine: Engine, setup: Setup) -> Result:
    """Files one after the other: read, predicted, and the map written as npy."""
    paths = sorted(make_folder(setup.work, setup.case.folder, setup.photos).iterdir())[:ONE_BY_ONE]
    since = time.perf_counter()
    for path in paths:
        np.save(setup.work / "map.npy", engine.predict(PIL.Image.open(path).convert("RGB")))
    return {"ms": 1e3 * (time.perf_counter() - since) / len(paths), "photos": len(paths)}


def warming(engine: Engine, setup: Setup) -> Result:
    """The same photo until compiled kernels have run for a while: `early_ms` in the beginning, `ms` in the end."""
    assert isinstance(engine, Ours)
    compiled, runtime = 0, engine.predictor.runtime
    photo, taken = make_photo(setup.case.photo), list[float]()
    until = time.perf_counter() + min(LONGEST, 60 * setup.seconds)
    while len(taken) < FEWEST or (time.perf_counter() < until and compiled < FEWEST):
        compiled += runtime.is_compiled
        taken.append(_seconds(lambda: engine.predict(photo), setup.device))
    late = statistics.median(taken[-10:])
    slow = [number for number, value in enumerate(taken) if value > 1.2 * late]
    return {
        "first_seconds": taken[0],
        "early_ms": 1e3 * statistics.median(taken[1:11]),
        "ms": 1e3 * late,
        "settled_seconds": sum(taken[: slow[-1] + 1]) if slow else 0.0,
        "runs": len(taken),
    }


def stages(engine: Engine, setup: Setup, count: int) -> Result:
    """Encoder, U-Net and decoder alone, on tensors that are on the device; milliseconds a photo."""
    assert isinstance(engine, Ours)
    estimator, device = engine.predictor.estimator, setup.device
    width, height = setup.case.photo
    drawn = torch.Generator().manual_seed(0)
    image = torch.rand(count, 3, height, width, generator=drawn).to(device) * 2 - 1
    with torch.inference_mode():
        condition = estimator.encode_image(image)
        noise = torch.randn(condition.shape, generator=drawn).to(device)
        latent = estimator.sample(condition, noise, 1)
        parts = {
            "encode": lambda: estimator.encode_image(image),
            "sample": lambda: estimator.sample(condition, noise, 1),
            "decode": lambda: estimator.decode(latent),
        }
        found = {name: timed(part, setup, count)["ms"] for name, part in parts.items()}
    return {"ms": sum(found.values()), "stages": found}


def reference(engine: Engine, setup: Setup) -> Result:
    """Keeps the map that `agreement` compares others with."""
    found = _from_noise(engine, setup)
    np.save(setup.work / REFERENCE, found)
    return {"range": float(np.ptp(found))}


def agreement(engine: Engine, setup: Setup) -> Result:
    """How far a map is from the reference, from the same noise, as a share of the reference's range."""
    wanted = np.load(setup.work / REFERENCE)
    far = np.abs(_from_noise(engine, setup) - wanted) / np.ptp(wanted)
    return {"mean": float(far.mean()), "max": float(far.max())}


def _from_noise(engine: Engine, setup: Setup) -> np.ndarray:
    latent = [side // setup.case.stride for side in reversed(setup.case.photo)]
    noise = torch.randn(1, 4, *latent, generator=torch.Generator().manual_seed(1))
    return engine.predict_from(make_photo(setup.case.photo), noise).astype(np.float64)


def mates(engine: Engine, setup: Setup) -> Result:
    """How much a photo's map changes with the photos beside it in a batch of eight."""
    first, *others = [make_photo(setup.case.photo, seed) for seed in range(15)]
    one, other = (engine.predict_many([first, *beside])[0] for beside in (others[:7], others[7:]))
    return {"max": float(np.abs(one - other).max() / np.ptp(one))}


TASKS: dict[str, Callable[[Engine, Setup], Result]] = {
    "photo": one_photo,
    "square": square,
    "warming": warming,
    "batch-8": partial(batch, count=8),
    "batch-16": partial(batch, count=16),
    "members": members,
    "large": large,
    "folder": folder,
    "stages-1": partial(stages, count=1),
    "stages-16": partial(stages, count=16),
    "reference": reference,
    "agreement": agreement,
    "mates": mates,
}
