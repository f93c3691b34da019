"""The photographs that ship with scikit-image and that nothing here was trained on."""

from pathlib import Path

NAMES = ("coffee", "astronaut", "chelsea", "motorcycle_left", "rocket", "camera")


def paths() -> list[Path]:
    """Six photographs: a table-top, two portraits, a workshop, open ground, a field with a building."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    found = [next(folder.glob(f"{name}.*")) for name in NAMES]
    return found
