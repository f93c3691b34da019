"""Two optimizer steps of a run are those of the published training, written down here once more in plain torch.

The transcription shares nothing with the package but the classes of the networks, which are those of diffusers. Its
sources: Ke et al. 2024, sec. 3.2 and 4.1, and 2025, sec. III; Lin et al. 2024, algorithm 1; Kingma and Ba 2015,
algorithm 1; and the published code. What reaches it from the run are the batches and the seeds of their noise.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from transformers import CLIPTextModel, CLIPTokenizer

from marigold.core import seeds
from marigold.core.sample import Batch, Sample
from marigold.data.source import Source
from marigold.datasets.base import Dataset, DatasetCard
from marigold.diffusion.schedule import Schedule
from marigold.modalities.appearance import Appearance
from marigold.modalities.base import Modality
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals
from marigold.objectives.denoise import Denoise
from marigold.train.loop import train
from marigold.train.optim import rate
from marigold.train.recipe import Every, Optim, Recipe
from toys.published import FIRST, parts

MODALITIES = {"depth": Depth(), "normals": Normals(), "appearance": Appearance(), "lighting": Lighting()}
UPDATES, ACCUMULATE, MICRO = 2, 2, 2
LR = 3e-5
ENDS = ("conv_in.weight", "conv_in.bias", "conv_out.weight", "conv_out.bias")


# ---- the transcription ----


def alphas_cumprod() -> Tensor:
    """The share of signal left at each of 1000 times, with none at the last one; float64 [1000]."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    signal = torch.cumprod(1 - betas, dim=0).sqrt()
    # Shifted so that the last one is 0, and scaled so that the first one stays (Lin et al. 2024).
    signal = (signal - signal[-1]) * signal[0] / (signal[0] - signal[-1])
    return signal**2


def annealed_noise(shape: Sequence[int], t: Tensor, generator: torch.Generator) -> Tensor:
    """Noise [B, C, h, w] whose coarse levels have the strength 0.9 t / 1000."""
    strength = (0.9 * t / 1000).reshape(-1, 1, 1, 1)
    noise = torch.randn(*shape, generator=generator)
    height, width = shape[2], shape[3]
    for i in range(10):
        r = 2 + 2 * torch.rand(1, generator=generator).item()
        height, width = max(1, int(height / r**i)), max(1, int(width / r**i))
        level = torch.randn(shape[0], shape[1], height, width, generator=generator)
        noise = noise + F.interpolate(level, shape[2:], mode="bilinear", align_corners=False) * strength**i
        if height == 1 or width == 1:
            break
    return noise / noise.std()


def learning_rate(update: int, total: int = 25_000, final: float = 0.01, warmup: int = 100) -> float:
    """Of update k, counted from 1, as a multiple of the base rate: alpha(k - 1)."""
    n = update - 1
    if n < warmup:
        return n / warmup
    return math.exp((n - warmup) / (total - warmup) * math.log(final)) if n < total else final


class Moments(NamedTuple):
    """Adam's running means of a gradient and of its square."""

    first: Tensor
    second: Tensor


def adam(p: Tensor, g: Tensor, moments: Moments, update: int, lr: float) -> tuple[Tensor, Moments]:
    """A parameter and its moments after update k, counted from 1."""
    moments = Moments(0.9 * moments.first + 0.1 * g, 0.999 * moments.second + 0.001 * g**2)
    mean, square = moments.first / (1 - 0.9**update), moments.second / (1 - 0.999**update)
    return p - lr * mean / (square.sqrt() + 1e-8), moments


class Micro(NamedTuple):
    """What one pass through the network computes with, and its loss."""

    condition: Tensor
    clean: Tensor
    mask: Tensor
    t: Tensor
    noise: Tensor
    noisy: Tensor
    target: Tensor
    loss: Tensor


class Published:
    """The published trainer in short: the networks of a Stable Diffusion folder, widened, and Adam's moments."""

    def __init__(self, folder: Path, targets: int) -> None:
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet")
        self.vae = AutoencoderKL.from_pretrained(folder / "vae").requires_grad_(False)
        self.widen(targets)
        self.prompt = self.empty_prompt(folder)
        self.alphas = alphas_cumprod()
        self.moments = {name: Moments(0 * p.detach(), 0 * p.detach()) for name, p in self.unet.named_parameters()}

    def widen(self, targets: int) -> None:
        """The first layer sees the photo and all targets, each with an equal share; the last one gives all targets."""
        first, last = self.unet.conv_in, self.unet.conv_out
        latents = targets + 1
        conv_in = torch.nn.Conv2d(4 * latents, first.out_channels, 3, padding=1)
        conv_in.weight.data = torch.cat([first.weight.data] * latents, dim=1) / latents
        conv_in.bias.data = first.bias.data.clone()
        conv_out = torch.nn.Conv2d(last.in_channels, 4 * targets, 3, padding=1)
        conv_out.weight.data = torch.cat([last.weight.data] * targets, dim=0)
        conv_out.bias.data = torch.cat([last.bias.data] * targets)
        self.unet.conv_in, self.unet.conv_out = conv_in, conv_out

    @torch.no_grad()
    def empty_prompt(self, folder: Path) -> Tensor:
        tokens = CLIPTokenizer.from_pretrained(folder / "tokenizer")("", padding="do_not_pad", return_tensors="pt")
        return CLIPTextModel.from_pretrained(folder / "text_encoder")(tokens.input_ids).last_hidden_state

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """The mean of the posterior, the first half of the channels."""
        mean, _ = self.vae.quant_conv(self.vae.encoder(pixels)).chunk(2, dim=1)
        return mean * 0.18215

    def micro(self, batch: Batch, seed: int) -> Micro:
        generator = torch.Generator().manual_seed(seed)
        condition = self.encode(batch.image)
        clean = torch.cat([self.encode(batch.pixels[:, n]) for n in range(batch.pixels.shape[1])], dim=1)
        # A cell of the latent may be used if all of its 8 x 8 pixels may be; the same for the channels of a target.
        spoiled = F.max_pool2d(1 - batch.valid.float().flatten(0, 1), 8, 8).unflatten(0, batch.valid.shape[:2])
        mask = (spoiled == 0).expand(-1, -1, 4, -1, -1).flatten(1, 2)
        t = torch.randint(0, 1000, (len(clean),), generator=generator)
        noise = annealed_noise(clean.shape, t, generator)
        signal = self.alphas[t].sqrt().float().reshape(-1, 1, 1, 1)
        spread = (1 - self.alphas[t]).sqrt().float().reshape(-1, 1, 1, 1)
        noisy, target = signal * clean + spread * noise, signal * noise - spread * clean
        prompt = self.prompt.expand(len(clean), -1, -1)
        output = self.unet(torch.cat([condition, noisy], dim=1), t, encoder_hidden_states=prompt).sample
        loss = F.mse_loss(output[mask], target[mask]) if mask.any() else output.sum() * 0
        (loss / ACCUMULATE).backward()
        return Micro(condition, clean, mask, t, noise, noisy, target, loss.detach())

    @torch.no_grad()
    def step(self, update: int, lr: float) -> None:
        """Update k, counted from 1."""
        for name, p in self.unet.named_parameters():
            after, self.moments[name] = adam(p, p.grad, self.moments[name], update, lr)
            p.copy_(after)
            p.grad = None

    def gradients(self) -> dict[str, Tensor]:
        return {name: p.grad.clone() for name, p in self.unet.named_parameters() if p.grad is not None}

    def weights(self) -> dict[str, Tensor]:
        return {name: p.detach().clone() for name, p in self.unet.named_parameters()}


# ---- the run ----


@dataclass(frozen=True)
class Maps(Dataset):
    """Waves in every field, 64 x 96 pixels; a corner of each sample may not be used, of one nearly everything."""

    card: DatasetCard = field(
        default=DatasetCard(
            ("depth", "normals", "albedo", "roughness", "metallicity", "shading", "residual"),
            ("train", "test"),
            "Apache-2.0",
            "closed form",
        ),
        init=False,
    )

    def scan(self, root: Path, split: str) -> Sequence[str]:
        return [f"{split}/{number}" for number in range(6)]

    def read(self, root: Path, key: str) -> Sample:
        y, x = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 96), indexing="ij")
        phase = torch.rand(3, 1, 1, generator=seeds.stream(0, key)) * 6
        waves = 0.5 + 0.5 * torch.sin(torch.tensor([[[7.0]], [[5.0]], [[9.0]]]) * (x + 0.6 * y) + phase)
        maps = {
            "depth": 1 + 4 * waves[:1],
            "normals": F.normalize(torch.cat([waves[:2] - 0.5, waves[2:] + 0.2]), dim=0),
            "albedo": waves,
            "roughness": waves[1:2],
            "metallicity": waves[2:],
            "shading": 2 * waves.flip(0),
            "residual": 0.3 * waves[[1, 2, 0]],
        }
        corner = (y < 0.3) & (x < 0.25)
        nearly_all = (y < 0.8) | (x > 0.3)
        usable = ~(nearly_all if key.endswith("3") else corner)[None]
        # Roughness has a hole of its own, of one pixel: the targets of appearance then differ in their masks.
        holes = {"roughness": usable & ~((y > 0.5) & (y < 0.52) & (x > 0.7) & (x < 0.72))[None]}
        maps["normals"] = torch.where(usable, maps["normals"], 0.0)
        return Sample(key, waves[[2, 0, 1]], maps, {name: holes.get(name, usable) for name in maps})


def recipe(modality: Modality, start: Path, **changes: Any) -> Recipe:
    """The published settings, with a full rate from the first update on unless `optim` says otherwise."""
    settings: dict[str, Any] = {
        "name": "toy",
        "modality": modality,
        "data": (Source(Maps(), capacity=6, block=6, renewal=0.0),),
        "start": str(start),
        "schedule": {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
        "objective": Denoise(noise="annealed", strength=0.9, unit_variance="batch"),
        "optim": Optim(lr=LR, warmup=0, decay=25_000, final=0.01, clip=0.0),
        "every": Every(log=1, save=0, validate=0),
        "steps": UPDATES,
        "batch": MICRO,
        "accumulate": ACCUMULATE,
        "average": 0.0,
        "validation_batches": 0,
        "scored": 0,
    }
    return Recipe(**{**settings, **changes})


class Call(NamedTuple):
    """A method's call as it happened."""

    owner: Any
    arguments: tuple[Any, ...]
    result: Any


@dataclass(repr=False, eq=False)
class Record:
    """What a run did: its calls by the method's name, and gradients and weights around each optimizer step."""

    calls: dict[str, list[Call]] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)
    before: list[dict[str, Tensor]] = field(default_factory=list)
    gradients: list[dict[str, Tensor]] = field(default_factory=list)
    after: list[dict[str, Tensor]] = field(default_factory=list)

    def spy(self, patch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        original, calls = getattr(owner, name), self.calls.setdefault(name, [])

        def recorded(this: Any, *arguments: Any) -> Any:
            result = original(this, *arguments)
            calls.append(Call(this, arguments, result))
            return result

        patch.setattr(owner, name, recorded)

    def parameters(self) -> Iterator[tuple[str, Tensor]]:
        estimator = self.calls["loss"][0].arguments[0]
        return estimator.backbone.denoiser.named_parameters()

    def stepping(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self.rates.extend({group["lr"] for group in optimizer.param_groups})
        self.before.append({name: p.detach().clone() for name, p in self.parameters()})
        self.gradients.append({name: p.grad.clone() for name, p in self.parameters() if p.grad is not None})

    def stepped(self, *_: Any) -> None:
        self.after.append({name: p.detach().clone() for name, p in self.parameters()})


def recorded(made: Recipe, folder: Path) -> Record:
    """Runs a recipe as `marigold train` does."""
    record = Record()
    hooks = [
        register_optimizer_step_pre_hook(record.stepping),
        register_optimizer_step_post_hook(record.stepped),
    ]
    try:
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in ((Denoise, "prepare"), (Denoise, "loss"), (Schedule, "mix"), (Schedule, "target")):
                record.spy(patch, owner, name)
            train(made, folder)
    finally:
        for hook in hooks:
            hook.remove()
    return record


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of Stable Diffusion 2, of small networks with random weights; its cells have 8 x 8 pixels."""
    workplace = tmp_path_factory.mktemp("start")
    torch.manual_seed(1)
    made = parts(workplace, 4, 4)
    made["vae"] = AutoencoderKL(
        block_out_channels=[8] * 4,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=4,
        norm_num_groups=4,
    )
    pipeline = StableDiffusionPipeline(
        scheduler=DDIMScheduler(**FIRST),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        **made,
    )
    pipeline.save_pretrained(workplace / "sd")
    return workplace / "sd"


@dataclass(repr=False, eq=False)
class Pair:
    """A run, and the transcription of its updates; pytest would take minutes to print it."""

    ours: Record
    micros: list[Micro]
    start: dict[str, Tensor]
    gradients: list[dict[str, Tensor]]
    weights: list[dict[str, Tensor]]


@pytest.fixture(scope="module", params=MODALITIES)
def pair(request: pytest.FixtureRequest, generator: Path, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    modality = MODALITIES[request.param]
    ours = recorded(recipe(modality, generator), tmp_path_factory.mktemp("run") / "run")
    theirs = Published(generator, len(modality.targets))
    losses = ours.calls["loss"]
    batches = [call.arguments[1] for call in ours.calls["prepare"]][-len(losses) :]
    noises = [call.arguments[3].initial_seed() for call in losses]
    found = Pair(ours, [], theirs.weights(), [], [])
    for update in range(UPDATES):
        for number in range(ACCUMULATE * update, ACCUMULATE * (update + 1)):
            found.micros.append(theirs.micro(batches[number], noises[number]))
        found.gradients.append(theirs.gradients())
        theirs.step(update + 1, LR * learning_rate(update + 1, warmup=0))
        found.weights.append(theirs.weights())
    return found


def close(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    """Every tensor to 1e-5 of its largest entry."""
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * float(other.abs().max()))


def test_every_update_takes_its_number_of_micro_batches(pair):
    shapes = [tuple(call.arguments[1]["condition"].shape) for call in pair.ours.calls["loss"]]
    assert shapes == [(MICRO, 4, 8, 12)] * (UPDATES * ACCUMULATE)


def test_betas_leave_no_signal_at_the_last_time(pair):
    schedule = pair.ours.calls["mix"][0].owner
    close([schedule.signal, schedule.noise], [alphas_cumprod().sqrt().float(), (1 - alphas_cumprod()).sqrt().float()])


def test_times_are_drawn_first(pair):
    for call, micro in zip(pair.ours.calls["mix"], pair.micros, strict=True):
        assert call.arguments[2].tolist() == micro.t.tolist()


def test_the_condition_is_the_latent_of_the_photo(pair):
    close(
        [call.arguments[1]["condition"] for call in pair.ours.calls["loss"]],
        [micro.condition for micro in pair.micros],
    )


def test_the_targets_latents_lie_side_by_side(pair):
    close([call.arguments[0] for call in pair.ours.calls["mix"]], [micro.clean for micro in pair.micros])


def test_noise(pair):
    close([call.arguments[1] for call in pair.ours.calls["mix"]], [micro.noise for micro in pair.micros])


def test_noisy_latents(pair):
    close([call.result for call in pair.ours.calls["mix"]], [micro.noisy for micro in pair.micros])


def test_the_target_is_the_velocity(pair):
    close([call.result for call in pair.ours.calls["target"]], [micro.target for micro in pair.micros])


def test_cells_with_an_unusable_pixel_are_masked(pair):
    for call, micro in zip(pair.ours.calls["loss"], pair.micros, strict=True):
        assert torch.equal(call.arguments[1]["valid"].expand_as(micro.mask), micro.mask)


def test_the_masks_have_something_to_mask(pair):
    shares = [float(micro.mask.float().mean()) for micro in pair.micros]
    assert all(0 < share < 1 for share in shares) and len(set(shares)) > 1


def test_the_network_is_widened(pair):
    close(list(pair.ours.before[0].values()), list(pair.start.values()))


def test_the_loss_is_the_mean_over_the_valid_elements(pair):
    close([call.result.detach() for call in pair.ours.calls["loss"]], [micro.loss for micro in pair.micros])


@pytest.mark.parametrize("update", range(UPDATES))
@pytest.mark.parametrize("name", ENDS)
def test_gradients_of_the_first_and_the_last_layer(pair, name, update):
    close([pair.ours.gradients[update][name]], [pair.gradients[update][name]])


def test_adam_makes_these_steps_of_these_gradients(pair):
    ours = pair.ours
    for name, p in pair.ours.before[0].items():
        moments = Moments(torch.zeros_like(p).double(), torch.zeros_like(p).double())
        for update in range(UPDATES):
            p, g = ours.before[update][name].double(), ours.gradients[update][name].double()
            lr = LR * learning_rate(update + 1, warmup=0)
            expected, moments = adam(p, g, moments, update + 1, lr)
            # A weight of 0.5 is stored to 3e-8, a thousandth of the step.
            torch.testing.assert_close(ours.after[update][name].double(), expected, rtol=1e-7, atol=1e-5 * LR)


@pytest.mark.parametrize("update", range(UPDATES))
def test_weights_after_a_step(pair, update):
    found, expected = pair.ours.after[update], pair.weights[update]
    assert found.keys() == expected.keys()
    # Where a gradient is hardly more than its rounding, the step, which is of length 3e-5 everywhere, is as uncertain.
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_the_first_update_has_the_rate_0_and_the_second_a_hundredth(generator, tmp_path):
    made = recipe(Depth(), generator, optim=Optim(lr=LR, clip=0.0), accumulate=1)
    assert recorded(made, tmp_path / "run").rates == pytest.approx([0, LR / 100], rel=1e-5)


@pytest.mark.parametrize(("update", "share"), [(1, 0.0), (100, 0.99), (101, 1.0), (12_551, 0.1), (30_000, 0.01)])
def test_the_learning_rate_of_an_update(update, share):
    assert learning_rate(update) == pytest.approx(share, rel=1e-5)
    assert rate(update - 1, Optim(lr=LR)) == pytest.approx(LR * share, rel=1e-5)
