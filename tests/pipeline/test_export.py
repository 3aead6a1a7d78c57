# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Exports: sound packages that hold the same world."""

from __future__ import annotations

import ast
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pxr import Usd, UsdGeom, UsdPhysics, UsdShade

from lyra_core.errors import InputError, WorldError
from lyra_core.pipeline.export import export
from lyra_core.pipeline.imports import UP_AXES
from lyra_core.reconstruction.imported import moved_gaussians
from lyra_core.usd import read_collision_tiles
from lyra_core.usd.packages import usdz_problems
from lyra_core.world import WorldFolder
from tests.pipeline import box_room


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "room"
    box_room.make_world(folder)
    return folder


def colliders(stage: Usd.Stage) -> list[Usd.Prim]:
    return [p for p in stage.Traverse() if p.IsA(UsdGeom.Mesh) and p.HasAPI(UsdPhysics.CollisionAPI)]


def points(prim: Usd.Prim) -> np.ndarray:
    return np.array(UsdGeom.Mesh(prim).GetPointsAttr().Get())


def test_the_usdz_is_aligned_stored_binary_and_without_errors(world, tmp_path):
    (made,) = export(world, ["usdz"], tmp_path)
    assert made.errors == ()
    assert usdz_problems(made.files[0]) == []
    with zipfile.ZipFile(made.files[0]) as archive:
        names = archive.namelist()
    assert names[0] == "world.usdc", "the first layer is the one that hosts open"
    assert {Path(name).suffix for name in names} == {".usdc"}


def test_a_package_that_is_not_aligned_is_noticed(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.usdz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.usdc", "x" * 1000)
    problems = usdz_problems(tmp_path / "bad.usdz")
    assert any("compressed" in p for p in problems)
    assert any("byte" in p for p in problems)


def test_the_usdz_holds_the_same_world(world, tmp_path):
    (made,) = export(world, ["usdz"], tmp_path)
    packed, own = Usd.Stage.Open(str(made.files[0])), Usd.Stage.Open(str(world / "world.usda"))
    assert [str(p.GetPath()) for p in packed.Traverse()] == [str(p.GetPath()) for p in own.Traverse()]
    for a, b in zip(colliders(packed), colliders(own), strict=True):
        np.testing.assert_array_equal(points(a), points(b))
    for time in (0, 5):
        cameras = [UsdGeom.Camera(s.GetPrimAtPath("/World/Cameras/path")) for s in (packed, own)]
        matrices = [np.array(c.ComputeLocalToWorldTransform(time)) for c in cameras]
        np.testing.assert_array_equal(*matrices)
    assert np.ptp([np.array(cameras[0].ComputeLocalToWorldTransform(t)) for t in (0, 5)], axis=0).max() > 0.1


def test_the_isaac_lab_terrain_keeps_its_friction_under_another_prim(world, tmp_path):
    (made,) = export(world, ["isaac-lab"], tmp_path)
    assert made.errors == ()
    terrain = Usd.Stage.Open(str(made.files[0]))
    assert not any(p.IsA(UsdPhysics.Scene) or p.IsA(UsdGeom.Camera) for p in terrain.TraverseAll())
    assert [p.GetName() for p in terrain.GetPseudoRoot().GetChildren()] == [terrain.GetDefaultPrim().GetName()]
    stage = Usd.Stage.CreateInMemory()
    holder = stage.DefinePrim("/World/ground/terrain")
    holder.GetReferences().AddReference(str(made.files[0]))
    found = colliders(stage)
    assert len(found) == len(read_collision_tiles(world))
    for prim in found:
        material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial("physics")
        assert material.GetPath() == "/World/ground/terrain/PhysicsMaterials/surface"
        assert UsdPhysics.MaterialAPI(material.GetPrim()).GetStaticFrictionAttr().Get() == pytest.approx(0.8)
    assert stage.GetPrimAtPath("/World/ground/terrain/Visual/mesh").IsActive(), "sensors need the mesh"


def test_the_isaac_lab_script_is_python_that_names_what_is_there(world, tmp_path):
    (made,) = export(world, ["isaac-lab"], tmp_path)
    text = made.files[1].read_text()
    tree = ast.parse(text)
    spawns = next(n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "SPAWNS")
    places = ast.literal_eval(spawns)
    assert places
    assert all(len(place) == 4 and abs(place[2]) < 0.1 for place in places)
    call = next(
        n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "TerrainImporterCfg"
    )
    given = {k.arg: k.value for k in call.keywords}
    assert given["terrain_type"].value == "usd"
    assert {"prim_path", "usd_path", "env_spacing", "num_envs"} <= set(given)
    assert made.files[0].name in text
    # Isaac modules may only be imported once the app runs.
    assert not any("isaac" in ast.unparse(n) for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom))


def test_the_mobility_gen_folder_has_stage_physics_and_map(world, tmp_path):
    (made,) = export(world, ["mobility-gen"], tmp_path)
    assert made.errors == ()
    folder = tmp_path / "room_mobility_gen"
    stage = Usd.Stage.Open(str(folder / "stage.usd"))
    assert any(p.IsA(UsdPhysics.Scene) for p in stage.Traverse())
    assert len(colliders(stage)) == len(read_collision_tiles(world))
    for name in ("map.yaml", "map.png"):
        assert (folder / "occupancy_map" / name).read_bytes() == (world / "navigation" / name).read_bytes()


def test_the_glb_files_are_the_worlds_own(world, tmp_path):
    (made,) = export(world, ["glb"], tmp_path)
    assert [f.name for f in made.files] == ["room.glb", "room_collision.glb"]
    assert made.files[1].read_bytes() == (world / "collision.glb").read_bytes()


@pytest.mark.parametrize("kind", ["spz", "sog"])
def test_compressed_splats_hold_the_same_gaussians(world, tmp_path, kind):
    from lyra_core.reconstruction import read_ply

    pytest.importorskip("gaussforge", reason="the extra [formats] is not installed")
    (made,) = export(world, [kind], tmp_path)
    from lyra_core.reconstruction.formats import read_splat_file

    there, own = read_splat_file(made.files[0]), read_ply(world / "splats.ply")
    if kind == "spz":  # x right, y up, z back by definition
        there = moved_gaussians(there, np.array(UP_AXES["y"], dtype=float), 1.0, np.zeros(3))
    assert len(there) == len(own)
    np.testing.assert_allclose(there.means.mean(axis=0), own.means.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(np.ptp(there.means, axis=0), np.ptp(own.means, axis=0), atol=5e-3)


def test_an_export_is_not_overwritten_unless_asked(world, tmp_path):
    export(world, ["glb"], tmp_path)
    with pytest.raises(InputError, match="exists already"):
        export(world, ["glb"], tmp_path)
    export(world, ["glb"], tmp_path, overwrite=True)


def test_unknown_kinds_are_refused_before_anything_is_written(world, tmp_path):
    with pytest.raises(InputError, match="usdz"):
        export(world, ["glb", "usdx"], tmp_path / "new")
    with pytest.raises(InputError, match="Known"):
        export(world, [], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_world_whose_files_are_stale_is_refused(world, tmp_path):
    fresh = WorldFolder.open(world)
    kept = fresh.manifest
    try:
        fresh.update(kept.__class__(**{**vars(kept), "outputs": {}}))
        with pytest.raises(WorldError, match="rebuild"):
            export(world, ["glb"], tmp_path)
    finally:
        fresh.update(kept)


def test_the_commands_speak_json_and_use_the_exit_codes(world, tmp_path):
    import json

    import typer
    from typer.testing import CliRunner

    from lyra_core.cli.exchange import register

    app = typer.Typer()
    register(app)

    def lyra(*words) -> tuple[int, dict]:
        done = CliRunner().invoke(app, [*map(str, words), "--json"])
        return done.exit_code, json.loads(done.stdout.strip().splitlines()[-1])

    code, answer = lyra("export", world, "--glb", "--out", tmp_path)
    assert code == 0
    assert answer["exports"][0]["bytes"] > 0
    code, answer = lyra("export", world)
    assert (code, answer["ok"]) == (2, False)
    code, answer = lyra("rescale", world)
    assert (code, answer["error"]["type"]) == (2, "InputError")
    code, answer = lyra("rescale", world, "--known-length", "1,2,3")
    assert code == 2
    code, answer = lyra("import", tmp_path / "none.ply", "--out", tmp_path / "w")
    assert (code, answer["error"]["what"]) == (2, "There is no such splat file")
