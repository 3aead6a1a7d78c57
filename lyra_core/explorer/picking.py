# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What a click means: the seen point under a ray, and the pixel of the photo that shows a point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.explorer.content import Cloud
from lyra_core.world import read_manifest

__all__ = ["nearest_point", "photo_pixel"]

_WIDEST = 0.05  # rad between the ray and a point that still counts as clicked
_LEAST = 0.003  # rad: points this near to the ray are all under the pointer


def nearest_point(
    cloud: Cloud, origin: NDArray[np.floating], direction: NDArray[np.floating]
) -> tuple[float, float, float] | None:
    """The point of the cloud [m] under a ray (3,), (3,); of several the one in front; None if none is near."""
    if len(cloud.points) == 0:
        return None
    ahead = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    offset = cloud.points.astype(np.float64) - np.asarray(origin, np.float64)
    along = offset @ ahead
    gap = np.linalg.norm(offset - along[:, None] * ahead, axis=1)
    angle = np.where(along > 0.05, gap / np.maximum(along, 1e-9), np.inf)
    least = float(angle.min())
    if not least <= _WIDEST:
        return None
    under = angle <= max(1.5 * least, _LEAST)
    x, y, z = (float(v) for v in cloud.points[int(np.argmin(np.where(under, along, np.inf)))])
    return x, y, z


def photo_pixel(folder: Path, cloud: Cloud, point: tuple[float, float, float]) -> tuple[float, float]:
    """The pixel of the upright original photo that shows a point; of frame 0 where the world has no photo."""
    from lyra_core.generation.photo import load_photo

    x, y = cloud.pixels[int(np.argmin(np.linalg.norm(cloud.points - np.asarray(point, np.float32), axis=1)))]
    manifest = read_manifest(folder)
    file = folder / manifest.photo.get("file", "")
    if not file.is_file():
        return float(x), float(y)
    photo = load_photo(file, area=int(manifest.config["photo"]["pixels"]))
    return float((x + photo.offset[0]) / photo.scale), float((y + photo.offset[1]) / photo.scale)
