# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Which way is up in a photo, and how wide it is: line segments that vote for vanishing points.

Every segment and the camera centre span a plane with normal n. A vertical edge has n . up = 0; a horizontal edge of
azimuth a has a direction (n x up), so horizontal edges of a man-made place fall into few azimuths, at right angles to
each other, when up and focal length are right (Coughlan and Yuille, "Manhattan World", ICCV 1999, as a grid search).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Gravity", "estimate_fov", "estimate_up", "segments"]

_F = NDArray[np.float64]
_PITCHES = np.arange(-34.0, 31.0, 1.0)
_ROLLS = np.arange(-6.0, 6.1, 1.0)
_PRIOR_PITCH = (-5.0, 9.0)  # people hold a camera slightly down: mean and sigma [deg]
_PRIOR_ROLL = 2.0
_AZIMUTH_BINS = 60  # 3 degrees each over half a turn


@dataclass(frozen=True, slots=True, eq=False)
class Gravity:
    """Direction against gravity in the camera frame.

    Attributes
    ----------
    up: (3,) float64 unit vector, OpenCV camera frame (level: (0, -1, 0)).
    pitch_deg: elevation of the optical axis; negative looks down.
    roll_deg: clockwise tilt of the camera.
    confidence: 0 (prior only) to 1.
    """

    up: _F
    pitch_deg: float
    roll_deg: float
    confidence: float


def up_from_angles(pitch_deg: float, roll_deg: float) -> _F:
    """(3,) up direction in the camera frame of a camera with this elevation and roll."""
    p, r = math.radians(pitch_deg), math.radians(roll_deg)
    return np.array([-math.sin(r) * math.cos(p), -math.cos(r) * math.cos(p), math.sin(p)])


def segments(gray: NDArray[np.uint8], *, shortest: float = 0.03) -> _F:
    """Line segments (N, 4) x1 y1 x2 y2 of a grey picture (H, W), no shorter than this fraction of the diagonal."""
    import cv2

    found = cv2.createLineSegmentDetector(0).detect(gray)[0]
    if found is None:
        return np.zeros((0, 4))
    lines = np.asarray(found, dtype=np.float64).reshape(-1, 4) + 0.5
    length = np.hypot(lines[:, 2] - lines[:, 0], lines[:, 3] - lines[:, 1])
    keep = length >= shortest * math.hypot(*gray.shape)
    return lines[keep]


def _normals(lines: _F, intrinsics: _F) -> tuple[_F, _F, NDArray[np.bool_]]:
    inverse = np.linalg.inv(intrinsics)
    ends = [np.column_stack([lines[:, i], lines[:, i + 1], np.ones(len(lines))]) @ inverse.T for i in (0, 2)]
    normals = np.cross(ends[0], ends[1])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    dx, dy = np.abs(lines[:, 2] - lines[:, 0]), np.abs(lines[:, 3] - lines[:, 1])
    weight = np.hypot(dx, dy)
    return normals, weight / max(weight.sum(), 1e-9), np.arctan2(dx, dy) < math.radians(30)


def _azimuths(normals: _F, weight: _F, up: _F) -> _F:
    """Smoothed histogram (bins,) of the azimuths of horizontal edges."""
    east = np.cross(up, [0.0, 0.0, 1.0])
    east /= np.linalg.norm(east)
    north = np.cross(east, up)
    direction = np.cross(normals, up)
    strength = np.linalg.norm(direction, axis=1)
    usable = strength > 0.15  # edges on the horizon fit every azimuth
    angle = np.arctan2(direction[usable] @ east, direction[usable] @ north) % math.pi
    position = angle / math.pi * _AZIMUTH_BINS
    low = np.floor(position).astype(int)
    histogram = np.zeros(_AZIMUTH_BINS)
    for shift, share in ((0, 1 - (position - low)), (1, position - low)):
        np.add.at(histogram, (low + shift) % _AZIMUTH_BINS, share * weight[usable])
    return 0.5 * histogram + 0.25 * (np.roll(histogram, 1) + np.roll(histogram, -1))


def _evidence(normals: _F, weight: _F, steep: NDArray[np.bool_], up: _F) -> tuple[float, float]:
    """Share of the steep edges that are vertical under up, and peakiness of the azimuths of the others."""
    tilt = normals @ up
    vertical = np.exp(-0.5 * (tilt / math.radians(1.5)) ** 2)
    steep_share = float((weight * vertical)[steep].sum() / max(weight[steep].sum(), 1e-9))
    flat = ~steep
    histogram = _azimuths(normals[flat], weight[flat] * (1 - vertical[flat]), up)
    square = histogram + np.roll(histogram, _AZIMUTH_BINS // 2)  # a direction and the one at right angles to it
    total = max(float(weight[flat].sum()), 1e-9)
    return steep_share, float((square**2).sum()) / total**2


def _log_prior(pitch: float, roll: float) -> float:
    return -0.5 * ((pitch - _PRIOR_PITCH[0]) / _PRIOR_PITCH[1]) ** 2 - 0.5 * (roll / _PRIOR_ROLL) ** 2


def _best(
    normals: _F, weight: _F, steep: NDArray[np.bool_], sky_rays: _F | None = None
) -> tuple[float, float, float, float]:
    """(score, pitch, roll, evidence spread) of the best up direction on the grid."""
    # Few edges are weak evidence: the prior then decides.
    trust = min(1.0, len(normals) / 80.0)
    steep_trust = 6.0 * trust * min(1.0, float(weight[steep].sum()) * 6)
    flat_trust = 18.0 * trust * min(1.0, float(weight[~steep].sum()) * 2)
    best = (-math.inf, _PRIOR_PITCH[0], 0.0, 0.0)
    seen = []
    for pitch in _PITCHES:
        for roll in _ROLLS:
            up = up_from_angles(pitch, roll)
            a, b = _evidence(normals, weight, steep, up)
            gain = steep_trust * a + flat_trust * b
            if sky_rays is not None:  # sky is never below the horizon; a mask may be wrong in places
                gain -= 35.0 * min(0.2, float((sky_rays @ up < -0.015).mean()))
            seen.append(gain)
            score = gain + _log_prior(pitch, roll)
            if score > best[0]:
                best = (score, float(pitch), float(roll), gain)
    return best[0], best[1], best[2], best[3] - float(np.median(seen))


def _sky_rays(sky: NDArray[np.bool_] | None, intrinsics: _F) -> _F | None:
    """(N, 3) unit rays of a sample of the sky; None if there is too little to say anything."""
    if sky is None or sky.mean() < 0.02:
        return None
    y, x = np.nonzero(sky)
    step = max(1, len(y) // 4000)
    rays = np.column_stack([x[::step] + 0.5, y[::step] + 0.5, np.ones(len(y[::step]))]) @ np.linalg.inv(intrinsics).T
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def estimate_up(gray: NDArray[np.uint8], intrinsics: _F, sky: NDArray[np.bool_] | None = None) -> Gravity:
    """Up direction of a grey picture (H, W) uint8 with K (3, 3) in its pixels; sky (H, W) bool lies above the horizon."""
    lines = segments(gray)
    if len(lines) < 8:
        lines = np.zeros((0, 4))
    _, pitch, roll, spread = _best(*_normals(lines, intrinsics), _sky_rays(sky, intrinsics))
    return Gravity(up_from_angles(pitch, roll), pitch, roll, float(np.clip(spread / 4.0, 0.0, 1.0)))


def estimate_fov(gray: NDArray[np.uint8], *, default: float = 63.0) -> tuple[float, bool]:
    """Horizontal field of view [deg] and whether the lines decided it (else the default)."""
    height, width = gray.shape
    lines = segments(gray)
    if len(lines) < 40:
        return default, False
    scores = {}
    for fov in sorted({45.0, 54.0, 63.0, 72.0, 81.0, default}):
        f = 0.5 * width / math.tan(math.radians(fov) / 2)
        intrinsics = np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1.0]])
        scores[fov] = _best(*_normals(lines, intrinsics))[0] - 0.5 * ((fov - default) / 14.0) ** 2
    best = max(scores, key=lambda key: scores[key])
    if scores[best] - scores[default] < 0.6:
        return default, False
    return best, True
