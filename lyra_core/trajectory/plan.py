# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""plan_path: a preset, kept clear of everything seen, with its report and speeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.trajectory.clearance import ClearanceReport, limit
from lyra_core.trajectory.curves import heading_of
from lyra_core.trajectory.motion import PathSpeed, path_speed
from lyra_core.trajectory.presets import make_path, preset
from lyra_core.trajectory.scene import SeedScene
from lyra_core.trajectory.walk import asked_distance, walk
from lyra_core.types import Camera, CameraPath

__all__ = ["PlannedPath", "plan_path"]


@dataclass(frozen=True, slots=True, eq=False)
class PlannedPath:
    """A path with what was done to it.

    Attributes
    ----------
    path: the views.
    report: what the clearance limiter changed, and how a walk turned aside.
    speed: length and per-frame maxima of the final path.
    """

    path: CameraPath
    report: ClearanceReport
    speed: PathSpeed


def plan_path(
    name: str,
    *,
    start: Camera,
    frames: int,
    scene: SeedScene,
    strength: float = 1.0,
    fps: float = 16.0,
    clearance: float = 0.35,
    **options: Any,
) -> PlannedPath:
    """make_path followed by clearance.limit against the scene's points.

    Walks plan with the same clearance. A walk that is asked to settle at a height below the clearance is allowed that
    height over the floor. Parameters, errors: as in make_path and limit.
    """
    if name.startswith("walk"):
        options.setdefault("clearance", clearance)
    path = make_path(name, start=start, frames=frames, scene=scene, strength=strength, fps=fps, **options)
    values = preset(name).read(options)
    floor_clearance = None
    if scene.floor_z is not None and values.get("height") is not None:
        floor_clearance = 0.9 * min(clearance, values["height"], max(start.center[2] - scene.floor_z, 0.0))
    limited, report = limit(
        path, scene.points, clearance=clearance, floor_z=scene.floor_z, floor_clearance=floor_clearance
    )
    if name.startswith("walk"):
        report = replace(
            report, messages=(*_walk_notes(start.world_from_camera, scene, strength, values), *report.messages)
        )
    return PlannedPath(limited, report, path_speed(limited))


def _walk_notes(start: NDArray[np.float64], scene: SeedScene, strength: float, values: dict[str, Any]) -> list[str]:
    """How a walk differs from a straight line of the asked length."""
    asked = asked_distance(scene, strength, values)
    out = walk(start, scene, strength, values)[0][:, :2, 3]
    walked = float(np.linalg.norm(np.diff(out, axis=0), axis=1).sum())
    notes = []
    if walked < 0.95 * asked - 0.05:
        why = "no free space to go on"
        if values["distance"] is None:
            why = "no free space ahead; the option distance leads it further around"
        notes.append(f"The walk ends after {walked:.2f} of {asked:.2f} m: {why}.")
    ways = np.diff(out, axis=0)
    ways = ways[np.linalg.norm(ways, axis=1) > 1e-4]
    if len(ways):
        ahead = heading_of(start)
        angles = np.unwrap(np.arctan2(ways @ [-ahead[1], ahead[0]], ways @ ahead[:2]))
        left, right = float(np.degrees(angles.max())), float(np.degrees(-angles.min()))
        if max(left, right) > 5:
            side = f"{left:.0f}° to the left" if left >= right else f"{right:.0f}° to the right"
            notes.append(f"The walk turns up to {side} to stay clear.")
    return notes
