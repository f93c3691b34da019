import io
import struct
import zlib

import numpy as np
import OpenEXR
import PIL.Image
import pytest
import torch

from marigold.core.errors import DataError
from marigold.datasets import _decode


def png16(samples):
    """A 16-bit PNG written from the standard's chunks alone."""
    height, width, channels = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def written(image, kind):
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def test_a_photo_is_between_0_and_1():
    samples = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    found = _decode.photo(written(PIL.Image.fromarray(samples), "png"), "x")
    assert torch.equal(found, torch.from_numpy(samples.transpose(2, 0, 1).astype(np.float32)) / 255)


def test_a_grey_photo_has_three_channels():
    found = _decode.photo(written(PIL.Image.new("L", (5, 4), 51), "png"), "x")
    assert found.shape == (3, 4, 5)
    assert torch.allclose(found, torch.tensor(0.2))


def test_16_bits_of_colour_are_kept():
    samples = np.array([[[256, 257, 65535], [0, 1, 2]]], np.uint16)
    assert np.array_equal(_decode.integers(png16(samples), "x"), samples)
    assert _decode.photo(png16(samples), "x")[1, 0, 0] == pytest.approx(257 / 65535)


def test_channels_of_an_openexr_file_come_in_the_order_asked_for(tmp_path):
    pixels = {name: np.full((2, 3), value, np.float32) for name, value in (("R", 1.0), ("G", 2.0), ("B", 3.0))}
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, pixels).write(
        str(tmp_path / "x.exr")
    )
    content = (tmp_path / "x.exr").read_bytes()
    assert _decode.openexr(content, "x")[0, 0].tolist() == [1, 2, 3]
    assert _decode.openexr(content, "x", "G")[1, 2].tolist() == [2]
    with pytest.raises(DataError, match="no channel Z"):
        _decode.openexr(content, "x", "Z")


def test_a_single_channel_stands_for_all(tmp_path):
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Y": np.full((2, 3), 0.5, np.float16)}).write(str(tmp_path / "x.exr"))
    assert _decode.openexr((tmp_path / "x.exr").read_bytes(), "x").tolist() == [[[0.5] * 3] * 3] * 2


def test_an_array_of_hdf5_keeps_its_type():
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("dataset", data=np.array([[1.5, np.nan]], np.float16), compression="gzip")
    found = _decode.hdf5(stream.getvalue(), "x")
    assert found.dtype == np.float16
    assert found[0, 0] == 1.5
    assert np.isnan(found[0, 1])
    with pytest.raises(DataError, match="no array `depth`"):
        _decode.hdf5(stream.getvalue(), "x", "depth")


def test_an_npy_of_objects_or_another_length_is_refused():
    stream = io.BytesIO()
    np.save(stream, np.arange(6).reshape(2, 3))
    assert _decode.npy(stream.getvalue(), "x").tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(DataError, match="x: damaged"):
        _decode.npy(stream.getvalue()[:-8], "x")
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object))
    with pytest.raises(DataError, match="x: damaged"):
        _decode.npy(stream.getvalue(), "x")


def test_the_depth_of_sintel_has_its_width_first():
    content = struct.pack("<fii6f", 202021.25, 3, 2, *range(6))
    assert _decode.sintel_depth(content, "x").tolist() == [[0, 1, 2], [3, 4, 5]]
    for wrong in (content[:-4], content + b"\0", struct.pack("<fii6f", 1, 3, 2, *range(6))):
        with pytest.raises(DataError, match="x: damaged"):
            _decode.sintel_depth(wrong, "x")


@pytest.mark.parametrize("head", [b"Pf\n3 2\n-1\n", b"Pf \n3 2 \n-1.000000 \n"])
def test_a_pfm_begins_with_its_last_row(head):
    content = head + struct.pack("<6f", 3, 4, 5, 0, 1, 2)
    assert _decode.pfm(content, "x").tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(DataError, match="x: damaged"):
        _decode.pfm(content[:-1], "x")


def test_a_pfm_with_a_positive_scale_is_big_endian():
    assert _decode.pfm(b"Pf\n1 2\n1.0\n" + struct.pack(">2f", 7, 8), "x").tolist() == [[8], [7]]


def test_rows_without_a_header_need_their_size():
    content = struct.pack("<6f", *range(6))
    assert _decode.floats(content, "x", 3, 2).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(DataError, match="24 bytes of numbers, where 3 x 3 pixels have 36"):
        _decode.floats(content, "x", 3, 3)


@pytest.mark.parametrize("read", [_decode.photo, _decode.integers, _decode.openexr, _decode.hdf5, _decode.npy])
def test_damaged_bytes_are_an_error_that_names_the_file(read):
    for content in (b"", b"\x89PNG\r\n\x1a\n", b"\x00" * 100, b"\x89HDF\r\n\x1a\n" + b"\xff" * 50):
        with pytest.raises(DataError, match="here: damaged"):
            read(content, "here")
