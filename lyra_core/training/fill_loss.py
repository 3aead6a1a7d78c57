# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of the generator; all look at the holes only, since known pixels are kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lyra_core.models.depth.encoder import Encoder

__all__ = ["FillWeights", "PatchCritic", "adversary_loss", "critic_loss", "fill_loss"]

_SMALL = 4e-4  # of squared error in [-1, 1]: (0.01 of the range)^2
_TAPS = 3  # features at 1/2, 1/4 and 1/8


@dataclass(frozen=True, slots=True)
class FillWeights:
    """Weights: squared error (beside 1 x absolute), depth, gradient, perceptual; adversary is switched on late.

    ratio: of the logarithm of each sample's own squared error, which is its PSNR but for a factor: a view of plain walls
    counts as much as one of leaves.
    """

    square: float = 1.0
    depth: float = 0.5
    gradient: float = 0.5
    perceptual: float = 0.1
    adversary: float = 0.02
    ratio: float = 0.0


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1.0)


def _ratio(square: Tensor, hole: Tensor) -> Tensor:
    """Mean over the samples of the logarithm of their squared error in holes; a hundredth of the range is no error."""
    error = (square * hole).sum(dim=(1, 2, 3)) / hole.sum(dim=(1, 2, 3)).clamp_min(1.0)
    return (error + _SMALL).log().mean()


def _steps(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def _perceptual(encoder: Encoder, made: Tensor, truth: Tensor, hole: Tensor) -> Tensor:
    """L1 of frozen features where the hole is, each tap normalised by the mean size of the truth's features."""
    pad = (0, -made.shape[-1] % 32, 0, -made.shape[-2] % 32)
    found = encoder(functional.pad(made, pad, mode="replicate"))[:_TAPS]
    with torch.no_grad():
        wanted = encoder(functional.pad(truth, pad, mode="replicate"))[:_TAPS]
    total = made.new_zeros(())
    for a, b in zip(found, wanted, strict=True):
        cover = functional.interpolate(functional.pad(hole, pad), size=a.shape[-2:], mode="area")
        total = total + _mean((a - b).abs().mean(dim=1, keepdim=True), cover) / b.abs().mean().clamp_min(1e-3)
    return total / _TAPS


def fill_loss(
    made: Tensor, truth: Tensor, hole: Tensor, valid: Tensor, weights: FillWeights, encoder: Encoder | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and its terms.

    Parameters
    ----------
    made, truth: (B, 4, H, W) rgb in [-1, 1] and encoded depth. hole, valid: (B, 1, H, W), 1 where unknown and where
    the truth has a depth.
    """
    difference = made - truth
    colour = _mean(difference[:, :3].abs().mean(dim=1, keepdim=True), hole)
    squared = difference[:, :3].square().mean(dim=1, keepdim=True)
    square = _mean(squared, hole)
    depth = _mean(difference[:, 3:].abs(), hole * valid)
    across, down = _steps(difference[:, :3])
    gradient = _mean(across.abs().mean(1, True), hole[..., 1:]) + _mean(down.abs().mean(1, True), hole[..., 1:, :])
    loss = colour + weights.square * square + weights.depth * depth + weights.gradient * gradient
    terms = {"colour": colour, "square": square, "depth": depth, "gradient": gradient}
    if weights.ratio > 0:
        terms["ratio"] = _ratio(squared, hole)
        loss = loss + weights.ratio * terms["ratio"]
    if encoder is not None and weights.perceptual > 0:
        perceptual = _perceptual(encoder, made[:, :3], truth[:, :3], hole)
        loss = loss + weights.perceptual * perceptual
        terms["perceptual"] = perceptual
    return loss, {name: value.detach() for name, value in terms.items()}  # numbers would wait for the device


class PatchCritic(nn.Module):
    """(B, 4, H, W), (B, 1, H, W) hole to (B, 1, H / 8, W / 8): how real each patch looks."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((5, width), (width, 2 * width), (2 * width, 3 * width)):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, nn.Conv2d(3 * width, 1, 1))

    def forward(self, view: Tensor, hole: Tensor) -> Tensor:
        """Scores; see the class."""
        return self.body(torch.cat([view, hole], dim=1))


def critic_loss(critic: PatchCritic, made: Tensor, truth: Tensor, hole: Tensor) -> Tensor:
    """Hinge loss of the critic on patches that are mostly hole."""
    cover = (functional.avg_pool2d(hole, 8) > 0.5).to(made.dtype)
    real = _mean(functional.relu(1 - critic(truth, hole)), cover)
    return real + _mean(functional.relu(1 + critic(made.detach(), hole)), cover)


def adversary_loss(critic: PatchCritic, made: Tensor, hole: Tensor) -> Tensor:
    """What the generator wants: patches of the holes that the critic takes for real."""
    return -_mean(critic(made, hole), (functional.avg_pool2d(hole, 8) > 0.5).to(made.dtype))
