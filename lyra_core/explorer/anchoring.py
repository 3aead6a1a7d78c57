# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Keeping a plan where it was meant: paths begin at the last camera, and keyframes follow a world that was scaled or
levelled after they were set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lyra_core.explorer.state import State, Undoable
from lyra_core.geometry import inverse, rigid
from lyra_core.types import Camera, CameraPath, Frame

__all__ = ["base_of", "placed_at", "replaced"]

_SAME = 1e-9


def base_of(frame: Frame) -> tuple[float, ...]:
    """Pose (16 numbers, row by row) and median depth [m] of the first frame: where a plan stands and how large it is."""
    depth = frame.depth[frame.depth > 0]
    middle = float(np.median(depth)) if depth.size else 1.0
    return (*(float(v) for v in frame.camera.world_from_camera.ravel()), middle)


def replaced(state: State, first: Frame) -> State:
    """The state whose keyframes stand in the world as it is now; first is its frame 0."""
    now = base_of(first)
    if len(state.base) != 17 or np.allclose(state.base, now, rtol=_SAME, atol=_SAME):
        return replace(state, base=now)
    old, new = (np.asarray(base[:16]).reshape(4, 4) for base in (state.base, now))
    scale = now[16] / state.base[16]
    # A point of the old world, scaled about the origin, then moved so that it is seen where it was seen before.
    scaled = rigid(old[:3, :3], scale * old[:3, 3])
    plan = state.plan.now.moved(new @ inverse(scaled), scale)
    return replace(state, plan=Undoable(plan), base=now)


def placed_at(path: CameraPath, anchor: Camera) -> CameraPath:
    """A path moved so that its first view is the anchor, bit for bit in pose and lens, at the anchor's size."""
    if (path.width, path.height) != (anchor.width, anchor.height):
        path = path.resized(anchor.width, anchor.height)
    poses = anchor.world_from_camera @ (inverse(path.world_from_camera[0]) @ path.world_from_camera)
    poses[0] = anchor.world_from_camera
    lenses = path.intrinsics.copy()
    lenses[0] = anchor.intrinsics
    return CameraPath(poses, lenses, path.width, path.height, path.fps)
