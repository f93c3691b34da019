"""Calibrates the bundled checkpoints on scenes of the split `val`, and measures on those of `test` what intervals hold.

python bench/calibration.py [CHECKPOINT ...] [--tta flip-scale] [--write]

Writes bench/results/calibration.json, calibration.md and docs/images/calibration.png; with --write also the cards.
What is observed of a scene is kept in --cache, so that a run that was stopped goes on.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from marigold.checkpoints.calibration import Calibration
from marigold.checkpoints.card import Card
from marigold.checkpoints.catalogue import BUNDLED
from marigold.checkpoints.store import describe
from marigold.cli._calibrate import merged
from marigold.core.files import whole_file
from marigold.evaluate.calibrate import Observation, coverage, fitted, observations, settings_of
from marigold.measure.conformal import expected_error, hierarchical_quantiles
from marigold.predict.interval import quantile
from marigold.predict.predictor import Predictor, load
from marigold.predict.settings import Request, Settings
from marigold_scenes import scene
from marigold_scenes.families import FAMILIES
from marigold_scenes.procedural import Procedural

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
PICTURE = ROOT / "docs" / "images" / "calibration.png"
CHECKPOINTS = ("depth", "normals", "appearance", "lighting")
NOMINAL = (0.5, 0.8, 0.9)
CURVE = tuple(step / 20 for step in range(1, 20))
ABOUT = (
    "Shares of pixels of unseen scenes (the split `test`) whose truth lies in its interval, in percent. Behind ±",
    "stands one standard error of the mean over scenes. Calibrated on scenes of the split `val`.",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="*", default=CHECKPOINTS)
    parser.add_argument("--fitted", type=int, default=200, help="scenes of `val` to calibrate on, of each seed")
    parser.add_argument("--seeds", type=int, default=2, help="of scenes to calibrate on, from 0")
    parser.add_argument("--measured", type=int, default=200, help="scenes of `test` to measure on, of each seed")
    parser.add_argument("--unseen", type=int, default=1, help="seeds of scenes to measure on, from 0")
    parser.add_argument("--cached", action="store_true", help="takes what is in the cache, and no more")
    parser.add_argument("--ensemble", type=int, default=4)
    parser.add_argument("--tta", choices=("none", "flip-scale"), help="the card's when left out")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cache", type=Path, default=Path("runs") / "calibration")
    parser.add_argument("--write", action="store_true", help="writes the calibrations into the bundled cards")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in options.checkpoints:
        calibration, facts = measured(name, options)
        found[name] = facts
        if options.write:
            card = Card.read(BUNDLED / name)
            replace(card, calibration=merged(card.calibration, calibration)).write(BUNDLED / name)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "calibration.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "calibration.md").write_text(page(found), encoding="utf-8")
    draw(found)
    print(page(found))


def measured(name: str, options: argparse.Namespace) -> tuple[Calibration, dict[str, Any]]:
    """The calibration of one checkpoint, and what its intervals hold of scenes that it has not seen."""
    predictor = Lazy(name, options.device)
    settings = settings_of(predictor.card, Request(ensemble=options.ensemble, tta=options.tta))
    seen, unseen = (
        list(kept(predictor, settings, keys, options))
        for keys in (
            [key for seed in range(options.seeds) for key in keys_of("val", seed, options.fitted)],
            [key for seed in range(options.unseen) for key in keys_of("test", seed, options.measured)],
        )
    )
    words = f"procedural val, {len(seen)} scenes of {len({key_seed(one.key) for one in seen})} seeds"
    calibration = fitted(seen, settings, describe(name).modality, words)
    families = {family: [one for one in unseen if family_of(one.key) == family] for family in FAMILIES}
    facts = {
        "settings": {key: getattr(calibration, key) for key in ("steps", "ensemble", "resolution", "sizing", "tta")},
        "fitted": len(seen),
        "measured": len(unseen),
        "families": {family: len(some) for family, some in families.items()},
        "outputs": {
            output: output_facts(output, calibration, seen, unseen, families) for output in calibration.outputs
        },
    }
    return calibration, facts


def output_facts(
    output: str,
    calibration: Calibration,
    seen: Sequence[Observation],
    unseen: Sequence[Observation],
    families: Mapping[str, Sequence[Observation]],
) -> dict[str, Any]:
    """Coverage of one map: by level, its standard error, by family, and the mean half-width at 90 %."""
    alone = replace(calibration, outputs={output: calibration.outputs[output]})

    def shares(some: Sequence[Observation], level: float) -> Tensor:
        return coverage([replace(one, outputs={output: one.outputs[output]}) for one in some], alone, level)[output]

    spread = calibration.outputs[output]
    (constant,) = hierarchical_quantiles([e for one in seen for e, _ in [one.outputs[output]] if len(e)], (0.9,))
    widths = [expected_error(d, spread.scale, spread.floor).mean() for one in unseen for _, d in [one.outputs[output]]]
    return {
        "curve": {f"{level:g}": float(shares(unseen, level).mean()) for level in CURVE},
        "standard_error": {f"{level:g}": float(shares(unseen, level).std() / len(unseen) ** 0.5) for level in NOMINAL},
        "families": {
            family: {f"{level:g}": float(shares(some, level).mean()) for level in CURVE}
            for family, some in families.items()
        },
        "half_width": quantile(calibration, output, 0.9) * float(torch.stack(widths).nanmean()),
        "constant_half_width": constant,
    }


class Lazy:
    """A checkpoint whose weights are loaded when a scene is not in the cache."""

    def __init__(self, name: str, device: str) -> None:
        self.name, self.device = name, device
        self.card = describe(name).card
        self._predictor: Predictor | None = None

    def loaded(self) -> Predictor:
        """The predictor, in single precision."""
        self._predictor = self._predictor or load(self.name, device=self.device, precision="fp32")
        return self._predictor


def keys_of(split: str, seed: int, count: int) -> list[str]:
    """The first scenes of a split."""
    return list(Procedural(seed=seed).scan(Path(), split)[:count])


def key_seed(key: str) -> int:
    """The seed of a scene's key."""
    return int(key.split("/")[1])


def kept(
    predictor: Lazy, settings: Settings, keys: Sequence[str], options: argparse.Namespace
) -> Iterator[Observation]:
    """What is observed of scenes, from the cache where it is there."""
    what = f"{predictor.name}-{predictor.card.revision}-{settings.tta}-{settings.ensemble}-{settings.resolution}"
    for key in keys:
        file = options.cache / f"{what}-{key.replace('/', '-')}.pt"
        if options.cached and not file.exists():
            return
        if not file.exists():
            (one,) = observations(predictor.loaded(), Procedural(), Path(), [key], settings, progress=False)
            with whole_file(file) as opened:
                torch.save(dict(one.outputs), opened)
        yield Observation(key, torch.load(file, weights_only=True))


def family_of(key: str) -> str:
    """The family of scenes that a key belongs to."""
    _, seed, index = key.split("/")
    return scene.build(int(seed), [int(index)]).names[0]


def page(found: Mapping[str, Any]) -> str:
    """The numbers as a page."""
    lines = ["# What intervals hold", "", *ABOUT, ""]
    for name, facts in found.items():
        settings = ", ".join(f"{key} {value}" for key, value in facts["settings"].items())
        lines += [f"## {name}", ""]
        lines += [f"{settings}; calibrated on {facts['fitted']} scenes, measured on {facts['measured']}.", ""]
        lines += ["| map | nominal | all | " + " | ".join(f"{f} ({n})" for f, n in facts["families"].items()) + " |"]
        lines += ["|---|---|---|" + "---|" * len(facts["families"])]
        for output, one in facts["outputs"].items():
            for level in map("{:g}".format, NOMINAL):
                all_ = f"{100 * one['curve'][level]:.1f} ± {100 * one['standard_error'][level]:.1f}"
                each = " | ".join(f"{100 * family[level]:.0f}" for family in one["families"].values())
                lines += [f"| {output} | {100 * float(level):g} | {all_} | {each} |"]
        for level in map("{:g}".format, NOMINAL) if len(facts["outputs"]) > 1 else ():
            together = sum(one["curve"][level] for one in facts["outputs"].values()) / len(facts["outputs"])
            lines += [f"| mean of the maps | {100 * float(level):g} | {100 * together:.1f} |" + " |" * len(FAMILIES)]
        widths = [
            f"{output} {one['half_width']:.3g} ({one['constant_half_width']:.3g})"
            for output, one in facts["outputs"].items()
        ]
        lines += ["", "Mean half-width at 90 %, and that of one width for all pixels (in brackets): "]
        lines[-1] += ", ".join(widths) + ".\n"
    return "\n".join(lines)


def draw(found: Mapping[str, Any]) -> None:
    """The reliability plots: nominal against measured shares."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, places = pyplot.subplots(1, len(found), figsize=(3.1 * len(found), 3.4), sharey=True, squeeze=False)
    nominal = [0.0, *CURVE]
    for axes, (name, facts) in zip(places[0], found.items(), strict=True):
        axes.fill_between([0, 1], [-0.03, 0.97], [0.03, 1.03], color="0.9", lw=0, label="within 3 points")
        axes.plot([0, 1], [0, 1], color="0.5", lw=0.8, ls=":")
        for number, (output, one) in enumerate(facts["outputs"].items()):
            for curve in one["families"].values():
                axes.plot(nominal, [0, *curve.values()], color=f"C{number}", lw=0.6, alpha=0.45)
            axes.plot(nominal, [0, *one["curve"].values()], color=f"C{number}", lw=2, label=output)
        axes.set(title=name, xlabel="nominal share", xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.legend(fontsize=7, loc="lower right", frameon=False)
    places[0][0].set_ylabel("share held, unseen scenes")
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
