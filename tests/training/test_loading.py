# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Batches made ahead: in order, the same from a thread and from processes, and varied copies that stay true."""

import itertools
import os
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from lyra_core.training.depth_training import Batch
from lyra_core.training.fill_batches import stack_samples
from lyra_core.training.fill_samples import cluster_sample
from lyra_core.training.loading import made_ahead, reused
from tests.training.test_generator_training import cluster


def numbered(number: int) -> tuple[int, int, Tensor]:
    return number, os.getpid(), torch.full((2,), float(number))


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_batches_come_in_order_whoever_makes_them(workers):
    got = list(made_ahead(numbered, range(3, 11), workers))
    assert [number for number, _, _ in got] == list(range(3, 11))
    assert all(torch.equal(made, torch.full((2,), float(number))) for number, _, made in got)
    makers = {process for _, process, _ in got}
    assert makers == {os.getpid()} if workers == 0 else len(makers) == 2 and os.getpid() not in makers


def test_nothing_is_made_of_an_empty_range():
    assert list(made_ahead(numbered, range(4, 4))) == []


def test_an_error_in_making_reaches_the_learner():
    def broken(number):
        raise ValueError(f"batch {number}")

    with pytest.raises(ValueError, match="batch 0"):
        list(made_ahead(broken, range(2)))


def test_each_batch_is_followed_by_varied_ones_of_the_last():
    got = list(reused(iter(range(6)), 3, lambda batch, rng: -batch - 1, kept=2, seed=1))
    assert got[::3] == list(range(6))  # every fresh one once, in order
    for at, batch in enumerate(got):
        if at % 3:
            assert -batch - 1 in range(max(0, at // 3 - 1), at // 3 + 1)  # one of the last two
    assert list(reused(iter(range(4)), 1, lambda *_: pytest.fail("nothing to vary"))) == [0, 1, 2, 3]


def floor_batch() -> Batch:
    """Two views of a level floor 1.5 m below, principal point off the middle, rolled and pitched."""
    height, width, focal = 32, 64, 40.0
    center, up = torch.tensor([[20.0, 14.0], [40.0, 18.0]]), torch.tensor([[0.2, -0.9, -0.3], [-0.1, -0.95, 0.2]])
    up = up / up.norm(dim=1, keepdim=True)
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    rays = torch.stack([(x - center[:, 0, None, None]) / focal, (y - center[:, 1, None, None]) / focal,
                        torch.ones(2, height, width)], -1)  # fmt: skip
    down = torch.einsum("bhwc,bc->bhw", rays, up)
    depth = torch.where(down < -0.02, -1.5 / down.clamp(max=-0.02), torch.full_like(down, torch.inf))
    image = torch.linspace(-1, 1, width).expand(2, 3, height, width).contiguous()
    hint = torch.where(torch.isinf(depth), torch.zeros(()), depth)
    return Batch(image, depth, torch.full((2, 2), focal), center, up, hint)


def heights(batch: Batch) -> Tensor:
    height, width = batch.depth.shape[1:]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    x, y = (grid[None] - batch.center[:, k, None, None] for k, grid in enumerate((x, y)))
    rays = torch.stack([x / batch.focal[:, :1, None], y / batch.focal[:, 1:, None], torch.ones_like(x)], -1)
    points = rays * batch.depth[..., None]
    return torch.einsum("bhwc,bc->bhw", points, batch.up)[torch.isfinite(batch.depth)]


def test_a_varied_depth_batch_shows_the_same_floor():
    batch, rng, turned = floor_batch(), np.random.default_rng(3), set()
    torch.testing.assert_close(heights(batch), torch.full_like(heights(batch), -1.5))
    for _ in range(6):
        other = batch.varied(rng)
        torch.testing.assert_close(heights(other), torch.full_like(heights(other), -1.5), atol=1e-4, rtol=0)
        assert other.image.abs().max() <= 1
        assert torch.equal(other.hint > 0, torch.isfinite(other.depth))
        for k in range(2):  # the colours rise to the right, or to the left in a mirror
            rises = bool(other.image[k, 0, 0, -1] > other.image[k, 0, 0, 0])
            assert rises == torch.equal(other.depth[k], batch.depth[k])
            turned.add(rises)
    assert turned == {True, False}


def test_a_varied_fill_batch_is_mirrored_as_a_whole():
    from lyra_core.training.fill_batches import FillBatch

    cut = [cluster_sample(cluster(seed), np.random.default_rng(seed)) for seed in (1, 2)]
    inputs, truth, valid = stack_samples(cut)
    batch = FillBatch(inputs, truth, torch.zeros(2), truth, valid)
    rng, ways = np.random.default_rng(0), set()
    for _ in range(6):
        other = batch.varied(rng, start_share=1.0)
        for k, sample in enumerate(cut):
            plain = torch.equal(other.inputs.hole[k], inputs.hole[k])
            ways.add(plain)

            def put(values: Tensor, plain: bool = plain) -> Tensor:
                return values if plain else values.flip(-1)

            assert torch.equal(other.inputs.hole[k], put(inputs.hole[k]))
            assert torch.equal(other.truth[k, 3], put(truth[k, 3]))
            assert torch.equal(other.valid[k], put(valid[k]))
            sign = torch.tensor([1.0 if plain else -1.0, 1, 1])[:, None, None]
            torch.testing.assert_close(other.inputs.rays[k], put(inputs.rays[k]) * sign)
            missing = torch.tensor([not inputs.past[k, p].any() for p in range(2)])
            assert not other.inputs.past[k][missing].any()
            # Known pixels of base and truth keep agreeing as well as before.
            known = ~other.inputs.hole[k, 0].bool()
            apart = (other.inputs.base[k, :3] - other.truth[k, :3])[:, known].abs().mean()
            before = (inputs.base[k, :3] - truth[k, :3])[:, ~inputs.hole[k, 0].bool()].abs().mean()
            assert float(apart) < 1.5 * float(before) + 0.01
            assert sample.valid.shape == valid[k, 0].shape
        assert torch.equal(other.state, other.inputs.base)  # at the start of the flow, without noise
    assert ways == {True, False}


def test_reuse_ends_with_the_run(tmp_path):
    made = itertools.islice(reused(made_ahead(numbered, range(5)), 2, lambda batch, _: batch), 9)
    assert len(list(made)) == 9
    assert partial(numbered, 3)()[0] == 3
