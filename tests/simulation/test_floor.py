# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pxr")

from lyra_core.errors import SimulationError
from lyra_core.meshing.floor import FloorPlan, slab
from lyra_core.meshing.sampling import surface_samples
from lyra_core.simulation import probe_without_engine
from lyra_core.simulation.drop import FELL, LANDED, LEFT, plan_drops, run_drops
from lyra_core.simulation.floor import floor_map, floor_triangles
from lyra_core.simulation.protocol import BodyState
from lyra_core.types import Mesh
from tests.usd.synthetic import room_tiles

TILES = room_tiles()


def sheet(size, z=0.0):
    """One square of two triangles, seen from above."""
    corners = np.array([[0, 0, z], [size, 0, z], [size, size, z], [0, size, z]], np.float32)
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.03, 0.1, 0.4]))
@settings(max_examples=20, deadline=None)
def test_samples_leave_no_spot_of_a_triangle_uncovered(seed, spacing):
    rng = np.random.default_rng(seed)
    mesh = Mesh(rng.uniform(-1, 1, (6, 3)), np.array([[0, 1, 2], [3, 4, 5]]))
    samples = np.concatenate([points for points, _ in surface_samples(mesh, spacing)])
    weights = rng.dirichlet(np.ones(3), 40)
    for corners in mesh.vertices[mesh.faces]:
        spots = weights @ corners
        nearest = np.linalg.norm(spots[:, None] - samples[None], axis=2).min(axis=1)
        # The samples form small triangles with edges <= spacing; none of their points is further than that away.
        assert nearest.max() <= spacing


def test_the_free_floor_of_the_room_is_its_area_less_the_furniture():
    floor = floor_map(TILES)
    # 6 x 4 m less table 1.2 x 0.8, boxes 0.6 x 0.6 and 0.5 x 0.5 (hollow: its inside is no free floor)
    furniture = 1.2 * 0.8 + 0.6 * 0.6 + 0.5 * 0.5
    outline = 2 * (6 + 4 + 1.2 + 0.8 + 0.6 + 0.6 + 0.5 + 0.5)
    assert floor.free_area == pytest.approx(24 - furniture, abs=outline * floor.cell)
    rows, columns = floor.cells_of(np.array([[4.6, 1.4], [1.3, 3.1], [3.05, 0.35], [3.0, 2.0], [0.5, 0.5]]))
    assert floor.free[rows, columns].tolist() == [False, False, False, True, True]


def test_a_taller_robot_finds_less_room():
    table = floor_map(TILES, robot_height=0.6)
    assert table.free_area > floor_map(TILES, robot_height=1.0).free_area + 0.5


def test_winding_plays_no_part_in_what_is_promised():
    flipped = [(name, Mesh(mesh.vertices, mesh.faces[:, ::-1])) for name, mesh in TILES]
    # Samples exactly on the border of a cell may round to either side.
    assert (floor_map(flipped).free != floor_map(TILES).free).mean() < 0.005


def test_heights_follow_the_floor_and_small_gaps_still_count_as_floor():
    slope = Mesh(
        np.array([[0, 0, 0], [2, 0, 0.1], [2, 2, 0.1], [0, 2, 0]], np.float32), np.array([[0, 1, 2], [0, 2, 3]])
    )
    floor = floor_map([("a", slope)])
    rows, columns = floor.cells_of(np.array([[0.5, 1.0], [1.5, 1.0]]))
    np.testing.assert_allclose(floor.height[rows, columns], [0.025, 0.075], atol=0.05 * floor.cell + 2e-3)
    mesh = TILES[0][1]
    centre = mesh.vertices[mesh.faces].mean(axis=1)
    gap = (np.abs(centre[:, :2] - [1.0, 1.5]) < 0.06).all(axis=1)
    assert gap.sum() >= 4
    holed = [("a", Mesh(mesh.vertices, mesh.faces[~gap])), *TILES[1:]]
    np.testing.assert_array_equal(floor_map(holed).free, floor_map(TILES).free)


def test_rays_on_the_triangles_find_flips_and_gaps_in_proportion(rng):
    good = probe_without_engine(TILES)
    assert good.fraction == 1.0
    assert good.rays > 5000
    flipped = [(name, Mesh(mesh.vertices, mesh.faces[:, ::-1])) for name, mesh in TILES]
    assert probe_without_engine(flipped).fraction < 0.01  # only the undersides of the furniture remain
    some = []
    for name, mesh in TILES:
        faces = np.array(mesh.faces)
        chosen = floor_triangles(mesh, 0.0, 0.15) & (rng.random(len(faces)) < 0.1)
        faces[chosen] = faces[chosen][:, ::-1]
        some.append((name, Mesh(mesh.vertices, faces)))
    # Binomial: 10 % of some 8,000 rays, five standard deviations of the fewer triangles are below 2 %.
    assert probe_without_engine(some).fraction == pytest.approx(0.9, abs=0.02)
    assert "no physics engine" in good.engine


def test_starts_are_over_the_free_floor_under_the_ceiling_and_off_the_edge(rng):
    floor = floor_map(TILES)
    plan = plan_drops(floor, 400, rng)
    x, y, z = plan.positions.T
    assert plan.margin == 0.3
    assert (z > 0.25).all()
    assert (z < 2.25).all()
    assert (x > 0.2).all()
    assert (x < 5.8).all()
    assert (y > 0.2).all()
    assert (y < 3.8).all()
    rows, columns = floor.cells_of(plan.positions[:, :2])
    assert floor.free[rows, columns].all()
    low = plan_drops(floor_map([*TILES, ("lid", sheet(6.0, 1.2))]), 400, rng)
    assert low.positions[:, 2].max() < 1.1


def test_a_world_without_floor_says_so(rng):
    with pytest.raises(SimulationError, match="no free floor"):
        plan_drops(floor_map([("wall", Mesh(sheet(2.0).vertices[:, [0, 2, 1]], sheet(2.0).faces))]), 10, rng)


class Scripted:
    """An engine whose bodies follow a script: one (N, 3) array per look."""

    name, body_paths = "scripted", ()

    def __init__(self, script):
        self.script, self.at = script, -1

    def place(self, positions, quats_wxyz):
        self.at = -1

    def step(self, count):
        self.at += 1

    def bodies(self):
        positions = np.asarray(self.script[min(self.at, len(self.script) - 1)], np.float32)
        return BodyState(positions, np.tile(np.float32([1, 0, 0, 0]), (len(positions), 1)), positions * 0)


def outcomes(*script, radii=None):
    floor = floor_map(TILES)
    count = len(script[0])
    plan = plan_drops(floor, count, np.random.default_rng(0))
    radii = np.full(count, 0.05) if radii is None else np.array(radii)
    return run_drops(Scripted(script), floor, plan, radii, seconds=len(script) / 12, step=1 / 120)


def test_a_body_counts_as_fallen_by_its_lowest_point_and_where_it_sank_decides():
    report = outcomes(
        [[3, 2, 0.5], [3, 2, 0.5], [5.8, 2, 0.5], [3, 2, 0.5], [3, 2, 0.5]],
        [[3, 2, 0.05], [3, 2, -0.05], [6.3, 2, 0.0], [3, 2, np.nan], [3, 2, -0.2]],
        [[3, 2, 0.05], [3, 2, -0.05], [6.5, 2, -0.4], [3, 2, np.nan], [9, 2, -0.2]],
    )
    assert report.outcome.tolist() == [LANDED, FELL, LEFT, FELL, FELL]
    assert (report.fell, report.left, report.dropped) == (3, 1, 5)


def test_standing_on_the_guide_plane_is_no_landing_for_the_largest_body():
    assert outcomes([[3, 2, -0.106 + 0.1]], radii=[0.1]).fell == 1
    assert outcomes([[3, 2, 0.1]], radii=[0.1]).fell == 0


def test_a_body_on_furniture_has_landed_and_a_body_that_came_back_has_still_fallen():
    assert outcomes([[4.6, 1.4, 0.79]]).fell == 0
    assert outcomes([[3, 2, -0.3]], [[3, 2, 0.1]]).fell == 1


def test_a_ragged_outer_edge_promises_no_floor_beyond_it(rng):
    """A floor with notches 20 cm wide, as the border of a reconstructed street has."""
    mesh = TILES[0][1]
    centre = mesh.vertices[mesh.faces].mean(axis=1)
    teeth = (centre[:, 0] > 2.6) & (np.floor(centre[:, 1] / 0.2) % 2 == 0)
    probe = probe_without_engine([("a", Mesh(mesh.vertices, mesh.faces[~teeth]))])
    assert probe.rays > 2000
    assert probe.fraction == 1.0


def test_the_corners_of_a_drop_inside_the_floor_promise_nothing_and_a_gap_beside_it_still_does():
    """The slab of a floor with a pit of stepped rim, as lower ground leaves it, and with a missing piece beside it."""
    cell = 0.15
    x, y = np.abs(np.mgrid[:40, :40] - 20)
    pit = (np.maximum(x, y) <= 3) & (x + y <= 4)

    def rays(solid):
        whole = np.ones_like(solid)
        return probe_without_engine([("a", slab(FloorPlan(0.0, 0.02, (0.0, 0.0), cell, whole, solid, 0.0)))])

    probe = rays(~pit)
    assert probe.rays > 8000
    assert probe.hits == probe.rays
    gap = np.zeros_like(pit)
    gap[10, 20] = True
    holed = rays(~pit & ~gap)
    assert 0 < holed.rays - holed.hits < 30


@pytest.mark.parametrize(("ground", "expected"), [(True, LANDED), (False, FELL)])
def test_what_lies_on_the_ground_of_a_drop_has_not_fallen_through_and_without_ground_it_has(ground, expected, rng):
    pit = (np.abs(np.mgrid[:40, :40] - 20) <= 6).all(axis=0)
    plan = FloorPlan(0.0, 0.02, (0.0, 0.0), 0.1, ~pit, ~pit, 0.0)
    tiles = [("floor", slab(plan))] + [("bottom", slab(plan, pit, drop=0.5))] * ground
    floor = floor_map(tiles)
    script = [[2.05, 2.05, -0.45], [0.5, 0.5, -0.45], [2.05, 2.05, -0.6]]
    report = run_drops(
        Scripted([script]), floor, plan_drops(floor, 3, rng), np.full(3, 0.05), seconds=1 / 12, step=1 / 120
    )
    assert report.outcome.tolist() == [expected, FELL, FELL]


def test_what_rolls_in_under_a_bump_has_not_fallen_and_what_sinks_below_the_floor_there_has(rng):
    """A sheet 12 cm over the floor, as a bump of learned depth that arches over it, open at its sides."""
    bump = Mesh(sheet(1.0, 0.12).vertices + np.float32([1, 1, 0]), sheet(1.0).faces)
    floor = floor_map([("floor", sheet(3.0)), ("bump", bump)])
    assert floor.height[floor.cells_of(np.array([[1.5, 1.5]]))] == pytest.approx(0.12)
    script = [[1.5, 1.5, 0.05], [1.5, 1.5, -0.05], [0.5, 0.5, 0.05]]
    report = run_drops(
        Scripted([script]), floor, plan_drops(floor, 3, rng), np.full(3, 0.05), seconds=1 / 12, step=1 / 120
    )
    assert report.outcome.tolist() == [LANDED, FELL, LANDED]
    # A ray from above must still stop at the bump: one that faces down is a fault.
    flipped = Mesh(bump.vertices, bump.faces[:, ::-1])
    probe = probe_without_engine([("floor", sheet(3.0)), ("bump", flipped)])
    assert 0.05 < 1 - probe.fraction < 0.2
