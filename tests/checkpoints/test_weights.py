"""Weights on disk: safetensors in every published layout, nothing that can run code, nothing that is not finite."""

import contextlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from marigold.checkpoints import weights
from marigold.core import memory
from marigold.core.errors import CheckpointError

STEM = "diffusion_pytorch_model"


def make() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def stored(folder, *, variant="", **changes) -> dict[str, torch.Tensor]:
    """A network's weights in the folder, with some of the tensors changed; None leaves one out."""
    tensors = {name.replace(".", "_"): tensor for name, tensor in make().state_dict().items()}
    tensors = {name: tensor for name, tensor in {**tensors, **changes}.items() if tensor is not None}
    tensors = {name.replace("_", "."): tensor for name, tensor in tensors.items()}
    save_file(tensors, folder / f"{STEM}{variant}.safetensors")
    return tensors


def same(network: nn.Module, tensors: dict[str, torch.Tensor]) -> bool:
    state = network.state_dict()
    return state.keys() == tensors.keys() and all(torch.equal(state[name], tensors[name]) for name in state)


def test_what_is_written_is_read_back(tmp_path):
    network = make()
    weights.write(network, tmp_path)
    assert same(weights.build(make, tmp_path), network.state_dict())


def test_whoever_may_read_other_files_may_read_the_weights(tmp_path):
    weights.write(make(), tmp_path)
    (tmp_path / "other").touch()
    (file,) = tmp_path.glob("*.safetensors")
    assert file.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_network_that_was_read_can_be_trained_and_its_file_stays(tmp_path):
    tensors = stored(tmp_path)
    network = weights.build(make, tmp_path)
    with torch.no_grad():
        for parameter in network.parameters():
            assert parameter.requires_grad
            parameter.add_(1)
    assert same(weights.build(make, tmp_path), tensors)


def test_weights_are_written_in_the_type_that_was_asked_for(tmp_path):
    network = make()
    weights.write(network, tmp_path, torch.float16)
    assert same(weights.build(make, tmp_path), {name: x.half() for name, x in network.state_dict().items()})


def test_an_fp16_variant_is_read_where_it_is_alone(tmp_path):
    tensors = stored(tmp_path, variant=".fp16")
    assert same(weights.build(make, tmp_path), tensors)


def test_full_weights_are_preferred_to_an_fp16_variant(tmp_path):
    tensors = stored(tmp_path)
    stored(tmp_path, variant=".fp16")
    assert same(weights.build(make, tmp_path), tensors)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_network_in_half_precision_reads_the_variant_that_is_stored_in_it(tmp_path, dtype):
    stored(tmp_path)
    half = stored(tmp_path, variant=".fp16")
    assert same(weights.build(make, tmp_path, dtype=dtype), {name: x.to(dtype) for name, x in half.items()})


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_weights_become_the_type_that_is_asked_for(tmp_path, kind):
    tensors = stored(tmp_path, **{"0_bias": torch.tensor([1.0, 1 + 2**-7, -3.0, 0.1], dtype=kind)})
    network = weights.build(make, tmp_path, dtype=torch.bfloat16)
    assert same(network, {name: x.bfloat16() for name, x in tensors.items()})


def test_one_tensor_at_a_time_is_in_memory_twice(tmp_path):
    """64 MB in float32 become 32 MB in bfloat16; beside them stands one tensor of 1 MB, twice."""
    save_file({f"{number:02}": torch.zeros(2**18) for number in range(64)}, tmp_path / "x.safetensors")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = megabytes("VmHWM")
    assert len(weights.read_file(tmp_path / "x.safetensors", torch.bfloat16)) == 64
    assert megabytes("VmHWM") - before < 40


def megabytes(kind: str) -> float:
    """What Linux says of this process's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith(f"{kind}:"))


@pytest.mark.parametrize(("available", "fits"), [(50, True), (40, False)])
def test_memory_is_asked_for_what_weights_become(tmp_path, monkeypatch, available, fits):
    """3 * 4 + 4 + 4 * 2 + 2 = 26 numbers, in float32 104 bytes and in bfloat16 52."""
    stored(tmp_path)
    monkeypatch.setattr(memory, "available_bytes", lambda: available + 2)
    with contextlib.nullcontext() if fits else pytest.raises(CheckpointError, match="needs about"):
        weights.build(make, tmp_path, dtype=torch.bfloat16)
    with pytest.raises(CheckpointError, match="needs about"):
        weights.build(make, tmp_path)


@pytest.mark.parametrize("variant", ["", ".fp16"])
def test_shards_are_joined(tmp_path, variant):
    tensors = make().state_dict()
    files = {
        name: f"{STEM}{variant}-0000{i}-of-00002.safetensors" for name, i in zip(tensors, (1, 1, 2, 2), strict=True)
    }
    for file in set(files.values()):
        save_file({name: tensors[name] for name in tensors if files[name] == file}, tmp_path / file)
    (tmp_path / f"{STEM}.safetensors.index{variant}.json").write_text(json.dumps({"weight_map": files}))
    assert same(weights.build(make, tmp_path), tensors)


def test_a_shard_cannot_lead_out_of_the_folder(tmp_path):
    (tmp_path / "inside").mkdir()
    stored(tmp_path)
    index = {"weight_map": {"0.weight": f"../{STEM}.safetensors"}}
    (tmp_path / "inside" / f"{STEM}.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="inside"):
        weights.build(make, tmp_path / "inside")


@pytest.mark.parametrize("name", [f"{STEM}.bin", f"{STEM}.pt", "model.ckpt"])
def test_a_pickle_is_refused_with_the_way_to_convert_it(tmp_path, name):
    torch.save(make().state_dict(), tmp_path / name)
    with pytest.raises(CheckpointError, match=rf"{name}: a pickle; .*save_file"):
        weights.build(make, tmp_path)


def test_a_pickle_under_another_name_is_no_safetensors(tmp_path):
    torch.save(make().state_dict(), tmp_path / f"{STEM}.safetensors")
    with pytest.raises(CheckpointError, match=f"{STEM}.safetensors: cannot be read"):
        weights.build(make, tmp_path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e5m2])
def test_weights_that_are_not_finite_are_refused_by_file_and_name(tmp_path, bad, kind):
    bias = torch.zeros(4, dtype=kind)
    bias[2] = bad
    stored(tmp_path, **{"0_bias": bias})
    with pytest.raises(CheckpointError, match=rf"{STEM}.safetensors: `0.bias` holds NaN or infinite"):
        weights.build(make, tmp_path)


def test_large_finite_weights_are_accepted(tmp_path):
    stored(tmp_path, **{"0_bias": torch.full((4,), 60000.0, dtype=torch.float16)})
    weights.build(make, tmp_path)


@pytest.mark.parametrize("lost", [1, 7, 40])
def test_a_file_that_is_cut_short_says_how_much_of_it_is_there(tmp_path, lost):
    stored(tmp_path)
    file = tmp_path / f"{STEM}.safetensors"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-lost])
    words = rf"{file}: cannot be read \(cut short: {size - lost} of {size} bytes are there\); fetch"
    with pytest.raises(CheckpointError, match=words):
        weights.build(make, tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"cannot be read \(it is empty\)"),
        (b"\x10\x00", "cannot be read"),
        (b"\xff" * 8, "cannot be read"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a Git LFS pointer.*`git lfs pull`"),
        (b"\n<!DOCTYPE html><html>", "a web page, not the file that it is called after"),
        (b"<html><body>", "a web page"),
        (b'<?xml version="1.0"?><Error>', "a web page"),
    ],
)
def test_a_file_that_holds_no_weights_says_what_it_holds(tmp_path, content, words):
    (tmp_path / f"{STEM}.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{STEM}\.safetensors: {words}"):
        weights.build(make, tmp_path)


def test_a_shard_that_is_not_there_is_named_with_its_index(tmp_path):
    index = tmp_path / f"{STEM}.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"0.weight": "one.safetensors"}}))
    with pytest.raises(CheckpointError, match=f"^{index}: lists one.safetensors, which is not there"):
        weights.build(make, tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"1_bias": None}, "lacks 1.bias"),
        ({"2_bias": torch.zeros(2)}, "has the unknown 2.bias"),
        ({"1_bias": torch.zeros(3)}, r"1.bias is \[3\], not \[2\]"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, changes, words):
    stored(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=words):
        weights.build(make, tmp_path)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=f"holds no {STEM}.safetensors"):
        weights.build(make, tmp_path)


def test_names_of_an_older_layout_can_be_translated(tmp_path):
    tensors = stored(tmp_path)
    renamed = {name.replace("0.", "first."): tensor for name, tensor in tensors.items()}
    save_file(renamed, tmp_path / f"{STEM}.safetensors")
    assert same(weights.build(make, tmp_path, lambda name: name.replace("first.", "0.")), tensors)
