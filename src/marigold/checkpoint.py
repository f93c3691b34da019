"""The door to checkpoints: `from marigold import checkpoint`, then `checkpoint.open("depth")`.

What it gives is defined in `checkpoints/store.py`; nothing inside the package uses this file.
"""

from marigold.checkpoints.store import Description, bundled, describe, open, save  # noqa: A004

__all__ = ["Description", "bundled", "describe", "open", "save"]
