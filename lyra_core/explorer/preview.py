# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What can be said of a planned path before it is generated: clearance, speed, and how much of it is known already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.memory import SpatialMemory
from lyra_core.trajectory import path_speed
from lyra_core.trajectory.obstacles import build_obstacles
from lyra_core.types import CameraPath, Frame

__all__ = ["Coverage", "clearance_along", "clearance_colors", "make_memory", "speed_warnings"]

_FLOOR_BAND = 0.10  # m, as in the limiter
_WIDTH = 208  # px of the small views
_STEP, _TURN = 0.12, 3.0  # m and degrees per frame beyond which pictures do not follow well


def clearance_along(path: CameraPath, points: NDArray[np.floating], floor_z: float = 0.0) -> NDArray[np.float64]:
    """(N,) distance [m] of each camera to the nearest seen point off the floor; inf where nothing is near."""
    solid = np.asarray(points, np.float64).reshape(-1, 3)
    solid = solid[np.abs(solid[:, 2] - floor_z) > _FLOOR_BAND]
    centers = path.centers
    return build_obstacles(solid, centers.min(axis=0) - 2.0, centers.max(axis=0) + 2.0).distances(centers)


def clearance_colors(distances: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(N, 3) uint8: red up to 0.2 m, over yellow, to green from 0.8 m."""
    share = np.clip((np.asarray(distances) - 0.2) / 0.6, 0, 1)[:, None]
    red, yellow, green = np.array([214, 50, 40.0]), np.array([240, 190, 40.0]), np.array([40, 170, 90.0])
    low, high = red + 2 * share * (yellow - red), yellow + (2 * share - 1) * (green - yellow)
    return np.rint(np.where(share < 0.5, low, high)).astype(np.uint8)


def speed_warnings(path: CameraPath) -> tuple[str, ...]:
    """What is too fast about a path."""
    speed = path_speed(path)
    out = []
    if speed.max_step > _STEP:
        out.append(f"{100 * speed.max_step:.0f} cm from one frame to the next (better up to {100 * _STEP:.0f} cm)")
    if speed.max_turn_deg > _TURN:
        out.append(f"{speed.max_turn_deg:.1f}° from one frame to the next (better up to {_TURN:.0f}°)")
    return tuple(f"Fast: {text}. Use more frames." for text in out)


def make_memory(frames: Iterable[Frame], *, device: str = "cpu") -> SpatialMemory:
    """The memory of all frames at a small size, for previews."""
    memory = SpatialMemory(device=device)
    for frame in frames:
        memory.insert(_small(frame))
    return memory


def _small(frame: Frame) -> Frame:
    step = max(1, frame.camera.width // _WIDTH)
    height, width = frame.depth[::step, ::step].shape
    middle = step // 2
    pick = (slice(min(middle, step - 1), None, step), slice(min(middle, step - 1), None, step))
    depth = frame.depth[pick][:height, :width]
    rgb = frame.rgb[pick][:height, :width]
    sky, owned = (a[pick][:height, :width] for a in (frame.sky, frame.owned))
    camera = frame.camera.resized(depth.shape[1], depth.shape[0])
    return Frame(frame.index, rgb, depth, sky, camera, owned)


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """How much of a path is known.

    Attributes
    ----------
    frames: indices of the views that were looked at. known: share of each that the memory shows, 0..1.
    picture: (H, W, 3) uint8 of the view with the least known pixels; unknown pixels are magenta.
    """

    frames: tuple[int, ...]
    known: tuple[float, ...]
    picture: NDArray[np.uint8]

    @staticmethod
    def of(memory: SpatialMemory, path: CameraPath, *, views: int = 9) -> Coverage:
        """Look at so many views of a path."""
        at: Sequence[int] = sorted({round(v) for v in np.linspace(0, len(path) - 1, min(views, len(path)))})
        step = max(1, path.width // _WIDTH)
        size = (max(1, path.width // step), max(1, path.height // step))
        known, worst = [], np.zeros((*size[::-1], 3), np.uint8)
        for i in at:
            guide = memory.guide(path[i].resized(*size))
            share = float(guide.known.mean())
            if not known or share <= min(known):
                shown = np.where(guide.known[..., None], np.clip(guide.rgb, 0, 1) * 255, (226, 60, 170))
                worst = shown.astype(np.uint8)
            known.append(share)
        return Coverage(tuple(at), tuple(known), worst)

    @property
    def invented(self) -> float:
        """Share of the path's pixels that will be invented, as if each frame stood alone."""
        return 1.0 - float(np.mean(self.known))

    def bars(self) -> str:
        """One line of text: a block for each view, higher for more known."""
        blocks = "▁▂▃▄▅▆▇█"
        return "".join(blocks[min(7, int(8 * k))] for k in self.known)
