# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Cutouts stand upright on the floor of a view, hide what is behind them alone, and repeat with their generator."""

import numpy as np
import pytest

from lyra_core.training import cutouts
from lyra_core.training.cutout_paint import paint
from lyra_core.training.cutout_shapes import SHAPES, SIDE, draw_shape
from lyra_core.training.cutouts import add_cutouts
from lyra_core.training.depth_augment import Sample

WIDTH, HEIGHT, FOCAL = 256, 160, 180.0
UP = np.array([0.0, -np.cos(0.15), -np.sin(0.15)])


def floor_sample(wall=7.0):
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5 - WIDTH / 2, np.arange(HEIGHT) + 0.5 - HEIGHT / 2)
    rays = np.stack([x / FOCAL, y / FOCAL, np.ones_like(x)], -1)
    drop = rays @ UP
    depth = np.where(drop < -1e-3, -1.5 / np.minimum(drop, -1e-3), np.inf)
    depth = np.minimum(depth, wall).astype(np.float32)
    image = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    return Sample(image, depth, FOCAL, (WIDTH / 2, HEIGHT / 2), UP), rays


def texture():
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def made(seed, sample):
    return add_cutouts(sample, np.random.default_rng(seed), texture)


def test_the_same_generator_gives_the_same_sample_and_the_original_stays():
    sample, _ = floor_sample()
    before = sample.depth.copy()
    first, second = made(3, sample), made(3, sample)
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.depth, second.depth)
    assert np.array_equal(sample.depth, before)
    assert not np.array_equal(first.depth, before)


def test_things_only_come_nearer_and_colours_change_where_depth_does():
    sample, _ = floor_sample()
    changed = 0
    for seed in range(20):
        new = made(seed, sample)
        nearer = new.depth != sample.depth
        changed += int(nearer.sum())
        assert (new.depth[nearer] < sample.depth[nearer]).all()
        assert (new.depth > 0).all()
        if nearer.any():
            assert (np.abs(new.image - sample.image).max(axis=-1)[nearer] > 1e-3).mean() > 0.9
    assert changed > 5000


def test_things_stand_between_the_floor_and_their_height():
    sample, rays = floor_sample()
    for seed in range(20):
        new = made(seed, sample)
        nearer = new.depth != sample.depth
        height = (rays * new.depth[..., None] @ UP)[nearer] + 1.5
        if len(height):
            assert height.min() > -0.15  # the bulge of a round foot reaches a little below its plane's edge
            assert height.max() < 3.6


def test_no_level_surface_no_cutout():
    sample, _ = floor_sample()
    wall = Sample(sample.image, np.full_like(sample.depth, 4.0), FOCAL, sample.center, UP)
    assert made(0, wall) is wall


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_every_shape_has_parts_and_most_stand_on_the_lower_edge(kind):
    feet = 0
    for seed in range(12):
        parts = draw_shape(kind, np.random.default_rng(seed))
        cover = np.max(parts, axis=0)
        assert cover.shape == (SIDE, SIDE)
        assert cover.dtype == np.uint8
        assert 0.01 < (cover > 127).mean() < 0.99
        feet += bool((cover[int(0.85 * SIDE) :] > 127).any())
    assert feet >= 8


def test_a_part_that_fills_its_rectangle_bulges_like_any_other(monkeypatch):
    """Its mask has no pixel outside to measure from."""
    full = np.zeros((SIDE, SIDE), np.uint8)
    full[40:120, 20:140] = 255
    monkeypatch.setattr(cutouts, "draw_shape", lambda kind, rng: [full])
    cover, relief, colours = cutouts._drawn("lump", np.random.default_rng(0), texture)
    assert np.isfinite(relief).all()
    assert (relief[full > 0] > -0.05).all()
    assert relief[80, 80] > relief[80, 21]  # the middle bulges, the rim does not
    assert relief.max() < 2
    assert np.isfinite(colours).all()
    assert np.array_equal(cover > 0.5, full > 0)


def test_things_of_boxes_come_on_top_of_the_flat_ones(monkeypatch):
    sample, _ = floor_sample()
    counts = {"flat": 0, "boxes": 0}
    monkeypatch.setattr(cutouts, "_set_in", lambda *_: counts.update(flat=counts["flat"] + 1))
    monkeypatch.setattr(cutouts, "set_boxes_in", lambda *_: counts.update(boxes=counts["boxes"] + 1))
    found = {}
    for boxes in (0.0, 0.5, 1.0):
        counts.update(flat=0, boxes=0)
        for seed in range(200):
            add_cutouts(sample, np.random.default_rng(seed), texture, boxes=boxes)
        found[boxes] = dict(counts)
    assert all(400 < count["flat"] < 600 for count in found.values())  # 2.5 a sample, whatever boxes says
    assert found[0.0]["boxes"] == 0
    assert 350 < found[0.5]["boxes"] < 450
    assert found[1.0]["boxes"] == 800


def test_things_of_boxes_may_be_cut_by_the_rim_and_stay_on_the_floor(monkeypatch):
    sample, _ = floor_sample(wall=np.inf)
    feet = []
    monkeypatch.setattr(cutouts, "_set_in", lambda *_: None)
    monkeypatch.setattr(cutouts, "set_boxes_in", lambda image, depth, rays, foot, *_: feet.append(foot))
    for seed in range(100):
        add_cutouts(sample, np.random.default_rng(seed), texture, boxes=1.0)
    feet = np.array(feet)
    assert np.abs(feet @ UP + 1.5).max() < 0.01
    seen = feet[:, :2] / feet[:, 2:] * FOCAL
    outside = (np.abs(seen) > [WIDTH / 2, HEIGHT / 2]).any(axis=1)
    assert 0.05 < outside.mean() < 0.4


def test_plain_parts_may_have_the_colours_of_a_picture():
    """A column painted as the wall behind it: without a picture no plain colour is just the wall's."""
    wall = np.full((40, 40, 3), (90, 140, 200), np.uint8)
    drawn = [paint((6, 6), np.random.default_rng(seed), wall) for seed in range(60)]
    alike = [np.abs(each - wall[0, 0] / 255).max() < 1e-6 for each in drawn]
    assert 0.15 < np.mean(alike) < 0.9
    assert not any(
        np.abs(paint((6, 6), np.random.default_rng(seed), None) - wall[0, 0] / 255).max() < 1e-6 for seed in range(60)
    )


@pytest.mark.parametrize(("alike", "asks"), [(1.0, False), (0.0, True)])
def test_things_take_their_colours_from_their_view_as_often_as_is_said(alike, asks, monkeypatch):
    monkeypatch.setattr(cutouts, "_ALIKE", alike)
    (sample, _), asked = floor_sample(), []

    def elsewhere():
        asked.append(1)
        return texture()

    for seed in range(20):
        add_cutouts(sample, np.random.default_rng(seed), elsewhere, boxes=0.5)
    assert bool(asked) == asks
