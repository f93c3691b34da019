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
    for name in ("training", "training_loops", "training_report", "training_variants", "random_networks"):
        sys.modules.pop(name, None)


@pytest.fixture
def report(bench):
    return sys.modules["training_report"]


def test_hours_are_those_of_the_published_number_of_samples(report):
    assert report.hours(12.0) == pytest.approx(30_000 * 32 * 0.012 / 3600)


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
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


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


def test_a_row_keeps_what_was_measured_before_it_failed(bench):
    def work(variant, row):
        row["ms"] = 3.0
        raise RuntimeError("out of\nmemory")

    row = bench.attempt("bf16-2", bench.VARIANTS["bf16-2"], work)
    assert (row["ms"], row["error"]) == (3.0, "RuntimeError: out of memory")


def test_rows_that_are_compiled_come_last(bench):
    compiled = [bench.VARIANTS[name].compiled for name in bench.REQUIRED]
    assert compiled == sorted(compiled)
    assert [bench.VARIANTS[name].compiled for name in bench.VARIANTS][: len(compiled)] == compiled
    assert [variant.compiled for variant in bench.SHARED.values()] == [False, True]


def result(*rows, processes=1):
    return {"device": "GPU", "torch": "2", "size": "tiny", "processes": processes, "samples": 32, "rows": list(rows)}


def row(name, **numbers):
    return {"name": name, "about": name, "batch": 2, **numbers}


def test_several_processes_are_compared_with_one(report):
    numbers = {"one_ms": 20.0, "one_cached_ms": 10.0, "same_ms": 12.5, "same_cached_ms": 8.0}
    found = result(row("eager", **numbers, each_ms=10.0, each_cached_ms=5.0), processes=2)
    text = report.page([found])
    assert "| eager, 32 together | 20.00 | 12.50 | 1.60 | 10.00 | 8.00 | 1.25 |" in text
    assert "| eager, 32 each | 20.00 | 10.00 | 2.00 | 10.00 | 5.00 | 2.00 |" in text
    assert "two with as many samples each: at least 1.9: reached, 2.0 (eager)" in text
    assert "several GPUs, compiled" in text and "several GPUs, eager" not in text


def test_aims_are_judged_by_the_best_row_of_those_that_count(report):
    rows = (
        row("published", ms=100.0),
        row("bf16-2", ms=50.0, cached_ms=6.0, peak_gb=19.0),
        row("bf16-16", peak_gb=9.0),
    )
    text = report.page([result(*rows)])
    assert "- times the published loop: at least 6: **not reached**, 2.0 (bf16-2)." in text
    assert "- ms a sample, latents cached: at most 7: reached, 6.0 (bf16-2)." in text
    assert "micro-batches of 2: at most 24: reached, 19.0 (bf16-2)." in text
    assert "8-bit Adam: at most 12: **not measured**." in text


def test_what_is_missing_or_failed_is_stated(report):
    rows = (row("published", ms=1.0, error="late"), row("fp32-2", encode_ms=1.0, error="no memory"))
    left = report.missing([result(*rows, row("encoder-32", encode_ms=1.0))])
    assert "as published" not in left and "autoencoder alone, compiled (32)" not in left
    assert "ours, fp32 (2)" in left and "checkpointing, 8-bit Adam (2)" in left


def test_times_of_kernels_are_summed_by_kind(report):
    names = ("triton_convolution", "sm90_xmma_fprop", "x_wgrad", "cudnn_sdpa", "nvjet", "odd", "aten::copy_ [[2]]")
    found = report.by_kind({**dict.fromkeys(names, 1.0), "all": 9.0, "span": 9.0})
    assert found["convolutions"] == 2 and found["attention"] == found["matrix products"] == found["others"] == 1
    assert found.total() == 6


def test_operations_of_a_convolution_are_counted_for_two_images_and_three_passes(report, monkeypatch):
    class Backbone:
        def network(self, x, t, condition):
            return x.flatten(1) @ x.flatten(1).mT  # 1 x n by n x 1: 2 n

    class Estimator:
        backbone = Backbone()

        def encode_image(self, image):
            return torch.nn.functional.conv2d(image, torch.empty(4, 3, 1, 1, device="meta"))

    monkeypatch.setattr(report, "make_estimator", lambda size, device: Estimator())
    pixels = 16 * 24
    found = report.operations("tiny")
    assert found["encode"] == pytest.approx(2 * 2 * 4 * 3 * pixels / 1e12)
    assert found["step"] == pytest.approx(3 * 2 * 4 * pixels / 1e12)
