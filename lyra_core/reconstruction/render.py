# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Draw Gaussians along a path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from lyra_core.ops.splat import SplatImage, SplatSettings, splatter
from lyra_core.types import Camera, Gaussians

__all__ = ["render_path", "to_uint8"]


def render_path(
    gaussians: Gaussians, cameras: Iterable[Camera], *, device: str = "cpu", settings: SplatSettings | None = None
) -> Iterator[SplatImage]:
    """One picture per camera, made when asked for; closing the iterator stops the work."""
    prepared = splatter(gaussians, settings, device=device)
    for camera in cameras:
        yield prepared.draw(camera)


def to_uint8(rgb: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(H, W, 3) sRGB 0..1 to bytes, rounded."""
    return (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)
