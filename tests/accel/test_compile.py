"""Compilation: which networks are replayed as a graph."""

import torch
from torch import nn

from marigold.accel import compile as compilation


class Network(nn.Module):
    """A network that says how it was asked to be compiled."""

    def __init__(self, on_gpu=True):
        super().__init__()
        self.on_gpu, self.mode = on_gpu, None
        self.weight = nn.Parameter(torch.zeros(10))

    def parameters(self, recurse=True):
        return iter([Weight(self.on_gpu)])

    def compile(self, mode):
        self.mode = mode


class Weight:
    def __init__(self, on_gpu):
        self.is_cuda = on_gpu

    def numel(self):
        return 10


class Backbone:
    def __init__(self, on_gpu=True):
        self.denoiser, self.encoder = Network(on_gpu), Network(on_gpu)
        self.suited = False

    def suit_compiler(self):
        self.suited = True

    def hot_parts(self):
        return [self.denoiser, self.encoder]


class Estimator:
    def __init__(self, on_gpu=True):
        self.backbone = Backbone(on_gpu)


def modes(estimator):
    return estimator.backbone.denoiser.mode, estimator.backbone.encoder.mode


def test_a_small_denoiser_on_a_gpu_is_replayed():
    assert modes(compilation.compile_networks(Estimator())) == ("reduce-overhead", "default")


def test_a_denoiser_on_a_cpu_is_not():
    assert modes(compilation.compile_networks(Estimator(on_gpu=False))) == ("default", "default")


def test_gradients_that_add_up_are_not_replayed():
    """A graph writes them to the same place at every replay (pytorch issue 169545)."""
    assert modes(compilation.compile_networks(Estimator(), accumulates=True)) == ("default", "default")


def test_a_large_denoiser_is_not_replayed(monkeypatch):
    monkeypatch.setattr(compilation, "SMALL", 10)
    assert modes(compilation.compile_networks(Estimator())) == ("default", "default")


def test_a_mode_that_is_asked_for_is_the_denoisers():
    found = compilation.compile_networks(Estimator(), mode="max-autotune-no-cudagraphs")
    assert modes(found) == ("max-autotune-no-cudagraphs", "default")


def test_networks_on_a_gpu_are_suited_to_the_compiler():
    assert compilation.compile_networks(Estimator()).backbone.suited
    assert not compilation.compile_networks(Estimator(on_gpu=False)).backbone.suited


def test_settings_of_compiled_training_end_with_the_block():
    before = torch._dynamo.config.automatic_dynamic_shapes, torch.backends.cudnn.benchmark
    with compilation.compiling():
        assert not torch._dynamo.config.automatic_dynamic_shapes
        assert torch.backends.cudnn.benchmark
    assert (torch._dynamo.config.automatic_dynamic_shapes, torch.backends.cudnn.benchmark) == before


def test_uncompiled_runs_the_code_as_written():
    ran = []
    counted = torch.compile(lambda x: x + 1, backend=lambda graph, inputs: ran.append(1) or graph.forward)
    with compilation.uncompiled():
        assert counted(torch.zeros(3)).tolist() == [1.0, 1.0, 1.0]
    assert ran == []
