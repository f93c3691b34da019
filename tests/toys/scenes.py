"""A data set of closed-form scenes for tests: a disc of random place and size in front of a slanted wall."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from marigold.core import seeds
from marigold.core.sample import Sample
from marigold.datasets.base import Dataset, DatasetCard

NETWORK = {
    "unet": {
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": [8, 16],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "layers_per_block": 1,
        "cross_attention_dim": 8,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    },
    "vae": {
        "block_out_channels": [8, 8],
        "down_block_types": ["DownEncoderBlock2D"] * 2,
        "up_block_types": ["UpDecoderBlock2D"] * 2,
        "layers_per_block": 1,
        "latent_channels": 4,
        "norm_num_groups": 4,
        "mid_block_add_attention": False,
    },
    "schedule": {
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
        "rescale_betas_zero_snr": True,
        "set_alpha_to_one": False,
        "steps_offset": 1,
        "clip_sample": False,
    },
    "prompt_dim": 8,
}


@dataclass(frozen=True)
class Toy(Dataset):
    """Scenes of `size` x `size` pixels."""

    size: int = 16
    card: DatasetCard = field(
        default=DatasetCard(("depth",), ("train", "test"), "Apache-2.0", "closed form"), init=False
    )

    def scan(self, root: Path, split: str) -> Sequence[str]:
        return [f"{split}/{number}" for number in range(64 if split == "train" else 8)]

    def read(self, root: Path, key: str) -> Sample:
        x, y, radius, near = torch.rand(4, generator=seeds.stream(0, key)).tolist()
        across, down = torch.meshgrid(torch.linspace(0, 1, self.size), torch.linspace(0, 1, self.size), indexing="xy")
        disc = (across - x).square() + (down - y).square() < (0.1 + 0.3 * radius) ** 2
        depth = torch.where(disc, 1 + near, 3 + 2 * down)[None]
        image = torch.stack([disc.float(), down, across * 0.5 + 0.25])
        return Sample(key, image, {"depth": depth}, {"depth": torch.ones_like(depth, dtype=torch.bool)})
