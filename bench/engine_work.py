"""Measures rows of `engine.py` in this process, one JSON line on standard output for each as it ends."""

import argparse
import json
import resource
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

import engine_shell
from engine_engines import OPENERS, Engine, Setup, decoder_shape
from engine_rows import CASES
from engine_tasks import TASKS, Result, timed

PRODUCTS = 20
"""Products of matrices that are asked for before the device is waited for."""


def limit(setup: Setup) -> Result:
    """The rate of a product of two large matrices in bf16."""
    rows = setup.case.products if setup.device == "cuda" else setup.case.products // 4
    one, other = (torch.randn(rows, rows, device=setup.device).bfloat16() for _ in range(2))
    product = torch.empty_like(one)
    taken = timed(lambda: [torch.mm(one, other, out=product) for _ in range(PRODUCTS)], setup, PRODUCTS)
    return {**taken, "rows": rows, "rate": 2 * rows**3 / taken["ms"] / 1e9}


def arithmetic(setup: Setup) -> Result:
    """The products and sums of a photo by network, in 10^12, counted on diffusers' own networks."""
    from random_networks import make_networks

    (width, height), found = setup.case.photo, {}
    for kind in ("kl", "tiny"):
        with torch.device("meta"):
            unet, vae = make_networks(setup.size, kind)
            image = torch.empty(1, 3, height, width)
            latent = _latent(setup)
            both = torch.cat([latent, latent], dim=1)
            prompt = torch.empty(1, 2, unet.config.cross_attention_dim)
        found[f"encode, {kind}"] = counted(lambda vae=vae, image=image: vae.encode(image))
        found[f"decode, {kind}"] = counted(lambda vae=vae, latent=latent: vae.decode(latent))
        found["denoise"] = counted(lambda unet=unet, both=both, prompt=prompt: unet(both, 999, prompt))
    return {"work": found}


def arithmetic_decoder(setup: Setup) -> Result:
    """The products and sums of the small decoder of a photo, in 10^12."""
    from random_networks import make_estimator

    backbone = make_estimator(setup.size, "meta").backbone
    backbone.add_decoder(*decoder_shape(setup.size))
    return {"work": {"decode, decoder": counted(lambda: backbone.autoencoder.decoder(_latent(setup).to("meta")))}}


def counted(work: Callable[[], object]) -> float:
    """The products and sums of what networks do, in 10^12."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e12


def _latent(setup: Setup) -> Tensor:
    """Of a photo."""
    width, height = setup.case.photo
    return torch.empty(1, 4, height // setup.case.stride, width // setup.case.stride)


def make(setup: Setup) -> Result:
    """Writes the checkpoints `kl` and `tiny`, in fp16 as they are published, where they are not there yet."""
    from marigold import checkpoint
    from random_networks import make_estimator

    for kind in ("kl", "tiny"):
        if not (setup.work / kind).is_dir():
            checkpoint.save(make_estimator(setup.size, setup.device, torch.float16, kind), setup.work / kind)
    return {}


def first_map(setup: Setup, compiled: str) -> Result:
    return engine_shell.first_map(setup.work, setup.size, setup.device, compiled)


def start(setup: Setup) -> Result:
    return engine_shell.start(setup.work, setup.size, setup.device)


def folder_of_photos(setup: Setup, formats: str) -> Result:
    return engine_shell.folder_of_photos(setup.work, setup.size, setup.device, formats, setup.photos)


WITHOUT_ENGINE: dict[str, Callable[[Setup], Result]] = {
    "make": make,
    "limit": limit,
    "arithmetic": arithmetic,
    "arithmetic-decoder": arithmetic_decoder,
    "shell-auto": partial(first_map, compiled="auto"),
    "shell-on": partial(first_map, compiled="on"),
    "shell-off": partial(first_map, compiled="off"),
    "start": start,
    "folder-npy": partial(folder_of_photos, formats="npy"),
    "folder-png16": partial(folder_of_photos, formats="npy,png16"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="+", help="rows of one engine, or one row without")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--size", choices=CASES, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--photos", type=int, required=True)
    parser.add_argument("--began", type=float, required=True)
    options = vars(parser.parse_args())
    rows, setup = options.pop("rows"), Setup(**options)
    engine = rows[0].partition("/")[0]
    if engine not in OPENERS:
        print(json.dumps(attempted(engine, partial(WITHOUT_ENGINE[engine], setup), setup)), flush=True)
        return
    opened: list[Engine] = []
    for row in rows:
        print(json.dumps(attempted(row, partial(_on_engine, opened, row, setup), setup)), flush=True)


def _on_engine(opened: list[Engine], row: str, setup: Setup) -> Result:
    """A row's result; the first row of the process opens its engine."""
    engine, _, task = row.partition("/")
    start = {}
    if not opened:
        opened.append(OPENERS[engine](setup))
        start["open_seconds"] = time.time() - setup.began
    return {**start, **TASKS[task](opened[0], setup)}


def attempted(row: str, work: Callable[[], Result], setup: Setup) -> Result:
    """A row with its memory in GiB, or what it failed with."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    found: Result
    try:
        found = work()
    except Exception as error:  # of any library
        found = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    if torch.cuda.is_initialized():
        found["allocated"] = torch.cuda.max_memory_allocated() / 2**30
        found["reserved"] = torch.cuda.max_memory_reserved() / 2**30
    found.setdefault("rss", engine_shell.peak(resource.getrusage(resource.RUSAGE_SELF)))
    return {"row": row, "size": setup.size, "device": setup.device, "where": _where(setup.device), **found}


def _where(device: str) -> str:
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return f"{name}, torch {torch.__version__}, diffusers {version('diffusers')}"


if __name__ == "__main__":
    main()
