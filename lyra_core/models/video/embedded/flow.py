# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""From the classical fill to a finished view in one or a few steps of the flow."""

from __future__ import annotations

import torch
from torch import Tensor

from lyra_core.models.video.embedded.network import FillNetwork, Inputs

__all__ = ["NOISE", "expected", "sample"]

NOISE = 0.3
"""Standard deviation of the noise in holes where the flow starts."""


def sample(network: FillNetwork, inputs: Inputs, steps: int = 1, noise: Tensor | None = None) -> Tensor:
    """Finished views (B, 4, H, W).

    steps: 1 predicts the mean of what may be there from the plain base; more follow the flow from base + noise.
    noise: (B, 4, H, W) standard normal, used with more than one step.
    """
    count, device = inputs.base.shape[0], inputs.base.device
    if steps <= 1 or noise is None:
        return network(inputs.base, inputs, torch.zeros(count, device=device))
    state = inputs.base + NOISE * noise * inputs.hole
    for step in range(steps):
        time = step / steps
        made = network(state, inputs, torch.full((count,), time, device=device))
        state = state + (made - state) / (steps - step)  # velocity (made - state) / (1 - time), over 1 / steps
    return torch.lerp(inputs.base, state, inputs.hole)


def expected(network: FillNetwork, inputs: Inputs) -> Tensor:
    """(B, 4, H, W) the mean of what may be there: one step, averaged with that of the mirrored views.

    Nearer to the truth than one of them by .04 dB in the holes of held-out views (README.md of lyra_core/training).
    """
    other = sample(network, inputs.mirrored()).flip(-1)
    return (sample(network, inputs) + other) / 2
