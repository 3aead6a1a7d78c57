# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Cracks between the floor and ground at another height."""

import numpy as np
import pytest

from lyra_core.meshing.columns import vertical_hits
from lyra_core.meshing.floor import FloorPlan, grid_mesh, slab
from lyra_core.meshing.rim import crack_patch
from lyra_core.meshing.sampling import surface_samples
from lyra_core.meshing.topology import face_normals, join
from lyra_core.types import Mesh

CELL = 0.2


def floor_with_pit():
    """A floor of 8 x 8 m with a pit of 2.4 x 2.4 m in its middle."""
    solid = ~(np.abs(np.mgrid[:40, :40] - 19.5) < 6).all(axis=0)
    return FloorPlan(0.0, 0.02, (1.0, -3.0), CELL, solid, solid, 0.0)


def ground(plan, size, z):
    """A square [m] of lower ground in the middle of the pit, finer than the floor's cells."""
    n = round(size / 0.04)
    low = np.array(plan.origin) + 4.0 - size / 2
    return grid_mesh(np.ones((n, n), np.bool_), np.full((n + 1, n + 1), z), (float(low[0]), float(low[1])), 0.04)


def seen_from_above(mesh, plan):
    """Highest surface below 5 cm cells, -inf where nothing is."""
    top = np.full((160, 160), -np.inf)
    for points, _ in surface_samples(mesh, 0.02):
        index = np.floor((points[:, :2] - np.array(plan.origin)) / 0.05 - 1e-4).astype(int)
        np.maximum.at(top, tuple(np.clip(index, 0, 159).T), points[:, 2])
    return top


@pytest.mark.parametrize("crack", [0.04, 0.12, 0.3])
def test_a_crack_between_floor_and_lower_ground_is_closed_on_a_slope(crack):
    plan = floor_with_pit()
    body = ground(plan, 2.4 - 2 * crack, -0.3)
    patch = crack_patch(body, plan, max_area=30.0)
    if crack > 0.05:  # narrower than the cells that are looked at: nothing to close
        assert patch is not None
    joined = join(slab(plan), body) if patch is None else join(join(slab(plan), body), patch)
    top = seen_from_above(joined, plan)
    assert np.isfinite(top).all()
    assert top.min() > -0.31
    if patch is not None:
        assert (face_normals(patch.vertices, patch.faces)[:, 2] > 0).all()
        assert patch.vertices[:, 2].max() < 0  # the floor stays on top, the ground too
        middle = np.abs(patch.vertices[:, :2] - np.array(plan.origin) - 4.0).max(axis=1) < 1.2 - crack - 0.11
        assert not middle.any()


def test_the_floor_alone_and_ground_that_meets_it_need_no_patch():
    plan = floor_with_pit()
    nothing = Mesh(np.zeros((3, 3), np.float32), np.zeros((0, 3), np.int32))
    assert crack_patch(nothing, plan, max_area=30.0) is None
    assert crack_patch(ground(plan, 2.48, -0.3), plan, max_area=30.0) is None


def test_a_gap_larger_than_allowed_stays_open():
    plan = floor_with_pit()
    body = ground(plan, 0.8, -0.3)
    assert crack_patch(body, plan, max_area=30.0) is not None
    closed = crack_patch(body, plan, max_area=1.0)
    assert closed is None


def test_a_stairwell_keeps_its_depth():
    """Ground two metres down: only the crack at its rim is closed, not the stairwell."""
    plan = floor_with_pit()
    body = ground(plan, 2.2, -2.0)
    patch = crack_patch(body, plan, max_area=30.0)
    assert patch is not None
    top = seen_from_above(join(join(slab(plan), body), patch), plan)
    assert np.isfinite(top).all()
    assert (top < -1.9).sum() * 0.05**2 == pytest.approx(2.2**2, rel=0.05)


@pytest.mark.parametrize("height", [0.06, 0.14])
def test_a_crack_beside_ground_that_waves_above_the_floor_is_closed_too(height):
    plan = floor_with_pit()
    body = ground(plan, 2.0, height)
    patch = crack_patch(body, plan, max_area=30.0)
    assert patch is not None
    top = seen_from_above(join(join(slab(plan), body), patch), plan)
    assert np.isfinite(top).all()
    assert top.max() < height + 1e-3
    assert top.min() > -0.01


def test_a_table_over_the_pit_is_no_ground():
    plan = floor_with_pit()
    assert crack_patch(ground(plan, 2.0, 0.7), plan, max_area=30.0) is None


@pytest.mark.parametrize("width", [0.03, 0.06])
def test_nothing_falls_through_a_crack_that_runs_aslant_through_cells_which_both_sides_reach_into(width):
    plan = floor_with_pit()
    low = np.array(plan.origin) + 2.8
    # Ground of the size of the pit, cut in two by a crack that goes from side to side at an odd slope.
    cuts = [(0.9 - width / 2, 1.6 - width / 2), (0.9 + width / 2, 1.6 + width / 2)]
    lower = [(0, 0), (2.4, 0), (2.4, cuts[0][1]), (0, cuts[0][0])]
    upper = [(0, cuts[1][0]), (2.4, cuts[1][1]), (2.4, 2.4), (0, 2.4)]
    corners = np.array([*((x, y, -0.1) for x, y in lower), *((x, y, -0.02) for x, y in upper)]) + [*low, 0]
    body = Mesh(corners.astype(np.float32), np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32))
    patch = crack_patch(body, plan, max_area=30.0)
    assert patch is not None

    def open_lines(mesh):
        shape = (300, 300)
        rng = np.random.default_rng(0)
        x, y = np.indices(shape).reshape(2, -1) * 0.008 + rng.uniform(0.001, 0.007, (2, 90_000)) + low[:, None]
        hit = np.zeros(90_000, bool)
        lines = np.arange(90_000).reshape(shape)
        triangles = mesh.vertices[mesh.faces].astype(np.float64)
        origin = (float(low[0]), float(low[1]))
        for line, z in vertical_hits(triangles, lines, np.stack([x, y], 1), origin=origin, cell=0.008):
            hit[line] |= z < 0.01
        return int((~hit).sum())

    assert open_lines(body) > 90_000 * 0.9 * width / 2.4
    assert open_lines(join(body, patch)) == 0


def test_lines_meet_triangles_that_face_up_where_they_are():
    triangle = np.array([[[0, 0, 1], [4, 0, 1], [0, 4, 3]], [[0, 0, 9], [0, 4, 9], [4, 0, 9]]], float)
    lines = np.arange(16).reshape(4, 4)
    xy = np.stack(np.indices((4, 4)), -1).reshape(-1, 2) + 0.25
    got = np.full(16, np.nan)
    for line, z in vertical_hits(triangle, lines, xy, origin=(0.0, 0.0), cell=1.0):
        got[line] = z
    inside = xy.sum(axis=1) < 4
    np.testing.assert_allclose(got[inside], 1 + xy[inside, 1] / 2)
    assert np.isnan(got[~inside]).all()
    lines[:] = -1
    assert not [hits for hits in vertical_hits(triangle, lines, xy, origin=(0.0, 0.0), cell=1.0) if len(hits[0])]


@pytest.mark.parametrize(("cells", "closed"), [(1, True), (4, False)])
def test_a_narrow_trench_is_closed_and_a_wide_one_is_not(cells, closed):
    """Between two parts of the floor a sheet lies half a metre down: 0.2 m wide it is a crack, 0.8 m wide a ditch."""
    solid = np.ones((40, 40), np.bool_)
    solid[18 : 18 + cells, 10:30] = False
    plan = FloorPlan(0.0, 0.02, (1.0, -3.0), CELL, solid, solid, 0.0)
    n = cells * 5 + 2  # a cell of 0.04 m more at either side: the sheet goes on under the floor
    sheet = grid_mesh(
        np.ones((n, 102), np.bool_),
        np.full((n + 1, 103), -0.5),
        (1.0 + 18 * CELL - 0.04, -3.0 + 10 * CELL - 0.04),
        0.04,
    )
    patch = crack_patch(sheet, plan, max_area=30.0)
    joined = join(slab(plan), sheet) if patch is None else join(join(slab(plan), sheet), patch)
    top = seen_from_above(joined, plan)
    assert (top[75 : 75 + 4 * (cells - 1), 50:110] < -0.4).all() or closed
    assert (top[73:75, 50:110].min() > -0.05) == closed
