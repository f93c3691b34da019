"""DDIM: exact where the answer is known."""

import torch

from marigold.diffusion.samplers import ddim
from marigold.diffusion.schedule import Output, Schedule

CONFIG = {"prediction_type": "v_prediction", "timestep_spacing": "trailing", "rescale_betas_zero_snr": True}


def test_a_perfect_denoiser_ends_at_the_final_mixture_in_any_number_of_steps():
    clean, noise = torch.randn(2, 1, 3, 4, 4)
    paths = Schedule.from_config({**CONFIG, "set_alpha_to_one": False})
    for steps in (1, 3, 10):
        found = ddim(lambda x, t: (clean, noise), noise, paths, steps)
        torch.testing.assert_close(found, paths.mix(clean, noise, -1))


def test_the_denoiser_sees_the_mixture_of_its_time():
    clean, noise = torch.randn(2, 1, 3, 4, 4)
    paths = Schedule.from_config(CONFIG)
    seen = []

    def denoise(x, t):
        seen.append(t)
        torch.testing.assert_close(x, paths.mix(clean, noise, t))
        return clean, noise

    ddim(denoise, noise, paths, 4)
    assert seen == [999, 749, 499, 249]


def test_on_a_rectified_flow_the_steps_are_euler_steps():
    share = torch.linspace(0.1, 1, 10)
    flow = Schedule(1 - share, share, Output.FLOW, spacing="trailing")
    start = torch.randn(1, 3, 4, 4, dtype=torch.float64)

    def velocity(x, t):
        return torch.sin(x) * (t + 1) / 10

    found = ddim(lambda x, t: flow.solve(x, velocity(x, t), t), start, flow, 5)
    x = start
    for t in (9, 7, 5, 3, 1):
        x = x - 0.2 * velocity(x, t)
    torch.testing.assert_close(found, x, atol=1e-6, rtol=1e-6)
