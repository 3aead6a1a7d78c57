# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Instead of physics: a differential drive on flat ground, integrated while the timeline plays."""

from __future__ import annotations

import math

from tests.extension.kit_fake.state import FakeKit

__all__ = ["advance"]

_STEP = 1 / 60  # [s]
_RADIUS, _TRACK = 0.07, 0.30  # [m] of lyra_bot


def advance(kit: FakeKit, steps: int = 30) -> None:
    """Run the physics callbacks and move every articulation by the newest wheel speeds; Z-up stages of any unit."""
    if not kit.playing:
        return
    from pxr import UsdGeom

    unit = UsdGeom.GetStageMetersPerUnit(kit.stage)
    for body in kit.articulations.values():
        for _ in range(steps):
            for call in list(kit.physics_callbacks.values()):
                call(_STEP, None)
            wheels = next((args[0] for name, args, _ in reversed(kit.calls) if name == "apply_wheel_actions"), None)
            if wheels is None or kit.stuck:
                continue
            left, right = wheels
            (x, y, z), (w, _, _, k) = body.positions[0], body.orientations[0]
            yaw = 2 * math.atan2(k, w) + (right - left) * _RADIUS / _TRACK * _STEP
            way = 0.5 * (left + right) * _RADIUS * _STEP / unit
            body.positions = [[x + way * math.cos(yaw), y + way * math.sin(yaw), z]]
            body.orientations = [[math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)]]
