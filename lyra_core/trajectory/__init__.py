# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Camera paths: presets, keyframes, the clearance limiter, and files of other tools."""

from lyra_core.trajectory.clearance import ClearanceReport, limit
from lyra_core.trajectory.files import LoadedPath, load_path, save_lyra, save_nerfstudio, save_tum
from lyra_core.trajectory.keyframes import Keyframe, spline
from lyra_core.trajectory.lyra2 import caption_for_chunk
from lyra_core.trajectory.motion import PathSpeed, path_speed
from lyra_core.trajectory.plan import PlannedPath, plan_path
from lyra_core.trajectory.presets import PRESETS, make_path
from lyra_core.trajectory.scene import SeedScene

__all__ = [
    "PRESETS",
    "ClearanceReport",
    "Keyframe",
    "LoadedPath",
    "PathSpeed",
    "PlannedPath",
    "SeedScene",
    "caption_for_chunk",
    "limit",
    "load_path",
    "make_path",
    "path_speed",
    "plan_path",
    "save_lyra",
    "save_nerfstudio",
    "save_tum",
    "spline",
]
