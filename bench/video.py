"""How steady the depth of clips is: frame by frame, with the published trick, and with frames brought together.

python bench/video.py [--clips N] [--frames N] [--size N] [--device D]      writes bench/results/video.json and video.md

Clips are rendered, with exact depth and poses, a moving camera and moving things. Each is predicted by `predict_clip`,
as a user's would be, and read back from its files. Errors are those of `measure/temporal.py`, after one least squares
scale and shift for the whole clip; AbsRel with one for the clip, and with one for every frame.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from marigold.measure.alignment import least_squares
from marigold.measure.temporal import alignment_error, flicker, static_pairs
from marigold.predict.settings import Request
from marigold.predict.together import LazyPredictors, choose
from marigold.video.frames import PhotoSequence
from marigold.video.options import VideoOptions
from marigold.video.run import predict_clip
from marigold_scenes.clips import ClipFrame, render_clip
from marigold_scenes.families import FAMILIES

REQUEST = Request(ensemble=1, tta="none", steps=1, resolution=192, precision="fp32")
"""One member a frame, as the published trick has it."""
RESULTS = Path(__file__).parent / "results"
SEED = 23
WAYS = {
    "frame by frame": VideoOptions(align=False, smooth=0),
    "previous latent, 0.1": VideoOptions(align=False, smooth=0, carry=0.1),
    "aligned": VideoOptions(smooth=0),
    "aligned, smoothed (default)": VideoOptions(),
    "aligned, smoothed by 4": VideoOptions(smooth=4),
}
MEASURES = ("flicker", "alignment_error", "abs_rel", "abs_rel_per_frame", "frames_per_second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--frames", type=int, default=14)
    parser.add_argument("--size", type=int, default=160, help="width in pixels; the height is three quarters of it")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    predictors = choose("depth", device=options.device, precision=REQUEST.precision)
    predictors.loaded()  # so that no way pays for it
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    for index in range(options.clips):
        family = FAMILIES[index % len(FAMILIES)]
        frames = list(render_clip(SEED, index, options.frames, options.size * 3 // 4, options.size, (family,)))
        for name, how in WAYS.items():
            scores[name].append({"family": family, **scored(frames, predictors, how)})
            print(index, name, scores[name][-1], flush=True)
    write(scores, options, str(predictors.device))


def scored(frames: Sequence[ClipFrame], predictors: LazyPredictors, how: VideoOptions) -> dict[str, float]:
    """The measures of one clip, predicted in one way."""
    with tempfile.TemporaryDirectory() as folder:
        photos = [Path(folder) / f"{number:03d}.png" for number in range(len(frames))]
        for path, frame in zip(photos, frames, strict=True):
            PIL.Image.fromarray((frame.sample.image * 255).round().byte().permute(1, 2, 0).numpy()).save(path)
        start = time.perf_counter()
        clip = PhotoSequence(photos, "clip", 24)
        done = predict_clip(predictors, clip, REQUEST, Path(folder), options=how, formats="npy")
        seconds = time.perf_counter() - start
        maps = [torch.from_numpy(np.load(done.folder / f"{number:06d}_depth.npy")) for number in range(len(frames))]
    return {**errors(torch.stack(maps).double(), frames), "frames_per_second": len(frames) / seconds}


def errors(maps: Tensor, frames: Sequence[ClipFrame]) -> dict[str, float]:
    """Errors of the maps [T, H, W] of a clip, right up to a scale and a shift."""
    truth = torch.stack([frame.sample.maps["depth"][0] for frame in frames]).double()
    valid = torch.stack([frame.sample.valid["depth"][0] for frame in frames])
    moving = torch.stack([frame.moving[0] for frame in frames])
    metres = fitted(maps[None], truth[None], valid[None])[0]
    of_frames = fitted(maps, truth, valid)
    found = [between(metres, truth, valid & ~moving, frames, pair) for pair in pairwise(range(len(frames)))]
    own, aligned = torch.tensor(found, dtype=torch.float64).nanmean(dim=0).tolist()
    return {
        "flicker": own,
        "alignment_error": aligned,
        "abs_rel": float(((metres - truth).abs() / truth)[valid].mean()),
        "abs_rel_per_frame": float(((of_frames - truth).abs() / truth)[valid].mean()),
    }


def fitted(maps: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Maps [B, ..., W] in metres, by one least squares scale and shift for each."""
    scale, shift = least_squares(*(one.flatten(1)[:, None] for one in (maps, truth, valid)))
    shape = (-1, *[1] * (maps.ndim - 1))
    return (maps * scale.view(shape) + shift.view(shape)).clamp(min=1e-3)


def between(
    metres: Tensor, truth: Tensor, static: Tensor, frames: Sequence[ClipFrame], pair: tuple[int, int]
) -> tuple[float, float]:
    """Flicker and temporal alignment error from one frame to another."""
    a, b = pair
    camera, pose, other = frames[a].sample.camera, frames[a].pose, frames[b].pose
    assert camera is not None
    landing, still = static_pairs(truth[a], truth[b], static[a], static[b], camera, pose, other)
    return (
        float(flicker(metres[a], metres[b], truth[a], truth[b], landing, still)),
        float(alignment_error(metres[a], metres[b], still, camera, pose, other)),
    )


def write(scores: dict[str, list[dict[str, float]]], options: argparse.Namespace, device: str) -> None:
    """The results, and a page of their means."""
    facts = {"clips": options.clips, "frames": options.frames, "width": options.size, "device": device, "seed": SEED}
    (RESULTS / "video.json").write_text(json.dumps({"facts": facts, "scores": scores}, indent=1) + "\n")
    means = {name: [float(np.mean([one[key] for one in rows])) for key in MEASURES] for name, rows in scores.items()}
    first = next(iter(means.values()))[0]
    lines = [
        f"{options.clips} rendered clips of {options.frames} frames, {options.size} x {options.size * 3 // 4} pixels, "
        f"bundled `depth` at resolution {REQUEST.resolution}, one step, one member, {device}; means over the clips, "
        "errors in percent",
        "",
        "| way | flicker | times less | alignment error | AbsRel, one fit a clip | one fit a frame | frames/s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, (own, *others, rate) in means.items():
        percent = " | ".join(f"{100 * one:.2f}" for one in others)
        lines.append(f"| {name} | {100 * own:.2f} | {first / own:.1f} | {percent} | {rate:.2f} |")
    (RESULTS / "video.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
