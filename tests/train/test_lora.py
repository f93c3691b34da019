"""Low-rank adapters in training: what is trained and what is not, exact resume, and what comes out."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file

from marigold import checkpoint, cli, load
from marigold.core.errors import ConfigError, MissingExtraError
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from marigold.modalities.lighting import Lighting
from marigold.objectives.autoencode import Autoencode
from marigold.objectives.end_to_end import EndToEnd
from marigold.train.build import build
from marigold.train.loop import Trainer, train
from marigold.train.lora import Lora, as_saved, dropout_stream, trained, without_dropout
from marigold.train.recipe import Every, PhaseSettings
from train.test_loop import recipe, same, weights

RANK = 4
ADAPTER, MERGED = Lora(RANK, saved="adapter"), Lora(RANK)
SHORT = {"steps": 2, "accumulate": 1, "scored": 0, "validation_batches": 1}


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> str:
    """A generator of images with attention, whose weights are random."""
    folder = tmp_path_factory.mktemp("start") / "generator"
    estimator = build(recipe(modality=Image()))
    checkpoint.save(estimator, folder)
    return str(folder)


def adapted(start: str, lora: Lora | None = MERGED, **changes):
    return recipe(start=start, network={}, lora=lora, **changes)


def output(network: torch.nn.Module) -> torch.Tensor:
    """What a denoiser of depth gives for one input."""
    draw = torch.Generator().manual_seed(3)
    x, words = torch.randn(2, 8, 8, 8, generator=draw), torch.randn(2, 2, 8, generator=draw)
    with torch.no_grad():
        return network(x, torch.tensor([7, 900]), words, return_dict=False)[0]


def moved(network: torch.nn.Module) -> None:
    """Gives the factors B other values than zero."""
    draw = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, p in network.named_parameters():
            if "lora_B" in name:
                p.copy_(torch.randn(p.shape, generator=draw))


def test_before_the_first_step_the_network_is_the_one_without_adapters(start):
    plain, with_factors = (build(adapted(start, lora)).requires_grad_(False).eval() for lora in (None, MERGED))
    assert torch.equal(output(plain.backbone.denoiser), output(with_factors.backbone.denoiser))


def test_what_is_trained_are_the_factors_and_the_widened_layer(start):
    counted = {name: p.numel() for name, p in trained(build(adapted(start)).backbone.denoiser).named_parameters()}
    # Four transformer blocks of width 16 with words of width 8; a factor pair has rank * (in + out) numbers.
    attention, words, feed_forward = 4 * (16 + 16), 2 * (16 + 16) + 2 * (8 + 16), (16 + 128) + (64 + 16)
    first = 8 * 8 * 9 + 8  # eight input channels where the generator has four
    assert sum(counted.values()) == 4 * RANK * (attention + words + feed_forward) + first
    assert {name for name in counted if ".lora_" not in name} == {"conv_in.weight", "conv_in.bias"}


def test_a_layer_that_was_not_widened_stays_as_it_is(start, tmp_path):
    folder = train(adapted(start, ADAPTER, modality=Image(), **SHORT), tmp_path / "run")
    assert json.loads((folder / "adapter_config.json").read_text())["modules_to_save"] is None


def test_several_targets_widen_the_last_layer_too(start):
    names = {
        name for name, _ in trained(build(adapted(start, modality=Lighting())).backbone.denoiser).named_parameters()
    }
    assert {name for name in names if ".lora_" not in name} == {
        f"{layer}.{kind}" for layer in ("conv_in", "conv_out") for kind in ("weight", "bias")
    }


def test_training_changes_the_targets_and_the_first_layer_alone(start, tmp_path):
    folder = train(adapted(start, Lora(RANK, targets=("to_q", "mid_block.resnets.0.conv1")), **SHORT), tmp_path / "run")
    before, after = (checkpoint.open(place).backbone.denoiser.state_dict() for place in (start, folder))
    changed = {name for name, x in after.items() if x.shape != before[name].shape or not torch.equal(x, before[name])}
    targets = {name for name in before if name.endswith(("to_q.weight", "mid_block.resnets.0.conv1.weight"))}
    assert changed == targets | {"conv_in.weight", "conv_in.bias"} and len(targets) == 9


@pytest.mark.parametrize("lora", [replace(MERGED, dropout=0.3), ADAPTER], ids=["merged, dropout", "adapter"])
def test_a_run_that_is_stopped_resumes_to_the_same_bits(lora, start, tmp_path, monkeypatch):
    parts = (PhaseSettings(steps=3, size=8),)
    asked = adapted(start, lora, phases=parts, objective=EndToEnd(), scored=2, every=Every(log=1, save=2, validate=3))
    train(asked, tmp_path / "whole")
    update = Trainer.update

    def stop(self):
        if self.step == 5:
            raise KeyboardInterrupt
        torch.manual_seed(self.step)  # the global stream of another process is somewhere else
        return update(self)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "update", stop)
        train(asked, tmp_path / "again")
    train(asked, tmp_path / "again")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "again"))
    written = {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole/checkpoint").rglob("*.safetensors")}
    assert written and all(same(*(load_file(tmp_path / run / file) for run in ("whole", "again"))) for file in written)


def test_a_state_holds_what_is_trained_alone(start, tmp_path):
    train(adapted(start, **SHORT), tmp_path / "run")
    kinds = {name.partition(".")[0]: 0 for name in weights(tmp_path / "run")}
    names = {name for name in weights(tmp_path / "run") if not name.startswith("optimizer.")}
    assert kinds.keys() == {"module", "average", "optimizer"}
    assert all(".lora_" in name or ".conv_in." in name for name in names)


def test_a_merged_checkpoint_predicts_what_the_adapter_predicts_on_its_base(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    PIL.Image.fromarray(photo).save("photo.png")
    folders = [train(adapted(start, lora, **SHORT), tmp_path / lora.saved) for lora in (MERGED, ADAPTER)]
    merged, alone = (
        load(folder, device="cpu", precision="fp32").predict("photo.png").maps["depth"] for folder in folders
    )
    np.testing.assert_allclose(merged, alone, atol=1e-5)
    options = ["--checkpoint", str(folders[1]), "--device", "cpu", "--precision", "fp32"]
    assert cli.main(["predict", "depth", "photo.png", *options]) == 0
    np.testing.assert_allclose(np.load("output/photo_depth.npy"), alone, atol=1e-5)


def test_a_merged_checkpoint_has_the_names_of_diffusers(start, tmp_path):
    from diffusers import UNet2DConditionModel

    folder = train(adapted(start, **SHORT), tmp_path / "run")
    network = UNet2DConditionModel.from_pretrained(folder / "unet")
    assert torch.equal(network.conv_in.weight, checkpoint.open(folder).backbone.denoiser.conv_in.weight)
    assert not list(folder.glob("adapter*")) and checkpoint.describe(folder).card.base == {}


def test_an_adapter_is_evaluated_like_any_checkpoint(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = train(adapted(start, ADAPTER, **SHORT), tmp_path / "run")
    scenes = ["synth", "scenes", "--count", "1", "--size", "32", "--split", "test"]
    assert cli.main(scenes) == 0
    assert cli.main(["evaluate", str(folder), "folder", "--root", "scenes", "--device", "cpu"]) == 0


def test_what_is_inside_the_block_is_merged_and_afterwards_all_is_as_before(start):
    network = build(adapted(start)).backbone.denoiser.requires_grad_(False).eval()
    moved(network)
    before, apart = {name: x.clone() for name, x in network.state_dict().items()}, output(network)
    with as_saved(network, MERGED):
        torch.testing.assert_close(output(network), apart, rtol=1e-4, atol=1e-4)
        assert not any("lora" in name or "base_layer" in name for name in network.state_dict())
    assert same(before, network.state_dict())


def test_a_run_keeps_adapters_on_the_way_and_replaces_them(start, tmp_path):
    asked = adapted(start, ADAPTER, **SHORT, every=Every(log=1, save=1, validate=0, keep=1))
    train(asked, tmp_path / "run")
    train(replace(asked, steps=3), tmp_path / "run")
    assert checkpoint.describe(tmp_path / "run/steps/000001").base is not None
    assert checkpoint.describe(tmp_path / "run/checkpoint").card.note == "3 of 3 steps"


def test_dropout_is_a_function_of_the_seed_and_leaves_the_global_stream_alone():
    def draw(seed: int, share: float = 0.5) -> torch.Tensor:
        with dropout_stream(Lora(dropout=share), seed, "cpu"):
            return torch.nn.functional.dropout(torch.ones(64))

    torch.manual_seed(0)
    first, other, after = draw(1), draw(2), torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(3))
    assert torch.equal(first, draw(1)) and not torch.equal(first, other)


def test_validation_drops_nothing_out(start):
    network = build(adapted(start, replace(MERGED, dropout=0.9))).backbone.denoiser.train()
    moved(network)
    assert not torch.equal(output(network), output(network))
    with without_dropout(network):
        assert torch.equal(output(network), output(network))
    assert network.training


def test_a_target_that_is_not_there_is_refused_with_what_there_is(start):
    with pytest.raises(
        ConfigError, match=r"lora\.targets: no layer .* `to_z`; there are: .*conv1, .*to_q, .*to_out\.0"
    ):
        build(adapted(start, Lora(targets=("to_q", "to_z"))))


def test_a_target_that_is_trained_whole_is_refused(start):
    with pytest.raises(ConfigError, match="`conv_in` is conv_in, which was widened and is trained whole; leave it out"):
        build(adapted(start, Lora(targets=("conv_in",))))


def test_an_objective_that_trains_something_else_is_refused(start, tmp_path):
    with pytest.raises(ConfigError, match=r"recipe\.lora: `autoencode` trains another network than the denoiser"):
        train(adapted(start, modality=Image(), objective=Autoencode()), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "changes", [{"start": ""}, {"layers": (2, 2)}, {"fresh_denoiser": True}], ids=["start", "layers", "fresh_denoiser"]
)
def test_an_adapter_needs_a_base_that_is_a_checkpoint_as_it_is(start, changes):
    with pytest.raises(ConfigError, match=r"recipe\.lora\.saved: adapter cannot be used; .* merged with this `"):
        replace(adapted(start, ADAPTER), **changes)


def test_an_adapter_may_be_trained_further_but_not_saved_as_one(start, tmp_path):
    folder = str(train(adapted(start, ADAPTER, **SHORT), tmp_path / "run"))
    with pytest.raises(ConfigError, match=r"recipe\.start: .* is an adapter itself, .*; merge it first"):
        build(adapted(folder, ADAPTER))
    assert not [
        name for name, _ in trained(build(adapted(folder)).backbone.denoiser).named_parameters() if "conv" in name
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank": 0}, r"recipe\.lora\.rank: 0 cannot be used"),
        ({"rank": 1 << 20}, r"recipe\.lora\.rank"),
        ({"alpha": 0.0}, r"recipe\.lora\.alpha: 0\.0 cannot be used; it must be above 0"),
        ({"dropout": 1.0}, r"recipe\.lora\.dropout"),
        ({"targets": ()}, r"recipe\.lora\.targets: a list of 0"),
        ({"targets": ("to q",)}, r"recipe\.lora\.targets: `to q` cannot be used"),
        ({"targets": (".*",)}, r"recipe\.lora\.targets"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Lora(**changes)


def test_a_recipe_s_file_asks_for_adapters_in_a_line_and_its_settings_are_options(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("base: tiny-depth\nname: mine\nlayers: []\nlora: {rank: 8, saved: adapter}\n")
    options = cli.verb("train").parse([str(file), "--lora.alpha", "32"])
    assert options.recipe.lora == Lora(8, 32.0, saved="adapter")


def test_adapters_and_how_they_are_saved_are_part_of_the_recipe_s_hash(start):
    assert len({adapted(start, lora).digest() for lora in (None, MERGED, ADAPTER, Lora(RANK + 1))}) == 4


def test_a_missing_library_names_the_extra(start, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"peft, which is not installed; run: .*\[lora\]"):
        build(adapted(start))


def test_depth_is_what_an_adapted_generator_predicts(start, tmp_path: Path):
    opened = checkpoint.open(train(adapted(start, ADAPTER, **SHORT), tmp_path / "run"))
    assert isinstance(opened.modality, Depth) and (opened.backbone.conditions, opened.backbone.targets) == (1, 1)
