# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""PhysX on the CPU: slow to start (1 s), so that the room is checked once and looked at by several tests."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest

pytest.importorskip("pxr")

from lyra_core.errors import InputError, LyraError, MissingDependencyError, SimulationError, WorldError
from lyra_core.simulation import (
    OvPhysxEngine,
    check_world,
    drop_picture,
    is_available,
    ovphysx_engine,
    probe_without_engine,
)
from lyra_core.types import Mesh
from lyra_core.usd import TestBody, write_check_stage
from tests.usd.conftest import write_room
from tests.usd.synthetic import room_tiles

physics = pytest.mark.physics
needs_physx = pytest.mark.skipif(not is_available(), reason="ovphysx is not installed (physics extra)")


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    folder = tmp_path_factory.mktemp("room")
    write_room(folder, tiles=room_tiles(step=0.05))
    return folder


@pytest.fixture(scope="module")
def report(room):
    if not is_available():
        pytest.skip("ovphysx is not installed (physics extra)")
    return check_world(room, drops=100)


def damaged(folder, change, **options):
    """The room with change(name, mesh) applied to each tile."""
    tiles = [(name, change(name, mesh)) for name, mesh in room_tiles(step=0.05, **options)]
    write_room(folder, tiles=[(name, mesh) for name, mesh in tiles if mesh is not None], labels={})
    return folder


@physics
def test_the_room_carries_every_body_and_both_controls_are_caught(report):
    assert report.passed, report.problems
    assert report.probe.fraction == 1.0
    assert (report.drops.dropped, report.drops.fell) == (100, 0)
    assert [(c.name, c.caught) for c in report.controls] == [("flipped", True), ("no_floor", True)]
    # The guide plane 10 cm below the floor catches what falls, and still it counts as fallen.
    assert all(c.fell >= 24 for c in report.controls)
    assert json.loads(json.dumps(report.to_json()))["fell"] == 0


@physics
def test_bodies_come_to_rest_on_the_floor_and_not_above_it(report):
    on_floor = report.drops.ends[:, 2] - report.drops.radii < 0.02
    # The rest lies on the table and boxes or leans against something.
    assert on_floor.mean() > 0.8
    assert (report.drops.ends[:, 2] - report.drops.radii > -0.02).all()


@physics
def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_drops(report, room):
    again = check_world(room, drops=100, controls=False)
    np.testing.assert_array_equal(again.drops.ends, report.drops.ends)
    assert again.probe == report.probe
    other = check_world(room, drops=20, batch=20, seed=1, controls=False)
    assert not np.array_equal(other.drops.ends, report.drops.ends[:20])


@physics
@needs_physx
def test_physx_and_the_bare_triangles_agree_on_every_ray(room, report):
    alone = probe_without_engine(room)
    assert (alone.rays, alone.hits) == (report.probe.rays, report.probe.hits)


@physics
@needs_physx
def test_one_flipped_tile_fails_the_check(tmp_path):
    def flip(name, mesh):
        return Mesh(mesh.vertices, mesh.faces[:, ::-1]) if name == "tile_1_0" else mesh

    report = check_world(damaged(tmp_path, flip), drops=50, controls=False)
    assert not report.passed
    assert 0.3 < report.probe.fraction < 0.7
    # Half of the floor is gone; binomial with n = 50, five standard deviations.
    assert 8 <= report.drops.fell <= 42
    assert "fell through" in " ".join(report.problems)


@physics
@needs_physx
def test_scattered_missing_triangles_fail_the_rays_even_if_no_body_finds_them(tmp_path, rng):
    def thin(name, mesh):
        keep = rng.random(len(mesh.faces)) > 0.01
        return mesh if name == "tile_rest" else Mesh(mesh.vertices, mesh.faces[keep])

    report = check_world(damaged(tmp_path, thin), drops=20, batch=20, controls=False)
    assert not report.passed
    assert 0.98 < report.probe.fraction < 0.999


@physics
@needs_physx
def test_a_world_without_floor_is_refused(tmp_path):
    folder = damaged(tmp_path, lambda name, mesh: mesh if name == "tile_rest" else None)
    # The furniture's undersides at floor height are no free floor either: all of it is below furniture.
    with pytest.raises(SimulationError, match="no free floor"):
        check_world(folder, drops=10)


@physics
@needs_physx
def test_colliders_that_physx_cooks_into_nothing_in_silence_are_refused(world_with_nan):
    with pytest.raises(LyraError, match="finite"):
        check_world(world_with_nan, drops=10)


@pytest.fixture
def world_with_nan(tmp_path):
    from pxr import Usd, Vt

    write_room(tmp_path)
    stage = Usd.Stage.Open(str(tmp_path / "payload" / "collision.usdc"))
    points = stage.GetPrimAtPath("/Collision/tile_0_0").GetAttribute("points")
    values = np.array(points.Get())
    values[7] = np.nan
    points.Set(Vt.Vec3fArray.FromNumpy(values))
    stage.GetRootLayer().Save()
    return tmp_path


@physics
@needs_physx
def test_bodies_fall_as_newton_says_and_do_not_touch_each_other(tmp_path):
    tiles = [("floor", room_tiles(step=0.5)[0][1])]
    bodies = [TestBody("sphere", 0.05), TestBody("box", 0.05)]
    stage = write_check_stage(tmp_path / "check.usda", bodies, tiles=tiles)
    engine, step = OvPhysxEngine(), 1 / 240
    with engine.open(stage, step=step):
        assert [path[-3:] for path in engine.body_paths] == ["000", "001"]
        start = np.float32([[1, 2, 2.0], [1, 2, 2.02]])  # inside each other
        engine.place(start, np.tile(np.float32([1, 0, 0, 0]), (2, 1)))
        engine.step(96)  # 0.4 s
        state = engine.bodies()
        np.testing.assert_allclose(state.velocities[:, 2], -9.81 * 0.4, rtol=1e-4)
        # Between the exact g t^2 / 2 and semi-implicit Euler with 96 steps, g h^2 n (n + 1) / 2: PhysX takes substeps.
        fallen = start[:, 2] - state.positions[:, 2]
        exact = 9.81 * 0.4**2 / 2
        assert (fallen > exact - 1e-5).all()
        assert (fallen < exact * (1 + 1 / 96) + 1e-5).all()
        np.testing.assert_allclose(state.positions[:, :2], start[:, :2], atol=1e-6)
        quats = np.float32([[0.5, 0.5, 0.5, 0.5], [0.6, 0, 0.8, 0]])
        engine.place(start, quats)
        np.testing.assert_allclose(engine.bodies().quats_wxyz, quats, atol=1e-6)


@physics
@needs_physx
def test_the_friction_of_the_world_reaches_the_tiles(tmp_path):
    """A box on a slope of tan 0.52: more than PhysX's default friction, 0.5, less than its mean with ours, 0.55."""
    angle = np.arctan(0.52)
    u, v = np.array([np.cos(angle), 0, -np.sin(angle)]), np.array([0.0, 1, 0])
    corners = [3 * (a * u + b * v) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    slope = Mesh(np.array(corners, np.float32), np.array([[0, 1, 2], [0, 2, 3]]))
    write_room(tmp_path / "w", tiles=[("tile_0_0", slope)], floor_z=-5.0, labels={})
    bodies = [TestBody("box", 0.1)]
    with_material = write_check_stage(tmp_path / "a.usda", bodies, world=tmp_path / "w")
    without = write_check_stage(tmp_path / "b.usda", bodies, tiles=[("slope", slope)], floor_z=-5.0)
    normal = np.cross(u, v)
    slid = []
    for stage in (with_material, without):
        engine = OvPhysxEngine()
        with engine.open(stage, step=1 / 120):
            quat = np.float32([[np.cos(angle / 2), 0, np.sin(angle / 2), 0]])
            engine.place((normal * 0.101).astype(np.float32)[None], quat)
            engine.step(240)
            slid.append(float(engine.bodies().positions[0] @ u))
    assert slid[0] < 0.02
    assert slid[1] > 0.2


@physics
@needs_physx
def test_the_engine_refuses_misuse(tmp_path):
    engine = OvPhysxEngine()
    with pytest.raises(SimulationError, match="No stage is open"):
        engine.step(1)
    (tmp_path / "bad.usda").write_text("this is not usd")
    with pytest.raises(SimulationError, match="cannot load"), engine.open(tmp_path / "bad.usda", step=1 / 60):
        pass


@physics
def test_the_picture_shows_the_room_and_every_body(report, tmp_path):
    image = drop_picture(report, tmp_path, width=700)
    assert image.shape[1:] == (700, 3)
    assert (tmp_path / "drop_test.png").is_file()
    green = (np.abs(image.astype(int) - [0x2F, 0x7D, 0x4F]).sum(axis=2) < 20).sum()
    assert green > 100 * 8  # a hundred dots of about 20 pixels, some on top of each other


def test_without_ovphysx_the_error_names_the_command(room, monkeypatch):
    real = importlib.util.find_spec
    ovphysx_engine._runtime.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ovphysx" else real(name))
    try:
        with pytest.raises(MissingDependencyError, match=r'pip install "lyra-worldgen\[physics\]"'):
            check_world(room)
        assert not is_available()
    finally:
        monkeypatch.undo()


def test_bad_arguments_and_folders_are_refused(tmp_path, room):
    with pytest.raises(InputError, match="at least 1"):
        check_world(room, drops=0)
    if is_available():
        with pytest.raises(WorldError):
            check_world(tmp_path)
