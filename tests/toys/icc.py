"""ICC profiles written by hand (ICC.1:2001-04), and the sRGB that their colours are by the book."""

import struct

import numpy as np

SRGB = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]
ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
PROPHOTO = [(0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03135, 0.00009, 0.82491)]
WHITE = (0.9642, 1.0, 0.8249)
"""XYZ, all of illuminant D50."""


def rgb_profile(primaries, gamma, name="plain"):
    """XYZ of the primaries, and the exponent that gives light."""
    tags = {key: xyz(place) for key, place in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    return packed(b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve(gamma)), name)


def grey_profile(gamma, name="plain"):
    return packed(b"GRAY", b"XYZ ", {b"kTRC": curve(gamma)}, name)


def cmyk_profile(corners):
    """`corners` [2, 2, 2, 2, 3]: L*, a*, b* for every mixture of no and full ink; linear in between."""
    line = bytes(range(256))
    table = np.stack([corners[..., 0] * 2.55, corners[..., 1] + 128, corners[..., 2] + 128], -1)
    unit = b"".join(number(value) for value in np.eye(3).flat)
    body = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + unit + line * 4 + np.rint(table).astype(np.uint8).tobytes()
    return packed(b"CMYK", b"Lab ", {b"A2B0": body + line * 3}, "plain", kind=b"prtr")


def packed(space, connection, tags, name, kind=b"mntr"):
    words = name.encode() + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(words)) + words + bytes(78)
    tags = {b"desc": description, b"cprt": b"text\0\0\0\0none\0", b"wtpt": xyz(WHITE), **tags}
    place, table, body = 132 + 12 * len(tags), b"", b""
    for key, content in tags.items():
        content += bytes(-len(content) % 4)
        table += key + struct.pack(">II", place + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", place + len(body), b"none", 0x02400000, kind, space, connection)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(map(number, WHITE))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def number(value):
    return struct.pack(">i", round(value * 65536))


def xyz(place):
    return b"XYZ \0\0\0\0" + b"".join(map(number, place))


def curve(gamma):
    if gamma == 1:
        return b"curv\0\0\0\0" + bytes(4)
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def as_srgb(light):
    """The curve of IEC 61966-2-1."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def srgb_of(values, primaries, gamma):
    """SRGB of values [..., 3] in 0 to 1 by primaries and exponent."""
    return srgb_of_xyz(values**gamma @ np.array(primaries))


def srgb_of_xyz(colours):
    return as_srgb(colours @ np.linalg.inv(np.array(SRGB)))


def srgb_of_lab(lab):
    """SRGB of L*, a*, b* [..., 3] (CIE 15)."""
    y = (lab[..., 0] + 16) / 116
    root = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1)
    return srgb_of_xyz(np.where(root > 6 / 29, root**3, (root - 4 / 29) * 3 * (6 / 29) ** 2) * WHITE)
