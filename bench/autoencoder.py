"""How well the small family's autoencoder reconstructs: PSNR on held-out photos, depth, normals, albedo and the rest.

python bench/autoencoder.py [CHECKPOINT]      writes bench/results/autoencoder.md
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F

from marigold import checkpoint
from marigold.core import find
from marigold.core.images import read_image
from marigold.core.sample import Sample, stack
from marigold.estimator import Estimator
from marigold.modalities.base import Modality
from marigold_scenes.procedural import Procedural
from photographs import paths

RESULT = Path(__file__).parent / "results" / "autoencoder.md"
SCENES = 32
LONGEST = 384
SIZE = 256


@torch.no_grad()
def main(name: str) -> None:
    estimator = checkpoint.open(name)
    rows = {"photographs": torch.cat([psnr(estimator, photo(path)[None, None]) for path in paths()])}
    # Rendered at twice the size and reduced by each field's rule, as the photographs are reduced too.
    scenes = Procedural(2 * SIZE, 2 * SIZE)
    keys = scenes.scan(Path(), "test")[:SCENES]
    sample = stack([scenes.read(Path(), key).resized(SIZE, SIZE) for key in keys])
    for modality in ("image", "depth", "normals", "appearance", "lighting"):
        for target, pixels in targets(modality, sample).items():
            rows[f"{modality}: {target}"] = psnr(estimator, pixels)
    card = estimator.card
    text = table(f"Checkpoint `{card.name}` {card.revision}, {len(keys)} held-out scenes of {SIZE} pixels", rows)
    print(text)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(text + "\n", encoding="utf-8")


def photo(path: Path) -> torch.Tensor:
    """A photo [3, H, W] in -1 to 1, its longest side 384, its sides multiples of 8."""
    image = torch.as_tensor(read_image(path))[None]
    ratio = LONGEST / max(image.shape[-2:])
    size = [max(8, round(side * ratio / 8) * 8) for side in image.shape[-2:]]
    return F.interpolate(image, size, mode="bilinear", antialias=True)[0] * 2 - 1


def targets(name: str, sample: Sample) -> dict[str, torch.Tensor]:
    """The target images [B, 1, 3, H, W] of a modality, by name."""
    modality = find.implementation(Modality, name)()
    pixels, _ = modality.encode(sample)
    return {target: pixels[:, index : index + 1] for index, target in enumerate(modality.targets)}


def psnr(estimator: Estimator, pixels: torch.Tensor) -> torch.Tensor:
    """Decibel [B] of the reconstruction, for a range of 2."""
    decoded = torch.cat([estimator.decode_pixels(estimator.encode_target(one[None])) for one in pixels])
    return 10 * torch.log10(4 / (decoded.clamp(-1, 1) - pixels).square().mean(dim=(1, 2, 3, 4)).clamp(min=1e-10))


def table(head: str, rows: dict[str, torch.Tensor]) -> str:
    """The mean and the worst decibel of every kind of image, as Markdown."""
    lines = [f"| {name} | {decibel.mean():.2f} | {decibel.min():.2f} |" for name, decibel in rows.items()]
    return "\n".join([head, "", "| images | PSNR in dB | worst |", "|---|---:|---:|", *lines])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="depth")
    main(parser.parse_args().checkpoint)
