# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Things of boxes have the depth of their boxes, pixel by pixel."""

import numpy as np
import pytest

from lyra_core.training import cutout_boxes
from lyra_core.training.box_shapes import BOX_SHAPES, Box, build_shape
from lyra_core.training.cutout_boxes import set_boxes_in
from lyra_core.training.cutouts import add_cutouts
from tests.training.test_cutouts import HEIGHT, UP, WIDTH, floor_sample, texture

FOOT = np.array([0.2, 0, 3.0], np.float32)
FOOT[1] = (1.5 + UP[2] * 3.0) / -UP[1]  # on the floor, 1.5 m below the camera


def set_in(monkeypatch, boxes, seed=0, wall=7.0):
    sample, rays = floor_sample(wall)
    monkeypatch.setattr(cutout_boxes, "build_shape", lambda kind, rng: list(boxes))
    image, depth = sample.image.copy(), sample.depth.copy()
    rng = np.random.default_rng(seed)
    set_boxes_in(image, depth, rays.astype(np.float32), FOOT, UP.astype(np.float32), rng, texture)
    return sample, rays, image, depth


@pytest.mark.parametrize("kind", sorted(BOX_SHAPES))
def test_every_shape_stands_on_the_floor_and_is_no_larger_than_such_things_are(kind):
    for seed in range(12):
        boxes = build_shape(kind, np.random.default_rng(seed))
        low, high = (np.array([getattr(box, end) for box in boxes]) for end in ("low", "high"))
        assert (high > low).all()
        assert low[:, 2].min() == pytest.approx(0, abs=0.2)  # a car's body and a sofa hang a little over it
        assert 0.1 < high[:, 2].max() < (8.2 if kind == "pillar" else 4.0)  # columns go on through ceilings
        assert (high - low)[:, :2].max() < 5.0


def outside(points, boxes):
    """Signed distance [m] of points (..., 3) to the nearest box, negative inside."""
    out = np.full(points.shape[:-1], np.inf)
    for box in boxes:
        middle, half = (np.add(box.low, box.high) / 2, np.subtract(box.high, box.low) / 2)
        gap = np.abs(points - middle) - half
        distance = np.linalg.norm(np.maximum(gap, 0), axis=-1) + np.minimum(gap.max(axis=-1), 0)
        out = np.minimum(out, distance)
    return out


def test_depth_lies_on_the_first_surface_that_a_ray_meets(monkeypatch):
    boxes = [Box((-0.8, -0.3, 0.4), (0.8, 0.3, 0.5)), Box((-0.7, -0.2, 0), (-0.6, 0.2, 0.4), 1)]
    sample, rays, _, depth = set_in(monkeypatch, boxes, seed=5)
    changed = depth != sample.depth
    assert changed.sum() > 800
    side = np.cross(UP, [0.0, 0, 1])
    side /= np.linalg.norm(side)
    ahead = np.cross(UP, side)
    share = np.linspace(0, 1, 60)[:, None, None]
    tries = []
    for angle in np.radians(np.arange(360)):  # the turn about the vertical is drawn at random: take the best
        along = np.cos(angle) * side + np.sin(angle) * ahead
        frame = np.stack([along, np.cross(UP, along), UP])
        met = (rays[changed] * depth[changed][:, None] - FOOT) @ frame.T
        tries.append((np.median(np.abs(outside(met, boxes))), angle, frame, met))
    error, _, frame, met = min(tries, key=lambda t: t[0])
    assert error < 0.01  # half a degree and a quarter of a pixel
    assert (np.abs(outside(met, boxes)) < 0.05).mean() > 0.97
    before = ((share * 0.97) * rays[changed] * depth[changed][:, None] - FOOT) @ frame.T
    assert outside(before, boxes).min() > -0.03  # nothing met on the way


def test_what_is_behind_hides_and_what_is_before_stays(monkeypatch):
    wall = [Box((-1, -0.1, 0), (1, 0.1, 1.2))]
    sample, _, image, depth = set_in(monkeypatch, wall, wall=1.8)  # the view's own wall stands before it
    assert np.array_equal(depth, sample.depth)
    sample, _, image, depth = set_in(monkeypatch, wall)
    changed = depth != sample.depth
    assert changed.sum() > 1000
    assert (depth[changed] < sample.depth[changed]).all()
    assert np.abs(image - sample.image).max(axis=-1)[changed].mean() > 0.02


def test_too_near_or_too_large_is_left_out(monkeypatch):
    huge = [Box((-4, -2, 0), (4, 2.5, 3))]  # reaches to the camera
    sample, _, image, depth = set_in(monkeypatch, huge)
    assert np.array_equal(depth, sample.depth)
    assert np.array_equal(image, sample.image)
    tiny = [Box((-0.01, -0.01, 0), (0.01, 0.01, 0.02))]
    sample, _, _, depth = set_in(monkeypatch, tiny)
    assert np.array_equal(depth, sample.depth)


def test_boxes_are_among_the_things_set_in_as_often_as_asked(monkeypatch):
    sample, _ = floor_sample()
    asked = []
    monkeypatch.setattr("lyra_core.training.cutouts.set_boxes_in", lambda *args: asked.append(1))
    for seed in range(60):
        add_cutouts(sample, np.random.default_rng(seed), texture, most=1, boxes=0.5)
    assert 18 <= len(asked) <= 42
    asked.clear()
    add_cutouts(sample, np.random.default_rng(0), texture)
    assert not asked


def test_all_shapes_set_into_a_view_keep_it_finite_and_between_floor_and_ceiling():
    sample, rays = floor_sample()
    changed = 0
    for seed in range(40):
        new = add_cutouts(sample, np.random.default_rng(seed), texture, boxes=1.0)
        nearer = new.depth != sample.depth
        changed += int(nearer.sum())
        assert new.image.shape == (HEIGHT, WIDTH, 3)
        assert np.isfinite(new.image).all()
        assert (new.depth[nearer] < sample.depth[nearer]).all()
        if nearer.any():
            height = (rays * new.depth[..., None] @ UP)[nearer] + 1.5
            assert height.min() > -0.1
            assert height.max() < 8.2
    assert changed > 20000
