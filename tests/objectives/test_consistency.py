"""Consistency distillation: its closed forms, whom its gradients reach, and what it refuses."""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.checkpoints.convention import Convention
from marigold.core.errors import ConfigError
from marigold.core.sample import Batch
from marigold.diffusion.schedule import Consistency
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.objectives.consistency import ConsistencyDistillation
from toys.scenes import NETWORK, Toy

LAST = 999


def estimator(prediction: str = "v_prediction", targets: int = 1, **changes) -> Estimator:
    torch.manual_seed(0)
    distilled = {"_class_name": "LCMScheduler", "original_inference_steps": 50, "prediction_type": prediction}
    schedule = {**NETWORK["schedule"], **distilled, **changes}
    backbone = StableDiffusion.tiny(**{**NETWORK, "schedule": schedule})
    backbone.adapt(conditions=1, targets=targets)
    return Estimator(backbone, Depth(), Card("toy", "depth")).requires_grad_(False)


def batch() -> Batch:
    sample = Toy().read_many(None, ["train/0", "train/1"], "cpu")
    pixels, valid = Depth().encode(sample)
    return Batch(sample.image * 2 - 1, pixels, valid, sample)


def rng(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def prepared(targets: int = 1) -> dict[str, torch.Tensor]:
    """Latents of two samples, all of whose cells may be used."""
    clean = torch.randn(2, 4 * targets, 8, 8, generator=rng(1))
    condition = torch.randn(2, 4, 8, 8, generator=rng(2))
    return {"clean": clean, "valid": torch.ones_like(clean, dtype=torch.bool), "condition": condition}


def constant(value: float):
    """A network that outputs one number everywhere."""
    return lambda x, t, condition: torch.full_like(x, value)


def answering(student: float, target: float, teacher: float = 0.0):
    """An estimator and its kept networks, whose clean latents are these numbers."""
    model = estimator("sample")
    kept = ConsistencyDistillation().setup(model)
    model.backbone.network = constant(student)
    kept["target"].backbone.network = constant(target)
    kept["teacher"].backbone.network = constant(teacher)
    return model, kept


# ---- closed forms ----


def test_the_boundary_of_times_in_a_tensor_is_that_of_each():
    # s = 0.5 t: at t = 0 the latent itself; at t = 1 s^2 = 1/4, so that skip = 1/2 and out = sqrt(1/2).
    skip, out = Consistency(timestep_scaling=0.5).boundary(torch.tensor([0, 1]))
    assert skip.tolist() == [1.0, 0.5]
    assert out.tolist() == pytest.approx([0.0, math.sqrt(0.5)])


def test_the_loss_is_the_pseudo_huber_distance_of_the_two_answers():
    # From time 400 on and after a step of 200 the answers are the clean latents to within 1e-6: d = 3, c = 4.
    model, kept = answering(student=2.0, target=-1.0)
    how = ConsistencyDistillation(skip=200, least=400, huber=4.0)
    assert float(how.loss(model, prepared(), kept, rng())) == pytest.approx(math.sqrt(9 + 16) - 4, abs=1e-5)


def test_the_teacher_steps_to_time_zero_where_less_than_a_step_is_left_and_its_estimate_is_the_target():
    # The last time is pure noise (zero terminal SNR), so the teacher's clean latent is 2 and its noise x. Time 0 keeps
    # a variance of 1 - 0.00085 of the signal, and the target's own network has no say there.
    _, kept = answering(student=0.0, target=7.0, teacher=2.0)
    x = torch.randn(2, 4, 8, 8, generator=rng())
    t = torch.full((2,), LAST)
    found = ConsistencyDistillation(skip=LAST)._target(kept, x, t, None)
    torch.testing.assert_close(found, 2 * math.sqrt(1 - 0.00085) + x * math.sqrt(0.00085))


def test_the_target_answers_at_the_end_of_the_teachers_step():
    model, kept = answering(student=0.0, target=0.0, teacher=2.0)
    seen = {}

    def spy(x, t, condition):
        seen.update(x=x, t=t, condition=condition)
        return torch.zeros_like(x)

    kept["target"].backbone.network = spy
    x, condition = torch.ones(2, 4, 8, 8), torch.full((2, 4, 8, 8), 3.0)
    ConsistencyDistillation(skip=499)._target(kept, x, torch.full((2,), LAST), condition)
    assert seen["t"].tolist() == [500, 500] and torch.equal(seen["condition"], condition)
    left = float(model.backbone.schedule.signal[500])
    torch.testing.assert_close(seen["x"], torch.full_like(x, 2 * left + math.sqrt(1 - left**2)))


@pytest.mark.parametrize("skip", [1, 20, 200, LAST])
def test_an_exact_consistency_function_has_no_loss(skip):
    # Where the truth is one latent z, noise stays along a trajectory, and every x of time t comes from one of time 0:
    # a0 z + s0 (x - a z) / s. A network whose answer that is, taught by one that knows z, has nothing to learn.
    model, given = estimator(), prepared()
    schedule, z = model.backbone.schedule, given["clean"]

    def teacher(x, t, condition):
        a, s = schedule(t)
        return a * (x - a * z) / s - s * z

    def exact(x, t, condition):
        (a, s), (a0, s0) = schedule(t), schedule(0)
        start = a0 * z + s0 * (x - a * z) / s
        skip, out = schedule.consistency.boundary(t.view(-1, 1, 1, 1))
        clean = torch.where(out > 0, (start - skip * x) / out, 0)
        return (a * x - clean) / s

    model.backbone.network = teacher
    kept = ConsistencyDistillation().setup(model)
    model.backbone.network = kept["target"].backbone.network = exact
    how = ConsistencyDistillation(skip=skip, huber=0.1)
    assert float(how.loss(model, given, kept, rng())) < 1e-6
    model.backbone.network = teacher  # which answers with z, and not with where the trajectory starts
    assert float(how.loss(model, given, kept, rng())) > 1e-4


def test_masked_cells_do_not_count():
    model, kept = answering(student=2.0, target=-1.0)
    given = prepared()
    given["valid"][..., 2:, :] = False
    model.backbone.network = lambda x, t, condition: torch.full_like(x, 2.0).index_fill(2, torch.arange(2, 8), 1e3)
    how = ConsistencyDistillation(least=400, huber=4.0)
    assert float(how.loss(model, given, kept, rng())) == pytest.approx(1.0, abs=1e-5)
    given["valid"][:] = False
    assert float(how.loss(model, given, kept, rng())) == 0


def test_times_are_drawn_from_the_least_to_the_last():
    model, kept = answering(0.0, 0.0)
    drawn = []
    model.backbone.network = lambda x, t, condition: drawn.extend(t.tolist()) or torch.zeros_like(x)
    clean = torch.zeros(4096, 4, 1, 1)
    given = {"clean": clean, "valid": clean == 0, "condition": clean}
    ConsistencyDistillation(least=990).loss(model, given, kept, rng())
    assert set(drawn) == set(range(990, 1000))


def test_noise_is_gaussian_unless_another_is_asked_for():
    model, kept = answering(0.0, 0.0)
    seen = []
    model.backbone.network = lambda x, t, condition: seen.append(x) or torch.zeros_like(x)
    clean = torch.zeros(2, 4, 64, 64)
    given = {"clean": clean, "valid": clean == 0, "condition": clean}
    for noise in ("gaussian", "multi_resolution"):
        ConsistencyDistillation(least=LAST, noise=noise).loss(model, given, kept, rng())
    # At the last time x is the noise. A mean of 4 x 4 white cells has a sixteenth of their variance.
    white, coarse = (float(torch.nn.functional.avg_pool2d(x, 4).var()) for x in seen)
    assert white == pytest.approx(1 / 16, rel=0.15)
    assert coarse > 4 * white


# ---- networks ----


@pytest.mark.parametrize("targets", [1, 2])
def test_gradients_reach_the_student_alone(targets):
    model, how = estimator(targets=targets), ConsistencyDistillation()
    student = how.trainable(model).requires_grad_(True)
    kept = how.setup(model)
    how.loss(model, prepared(targets), kept, rng()).backward()
    assert all(p.grad is not None for p in student.parameters())
    assert any(bool(p.grad.any()) for p in student.parameters())
    assert all(p.grad is None and not p.requires_grad for p in kept.parameters())
    assert all(p.grad is None for p in model.backbone.autoencoder.parameters())


def test_teacher_and_target_begin_as_the_denoiser_and_their_state_holds_nothing_else():
    model = estimator()
    kept = ConsistencyDistillation().setup(model)
    own = model.backbone.denoiser.state_dict()
    state = kept.state_dict()
    assert set(state) == {f"{name}.denoiser.{key}" for name in ("teacher", "target") for key in own}
    for key, value in own.items():
        for name in ("teacher", "target"):
            copied = state[f"{name}.denoiser.{key}"]
            assert torch.equal(copied, value) and copied.data_ptr() != value.data_ptr()
    assert kept["teacher"].backbone.autoencoder is model.backbone.autoencoder


def test_the_target_follows_the_student_and_the_teacher_stays():
    model, how = estimator(), ConsistencyDistillation(average=0.75)
    kept = how.setup(model)
    with torch.no_grad():
        for network, value in ((model.backbone.denoiser, 5.0), (kept["target"].denoiser, 1.0)):
            for p in network.parameters():
                p.fill_(value)
    taught = {name: p.clone() for name, p in kept["teacher"].named_parameters()}
    how.after_step(model, kept)
    assert all(bool((p == 2).all()) for p in kept["target"].parameters())  # 0.75 * 1 + 0.25 * 5
    assert all(bool((p == 5).all()) for p in model.backbone.denoiser.parameters())
    assert all(torch.equal(p, taught[name]) for name, p in kept["teacher"].named_parameters())


def test_a_student_learns_to_answer_as_its_target_does():
    model, how = estimator(), ConsistencyDistillation(skip=500)
    student = how.trainable(model).requires_grad_(True)
    kept, given, losses = how.setup(model), prepared(), []
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    for _ in range(40):
        loss = how.loss(model, given, kept, rng())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        how.after_step(model, kept)
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_a_preview_shows_photo_target_and_prediction():
    model, shown = estimator(), batch()
    preview = ConsistencyDistillation(preview_steps=2).preview(model, shown, rng())
    assert preview.shape == (2, 3, 3, 16, 16)
    assert torch.equal(preview[:, 1], shown.pixels[:, 0].clamp(-1, 1))


# ---- refusals ----


@pytest.mark.parametrize(
    ("model", "settings", "said"),
    [
        (
            {"_class_name": "DDIMScheduler"},
            {},
            r"recipe\.schedule: `consistency` trains for a scheduler of its own",
        ),
        (
            {"prediction": "epsilon"},
            {},
            r"recipe\.schedule: a teacher with `epsilon` output sees nothing in",
        ),
        ({"num_train_timesteps": 100}, {"least": 100}, "consistency: least: 100 cannot be used"),
        ({}, {"preview_steps": 51}, "consistency: preview_steps: steps: 51 are more than the 50"),
    ],
)
def test_what_cannot_be_distilled_is_refused_before_the_first_step(model, settings, said):
    with pytest.raises(ConfigError, match=said):
        ConsistencyDistillation(**settings).trainable(estimator(**model))


def test_a_teacher_of_one_step_is_refused():
    objective, backbone = ConsistencyDistillation(), estimator().backbone
    for before in (Convention(start="nothing", timestep=LAST), Convention("zeros", LAST), Convention("zeros")):
        with pytest.raises(ConfigError, match=r"recipe\.start: its network answers in one step, or without noise"):
            objective.convention(backbone, before)
    assert objective.convention(backbone, Convention()) == Convention()


def test_a_generator_is_no_teacher():
    backbone = SimpleNamespace(conditions=0)
    with pytest.raises(ConfigError, match=r"recipe\.start: a generator sees no photo"):
        ConsistencyDistillation().extend(backbone)


def test_the_teacher_steps_over_no_more_times_than_there_are():
    with pytest.raises(ConfigError, match=r"skip.*at most the"):
        ConsistencyDistillation(skip=LAST + 2).trainable(estimator())


@pytest.mark.parametrize("settings", [{"huber": 0.0}, {"average": 1.0}, {"skip": 0}, {"least": 0}])
def test_settings_that_teach_nothing_are_refused(settings):
    with pytest.raises(ConfigError, match=f"consistency: {next(iter(settings))}: .* cannot be used"):
        ConsistencyDistillation(**settings)


def test_weights_that_are_spread_over_processes_are_refused():
    model = estimator()
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        fully_shard(model.backbone.denoiser, mesh=init_device_mesh("cpu", (1,)))
        with pytest.raises(ConfigError, match=r"recipe\.plan\.sharding: `consistency` keeps whole networks"):
            ConsistencyDistillation().setup(model)
    finally:
        dist.destroy_process_group()
