# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the depth network is told: depth that is known already at some pixels, as features for its decoder.

The known log(z / f), in the network's own unit, and its mask are folded into cells of a quarter of the resolution and
go through a small pyramid whose results are added to the decoder's. The last layer of each starts at zero (as in Zhang
et al. 2023, "Adding Conditional Control to Text-to-Image Diffusion Models"), so that a network that was trained without
hints says the same with one, until it has learned better. A sample without any known depth gets exact zeros.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["HintBranch", "HintFeatures"]

_WIDTH = (32, 48, 64, 64)  # channels at 1/4, 1/8, 1/16, 1/32
_CELL = 4


class HintFeatures(NamedTuple):
    """What is added to the decoder: at 1/4 (detail and lateral), 1/8, 1/16 and 1/32 of the resolution."""

    detail: Tensor
    quarter: Tensor
    eighth: Tensor
    sixteenth: Tensor
    top: Tensor


def _zero(inputs: int, outputs: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 1, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


def _step(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.ReLU(inplace=True))


class HintBranch(nn.Module):
    """Known depth to decoder features.

    forward(log_ratio (B, H, W), known (B, H, W) of 0 and 1): log(z / f) less its typical value where known (anything
    elsewhere), with H and W multiples of 32.
    """

    def __init__(self, quarter: int, eighth: int, sixteenth: int, top: int) -> None:
        super().__init__()
        first, second, third, last = _WIDTH
        self.fold = nn.Sequential(nn.Conv2d(2 * _CELL * _CELL, first, 1), nn.ReLU(inplace=True), _step(first, first, 1))
        self.down8 = _step(first, second, 2)
        self.down16 = _step(second, third, 2)
        self.down32 = nn.Sequential(_step(third, last, 2), _step(last, last, 1))
        self.to_detail, self.to_quarter = _zero(first, quarter), _zero(first, quarter)
        self.to_eighth, self.to_sixteenth = _zero(second, eighth), _zero(third, sixteenth)
        self.to_top = _zero(last, top)

    def forward(self, log_ratio: Tensor, known: Tensor) -> HintFeatures:
        """Features of a hint; see the class."""
        given = torch.stack([log_ratio * known, known], dim=1)
        at4 = self.fold(functional.pixel_unshuffle(given, _CELL))
        at8 = self.down8(at4)
        at16 = self.down16(at8)
        at32 = self.down32(at16)
        some = known.flatten(1).amax(dim=1)[:, None, None, None]
        return HintFeatures(
            some * self.to_detail(at4),
            some * self.to_quarter(at4),
            some * self.to_eighth(at8),
            some * self.to_sixteenth(at16),
            some * self.to_top(at32),
        )
