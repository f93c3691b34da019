"""Hostile checkpoints, recipes, data sets and settings, for `bench/hostile.py`: what makes each, and what uses it."""

import io
import json
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import marigold
from marigold import checkpoint
from marigold.core.files import write_json
from marigold.datasets.folder import Folder, write_index, write_sample
from marigold.train import recipe as recipes
from marigold_scenes.procedural import Procedural

CASES: dict[str, tuple[Callable[[Path], object], Callable[[Any], object]]] = {}
BUNDLED = Path(marigold.__file__).parent / "weights" / "generator"


def case(use: Callable[[Any], object]) -> Callable:
    """Registers a function that makes something in a folder, with what uses it."""

    def register(make: Callable[[Path], object]) -> Callable:
        CASES[make.__name__] = (make, use)
        return make

    return register


def edited(folder: Path, file: str, **values: Any) -> Path:
    """A bundled checkpoint with other values in one of its documents."""
    path = shutil.copytree(BUNDLED, folder / "checkpoint")
    write_json(path / file, {**json.loads((path / file).read_bytes()), **values})
    return path


@case(checkpoint.open)
def schedule_of_three_billion_times(folder):
    return edited(folder, "scheduler/scheduler_config.json", num_train_timesteps=3_000_000_000)


@case(checkpoint.open)
def schedule_of_a_million_betas(folder):
    return edited(folder, "scheduler/scheduler_config.json", trained_betas=[0.1] * 1_000_000)


@case(checkpoint.open)
def network_of_a_million_layers(folder):
    return edited(folder, "unet/config.json", layers_per_block=1_000_000)


@case(checkpoint.open)
def network_of_a_million_blocks(folder):
    return edited(folder, "unet/config.json", block_out_channels=[32] * 1_000_000)


@case(checkpoint.open)
def network_of_wide_channels(folder):
    return edited(folder, "unet/config.json", block_out_channels=[320_000, 640_000, 1_280_000])


@case(checkpoint.open)
def autoencoder_of_wide_channels(folder):
    return edited(folder, "vae/config.json", block_out_channels=[1 << 20] * 3)


@case(checkpoint.open)
def text_encoder_of_a_billion_words(folder):
    path = edited(folder, "text_encoder/config.json", vocab_size=1_000_000_000)
    (path / "empty_prompt.safetensors").unlink()
    return path


@case(checkpoint.open)
def card_of_nested_lists(folder):
    path = edited(folder, "card.json")
    (path / "card.json").write_text('{"name": ' + "[" * 1_000_000)
    return path


@case(checkpoint.open)
def card_without_an_end(folder):
    path = edited(folder, "card.json")
    with (path / "card.json").open("ab") as file:
        file.truncate(1 << 40)
    return path


@case(checkpoint.open)
def weights_whose_header_is_a_terabyte(folder):
    path = edited(folder, "card.json")
    file = path / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(struct.pack("<Q", 1 << 40))
    os.truncate(file, 1 << 41)
    return path


@case(checkpoint.open)
def weights_of_a_tensor_without_end(folder):
    path = edited(folder, "card.json")
    header = json.dumps({"x": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    (path / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return path


@case(checkpoint.open)
def weights_in_a_pipe(folder):
    path = edited(folder, "card.json")
    (path / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    os.mkfifo(path / "vae" / "diffusion_pytorch_model.safetensors")
    return path


def predicted(settings: dict[str, int]) -> object:
    """One prediction of a photo of 64 pixels by the bundled depth."""
    return marigold.load("depth", device="cpu").predict(np.zeros((64, 64, 3), np.uint8), **settings)


for _name, _value in (("resolution", 13_000), ("resolution", 1_000_000), ("ensemble", 10**8)):
    CASES[f"{_name}_of_{_value}"] = (lambda folder, name=_name, value=_value: {name: value}, predicted)
CASES["steps_of_a_billion"] = (lambda folder: {"steps": 10**9}, predicted)


def recipe(folder: Path, text: str) -> str:
    """A recipe of the user's that holds this beside what it needs."""
    (folder / "a.yaml").write_text(f"base: tiny-depth\nname: a\n{text}\n")
    return str(folder / "a.yaml")


@case(recipes.load)
def recipe_of_aliases(folder):
    lines = ["network:", "  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    return recipe(folder, "\n".join(lines))


@case(recipes.load)
def recipe_of_merges(folder):
    lines = ["network:", "  m0: &m0 {k: 1}"]
    lines += [f"  m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}" for n in range(1, 40)]
    return recipe(folder, "\n".join(lines))


@case(recipes.load)
def recipe_of_nested_lists(folder):
    return recipe(folder, "layers: " + "[" * 100_000)


@case(recipes.load)
def recipe_of_a_million_layers(folder):
    return recipe(folder, f"layers: [{', '.join(['2'] * 1_000_000)}]")


@case(recipes.load)
def recipe_of_a_huge_batch(folder):
    return recipe(folder, "batch: 1000000000000")


@case(recipes.load)
def recipe_in_a_device(folder):
    (folder / "a.yaml").symlink_to("/dev/zero")
    return str(folder / "a.yaml")


def first_sample(root: Path) -> object:
    """The first sample of a data set in a folder."""
    data = Folder()
    return data.read(root, data.scan(root, "test")[0])


def data_set(folder: Path) -> Path:
    """A data set of one scene."""
    scenes = Procedural(32, 32)
    write_index(folder, scenes.card, {})
    sample = scenes.read(Path(), scenes.scan(Path(), "test")[0])
    sample = type(sample)("test/000000", sample.image, sample.maps, sample.valid, sample.camera)
    write_sample(folder, sample)
    return folder


def array_header(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    """The start of an array's file that states this shape."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": kind, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@case(first_sample)
def maps_of_a_trillion_numbers(folder):
    root = data_set(folder)
    with zipfile.ZipFile(root / "test" / "000000" / "maps.npz", "w") as archive:
        archive.writestr("depth.npy", array_header((1, 1_000_000, 1_000_000)))
    return root


@case(first_sample)
def maps_that_unfold_to_gigabytes(folder):
    root = data_set(folder)
    path = root / "test" / "000000" / "maps.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("depth.npy", "w", force_zip64=True) as member,
    ):
        member.write(array_header((1, 32, 32)))
        for _ in range(4000):
            member.write(bytes(1 << 20))
    return root


@case(first_sample)
def photo_of_a_sample_that_states_more_than_it_is(folder):
    root = data_set(folder)
    head = struct.pack(">IIBBBBB", 13_300, 13_300, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    (root / "test" / "000000" / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    return root


@case(first_sample)
def index_of_nested_lists(folder):
    root = data_set(folder)
    (root / "dataset.json").write_text('{"fields": ' + "[" * 1_000_000)
    return root
