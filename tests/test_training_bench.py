"""The bench of training steps: its rows, its table, and its transcription of the published loop."""

import json
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import training

    yield training
    for name in ("training", "training_loops", "full_size"):
        sys.modules.pop(name, None)


def test_hours_are_those_of_the_published_number_of_samples(bench):
    assert bench.hours(12.0) == pytest.approx(30_000 * 32 * 0.012 / 3600)


def test_a_variant_that_fails_costs_its_own_row_alone(bench, tmp_path, monkeypatch):
    monkeypatch.setitem(bench.VARIANTS, "odd", bench.Variant("passes of 3", batch=3))
    options = Namespace(device="cpu", size="tiny", samples=2, repeats=1, seconds=60.0, kernels=False)
    options.variants, options.result = ("published", "odd", "bf16-2"), tmp_path / "training.json"
    bench.compare(options)
    published, odd, ours = json.loads(options.result.read_text())["rows"]
    assert odd["error"] == "ValueError: a step of 2 samples leaves 2 beside passes of 3"
    assert published["ms"] > 0 and ours["ms"] > 0
    assert 0 < ours["output_differs"] < 0.05
    bench.report([options.result])
    lines = (tmp_path / "training.md").read_text().splitlines()
    assert len({line.count("|") for line in lines[2:]}) == 1


def test_ours_in_fp32_gives_the_published_latents_and_mask(bench):
    estimator = bench.make_estimator("tiny", "cpu")
    pictures = bench.make_pictures("tiny", 2, "cpu")
    latents = bench.Ours(estimator, pictures, 2, bench.VARIANTS["fp32-2"]).prepare()
    with torch.no_grad():
        posterior = estimator.backbone.vae.encode(pictures.image).latent_dist
    assert torch.allclose(latents["condition"], posterior.mean * 0.18215, atol=1e-6)
    # A tenth of 16 rows is one row, which spoils the first of the latent's rows of two.
    assert latents["valid"][:, :, 0].sum() == 0
    assert latents["valid"][:, :, 1:].all()


def test_several_processes_are_compared_with_one(bench):
    rows = [
        {"name": "whole", "one_ms": 20.0, "one_cached_ms": 10.0, "same_ms": 12.5, "same_cached_ms": 8.0}
        | {"each_ms": 10.0, "each_cached_ms": 5.0}
    ]
    text = bench.shared_table({"device": "GPU", "torch": "2", "processes": 2, "samples": 32, "rows": rows})
    assert "| gradients whole, 32 together | 12.50 | 1.60 | 8.00 | 1.25 |" in text
    assert "| gradients whole, 32 each | 10.00 | 2.00 | 5.00 | 2.00 |" in text
