# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What there is to see of a world, as plain arrays: points of frames, splats by importance, meshes, map, cameras."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import SH_C0, matrix_from_quat, unproject
from lyra_core.types import Frame, Gaussians

__all__ = ["Cloud", "SplatArrays", "frame_cloud", "map_picture", "read_mesh", "read_spawns", "splat_arrays"]


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """points: (N, 3) float32 [m]; colors: (N, 3) uint8; pixels: (N, 2) float64 of the frame, centres at +0.5."""

    points: NDArray[np.float32]
    colors: NDArray[np.uint8]
    pixels: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SplatArrays:
    """What the viewer draws: centers (N, 3), covariances (N, 3, 3), rgbs (N, 3) in 0..1, opacities (N, 1), float32."""

    centers: NDArray[np.float32]
    covariances: NDArray[np.float32]
    rgbs: NDArray[np.float32]
    opacities: NDArray[np.float32]


def frame_cloud(frame: Frame, *, most: int = 60_000, owned: bool = False) -> Cloud:
    """The surface points of a frame on a regular grid of at most about so many pixels; owned: only what it invented."""
    step = max(1, int(np.ceil(np.sqrt(frame.depth.size / most))))
    rows, columns = np.mgrid[0 : frame.depth.shape[0] : step, 0 : frame.depth.shape[1] : step]
    keep = frame.depth[rows, columns] > 0
    if owned:
        keep &= frame.owned[rows, columns]
    v, u = rows[keep], columns[keep]
    points = unproject(frame.depth, frame.camera)[v, u].astype(np.float32)
    colors = np.rint(frame.rgb[v, u] * 255).astype(np.uint8)
    return Cloud(points, colors, np.stack([u + 0.5, v + 0.5], axis=1).astype(np.float64))


def splat_arrays(gaussians: Gaussians, *, most: int) -> SplatArrays:
    """The most important Gaussians: by visible area (opacity times the two largest sigmas), so that a coarse level
    shows the whole world. Those left out are made up for by widening the rest."""
    weight = gaussians.opacities * np.prod(np.sort(gaussians.scales, axis=1)[:, 1:], axis=1)
    count = len(gaussians)
    wider = np.ones((count, 1), np.float32)
    if count > most:
        # The largest stay as they are (sky, far walls); of the others an even share, each widened to fill the gaps.
        order = np.argsort(-weight, kind="stable")
        first, rest = order[: most // 10], np.sort(order[most // 10 :])
        even = rest[np.linspace(0, len(rest) - 1, most - len(first)).astype(np.int64)]
        keep = np.concatenate([first, even])
        wider = np.ones((len(keep), 1), np.float32)
        wider[len(first) :] = min(4.0, np.sqrt(len(rest) / max(1, len(even))))
        gaussians = gaussians.subset(keep)
    turn = matrix_from_quat(gaussians.quats_wxyz.astype(np.float64)).astype(np.float32)
    half = turn * (gaussians.scales * wider)[:, None, :]
    rgb = np.clip(0.5 + SH_C0 * gaussians.sh[:, 0], 0, 1).astype(np.float32)
    spread = np.asarray(half @ half.transpose(0, 2, 1), np.float32)
    return SplatArrays(gaussians.means, spread, rgb, gaussians.opacities[:, None])


def read_mesh(file: Path) -> Any:
    """A trimesh.Trimesh of a GLB of this world, back in Z up, with the colours of its vertices (linear light)."""
    import trimesh
    from trimesh.visual import ColorVisuals

    scene: Any = trimesh.load(file, force="mesh", process=False)
    colors = _vertex_colors(file)
    if colors is not None and len(colors) == len(scene.vertices):
        scene.visual = ColorVisuals(scene, vertex_colors=colors)
    scene.apply_transform(np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]))
    return scene


def _vertex_colors(file: Path) -> NDArray[np.uint8] | None:
    """(N, 4) colours of a GLB of ours, linear, or None; trimesh leaves them aside where a mesh has a material."""
    data = file.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    document = json.loads(data[20 : 20 + length])
    place = document["meshes"][0]["primitives"][0]["attributes"].get("COLOR_0")
    if place is None:
        return None
    accessor = document["accessors"][place]
    start = 20 + length + 8 + document["bufferViews"][accessor["bufferView"]].get("byteOffset", 0)
    rgba = np.frombuffer(data, "<u2", 4 * accessor["count"], start).reshape(-1, 4)
    return (rgba >> 8).astype(np.uint8)


def map_picture(folder: Path) -> tuple[NDArray[np.uint8], tuple[float, float], tuple[float, float]] | None:
    """The occupancy map as (rgba (H, W, 4) with row 0 at the largest y, (x, y) of its centre [m], (w, h) [m])."""
    from lyra_core.errors import WorldError
    from lyra_core.navigation.occupancy import FREE, OCCUPIED
    from lyra_core.navigation.planner import read_map

    try:
        grid = read_map(folder)
    except WorldError:
        return None
    rgba = np.zeros((*grid.state.shape, 4), np.uint8)
    rgba[grid.state == FREE] = (60, 170, 110, 110)
    rgba[grid.state == OCCUPIED] = (215, 60, 50, 190)
    rows, columns = grid.state.shape
    size = (columns * grid.resolution, rows * grid.resolution)
    center = (grid.origin[0] + size[0] / 2, grid.origin[1] + size[1] / 2)
    return np.ascontiguousarray(rgba[::-1]), center, size


def read_spawns(folder: Path) -> list[tuple[float, float, float]]:
    """(x, y, yaw) of the spawn poses."""
    file = folder / "navigation" / "spawn.json"
    items = json.loads(file.read_text()) if file.is_file() else []
    return [(float(s["position"][0]), float(s["position"][1]), float(s["yaw"])) for s in items]
