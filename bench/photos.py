"""Six photographs beside what the bundled checkpoints make of them, in one picture for the README.

python bench/photos.py [--checkpoints NAME ...] [--resolution N] [--ensemble N] [--output docs/images/photos.jpg]
"""

from dataclasses import dataclass
from pathlib import Path

import tyro
from PIL import Image, ImageDraw, ImageFont

import marigold
import photographs
from marigold.core.find import name_of

SHOWN = {
    "depth": ("depth",),
    "normals": ("normals",),
    "appearance": ("albedo", "roughness"),
    "lighting": ("shading",),
}
"""What is shown of each modality: albedo once, and no residual or metallicity, which are nearly black."""
TILE = 200
"""The width of a column, in pixels."""
GAP = 6
TEXT = 17


@dataclass(frozen=True)
class Options:
    """The picture to make; settings that are left out are the checkpoints'."""

    checkpoints: tuple[str, ...] = tuple(SHOWN)
    """Bundled names or folders, one column or more for each."""
    resolution: int | None = None
    ensemble: int | None = None
    output: Path = Path("docs/images/photos.jpg")


def main(options: Options) -> None:
    """Predicts every map and writes the sheet."""
    paths = photographs.paths()
    columns = {"photo": [Image.open(path).convert("RGB") for path in paths]}
    for name in options.checkpoints:
        predictor = marigold.load(name)
        shown = SHOWN[name_of(predictor.estimator.modality)]
        for path in paths:
            prediction = predictor.predict(path, resolution=options.resolution, ensemble=options.ensemble)
            for output in shown:
                columns.setdefault(output, []).append(Image.fromarray(prediction.colorize()[output]))
        settings = ", ".join(f"{key} {value}" for key, value in prediction.report["settings"].items())
        print(f"{name}: {settings}")
    picture = sheet(columns)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    picture.save(options.output, quality=88, optimize=True)
    print(f"{options.output}: {picture.width} x {picture.height} pixels")


def sheet(columns: dict[str, list[Image.Image]]) -> Image.Image:
    """Named columns of pictures; a row has the shape of its photo."""
    heights = [round(TILE * photo.height / photo.width) for photo in columns["photo"]]
    top = TEXT + 2 * GAP
    size = (GAP + len(columns) * (TILE + GAP), top + sum(heights) + GAP * len(heights))
    whole = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(TEXT)
    for number, (name, pictures) in enumerate(columns.items()):
        left, down = GAP + number * (TILE + GAP), top
        draw.text((left + TILE // 2, top // 2), name, "black", font, anchor="mm")
        for picture, height in zip(pictures, heights, strict=True):
            whole.paste(picture.resize((TILE, height), Image.Resampling.LANCZOS), (left, down))
            down += height + GAP
    return whole


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
