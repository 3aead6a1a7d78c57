# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Depth frames to a visual mesh, collider tiles and their figures."""

from lyra_core.meshing.build import mesh_from_frames
from lyra_core.meshing.config import MeshConfig, Tile, WorldMesh
from lyra_core.meshing.gltf import write_glb

__all__ = ["MeshConfig", "Tile", "WorldMesh", "mesh_from_frames", "write_glb"]
