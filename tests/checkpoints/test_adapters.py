"""Adapters on disk: what they add, the base that they go with, and what is refused."""

import json
import shutil
import struct
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from marigold import checkpoint
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints import adapters, bases, store
from marigold.checkpoints.adapters import Adapter, Base, LowRank
from marigold.checkpoints.card import Card
from marigold.core.errors import CheckpointError, UnknownNameError
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from toys.mutations import as_text, damaged_bytes, damaged_values, survives
from toys.scenes import NETWORK

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
LAYER = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
CONV = "mid_block.resnets.0.conv1"
SETTINGS = LowRank(r=2, lora_alpha=6.0, target_modules=("to_q", CONV), modules_to_save=("conv_in",))


def generator(seed: int = 0) -> StableDiffusion:
    torch.manual_seed(seed)
    return StableDiffusion.tiny(**NETWORK)


def adapter_for(network: torch.nn.Module) -> Adapter:
    """Factors of random numbers for every target, and a first layer of ones."""
    draw = torch.Generator().manual_seed(1)
    factors = {}
    for name in adapters.matching(adapters.adaptable(network), SETTINGS.target_modules):
        out, *inside = network.get_parameter(f"{name}.weight").shape
        a = torch.randn(2, *inside, generator=draw)
        factors[name] = (a, torch.randn(out, 2, *[1] * len(inside[1:]), generator=draw))
    whole = {name: torch.ones_like(p) for name, p in network.named_parameters() if name.startswith("conv_in.")}
    return Adapter(SETTINGS, factors, whole)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A folder with a generator in `base`, and in `adapter` one of it to depth."""
    folder = tmp_path_factory.mktemp("adapters")
    base, place = folder / "base", folder / "adapter"
    checkpoint.save(Estimator(generator(), Image(), Card("generator", "image")), base)
    opened = checkpoint.open(base)
    stated = bases.stated(str(base), opened.card, opened.backbone)
    opened.backbone.adapt(1, 1)
    card = Card("adapted", "depth", base=asdict(stated))
    store.save(Estimator(opened.backbone, Depth(), card), place, adapter=adapter_for(opened.backbone.denoiser))
    return folder


@pytest.fixture
def folders(whole, tmp_path, monkeypatch) -> tuple[Path, Path]:
    """A generator's folder, and that of an adapter of it to depth, to be changed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    base_of(tmp_path / "adapter", name=str(tmp_path / "base"))
    return tmp_path / "base", tmp_path / "adapter"


def edit(file: Path, **changes) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def base_of(place: Path, **changes) -> None:
    """Changes what the card says of the base."""
    card = json.loads((place / "card.json").read_text())
    edit(place / "card.json", base={**card["base"], **changes})


def rewrite(place: Path, **changes) -> None:
    """Changes tensors; None leaves one out."""
    tensors = {**load_file(place / WEIGHTS), **changes}
    save_file({name: x for name, x in tensors.items() if x is not None}, place / WEIGHTS)


def refused(place: Path, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        checkpoint.open(place)
    assert "\n" not in str(caught.value) and ";" in str(caught.value)


def test_a_layer_s_weight_is_what_stands_in_the_paper():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(2))
    factors = {"0": (torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]]))}
    adapters.add(network, Adapter(LowRank(1, 2.0, ("0",)), factors), Path("x"))
    # [[1, 0], [0, 1]] + 2 / 1 * [[3], [4]] [[1, 2]]
    assert network[0].weight.tolist() == [[7.0, 12.0], [8.0, 17.0]]


def test_a_convolution_s_factors_are_one_of_its_size_and_one_of_single_pixels():
    draw = torch.Generator().manual_seed(0)
    a, b, x = (torch.randn(*size, generator=draw) for size in ((2, 3, 3, 3), (5, 2, 1, 1), (1, 3, 6, 6)))
    one = torch.nn.functional.conv2d(x, adapters.product(torch.empty(5, 3, 3, 3), a, b, 1.5))
    two = 1.5 * torch.nn.functional.conv2d(torch.nn.functional.conv2d(x, a), b)
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_an_adapter_opens_as_its_base_with_the_changes_and_nothing_else(folders):
    base, place = folders
    before, after = checkpoint.open(base).backbone, checkpoint.open(place).backbone
    added = load_file(place / WEIGHTS)
    for name, value in after.denoiser.state_dict().items():
        key = f"base_model.model.{name.removesuffix('.weight')}"
        if name.startswith("conv_in."):
            expected = torch.ones_like(value)
        elif f"{key}.lora_A.weight" in added:
            a, b = added[f"{key}.lora_A.weight"], added[f"{key}.lora_B.weight"]
            expected = before.denoiser.state_dict()[name] + 3.0 * torch.einsum("or...,ri...->oi...", b, a)
        else:
            expected = before.denoiser.state_dict()[name]
        torch.testing.assert_close(value, expected, msg=name)
    assert all(torch.equal(x, before.autoencoder.state_dict()[n]) for n, x in after.autoencoder.state_dict().items())
    assert (after.conditions, after.targets) == (1, 1)


def test_an_adapter_s_folder_holds_no_network(folders):
    files = {path.relative_to(folders[1]).as_posix() for path in folders[1].rglob("*") if path.is_file()}
    assert files == {CONFIG, WEIGHTS, "card.json", "empty_prompt.safetensors", "scheduler/scheduler_config.json"}


def test_an_adapter_in_half_precision_is_the_whole_one_rounded_once(folders):
    half, whole = (checkpoint.open(folders[1], dtype=kind).backbone.denoiser for kind in (torch.float16, torch.float32))
    assert all(torch.equal(p, whole.get_parameter(name).half()) for name, p in half.named_parameters())


def test_what_is_opened_is_saved_as_an_ordinary_checkpoint(folders, tmp_path):
    opened = checkpoint.open(folders[1])
    checkpoint.save(opened, tmp_path / "merged")
    again = checkpoint.open(tmp_path / "merged")
    assert again.card.base == {}
    assert all(torch.equal(x, again.state_dict()[name]) for name, x in opened.state_dict().items())


def test_a_checkpoint_takes_an_adapter_s_place_and_the_other_way_round(folders):
    _, place = folders
    opened = checkpoint.open(place)
    stated, network = json.loads((place / "card.json").read_text())["base"], generator()
    network.adapt(1, 1)
    checkpoint.save(opened, place)
    assert not (place / CONFIG).exists()
    opened = Estimator(opened.backbone, opened.modality, replace(opened.card, base=stated))
    store.save(opened, place, adapter=adapter_for(network.denoiser))
    assert not (place / "model_index.json").exists()
    assert checkpoint.open(place).card.base == stated


def test_peft_opens_what_is_written_here(folders):
    import peft

    base, place = folders
    network = checkpoint.open(base).backbone
    network.adapt(1, 1)
    theirs = peft.PeftModel.from_pretrained(network.denoiser, place).merge_and_unload().state_dict()
    ours = checkpoint.open(place).backbone.denoiser.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.allclose(theirs[name], value, atol=1e-5) for name, value in ours.items())


def test_what_peft_writes_again_opens_here(folders, tmp_path):
    import peft

    base, place = folders
    network = checkpoint.open(base).backbone
    network.adapt(1, 1)
    peft.PeftModel.from_pretrained(network.denoiser, place).save_pretrained(
        tmp_path / "theirs", save_embedding_layers=False
    )
    before = checkpoint.open(place).backbone.denoiser.state_dict()
    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(tmp_path / "theirs" / name, place / name)
    after = checkpoint.open(place).backbone.denoiser.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_base_that_is_gone_is_an_error_and_a_corrected_card_finds_it(folders, tmp_path):
    base, place = folders
    base.rename(tmp_path / "moved")
    refused(place, r"card\.json: the base of this adapter, `.*/base`, is not there; .* correct `base\.name`")
    base_of(place, name="../moved")
    assert checkpoint.open(place).card.name == "adapted"
    with pytest.raises(CheckpointError, match="is not there"):
        base_of(place, name=str(base))
        checkpoint.describe(place)


def test_another_base_of_the_same_shape_is_refused_by_its_digest(folders):
    base, place = folders
    checkpoint.save(Estimator(generator(seed=5), Image(), Card("generator", "image")), base)
    refused(place, r"trained on weights with the digest [0-9a-f]{16}, and those of `.*/base` have [0-9a-f]{16}; ")


def test_a_bundled_base_is_found_by_its_name(folders):
    base_of(folders[1], name="generator")
    described = checkpoint.describe(folders[1])
    assert described.base and described.base.card.name == "generator"


def test_a_base_on_the_hub_comes_from_the_cache_alone(folders, tmp_path, monkeypatch):
    from huggingface_hub import constants

    def asked(*_, **__):
        pytest.fail("a card made the program ask the hub")

    base, place = folders
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.snapshot_download", asked)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", asked)
    base_of(place, name="toys/generator", revision="a" * 40)
    refused(place, r"`toys/generator`, is not in this machine's cache; run `hf download toys/generator`, or correct")
    shutil.copytree(base, tmp_path / "hub" / "models--toys--generator" / "snapshots" / ("a" * 40))
    assert checkpoint.open(place).backbone.conditions == 1


def test_an_adapter_is_no_base(folders):
    base_of(folders[1], name=".")
    refused(folders[1], r"is an adapter itself; merge that into a checkpoint, or correct `base\.name`")


def test_a_base_for_another_modality_is_refused(folders, tmp_path):
    base, place = folders
    network = generator()
    network.adapt(1, 2)
    checkpoint.save(Estimator(network, Depth(), Card("two", "depth")), base)
    base_of(place, digest=adapters.digest(network.denoiser, network.autoencoder))
    refused(place, "its base, for `depth`: the network already takes 1 conditions and 2 targets")


@pytest.mark.parametrize(
    "stated", [{}, {"name": "generator"}, {"name": "", "digest": "0" * 16}, {"name": 5}, {"x": "y"}]
)
def test_a_card_without_a_usable_base_is_refused(folders, stated):
    edit(folders[1] / "card.json", base=stated)
    refused(folders[1], r"card\.json: base.*; state the checkpoint that the adapter was trained on")


def test_an_adapter_without_a_card_is_refused(folders):
    (folders[1] / "card.json").unlink()
    refused(folders[1], r"card\.json: no such file")


KEY = f"base_model.model.{LAYER}.lora_A.weight"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({KEY: None}, rf"`{KEY}` is missing"),
        ({KEY: torch.zeros(3, 16)}, r"is \[3, 16\] of F32, not \[2, 16\] of numbers"),
        ({KEY: torch.zeros(2, 16, dtype=torch.int64)}, r"is \[2, 16\] of I64, not \[2, 16\] of numbers"),
        ({KEY: torch.full((2, 16), float("nan"))}, "holds NaN or infinite weights"),
        ({KEY: torch.full((2, 16), 1e38)}, f"`{LAYER}` gives NaN or infinite weights"),
        ({"base_model.model.conv_in.weight": torch.ones(8, 4, 3, 3)}, r"not \[8, 8, 3, 3\]"),
        ({"base_model.model.conv_out.weight": torch.ones(4, 8, 3, 3)}, "nothing of this network, or no target"),
        ({"mid_block.extra.lora_A.weight": torch.ones(2, 2)}, "nothing of this network, or no target"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(folders, changes, message):
    rewrite(folders[1], **changes)
    refused(folders[1], rf"{WEIGHTS}: .*{message}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_dora": True}, "`use_dora` asks for another kind of adapter"),
        ({"use_rslora": True}, "`use_rslora` asks for another kind"),
        ({"rank_pattern": {"to_q": 4}}, "`rank_pattern` asks for another kind"),
        ({"bias": "all"}, "`bias` asks for another kind"),
        ({"peft_type": "LOHA"}, "`peft_type` asks for another kind"),
        ({"init_lora_weights": "pissa"}, "`init_lora_weights` asks for another kind"),
        ({"r": 3}, r"not \[3, "),
        ({"r": 0}, "from 1 to 16384"),
        ({"r": 10**9}, "from 1 to 16384"),
        ({"lora_alpha": float("inf")}, "finite number"),
        ({"lora_alpha": 0}, "above 0"),
        ({"target_modules": "all-linear"}, "expected a list"),
        ({"target_modules": ["to_k"]}, "is missing"),
        ({"modules_to_save": None}, "no target"),
        ({"r": None}, "missing"),
    ],
)
def test_a_configuration_that_is_not_followed_is_refused_by_its_key(folders, changes, message):
    edit(folders[1] / CONFIG, **changes)
    refused(folders[1], message)


def test_a_pickle_in_place_of_the_weights_is_not_opened(folders):
    (folders[1] / WEIGHTS).rename(folders[1] / "adapter_model.bin")
    refused(folders[1], rf"{WEIGHTS}: no such file")


def test_weights_whose_header_promises_more_than_the_file_has_are_refused(folders):
    file = folders[1] / WEIGHTS
    file.write_bytes(struct.pack("<Q", 1 << 40) + file.read_bytes()[8:])
    refused(folders[1], f"{WEIGHTS}: cannot be read")


@pytest.mark.parametrize("name", ["card.json", CONFIG, WEIGHTS])
def test_damaged_adapters_open_or_are_refused_in_one_line(folders, name):
    _, place = folders
    valid = (place / name).read_bytes()
    damaged = list(damaged_bytes(valid, 10))
    if name.endswith(".json"):
        damaged += map(as_text, damaged_values(json.loads(valid), 15))
    for number, content in enumerate(damaged):
        (place / name).write_bytes(content)
        survives(lambda: checkpoint.open(place), (CheckpointError, UnknownNameError), f"{name} {number}")


def test_the_digest_is_of_names_shapes_and_values():
    def made(name: str, values: torch.Tensor) -> torch.nn.Module:
        network = torch.nn.Module()
        network.register_buffer(name, values)
        return network

    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    same = adapters.digest(made("x", x))
    assert same == adapters.digest(made("x", x.half())) and len(same) == 16
    others = [made("y", x), made("x", x.T), made("x", x.reshape(4)), made("x", x + 1e-6)]
    assert len({same, *map(adapters.digest, others)}) == 5


def test_a_folder_is_stated_by_its_whole_path_and_other_names_as_they_are(folders, monkeypatch):
    base, _ = folders
    monkeypatch.chdir(base.parent)
    network = generator()
    assert Base(str(base), "r") == replace(bases.stated("base", Card("x", "image", revision="r"), network), digest="")
    assert bases.stated("org/name@v1", Card("x", "image"), network).name == "org/name@v1"
    assert bases.stated("generator", Card("x", "image"), network).name == "generator"
