# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from pxr import Gf, Usd, UsdGeom, UsdPhysics, UsdShade

from lyra_core.errors import InputError
from lyra_core.types import Mesh
from lyra_core.usd import SpawnPose, read_collision_tiles, read_splats
from tests.conftest import ROOT
from tests.usd.conftest import write_room
from tests.usd.synthetic import room_tiles, some_gaussians

PROMISED = ("Appearance/splats", "Appearance/sky", "Visual/mesh", "Collision/tile_0_0", "Collision/ground")
PROMISED += ("Cameras/path", "Robots", "Spawn/spawn_0", "PhysicsMaterials/surface")


def opened(world, variant=None, file="world.usda"):
    stage = Usd.Stage.Open(str(world / file))
    if variant:
        stage.SetEditTarget(stage.GetSessionLayer())
        stage.GetDefaultPrim().GetVariantSets().SetSelection("appearance", variant)
    return stage


def test_the_promised_prims_exist_and_the_world_is_labelled(pristine):
    stage = opened(pristine, "both")
    for path in PROMISED:
        assert stage.GetPrimAtPath(f"/World/{path}"), path
    world = stage.GetDefaultPrim()
    assert Usd.ModelAPI(world).GetKind() == "assembly"
    assert list(world.GetAttribute("semantics:labels:class").Get()) == ["environment"]
    assert list(stage.GetPrimAtPath("/World/Collision/tile_0_0").GetAttribute("semantics:labels:class").Get())
    assert stage.GetRootLayer().customLayerData["lyra"]["scale"] == {"source": "photo", "confidence": 0.8}
    assert stage.GetPrimAtPath("/World/Spawn").GetCustomDataByKey("lyra:map")["resolution"] == 0.05


@pytest.mark.parametrize(
    ("variant", "splats", "mesh"), [("splat", True, False), ("mesh", False, True), ("both", True, True)]
)
def test_each_appearance_shows_what_it_names_and_always_the_colliders(pristine, variant, splats, mesh):
    stage = opened(pristine, variant)
    assert bool(stage.GetPrimAtPath("/World/Appearance/splats")) is splats
    assert bool(stage.GetPrimAtPath("/World/Visual/mesh")) is mesh
    assert stage.GetPrimAtPath("/World/Collision/tile_0_0")


def test_splats_are_shown_unless_something_else_is_asked_for(pristine, tmp_path):
    assert opened(pristine).GetPrimAtPath("/World/Appearance/splats")
    write_room(tmp_path / "w", appearance="mesh")
    assert opened(tmp_path / "w").GetPrimAtPath("/World/Visual/mesh")


def test_every_layer_says_z_up_metres_kilograms_and_the_same_frame_rate(pristine):
    for stage in (opened(pristine, "both"), opened(pristine, "both", "world_physics.usda")):
        layers = [layer for layer in stage.GetUsedLayers() if not layer.anonymous]
        assert len(layers) >= 7
        for layer in layers:
            root = layer.pseudoRoot
            found = [root.GetInfo(key) for key in ("upAxis", "metersPerUnit", "kilogramsPerUnit", "timeCodesPerSecond")]
            assert found == ["Z", 1.0, 1.0, 16.0], layer.identifier
            assert layer.defaultPrim


def test_the_root_is_thin_and_the_folder_can_be_moved(pristine, tmp_path):
    assert (pristine / "world.usda").stat().st_size < 5000
    assert str(pristine) not in (pristine / "world.usda").read_text() + (pristine / "world_physics.usda").read_text()
    moved = pristine.rename(tmp_path / "elsewhere")
    try:
        assert opened(moved, "both").GetPrimAtPath("/World/Visual/mesh")
    finally:
        moved.rename(pristine)


def test_the_world_owns_no_physics_scene_and_the_standalone_file_adds_one(pristine):
    stage = opened(pristine, "both")
    assert not [p for p in stage.Traverse() if p.IsA(UsdPhysics.Scene)]
    stage = opened(pristine, file="world_physics.usda")
    scenes = [p for p in stage.Traverse() if p.IsA(UsdPhysics.Scene)]
    assert [str(p.GetPath()) for p in scenes] == ["/World/PhysicsScene"]
    assert scenes[0].GetAttribute("physxScene:timeStepsPerSecond").Get() == 120
    assert scenes[0].GetAttribute("physxScene:enableCCD").Get() is True
    assert stage.GetPrimAtPath("/World/Collision/tile_0_0")


def test_tiles_keep_their_physics_material_when_the_world_is_referenced_elsewhere(pristine):
    stage = Usd.Stage.CreateInMemory()
    prim = stage.DefinePrim("/Env/House")
    prim.GetReferences().AddReference(str(pristine / "world.usda"))
    tile = stage.GetPrimAtPath("/Env/House/Collision/tile_0_0")
    material, _ = UsdShade.MaterialBindingAPI(tile).ComputeBoundMaterial("physics")
    assert str(material.GetPath()) == "/Env/House/PhysicsMaterials/surface"
    assert UsdPhysics.MaterialAPI(material).GetStaticFrictionAttr().Get() == pytest.approx(0.8)


def test_a_spawn_pose_turns_the_x_axis_by_its_yaw(pristine):
    stage = opened(pristine)
    xform = UsdGeom.Xformable(stage.GetPrimAtPath("/World/Spawn/spawn_0"))
    matrix = xform.ComputeLocalToWorldTransform(Usd.TimeCode.Default())
    np.testing.assert_allclose(matrix.TransformDir(Gf.Vec3d(1, 0, 0)), [np.cos(0.5), np.sin(0.5), 0], atol=1e-6)
    np.testing.assert_allclose(matrix.ExtractTranslation(), [1, 1, 0])


def test_writing_again_replaces_the_world_for_readers_of_the_same_process(tmp_path):
    write_room(tmp_path)
    assert len(read_splats(tmp_path / "payload" / "appearance.usdc")["/Appearance/splats"]) == 300
    stage = opened(tmp_path)
    write_room(tmp_path, gaussians=some_gaussians(7), tiles=room_tiles(step=0.5))
    assert len(read_splats(tmp_path / "payload" / "appearance.usdc")["/Appearance/splats"]) == 7
    assert len(stage.GetPrimAtPath("/World/Appearance/splats").GetAttribute("positions").Get()) == 7
    assert sum(len(mesh.faces) for _, mesh in read_collision_tiles(tmp_path)) == sum(
        len(mesh.faces) for _, mesh in room_tiles(step=0.5)
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"gaussians": some_gaussians(3).subset(np.zeros(3, bool))},
        {"visual": Mesh(np.zeros((0, 3)), np.zeros((0, 3)))},
        {"tiles": [("tile", Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])))]},
        {"labels": {"Collision/tile_9_9": "floor"}},
    ],
)
def test_nothing_is_written_if_a_part_is_broken(tmp_path, broken):
    with pytest.raises(InputError):
        write_room(tmp_path / "w", **broken)
    assert not list(tmp_path.rglob("*.usd*"))


def test_illegal_names_and_poses_of_spawns_are_refused(tmp_path):
    for spawn in (SpawnPose("1st", (0, 0, 0)), SpawnPose("ok", (0, 0, float("nan")))):
        with pytest.raises(InputError):
            write_room(tmp_path, spawns=[spawn])


def test_two_processes_write_the_same_bytes_and_no_leftovers(tmp_path):
    digests = []
    for run in ("1", "2"):
        folder = tmp_path / run
        code = f"from tests.usd.conftest import write_room; from pathlib import Path; write_room(Path({str(folder)!r}))"
        environment = {**os.environ, "PYTHONHASHSEED": run}
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        assert not [path for path in files if "partial" in path.name]
        digests.append({str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files})
    assert digests[0] == digests[1]
    assert len(digests[0]) == 8
