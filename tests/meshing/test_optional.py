# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What comes with extras: PyMeshLab as a cleaner, CoACD for convex pieces. Without them the default path works."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from lyra_core.errors import ConfigError, MissingDependencyError
from lyra_core.meshing import MeshConfig
from lyra_core.meshing.cleaner import clean_with_pymeshlab
from lyra_core.meshing.convex import convex_objects
from lyra_core.meshing.figures import mesh_figures
from lyra_core.meshing.semantics import CLASSES, FaceLabels
from lyra_core.types import Mesh
from tests.meshing.test_planes import joined, sheet

needs_pymeshlab = pytest.mark.skipif(
    importlib.util.find_spec("pymeshlab") is None, reason="the extra clean (pymeshlab, GPL-3) is not installed"
)
needs_coacd = pytest.mark.skipif(
    importlib.util.find_spec("coacd") is None, reason="the extra convex (coacd) is not installed"
)


@pytest.fixture
def stool():
    """An L of two boxes without bottoms, as one object."""
    return joined(*_box((0, 0, 0), (0.4, 0.4, 0.3)), *_box((0, 0.4, 0), (0.4, 0.3, 0.9)))


def _box(corner, size):
    (x, y, z), (a, b, c) = corner, size
    return [
        sheet((x, y, z + c), (a, 0, 0), (0, b, 0)),
        sheet((x, y, z), (a, 0, 0), (0, 0, c)),
        sheet((x + a, y, z), (0, b, 0), (0, 0, c)),
        sheet((x + a, y + b, z), (-a, 0, 0), (0, 0, c)),
        sheet((x, y + b, z), (0, -b, 0), (0, 0, c)),
    ]


def test_without_the_packages_the_command_that_installs_them_is_named(monkeypatch, stool):
    monkeypatch.setitem(sys.modules, "pymeshlab", None)
    monkeypatch.setitem(sys.modules, "coacd", None)
    with pytest.raises(MissingDependencyError, match="GPL-3") as caught:
        clean_with_pymeshlab(stool)
    assert "[clean]" in str(caught.value)
    labels = FaceLabels(np.full(len(stool.faces), 3, np.int8), np.ones(len(stool.faces), np.int32))
    with pytest.raises(MissingDependencyError, match=r"\[convex\]"):
        next(convex_objects(stool, labels))
    with pytest.raises(ConfigError, match="cleaner"):
        MeshConfig(cleaner="blender")


@needs_pymeshlab
def test_the_cleaner_fills_holes_and_keeps_winding_and_colour():
    whole = sheet((0, 0, 0), (2, 0, 0), (0, 2, 0))
    keep = np.ones(len(whole.faces), bool)
    keep[[400, 1201]] = False
    holed = Mesh(whole.vertices, whole.faces[keep], None, whole.colors)
    done = clean_with_pymeshlab(holed)
    figures = mesh_figures(done)
    assert figures["boundary_edges"] < mesh_figures(holed)["boundary_edges"]
    # PyMeshLab 2025.7 fills one of two such holes.
    assert mesh_figures(holed)["area_m2"] + 1e-3 < figures["area_m2"] < 4.0 + 1e-6
    assert figures["nonmanifold_edges"] == figures["inconsistent_edges"] == 0
    corners = done.vertices[done.faces]
    assert (np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0).all()
    assert done.colors is not None
    assert np.abs(done.colors.astype(int) - 120).max() <= 1


@pytest.mark.slow
@needs_coacd
def test_objects_become_closed_convex_pieces_near_their_surface(stool, tmp_path):
    from scipy.spatial import ConvexHull

    labels = FaceLabels(
        np.full(len(stool.faces), CLASSES.index("object"), np.int8), np.ones(len(stool.faces), np.int32)
    )
    (found,) = list(convex_objects(stool, labels))
    assert found.name == "object_01"
    assert len(found.pieces) >= 2  # one hull would fill the corner of the L
    outside = []  # (pieces, points) m, how far a point is outside a piece
    points = np.vstack([stool.vertices[stool.faces].mean(axis=1), [[0.2, 0.2, 0.6]]]).astype(np.float64)
    for piece in found.pieces:
        assert mesh_figures(piece)["boundary_edges"] == 0
        hull = ConvexHull(piece.vertices.astype(np.float64))
        outside.append((points @ hull.equations[:, :3].T + hull.equations[:, 3]).max(axis=1))
        corners = piece.vertices[piece.faces].astype(np.float64)
        own = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
        assert own == pytest.approx(hull.volume, rel=0.02)  # convex, and wound outwards
    distance = np.min(outside, axis=0)
    assert distance[:-1].max() < 0.03  # all of the surface is covered
    assert distance[-1] > 0.1  # and the room over the seat is free
    from pxr import Usd, UsdPhysics

    from lyra_core.usd.meshes import write_convex

    stage = Usd.Stage.Open(str(write_convex(tmp_path / "objects.usdc", [(found.name, found.pieces)])))
    prims = [p for p in stage.Traverse() if p.HasAPI(UsdPhysics.MeshCollisionAPI)]
    assert len(prims) == len(found.pieces)
    assert {UsdPhysics.MeshCollisionAPI(p).GetApproximationAttr().Get() for p in prims} == {"convexHull"}
