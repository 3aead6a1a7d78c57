# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Topology, decimation, tiles and GLB."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyra_core.errors import InputError
from lyra_core.meshing.decimate import decimate, folded_faces
from lyra_core.meshing.figures import mesh_figures
from lyra_core.meshing.gltf import write_glb
from lyra_core.meshing.tiles import split_tiles
from lyra_core.meshing.topology import (
    check_collider,
    drop_degenerate,
    drop_nonmanifold,
    drop_small_parts,
    fill_small_holes,
    join,
    with_normals,
)
from lyra_core.types import Mesh


def _sheet(n=40, size=4.0, bump=0.3):
    """A wavy square of 2 n^2 triangles, normals up."""
    x, y = np.meshgrid(np.linspace(0, size, n + 1), np.linspace(0, size, n + 1), indexing="ij")
    z = bump * np.sin(2 * x) * np.cos(3 * y)
    v = np.stack([x, y, z], axis=-1).reshape(-1, 3).astype(np.float32)
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    a = (i * (n + 1) + j).reshape(-1)
    b, c, d = a + n + 1, a + n + 2, a + 1
    f = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    colors = np.stack([255 * x / size, 255 * y / size, np.full_like(x, 90)], axis=-1).reshape(-1, 3).astype(np.uint8)
    return Mesh(v, f, None, colors)


def test_decimation_keeps_shape_colour_winding_and_manifoldness():
    fine = _sheet(120)
    coarse = decimate(fine, 4000)
    assert 3000 < len(coarse.faces) <= 4100
    figures = mesh_figures(coarse)
    assert figures["nonmanifold_edges"] == figures["inconsistent_edges"] == 0
    assert figures["components"] == 1
    x, y, z = coarse.vertices.T.astype(np.float64)
    assert np.abs(z - 0.3 * np.sin(2 * x) * np.cos(3 * y)).max() < 0.01
    assert np.abs(coarse.colors[:, 0] - 255 * x / 4).mean() < 3
    assert not folded_faces(coarse, with_normals(fine)).any()
    assert figures["area_m2"] == pytest.approx(mesh_figures(fine)["area_m2"], rel=0.01)


def test_folded_faces_are_noticed():
    fine = with_normals(_sheet(30))
    faces = np.array(fine.faces)
    faces[17] = faces[17, ::-1]
    assert np.flatnonzero(folded_faces(Mesh(fine.vertices, faces), fine)).tolist() == [17]


def test_small_holes_are_closed_with_the_winding_around_them():
    sheet = _sheet(20)
    keep = np.ones(len(sheet.faces), bool)
    keep[[105, 130, 507]] = False
    holed = Mesh(sheet.vertices, sheet.faces[keep], None, sheet.colors)
    before = mesh_figures(holed)["boundary_edges"]
    closed = fill_small_holes(holed, max_edges=6)
    after = mesh_figures(closed)
    assert before > after["boundary_edges"] == 80  # the outline alone: too long to be a hole
    assert after["inconsistent_edges"] == 0
    assert after["area_m2"] == pytest.approx(mesh_figures(sheet)["area_m2"], rel=1e-3)


def test_third_faces_at_an_edge_go():
    sheet = _sheet(6)
    fin = np.concatenate([sheet.vertices, [[1.0, 1.0, 5.0]]]).astype(np.float32)
    a, b = sheet.faces[20, 0], sheet.faces[20, 1]
    extra = np.concatenate([sheet.faces, [[a, b, len(sheet.vertices)]]]).astype(np.int32)
    mesh = Mesh(fin, extra)
    assert mesh_figures(mesh)["nonmanifold_edges"] == 1
    assert mesh_figures(drop_nonmanifold(mesh))["nonmanifold_edges"] == 0


def test_floaters_go_and_the_largest_part_stays():
    speck = Mesh(
        np.array([[9, 9, 9], [9.01, 9, 9], [9, 9.01, 9]], np.float32),
        np.array([[0, 1, 2]], np.int32),
        None,
        np.zeros((3, 3), np.uint8),
    )
    both = join(_sheet(10), speck)
    assert mesh_figures(both)["components"] == 2
    assert mesh_figures(drop_small_parts(both, share=0.01, least=0.01))["components"] == 1
    assert len(drop_small_parts(speck, share=0.5, least=10.0).faces) == 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.6, 6.0))
def test_tiles_hold_every_triangle_once_with_identical_border_vertices(seed, size):
    rng = np.random.default_rng(seed)
    sheet = _sheet(12)
    moved = (sheet.vertices + rng.uniform(-50, 50, 3)).astype(np.float32)
    mesh = with_normals(Mesh(moved, rng.permutation(sheet.faces)))
    tiles = split_tiles(mesh, size=size, max_triangles=100)
    names = [tile.name for tile in tiles]
    assert len(set(names)) == len(names)
    assert all(name.replace("_", "").isalnum() for name in names)
    assert max(len(tile.mesh.faces) for tile in tiles) <= 100
    # Bitwise: the multiset of triangles (positions and normals) is that of the whole.
    whole = np.concatenate([mesh.vertices[mesh.faces], mesh.normals[mesh.faces]], axis=-1)
    parts = np.concatenate(
        [np.concatenate([t.mesh.vertices[t.mesh.faces], t.mesh.normals[t.mesh.faces]], axis=-1) for t in tiles]
    )

    def rows(a):
        return sorted(row.tobytes() for row in a)

    assert rows(whole) == rows(parts)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda v, f: (np.where(np.arange(len(v))[:, None] == 3, np.nan, v), f), "finite"),
        (lambda v, f: (v, np.where(np.arange(len(f))[:, None] == 3, len(v), f)), "existing"),
        (lambda v, f: (v, np.where(np.arange(len(f))[:, None] == 3, f[:, :1], f)), "repeat"),
        (lambda v, f: (v * [1, 0, 0], f), "area"),
        (lambda v, f: (v, np.concatenate([f, f[:1, [1, 2, 0]]])), "duplicate"),
        (lambda v, f: (v, np.concatenate([f, f[:1, ::-1]])), "duplicate"),
        (lambda v, f: (v, f[:0]), "triangles"),
    ],
)
def test_arrays_that_physx_would_cook_into_nothing_are_refused(spoil, message):
    sheet = _sheet(5)
    check_collider(sheet.vertices, sheet.faces)
    with pytest.raises(InputError, match=message):
        check_collider(*spoil(np.array(sheet.vertices), np.array(sheet.faces)))


def test_degenerate_faces_are_dropped():
    sheet = _sheet(5)
    faces = np.concatenate([sheet.faces, [[0, 0, 1]], sheet.faces[:2, ::-1], sheet.faces[:1]]).astype(np.int32)
    clean = drop_degenerate(Mesh(sheet.vertices, faces))
    assert len(clean.faces) == len(sheet.faces)
    check_collider(clean.vertices, clean.faces)


def _read_glb(path):
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON"
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def test_glb_is_y_up_linear_and_readable_by_another_library(tmp_path):
    import trimesh

    mesh = with_normals(_sheet(10))
    path = tmp_path / "deep" / "mesh.glb"
    write_glb(path, mesh)
    assert sorted(p.name for p in path.parent.iterdir()) == ["mesh.glb"]  # no temporary left
    loaded = trimesh.load(path, force="mesh", process=False)
    x, y, z = mesh.vertices.T
    assert np.allclose(loaded.vertices, np.stack([x, z, -y], axis=1), atol=1e-6)
    assert np.array_equal(loaded.faces, mesh.faces)
    assert loaded.face_normals[:, 1].min() > 0  # up is +y, winding kept
    document, blob = _read_glb(path)
    accessor = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    view = document["bufferViews"][accessor["bufferView"]]
    raw = np.frombuffer(blob, np.uint16, accessor["count"] * 4, view["byteOffset"]).reshape(-1, 4) / 65535
    srgb = np.where(raw <= 0.0031308, raw * 12.92, 1.055 * raw ** (1 / 2.4) - 0.055)[:, :3]
    assert np.abs(srgb * 255 - mesh.colors).max() < 0.1  # back to the same byte
    assert accessor["normalized"] is True
    assert all(v["byteOffset"] % 4 == 0 for v in document["bufferViews"])


def test_glb_opens_in_pygltflib(tmp_path):
    pygltflib = pytest.importorskip("pygltflib")
    write_glb(tmp_path / "a.glb", Mesh(_sheet(3).vertices, _sheet(3).faces))
    document = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    assert document.meshes[0].primitives[0].attributes.COLOR_0 is None
    assert document.accessors[0].max[0] == pytest.approx(4.0)


def test_an_empty_glb_is_refused(tmp_path):
    with pytest.raises(InputError, match="triangle"):
        write_glb(tmp_path / "a.glb", Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32)))
    assert not list(tmp_path.iterdir())
