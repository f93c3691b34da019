"""Scores of a bundled checkpoint on 200 held-out scenes, beside the baselines, for several settings.

Baselines are of two kinds: each fitted to the truth of the scene that it is scored on, which no method can know,
and, named "for all", fitted to all of the scenes together, one direction, constant or scale for the 200.

python bench/scores.py [CHECKPOINT] [--device cuda] [--scenes N]      writes bench/results/scores-NAME.json
python bench/scores.py --tables                                       writes bench/results/scores.md from all of them
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from marigold.checkpoints import store
from marigold.checkpoints.convention import TTA
from marigold.core import pictures
from marigold.core.colour import linear_to_srgb, srgb_to_linear
from marigold.core.sample import Sample
from marigold.evaluate.report import table
from marigold.evaluate.runner import Scores, score
from marigold.measure.tally import Tally, merge
from marigold.modalities.base import Modality
from marigold.modalities.normals import median_direction
from marigold.predict.predictor import load
from marigold.predict.settings import Request
from marigold_scenes.procedural import Procedural

RESULTS = Path(__file__).parent / "results"
BATCH = {"cpu": 2}
"""Scenes at a time, where a device has a number of its own."""
SETTINGS: dict[str, tuple[int, int, TTA]] = {
    "1 step": (1, 1, "none"),
    "1 step, 4 members": (1, 4, "none"),
    "1 step, 2 members, flip-scale": (1, 2, "flip-scale"),
    "1 step, 4 members, flip-scale": (1, 4, "flip-scale"),
    "2 steps": (2, 1, "none"),
    "4 steps": (4, 1, "none"),
    "4 steps, 5 members": (4, 5, "none"),
}
"""By name: steps, members, and test-time augmentation."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="depth")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--resolution", type=int, help="longest side at work (default: the card's; 0: the scenes')")
    parser.add_argument("--settings", nargs="*", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--result", type=Path, default=None)
    parser.add_argument("--tables", action="store_true", help="only write the tables of what has been scored")
    options = parser.parse_args()
    if options.tables:
        write_tables()
        return
    predictor = load(options.checkpoint, device=options.device, precision="fp32")
    estimator = predictor.estimator
    scenes = Procedural()
    keys = list(scenes.scan(Path(), "test")[: options.scenes])
    methods: dict[str, dict[str, Tally]] = {}
    for name in options.settings:
        steps, ensemble, tta = SETTINGS[name]
        request = Request(steps=steps, ensemble=ensemble, tta=tta, resolution=options.resolution)
        batch = BATCH.get(options.device, 10)
        scored = score(predictor, scenes, Path(), keys, request=request, name=name, batch=batch)
        methods = {name: scored.methods.pop(name), **methods, **scored.methods}
    methods |= scored_for_all(estimator.modality, scenes, keys)
    print(table(Scores(methods, metrics=estimator.modality.metrics)))
    result = options.result or RESULTS / f"scores-{estimator.card.name}.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    means = {name: {metric: tally.mean for metric, tally in tallies.items()} for name, tallies in methods.items()}
    facts = {
        "scenes": len(keys),
        "pixels": scenes.width,
        "resolution": request.settings(estimator.card.defaults).resolution or scenes.width,
        "recipe": estimator.card.recipe,
        "revision": estimator.card.revision,
        "scores": means,
    }
    result.write_text(json.dumps(facts, indent=1) + "\n")


Answer = Callable[[Sample], Tensor]


def scored_for_all(modality: Modality, scenes: Procedural, keys: list[str]) -> dict[str, dict[str, Tally]]:
    """Tallies by metric of the baselines that are fitted to all scenes together."""
    fit = FOR_ALL.get(type(modality).__name__)
    if fit is None:
        return {}
    samples = [scenes.read(Path(), key) for key in keys]
    return {
        name: merge([modality.score(answer(sample), sample) for sample in samples])
        for name, answer in fit(samples).items()
    }


def one_direction(samples: list[Sample]) -> dict[str, Answer]:
    """The direction with the least mean angle to the normals of all scenes."""
    normals, valid = (torch.cat(maps, dim=-2) for maps in _maps(samples, "normals"))
    direction = median_direction(normals, valid).float()
    return {"constant for all": lambda sample: direction.expand_as(sample.maps["normals"])}


def one_surface(samples: list[Sample]) -> dict[str, Answer]:
    """The photo over its blurred luminance at one scale, one roughness and one metallicity."""
    scale = _one_scale(samples)
    constants = {name: torch.cat(_flat(samples, name)).median() for name in ("roughness", "metallicity")}

    def answer(sample: Sample) -> Tensor:
        quotient, _ = pictures.divided_by_blurred_luminance(srgb_to_linear(sample.image))
        like = sample.maps["roughness"]
        flat = [torch.full_like(like, float(value)) for value in constants.values()]
        return torch.cat([linear_to_srgb((scale * quotient).clamp(0, 1)), *flat])

    return {"photo over blurred luminance, constants, for all": answer}


def one_light(samples: list[Sample]) -> dict[str, Answer]:
    """The photo over its blurred luminance at one scale; the blur is the shading."""
    scale = _one_scale(samples)

    def answer(sample: Sample) -> Tensor:
        quotient, blurred = pictures.divided_by_blurred_luminance(srgb_to_linear(sample.image))
        return torch.cat([(scale * quotient).clamp(0, 1), blurred.expand_as(quotient), torch.zeros_like(quotient)])

    return {"photo over blurred luminance, for all": answer}


FOR_ALL = {"Normals": one_direction, "Appearance": one_surface, "Lighting": one_light}
"""By modality: functions that fit to all scenes and return answers by name."""


def _one_scale(samples: list[Sample]) -> float:
    """The least-squares factor from all photos over their blurred luminance to all albedos, in linear light."""
    product, square = 0.0, 0.0
    for sample in samples:
        quotient, _ = pictures.divided_by_blurred_luminance(srgb_to_linear(sample.image))
        p, g = (torch.where(sample.usable("albedo"), x, 0.0).double() for x in (quotient, sample.maps["albedo"]))
        product, square = product + float((p * g).sum()), square + float(p.square().sum())
    return product / square


def _maps(samples: list[Sample], name: str) -> tuple[list[Tensor], list[Tensor]]:
    return [sample.maps[name] for sample in samples], [sample.usable(name) for sample in samples]


def _flat(samples: list[Sample], name: str) -> list[Tensor]:
    """All usable values of a map, one vector for each scene."""
    return [map_[ok] for map_, ok in zip(*_maps(samples, name), strict=True)]


def write_tables() -> None:
    """Every scored checkpoint as a table, in the order of their names."""
    lines = ["# Scores of the bundled checkpoints", ""]
    for file in sorted(RESULTS.glob("scores-*.json")):
        facts = json.loads(file.read_text())
        methods = {
            name: {metric: Tally(mean, 1) for metric, mean in means.items()} for name, means in facts["scores"].items()
        }
        seen = f"{facts['scenes']} held-out scenes of {facts['pixels']} pixels, worked at {facts['resolution']}"
        name = file.stem.removeprefix("scores-")
        described = store.describe(name)
        card = described.card
        if card.revision == facts["revision"]:
            seen += f"; by default {', '.join(f'{key} {value}' for key, value in card.defaults.items())}"
        lines += [
            f"## {name}",
            "",
            f"{facts['recipe']}, revision {facts['revision']}; {seen}.",
        ]
        lines += ["", table(Scores(methods, metrics=described.modality.metrics)), ""]
    (RESULTS / "scores.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
