# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The import into a stage, with real pxr and, for what it produced, the real PhysX."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pxr")
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from lyra.worldgen import stage_edits
from lyra_core.types import Camera, CameraPath, Gaussians, Mesh
from lyra_core.usd import SpawnPose, write_world


def flat_floor(cells: int = 8, size: float = 0.5) -> Mesh:
    line = (np.arange(cells + 1) - cells / 2) * size
    x, y = np.meshgrid(line, line, indexing="ij")
    points = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3).astype(np.float32)
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
    a, b, c, d = corner, corner + cells + 1, corner + cells + 2, corner + 1
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    return Mesh(points, faces, np.full((len(points), 3), 0.5, np.float32))


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("worlds") / "hall"
    pose = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1.0]])
    intrinsics = np.array([[50, 0, 32], [0, 50, 24], [0, 0, 1.0]])
    path = CameraPath(np.repeat(pose[None], 2, 0), np.repeat(intrinsics[None], 2, 0), 64, 48, 16.0)
    assert isinstance(path[0], Camera)
    cloud = Gaussians(
        means=np.zeros((4, 3), np.float32),
        quats_wxyz=np.tile(np.array([1, 0, 0, 0], np.float32), (4, 1)),
        scales=np.full((4, 3), 0.01, np.float32),
        opacities=np.full(4, 0.9, np.float32),
        sh=np.zeros((4, 1, 3), np.float32),
    )
    write_world(
        folder,
        gaussians=cloud,
        visual=flat_floor(),
        tiles=[("tile_0_0", flat_floor())],
        camera_path=path,
        spawns=[SpawnPose("spawn_0", (0.5, 0.25, 0.0), 0.0)],
    )
    return folder


def make_stage(file: Path | None, *, up: str = "Z", metres: float = 1.0, default: str = "") -> Usd.Stage:
    stage = Usd.Stage.CreateNew(str(file)) if file else Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, up)
    UsdGeom.SetStageMetersPerUnit(stage, metres)
    if default:
        stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, default).GetPrim())
    return stage


STAGES = list(itertools.product(("Z", "Y"), (1.0, 0.01), ("", "/World")))


@pytest.mark.parametrize(("up", "metres", "default"), STAGES)
def test_undo_leaves_the_stage_as_it_was_byte_for_byte(world, up, metres, default):
    stage = make_stage(None, up=up, metres=metres, default=default)
    before = stage.GetRootLayer().ExportToString()
    for _ in range(3):  # do, undo, redo, undo, ...
        done = stage_edits.import_world(stage, world / "world.usda")
        assert stage.GetPrimAtPath(done.prim)
        assert stage_edits.has_physics_scene(stage)
        stage_edits.remove_import(done)
        assert stage.GetRootLayer().ExportToString() == before


@pytest.mark.parametrize(("up", "metres", "default"), STAGES)
def test_a_point_of_the_world_lies_where_the_stages_units_say(world, up, metres, default):
    stage = make_stage(None, up=up, metres=metres, default=default)
    if default:  # a parent that was moved and turned does not move the world
        UsdGeom.Xformable(stage.GetDefaultPrim()).AddTranslateOp().Set(Gf.Vec3d(3, 4, 5))
    done = stage_edits.import_world(stage, world / "world.usda")
    spawn = stage.GetPrimAtPath(f"{done.prim}/Spawn/spawn_0")
    at = UsdGeom.Xformable(spawn).ComputeLocalToWorldTransform(0).ExtractTranslation()
    expected = Gf.Vec3d(0.5, 0.25, 0.0) if up == "Z" else Gf.Vec3d(0.5, 0.0, -0.25)
    assert (at - expected / metres).GetLength() < 1e-9 / metres
    assert stage_edits.world_point(stage, done.prim, at) == pytest.approx((0.5, 0.25, 0.0), abs=1e-9)


def test_a_saved_stage_gets_a_relative_path_and_opens_again_elsewhere(world, tmp_path):
    stage = make_stage(world.parent / "scene.usda")
    done = stage_edits.import_world(stage, world / "world.usda", appearance="mesh")
    stage.Save()
    text = (world.parent / "scene.usda").read_text()
    assert "@./hall/world.usda@" in text
    assert str(world.parent) not in text
    moved = world.parent.parent / "moved"
    world.parent.rename(moved)
    try:
        again = Usd.Stage.Open(str(moved / "scene.usda"))
        assert again.GetPrimAtPath(f"{done.prim}/Collision/tile_0_0").IsA(UsdGeom.Mesh)
    finally:
        moved.rename(world.parent)
        (world.parent / "scene.usda").unlink()


def test_an_own_physics_scene_stays_the_only_one(world):
    stage = make_stage(None)
    UsdPhysics.Scene.Define(stage, "/mine")
    stage_edits.import_world(stage, world / "world.usda")
    assert [str(p.GetPath()) for p in stage.Traverse() if p.IsA(UsdPhysics.Scene)] == ["/mine"]


def test_two_worlds_stand_side_by_side_and_come_out_in_any_order(world):
    stage = make_stage(None, default="/World")
    first = stage_edits.import_world(stage, world / "world.usda")
    second = stage_edits.import_world(stage, world / "world.usda")
    assert first.prim != second.prim
    stage_edits.remove_import(second)
    assert stage.GetPrimAtPath(first.prim)
    assert not stage.GetPrimAtPath(second.prim)


def test_an_edit_target_other_than_the_root_layer_is_cleaned_up_too(world):
    stage = make_stage(None, default="/World")
    root = stage.GetRootLayer().ExportToString()
    session = stage.GetSessionLayer().ExportToString()
    with Usd.EditContext(stage, stage.GetSessionLayer()):
        done = stage_edits.import_world(stage, world / "world.usda")
    assert stage.GetRootLayer().ExportToString() == root
    assert stage.GetPrimAtPath(done.prim)
    stage_edits.remove_import(done)
    assert stage.GetSessionLayer().ExportToString() == session


def test_appearance_variants_hide_what_they_should(world):
    stage = make_stage(None)
    done = stage_edits.import_world(stage, world / "world.usda")
    active = {}
    for name in ("splat", "mesh", "both"):
        stage_edits.select_appearance(stage, done.prim, name)
        active[name] = tuple(stage.GetPrimAtPath(f"{done.prim}/{p}").IsActive() for p in ("Appearance", "Visual"))
    assert active == {"splat": (True, False), "mesh": (False, True), "both": (True, True)}
    with pytest.raises(ValueError, match="no appearance"):
        stage_edits.select_appearance(stage, done.prim, "smoke")


def test_a_refused_import_leaves_nothing(world, tmp_path):
    stage = make_stage(None)
    before = stage.GetRootLayer().ExportToString()
    with pytest.raises(ValueError, match="smoke"):
        stage_edits.import_world(stage, world / "world.usda", appearance="smoke")
    with pytest.raises(FileNotFoundError):
        stage_edits.import_world(stage, tmp_path / "world.usda")
    assert stage.GetRootLayer().ExportToString() == before


def add_ball(stage: Usd.Stage, path: str, at: Gf.Vec3d, radius: float) -> None:
    ball = UsdGeom.Sphere.Define(stage, path)
    ball.CreateRadiusAttr(radius)
    ball.CreateExtentAttr([Gf.Vec3f(-radius), Gf.Vec3f(radius)])
    ball.AddTranslateOp().Set(at)
    UsdPhysics.RigidBodyAPI.Apply(ball.GetPrim())
    UsdPhysics.CollisionAPI.Apply(ball.GetPrim())
    prim = ball.GetPrim()
    prim.AddAppliedSchema("PhysxCollisionAPI")
    prim.CreateAttribute("physxCollision:contactOffset", Sdf.ValueTypeNames.Float, custom=False).Set(0.2 * radius)
    prim.CreateAttribute("physxCollision:restOffset", Sdf.ValueTypeNames.Float, custom=False).Set(0.0)


@pytest.mark.physics
@pytest.mark.parametrize(("up", "metres"), [("Z", 1.0), ("Y", 0.01), ("Z", 0.01), ("Y", 1.0)])
def test_nothing_falls_through_the_imported_floor_in_physx(world, tmp_path, up, metres):
    from lyra_core.simulation.ovphysx_engine import OvPhysxEngine, is_available

    if not is_available():
        pytest.skip("ovphysx is not installed")
    file = tmp_path / "scene.usda"
    stage = make_stage(file, up=up, metres=metres)
    done = stage_edits.import_world(stage, world / "world.usda")
    to_stage = stage_edits.in_world(stage, done.prim)
    rng = np.random.default_rng(5)
    starts = [Gf.Vec3d(*rng.uniform(-1.6, 1.6, 2).tolist(), 0.3 + 0.1 * i) for i in range(24)]
    starts.append(Gf.Vec3d(30, 30, 1))  # control: beyond the mesh it must reach the guard plane below
    for i, start in enumerate(starts):
        add_ball(stage, f"/ball_{i:02d}", to_stage.Transform(start), 0.05 / metres)
    stage.Save()
    engine = OvPhysxEngine()
    with engine.open(file, step=1 / 120):
        engine.step(360)
        state = engine.bodies()
        ends = np.array([to_stage.GetInverse().Transform(Gf.Vec3d(*p.tolist())) for p in state.positions])
    height = ends[:-1, 2]
    assert (height < -0.02).sum() == 0  # fell
    assert np.abs(height - 0.05).max() < 0.02  # [m] every ball rests on the floor, radius above it
    assert ends[-1, 2] < 0.0
