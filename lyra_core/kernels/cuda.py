# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What Warp knows of CUDA on this machine."""

from __future__ import annotations

import warp as wp

from lyra_core.kernels.launch import initialise

__all__ = ["device_count"]


def device_count() -> int:
    """Number of usable CUDA devices (0 on a machine without a driver)."""
    initialise()
    return wp.get_cuda_device_count()
