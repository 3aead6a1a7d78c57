# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Depth from a working resolution to the photo's, with its edges on the photo's edges and nothing afloat between.

Smooth places are interpolated. At a discontinuity a pixel belongs either to the near or to the far side: its colour
decides by bilateral weights (Kopf et al. 2007, "Joint Bilateral Upsampling"), and only that side's depths are averaged.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["agreed_detail", "blend_detail", "sky_mask", "smooth_surfaces", "snap_edges", "upsample_log_depth"]

_JUMP = 0.10  # of log depth within a 3x3 neighbourhood: a discontinuity, not a slanted wall
_COLOUR_SIGMA = 0.07  # sRGB distance at which two pixels are probably different things


def snap_edges(
    log_depth: NDArray[np.float32], *, reaches: tuple[int, ...] = (2, 3), jump: float = 0.16
) -> NDArray[np.float32]:
    """Move pixels that hang between two surfaces onto the nearer one of them.

    A pixel inside a jump of log depth (h, w) larger than `jump` within a reach [px] takes the least or the greatest
    depth around it, unless the surface itself is that steep (its neighbours change evenly over a wider window). More
    reaches follow each other: what the narrow window straightens, the wide one takes for a step and not for a ramp.
    """
    for reach in reaches:
        log_depth = _snapped(log_depth, reach, jump)
    return log_depth


def _snapped(log_depth: NDArray[np.float32], reach: int, jump: float) -> NDArray[np.float32]:
    # Evenly in 1 / depth: there a plane is a ramp however steeply it is seen, in log depth a floor near the horizon is not.
    inverse = np.exp(-log_depth)
    # Continued beyond its border as it runs there: a floor that ends at the picture's rim is a ramp there too, not a step.
    margin = min(2 * reach, min(log_depth.shape) - 1)
    around = np.pad(inverse, margin, mode="reflect", reflect_type="odd")
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    wide = np.ones((4 * reach + 1, 4 * reach + 1), np.uint8)
    inside = slice(margin, -margin), slice(margin, -margin)
    low, high, least, most = (
        np.asarray(find(around, window)[inside], np.float32)
        for window in (kernel, wide)
        for find in (cv2.erode, cv2.dilate)
    )
    far, near = (-np.log(np.maximum(values, np.float32(1e-6))) for values in (low, high))
    # A ramp doubles its span in a window twice as wide, a step does not.
    edge = (far - near > jump) & (most - least < 1.6 * (high - low))
    side = np.where(log_depth - near < far - log_depth, near, far)
    # Only what hangs in between moves; both plateaus keep their relief.
    hanging = np.minimum(log_depth - near, far - log_depth) > 0.12 * (far - near)
    return np.where(edge & hanging, side, log_depth).astype(np.float32)


def smooth_surfaces(
    log_depth: NDArray[np.float32], *, spread: float = 0.05, reach: int | None = None, times: int = 2
) -> NDArray[np.float32]:
    """Log depth (h, w) without the network's ripples, its edges as they are or crisper.

    The bilateral filter (Tomasi and Manduchi 1998): a pixel becomes the mean of those within `reach` [px] (None: 1/60 of the
    root of the number of pixels, 6 of 480x270) that lie within about `spread` of its own log depth. What hangs alone between
    two surfaces has few of its kind and drifts to one of them.
    """
    reach = max(2, round(float(np.sqrt(log_depth.size)) / 60)) if reach is None else reach
    margin = min(reach, min(log_depth.shape) - 1)
    for _ in range(times):
        # Continued as it runs there, or the filter would bend slopes flat at the picture's rim.
        around = np.pad(log_depth, margin, mode="reflect", reflect_type="odd")
        smooth = cv2.bilateralFilter(around, 2 * reach + 1, spread, 1.25 * reach)
        log_depth = np.ascontiguousarray(smooth[margin:-margin, margin:-margin], np.float32)
    return log_depth


def _neighbours(
    x: NDArray[np.intp], y: NDArray[np.intp], shape: tuple[int, int], zoom: tuple[float, float]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Flat indices (9, N) of the 3x3 working pixels around full-resolution pixels, and their distance squared there."""
    u, v = (x + 0.5) / zoom[0] - 0.5, (y + 0.5) / zoom[1] - 0.5
    column, row = np.rint(u).astype(np.intp), np.rint(v).astype(np.intp)
    indices, distances = [], []
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            c, r = np.clip(column + dx, 0, shape[1] - 1), np.clip(row + dy, 0, shape[0] - 1)
            indices.append(r * shape[1] + c)
            distances.append((column + dx - u) ** 2 + (row + dy - v) ** 2)
    return np.stack(indices), np.stack(distances).astype(np.float32)


def upsample_log_depth(log_depth: NDArray[np.float32], rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) log depth to the size of rgb (H, W, 3) float32 in [0, 1]."""
    height, width = rgb.shape[:2]
    shape = log_depth.shape
    smooth = np.asarray(cv2.resize(log_depth, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    kernel = np.ones((3, 3), np.uint8)
    near, far = cv2.erode(log_depth, kernel), cv2.dilate(log_depth, kernel)
    edge = cv2.resize((far - near > _JUMP).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    y, x = np.nonzero(edge)
    if not len(x):
        return smooth
    guide = cv2.resize(rgb, (shape[1], shape[0]), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    index, distance = _neighbours(x, y, (shape[0], shape[1]), (width / shape[1], height / shape[0]))
    colour = np.square(guide[index] - rgb[y, x][None]).sum(axis=-1)
    weight = np.exp(-colour / (2 * _COLOUR_SIGMA**2) - distance / 1.2) + np.float32(1e-6) * np.exp(-distance)
    values = log_depth.reshape(-1)[index]
    middle = 0.5 * (values.min(axis=0) + values.max(axis=0))
    is_far = values > middle
    far_weight = (weight * is_far).sum(axis=0)
    near_weight = weight.sum(axis=0) - far_weight
    chosen = weight * (is_far == (far_weight > near_weight))
    out = smooth
    out[y, x] = (chosen * values).sum(axis=0) / chosen.sum(axis=0)
    return out


def _follow_rim(probability: NDArray[np.float32], rgb: NDArray[np.float32], *, radius: int = 8) -> NDArray[np.bool_]:
    """Sky probability (h, w) to a mask (H, W) whose rim follows the photo: a guided filter on grey, then one half."""
    height, width = rgb.shape[:2]
    coarse = np.asarray(cv2.resize(probability, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    if float(coarse.max()) < 0.5:
        return np.zeros((height, width), bool)
    # Sky differs from roofs and leaves mostly by brightness and blue.
    grey = np.clip(0.35 * rgb[..., 1] + 0.65 * rgb[..., 2], 0, 1).astype(np.float32)
    side = (2 * radius + 1, 2 * radius + 1)

    def mean(value: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(value, side), np.float32)

    mean_grey, mean_sky = mean(grey), mean(coarse)
    slope = (mean(grey * coarse) - mean_grey * mean_sky) / (mean(grey * grey) - mean_grey**2 + np.float32(1e-3))
    offset = mean_sky - slope * mean_grey
    return mean(slope) * grey + mean(offset) > 0.5


def sky_mask(
    probability: NDArray[np.float32],
    rgb: NDArray[np.float32],
    elevation: NDArray[np.float32],
    plain: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Sky (H, W) from its probability (h, w): above the horizon, and large or at the upper border.

    elevation: (H, W) sine of each ray's angle over the horizon. plain: (H, W) regions that look like sky by colour and
    smoothness alone; one counts whole where the network half believes in it, which mends masks that end in mid-air.
    A bright patch on a wall or a small window stays a surface: a hole in a wall is worse than a view painted on the pane.
    """
    above = elevation > -0.02
    mask = _follow_rim(probability, rgb) & above
    if plain is not None:
        belief = cv2.resize(probability, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_LINEAR)
        count, found = cv2.connectedComponents((plain & above).astype(np.uint8), connectivity=4)
        labels = np.asarray(found, np.intp)
        area = np.bincount(labels.ravel(), minlength=count)
        mean = np.bincount(labels.ravel(), weights=belief.ravel(), minlength=count) / np.maximum(area, 1)
        believed = mean > 0.25
        believed[0] = False
        mask = mask | believed[labels]
    return _fill(_keep_large(mask, 0.01, 0.001))


def _keep_large(mask: NDArray[np.bool_], least: float, least_at_top: float) -> NDArray[np.bool_]:
    """Drop components smaller than these shares of the picture; those at the upper border may be smaller."""
    _, labels, figures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    area = figures[:, cv2.CC_STAT_AREA] / mask.size
    keep = (area >= least) | ((figures[:, cv2.CC_STAT_TOP] == 0) & (area >= least_at_top))
    keep[0] = False
    return keep[labels]


def _fill(sky: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add small things that hang in the sky, tied to nothing: birds, moons, faults; as surfaces they would be crumbs."""
    _, labels, figures, _ = cv2.connectedComponentsWithStats((~sky).astype(np.uint8), connectivity=8)
    small = figures[:, cv2.CC_STAT_AREA] < 0.015 * sky.size
    bottom = figures[:, cv2.CC_STAT_TOP] + figures[:, cv2.CC_STAT_HEIGHT]
    loose = small & (bottom < sky.shape[0])
    loose[0] = False
    # Only what sky surrounds: a lamp before a wall touches no sky.
    rim = cv2.dilate(sky.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    touches = np.bincount(labels[rim & ~sky], minlength=len(figures)) > 0
    return sky | (loose & touches)[labels]


def agreed_detail(
    layout: NDArray[np.float32], first: NDArray[np.float32], second: NDArray[np.float32], scale: float
) -> NDArray[np.float32]:
    """`blend_detail` of two opinions on the detail, of which only that is kept on which both agree.

    Where both say nearer, or both farther, than the layout, the smaller step counts; where they contradict each other the
    layout does. An edge is in both; a thing that one alone sees on a bare floor is not there.
    """
    height, width = first.shape
    smooth = cv2.resize(layout, (width, height), interpolation=cv2.INTER_LINEAR)
    a, b = (blend_detail(layout, each, scale) - smooth for each in (first, second))
    step = np.where(np.abs(a) < np.abs(b), a, b)
    return np.where(a * b > 0, smooth + step, smooth).astype(np.float32)


def blend_detail(layout: NDArray[np.float32], detail: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Log depth of `detail` (h, w) with its smooth part replaced by that of `layout` (any size).

    scale: width (sigma) of what counts as smooth, as a share of the longer side.
    """
    height, width = detail.shape
    coarse = cv2.resize(layout, (width, height), interpolation=cv2.INTER_LINEAR)
    return detail + cv2.GaussianBlur(coarse - detail, (0, 0), scale * max(height, width))
