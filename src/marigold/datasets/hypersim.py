"""Hypersim (Roberts et al., ICCV 2021): rendered rooms with depth, normals and the parts of their light.

Read as it is downloaded,

    ROOT/SCENE/images/scene_cam_CC_final_hdf5/frame.NNNN.{color,diffuse_reflectance,diffuse_illumination,residual}.hdf5
    ROOT/SCENE/images/scene_cam_CC_geometry_hdf5/frame.NNNN.{depth_meters,normal_cam,render_entity_id}.hdf5
    ROOT/metadata_images_split_scene_v1.csv         the splits
    ROOT/metadata_camera_parameters.csv             the camera of each scene

or as the published preprocessing of Marigold writes it (`_hypersim_processed.py`). Both may lie in a folder or a tar;
a key, `train/ai_001_001/cam_00/0003`, is the same in all of them.

- `image` is the tone-mapped colour, min(1, s * colour) ** (1 / 2.2), where s = 0.8 ** 2.2 / (90th percentile of
  brightness): image ** 2.2 = s * (albedo * shading + residual) wherever it is not cut at 1. It is not cut to 8 bits.
- `depth` is planar, in metres, made of the distance along the viewing ray; valid between 0.00001 and 65 m.
- `normals` are of length 1, and turned to the camera where they face away from it.
- `albedo` is linear reflectance within 0 to 1, valid where it is not black.
- `shading` and `residual` are linear radiance without bound, in the renderer's unit; what is below 0 is 0.

Depth and normals are valid where a surface is seen. Pixels that are NaN or infinite in a field are not valid in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.errors import ConfigError, DataError
from marigold.core.files import as_path
from marigold.core.find import unknown
from marigold.core.plain import word
from marigold.core.sample import Sample
from marigold.datasets._hypersim_frames import SPLIT, SPLITS, Frame, Layout, Presence, listed
from marigold.datasets._hypersim_processed import Processed
from marigold.datasets._hypersim_raw import Raw, Settings
from marigold.datasets._hypersim_values import FARTHEST, FIELDS, NEAREST
from marigold.datasets._layers import layered
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

_CARD = DatasetCard(
    fields=tuple(FIELDS),
    splits=SPLITS,
    licence="CC-BY-SA-3.0",
    source="https://github.com/apple/ml-hypersim",
    depth_range=(NEAREST, FARTHEST),
    mask="depth and normals where a surface is seen; albedo where it is not black; light where it is finite",
)
_COUNTS = {("albedo", "shading", "residual"): {"test": 5238}, ("depth",): {"test": 7682}}
"""How many frames the published lists of `test` have, by the fields that are evaluated."""
_LAYOUTS = ("auto", "raw", "processed")
_CAMERAS = ("per_scene", "published")


@dataclass(frozen=True)
class Hypersim(Dataset):
    """The frames of the public release, by Hypersim's own splits or by lists of the published training."""

    fields: tuple[str, ...] = ()
    """The fields to read, and to require of every frame; empty reads those that a frame has. Others are not decoded."""
    layout: Literal["auto", "raw", "processed"] = "auto"
    """As downloaded, or as the published preprocessing writes it; `auto` looks."""
    lists: dict[str, Path] = field(default_factory=dict)
    """A list of the published training for each split, one photo a line, in place of Hypersim's own splits."""
    splits_file: Path = Path()
    """Where `metadata_images_split_scene_v1.csv` lies; a dot looks for it in the root and beside it."""
    camera: Literal["per_scene", "published"] = "per_scene"
    """The cameras of a raw tree. `per_scene` is exact. `published` takes one pinhole, f = 886.81 at 1024 x 768 pixels,
    for all scenes, as the published training does; 229 of 482 scenes have another, which changes depth by up to 5.7 %.
    In a processed tree, depth is as it was made with the published one."""
    cameras_file: Path = Path()
    """Where `metadata_camera_parameters.csv` lies; a dot looks for it in the root and beside it."""
    checked: bool = False
    """Refuse those frames of a raw tree, when they are read, which the published lighting data leave out. Others take
    their places in training."""
    partial: bool = False
    """Leave out frames of which files are missing; otherwise they are an error that counts them."""
    card: DatasetCard = field(default=_CARD, init=False)

    def __post_init__(self) -> None:
        for name in self.fields:
            if name not in FIELDS:
                raise ConfigError(f"fields: {unknown('field', word(name), FIELDS)}")
        for name, known in (("layout", _LAYOUTS), ("camera", _CAMERAS)):
            if (value := getattr(self, name)) not in known:
                raise ConfigError(f"{name}: {unknown('choice', word(value), known)}")
        for split in self.lists:
            require(SPLIT.fullmatch(split) is not None, "lists", printable(split), "a word of letters, digits and _")
        object.__setattr__(self, "card", replace(_CARD, fields=tuple(dict.fromkeys(self.fields or FIELDS))))

    def card_of(self, root: Path) -> DatasetCard:
        """The splits that the root has, and the fields that its first frame has. Raises `DataError`."""
        layout = self._layout(layered(as_path(root, "root", DataError)))
        splits = tuple(self.lists) or layout.splits()
        found = (frame for split in splits for frame, missing in self._frames(layout, split) if not missing)
        if (first := next(found, None)) is None:
            raise DataError(f"{layout.tree.where('')}: no frame of Hypersim is there; give the folder or tar of it")
        return replace(self.card, fields=self._fields(layout, first), splits=splits, counts=self._counts())

    def _counts(self) -> dict[str, int]:
        """Those of the published evaluation of just the fields that are asked for."""
        return next((counts for fields, counts in _COUNTS.items() if set(fields) == set(self.fields)), {})

    def scan(self, root: Path, split: str) -> list[str]:
        """The keys of a split, or of several joined by `+` as in `train+val`, in the order of its table or list.

        No array is read. Raises `DataError` for a split that there is not, and where files are missing.
        """
        layout = self._layout(layered(as_path(root, "root", DataError)))
        return [frame.key for part in split.split("+") for frame in self._required(layout, part)]

    def read(self, root: Path, key: str) -> Sample:
        """One frame. Raises `DataError` naming the file that is missing, damaged or of a wrong shape.

        Raises `RefusedSampleError` for a frame that `checked` leaves out.
        """
        layout, frame = self._found(root, key)
        return layout.read(frame, self._fields(layout, frame))

    def identity(self, root: Path, key: str) -> str:
        """The identities of the files that are read, and the camera. Raises `DataError` where one is missing."""
        layout, frame = self._found(root, key)
        fields = self._fields(layout, frame)
        files = [layout.tree.identity(name) for name in layout.files(frame, fields)]
        return " ".join((key, *fields, *files, layout.settings(frame, fields)))

    def _layout(self, tree: Tree, scene: str = "") -> Layout:
        """The layout of a tree, by one scene or, where none is given, by any."""
        scenes = [scene] if scene else tree.folders()
        if self.layout == "raw" or (self.layout == "auto" and any(Raw.holds(tree, name) for name in scenes)):
            return Raw(tree, Settings(self.camera, self.cameras_file, self.splits_file, self.checked))
        return Processed(tree)

    def _found(self, root: Path, key: str) -> tuple[Layout, Frame]:
        if (frame := Frame.of_key(key)) is None:
            raise DataError(
                f"{printable(key)}: no key of Hypersim (SPLIT/SCENE/CAMERA/NUMBER); scan the data set again"
            )
        return self._layout(layered(as_path(root, "root", DataError)), frame.scene), frame

    def _fields(self, layout: Layout, frame: Frame) -> tuple[str, ...]:
        """What is read of a frame: as asked for, or what there is."""
        has = layout.tree.has
        return tuple(dict.fromkeys(self.fields)) or tuple(
            name for name in FIELDS if all(map(has, layout.files(frame, (name,))))
        )

    def _frames(self, layout: Layout, split: str) -> Iterator[tuple[Frame, str]]:
        """The frames of a split, each with the first of its files that is missing, or nothing."""
        if not self.lists and split not in SPLITS:
            raise DataError(f"{layout.tree.where('')}: {unknown('split', printable(split), SPLITS)}")
        presence = Presence(layout.tree)
        for frame in listed(self.lists, split) if self.lists else layout.frames(split):
            yield frame, presence.first_missing(layout.files(frame, self.fields))

    def _required(self, layout: Layout, split: str) -> list[Frame]:
        """The frames of a split that are there. Raises `DataError` where that is none, or not all without `partial`."""
        frames = list(self._frames(layout, split))
        there, missing = [frame for frame, name in frames if not name], [name for _, name in frames if name]
        where = layout.tree.where("")
        if not frames:
            raise DataError(f"{where}: the split `{split}` has no frame; give the folder or tar that holds it")
        if missing and not (self.partial and there):
            count = f"{len(missing)} of the {len(frames)} frames of `{split}`"
            raise DataError(
                f"{where}: {count} lack files, the first {printable(missing[0])}; download them, name as `fields` only "
                "those that you have, or set `partial: true` to go without these frames"
            )
        return there
