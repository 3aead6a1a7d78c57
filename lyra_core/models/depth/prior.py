# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""PriorDepth: depth of one photo without training: horizon, ground plane, upright surfaces, room box, sky far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lyra_core.models.depth.ground import ground_mask
from lyra_core.models.depth.horizon import estimate_up
from lyra_core.models.depth.layout import Layout, View, build_layout
from lyra_core.models.depth.sky import refine_mask, sky_mask
from lyra_core.models.protocols import DepthEstimate

__all__ = ["PriorDepth"]

_WIDTH = 416  # working width of the masks
_CAMERA_HEIGHT = 1.5
_LIMIT = 60.0  # [m] at the nominal camera height
_CEILING = 3.0


def _rays(intrinsics: NDArray[np.float64], width: int, height: int) -> NDArray[np.float32]:
    x = (np.arange(width) + 0.5 - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (np.arange(height) + 0.5 - intrinsics[1, 2]) / intrinsics[1, 1]
    return np.stack([*np.meshgrid(x, y), np.ones((height, width))], axis=-1).astype(np.float32)


class PriorDepth:
    """Training-free layout: right up to the height of the camera, crisp at the borders of what it tells apart."""

    name = "prior"

    def estimate(
        self, rgb: NDArray[np.float32], *, intrinsics: NDArray[np.float64], sky: NDArray[np.bool_] | None = None
    ) -> DepthEstimate:
        """Depth in metres for a camera 1.5 m over the floor (kind "scale"); see DepthModel.estimate."""
        import cv2

        height, width = rgb.shape[:2]
        sky = sky_mask(rgb) if sky is None else sky
        gray = cv2.cvtColor((rgb * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
        gravity = estimate_up(gray, intrinsics, sky)
        full = View(_rays(intrinsics, width, height), gravity.up, _CAMERA_HEIGHT, _LIMIT, float(intrinsics[0, 0]))
        sky = sky & (full.drop < 0.02)

        small = (_WIDTH, max(16, round(height * _WIDTH / width)))
        scale = np.diag([small[0] / width, small[1] / height, 1.0])
        view = View(
            _rays(scale @ intrinsics, *small), gravity.up, _CAMERA_HEIGHT, _LIMIT, float((scale @ intrinsics)[0, 0])
        )
        small_sky = cv2.resize(sky.astype(np.uint8), small, interpolation=cv2.INTER_NEAREST).astype(bool)
        ground = ground_mask(cv2.resize(rgb, small, interpolation=cv2.INTER_AREA), view.drop, small_sky)
        indoor = sky.mean() < 0.005
        layout = build_layout(view, ground, small_sky, ceiling_height=_CEILING if indoor else None)
        floor = refine_mask(rgb, ground) & ~sky & (full.drop > _CAMERA_HEIGHT / _LIMIT)
        depth = _depth(full, layout, floor)
        depth[sky] = 0.0
        return DepthEstimate(
            depth,
            sky,
            kind="scale",
            up=gravity.up,
            camera_height=_CAMERA_HEIGHT,
            floor=floor,
            confidence=0.15 + 0.25 * gravity.confidence,
            notes=(
                f"layout guessed without training: pitch {gravity.pitch_deg:.0f}°, "
                f"{floor.mean():.0%} floor, {sky.mean():.0%} sky{', indoor' if indoor else ''}",
            ),
        )


def _depth(full: View, layout: Layout, floor: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Evaluate the planes at full size."""
    import cv2

    height, width = floor.shape
    columns = np.minimum((np.arange(width) * len(layout.column_plane)) // width, len(layout.column_plane) - 1)
    label = np.broadcast_to(layout.column_plane[columns], (height, width)).copy()
    objects = cv2.resize(layout.objects.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    label = np.where(objects > 0, objects.astype(np.int64), label)
    label[floor] = 0
    plane = layout.planes[label]
    along = np.einsum("hwc,hwc->hw", full.rays, plane[..., :3])
    depth = np.where(along > plane[..., 3] / full.limit, plane[..., 3] / np.maximum(along, 1e-6), full.limit)
    ceiling = float(layout.planes[1, 3])
    if ceiling > 0:
        rise = -full.drop
        depth = np.where(rise > ceiling / full.limit, np.minimum(depth, ceiling / np.maximum(rise, 1e-6)), depth)
    return np.clip(depth, 0.2, full.limit).astype(np.float32)
