"""What is lost by encoding depth as an image, space by space: the representation ceiling in AbsRel.

python bench/depth_spaces.py [CHECKPOINT]      writes bench/results/depth_spaces.md

The first column is the ceiling of every estimator: the truth, encoded as a target image and decoded. The second is that
of one that works at a smaller size, the third that of one with the checkpoint's autoencoder; all after least squares of
scale and shift in depth, as in `marigold evaluate`.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from marigold import checkpoint
from marigold.core.sample import Sample, unstack
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold_scenes.procedural import Procedural

RESULT = Path(__file__).parent / "results" / "depth_spaces.md"
SCENES, SIZE, SMALLER = 48, 256, 192
SPACES = ("depth", "disparity", "sqrt-disparity", "log")


@torch.no_grad()
def main(name: str) -> None:
    estimator = checkpoint.open(name)
    scenes = Procedural(SIZE, SIZE)
    keys = list(scenes.scan(Path(), "test")[:SCENES])
    sample = scenes.read_many(Path(), keys, "cpu")
    lines = [
        f"AbsRel on {SCENES} held-out scenes of {SIZE} pixels, checkpoint `{estimator.card.name}` "
        f"{estimator.card.revision}",
        "",
        f"| target space | range | representation ceiling | at {SMALLER} and enlarged | through the autoencoder |",
        "|---|---|---:|---:|---:|",
    ]
    for space in SPACES:
        for fixed in (True,) if space == "depth" else (True, False):
            modality = Depth(target_space=space, fixed_ratio=fixed)
            pixels, _ = modality.encode(sample)
            small, _ = modality.encode(sample.resized(SMALLER, SMALLER))
            shown = [modality.decode(x) for x in (pixels, small, reconstructed(estimator, pixels))]
            cells = [abs_rel(modality, modality.resize(values, SIZE, SIZE), sample, keys) for values in shown]
            lines.append(f"| {space} | {_extent(modality)} | {' | '.join(f'{cell:.4f}' for cell in cells)} |")
    text = "\n".join(lines)
    print(text)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(text + "\n", encoding="utf-8")


def reconstructed(estimator: Estimator, pixels: Tensor) -> Tensor:
    """Target images [B, 1, 3, H, W] after the autoencoder."""
    return torch.cat([estimator.decode_pixels(estimator.encode_target(one[None])) for one in pixels])


def abs_rel(modality: Depth, values: Tensor, sample: Sample, keys: list[str]) -> float:
    """The mean over scenes."""
    pairs = zip(values, unstack(sample, keys), strict=True)
    return sum(modality.score(values, one)["abs_rel"].mean for values, one in pairs) / len(keys)


def _extent(modality: Depth) -> str:
    if modality.target_space == "depth":
        return "the scene's own"
    if modality.fixed_ratio:
        return f"fixed ratio {modality.ratio:g}"
    return f"the scene's own, read as {modality.assumed_ratio:g}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="depth")
    main(parser.parse_args().checkpoint)
