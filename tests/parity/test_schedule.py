"""Schedules and DDIM give what diffusers' schedulers give, over the whole grid of the Stable Diffusion family."""

import json
from itertools import product

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, LCMScheduler

from marigold.core.errors import ConfigError
from marigold.core.seeds import stream
from marigold.diffusion.samplers import ddim, lcm
from marigold.diffusion.schedule import Schedule

BETAS = ("linear", "scaled_linear", "squaredcos_cap_v2")
OUTPUTS = ("epsilon", "sample", "v_prediction")
SPACINGS = ("leading", "linspace", "trailing")
STEPS = (1, 2, 4, 10, 50)


def config(betas="scaled_linear", zero=True, spacing="trailing", output="v_prediction", final_one=False) -> dict:
    return {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": betas,
        "prediction_type": output,
        "timestep_spacing": spacing,
        "rescale_betas_zero_snr": zero,
        "set_alpha_to_one": final_one,
        "steps_offset": 1,
        "clip_sample": False,
    }


def network(x: torch.Tensor, t: int) -> torch.Tensor:
    """Something smooth and bounded that depends on x and t."""
    return torch.tanh(x / (1 + x.abs().amax()) + torch.sin(x.roll(1, -1) * 0.1) + int(t) / 1000)


def reference(scheduler: DDIMScheduler, x: torch.Tensor, steps: int) -> torch.Tensor:
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps:
        x = scheduler.step(network(x, t), t, x).prev_sample
    return x


@pytest.mark.parametrize("final_one", [False, True])
@pytest.mark.parametrize(("betas", "zero", "spacing"), list(product(BETAS, (False, True), SPACINGS)))
def test_ddim_agrees_with_diffusers(betas, zero, spacing, final_one):
    noise = torch.randn(1, 4, 6, 8, generator=stream(0))
    for output, steps in product(OUTPUTS, STEPS):
        options = config(betas, zero, spacing, output, final_one)
        schedule = Schedule.from_config(options)
        denoise = lambda x, t, paths=schedule: paths.solve(x, network(x, t), t)  # noqa: E731
        if zero and output == "epsilon" and schedule.times(steps)[0] == 999:
            with pytest.raises(ConfigError, match="zero terminal SNR"):  # diffusers: NaN
                ddim(denoise, noise, schedule, steps)
            continue
        expected = reference(DDIMScheduler(**options), noise, steps)
        found = ddim(denoise, noise, schedule, steps)
        scale = expected.abs().max().clamp(min=1)  # epsilon of nearly pure noise gives latents of many thousands
        torch.testing.assert_close(found / scale, expected / scale, atol=1e-5, rtol=0, msg=f"{output} {steps}")


@pytest.mark.parametrize(("betas", "zero"), list(product(BETAS, (False, True))))
def test_noisy_latents_and_targets_agree_with_diffusers(betas, zero):
    clean, noise = torch.randn(2, 5, 4, 6, 8, generator=stream(0))
    times = torch.tensor([0, 1, 499, 998, 999])
    schedule, scheduler = Schedule.from_config(config(betas, zero)), DDPMScheduler(**_training(betas, zero))
    expected = scheduler.add_noise(clean, noise, times), scheduler.get_velocity(clean, noise, times)
    found = schedule.mix(clean, noise, times), schedule.target(clean, noise, times)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("betas", BETAS)
def test_the_table_agrees_with_diffusers_at_other_lengths(betas):
    options = {"beta_schedule": betas, "num_train_timesteps": 77}
    expected = DDIMScheduler(**options).alphas_cumprod
    torch.testing.assert_close(Schedule.from_config(options).signal ** 2, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_times_agree_with_diffusers_for_every_number_of_steps(spacing):
    options = {"timestep_spacing": spacing}
    schedule, scheduler = Schedule.from_config(options), DDIMScheduler(**options)
    for steps in range(1, 1001):
        scheduler.set_timesteps(steps)
        # For some numbers of trailing steps a rounding error gives diffusers one step too many, at time -1.
        expected = [t for t in scheduler.timesteps.tolist() if t >= 0]
        assert schedule.times(steps)[:-1] == expected, steps


def test_one_consistency_step_agrees_with_diffusers():
    options = {**config(zero=False), "timestep_spacing": "leading"}
    scheduler = LCMScheduler(**{key: value for key, value in options.items() if key != "steps_offset"})
    scheduler.set_timesteps(1)
    schedule = Schedule.from_config(json.loads(scheduler.to_json_string()))
    assert schedule.times(1)[:-1] == scheduler.timesteps.tolist()
    noise = torch.randn(1, 4, 6, 8, generator=stream(0))
    expected = scheduler.step(network(noise, 999), scheduler.timesteps[0], noise).prev_sample
    found = lcm(lambda x, t: schedule.solve(x, network(x, t), t), noise, schedule, 1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_written_configuration_makes_the_same_scheduler_in_diffusers():
    options = config()
    scheduler = DDIMScheduler.from_config(Schedule.from_config(options).config())
    assert torch.equal(scheduler.alphas_cumprod, DDIMScheduler(**options).alphas_cumprod)
    assert (scheduler.config.clip_sample, scheduler.config.timestep_spacing) == (False, "trailing")


def _training(betas: str, zero: bool) -> dict:
    """The options that DDPMScheduler has too."""
    return {key: value for key, value in config(betas, zero).items() if key != "set_alpha_to_one"}
