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
from lyra_core.models.video.embedded.network import FillNetwork, Inputs
from lyra_core.models.video.embedded.tensors import stack_inputs, view_arrays
from lyra_core.training.fill_samples import Filled, FillSample, cluster_sample, warped_back
from lyra_core.training.view_clusters import ClusterStore
from lyra_core.training.view_store import ViewStore

__all__ = ["FillBatch", "Stores", "fill_with", "make_batch", "open_stores", "stack_samples"]

_KINDS = ("levels", "outdoors", "rooms", "nexuiz", "furnished")


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
        i = self.inputs
        inputs = Inputs(i.base.to(device), i.hole.to(device), i.rays.to(device), i.past.to(device))
        rest = (x.to(device) for x in (self.state, self.time, self.truth, self.valid))
        return FillBatch(inputs, *rest)


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
    inputs = stack_inputs([view_arrays(one.view, one.pasts)])
    noise = None if rng is None else torch.from_numpy(rng.standard_normal(inputs.base.shape, dtype=np.float32))
    with torch.no_grad():
        made = sample(network, inputs, steps, noise)[0].numpy()
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
    count = len(samples)
    at_start = rng.uniform(size=count) < config.start_share
    time = torch.from_numpy(np.where(at_start, 0.0, rng.uniform(0, 0.95, count)).astype(np.float32))
    noise = torch.from_numpy(rng.standard_normal(truth.shape, dtype=np.float32))
    noise = noise * torch.from_numpy(~at_start).float()[:, None, None, None] * NOISE
    start = inputs.base + noise * inputs.hole
    state = torch.lerp(start, torch.lerp(inputs.base, truth, inputs.hole), time[:, None, None, None])
    return FillBatch(inputs, state, time, truth, valid)
