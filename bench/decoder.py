"""What a small decoder of maps costs and saves: its error beside the own decoder's maps, and the time of each stage.

python bench/decoder.py FOLDER [--scenes 16] [--modalities depth,normals,appearance,lighting]
python bench/decoder.py --full                arithmetic at full size alone, of every decoder; nothing is run

FOLDER is what `--autoencoder` takes. For held-out scenes the bundled checkpoints predict latents in one step, which
both decoders turn into maps. Writes bench/results/decoder.md, or decoder_full.md.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from marigold import checkpoint
from marigold.backbones import _networks as networks
from marigold.backbones._decoders import MapDecoder, Shape
from marigold.checkpoints.autoencoders import label
from marigold.core.sample import Sample
from marigold.estimator import Estimator
from marigold.evaluate.runner import score
from marigold.measure.alignment import STANDARD, align
from marigold.measure.metrics import angular_error
from marigold.objectives.distil_decoder import DistilDecoder
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from marigold.train import recipe
from marigold_scenes.procedural import Procedural
from random_networks import AUTOENCODER

RESULTS = Path(__file__).parent / "results"
SIZE = 288
"""Pixels of a side: what the bundled checkpoints work at."""
REPEATS = 7
FULL = (576, 768)
STRIDE = 8


def main(folder: str, scenes: int, modalities: list[str]) -> str:
    """The tables of a decoder, as Markdown."""
    data = Procedural(SIZE, SIZE)
    keys = data.scan(Path(), "test")[:scenes]
    images = [data.read(Path(), key) for key in keys]
    rows, times = [], ""
    for name in modalities:
        own, small = checkpoint.open(name), checkpoint.open(name, autoencoder=folder)
        rows.append([name, *_errors(own, small, images), *_scores(own, small, data, list(keys))])
        times = times or _times(own, small)
    scenes_of = f"{len(keys)} held-out scenes of {SIZE} x {SIZE} pixels, one step"
    head = f"Decoder `{label(Path(folder))}`; {scenes_of}."
    columns = ["modality", "error beside the own decoder", "PSNR of the images, dB", "own decoder", "small decoder"]
    return "\n\n".join([head, _table(columns, rows), times])


@torch.no_grad()
def _errors(own: Estimator, small: Estimator, scenes: list[Sample]) -> list[str]:
    """How far the maps of one latent by both decoders are apart, and the PSNR of the target images (range 2)."""
    unlike, squares = [], []
    for number, scene in enumerate(scenes):
        latent = _latent(own, scene.image[None] * 2 - 1, number)
        images = [one.decode_pixels(latent).clamp(-1, 1) for one in (own, small)]
        squares.append((images[0] - images[1]).square().mean())
        one, other = (own.modality.decode(image)[0] for image in images)
        unlike.append(UNLIKE.get(_main(own), _of_the_range)(one, other, scene))
    decibel = 10 * torch.log10(4 / torch.stack(squares).mean())
    unit = UNITS.get(_main(own), "% of the range")
    return [f"{torch.stack(unlike).mean():.3f} {unit}", f"{decibel:.1f}"]


def _latent(estimator: Estimator, photo: Tensor, seed: int) -> Tensor:
    """What the network predicts of a photo [1, 3, H, W] in one step, [1, N * C, h, w]."""
    condition = estimator.encode_image(photo)
    shape = (1, estimator.backbone.targets * estimator.backbone.latent_channels, *condition.shape[-2:])
    return estimator.sample(condition, torch.randn(shape, generator=torch.Generator().manual_seed(seed)), 1)


def _relative(one: Tensor, other: Tensor, scene: Sample) -> Tensor:
    """Per cent: the mean difference of two depths, each fitted to the truth, relative to the true depth."""
    valid, truth = scene.valid["depth"][0], scene.maps["depth"][0]
    fitted = [align(depth[0], truth, valid, STANDARD) for depth in (one, other)]
    return 100 * ((fitted[0] - fitted[1]).abs()[valid] / truth[valid]).mean()


def _angle(one: Tensor, other: Tensor, scene: Sample) -> Tensor:
    """Degrees."""
    return angular_error(other, one).mean()


def _of_the_range(one: Tensor, other: Tensor, scene: Sample) -> Tensor:
    """Per cent: the mean absolute difference of values from 0 to 1."""
    return 100 * (one - other).abs().mean()


UNLIKE = {"abs_rel": _relative, "mean_angle": _angle}
UNITS = {"abs_rel": "% AbsRel", "mean_angle": "degrees"}
"""By a modality's main metric how two of its maps are compared, and in what."""


def _main(estimator: Estimator) -> str:
    metric = estimator.modality.main
    return metric.name if metric else ""


def _scores(own: Estimator, small: Estimator, data: Procedural, keys: list[str]) -> list[str]:
    """The modality's main metric against the truth, as `marigold evaluate` scores it with one member."""
    request = Request(ensemble=1, tta="none")
    found = [
        score(Predictor(one), data, Path(), keys, request=request, progress=False).means()[_main(own)]
        for one in (own, small)
    ]
    return [f"{_main(own)} {value:.4f}" for value in found]


def _times(own: Estimator, small: Estimator) -> str:
    """Arithmetic and seconds of every stage for one photo on this machine."""
    photo, sides = torch.zeros(1, 3, SIZE, SIZE), SIZE // own.backbone.stride
    condition = torch.zeros(1, own.backbone.latent_channels, sides, sides)
    latent, t = condition.repeat(1, own.backbone.targets, 1, 1), torch.tensor([own.backbone.schedule.length - 1])
    stages: dict[str, Callable[[], Any]] = {
        "encode": partial(own.encode_image, photo),
        "network": partial(own.backbone.network, latent, t, condition),
        "decode, own": partial(own.decode_pixels, latent),
        "decode, small": partial(small.decode_pixels, latent),
    }
    flops = {name: _flops(run) for name, run in stages.items()}
    seconds = {name: _seconds(run) for name, run in stages.items()}
    rows = [[name, f"{flops[name] / SIZE**2 / 1e3:.0f}", f"{1e3 * seconds[name]:.0f}"] for name in stages]
    before = seconds["encode"] + seconds["network"]
    share = (before + seconds["decode, small"]) / (before + seconds["decode, own"])
    text = f"A map with the small decoder takes {100 * share:.0f} % of the time with the own one."
    columns = ["stage", "kFLOP per pixel", f"ms on the CPU, {torch.get_num_threads()} thread(s), fp32"]
    return f"{_table(columns, rows)}\n\n{text}"


def full() -> str:
    """The arithmetic of an image of 576 x 768 by the decoders of Stable Diffusion's latents, as Markdown."""
    objective = recipe.load("distil-decoder").objective
    assert isinstance(objective, DistilDecoder)
    kind, tiny = networks.autoencoder({}), networks.autoencoder({"_class_name": "AutoencoderTiny"})
    with torch.device("meta"):
        large, small = kind(**AUTOENCODER), tiny()
        own = MapDecoder(Shape(4, objective.widths, objective.blocks))
        latent, photo = torch.empty(1, 4, *(side // STRIDE for side in FULL)), torch.empty(1, 3, *FULL)
    parts: dict[str, tuple[torch.nn.Module, Callable[[], Any]]] = {
        "encoder (AutoencoderKL)": (large.encoder, partial(large.encode, photo)),
        "decoder (AutoencoderKL)": (large.decoder, partial(large.decode, latent)),
        "encoder (AutoencoderTiny)": (small.encoder, partial(small.encode, photo)),
        "decoder (AutoencoderTiny)": (small.decoder, partial(small.decode, latent)),
        "small decoder (`distil-decoder`)": (own, partial(own, latent)),
    }
    rows = []
    for name, (network, run) in parts.items():
        flops = _flops(run)
        weights = sum(p.numel() for p in network.parameters()) / 1e6
        rows.append([name, f"{flops / 1e12:.2f}", f"{flops / (FULL[0] * FULL[1]) / 1e3:.0f}", f"{weights:.2f}"])
    head = f"One image of {FULL[0]} x {FULL[1]}; a product and a sum count as two operations."
    return f"{head}\n\n{_table(['network', 'TFLOP', 'kFLOP per pixel', 'million weights'], rows)}"


def _flops(run: Callable[[], Any]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return counter.get_total_flops()


def _seconds(run: Callable[[], Any]) -> float:
    """The median of several runs after one that is not counted."""
    taken = []
    with torch.inference_mode():
        for _ in range(1 + REPEATS):
            begun = time.perf_counter()
            run()
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken[1:])


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help="what --autoencoder takes")
    parser.add_argument("--scenes", type=int, default=16)
    parser.add_argument("--modalities", default="depth,normals,appearance,lighting")
    parser.add_argument("--full", action="store_true", help="arithmetic at full size alone")
    options = parser.parse_args()
    if not options.full and not options.folder:
        parser.error("give the folder of a decoder, or --full")
    text = full() if options.full else main(options.folder, options.scenes, options.modalities.split(","))
    print(text)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / ("decoder_full.md" if options.full else "decoder.md")).write_text(text + "\n", encoding="utf-8")
