"""Writes what the suite `quick` found into the cards of the bundled checkpoints, from results that are committed.

marigold evaluate quick --output bench/results/evaluate
python bench/card_scores.py
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from marigold.checkpoints import catalogue
from marigold.checkpoints.card import Card
from marigold.evaluate import results

RESULTS = Path(__file__).parent / "results" / "evaluate" / "quick"


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for folder in sorted(path for path in RESULTS.iterdir() if path.is_dir()):
        summary, _ = results.read(folder)
        place = catalogue.BUNDLED / folder.name
        card = Card.read(place)
        if summary["model"]["revision"] != card.revision:
            raise SystemExit(f"{folder}: was made by {summary['model']['revision']}, not {card.revision}; run it again")
        replace(card, scores=scores(summary)).write(place)
        print(place / "card.json")


def scores(summary: dict[str, Any]) -> dict[str, Any]:
    """What a card says of a result: the suite, how it was scored, and the mean of every metric with its interval."""
    name = summary["model"]["name"]
    return {
        "suite": summary["suite"],
        "marigold": summary["versions"]["marigold"],
        "sets": [
            {
                "set": one["set"],
                "samples": one["count"],
                "protocol": one["protocol"]["words"],
                "prediction": one["prediction"],
                "scores": one["scores"][name],
                "representation ceiling": one["scores"]["representation ceiling"],
            }
            for one in summary["sets"]
        ],
    }


if __name__ == "__main__":
    main()
