"""A textured mesh from depth, binary glTF 2.0, as Blender, Unreal, three.js and phones read it."""

import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from marigold.core.errors import ConfigError
from marigold.core.files import whole_file
from marigold.export._relief import Relief
from marigold.export._surface import AXES, GREY, Surface

_JSON, _BINARY = b"JSON", b"BIN\0"
_FLOAT, _UINT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_CLAMP = 33071
_QUALITY = 92
"""JPEG quality of the texture."""
_LONGEST_TEXTURE = 65_500
"""Pixels; JPEG files hold no more along a side (`JPEG_MAX_DIMENSION` of libjpeg)."""
_LARGEST = 2**32 - 64
"""Bytes of content; the format counts them with 32 bits, headers included."""


@dataclass(frozen=True)
class Glb(Relief):
    """NAME_MAP.glb: triangles, cut at depth edges, with the photo as an unlit texture seen from both sides."""

    ending = "glb"

    def write_surface(
        self, file: Path, surface: Surface, size: tuple[int, ...], photo: np.ndarray | None, facts: dict[str, str]
    ) -> None:
        """One mesh; what is assumed stands in the asset's `extras`."""
        height, width = size
        places = np.stack([(surface.columns + 0.5) / width, (surface.rows + 0.5) / height], axis=1)
        texture = _jpeg(np.full((2, 2, 3), GREY, np.uint8) if photo is None else photo)
        content, binary = _scene(surface, places, texture, {"axes": AXES, **facts})
        with whole_file(file) as opened:
            opened.write(_container(json.dumps(content, separators=(",", ":")).encode(), binary))


def _jpeg(photo: np.ndarray) -> bytes:
    """The photo as JPEG, scaled down where it is too long for one."""
    file, picture = io.BytesIO(), PIL.Image.fromarray(photo)
    share = _LONGEST_TEXTURE / max(picture.size)
    if share < 1:
        picture = picture.resize([max(1, round(side * share)) for side in picture.size])
    picture.save(file, format="JPEG", quality=_QUALITY)
    return file.getvalue()


def _scene(surface: Surface, places: np.ndarray, texture: bytes, facts: dict[str, str]) -> tuple[dict[str, Any], bytes]:
    """The scene's description and the bytes that it describes."""
    points, faces = surface.points.astype("<f4"), surface.faces.astype("<u4")
    chunks = [(points.tobytes(), _VERTICES), (places.astype("<f4").tobytes(), _VERTICES), (faces.tobytes(), _INDICES)]
    views, binary = [], b""
    for chunk, target in [*chunks, (texture, None)]:
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(chunk)})
        views[-1] |= {} if target is None else {"target": target}
        binary += _padded(chunk, b"\0")
    low, high = points.min(axis=0), points.max(axis=0)
    accessors = [
        {"componentType": _FLOAT, "count": len(points), "type": "VEC3", "min": low.tolist(), "max": high.tolist()},
        {"componentType": _FLOAT, "count": len(points), "type": "VEC2"},
        {"componentType": _UINT, "count": faces.size, "type": "SCALAR"},
    ]
    mesh = {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, "material": 0}
    content = {
        "asset": {"version": "2.0", "generator": "marigold", "extras": facts},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "photo"}],
        "meshes": [{"primitives": [mesh]}],
        "materials": [_MATERIAL],
        "textures": [{"sampler": 0, "source": 0}],
        "samplers": [{"wrapS": _CLAMP, "wrapT": _CLAMP}],
        "images": [{"bufferView": 3, "mimeType": "image/jpeg"}],
        "accessors": [{"bufferView": number, **accessor} for number, accessor in enumerate(accessors)],
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    return content, binary


_MATERIAL = {
    "name": "photo",
    "doubleSided": True,
    "extensions": {"KHR_materials_unlit": {}},
    "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0, "roughnessFactor": 1},
}
"""The photo holds the light already, so viewers should add none."""


def _container(content: bytes, binary: bytes) -> bytes:
    if len(content) + len(binary) > _LARGEST:
        raise ConfigError(f"detail: the mesh takes {len(binary) / 1e9:.1f} GB, and glb holds 4.3 GB; choose less")
    body = b"".join(
        struct.pack("<I", len(chunk)) + kind + chunk
        for kind, chunk in ((_JSON, _padded(content, b" ")), (_BINARY, binary))
    )
    return b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body


def _padded(chunk: bytes, fill: bytes) -> bytes:
    return chunk + fill * (-len(chunk) % 4)
