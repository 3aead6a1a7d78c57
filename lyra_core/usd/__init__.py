# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""OpenUSD: stage layout, writers, readers, validation. The only package that imports pxr.

Writers refuse what renderers and PhysX would drop in silence. Names are loaded when first used, so importing the
package costs nothing where USD is not needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lyra_core.usd.bodies import BODY_ROOT, TestBody, write_check_stage
    from lyra_core.usd.cameras import read_camera_path
    from lyra_core.usd.checks import MAX_TILE_TRIANGLES
    from lyra_core.usd.meshes import CONTACT_OFFSET, GROUND_DROP, read_collision_tiles, vertex_normals
    from lyra_core.usd.navigation import SpawnPose
    from lyra_core.usd.splats import read_splats
    from lyra_core.usd.validation import Finding, ValidationReport, validate
    from lyra_core.usd.world import APPEARANCES, STEPS_PER_SECOND, write_world

_HOMES = {
    "APPEARANCES": "world",
    "BODY_ROOT": "bodies",
    "CONTACT_OFFSET": "meshes",
    "Finding": "validation",
    "GROUND_DROP": "meshes",
    "MAX_TILE_TRIANGLES": "checks",
    "STEPS_PER_SECOND": "world",
    "SpawnPose": "navigation",
    "TestBody": "bodies",
    "ValidationReport": "validation",
    "read_camera_path": "cameras",
    "read_collision_tiles": "meshes",
    "read_splats": "splats",
    "validate": "validation",
    "vertex_normals": "meshes",
    "write_check_stage": "bodies",
    "write_world": "world",
}

__all__ = [
    "APPEARANCES",
    "BODY_ROOT",
    "CONTACT_OFFSET",
    "GROUND_DROP",
    "MAX_TILE_TRIANGLES",
    "STEPS_PER_SECOND",
    "Finding",
    "SpawnPose",
    "TestBody",
    "ValidationReport",
    "read_camera_path",
    "read_collision_tiles",
    "read_splats",
    "validate",
    "vertex_normals",
    "write_check_stage",
    "write_world",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
