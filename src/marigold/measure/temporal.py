"""How steady the depth of a clip is, where cameras and truth are known: temporal alignment error and flicker.

All depths are planar, in metres, [H, W]; a prediction is brought to metres by one scale and shift for the whole clip
first, so that what differs from frame to frame counts.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core.sample import Camera

OCCLUDED = 0.02
"""A point whose depth in the other frame differs by more than this share from what is seen there is hidden there."""


@dataclass(frozen=True)
class Pose:
    """Where a camera is."""

    eye: Tensor
    """[3] world, metres."""
    turn: Tensor
    """[3, 3] camera axes (right, up, back) to the world, in columns."""


@dataclass(frozen=True)
class Landing:
    """Where the points that the pixels of one frame show are seen in another."""

    places: Tensor
    """[H, W, 2] in -1 to 1 from the left and the top edge to the others, as `grid_sample` takes them."""
    depth: Tensor
    """[H, W] in the other frame, metres."""
    inside: Tensor
    """[H, W] bool: in front of the other camera and within its picture."""

    def sampled(self, values: Tensor) -> Tensor:
        """Another frame's values [H, W], interpolated there; its border where a point lies outside."""
        places = self.places.to(values).clamp(-1e3, 1e3)
        found = F.grid_sample(values[None, None], places[None], "bilinear", "border", align_corners=False)
        return found[0, 0]


def land(depth: Tensor, camera: Camera, pose: Pose, other: Pose) -> Landing:
    """Where the points at a frame's depths are in another frame of the same camera."""
    height, width = depth.shape
    rows, columns = (torch.arange(side, dtype=torch.float64) + 0.5 for side in (height, width))
    x = ((columns - camera.cx) / camera.fx).expand(height, width)
    y = ((camera.cy - rows) / camera.fy)[:, None].expand(height, width)
    # [H, W, 3] in camera axes => world => the other camera's axes
    points = torch.stack((x, y, -torch.ones_like(x)), -1) * depth.double()[..., None]
    world = points @ pose.turn.double().T + pose.eye.double()
    seen = (world - other.eye.double()) @ other.turn.double()
    far = -seen[..., 2]
    safe = far.clamp(min=1e-6)
    u, v = camera.cx + camera.fx * seen[..., 0] / safe, camera.cy - camera.fy * seen[..., 1] / safe
    places = torch.stack((2 * u / width - 1, 2 * v / height - 1), -1)
    return Landing(places, far, (far > 1e-6) & (places.abs() <= 1).all(dim=-1))


def static_pairs(
    truth: Tensor, other_truth: Tensor, static: Tensor, other_static: Tensor, camera: Camera, pose: Pose, other: Pose
) -> tuple[Landing, Tensor]:
    """Where the points of a frame truly are in another, and which [H, W] stand still and are seen in both.

    `static` and `other_static` are bool: depth is known and what is there does not move.
    """
    landing = land(truth, camera, pose, other)
    there = landing.sampled(other_truth.double())
    seen = (there - landing.depth).abs() <= OCCLUDED * landing.depth
    return landing, static & landing.inside & seen & (landing.sampled(other_static.double()) > 0.999)


def flicker(
    predicted: Tensor, other: Tensor, truth: Tensor, other_truth: Tensor, landing: Landing, static: Tensor
) -> Tensor:
    """How much the relative error of static points changes from a frame to another, the mean; NaN without a point.

    What the camera's motion changes of a point's depth is in the truth too, so that it does not count.
    """
    here = (predicted.double() - truth) / truth
    there = landing.sampled((other.double() - other_truth) / other_truth)
    return (there - here).abs()[static].mean()


def alignment_error(
    predicted: Tensor, other: Tensor, static: Tensor, camera: Camera, pose: Pose, other_pose: Pose
) -> Tensor:
    """How far the points of a frame's prediction, seen from another frame, are from that frame's prediction.

    The mean absolute relative difference over static pixels that land within the picture (the temporal alignment error
    of Yang et al. 2024, Depth Any Video, one direction of it); NaN without one.
    """
    landing = land(predicted, camera, pose, other_pose)
    there = landing.sampled(other.double())
    off = (landing.depth - there).abs() / there.clamp(min=1e-6)
    return off[static & landing.inside].mean()
