# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Triangles against boxes: equal to clipping polygons, which is slow and certain."""

from __future__ import annotations

import numpy as np

from lyra_core.navigation.columns import TOUCH, blocked_cells


def clipped(triangle, low, high):
    """Sutherland-Hodgman: what is left of a triangle in a box."""
    polygon = [np.array(p) for p in triangle]
    for axis in range(3):
        for sign, limit in ((1, high[axis]), (-1, -low[axis])):
            out = []
            for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True):
                da, db = sign * a[axis] - limit, sign * b[axis] - limit
                if da <= 0:
                    out.append(a)
                if da * db < 0:
                    out.append(a + (b - a) * (da / (da - db)))
            polygon = out
            if not polygon:
                return polygon
    return polygon


def test_blocked_cells_equal_clipped_polygons():
    rng = np.random.default_rng(3)
    corners = rng.uniform(-0.2, 1.2, (60, 1, 3)) + rng.normal(0, 0.15, (60, 3, 3))
    shape, cell = (7, 9), 0.15
    low, high = np.full(shape, 0.1), rng.uniform(0.3, 0.9, shape)
    hit = np.zeros(shape, bool)
    for row in range(shape[0]):
        for column in range(shape[1]):
            least = np.array([column * cell, row * cell, low[row, column]]) - TOUCH
            most = np.array([(column + 1) * cell, (row + 1) * cell, high[row, column]]) + TOUCH
            hit[row, column] = any(clipped(t, least, most) for t in corners)
    found = blocked_cells(corners, low, high, origin=(0.0, 0.0), cell=cell, shape=shape)
    np.testing.assert_array_equal(found, hit)
    assert 0.1 < hit.mean() < 0.95


def test_what_ends_below_the_box_or_beside_the_grid_blocks_nothing():
    corners = np.array(
        [[[0.01, 0.01, 0.0], [0.09, 0.01, 0.05], [0.01, 0.09, 0.05]], [[5, 5, 0.5], [6, 5, 0.5], [5, 6, 0.5]]]
    )
    shape = (2, 2)
    found = blocked_cells(corners, np.full(shape, 0.06), np.full(shape, 1.0), origin=(0, 0), cell=0.1, shape=shape)
    assert not found.any()


def test_a_wall_on_the_border_of_two_cells_blocks_both_and_never_vanishes():
    wall = np.array([[[0.1, -1, 0.0], [0.1, 2, 0.0], [0.1, 0.05, 9.0]]])
    shape = (1, 3)
    found = blocked_cells(wall, np.full(shape, 0.1), np.full(shape, 1.0), origin=(0.0, 0.0), cell=0.1, shape=shape)
    assert found.tolist() == [[True, True, False]]
