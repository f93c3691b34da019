"""Muon: the momentum of every matrix, made orthogonal, is its update (Jordan et al. 2024).

A convolution's kernel counts as the matrix [out, in * height * width]. Rates are AdamW's: an update's root mean square
is the one that AdamW's updates typically have (Liu et al. 2025, "Muon is scalable for LLM training", sec. 2.2).
`torch.optim.Muon` computes the same for linear layers alone, one matrix at a time; here all matrices of one shape are
one batch, so that a GPU is not kept waiting for thousands of small kernels.
"""

import torch
from torch import Tensor

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration, chosen for speed: singular values end between about 0.7 and 1.2."""
ROUNDS = 5
MOMENTUM = 0.95
RMS = 0.2
"""The root mean square of AdamW's updates, relative to the rate."""
TINY = 1e-7


class Muon(torch.optim.AdamW):
    """Muon for matrices and convolutions; AdamW for biases and scales, which have no matrix to speak of."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient; matrices' gradients are None afterwards."""
        for group in self.param_groups:
            matrices: list[Tensor] = [p for p in group["params"] if p.ndim > 1 and p.grad is not None]
            for alike in _by_shape(matrices):
                self._turn(alike, group["lr"], group["weight_decay"])
            for p in matrices:
                p.grad = None  # which AdamW passes over
        super().step(closure)

    def _turn(self, alike: list[Tensor], lr: float, weight_decay: float) -> None:
        """Updates parameters of one matrix shape."""
        gradients = [p.grad for p in alike if p.grad is not None]
        memories = [self._memory(p) for p in alike]
        torch._foreach_lerp_(memories, gradients, 1 - MOMENTUM)
        ahead = torch._foreach_lerp(gradients, memories, MOMENTUM)
        updates = orthogonal(torch.stack([x.flatten(1) for x in ahead]))
        size = RMS * max(updates.shape[-2:]) ** 0.5
        torch._foreach_mul_(alike, 1 - lr * weight_decay)
        changes = [x.view(p.shape) for x, p in zip(updates.unbind(), alike, strict=True)]
        torch._foreach_add_(alike, changes, alpha=-lr * size)

    def _memory(self, p: Tensor) -> Tensor:
        state = self.state[p]
        if not state:
            state["step"] = torch.zeros(())  # AdamW looks for it when it is loaded
            state["momentum_buffer"] = torch.zeros_like(p)
        return state["momentum_buffer"]


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly: U V^T of the singular value decomposition of [B, M, N].

    Five rounds of a quintic Newton-Schulz iteration in bfloat16.
    """
    a, b, c = QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = (x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=TINY)).bfloat16()
    for _ in range(ROUNDS):
        square = x @ x.mT
        factor = torch.baddbmm(square, square, square, beta=b, alpha=c)
        x = torch.baddbmm(x, factor, x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


def _by_shape(matrices: list[Tensor]) -> list[list[Tensor]]:
    alike: dict[tuple[int, ...], list[Tensor]] = {}
    for p in matrices:
        alike.setdefault((len(p), p[0].numel()), []).append(p)
    return list(alike.values())
