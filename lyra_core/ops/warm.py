# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Compile kernels beside other work."""

from __future__ import annotations

import threading

__all__ = ["warm_up"]


def warm_up(device: str) -> threading.Thread:
    """Start compiling (or loading from the cache) the kernels of a run in the background.

    A cold compile takes seconds per module and releases the GIL, so it hides behind the reading of the photo.
    Errors are left for the launch that needs the kernel, which reports them in its place.
    """
    from lyra_core.kernels.warm import load_modules

    thread = threading.Thread(target=load_modules, args=(device,), name="lyra-warm-up", daemon=True)
    if device != "numpy":
        thread.start()
    return thread
