# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The cost that the patch search reports is that of the patch it found, by NumPy, with and without
expected colours, seams and kinds."""

import numpy as np
import pytest

from lyra_core.kernels import patch

DEVICES = ["cpu", pytest.param("cuda:0", marks=pytest.mark.gpu)]
HEIGHT, WIDTH, RADIUS = 30, 40, 2
SCALE_WEIGHT, NEAR_WEIGHT = 0.012, 0.01


def fields(rng):
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[10:22, 14:26] = True
    offered = np.full((HEIGHT, WIDTH), 255, np.int32)
    offered[RADIUS:-RADIUS, RADIUS:-RADIUS] = 0
    offered[RADIUS:-RADIUS, 30:-RADIUS] = 1
    offered[8:24, 12:28] = 255
    image = rng.random((HEIGHT, WIDTH, 4), dtype=np.float32)
    targets = np.argwhere(hole).astype(np.int32)
    pool = np.argwhere(offered != 255)
    field = np.full((HEIGHT, WIDTH, 2), -1, np.int32)
    field[targets[:, 0], targets[:, 1]] = pool[rng.integers(0, len(pool), len(targets))]
    return {
        "image": image, "weight": rng.uniform(0.2, 1, (HEIGHT, WIDTH)).astype(np.float32),
        "scale": rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), "offered": offered,
        "wanted": np.zeros((HEIGHT, WIDTH), np.int32), "field": field,
        "guess": rng.random((HEIGHT, WIDTH, 3), dtype=np.float32),
        "usage": rng.uniform(0, 0.05, (HEIGHT, WIDTH)).astype(np.float32),
    }, targets  # fmt: skip


def habit(data, target, source, seam_weight, kind_weight):
    """What a source costs whatever it looks like."""
    (ty, tx), (sy, sx) = target, source
    beside = [data["field"][ty + dy, tx + dx] - (dy, dx) for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1))
              if data["field"][ty + dy, tx + dx, 0] >= 0]  # fmt: skip
    apart = np.mean([tuple(other) != (sy, sx) for other in beside])
    other = data["offered"][sy, sx] != data["wanted"][ty, tx]
    return data["usage"][sy, sx] + seam_weight * apart + kind_weight * other


def cost(data, target, source, guess_weight):
    """Weighted mean squared difference of two patches, plus what scale, distance and the guess add."""
    (ty, tx), (sy, sx) = target, source
    offsets = range(-RADIUS, RADIUS + 1)
    total = norm = 0.0
    for dy in offsets:
        for dx in offsets:
            y, x = ty + dy, tx + dx
            if 0 <= y < HEIGHT and 0 <= x < WIDTH:
                difference = data["image"][y, x] - data["image"][sy + dy, sx + dx]
                total += data["weight"][y, x] * float(difference @ difference)
                norm += data["weight"][y, x]
    step = data["scale"][ty, tx] - data["scale"][sy, sx]
    away = ((tx - sx) ** 2 + (ty - sy) ** 2) / WIDTH**2
    expected = data["guess"][ty, tx] - data["guess"][sy, sx]
    return total / norm + SCALE_WEIGHT * step**2 + NEAR_WEIGHT * away + guess_weight * float(expected @ expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("guess_weight", "seam_weight", "kind_weight"), [(0.0, 0.0, 1e3), (0.25, 0.1, 0.05), (3.0, 0.5, 0.0)]
)
def test_the_found_patch_costs_what_numpy_says_and_no_more_than_the_one_before(
    device, guess_weight, seam_weight, kind_weight, rng
):
    data, targets = fields(rng)
    found, reported = patch.improve(
        data, targets, radius=RADIUS, reach=2, samples=4, scale_weight=SCALE_WEIGHT, near_weight=NEAR_WEIGHT,
        guess_weight=guess_weight, seam_weight=seam_weight, kind_weight=kind_weight, seed=5, device=device,
    )  # fmt: skip
    kinds = set()
    for y, x in targets:
        now, before = (
            cost(data, (y, x), source, guess_weight) + habit(data, (y, x), source, seam_weight, kind_weight)
            for source in (found[y, x], data["field"][y, x])
        )
        assert reported[y, x] == pytest.approx(now, rel=1e-4)
        assert now <= before + 1e-6
        kinds.add(int(data["offered"][tuple(found[y, x])]))
    assert 255 not in kinds
    assert (1 in kinds) == (kind_weight < 1), "another kind only where it may be"


def test_the_more_the_guess_counts_the_nearer_the_source_comes_to_it(rng):
    data, targets = fields(rng)
    gaps = []
    for guess_weight in (0.0, 5.0):
        field = {**data}
        for seed in range(6):
            field["field"], _ = patch.improve(
                field, targets, radius=RADIUS, reach=2, samples=6, scale_weight=SCALE_WEIGHT, near_weight=NEAR_WEIGHT,
                guess_weight=guess_weight, seed=seed, device="cpu",
            )  # fmt: skip
        source = field["field"][targets[:, 0], targets[:, 1]]
        gap = data["guess"][source[:, 0], source[:, 1]] - data["guess"][targets[:, 0], targets[:, 1]]
        gaps.append(float(np.abs(gap).mean()))
    assert gaps[1] < 0.5 * gaps[0]
