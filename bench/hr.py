"""What a refiner of depth is worth: edges, layout and seams of refined maps beside those of the plain checkpoint.

    python bench/hr.py OUT [--refiner FOLDER] [--device cuda] [--minutes M] [--sizes 1024 2048] [--scenes N]
    python bench/hr.py OUT --train [--minutes M] [--device cuda]    trains `tiny-depth-hr` into OUT/run, no more
    python bench/hr.py OUT --report                                 writes bench/results/hr.md from the result file
    python bench/hr.py OUT --pictures [--refiner FOLDER]            draws docs/images/hr.jpg
    python bench/hr.py OUT --quick                                  all of it in miniature: that it works, no more

Truth are held-out rendered scenes of 1024 pixels a side and more. The plain checkpoint predicts at its working size and
at that of the canvas, the refiner behind the former; one member each. Without --refiner the one in OUT/run is taken,
which is trained first where it is not there; of the minutes training has then `TRAINING`. The result is in its file
after every scene, and the same command goes on where it ended.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import hr_page
from marigold.checkpoints import store
from marigold.checkpoints.card import FILE
from marigold.core.documents import read_json
from marigold.core.errors import OutputError
from marigold.core.files import write_json
from marigold.core.sample import Sample, unstack
from marigold.diffusion.tiles import Tiling
from marigold.evaluate.answers import Answer
from marigold.evaluate.measures.edges import Edges
from marigold.measure.alignment import STANDARD
from marigold.measure.refinement import layout_change, seam_ratio
from marigold.objectives.refine import Refine
from marigold.predict.predictor import Predictor
from marigold.predict.predictor import load as load_predictor
from marigold.train.loop import train
from marigold.train.recipe import Every, Recipe, load
from marigold_scenes.procedural import Procedural

BEGUN = time.time()
RECIPE = "tiny-depth-hr"
PLAIN = "depth"
TRAINING = 0.6
"""The share of the minutes that training has where the same command measures afterwards."""
EDGES = ("boundary_f1", "dbe_accuracy", "dbe_completeness", "see_3", "see_5", "see_7")
FACTS = ("sizes", "scenes", "upscales", "steps", "resolution", "tile")
"""The options that decide what is measured."""


@dataclass(frozen=True)
class Way:
    """A way to predict, by the settings of `Predictor.predict`."""

    name: str
    settings: dict[str, Any]

    @property
    def refines(self) -> bool:
        """Whether a refiner has the last word."""
        return bool(self.settings.get("hr"))


@dataclass(frozen=True)
class Found:
    """A map as it was computed."""

    values: Tensor
    """[1, h, w] in 0 to 1, at the size that the network or the canvas had."""
    report: dict[str, Any]
    seconds: float


def main() -> None:
    options = parsed()
    if options.report:
        hr_page.write(read_json(options.result, OutputError, "measure first"), options.result.with_suffix(".md"))
        return
    if options.train or not (options.refiner or is_trained(options)):
        trained(options)
    if options.train:
        return
    predictor = load_predictor(PLAIN, device=options.device, precision="fp32", refiner=refiner_of(options))
    if options.pictures:
        pictures(options, predictor)
        return
    print(hr_page.page(measured(options, predictor)))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the run and, where it is not given, the result file")
    parser.add_argument("--refiner", type=Path, help="a trained refiner (default: the one in OUT/run)")
    parser.add_argument("--result", type=Path, default=hr_page.RESULT)
    parser.add_argument("--picture", type=Path, default=hr_page.PICTURE)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after so long (default: when all is done)")
    parser.add_argument("--workers", type=int, default=0, help="processes that lay out scenes ahead of need")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048], help="sides of the scenes in pixels")
    parser.add_argument("--scenes", type=int, default=24, help="held-out scenes of each size")
    parser.add_argument("--upscales", type=float, nargs="+", default=[2.0, 3.0], help="canvas by working size")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 4, 10], help="steps of the refiner")
    parser.add_argument("--resolution", type=int, default=0, help="the global pass's (default: the card's)")
    parser.add_argument("--tile", type=int, default=0, help="pixels (default: the refiner's)")
    for name, words in (
        ("train", "train alone"),
        ("report", "write the page alone"),
        ("pictures", "draw alone"),
        ("quick", "miniature"),
    ):
        parser.add_argument(f"--{name}", action="store_true", help=words)
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.scenes, options.upscales, options.steps = [96], 1, [2.0], [1]
        options.resolution, options.tile = 64, 64
        options.result, options.picture = options.out / "hr.json", options.out / "hr.jpg"
    options.deadline = BEGUN + 60 * options.minutes if options.minutes else float("inf")
    return options


# ---- the refiner ----


def refiner_of(options: argparse.Namespace) -> Path:
    """The folder of the refiner that is measured."""
    return options.refiner or options.out / "run" / "checkpoint"


def is_trained(options: argparse.Namespace) -> bool:
    """Whether a run in OUT was finished before."""
    return (options.out / "run" / "checkpoint" / FILE).is_file()


def trained(options: argparse.Namespace) -> None:
    """Trains the refiner, or goes on with it."""
    share = 1.0 if options.train else TRAINING
    how = {"device": options.device, "workers": options.workers, "minutes": share * options.minutes, "note": say}
    train(miniature(load(RECIPE)) if options.quick else load(RECIPE), options.out / "run", **how)


def miniature(recipe: Recipe) -> Recipe:
    """The recipe as two steps on one small scene."""
    scene = replace(recipe.data[0], dataset=Procedural(64, 64), capacity=1, renewal=0.0, block=1)
    objective = recipe.objective
    assert isinstance(objective, Refine)
    return replace(
        recipe,
        data=(scene,),
        objective=replace(objective, crop=(32, 32)),
        optim=replace(recipe.optim, warmup=1, decay=2),
        plan=replace(recipe.plan, precision="fp32"),
        every=Every(log=1, save=2, validate=0),
        validation_batches=0,
        steps=2,
        batch=1,
        reuse=1,
    )


# ---- what is compared ----


def ways(options: argparse.Namespace, predictor: Predictor) -> list[Way]:
    """The plain checkpoint at its working size and at that of every canvas; the refiner by every number of steps."""
    size = options.resolution or int(predictor.estimator.card.defaults["resolution"])
    tile = {"tile": options.tile} if options.tile else {}
    found = [Way(hr_page.plain(size), {"resolution": size})]
    for upscale in options.upscales:
        found.append(Way(hr_page.plain(round(size * upscale)), {"resolution": round(size * upscale)}))
        refining = {"resolution": size, "hr": True, "upscale": upscale, **tile}
        found += [
            Way(hr_page.refined(round(size * upscale), steps), {**refining, "refiner_steps": steps})
            for steps in options.steps
        ]
    return found


def measured(options: argparse.Namespace, predictor: Predictor) -> dict[str, Any]:
    """The result, which is in its file too."""
    result = begun(options)
    done = {(row["size"], row["key"]) for row in result["rows"]}
    for size in options.sizes:
        data = Procedural(size, size)
        for key in list(data.scan(Path(), "test"))[: options.scenes]:
            if (size, key) in done:
                continue
            if time.time() > options.deadline:
                say(f"the time is over; the same command goes on from scene {len(done)}")
                return result
            result["rows"] += scene_rows(predictor, scene(data, key, options.device), size, ways(options, predictor))
            options.result.parent.mkdir(parents=True, exist_ok=True)
            write_json(options.result, result)
            done.add((size, key))
            say(f"{len(done)} of {len(options.sizes) * options.scenes} scenes")
    return result


def begun(options: argparse.Namespace) -> dict[str, Any]:
    """The result file's content, where it is of the same refiner and settings; else an empty one."""
    card = store.describe(refiner_of(options)).card
    about = {name: getattr(card, name) for name in ("name", "revision", "recipe", "note", "seconds_of_training")}
    asked = {"refiner": about, **{name: getattr(options, name) for name in FACTS}}
    if options.result.is_file():
        found = read_json(options.result, OutputError, "delete it to begin anew")
        if found.get("asked") == asked:
            return found
    device = torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device
    return {"asked": asked, "device": device, "torch": torch.__version__, "rows": []}


def scene(data: Procedural, key: str, device: str) -> Sample:
    """One scene, rendered on the device."""
    (found,) = unstack(data.read_many(Path(), [key], device), [key])
    return found.to("cpu")


def scene_rows(predictor: Predictor, sample: Sample, size: int, some: list[Way]) -> list[dict[str, Any]]:
    """What every way scores on a scene."""
    rows, layouts = [], dict[int, Tensor]()
    for way in some:
        found = predicted(predictor, sample, way)
        if not way.refines:
            layouts[way.settings["resolution"]] = found.values[0]
        row = {"size": size, "key": sample.key, "way": way.name, "seconds": found.seconds}
        row |= scores(predictor, found, sample)
        if way.refines:
            row["layout"] = layout_change(found.values[0], layouts[way.settings["resolution"]])
            row |= seams(predictor, found, sample)
        else:
            row["layout"] = layout_change(found.values[0], layouts[some[0].settings["resolution"]])
        rows.append(row)
    return rows


def predicted(predictor: Predictor, sample: Sample, way: Way) -> Found:
    """The map of a scene's photo in eight bits, as a user gives it."""
    photo = (sample.image.permute(1, 2, 0) * 255).round().byte().numpy()
    start = time.perf_counter()
    made = predictor.predict(photo, ensemble=1, tta="none", sizing="area", match_input=False, **way.settings)
    values = torch.from_numpy(np.ascontiguousarray(made.maps["depth"]))[None]
    return Found(values, made.report, time.perf_counter() - start)


def scores(predictor: Predictor, found: Found, sample: Sample) -> dict[str, float]:
    """The errors of depth and of its edges at the scene's own size."""
    modality = predictor.estimator.modality
    full = modality.resize(found.values[None], *sample.image.shape[-2:])[0]
    tallies = modality.score(full, sample)
    tallies |= Edges().score(Answer(full), sample, modality, STANDARD)
    # Without an edge there is nothing to score; JSON has no NaN.
    return {name: tallies[name].mean for name in ("abs_rel", *EDGES) if tallies[name].weight}


def seams(predictor: Predictor, found: Found, sample: Sample) -> dict[str, float]:
    """The seams of a refined map at the size of its canvas, and what the truth has at the same places."""
    modality, (height, width) = predictor.estimator.modality, found.values.shape[-2:]
    beside = borders(height, width, predictor.estimator.backbone.stride, found.report["settings"]["refinement"]["tile"])
    if not bool(beside.any()):
        return {}
    truth = modality.resize(modality.decode(modality.encode(sample)[0][None]), height, width)[0]
    return {"seam": seam_ratio(found.values[0], beside), "seam_truth": seam_ratio(truth[0], beside)}


def borders(height: int, width: int, stride: int, tile: int) -> Tensor:
    """The pixels in the latent cells beside a tile's border inside the canvas, [H, W], bool."""
    cells = Tiling(-(-height // stride), -(-width // stride), tile // stride).borders()
    return cells.repeat_interleave(stride, 0).repeat_interleave(stride, 1)[:height, :width]


# ---- pictures ----


def pictures(options: argparse.Namespace, predictor: Predictor) -> None:
    """Draws the first scenes of the last size with plain and refined maps on the first canvas, by the most steps."""
    options.upscales, options.steps = options.upscales[:1], options.steps[-1:]
    data = Procedural(options.sizes[-1], options.sizes[-1])
    keys = list(data.scan(Path(), "test"))[: min(options.scenes, hr_page.ROWS)]
    samples = [scene(data, key, options.device) for key in keys]
    maps = {
        way.name: [predicted(predictor, sample, way).values for sample in samples] for way in ways(options, predictor)
    }
    hr_page.draw(options.picture, predictor.estimator.modality, samples, maps)


def say(text: object) -> None:
    print(f"[{time.time() - BEGUN:4.0f} s] {text}", flush=True)


if __name__ == "__main__":
    main()
