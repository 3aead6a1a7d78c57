# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning of Lyra 2.0: noise and its weight, the loss, noise of retrieved pictures, rates, and one step.

The tables are the golden ones (tests/golden/test_lyra2_sampler.py). Conditions come as `Conditions` of
conditioning.assemble; lyra2_clips reads the reference's data layout, lyra2_samples makes samples of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lyra_core.models.video.lyra2.network import Transformer
from lyra_core.models.video.lyra2.sampler import shifted_table, table_index, training_weights

__all__ = ["Noised", "draw_noise", "flow_loss", "make_optimizer", "rate_factor", "retrieved_noise", "train_step"]


@dataclass(frozen=True, slots=True, eq=False)
class Noised:
    """A noised sample: x (1, 16, G, h, w), what the network must say (noise - clean), its timestep and loss weight."""

    x: Tensor
    target: Tensor
    timestep: float
    weight: float


def draw_noise(clean: Tensor, rng: np.random.Generator) -> Noised:
    """Noise clean latents at a time drawn as the reference does: logit-normal(0, 1) into the shift-5 table."""
    table = shifted_table()
    row = table_index(float(1 / (1 + np.exp(-rng.standard_normal()))))
    sigma = float(table.sigmas[row])
    noise = torch.from_numpy(rng.standard_normal(tuple(clean.shape), dtype=np.float32)).to(clean.device)
    x = sigma * noise + (1 - sigma) * clean
    return Noised(x, noise - clean, float(table.timesteps[row]), float(training_weights(table)[row]))


def retrieved_noise(history: Tensor, positions: Iterable[int], rng: np.random.Generator) -> Tensor:
    """History (1, 16, P, h, w) with noise of sigma = exp(N(-3, 2^2)) on each retrieved picture; a copy.

    The reference adds the same noise to the condition latents of these positions.
    """
    out = history.clone()
    for position in positions:
        sigma = float(np.exp(rng.normal(-3.0, 2.0)))
        noise = rng.standard_normal(tuple(out[:, :, position].shape), dtype=np.float32)
        out[:, :, position] += sigma * torch.from_numpy(noise).to(out)
    return out


def flow_loss(velocity: Tensor, noised: Noised) -> Tensor:
    """Weighted mean square error over the new latents."""
    return noised.weight * (velocity.float() - noised.target.float()).square().mean()


def rate_factor(step: int, *, warmup: int = 100, end: int = 400_000, least: float = 0.4) -> float:
    """Learning rate over its base: linear up over the warm-up, then linear down to `least` at `end`, times 0.99."""
    if step < warmup:
        return 0.99 * step / warmup
    return 0.99 * max(least, 1 - (1 - least) * (step - warmup) / (end - warmup))


def make_optimizer(network: nn.Module, *, rate: float = 3e-5) -> torch.optim.AdamW:
    """AdamW over all parameters in one group, as released: betas 0.9 and 0.999, weight decay 1e-3."""
    return torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.999), weight_decay=1e-3)


def train_step(network: Transformer, optimizer: torch.optim.Optimizer, noised: Noised, y: Tensor, history: Tensor,
               correspondence: Tensor, text: Tensor, clip: Tensor) -> float:  # fmt: skip
    """One step on one sample; returns the loss. Gradients that are not finite count as 0; their norm is cut at 0.1."""
    x = torch.cat([history, noised.x], dim=2)
    loss = flow_loss(network(x, noised.timestep, y, correspondence, text, clip), noised)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    for parameter in network.parameters():
        if parameter.grad is not None:
            parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
    torch.nn.utils.clip_grad_norm_(network.parameters(), 0.1)
    optimizer.step()
    return float(loss.detach())
