"""What `training.py` compares: a loop that follows the published trainer, and the package's own step."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.accel.compile import compile_networks
from marigold.accel.parallel import Replicas, World
from marigold.accel.training import TrainPlan, autocast
from marigold.core.sample import Batch, Sample
from marigold.diffusion.schedule import Schedule
from marigold.estimator import Estimator
from marigold.objectives.denoise import Denoise
from marigold.train.optim import make_optimizer
from marigold.train.recipe import Optim
from training_variants import CUDNN, Variant

PIXELS = {"full": (480, 640), "tiny": (16, 24)}
"""Height and width of the pictures, by the size of the networks."""


def make_pictures(size: str, count: int, device: str) -> Batch:
    """Photos and depth maps of noise, a tenth of the map invalid; sample i is the same in a batch of any size."""
    height, width = PIXELS[size]
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
        self.objective, self.kept = Denoise(), nn.Module()
        self.plan = TrainPlan(
            precision="bf16" if variant.precision == "bf16" else "fp32",
            checkpointing=variant.checkpointing,
            compiled=variant.compiled,
            optimizer_bits=variant.bits,
        )
        self.trained = self.objective.trainable(estimator)
        estimator.requires_grad_(False)
        self.trained.requires_grad_(True).train()
        if variant.channels_last:
            estimator.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if variant.half_encoder:
            estimator.backbone.autoencoder.to(torch.bfloat16)
        if variant.checkpointing:
            estimator.backbone.checkpoint_activations()
        if variant.compiled:
            self._compile()
        self.optimizer = make_optimizer(self.trained.parameters(), Optim(), self.plan)
        self.replicas = Replicas(self.trained, World())

    def update(self, latents: dict[str, Tensor] | None = None) -> None:
        """One optimizer step; with `latents` the autoencoder has nothing to do."""
        for part in range(self.parts):
            self.drawn += 1
            rng = torch.Generator(self.device).manual_seed(self.drawn)
            prepared = latents or self.prepare()
            with self.replicas.apart(part == self.parts - 1), self.precision():
                (self.replicas.compute(partial(self._loss, prepared, rng)) / self.parts).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _compile(self) -> None:
        if self.variant.blocks:
            compile_blocks(self.estimator)
            return
        if self.variant.written:
            self.estimator.backbone.suit_compiler = lambda: None
        compile_networks(self.estimator, accumulates=self.parts > 1, mode=self.variant.mode)

    def prepare(self) -> dict[str, Tensor]:
        """The latents of the pictures."""
        with self.precision(not self.variant.half_encoder):
            return self.objective.prepare(self.estimator, self.pictures)

    def output(self, noisy: Tensor, condition: Tensor) -> Tensor:
        """What the network says about a noisy latent in the middle of the schedule."""
        t = torch.full((len(noisy),), 500, device=noisy.device)
        with self.precision():
            return self.estimator.backbone.network(noisy, t, condition)

    def share(self, world: World) -> None:
        """From now on the processes average their gradients, as the package's training does."""
        self.replicas = Replicas(self.trained, world)

    @contextmanager
    def precision(self, automatic: bool = True) -> Iterator[None]:
        """Where networks compute in the variant's precision."""
        cast = autocast(self.plan, self.device.type) if automatic else nullcontext()
        with CUDNN[self.variant.attention](), cast:
            yield

    def _loss(self, prepared: dict[str, Tensor], rng: torch.Generator) -> Tensor:
        return self.objective.loss(self.estimator, prepared, self.kept, rng)


def compile_blocks(estimator: Estimator) -> None:
    """The U-Net's residual and attention blocks, each compiled once for all that have its shapes, and the encoder."""
    unet, encoder = estimator.backbone.unet, estimator.backbone.vae.encoder
    estimator.backbone.suit_compiler()
    for part in (unet, encoder):
        if next(part.parameters()).is_cuda:
            part.to(memory_format=torch.channels_last)
    encoder.compile()
    for block in unet.modules():
        if type(block).__name__ in ("ResnetBlock2D", "Transformer2DModel"):
            block.compile()


def difference(found: Tensor, reference: Tensor) -> float:
    """The relative difference ||found - reference|| / ||reference|| of the samples that both have."""
    return float((found[: len(reference)].float() - reference).norm() / reference.norm())


def _passes(samples: int, pictures: Batch) -> int:
    """The forward passes of one step."""
    if rest := samples % len(pictures.image):
        raise ValueError(f"a step of {samples} samples leaves {rest} beside passes of {len(pictures.image)}")
    return samples // len(pictures.image)


def _tables(schedule: Schedule) -> tuple[Tensor, Tensor]:
    return schedule.signal, schedule.noise
