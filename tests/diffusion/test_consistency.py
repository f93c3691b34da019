"""Consistency models: their times, their boundary and their multistep sampling are those of diffusers' LCMScheduler."""

from itertools import product

import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler

from marigold.core.errors import ConfigError
from marigold.core.seeds import stream
from marigold.diffusion.samplers import lcm
from marigold.diffusion.schedule import Consistency, Schedule

BETAS = ("linear", "scaled_linear", "squaredcos_cap_v2")
OUTPUTS = ("epsilon", "sample", "v_prediction")


def pair(**changes) -> tuple[LCMScheduler, Schedule]:
    """A scheduler of diffusers, and what is read from the configuration that it writes."""
    scheduler = LCMScheduler(**changes)
    return scheduler, Schedule.from_config({"_class_name": "LCMScheduler", **scheduler.config})


def network(x: torch.Tensor, t: int) -> torch.Tensor:
    """Something smooth and bounded that depends on x and t."""
    return torch.tanh(x / (1 + x.abs().amax()) + torch.sin(x.roll(1, -1) * 0.1) + int(t) / 1000)


def reference(scheduler: LCMScheduler, x: torch.Tensor, steps: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps:
        x = scheduler.step(network(x, t), t, x, generator=generator).prev_sample
    return x


def sampled(schedule: Schedule, x: torch.Tensor, steps: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    denoise = lambda x, t: schedule.solve(x, network(x, t), t)  # noqa: E731
    return lcm(denoise, x, schedule, steps, lambda step: torch.randn(x.shape, generator=generator))


@pytest.mark.parametrize("final_one", [False, True])
@pytest.mark.parametrize(("betas", "output"), list(product(BETAS, OUTPUTS)))
def test_sampling_agrees_with_diffusers(betas, output, final_one):
    start = torch.randn(2, 4, 6, 8, generator=stream(0))
    for zero, steps in product((False, True), (1, 2, 4, 7, 50)):
        if zero and output == "epsilon":
            continue  # pure noise says nothing about the clean latent
        options = {
            "beta_schedule": betas,
            "prediction_type": output,
            "rescale_betas_zero_snr": zero,
            "set_alpha_to_one": final_one,
        }
        scheduler, schedule = pair(**options)
        expected = reference(scheduler, start, steps)
        scale = expected.abs().max().clamp(min=1)  # epsilon of nearly pure noise gives latents of many thousands
        found = sampled(schedule, start, steps)
        torch.testing.assert_close(found / scale, expected / scale, atol=1e-5, rtol=0, msg=f"{zero} {steps}")


@pytest.mark.parametrize(("length", "original"), [(1000, 50), (1000, 5), (1000, 37), (77, 20)])
def test_times_agree_with_diffusers_for_every_number_of_steps(length, original):
    scheduler, schedule = pair(num_train_timesteps=length, original_inference_steps=original)
    for steps in range(1, original + 1):
        scheduler.set_timesteps(steps)
        assert schedule.times(steps) == [*scheduler.timesteps.tolist(), -1], steps


@pytest.mark.parametrize("scaling", [1.0, 10.0])
def test_the_boundary_agrees_with_diffusers(scaling):
    scheduler, schedule = pair(timestep_scaling=scaling)
    for t in (0, 1, 19, 999):
        assert schedule.consistency.boundary(t) == scheduler.get_scalings_for_boundary_condition_discrete(t)


def test_at_time_zero_the_answer_is_the_latent_itself():
    assert Consistency().boundary(0) == (1, 0)


def test_missing_keys_are_those_of_the_consistency_scheduler():
    schedule = Schedule.from_config({"_class_name": "LCMScheduler", "prediction_type": "v_prediction"})
    torch.testing.assert_close(schedule.signal**2, LCMScheduler().alphas_cumprod, atol=1e-6, rtol=0)
    assert schedule.consistency == Consistency(original_steps=50, timestep_scaling=10.0)


def test_a_schedule_that_becomes_a_consistency_models_keeps_the_noise_of_its_own_kind():
    before = Schedule.from_config({"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"})
    after = before.changed({"_class_name": "LCMScheduler"})
    torch.testing.assert_close(after.signal**2, DDIMScheduler().alphas_cumprod, atol=1e-6, rtol=0)
    assert torch.equal(after.signal, before.signal) and after.consistency == Consistency()
    assert torch.equal(LCMScheduler.from_config(after.config()).alphas_cumprod, DDIMScheduler().alphas_cumprod)


def test_no_noise_is_drawn_after_the_last_step():
    _, schedule = pair(prediction_type="sample")
    drawn = []

    def fresh(step):
        drawn.append(step)
        return torch.zeros(1, 4, 2, 2)

    clean = torch.ones(1, 4, 2, 2)
    found = lcm(lambda x, t: (clean, x), torch.zeros(1, 4, 2, 2), schedule, 3, fresh)
    assert drawn == [0, 1]
    torch.testing.assert_close(found, clean, atol=1e-3, rtol=0)


def test_one_step_needs_no_fresh_noise_and_more_do():
    _, schedule = pair(prediction_type="sample")
    x = torch.zeros(1, 4, 2, 2)
    assert lcm(lambda x, t: (x, x), x, schedule, 1).shape == x.shape
    with pytest.raises(ConfigError, match="2 steps of a consistency model need fresh noise"):
        lcm(lambda x, t: (x, x), x, schedule, 2)


def test_more_steps_than_it_was_distilled_from_are_refused():
    _, schedule = pair(original_inference_steps=50)
    with pytest.raises(ConfigError, match="51 are more than the 50"):
        schedule.times(51)


def test_an_impossible_number_of_original_steps_is_refused():
    with pytest.raises(ConfigError, match="original_inference_steps 0"):
        Schedule.from_config({"_class_name": "LCMScheduler", "original_inference_steps": 0})


def test_a_written_configuration_makes_the_same_scheduler_in_diffusers():
    scheduler, schedule = pair(original_inference_steps=20, timestep_scaling=3.0, rescale_betas_zero_snr=True)
    again = LCMScheduler.from_config(schedule.config())
    assert schedule.config()["_class_name"] == "LCMScheduler"
    assert torch.equal(again.alphas_cumprod, scheduler.alphas_cumprod)
    assert (again.config.original_inference_steps, again.config.timestep_scaling) == (20, 3.0)
