# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Separate models of UFO: Alien Invasion (MD2): trees, cars and furniture that the maps place by name."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from lyra_core.training.bsp_file import vector

__all__ = ["ModelMesh", "parse_md2", "place_model"]

_F = NDArray[np.float64]
_VERTEX = np.dtype([("xyz", "u1", 3), ("normal", "u1")])
_TRIANGLE = np.dtype([("vertex", "<u2", 3), ("uv", "<u2", 3)])


@dataclass(frozen=True, slots=True, eq=False)
class ModelMesh:
    """Triangles of a model in its own frame.

    Attributes
    ----------
    corners: (F, 3, 3) units. normals: (F, 3, 3) smooth. uvs: (F, 3, 2). skins: paths of pictures without suffix.
    """

    corners: _F
    normals: _F
    uvs: _F
    skins: list[str]


def _skin(raw: bytes, path: str) -> str:
    """A name that starts with a dot lies beside the model."""
    name = raw.partition(b"\0")[0].decode("latin-1").lower()
    return str(PurePosixPath(path).parent / name[1:]) if name.startswith(".") else name


def parse_md2(data: bytes, path: str) -> ModelMesh | None:
    """Read the first frame of a model; None if it is not one or holds nothing."""
    if len(data) < 68 or data[:8] != b"IDP2" + struct.pack("<i", 8):
        return None
    head = struct.unpack_from("<15i", data, 8)
    width, height, _, skins, vertices, uvs, triangles = head[:7]
    at_skin, at_uv, at_triangle, at_frame = head[9:13]
    if not (skins and vertices and uvs and triangles):
        return None
    scale = np.frombuffer(data, "<f4", 6, at_frame).astype(np.float64)
    points = np.frombuffer(data, _VERTEX, vertices, at_frame + 40)["xyz"] * scale[:3] + scale[3:]
    table = np.frombuffer(data, _TRIANGLE, triangles, at_triangle)
    uv = np.frombuffer(data, "<i2", 2 * uvs, at_uv).reshape(-1, 2) / np.array([width, height], np.float64)
    corners = points[table["vertex"]]
    flat = -np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])  # triangles run clockwise
    normals = np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, table["vertex"][:, k], flat)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    names = [_skin(data[at_skin + 64 * i : at_skin + 64 * (i + 1)], path) for i in range(skins)]
    return ModelMesh(corners, normals[table["vertex"]], uv[table["uv"]], names)


def _turn(angles: _F) -> _F:
    """Rotation of pitch, yaw, roll [degrees]: roll about x first, then pitch about y, then yaw about z."""
    (cp, cy, cr), (sp, sy, sr) = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    return about_z @ about_y @ np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])


def place_model(mesh: ModelMesh, entity: dict[str, str]) -> tuple[_F, _F]:
    """(F, 3, 3) corners [units] in the tile, and normals, of a model where its entity stands."""
    origin, angles = vector(entity, "origin"), vector(entity, "angles")
    if angles is None:
        angles = np.array([0.0, float(entity.get("angle") or 0), 0.0])
    scale = vector(entity, "modelscale_vec")
    if scale is None:
        scale = np.full(3, float(entity.get("modelscale") or 1))
    turn = _turn(angles)
    corners = (mesh.corners * scale) @ turn.T + (0.0 if origin is None else origin)
    return corners, mesh.normals @ turn.T
