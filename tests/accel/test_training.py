"""How a run computes changes its loss by no more than is stated."""

import copy

import pytest
import torch
from torch import Tensor

from marigold.accel import training
from marigold.accel.training import TrainPlan
from marigold.backbones.base import Backbone
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.core.errors import ConfigError
from marigold.core.sample import Batch
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.objectives.denoise import Denoise
from marigold.objectives.end_to_end import EndToEnd
from toys.scenes import NETWORK, Toy

OBJECTIVES = (Denoise(), EndToEnd())


SMALLEST = {
    "block_out_channels": [8],
    "down_block_types": ["DownBlock2D"],
    "mid_block_type": None,
    "up_block_types": ["UpBlock2D"],
}


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return made({})


def made(changes: dict) -> Estimator:
    """A network whose output is not near zero, as that of a fresh one is."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = StableDiffusion.tiny(**{**NETWORK, "unet": {**NETWORK["unet"], **changes}})
        backbone.adapt(conditions=1, targets=1)
        torch.nn.init.normal_(backbone.unet.conv_out.weight, std=0.1)
    return Estimator(backbone, Depth(), Card("toy", "depth")).requires_grad_(False)


def batch() -> Batch:
    samples = [Toy().read(None, f"train/{number}") for number in range(4)]
    encoded = [Depth().encode(sample) for sample in samples]
    pixels, valid = (torch.stack(parts) for parts in zip(*encoded, strict=True))
    return Batch(torch.stack([sample.image for sample in samples]) * 2 - 1, pixels, valid, samples[0])


def computed(estimator: Estimator, plan: TrainPlan, objective) -> tuple[float, dict[str, Tensor]]:
    """The loss of the toy batch under a plan, and its gradients."""
    planned = training.apply(copy.deepcopy(estimator), plan)
    denoiser = planned.backbone.denoiser.requires_grad_(True).train()
    with training.autocast(plan, "cpu"):
        prepared = objective.prepare(planned, batch())
        loss = objective.loss(planned, prepared, torch.nn.Module(), torch.Generator().manual_seed(1))
    loss.backward()
    return float(loss.detach()), {name: p.grad for name, p in denoiser.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_checkpointing_gives_the_same_loss_and_gradients(estimator, objective):
    loss, gradients = computed(estimator, TrainPlan(), objective)
    again, others = computed(estimator, TrainPlan(checkpointing=True), objective)
    assert again == pytest.approx(loss, rel=1e-6)
    assert others.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-6, atol=1e-6 * float(gradient.abs().max()))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_checkpointing_keeps_less_for_the_way_back(estimator, objective):
    def kept(plan: TrainPlan) -> int:
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.nbytes) or x, lambda x: x):
            computed(estimator, plan, objective)
        return sum(sizes)

    assert kept(TrainPlan(checkpointing=True)) < 0.5 * kept(TrainPlan())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_channels_last_gives_the_loss_to_within_one_in_ten_thousand(estimator, objective):
    planned = training.apply(copy.deepcopy(estimator), TrainPlan(channels_last=True))
    weight = planned.backbone.unet.down_blocks[0].resnets[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    loss, _ = computed(estimator, TrainPlan(), objective)
    assert computed(estimator, TrainPlan(channels_last=True), objective)[0] == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_gives_the_loss_to_within_three_percent(estimator, precision, objective):
    loss, _ = computed(estimator, TrainPlan(), objective)
    low, gradients = computed(estimator, TrainPlan(precision=precision), objective)
    assert low != loss and low == pytest.approx(loss, rel=0.03)
    assert {gradient.dtype for gradient in gradients.values()} == {torch.float32}


def test_a_compiled_network_gives_the_loss_to_within_one_in_a_thousand(monkeypatch):
    """The graph that is captured is run as it is: making kernels of it needs a compiler for C++."""
    compile_one, seen = torch.nn.Module.compile, []

    def captured(part, *, mode):
        seen.append(part)
        compile_one(part, backend="eager")

    monkeypatch.setattr(torch.nn.Module, "compile", captured)
    estimator = made(SMALLEST)
    loss, _ = computed(estimator, TrainPlan(), Denoise())
    with training.running(TrainPlan(compiled=True)):
        again, _ = computed(estimator, TrainPlan(compiled=True), Denoise())
    assert len(seen) == 3 and again == pytest.approx(loss, rel=1e-3)


def test_a_backbone_that_keeps_its_activations_says_so(estimator, monkeypatch):
    monkeypatch.setattr(StableDiffusion, "checkpoint_activations", Backbone.checkpoint_activations)
    with pytest.raises(ConfigError, match=r"plan\.checkpointing: StableDiffusion keeps all its activations; leave"):
        training.apply(estimator, TrainPlan(checkpointing=True))


def test_without_a_compiler_a_compiled_plan_is_refused_before_it_begins(monkeypatch):
    def missing(function):
        raise RuntimeError("no g++")

    monkeypatch.setattr(torch, "compile", missing)
    with pytest.raises(ConfigError, match=r"plan\.compiled: nothing can be compiled for cpu here .*no g\+\+.*install"):
        training.check(TrainPlan(compiled=True), "cpu")
    training.check(TrainPlan(), "cpu")


def test_half_precision_is_refused_on_a_cpu_without_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_fp16_supported", lambda: False)
    with pytest.raises(ConfigError, match=r"precision: this CPU computes fp16 hundreds of times slower"):
        training.check(TrainPlan(precision="fp16"), "cpu")


@pytest.mark.parametrize(("precision", "enabled"), [("fp32", False), ("bf16", False), ("fp16", True)])
def test_the_loss_is_scaled_in_fp16_alone(precision, enabled):
    scaler = training.make_scaler(TrainPlan(precision=precision), "cpu")
    scaled = scaler.scale(torch.tensor(2.0))
    assert float(scaled) == (2.0 * 65536 if enabled else 2.0)


@pytest.mark.parametrize("checkpointing", [True, False])
def test_cast_weights_are_kept_unless_activations_are_not(checkpointing):
    with training.autocast(TrainPlan(precision="bf16", checkpointing=checkpointing), "cpu"):
        assert torch.is_autocast_cache_enabled() != checkpointing
