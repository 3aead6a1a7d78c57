# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Frozen values that all layers exchange; NumPy only."""

from lyra_core.types.camera import Camera, CameraPath
from lyra_core.types.frame import Frame, Guide
from lyra_core.types.scene import Gaussians, Mesh

__all__ = ["Camera", "CameraPath", "Frame", "Gaussians", "Guide", "Mesh"]
