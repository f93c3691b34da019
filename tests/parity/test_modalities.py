"""Decoding and merging normals and intrinsic images as diffusers' pipelines do."""

import pytest
import torch

from marigold.modalities.appearance import Appearance
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals

normals_pipeline = pytest.importorskip("diffusers.pipelines.marigold.pipeline_marigold_normals")
intrinsics_pipeline = pytest.importorskip("diffusers.pipelines.marigold.pipeline_marigold_intrinsics")
images = pytest.importorskip("diffusers.pipelines.marigold.marigold_image_processing")


def predicted(count: int, targets: int) -> torch.Tensor:
    """Members [E, N, 3, H, W] around one picture, some of them beyond the range."""
    generator = torch.Generator().manual_seed(count)
    common = torch.rand(1, targets, 3, 16, 20, generator=generator) * 2.4 - 1.2
    return common + 0.1 * torch.randn(count, targets, 3, 16, 20, generator=generator)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("count", [3, 4, 5])
def test_merged_normals_agree(full, count):
    pixels = predicted(count, 1)
    theirs = pixels[:, 0].clamp(-1, 1)
    if not full:
        theirs[:, 2] = theirs[:, 2] * 0.5 + 0.5
    pipeline = normals_pipeline.MarigoldNormalsPipeline
    merged, uncertainty = pipeline.ensemble_normals(pipeline.normalize_normals(theirs), output_uncertainty=True)
    modality = Normals(use_full_z_range=full)
    ours, our_uncertainty = modality.ensemble(modality.decode(pixels))
    torch.testing.assert_close(ours, merged[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(our_uncertainty, uncertainty[0], rtol=0, atol=1e-4)


def test_two_merged_normals_agree_with_the_mean():
    modality, pixels = Normals(), predicted(2, 1)
    pipeline = normals_pipeline.MarigoldNormalsPipeline
    merged, _ = pipeline.ensemble_normals(modality.decode(pixels), output_uncertainty=False, reduction="mean")
    torch.testing.assert_close(modality.ensemble(modality.decode(pixels))[0], merged[0])


@pytest.mark.parametrize("count", [3, 5])
def test_merged_appearance_agrees(count):
    pixels = predicted(count, 2)
    values = pixels.clamp(-1, 1) * 0.5 + 0.5
    merged, uncertainty = intrinsics_pipeline.MarigoldIntrinsicsPipeline.ensemble_intrinsics(
        values, output_uncertainty=True
    )
    ours, our_uncertainty = Appearance().ensemble(Appearance().decode(pixels))
    torch.testing.assert_close(ours, merged.flatten(0, 1)[:5])
    torch.testing.assert_close(our_uncertainty[0], uncertainty.flatten(0, 1)[:5].mean(dim=0))


def test_merged_albedo_of_lighting_agrees():
    pixels = predicted(5, 3)
    values = pixels.clamp(-1, 1) * 0.5 + 0.5
    merged, _ = intrinsics_pipeline.MarigoldIntrinsicsPipeline.ensemble_intrinsics(values)
    torch.testing.assert_close(Lighting().ensemble(Lighting().decode(pixels))[0][:3], merged[0])


@pytest.mark.parametrize("modality", [Appearance(), Lighting()], ids=["appearance", "lighting"])
def test_diffusers_shows_the_maps_that_the_options_name(modality):
    properties = modality.options()["target_properties"]
    pictures = images.MarigoldImageProcessor.visualize_intrinsics(
        torch.rand(len(modality.targets), 3, 8, 8, generator=torch.Generator().manual_seed(0)), properties
    )
    assert set(modality.outputs) <= set(pictures[0])
