# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a world for the report; all return (H, W, 3) uint8 sRGB."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import look_at
from lyra_core.types import Camera, CameraPath, Frame, Mesh

__all__ = [
    "LABEL_COLORS",
    "as_bytes",
    "contact_sheet",
    "labels_overview",
    "mesh_overview",
    "path_plot",
    "return_pairs",
    "side_by_side",
    "timing_plot",
]

LABEL_COLORS = ((96, 168, 96), (212, 178, 112), (110, 150, 214), (222, 92, 72))
"""sRGB of floor, wall, ceiling, object, in the order of meshing.semantics.CLASSES."""


_Picture = NDArray[np.uint8]


def as_bytes(rgb: NDArray[np.floating]) -> _Picture:
    """(H, W, 3) in [0, 1] to uint8."""
    return np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)


def _fit(picture: _Picture, width: int) -> _Picture:
    import cv2

    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def contact_sheet(pictures: Sequence[_Picture], *, columns: int = 4, width: int = 1160) -> _Picture:
    """A grid of equally large pictures in reading order."""
    cell = width // columns
    small = [_fit(p, cell - 4) for p in pictures]
    height = max(p.shape[0] for p in small) + 4
    rows = (len(small) + columns - 1) // columns
    sheet = np.full((rows * height, columns * cell, 3), 255, np.uint8)
    for i, p in enumerate(small):
        y, x = i // columns * height, i % columns * cell
        sheet[y : y + p.shape[0], x : x + p.shape[1]] = p
    return sheet


def side_by_side(left: _Picture, right: _Picture) -> _Picture:
    """Two pictures of one size next to each other."""
    gap = np.full((left.shape[0], 6, 3), 255, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def return_pairs(path: CameraPath, *, count: int = 3, apart: int = 16) -> list[tuple[int, int]]:
    """Pairs (first, later) of frames that look at the same place from nearly the same pose.

    The pose distance is metres plus 2 m per radian; pairs farther than 0.6 are no return.
    """
    n = len(path)
    if n <= apart:
        return []
    centers, forward = path.centers, path.world_from_camera[:, :3, 2]
    distance = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
    angle = np.arccos(np.clip(forward @ forward.T, -1, 1))
    cost = distance + 2.0 * angle
    i, j = np.triu_indices(n, apart)
    order = np.argsort(cost[i, j], kind="stable")
    chosen: list[tuple[int, int]] = []
    for k in order:
        a, b = int(i[k]), int(j[k])
        if cost[a, b] > 0.6 or len(chosen) == count:
            break
        if all(abs(a - c) > 6 and abs(b - d) > 6 for c, d in chosen):
            chosen.append((a, b))
    return sorted(chosen)


def _canvas(width: float, height: float) -> tuple:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    return figure, FigureCanvasAgg(figure), figure.add_subplot()


def _pixels(canvas) -> _Picture:  # noqa: ANN001 - matplotlib type
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def path_plot(path: CameraPath, frames: Sequence[Frame]) -> _Picture:
    """The path from above over the surface points that the frames see, coloured by height.

    Whichever of x and y is longer lies across the picture, which is as high as the other needs.
    """
    from lyra_core.geometry import unproject

    clouds = [path.centers.astype(np.float32)]
    for frame in frames:
        step = (slice(None, None, 6), slice(None, None, 6))
        ok = (frame.depth > 0)[step]
        clouds.append(unproject(frame.depth, frame.camera)[step][ok])
    points = np.concatenate(clouds)
    near = np.linalg.norm(points[:, :2] - path.centers[:, :2].mean(axis=0), axis=1)
    points = points[near <= np.quantile(near, 0.97)]
    span = np.maximum(np.ptp(points[:, :2], axis=0), 0.5)
    across, up = (1, 0) if span[1] > span[0] else (0, 1)
    figure, canvas, axes = _canvas(7.6, float(np.clip(5.4 * span[up] / span[across] + 0.9, 2.6, 5.6)))
    order = np.argsort(points[:, 2], kind="stable")
    height = np.clip(points[order, 2], -0.5, 3.0)
    shown = axes.scatter(points[order, across], points[order, up], c=height, s=1.2, cmap="viridis")
    figure.colorbar(shown, ax=axes, label="height over the floor [m]")
    line = path.centers
    axes.plot(line[:, across], line[:, up], color="#e5484d", lw=2)
    step = max(1, len(path) // 12)
    forward = path.world_from_camera[::step, :3, 2]
    arrows = (line[::step, across], line[::step, up], forward[:, across], forward[:, up])
    axes.quiver(*arrows, angles="xy", color="#e5484d", width=0.004, scale=22)
    axes.plot(line[0, across], line[0, up], "o", color="#18794e", ms=8, label="photo")
    axes.plot(line[-1, across], line[-1, up], "s", color="#1d2430", ms=7, label="last frame")
    axes.set_aspect("equal")
    axes.set_xlabel(f"{'xy'[across]} [m]")
    axes.set_ylabel(f"{'xy'[up]} [m]")
    if across == 1:
        axes.invert_yaxis()  # seen from above, x points down where y points right
    axes.legend(loc="upper right", framealpha=0.9)
    return _pixels(canvas)


def timing_plot(timings: dict[str, float]) -> _Picture:
    """Seconds per stage as bars."""
    figure, canvas, axes = _canvas(7.2, 0.34 * len(timings) + 0.9)
    names = list(timings)[::-1]
    values = [timings[n] for n in names]
    bars = axes.barh(names, values, color="#3b7dd8")
    axes.bar_label(bars, fmt="%.1f s", padding=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(0, max(values) * 1.15 + 0.1)
    axes.set_xlabel("seconds")
    figure.align_labels()
    return _pixels(canvas)


def mesh_overview(mesh: Mesh, path: CameraPath, *, lit: bool, device: str) -> list[_Picture]:
    """The mesh from the photo's camera, and from above and behind at an angle."""
    from lyra_core.ops.mesh_view import view_mesh

    return [as_bytes(view_mesh(mesh, view, lit=lit, device=device).rgb) for view in _overview(mesh, path)]


def labels_overview(mesh: Mesh, kind: NDArray[np.int8], path: CameraPath, *, device: str) -> list[_Picture]:
    """The same two views, coloured by class: kind (F,) indexes LABEL_COLORS; what no mesh covers is white."""
    from lyra_core.ops.mesh_view import view_mesh

    out = []
    bare = Mesh(mesh.vertices, mesh.faces)
    for camera in _overview(mesh, path):
        view = view_mesh(bare, camera, device=device)
        # Seen from behind, too: a label is no matter of sides.
        shade = np.where(view.front, view.rgb.mean(axis=-1) / 0.72, 0.55)[..., None]
        colored = np.array(LABEL_COLORS, np.float32)[kind[view.face]] / 255 * np.clip(shade, 0.45, 1)
        out.append(as_bytes(np.where(view.face[..., None] >= 0, colored, 1.0)))
    return out


def _overview(mesh: Mesh, path: CameraPath) -> tuple[Camera, Camera]:
    first = path[0].resized(640, max(16, round(640 * path.height / path.width)))
    corners = mesh.vertices[mesh.faces].reshape(-1, 3) if len(mesh.faces) else mesh.vertices
    near = corners[np.linalg.norm(corners - first.center, axis=1) <= _reach(corners, first.center)]
    low, high = (near.min(axis=0), near.max(axis=0)) if len(near) else (first.center - 1, first.center + 1)
    middle = 0.5 * (low + high)
    size = float(np.linalg.norm(high[:2] - low[:2]))
    forward = first.forward * np.array([1.0, 1.0, 0.0])
    forward /= max(float(np.linalg.norm(forward)), 1e-6)
    eye = middle - 0.75 * size * forward + np.array([0.0, 0.0, 0.75 * size])
    return first, Camera(first.intrinsics, look_at(eye, middle), first.width, first.height)


def _reach(points: NDArray[np.float32], center: NDArray[np.float64]) -> float:
    return float(np.quantile(np.linalg.norm(points - center, axis=1), 0.9)) if len(points) else 1.0
