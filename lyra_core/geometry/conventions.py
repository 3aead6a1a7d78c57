# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Axis conventions. Ours: OpenCV cameras in a Z-up world; others only at the borders.

OpenCV camera: x right, y down, z forward. USD / OpenGL camera: x right, y up, looks along -z.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ZUP_FROM_RDF", "opencv_from_usd_camera", "usd_camera_from_opencv"]

_FLIP_YZ = np.diag([1.0, -1.0, -1.0, 1.0])

ZUP_FROM_RDF = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
"""(4, 4) from a world whose axes are those of a level OpenCV camera (x right, y down, z forward) to
our Z-up world: the camera then looks along +y. Lyra 2, COLMAP and INRIA files use the former."""


def usd_camera_from_opencv(world_from_camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """world_from_camera (..., 4, 4) of an OpenCV camera to that of a USD camera (same view)."""
    return world_from_camera @ _FLIP_YZ


def opencv_from_usd_camera(world_from_camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """world_from_camera (..., 4, 4) of a USD camera to that of an OpenCV camera (same view)."""
    return world_from_camera @ _FLIP_YZ
