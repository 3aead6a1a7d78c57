# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from pxr import Usd, UsdGeom, UsdPhysics

from lyra_core.errors import InputError
from lyra_core.types import Mesh
from lyra_core.usd import GROUND_DROP, read_collision_tiles, vertex_normals
from lyra_core.usd.checks import mesh_problems
from lyra_core.usd.meshes import linear_from_srgb, write_collision, write_visual
from tests.usd.synthetic import colored, room_tiles

TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)


def test_tiles_come_back_with_their_winding(tmp_path):
    tiles = room_tiles(step=0.5)
    write_collision(tmp_path / "payload" / "collision.usdc", tiles)
    read = dict(read_collision_tiles(tmp_path))
    assert sorted(read) == sorted(name for name, _ in tiles)
    for name, mesh in tiles:
        np.testing.assert_array_equal(read[name].vertices, mesh.vertices)
        np.testing.assert_array_equal(read[name].faces, mesh.faces)


def test_a_tile_is_a_hidden_exact_static_collider(tmp_path):
    write_collision(tmp_path / "c.usdc", room_tiles(step=0.5), labels={"tile_0_0": "floor"})
    stage = Usd.Stage.Open(str(tmp_path / "c.usdc"))
    prim = stage.GetPrimAtPath("/Collision/tile_0_0")
    approximation = UsdPhysics.MeshCollisionAPI(prim).GetApproximationAttr()
    assert approximation.HasAuthoredValue()
    assert approximation.Get() == "none"
    assert UsdGeom.Imageable(prim).GetPurposeAttr().Get() == "guide"
    assert not prim.HasAPI(UsdPhysics.RigidBodyAPI)
    assert "PhysxCollisionAPI" in prim.GetPrimTypeInfo().GetAppliedAPISchemas()
    assert prim.GetAttribute("physxCollision:contactOffset").Get() == pytest.approx(0.05)
    assert prim.GetAttribute("physxCollision:restOffset").Get() == 0
    assert UsdGeom.Mesh(prim).GetSubdivisionSchemeAttr().Get() == "none"
    assert list(prim.GetAttribute("semantics:labels:class").Get()) == ["floor"]


@pytest.mark.parametrize("floor_z", [0.0, -1.2])
def test_the_ground_plane_lies_below_every_dip_of_the_floor(tmp_path, floor_z):
    tiles = [(n, Mesh(m.vertices + np.float32([0, 0, floor_z]), m.faces)) for n, m in room_tiles(noise=0.03)]
    write_collision(tmp_path / "c.usdc", tiles, floor_z=floor_z)
    stage = Usd.Stage.Open(str(tmp_path / "c.usdc"))
    ground = stage.GetPrimAtPath("/Collision/ground")
    z = UsdGeom.Xformable(ground).GetLocalTransformation().ExtractTranslation()[2]
    lowest = min(float(mesh.vertices[:, 2].min()) for _, mesh in tiles)
    assert z == pytest.approx(lowest - GROUND_DROP, abs=1e-5)
    assert UsdGeom.Plane(ground).GetAxisAttr().Get() == "Z"


def test_normals_point_to_the_side_from_which_the_triangle_is_counter_clockwise():
    up = Mesh(TRIANGLE, np.array([[0, 1, 2]]))
    np.testing.assert_allclose(vertex_normals(up), np.tile([0, 0, 1], (3, 1)))
    np.testing.assert_allclose(vertex_normals(Mesh(TRIANGLE, up.faces[:, ::-1])), np.tile([0, 0, -1], (3, 1)))


def test_colours_are_stored_as_linear_light_per_vertex(tmp_path):
    mesh = colored(room_tiles(step=1.0)[0][1])
    write_visual(tmp_path / "v.usdc", mesh)
    stage = Usd.Stage.Open(str(tmp_path / "v.usdc"))
    prim = UsdGeom.Mesh(stage.GetPrimAtPath("/Visual/mesh"))
    stored = np.array(prim.GetDisplayColorPrimvar().ComputeFlattened())
    np.testing.assert_array_equal(stored, linear_from_srgb(mesh.colors))
    assert prim.GetDisplayColorPrimvar().GetInterpolation() == "vertex"
    # Published values of the sRGB curve: black, white, mid grey 188 -> 0.5029, and the linear toe.
    expected = [0, 1, 0.5029, 10 / 255 / 12.92]
    np.testing.assert_allclose(linear_from_srgb(np.array([0, 255, 188, 10], np.uint8)), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("vertices", "faces", "word"),
    [
        (TRIANGLE[:0], np.zeros((0, 3), int), "empty"),
        (TRIANGLE, np.zeros((0, 3), int), "empty"),
        (TRIANGLE * np.nan, np.array([[0, 1, 2]]), "NaN"),
        (TRIANGLE, np.array([[0, 1, 3]]), "indices 0..3"),
        (TRIANGLE, np.array([[-1, 1, 2]]), "indices -1"),
        (TRIANGLE * 0, np.array([[0, 1, 2]]), "zero area"),
    ],
)
def test_arrays_that_physx_cooks_into_nothing_are_named(vertices, faces, word):
    assert word in " ".join(mesh_problems(vertices, faces))


def test_broken_tiles_and_names_are_refused_and_leave_no_file(tmp_path):
    good = Mesh(TRIANGLE, np.array([[0, 1, 2]]))
    many = Mesh(TRIANGLE, np.tile([[0, 1, 2]], (65_537, 1)))
    empty = Mesh(TRIANGLE, np.zeros((0, 3), int))
    for tiles in ([], [("a", empty)], [("a", many)], [("a", good), ("a", good)], [("2 b", good)], [("ground", good)]):
        with pytest.raises(InputError):
            write_collision(tmp_path / "c.usdc", tiles)
    assert not list(tmp_path.iterdir())
