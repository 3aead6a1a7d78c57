# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Spatial memory: past frames with their own geometry, asked what they show of a new view."""

from lyra_core.memory.spatial import MemoryMode, SpatialMemory

__all__ = ["MemoryMode", "SpatialMemory"]
