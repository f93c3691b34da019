"""What `training.py` compares: a loop that follows the published trainer, and the package's own step."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parallel import DistributedDataParallel

import full_size
from marigold.accel.compile import compile_networks, compiling
from marigold.accel.training import Bits, TrainPlan
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.core.sample import Batch, Sample
from marigold.diffusion.schedule import Schedule
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.objectives.denoise import Denoise
from marigold.train.optim import make_optimizer
from marigold.train.recipe import Optim

SIZES: dict[str, dict[str, Any]] = {
    "full": {"unet": full_size.UNET, "vae": full_size.AUTOENCODER, "pixels": (480, 640)},
    "tiny": {
        "unet": {
            "cross_attention_dim": 8,
            "attention_head_dim": 8,
            "block_out_channels": [32, 64],
            "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
            "layers_per_block": 1,
        },
        "vae": {
            "block_out_channels": [32, 32],
            "down_block_types": ["DownEncoderBlock2D"] * 2,
            "up_block_types": ["UpDecoderBlock2D"] * 2,
            "latent_channels": 4,
            "scaling_factor": 0.18215,
        },
        "pixels": (16, 24),
    },
}

ATTENTION = {
    "cudnn": [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH],
    "products": [SDPBackend.MATH],
}
"""Kernels of attention in the order in which they are tried: cuDNN's first; the plain matrix products."""


@dataclass(frozen=True)
class Variant:
    """One way to make an optimizer step. Its fields but `about` and `batch` change nothing but rounding."""

    about: str
    """What the table says of it."""
    batch: int = 16
    """Samples in one forward pass; as many passes follow as make up a step."""
    precision: str = "bf16"
    """`fp32`; `tf32` for matrix products too; `bf16` under autocast."""
    compiled: bool = False
    mode: str = ""
    """Mode of compilation of the denoiser; empty: the package's choice."""
    tuned: bool = False
    """Generated kernels are tuned by coordinate descent."""
    channels_last: bool = False
    benchmark: bool = False
    """cuDNN tries its algorithms; compiled variants do so anyway."""
    attention: str = ""
    """Kernels of the denoiser's attention, by the names in `ATTENTION`; empty: torch's choice."""
    encoder_attention: str = ""
    """The same for the autoencoder, whose one head has 512 numbers."""
    half_encoder: bool = False
    """The frozen autoencoder is stored in bfloat16 and runs without autocast."""
    checkpointing: bool = False
    bits: Bits = 32
    """Of the optimizer's moments."""


def make_estimator(size: str, device: str) -> Estimator:
    """A depth estimator with random weights, the same ones at every call."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(0)
    options = SIZES[size]["unet"]
    with torch.device(device):
        unet = UNet2DConditionModel(**{**options, "in_channels": 8, "out_channels": 4})
        vae = AutoencoderKL(**SIZES[size]["vae"])
    prompt = torch.randn(1, 2, options["cross_attention_dim"])
    backbone = StableDiffusion(unet, vae, Schedule.from_config(full_size.SCHEDULE), prompt)
    return Estimator(backbone, Depth(), Card("bench", "depth")).to(device)


def make_pictures(size: str, count: int, device: str) -> Batch:
    """Photos and depth maps of noise, a tenth of the map invalid; sample i is the same in a batch of any size."""
    height, width = SIZES[size]["pixels"]
    drawn = [torch.rand(4, height, width, generator=torch.Generator().manual_seed(i)) for i in range(count)]
    stacked = (torch.stack(drawn) * 2 - 1).to(device)
    image, depth = stacked[:, :3], stacked[:, 3:]
    valid = torch.ones_like(depth, dtype=torch.bool)
    valid[..., : height // 10, :] = False
    pixels = depth[:, None].repeat(1, 1, 3, 1, 1)
    return Batch(image.contiguous(), pixels, valid[:, None], Sample("bench", image, {}, {}))


class Published:
    """The published trainer: fp32, micro-batches of 2, the GPU waited for at each (Ke et al. 2025, released code)."""

    def __init__(self, estimator: Estimator, pictures: Batch, samples: int) -> None:
        self.unet, self.vae = estimator.backbone.unet.train(), estimator.backbone.vae
        self.stride, self.prompt = estimator.backbone.stride, estimator.backbone.prompt
        self.vae.requires_grad_(False)
        self.pictures, self.parts = pictures, _passes(samples, pictures)
        self.device, self.drawn = pictures.image.device, 0
        self.signal, self.noise = (table.to(self.device) for table in _tables(estimator.backbone.schedule))
        self.optimizer = torch.optim.Adam(self.unet.parameters(), lr=3e-5)
        self.rate = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: min(1.0, step / 100))

    def update(self) -> None:
        """One optimizer step."""
        losses = []
        for _ in range(self.parts):
            loss = self._loss()
            if torch.isnan(loss):
                raise FloatingPointError("the published loop's loss is not a number")
            (loss / self.parts).backward()
            losses.append(loss.item())
        self.optimizer.step()
        self.rate.step()
        self.optimizer.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _loss(self) -> Tensor:
        self.drawn += 1
        rng = torch.Generator(self.device).manual_seed(self.drawn)
        with torch.no_grad():
            photo, clean = self._encode(self.pictures.image), self._encode(self.pictures.pixels[:, 0])
            spoilt = F.max_pool2d((~self.pictures.valid[:, 0]).float(), self.stride, self.stride).bool()
        valid = (~spoilt).repeat(1, 4, 1, 1)
        t = torch.randint(0, len(self.signal), (len(clean),), generator=rng, device=self.device)
        noise = self._multi_resolution(clean, 0.9 * (t / len(self.signal)), rng)
        a, s = self.signal[t].view(-1, 1, 1, 1), self.noise[t].view(-1, 1, 1, 1)
        prompt = self.prompt.repeat(len(clean), 1, 1)
        output = self.unet(torch.cat([photo, a * clean + s * noise], dim=1), t, prompt).sample
        target = a * noise - s * clean
        return F.mse_loss(output[valid].float(), target[valid].float())

    def _encode(self, image: Tensor) -> Tensor:
        """The mean of the posterior, scaled."""
        moments = self.vae.quant_conv(self.vae.encoder(image))
        return moments.chunk(2, dim=1)[0] * 0.18215

    def _multi_resolution(self, like: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
        """Noise with ever coarser levels, whose sizes come from the GPU."""
        count, channels, height, width = like.shape
        total, weight = torch.randn(like.shape, generator=rng, device=self.device), strength.view(-1, 1, 1, 1)
        h, w = height, width
        for level in range(10):
            ratio = torch.rand(1, generator=rng, device=self.device).item() * 2 + 2
            h, w = max(1, int(h / ratio**level)), max(1, int(w / ratio**level))
            coarse = torch.randn(count, channels, h, w, generator=rng, device=self.device)
            total = total + F.interpolate(coarse, (height, width), mode="bilinear") * weight**level
            if h == 1 or w == 1:
                break
        return total / total.std()


class Ours:
    """The package's step: `Denoise.prepare`, `Denoise.loss`, `make_optimizer`, compiled by `compile_networks`."""

    def __init__(self, estimator: Estimator, pictures: Batch, samples: int, variant: Variant) -> None:
        self.estimator, self.pictures, self.variant = estimator, pictures, variant
        self.parts, self.device, self.drawn = _passes(samples, pictures), pictures.image.device, 0
        self.objective = Denoise()
        self.trained = self.objective.trainable(estimator)
        estimator.requires_grad_(False)
        self.trained.requires_grad_(True).train()
        if variant.channels_last:
            estimator.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if variant.half_encoder:
            estimator.backbone.autoencoder.to(torch.bfloat16)
        if variant.checkpointing:
            estimator.backbone.unet.enable_gradient_checkpointing()
        if variant.compiled:
            compile_networks(estimator, accumulates=self.parts > 1, mode=variant.mode)
        self.optimizer = _optimizer(self.trained, variant.bits, variant.compiled)
        self.loss: nn.Module = _Loss(self.objective, estimator)

    def update(self, latents: dict[str, Tensor] | None = None) -> None:
        """One optimizer step; with `latents` the autoencoder has nothing to do."""
        for part in range(self.parts):
            self.drawn += 1
            rng = torch.Generator(self.device).manual_seed(self.drawn)
            prepared = latents or self.prepare()
            with self._shared(part), self.precision():
                (self.loss(prepared, rng) / self.parts).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def prepare(self) -> dict[str, Tensor]:
        """The latents of the pictures."""
        with self._attention(self.variant.encoder_attention), self.precision(not self.variant.half_encoder):
            return self.objective.prepare(self.estimator, self.pictures)

    def output(self, noisy: Tensor, condition: Tensor) -> Tensor:
        """What the network says about a noisy latent in the middle of the schedule."""
        t = torch.full((len(noisy),), 500, device=noisy.device)
        with self.precision():
            return self.estimator.backbone.network(noisy, t, condition)

    def share(self, **options: Any) -> None:
        """From now on the gradients are averaged over all processes."""
        whole = _Loss(self.objective, self.estimator)
        self.loss = DistributedDataParallel(whole, gradient_as_bucket_view=True, **options)

    @contextmanager
    def precision(self, automatic: bool = True) -> Iterator[None]:
        """Autocast, with its cache of weights only where a layer's weights are used again before they are dropped."""
        kernels = self.variant.attention if automatic else ""
        autocast = automatic and self.variant.precision == "bf16"
        kept = not self.variant.checkpointing
        cast = torch.autocast(self.device.type, torch.bfloat16, enabled=autocast, cache_enabled=kept)
        with self._attention(kernels), cast:
            yield

    def _shared(self, part: int) -> Any:
        """Gradients travel with the last pass of a step alone."""
        waits = isinstance(self.loss, DistributedDataParallel) and part < self.parts - 1
        return self.loss.no_sync() if waits else nullcontext()

    @staticmethod
    def _attention(kernels: str) -> Any:
        return sdpa_kernel(ATTENTION[kernels], set_priority=True) if kernels else nullcontext()


class _Loss(nn.Module):
    """The loss as a module, which is what several processes share."""

    def __init__(self, objective: Denoise, estimator: Estimator) -> None:
        super().__init__()
        self.objective, self.estimator, self.kept = objective, estimator, nn.Module()

    def forward(self, prepared: dict[str, Tensor], rng: torch.Generator) -> Tensor:
        return self.objective.loss(self.estimator, prepared, self.kept, rng)


@contextmanager
def settings(variant: Variant) -> Iterator[None]:
    """The settings of torch that a variant runs under."""
    with ExitStack() as stack:
        if variant.precision == "tf32":
            stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
            torch.set_float32_matmul_precision("high")
        if variant.compiled:
            stack.enter_context(compiling())
        elif variant.benchmark:
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=True))
        if variant.tuned:
            from torch._inductor import config

            stack.enter_context(config.patch(coordinate_descent_tuning=True))
        if "products" in (variant.attention, variant.encoder_attention):
            stack.callback(
                torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp,
                torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed(),
            )
            torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
        yield


def difference(found: Tensor, reference: Tensor) -> float:
    """The relative difference ||found - reference|| / ||reference|| of the samples that both have."""
    return float((found[: len(reference)].float() - reference).norm() / reference.norm())


def hours(milliseconds: float, updates: int = 30_000, samples: int = 32) -> float:
    """The hours of a published run at so many milliseconds a sample."""
    return math.prod((milliseconds, updates, samples)) / 3_600_000


def _passes(samples: int, pictures: Batch) -> int:
    """The forward passes of one step."""
    if rest := samples % len(pictures.image):
        raise ValueError(f"a step of {samples} samples leaves {rest} beside passes of {len(pictures.image)}")
    return samples // len(pictures.image)


def _optimizer(trained: nn.Module, bits: Bits, compiled: bool) -> torch.optim.Optimizer:
    return make_optimizer(trained.parameters(), Optim(), TrainPlan(optimizer_bits=bits, compiled=compiled))


def _tables(schedule: Schedule) -> tuple[Tensor, Tensor]:
    return schedule.signal, schedule.noise
