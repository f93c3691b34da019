"""What was asked for is fitted to the checkpoint: times that reach pure noise, and one step where there is only one."""

import pytest
import torch
from diffusers import DDIMScheduler

from marigold.checkpoints.convention import Convention
from marigold.core.errors import ConfigError
from marigold.diffusion.samplers import ddim
from marigold.diffusion.sampling import fit
from marigold.diffusion.schedule import Schedule

PUBLISHED = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_spacing": "leading",
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
MANY = Convention()


def schedule(**changes) -> Schedule:
    return Schedule.from_config({**PUBLISHED, **changes})


def times(steps, spacing="auto", **changes) -> list[int]:
    found = fit(schedule(**changes), MANY, steps, spacing)
    return found.schedule.times(found.steps)


@pytest.mark.parametrize(("steps", "expected"), [(1, [999, -1]), (4, [999, 749, 499, 249, -1])])
def test_leading_times_become_trailing_ones(steps, expected):
    assert times(steps) == expected


def test_the_change_is_noted_with_the_time_that_it_avoids():
    (note,) = fit(schedule(), MANY, 1).notes
    assert "`leading` times start at 1 of 1000" in note
    assert "--spacing" in note


def test_the_published_times_can_be_kept():
    found = fit(schedule(), MANY, 1, "published")
    assert (found.schedule.times(1), found.notes) == ([1, -1], ())


def test_asking_for_trailing_times_is_not_worth_a_note():
    found = fit(schedule(), MANY, 4, "trailing")
    assert (found.schedule.times(4), found.notes) == ([999, 749, 499, 249, -1], ())


def test_leading_times_that_reach_the_last_time_are_kept():
    # 500 steps of 2, with an offset of 1: 999, 997, ..., 1.
    found = fit(schedule(), MANY, 500)
    assert (found.schedule.spacing, found.notes) == ("leading", ())


def test_evenly_spaced_times_are_kept_but_for_a_single_one():
    assert times(2, timestep_spacing="linspace") == [999, 0, -1]
    assert times(1, timestep_spacing="linspace") == [999, -1]


def test_trailing_times_are_kept_without_a_note():
    found = fit(schedule(timestep_spacing="trailing"), MANY, 3)
    assert (found.schedule.spacing, found.notes) == ("trailing", ())


def test_times_at_which_the_output_is_blind_are_not_moved_to():
    options = {"prediction_type": "epsilon", "rescale_betas_zero_snr": True}
    assert times(4, **options) == [751, 501, 251, 1, -1]


def test_the_switched_times_are_those_of_a_trailing_scheduler_of_diffusers():
    noise = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    network = lambda x, t: torch.sin(x + int(t) / 1000)  # noqa: E731
    scheduler = DDIMScheduler(**{**PUBLISHED, "timestep_spacing": "trailing"}, clip_sample=False)
    scheduler.set_timesteps(3)
    expected = noise
    for t in scheduler.timesteps:
        expected = scheduler.step(network(expected, t), t, expected).prev_sample
    found = fit(schedule(), MANY, 3)
    paths = found.schedule
    sampled = ddim(lambda x, t: paths.solve(x, network(x, t), t), noise, paths, 3)
    torch.testing.assert_close(sampled, expected, atol=1e-5, rtol=0)


def test_a_spacing_is_written_along_with_its_schedule():
    assert schedule().with_spacing("trailing").config()["timestep_spacing"] == "trailing"
    with pytest.raises(ConfigError, match="no spacing named `sparse`"):
        schedule().with_spacing("sparse")


def test_a_single_step_checkpoint_takes_one_step_and_says_so():
    single = Convention(start="zeros", timestep=999)
    assert fit(schedule(), single, 1).notes == ()
    found = fit(schedule(), single, 10)
    assert (found.steps, found.notes) == (1, ("the checkpoint answers in one step; 10 were asked for",))


def test_the_times_of_a_consistency_model_are_its_own():
    found = fit(schedule(_class_name="LCMScheduler"), MANY, 4)
    assert (found.schedule.times(4), found.notes) == ([999, 759, 499, 259, -1], ())


@pytest.mark.parametrize("spacing", ["auto", "published", "trailing"])
def test_a_scheduler_of_another_kind_is_sampled_by_ddim_with_a_note(spacing):
    found = fit(schedule(_class_name="EulerDiscreteScheduler", timestep_spacing="trailing"), MANY, 4, spacing)
    assert found.notes == ("the steps of `EulerDiscreteScheduler` are not known here; took DDIM steps",)


def test_a_scheduler_of_another_kind_and_a_switch_of_times_are_both_noted():
    notes = fit(schedule(_class_name="DPMSolverMultistepScheduler"), MANY, 1).notes
    assert ["DPMSolverMultistepScheduler" in notes[0], "took `trailing` ones" in notes[1]] == [True, True]


@pytest.mark.parametrize("kind", ["DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "LCMScheduler"])
def test_schedulers_of_the_family_are_not_worth_a_note(kind):
    assert fit(schedule(_class_name=kind, timestep_spacing="trailing"), MANY, 4).notes == ()


def test_the_scheduler_of_a_single_step_checkpoint_does_not_matter():
    single = Convention(start="zeros", timestep=999)
    assert fit(schedule(_class_name="EulerDiscreteScheduler"), single, 1).notes == ()
