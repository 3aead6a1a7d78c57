# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Load the kernel modules of a run, in the order in which a run needs them."""

from __future__ import annotations

import importlib
import logging

from lyra_core.kernels.launch import initialise, load_module

__all__ = ["RUN_MODULES", "load_modules"]

RUN_MODULES = ("surface", "shade", "coverage", "patch", "splat", "tsdf", "mesh_view")

_log = logging.getLogger(__name__)


def load_modules(device: str) -> None:
    """Compile or load each module of RUN_MODULES for device; a failure is logged and met again at its launch."""
    initialise()
    for name in RUN_MODULES:
        importlib.import_module(f"lyra_core.kernels.{name}")
        try:
            load_module(f"lyra_core.kernels.{name}", device)
        except RuntimeError as error:
            _log.warning("kernel module %s could not be loaded: %s", name, error)
