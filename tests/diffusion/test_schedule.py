"""The algebra: a noisy latent and a network's output are two equations for the clean latent and the noise."""

import pytest
import torch

from marigold.core.errors import ConfigError
from marigold.diffusion.schedule import Output, Schedule

# Stable Diffusion 2 as it is fine-tuned: zero terminal SNR, trailing, and a trace of noise after the last step.
FINE_TUNED = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "rescale_betas_zero_snr": True,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "clip_sample": False,
}


def schedule(**changes) -> Schedule:
    return Schedule.from_config({**FINE_TUNED, **changes})


def straight() -> Schedule:
    """A rectified flow of ten times: the share of noise is 0.1, 0.2, ..., 1."""
    noise = torch.linspace(0.1, 1, 10)
    return Schedule(1 - noise, noise, Output.FLOW, spacing="trailing")


@pytest.mark.parametrize(
    ("output", "row"), [("epsilon", (0, 1)), ("sample", (1, 0)), ("v_prediction", (-0.8, 0.6)), ("flow", (-1, 1))]
)
def test_a_network_outputs_its_row_of_the_pair(output, row):
    assert Output(output).row(0.6, 0.8) == row


@pytest.mark.parametrize("output", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("t", [0, 500, torch.tensor([3, 700])])
def test_clean_and_noise_come_back_from_mixture_and_output(output, t):
    clean, noise = torch.randn(2, 2, 3, 4, 4, dtype=torch.float64)
    paths = schedule(prediction_type=output)
    found = paths.solve(paths.mix(clean, noise, t), paths.target(clean, noise, t), t)
    torch.testing.assert_close(found, (clean, noise))


def test_a_flow_points_from_the_clean_latent_to_the_noise():
    clean, noise = torch.randn(2, 1, 3, 4, 4)
    flow = straight()
    torch.testing.assert_close(flow.target(clean, noise, 4), noise - clean)
    found = flow.solve(flow.mix(clean, noise, 4), noise - clean, 4)
    torch.testing.assert_close(found, (clean, noise))


def test_v_prediction_of_pure_noise_still_tells_the_clean_latent():
    clean, noise = torch.randn(2, 1, 3, 4, 4)
    found, _ = schedule().solve(noise, -clean, 999)
    torch.testing.assert_close(found, clean)


def test_the_published_fine_tuning_schedule_has_the_published_numbers():
    product = schedule().signal.double() ** 2
    found = product[[0, 1, 500, 999]].tolist()
    assert found == pytest.approx([0.99914998, 0.99823350, 0.24101864, 0], abs=1e-7)
    assert product[998].item() == pytest.approx(1.968e-7, rel=1e-3)


def test_signal_and_noise_have_unit_power_together():
    paths = schedule()
    torch.testing.assert_close(paths.signal**2 + paths.noise**2, torch.ones(1000))


def test_after_the_last_step_the_published_checkpoints_keep_a_trace_of_noise():
    a, s = schedule()(-1)
    assert (a.item() ** 2, s.item() ** 2) == pytest.approx((0.99915, 0.00085), abs=1e-6)


def test_set_alpha_to_one_ends_with_the_clean_latent():
    a, s = schedule(set_alpha_to_one=True)(-1)
    assert (a.item(), s.item()) == (1, 0)


def test_a_batch_of_times_gives_what_each_time_gives():
    paths, times = schedule(), torch.tensor([0, 31, 999])
    a, s = paths(times)
    assert a.shape == s.shape == (3, 1, 1, 1)
    assert list(zip(a.flatten(), s.flatten(), strict=True)) == [paths(t) for t in times.tolist()]


@pytest.mark.parametrize(
    ("spacing", "steps", "times"),
    [
        ("trailing", 1, [999, -1]),
        ("trailing", 4, [999, 749, 499, 249, -1]),
        ("leading", 1, [1, -1]),
        ("leading", 4, [751, 501, 251, 1, -1]),
        ("linspace", 2, [999, 0, -1]),
    ],
)
def test_steps_visit_the_known_times(spacing, steps, times):
    assert schedule(timestep_spacing=spacing).times(steps) == times


def test_every_step_goes_down_by_the_same_stride_and_ends_at_the_final_pair():
    assert schedule().pairs(4) == [(999, 749), (749, 499), (499, 249), (249, -1)]
    assert schedule().pairs(3) == [(999, 666), (666, 333), (332, -1)]


@pytest.mark.parametrize("t", [999, torch.tensor([4, 999])])
def test_epsilon_of_pure_noise_is_an_error_and_never_nan(t):
    blind = schedule(prediction_type="epsilon")
    x = torch.randn(2, 3, 4, 4)
    with pytest.raises(ConfigError, match="zero terminal SNR"):
        blind.solve(x, x, t)


def test_epsilon_with_zero_terminal_snr_is_fine_before_the_last_time():
    blind = schedule(prediction_type="epsilon")
    x = torch.randn(2, 3, 4, 4)
    clean, _ = blind.solve(x, x, torch.tensor([4, 998]))
    assert clean.isfinite().all()


def test_trained_betas_are_used_as_they_are():
    paths = Schedule.from_config({"trained_betas": [0.5, 0.5], "set_alpha_to_one": False})
    torch.testing.assert_close(paths.signal**2, torch.tensor([0.5, 0.25]))
    assert paths.length == 2


def test_an_empty_configuration_has_the_defaults_of_ddim():
    paths = Schedule.from_config({})
    assert (paths.length, paths.output, paths.spacing, paths.final) == (1000, Output.EPSILON, "leading", (1, 0))
    assert paths.signal[0].item() ** 2 == pytest.approx(1 - 1e-4)


@pytest.mark.parametrize("name", ["DDIMScheduler", "DDPMScheduler", "PNDMScheduler"])
def test_all_schedulers_of_the_family_describe_the_same_noise(name):
    paths = schedule(_class_name=name, skip_prk_steps=True)
    assert torch.equal(paths.signal, schedule().signal)


def test_a_written_configuration_reads_back_as_the_same_schedule():
    paths = schedule(_class_name="PNDMScheduler")
    again = Schedule.from_config(paths.config())
    assert torch.equal(again.signal, paths.signal)
    assert (again.final, again.output, again.spacing, again.steps_offset) == (
        paths.final,
        paths.output,
        paths.spacing,
        paths.steps_offset,
    )
    assert paths.config()["_class_name"] == "DDIMScheduler"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beta_schedule": "sigmoid"}, "beta_schedule named `sigmoid`"),
        ({"prediction_type": "flow"}, "prediction_type named `flow`"),
        ({"timestep_spacing": "even"}, "timestep_spacing named `even`"),
        ({"thresholding": True}, "thresholding"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "rectified flow"),
        ({"trained_betas": [0.1], "num_train_timesteps": 1000}, "1 trained_betas"),
        ({"trained_betas": []}, "0 trained_betas"),
        ({"trained_betas": [0.1, "x"]}, "trained_betas.1: expected float, found 'x'"),
        ({"trained_betas": 0.1}, "trained_betas: expected a list"),
        ({"num_train_timesteps": "many"}, "num_train_timesteps: expected int, found 'many'"),
        ({"num_train_timesteps": None}, "num_train_timesteps: expected int"),
        ({"num_train_timesteps": 0}, "num_train_timesteps: 0 cannot be used; it must be from 1 to 10000"),
        ({"beta_start": "small"}, "beta_start: expected float"),
        ({"beta_start": -0.1}, "beta_start: -0.1 cannot be used; it must be from 0 to 1"),
        ({"beta_end": float("nan")}, "beta_end: nan cannot be used"),
        ({"beta_schedule": []}, "beta_schedule: expected str"),
        ({"timestep_spacing": {}}, "timestep_spacing: expected str"),
        ({"prediction_type": 1}, "prediction_type: expected str"),
        ({"steps_offset": "1"}, "steps_offset: expected int"),
        ({"steps_offset": -1}, "steps_offset: -1 cannot be used"),
        ({"set_alpha_to_one": "false"}, "set_alpha_to_one: expected bool"),
        ({"rescale_betas_zero_snr": 1}, "rescale_betas_zero_snr: expected bool"),
        ({"_class_name": "LCMScheduler", "original_inference_steps": []}, "original_inference_steps: expected int"),
        ({"_class_name": "LCMScheduler", "timestep_scaling": 0}, "timestep_scaling: 0.0 cannot be used"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_named(changes, words):
    with pytest.raises(ConfigError, match=words):
        schedule(**changes)


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_numbers_of_steps_are_refused(steps):
    with pytest.raises(ConfigError, match=f"steps: {steps} is not between 1 and 1000"):
        schedule().pairs(steps)


def test_an_offset_that_leads_beyond_the_last_time_is_refused():
    with pytest.raises(ConfigError, match="beyond the last time"):
        schedule(timestep_spacing="leading").times(1000)


def test_a_schedule_that_was_not_read_cannot_be_written():
    with pytest.raises(ConfigError, match="can be written"):
        straight().config()
