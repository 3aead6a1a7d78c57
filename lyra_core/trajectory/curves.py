# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The shapes of the path presets that need no knowledge of obstacles: pose curves without timing.

Each function gives a list of legs; a leg is a dense (M, 4, 4) float64 curve of world_from_camera in the Z-up
world [m] that starts where the one before ended, the first one at the photo's pose. The motion rests between legs.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import inverse, look_at, matrix_from_rotvec, rigid
from lyra_core.trajectory.scene import SeedScene

__all__ = [
    "dolly",
    "heading_of",
    "look_around",
    "orbit",
    "spiral",
    "still",
    "turned_about",
    "zoom_in",
    "zoom_in_out",
    "zoom_out",
]

_F = NDArray[np.float64]
_UP = np.array([0.0, 0.0, 1.0])


def heading_of(start: _F) -> _F:
    """(3,) unit horizontal direction in which the camera looks; for a view straight down, where its top edge points."""
    for axis in (start[:3, 2], -np.sign(start[2, 2]) * -start[:3, 1]):
        flat = np.array([axis[0], axis[1], 0.0])
        if np.linalg.norm(flat) > 0.1:
            return flat / np.linalg.norm(flat)
    return np.array([0.0, 1.0, 0.0])


def turned_about(start: _F, pivot: _F, angles: _F) -> _F:
    """Poses (M, 4, 4) of start carried around the vertical axis through pivot by angles [rad], seen from above."""
    turns = matrix_from_rotvec(angles[:, None] * _UP)
    centers = pivot + np.einsum("mij,j->mi", turns, start[:3, 3] - pivot)
    return rigid(turns @ start[:3, :3], centers)


def _shifted(start: _F, offsets: _F) -> _F:
    return rigid(np.repeat(start[None, :3, :3], len(offsets), axis=0), start[:3, 3] + offsets)


def _line(start: _F, offset: _F) -> _F:
    return _shifted(start, np.stack([np.zeros(3), offset]))


def _travel(scene: SeedScene, strength: float, distance: float | None, share: float) -> float:
    """Metres to travel: strength times the asked distance, or times a share of the subject's distance."""
    return strength * (scene.center_depth * share if distance is None else distance)


def still(start: _F, scene: SeedScene, strength: float, options: Mapping[str, Any]) -> list[_F]:  # noqa: ARG001
    """The photo's camera, not moving."""
    return [_line(start, np.zeros(3))]


def zoom_in(start: _F, scene: SeedScene, strength: float, options: Mapping[str, Any]) -> list[_F]:
    """Straight along the viewing direction."""
    return [_line(start, _travel(scene, strength, options["distance"], 0.5) * start[:3, 2])]


def zoom_out(start: _F, scene: SeedScene, strength: float, options: Mapping[str, Any]) -> list[_F]:
    """Straight back, rising a little (the reference's upward ratio), orientation unchanged."""
    back = _travel(scene, strength, options["distance"], 1.0)
    return [_line(start, back * (options["rise"] * _UP - start[:3, 2]))]


def zoom_in_out(start: _F, scene: SeedScene, strength: float, options: Mapping[str, Any]) -> list[_F]:
    """In, back to the photo, out; or out, back to the photo, in."""
    near = zoom_in(start, scene, strength, {"distance": options["in_distance"]})[0]
    far = zoom_out(start, scene, strength, {"distance": options["out_distance"], "rise": options["rise"]})[0]
    first, last = (near, far) if options["first"] == "in" else (far, near)
    return [first, first[::-1], last]


def orbit(start: _F, scene: SeedScene, strength: float, options: Mapping[str, Any]) -> list[_F]:
    """Around the vertical axis through the subject; the subject keeps its place in the picture."""
    radius = scene.center_depth if options["radius"] is None else options["radius"]
    sign = 1.0 if options["direction"] == "right" else -1.0
    angles = sign * np.linspace(0.0, np.radians(options["angle"]) * strength, 513)
    return [turned_about(start, start[:3, 3] + radius * heading_of(start), angles)]


def look_around(start: _F, scene: SeedScene, strength: float, options: Mapping[str, Any]) -> list[_F]:  # noqa: ARG001
    """Turn on the spot about the vertical: to one side, or left, right and back to the photo."""
    angle = np.radians(options["angle"]) * strength
    # Seen from above, a positive angle turns left.
    stations = {"left": [0, 1], "right": [0, -1], "both": [0, 1, -1, 0]}[options["direction"]]
    legs = []
    for begin, end in itertools.pairwise(stations):
        legs.append(turned_about(start, start[:3, 3], angle * np.linspace(begin, end, 257)))
    return legs


def dolly(start: _F, scene: SeedScene, strength: float, options: Mapping[str, Any]) -> list[_F]:
    """A straight slide; the view keeps its direction, or keeps the subject centred."""
    ahead = heading_of(start)
    right = np.cross(ahead, _UP)
    ways = {"right": right, "left": -right, "forward": ahead, "back": -ahead, "up": _UP, "down": -_UP}
    offset = _travel(scene, strength, options["distance"], 0.3) * ways[options["direction"]]
    if not options["track"]:
        return [_line(start, offset)]
    return [_aimed(start, np.linspace(0.0, 1.0, 257)[:, None] * offset, scene.center_depth)]


def spiral(start: _F, scene: SeedScene, strength: float, options: Mapping[str, Any]) -> list[_F]:
    """Turns of an ellipse beside the photo's camera, looking at the subject (Lyra 2's spiral), moving forward or not."""
    depth = scene.center_depth
    u = np.linspace(0.0, 1.0, 257 * max(1, round(options["turns"])))[:, None]
    theta = 2 * np.pi * options["turns"] * u
    right, down, ahead = start[:3, 0], start[:3, 1], start[:3, 2]
    swirl = 0.15 * (np.cos(theta) - 1) * right + 0.10 * np.sin(theta) * down
    return [_aimed(start, strength * depth * (swirl + options["forward"] * u * ahead), depth)]


def _aimed(start: _F, offsets: _F, depth: float) -> _F:
    """Start shifted by offsets (M, 3) while it keeps looking at the point depth [m] ahead; the photo's roll is kept."""
    up = _UP if abs(start[2, 2]) < 0.95 else -start[:3, 1]
    target = start[:3, 3] + max(depth, 1.5 * float(np.linalg.norm(offsets, axis=1).max())) * start[:3, 2]
    own = inverse(look_at(start[:3, 3], target, up)) @ start  # roll of the photo, about the viewing axis
    return np.stack([look_at(start[:3, 3] + o, target, up) @ own for o in offsets])
