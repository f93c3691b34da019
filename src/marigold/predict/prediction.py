"""The maps predicted for one photo, and what there is to know about them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from marigold.core.console import printable
from marigold.core.files import as_path, file_name
from marigold.core.view import View
from marigold.export._reports import Reports
from marigold.export._write import save
from marigold.export.base import USUAL, Format, Maps, Reach, check, chosen
from marigold.modalities.base import Modality

_LONGEST = 1000
"""Characters of a fact; what a card says may be of any length."""


@dataclass(frozen=True)
class Prediction:
    """Maps at the photo's size, or at the working size if so asked for. Made by `Predictor.predict`."""

    maps: dict[str, np.ndarray]
    """By name, float32: [H, W], or [H, W, C] for maps with several channels."""
    uncertainty: np.ndarray | None
    """How far the ensemble's members disagree, [H, W] in the unit of the maps; None with fewer than three members."""
    modality: Modality
    bounds: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    """By map and end of its interval (`lower`, `upper`; of normals `cone`, half its opening angle in degrees), float32,
    shaped like the map or [H, W]; empty where no interval is asked for."""
    name: str = "photo"
    """What files are called by default: the photo's name without its ending."""
    report: dict[str, Any] = field(default_factory=dict)
    """Checkpoint, settings, sizes, seconds of every stage, notes: what goes into the JSON file."""
    latent: np.ndarray | None = field(default=None, repr=False)
    """The members' final latents, [E, N * C, h, w] float32, if they were asked for."""
    photo: np.ndarray | None = field(default=None, repr=False)
    """The photo at the maps' size, [H, W, 3] uint8 sRGB, for the formats that show it; None if it is not known."""
    measured: Reach | None = None
    """Of depth brought to known distances: `metric`, in metres, or `up to scale`. None: as it was predicted."""
    view: View | None = None
    """The photo's camera, if anything is known of it."""

    def colorize(self) -> dict[str, np.ndarray]:
        """Pictures to look at, by name: [H, W, 3] uint8."""
        return self.modality.colorize(self.as_maps().shown())

    def as_maps(self) -> Maps:
        """What the formats take of it: the maps, and the checkpoint's name and licence as facts."""
        checkpoint = self.report.get("checkpoint", {})
        facts = {
            "Software": "marigold",
            "Source": checkpoint.get("name", ""),
            "Copyright": checkpoint.get("licence", ""),
        }
        given = {fact: printable(words)[:_LONGEST] for fact, words in facts.items() if words}
        return Maps(
            self.modality,
            self.maps,
            uncertainty=self.uncertainty,
            bounds=self.bounds,
            photo=self.photo,
            measured=self.measured,
            view=self.view,
            facts=given,
        )

    def save(
        self, folder: str | Path, name: str | None = None, formats: str | Sequence[str | Format] | None = None
    ) -> list[Path]:
        """Writes maps, pictures and report into a folder and returns the files. Raises `OutputError`.

        `formats` are names of formats (`"npy,exr"` or a sequence) or formats with their options (`Ply(fov=60)`), see
        docs/formats.md. By default, for `name` (the photo's own when left out) and each map: NAME_MAP.npy (float32),
        NAME_MAP_16bit.png and NAME_MAP_colored.png; with an uncertainty NAME_MODALITY_uncertainty.npy and .png; with an
        interval NAME_MAP_lower and NAME_MAP_upper like the maps; and at last NAME_MODALITY.json. Each file is written
        whole or not at all; what an earlier prediction of this name has written and this one does not is deleted.
        Raises `OutputError` for a name that leads out of the folder.
        """
        folder = as_path(folder, "folder")
        wanted = chosen(USUAL if formats is None else formats)
        check(wanted, [self.modality])
        return save(self.as_maps(), self.report, Reports(folder), self._stem(name), wanted)

    def _stem(self, name: str | None) -> str:
        """What file names begin with: the name asked for, or the photo's own, which is the name of a file already."""
        if name is None and _is_one_of_files(self.name):
            return self.name
        return file_name(self.name if name is None else name, "name")


def _is_one_of_files(name: str) -> bool:
    """Whether a photo may be called so: by one part of a path that the system can spell."""
    try:
        return isinstance(name, str) and os.path.basename(name) == name and b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False
