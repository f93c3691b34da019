"""Another autoencoder in the places where one is chosen: the command line, several modalities, evaluation, reports."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from marigold import checkpoint, cli
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints import store
from marigold.checkpoints.card import Card
from marigold.core.errors import ConfigError
from marigold.estimator import Estimator
from marigold.evaluate.asked import Asked, source_of
from marigold.evaluate.suite import Suite, SuiteSet
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals
from marigold.predict.predictor import load
from marigold.predict.settings import Request
from marigold.predict.together import load_together
from toys.scenes import NETWORK, Toy

PHOTO = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Checkpoints of depth and normals with one autoencoder, and a small decoder of its latents."""
    root = tmp_path_factory.mktemp("made")
    for modality in (Depth(), Normals()):
        torch.manual_seed(0)
        backbone = StableDiffusion.tiny(**NETWORK)
        backbone.adapt(1, 1)
        name = type(modality).__name__.lower()
        card = Card(name, name, defaults={"steps": 1, "ensemble": 1, "resolution": 16})
        checkpoint.save(Estimator(backbone, modality, card), root / name)
    backbone.add_decoder((8, 4), (1, 1))
    store.save_decoder(Estimator(backbone, modality, Card("small", name)), root / "small")
    PIL.Image.fromarray(PHOTO).save(root / "photo.png")
    return root


def predicted(made: Path, output: Path, *options: str) -> np.ndarray:
    words = ["predict", "depth", str(made / "photo.png"), "--checkpoint", str(made / "depth"), "--output", str(output)]
    assert cli.main([*words, "--format", "npy", "--precision", "fp32", *options]) == 0
    return np.load(output / "photo_depth.npy")


def test_the_command_line_takes_one_and_the_report_names_it(made, tmp_path):
    plain = predicted(made, tmp_path)
    small = predicted(made, tmp_path, "--autoencoder", str(made / "small"))
    expected = load(made / "depth", precision="fp32", autoencoder=made / "small").predict(PHOTO)
    np.testing.assert_array_equal(small, expected.maps["depth"])
    assert np.abs(small - plain).max() > 1e-4
    (report,) = tmp_path.glob("photo*.json")
    told = json.loads(report.read_text())
    assert "+small@" in told["checkpoint"]["revision"]
    assert told["notes"] == ["the decoder `small` was made for normals; maps of depth may be worse by it"]


def test_a_decoder_of_the_same_maps_has_no_note(made):
    found = load(made / "normals", autoencoder=made / "small").predict(PHOTO)
    assert not [note for note in found.report["notes"] if "decoder" in note]


def test_results_of_the_other_autoencoder_are_not_taken_for_complete(made, tmp_path, capsys):
    predicted(made, tmp_path)
    predicted(made, tmp_path)
    assert "skipped" in capsys.readouterr().out
    predicted(made, tmp_path, "--autoencoder", str(made / "small"))
    assert "skipped" not in capsys.readouterr().out


def test_it_stands_in_for_that_of_every_modality(made):
    checkpoints = f"{made / 'depth'},{made / 'normals'}"
    together = load_together("depth,normals", checkpoint=checkpoints, autoencoder=str(made / "small"), precision="fp32")
    found = together.predict(PHOTO)
    for name in ("depth", "normals"):
        alone = load(made / name, precision="fp32", autoencoder=made / "small").predict(PHOTO)
        np.testing.assert_array_equal(found[name].maps[name], alone.maps[name])


def test_an_evaluation_scores_it_and_its_facts_tell_it_apart(made):
    suite = Suite("toy", (SuiteSet("toy", Toy(), "test"),))
    asked = Asked("toy", checkpoint=str(made / "depth"))
    own = source_of(asked, suite)
    other = source_of(Asked(**{**vars(asked), "prediction": {"autoencoder": str(made / "small")}}), suite)
    assert other.facts()["revision"].startswith(f"{own.facts()['revision']}+small@")
    assert other.facts()["weights"] != own.facts()["weights"]
    answers = [source.answers({"steps": 1}).answer(Toy().read(Path(), "test/0")).values for source in (own, other)]
    assert not torch.allclose(*answers)


def test_a_suite_does_not_choose_one(made):
    with pytest.raises(ConfigError, match=r"prediction\.autoencoder: is not a suite's to say"):
        SuiteSet("toy", Toy(), "test", prediction={"autoencoder": "tiny"})


@pytest.mark.parametrize("value", ["", " ", 7])
def test_a_request_names_one_or_none(value):
    with pytest.raises(ConfigError, match=r"autoencoder: .* names none; give tiny, a folder or a hub id"):
        Request(autoencoder=value)
