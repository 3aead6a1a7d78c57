# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Batches of the generator; a function of seed, step, data and (for histories it made itself) of the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from lyra_core.errors import ConfigError
from lyra_core.models.video.embedded.base import decode_depth
from lyra_core.models.video.embedded.flow import NOISE, sample
from lyra_core.models.video.embedded.network import PAST_ORIGIN_X, PAST_RAY_X, FillNetwork, Inputs
from lyra_core.models.video.embedded.tensors import stack_inputs, view_arrays
from lyra_core.training.fill_samples import Filled, FillSample, cluster_sample, warped_back
from lyra_core.training.view_clusters import ClusterStore
from lyra_core.training.view_store import ViewStore

__all__ = ["FillBatch", "Stores", "fill_with", "make_batch", "open_stores", "stack_samples"]

_KINDS = ("levels", "outdoors", "rooms", "nexuiz", "furnished", "ufo")


@dataclass(frozen=True, slots=True, eq=False)
class FillBatch:
    """inputs; state (B, 4, H, W) on the flow at time (B,); truth (B, 4, H, W); valid (B, 1, H, W)."""

    inputs: Inputs
    state: Tensor
    time: Tensor
    truth: Tensor
    valid: Tensor

    def to(self, device: torch.device) -> FillBatch:
        """The batch on a device."""
        rest = (x.to(device, non_blocking=True) for x in (self.state, self.time, self.truth, self.valid))
        return FillBatch(self.inputs.to(device), *rest)

    def varied(self, rng: np.random.Generator, start_share: float) -> FillBatch:
        """The same samples in other mirror images and colours, elsewhere on the flow; on the batch's device."""
        i, device, count = self.inputs, self.truth.device, len(self.time)
        turned = torch.from_numpy(rng.random(count) < 0.5).to(device)
        draw = np.exp(rng.normal(0, 1, (count, 4)) * [0.15, 0.06, 0.06, 0.06]).astype(np.float32)
        tone, gain = (torch.from_numpy(part).to(device)[:, :, None, None] for part in (draw[:, :1], draw[:, 1:]))

        def mirror(values: Tensor, *signed: int) -> Tensor:
            """Mirrored where it is its turn; channels whose sign goes along with x."""
            sign = torch.ones(values.shape[-3], device=device)
            sign[list(signed)] = -1
            where = turned.view(-1, *[1] * (values.ndim - 1))
            return torch.where(where, values.flip(-1) * sign[:, None, None], values)

        def colour(view: Tensor) -> Tensor:
            rgb = (((view[:, :3] / 2 + 0.5).clamp(0, 1) ** tone) * gain).clamp(0, 1) * 2 - 1
            return torch.cat([rgb, view[:, 3:]], dim=1)

        past = mirror(i.past, PAST_RAY_X, PAST_ORIGIN_X)
        there = past[:, :, PAST_RAY_X:].abs().amax(dim=(2, 3, 4), keepdim=True) > 0  # a missing frame is all zeros
        pasts = [torch.where(there[:, k], colour(past[:, k]), past[:, k]) for k in range(past.shape[1])]
        base = colour(mirror(i.base)).contiguous(memory_format=torch.channels_last)
        past = torch.stack(pasts, dim=1) if pasts else past
        inputs = Inputs(base, mirror(i.hole), mirror(i.rays, 0), past)
        return _on_the_flow(inputs, colour(mirror(self.truth)), mirror(self.valid), rng, start_share)


@dataclass(frozen=True, slots=True, eq=False)
class Stores:
    """Rendered data by kind; either may lack kinds."""

    views: dict[str, ViewStore]
    clusters: dict[str, ClusterStore]


def open_stores(data: Path, split: str) -> Stores:
    """What was rendered of a split ("train" or "test").

    Raises
    ------
    ConfigError: nothing.
    """
    views = {k: data / f"{k}_{split}" for k in _KINDS if any((data / f"{k}_{split}").glob("*.meta.npy"))}
    sets = {k: data / f"clusters_{k}_{split}" for k in _KINDS}
    sets = {k: folder for k, folder in sets.items() if any(folder.glob("*.focal.npy"))}
    if not views and not sets:
        raise ConfigError(
            "No rendered views to learn from",
            got=f"data={data}, split {split}",
            do="Render some: python -m lyra_core.training.view_clusters rooms --out DATA, then data=DATA",
        )
    return Stores({k: ViewStore([f]) for k, f in views.items()}, {k: ClusterStore([f]) for k, f in sets.items()})


def stack_samples(samples: list[FillSample]) -> tuple[Inputs, Tensor, Tensor]:
    """Inputs, truth (B, 4, H, W) and valid (B, 1, H, W) of samples."""
    inputs = stack_inputs([view_arrays(s.view, s.pasts) for s in samples])
    truth = torch.from_numpy(np.stack([s.truth for s in samples]))
    return inputs, truth, torch.from_numpy(np.stack([s.valid[None] for s in samples]).astype(np.float32))


def fill_with(
    network: FillNetwork, one: FillSample, *, steps: int = 1, rng: np.random.Generator | None = None
) -> Filled:
    """What a network makes of a sample: rgb (H, W, 3) in [0, 1], depth (H, W) [m] with +inf for sky."""
    device = next(network.parameters()).device
    inputs = stack_inputs([view_arrays(one.view, one.pasts)])
    noise = None if rng is None else torch.from_numpy(rng.standard_normal(inputs.base.shape, dtype=np.float32))
    with torch.no_grad():
        noise = None if noise is None else noise.to(device)
        made = sample(network, inputs.to(device), steps, noise)[0].cpu().numpy()
    depth, sky = decode_depth(made[3], one.view.scale)
    depth = np.where(sky, np.inf, depth).astype(np.float32)
    depth = np.where(one.view.known, one.view.depth, depth).astype(np.float32)
    return np.clip(made[:3].transpose(1, 2, 0) * 0.5 + 0.5, 0, 1).astype(np.float32), depth


def _one(
    stores: Stores, config: DictConfig, rng: np.random.Generator, rollout: Callable[[FillSample], Filled] | None
) -> FillSample:
    single = bool(stores.views) and (not stores.clusters or rng.uniform() < config.single_views)
    table = stores.views if single else stores.clusters
    kinds = sorted(table)
    share = np.array([config.mix[kind] for kind in kinds], np.float64)
    store = table[kinds[int(rng.choice(len(kinds), p=share / share.sum()))]]
    item = store[int(rng.integers(len(store)))]
    if isinstance(store, ViewStore):
        made = warped_back(item, rng)  # pyright: ignore[reportArgumentType]
    else:
        use = rollout if rng.uniform() < config.rollout else None
        made = cluster_sample(item, rng, use, aside=config.get("aside", 0.0))  # pyright: ignore[reportArgumentType]
    forget = rng.uniform() < config.no_history
    return FillSample(made.view, (), made.truth, made.valid) if forget else made


def make_batch(
    stores: Stores, config: DictConfig, step: int, rank: int = 0, rollout: Callable[[FillSample], Filled] | None = None
) -> FillBatch:
    """The batch of a step for one of several processes."""
    rng = np.random.default_rng([config.seed, step, rank])
    samples = [_one(stores, config, rng, rollout) for _ in range(config.batch)]
    inputs, truth, valid = stack_samples(samples)
    return _on_the_flow(inputs, truth, valid, rng, config.start_share)


def _on_the_flow(
    inputs: Inputs, truth: Tensor, valid: Tensor, rng: np.random.Generator, start_share: float
) -> FillBatch:
    """Somewhere between the base and the truth, start_share of the samples at its start without noise."""
    count, device = len(truth), truth.device
    at_start = rng.uniform(size=count) < start_share
    time = torch.from_numpy(np.where(at_start, 0.0, rng.uniform(0, 0.95, count)).astype(np.float32)).to(device)
    noise = torch.from_numpy(rng.standard_normal(truth.shape, dtype=np.float32)).to(device)
    noise = noise * torch.from_numpy(~at_start).float().to(device)[:, None, None, None] * NOISE
    start = inputs.base + noise * inputs.hole
    state = torch.lerp(start, torch.lerp(inputs.base, truth, inputs.hole), time[:, None, None, None])
    return FillBatch(inputs, state, time, truth, valid)
