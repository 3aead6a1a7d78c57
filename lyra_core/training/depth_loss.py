# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the depth model is punished for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["LossWeights", "depth_loss", "elevation_target"]

_EDGE_JUMP = 0.12  # of log depth between neighbours: an occlusion edge
_SCALES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the terms beside the shape of log depth, which has weight 1.

    anchored: of the shift, where known depth fixes the unit. copied: of known pixels, beside the unknown ones.
    relative: of the relative error of depth, beside that of its logarithm. Too far costs more than too near then, as in
    AbsRel: a wall taken for an opening is off by several times its distance, an opening taken for a wall by less than once.
    """

    shift: float = 0.15
    gradient: float = 0.5
    edge: float = 2.0
    sky: float = 0.15
    elevation: float = 0.5
    anchored: float = 1.0
    copied: float = 0.5
    relative: float = 0.0


def elevation_target(height: int, width: int, focal: Tensor, center: Tensor, up: Tensor, stride: int) -> Tensor:
    """(B, height / stride, width / stride) sine of the elevation of cell rays. focal (B, 2), center (B, 2), up (B, 3)."""
    y = (torch.arange(height // stride, device=focal.device) + 0.5) * stride
    x = (torch.arange(width // stride, device=focal.device) + 0.5) * stride
    across = (x[None, None] - center[:, 0, None, None]) / focal[:, 0, None, None]
    down = (y[None, :, None] - center[:, 1, None, None]) / focal[:, 1, None, None]
    towards = up[:, 0, None, None] * across + up[:, 1, None, None] * down + up[:, 2, None, None]
    return towards / torch.sqrt(1 + across**2 + down**2)


def _median(values: Tensor, valid: Tensor) -> Tensor:
    """(B,) median over valid pixels, 0 where there is none."""
    hidden = values.detach().masked_fill(~valid, float("nan")).flatten(1)
    return torch.nan_to_num(torch.nanmedian(hidden, dim=1).values)


def _relative(error: Tensor) -> Tensor:
    """|exp(error) - 1| of an error of log depth, going on straight where the depth is more than e times too far."""
    return torch.where(error > 1, math.e * error - 1, torch.expm1(error.clamp(max=1)).abs())


def _gradient(error: Tensor, valid: Tensor) -> Tensor:
    total = error.new_zeros(())
    for step in _SCALES:
        e, v = error[:, ::step, ::step], valid[:, ::step, ::step]
        for axis in (1, 2):
            length = e.shape[axis] - 1
            both = v.narrow(axis, 1, length) & v.narrow(axis, 0, length)
            change = (e.narrow(axis, 1, length) - e.narrow(axis, 0, length)).abs() * both
            total = total + change.sum() / both.sum().clamp(min=1)
    return total / len(_SCALES)


def depth_loss(
    prediction: tuple[Tensor, Tensor, Tensor],
    depth: Tensor,
    elevation: Tensor,
    weights: LossWeights,
    hint: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of a batch and its terms.

    prediction: log depth (B, H, W), sky logit (B, H, W), elevation sine (B, h, w).
    depth: (B, H, W) metres, +inf for sky. elevation: (B, h, w) target.
    hint: (B, H, W) depth that the network was told, 0 where it was not.
    """
    log_depth, sky_logit, tilt = prediction
    sky = torch.isinf(depth)
    valid = ~sky & (depth > 0)
    target = torch.where(valid, depth, torch.ones_like(depth)).clamp(min=0.05).log()
    error = torch.where(valid, log_depth - target, torch.zeros_like(target))
    shift = _median(error, valid)
    centred = torch.where(valid, error - shift[:, None, None], torch.zeros_like(error))
    # Sky counts as far away when looking for edges: a roof's rim matters as much as a table's.
    relief = torch.where(sky, target.amax(dim=(1, 2), keepdim=True) + 1.0, target)[:, None]
    span = functional.max_pool2d(relief, 3, 1, 1) + functional.max_pool2d(-relief, 3, 1, 1)
    weight = valid * (1.0 + weights.edge * (span[:, 0] > _EDGE_JUMP))
    known = torch.zeros_like(valid) if hint is None else hint > 0
    weight = weight * torch.where(known, weights.copied, 1.0)
    mean = error.sum(dim=(1, 2)) / valid.sum(dim=(1, 2)).clamp(min=1)
    off = centred.abs()
    if weights.relative > 0:
        # It would rather have all depth nearer; a shift of the whole is what `scale` alone decides.
        moved = (mean - mean.detach())[:, None, None]
        off = off + weights.relative * _relative((centred - moved) * valid)
    shape = (weight * off).sum() / weight.sum().clamp(min=1)
    gradient = _gradient(error, valid)
    shifts = mean.abs()
    told = known.flatten(1).any(dim=1)
    scale = (shifts * torch.where(told, weights.anchored, weights.shift)).mean()
    sky_loss = functional.binary_cross_entropy_with_logits(sky_logit, sky.to(sky_logit.dtype))
    tilt_loss = (tilt - elevation).abs().mean()
    total = shape + scale + weights.gradient * gradient + weights.sky * sky_loss + weights.elevation * tilt_loss
    terms = {"shape": shape, "shift": shifts.mean(), "gradient": gradient, "sky": sky_loss, "tilt": tilt_loss}
    return total, {name: value.detach() for name, value in terms.items()}  # numbers would wait for the device
