# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Views of procedural rooms, drawn from the same ranges as views of levels."""

from __future__ import annotations

import numpy as np

from lyra_core.training.level_views import ViewRange, camera_at, worth_it
from lyra_core.training.renderer import TexturedScene
from lyra_core.training.rooms import Room
from lyra_core.types import Camera

__all__ = ["sample_room_view"]


def sample_room_view(
    room: Room, size: tuple[int, int], rng: np.random.Generator, spans: ViewRange | None = None
) -> tuple[TexturedScene, Camera] | None:
    """The room's scene and a view of size (width, height) from free space; None if the throw is not worth rendering."""
    spans = spans or ViewRange()
    length, width, _ = room.size
    eye = rng.uniform((0, 0, spans.eye_height[0]), (length, width, spans.eye_height[1]))
    if not room.is_free(eye[None], clearance=spans.clearance)[0]:
        return None
    # Look at something in the room: mostly across it, sometimes at a near wall.
    target = rng.uniform((0, 0), (length, width))
    if np.linalg.norm(target - eye[:2]) < 0.8:
        return None
    yaw = float(np.arctan2(target[1] - eye[1], target[0] - eye[0]))
    pitch = np.radians(np.clip(rng.normal(-7.0, 9.0), *spans.pitch))
    focal = 0.5 * max(size) / np.tan(np.radians(rng.uniform(*spans.fov)) / 2)
    camera = camera_at(
        eye, yaw=yaw, pitch=float(pitch), roll=np.radians(rng.normal(0, spans.roll)), size=size, focal=float(focal)
    )
    return (room.scene, camera) if worth_it(room.scene, camera, least_range=1.5) else None
