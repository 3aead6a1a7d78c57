# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Physics engines behind one protocol, and the checks that prove a world: rays, drops, controls.

Names are loaded when first used; ovphysx (optional, proprietary) only when an engine is made.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lyra_core.simulation.check import CheckReport, ControlReport, check_world
    from lyra_core.simulation.drop import DropReport
    from lyra_core.simulation.ovphysx_engine import OvPhysxEngine, is_available
    from lyra_core.simulation.picture import drop_picture
    from lyra_core.simulation.probe import ProbeReport, probe_without_engine
    from lyra_core.simulation.protocol import PhysicsEngine

_HOMES = {
    "CheckReport": "check",
    "ControlReport": "check",
    "DropReport": "drop",
    "OvPhysxEngine": "ovphysx_engine",
    "PhysicsEngine": "protocol",
    "ProbeReport": "probe",
    "check_world": "check",
    "drop_picture": "picture",
    "is_available": "ovphysx_engine",
    "probe_without_engine": "probe",
}

__all__ = [
    "CheckReport",
    "ControlReport",
    "DropReport",
    "OvPhysxEngine",
    "PhysicsEngine",
    "ProbeReport",
    "check_world",
    "drop_picture",
    "is_available",
    "probe_without_engine",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
