# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The floor from clicks: a plane through points that a person says are floor makes the photo's view level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError, WorldError
from lyra_core.geometry import rigid, rotation_between, unproject
from lyra_core.pipeline.begin import write_plan
from lyra_core.types import CameraPath, Frame
from lyra_core.world import WorldFolder

__all__ = ["floor_plane", "level_world", "levelled_frame"]

_F = NDArray[np.float64]
_RADIUS = 0.5  # m around each click that counts as floor, as a share of the camera's height


def floor_plane(frame: Frame, clicks: Sequence[tuple[float, float, float]]) -> tuple[_F, _F]:
    """A point (3,) and the upward unit normal (3,) of the floor in the frame's world.

    clicks: world points [m] on the floor. Three far apart give the plane themselves; with fewer the surface around them
    is fitted. Raises InputError if the clicks give no plane, or one steeper than 60 degrees.
    """
    marks = np.asarray(clicks, dtype=np.float64).reshape(-1, 3)
    height = max(0.2, float(frame.camera.center[2]))
    if len(marks) >= 3:
        points = marks
    else:
        cloud = unproject(frame.depth, frame.camera)[frame.depth > 0].astype(np.float64)
        near = np.zeros(len(cloud), bool)
        for mark in marks:
            near |= np.linalg.norm(cloud - mark, axis=1) < _RADIUS * height
        points = cloud[near]
    if len(points) < 3:
        raise InputError("These clicks give no floor", got=f"{len(marks)} point(s)", do="Click the floor three times")
    center, normal = points.mean(axis=0), np.array([0.0, 0.0, 1.0])
    for _ in range(4):  # trimmed: what stands on the floor is no floor
        center = points.mean(axis=0)
        normal = np.linalg.svd(points - center, full_matrices=False)[2][2]
        gap = np.abs((points - center) @ normal)
        keep = gap <= max(2.0 * float(np.median(gap)), 1e-4)
        if keep.all() or keep.sum() < 3:
            break
        points = points[keep]
    up = frame.camera.center - center
    normal = np.asarray(normal if normal @ up > 0 else -normal, dtype=np.float64)
    if normal[2] < 0.5:
        raise InputError(
            "These points lie on a wall, not on a floor", got=f"{math.degrees(math.acos(normal[2])):.0f} degrees steep",
            do="Click the floor three times, far apart",
        )  # fmt: skip
    return np.asarray(center, dtype=np.float64), normal


def levelled_frame(frame: Frame, clicks: Sequence[tuple[float, float, float]]) -> tuple[Frame, float, float]:
    """The frame in a world whose floor is the clicked plane: (frame, turned [deg], camera height [m])."""
    center, normal = floor_plane(frame, clicks)
    turn = np.asarray(rotation_between(normal, np.array([0.0, 0.0, 1.0])), dtype=np.float64)
    eye = frame.camera.center
    height = float((eye - center) @ normal)
    move = np.array([0.0, 0.0, height]) - turn @ eye  # the camera stays over the origin
    pose = rigid(turn, move) @ frame.camera.world_from_camera
    camera = frame.camera.moved(pose)
    moved = Frame(frame.index, frame.rgb, frame.depth, frame.sky, camera, frame.owned)
    return moved, math.degrees(math.acos(min(1.0, float(normal[2])))), height


def level_world(folder: Path, clicks: Sequence[tuple[float, float, float]]) -> str:
    """Level a world that holds only its photo; returns what was done.

    Raises WorldError once more frames were generated (branch back to the photo first), InputError for bad clicks.
    """
    world = WorldFolder.open(folder)
    if world.frame_count != 1 or len(world.manifest.segments) != 1:
        raise WorldError(
            "Gravity can be fixed only before frames are generated",
            got=f"{world.frame_count} frames",
            do="Branch from the photo, then click the floor there",
        )
    frame, turned, height = levelled_frame(world.frames[0], clicks)
    view = {
        **world.manifest.seed_view,
        "camera_height_m": height,
        "floor_source": f"{len(clicks)} click(s)",
        "floor_turned_deg": turned,
    }
    camera = frame.camera
    plan = CameraPath(
        camera.world_from_camera[None], camera.intrinsics[None], camera.width, camera.height,
        float(world.manifest.config["path"]["fps"]),
    )  # fmt: skip
    # Under a new number, as rescaling does: the old chunk, which may have any number, stays whole until it is left out.
    number = 1 + max(chunk.index for chunk in world.manifest.chunks)
    world.add_chunk(number, [frame])
    write_plan(folder, plan)
    chunks = [chunk for chunk in world.manifest.chunks if chunk.index == number]
    world.update(replace(world.manifest, chunks=chunks, seed_view=view, outputs={}))
    return f"The floor was turned by {turned:.1f} degrees; the camera is {height:.2f} m over it."
