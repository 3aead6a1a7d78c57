# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""Spawn poses and map metadata as a USD layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pxr import Gf, Sdf, UsdGeom

from lyra_core.errors import InputError
from lyra_core.usd.layers import new_stage, save_stage, usd_value

__all__ = ["SpawnPose", "write_navigation"]


@dataclass(frozen=True, slots=True)
class SpawnPose:
    """Where a robot may start.

    Attributes
    ----------
    name: USD identifier, unique in a world.
    position: (x, y, z) [m] in the world, z on the floor.
    yaw: heading [rad] about +z, 0 along +x.
    """

    name: str
    position: tuple[float, float, float]
    yaw: float = 0.0


def write_navigation(
    path: Path, spawns: Sequence[SpawnPose], *, map_metadata: Mapping[str, Any] | None = None, fps: float = 16.0
) -> Path:
    """Write /Spawn/<name> Xforms to a .usda file; what is given of the map becomes customData `lyra:map` of /Spawn.

    Errors: InputError for repeated or illegal names and non-finite poses.
    """
    names = [spawn.name for spawn in spawns]
    if len(set(names)) < len(names) or not all(Sdf.Path.IsValidIdentifier(name) for name in names):
        raise InputError(
            "Spawn names must be unique USD identifiers",
            got=", ".join(names[:5]),
            do="Use letters, digits and underscores, each name once",
        )
    stage = new_stage("Spawn", fps=fps)
    for spawn in spawns:
        if not all(math.isfinite(value) for value in (*spawn.position, spawn.yaw)):
            raise InputError(
                "Spawn poses must be finite",
                got=f"{spawn.name}: {spawn.position}, {spawn.yaw}",
                do="Check position [m] and yaw [rad]",
            )
        xform = UsdGeom.Xform.Define(stage, f"/Spawn/{spawn.name}")
        xform.AddTranslateOp().Set(Gf.Vec3d(*(float(value) for value in spawn.position)))
        xform.AddRotateZOp().Set(math.degrees(spawn.yaw))
    if map_metadata:
        stage.GetDefaultPrim().SetCustomDataByKey("lyra:map", usd_value(map_metadata))
    return save_stage(stage, path)
