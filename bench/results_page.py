"""Writes docs/results.md from the results in bench/results/evaluate/SUITE/MODEL/summary.json.

python bench/results_page.py [--results DIR] [--page FILE]
"""

import argparse
from pathlib import Path

from marigold.core.documents import read_json
from marigold.core.errors import DataError
from marigold.core.files import whole_file
from marigold.evaluate import table

RESULTS = Path(__file__).parent / "results" / "evaluate"
PAGE = Path(__file__).parents[1] / "docs" / "results.md"
INTRODUCTION = """# Results

Every number on this page stands in a result of `marigold evaluate` or is a published one with its source; the page is
written by `bench/results_page.py`. Scores under different protocols are never in one table."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    with whole_file(options.page) as file:
        file.write(page(options.results).encode())


def page(results: Path) -> str:
    """The page of all results below a folder, in the order of suites and models. Raises `DataError` where none is."""
    found = sorted(results.glob("*/*/summary.json"))
    if not found:
        raise DataError(f"{results}: has no SUITE/MODEL/summary.json; run `marigold evaluate SUITE` first")
    documents = (table.md(read_json(path, DataError, "run `marigold evaluate` again")) for path in found)
    return "\n\n".join([INTRODUCTION, *(_deeper(document).strip() for document in documents)]) + "\n"


def _deeper(document: str) -> str:
    """A document as a section: every heading one level down."""
    lines = document.splitlines()
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in lines)


if __name__ == "__main__":
    main()
