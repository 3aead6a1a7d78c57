# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Noise schedules and samplers of Lyra 2.0: UniPC with guidance, the distilled four steps, and the training tables.

A velocity field v(x, t) moves x from noise (sigma 1) to a clean latent (sigma 0): x = sigma noise + (1 - sigma) clean,
clean = x - sigma v. History latents are not sampled: they stay as they are given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lyra_core.errors import ModelError
from lyra_core.ops.quirks import Compat, quirks_of

__all__ = [
    "DISTILLED_STEPS",
    "Grid",
    "chunk_noise",
    "distilled_grid",
    "distilled_noise",
    "sample_distilled",
    "sample_unipc",
    "self_augmentation_grid",
    "self_augmentation_time",
    "shifted_table",
    "table_index",
    "training_weights",
    "unipc_grid",
    "unipc_steps",
]

DISTILLED_STEPS = (1000, 750, 500, 250)
"""Positions, from the clean end, of the distilled model's four steps in the table of 1000."""

_SHIFT = 5.0
Velocity = Callable[[Tensor, float, bool], Tensor]
"""(new latents, timestep 0..1000, conditional or not) to velocity."""
Pair = Callable[[Tensor, float], tuple[Tensor, Tensor]]
"""(new latents, timestep 0..1000) to velocities with and without the condition, made together."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A noise schedule.

    Attributes
    ----------
    sigmas: (n + 1,) float32, the last is 0.
    timesteps: (n,) what the network is told: int64, or float32 for the distilled model.
    """

    sigmas: Tensor
    timesteps: Tensor


def _shifted(sigma: np.ndarray, shift: float) -> np.ndarray:
    return shift * sigma / (1 + (shift - 1) * sigma)


def unipc_grid(steps: int, shift: float = _SHIFT) -> Grid:
    """The reference's UniPC schedule: from 0.999 down, shifted; timesteps are cut to integers, sigmas are not."""
    if steps < 1:
        raise ModelError("Sampling needs at least one step", got=str(steps), do="Use 35")
    sigma = _shifted(np.linspace(0.999, 0.0, steps + 1)[:-1], shift)
    timesteps = torch.from_numpy((sigma * 1000).astype(np.int64))
    return Grid(torch.from_numpy(np.append(sigma, 0.0).astype(np.float32)), timesteps)


def shifted_table(count: int = 1000, shift: float = _SHIFT) -> Grid:
    """The training schedule: count sigmas from 1 towards 0, shifted; timesteps float32 = 1000 sigma."""
    sigma = torch.from_numpy(np.linspace(1.0, 0.0, count + 1)[:-1].astype(np.float32))
    sigma = shift * sigma / (1 + (shift - 1) * sigma)
    return Grid(torch.cat([sigma, torch.zeros(1)]), sigma * 1000)


def distilled_grid() -> Grid:
    """The four steps of the distilled model: t = 1000, 937.5, 833.3, 625."""
    table = shifted_table()
    place = [1000 - step for step in DISTILLED_STEPS]
    timesteps = table.timesteps[place]
    return Grid(torch.cat([timesteps / 1000, torch.zeros(1)]), timesteps)


def chunk_noise(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Start noise of a chunk, the same on every device: float32 of NumPy's RandomState(seed)."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def _guided(velocity: Velocity, x: Tensor, t: float, guidance: float, pair: Pair | None) -> Tensor:
    if guidance == 1.0:
        return velocity(x, t, True)
    conditional, unconditional = pair(x, t) if pair else (velocity(x, t, True), velocity(x, t, False))
    return unconditional + guidance * (conditional - unconditional)


def unipc_steps(
    velocity: Velocity, noise: Tensor, *, steps: int = 35, shift: float = _SHIFT, guidance: float = 5.0,
    pair: Pair | None = None,
) -> Iterator[Tensor]:  # fmt: skip
    """Yield the latents after every step of UniPC (Zhao et al. 2023; order 2, bh2); the last is clean.

    The solver is diffusers' own, on the reference's schedule. At guidance 1 the unconditional pass is left out;
    otherwise both are made by `pair` where it is given, and one after the other where it is not.
    """
    from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

    scheduler = UniPCMultistepScheduler(
        num_train_timesteps=1000, solver_order=2, solver_type="bh2", predict_x0=True, lower_order_final=True,
        prediction_type="flow_prediction", use_flow_sigmas=True, final_sigmas_type="zero",
    )  # fmt: skip
    scheduler.set_timesteps(steps, device=noise.device)
    grid = unipc_grid(steps, shift)
    scheduler.sigmas, scheduler.timesteps = grid.sigmas, grid.timesteps.to(noise.device)
    scheduler.set_begin_index(0)
    x = noise
    for number, t in zip(grid.timesteps.tolist(), scheduler.timesteps, strict=True):
        v = _guided(velocity, x, float(number), guidance, pair)
        x = scheduler.step(v.to(x.dtype), t, x, return_dict=False)[0]
        yield x


def sample_unipc(
    velocity: Velocity, noise: Tensor, *, steps: int = 35, shift: float = _SHIFT, guidance: float = 5.0,
    pair: Pair | None = None,
) -> Tensor:  # fmt: skip
    """Clean latents from noise (float32), by all steps of unipc_steps."""
    x = noise
    for x in unipc_steps(velocity, noise, steps=steps, shift=shift, guidance=guidance, pair=pair):  # noqa: B007
        pass
    return x


def distilled_noise(
    shape: tuple[int, ...], history: int, seed: int, *, compat: Compat = "default"
) -> Callable[[int], Tensor]:
    """Where the distilled sampler's fresh noise comes from: step number to noise of shape (1, C, G, h, w).

    By default it is drawn from a stream of the chunk's seed, so that a chunk depends on nothing drawn before it.
    The quirk global_renoise (in compat="reference") draws from torch's global generator, and for all latents, history included, as Lyra 2.0 does.
    """
    if not quirks_of(compat).global_renoise:
        stream = torch.Generator().manual_seed(seed)
        return lambda _: torch.randn(shape, generator=stream)

    def draw(_: int) -> Tensor:
        batch, channels, new, *grid = shape
        frames = torch.randn(batch * (history + new), channels, *grid)
        return frames.unflatten(0, (batch, history + new)).transpose(1, 2)[:, :, history:]

    return draw


def sample_distilled(velocity: Velocity, noise: Tensor, fresh: Callable[[int], Tensor]) -> Tensor:
    """Clean latents by the distilled model's four steps: no guidance, new noise after each step but the last."""
    grid = distilled_grid()
    x = noise
    sigmas = grid.sigmas.tolist()
    for i, t in enumerate(grid.timesteps.tolist()):
        v = velocity(x, t, True)
        clean = (x.double() - sigmas[i] * v.double()).to(x.dtype)
        if i + 1 == len(grid.timesteps):
            return clean
        following = sigmas[i + 1]
        x = (1 - following) * clean + following * fresh(i).to(x)
    return x


def table_index(u: float, count: int = 1000) -> int:
    """Row of the training table for u in [0, 1)."""
    # In float32, as the reference draws it: 0.77 lands on 770, not 769.
    return min(int(np.float32(u) * np.float32(count)), count - 1)


def training_weights(table: Grid) -> Tensor:
    """(n,) float32 loss weights: a bell around t = 500 minus its least value, of mean 1."""
    bell = torch.exp(-2 * ((table.timesteps - 500) / 1000).square())
    bell = bell - bell.min()
    return bell * (len(bell) / bell.sum())


def self_augmentation_time(table: Grid, u: float, *, scale: float = 0.5) -> tuple[float, float]:
    """(timestep, sigma) of the self-augmentation's noise: half the drawn timestep, snapped to the table."""
    wanted = math.floor(scale * float(table.timesteps[table_index(u)]))
    place = int((table.timesteps - wanted).abs().argmin())
    return float(table.timesteps[place]), float(table.sigmas[place])


def self_augmentation_grid(sigma: float) -> Grid:
    """One step from sigma to clean; the network is told the integer part of 1000 sigma."""
    sigmas = torch.tensor([sigma, 0.0])
    return Grid(sigmas, (sigmas[:1] * 1000).to(torch.int64))
