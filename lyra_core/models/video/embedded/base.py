# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""A guide at the resolution that the network works at, and the classical fill that it starts from.

Colours are continued by Navier-Stokes inpainting (Bertalmio et al. 2001), depth by Telea's (2004) on inverse depth as
16-bit integers: OpenCV 5 returns garbage for Telea on float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lyra_core.types import Camera, Guide

__all__ = ["HEIGHT", "WIDTH", "Working", "classical_base", "decode_depth", "encode_depth", "working_guide"]

WIDTH, HEIGHT = 128, 72
_FAR = 20.0  # in units of the scale; sky lies there
_SPREAD = 1.5  # log units that one unit of the encoding stands for
_F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Working:
    """What is known of a view at (height, width) of the camera.

    Attributes
    ----------
    rgb: (H, W, 3) float32 sRGB, 0 where unknown. depth: (H, W) float32 z-depth [m], +inf sky, 0 unknown.
    known: (H, W) bool. camera: of this size. scale: [m], median known depth; the unit of the depth encoding.
    """

    rgb: _F32
    depth: _F32
    known: NDArray[np.bool_]
    camera: Camera
    scale: float


def encode_depth(depth: _F32, scale: float) -> _F32:
    """Log depth in units of scale, about -2..2; sky (+inf) at the far end, unknown (0) at the near end."""
    clipped = np.clip(depth / scale, 1 / _FAR, _FAR)
    return (np.log(clipped) / _SPREAD).astype(np.float32)


def decode_depth(code: _F32, scale: float) -> tuple[_F32, NDArray[np.bool_]]:
    """(depth [m], sky) of an encoded depth; sky lies within 12 % of the far end."""
    depth = np.exp(np.clip(code * _SPREAD, -np.log(_FAR), np.log(_FAR))).astype(np.float32)
    return (depth * np.float32(scale)).astype(np.float32), depth > 0.88 * _FAR


def _scale(depth: _F32) -> float:
    solid = depth[(depth > 0) & np.isfinite(depth)]
    return float(np.median(solid)) if len(solid) else 4.0


def working_guide(guide: Guide, known: NDArray[np.bool_], size: tuple[int, int] = (WIDTH, HEIGHT)) -> Working:
    """Masked average of a guide over the pixels of a smaller picture of size (width, height).

    known: (H, W) bool, pixels of the guide to use. A small pixel is known if half of it is. Depth is averaged as its
    inverse over the surface pixels and is sky where most of the known pixels are.
    """
    # A large picture by every third pixel: still two or more a cell each way, as in training, at a ninth of the cost.
    step = 3 if min(guide.camera.width / size[0], guide.camera.height / size[1]) >= 6 else 1
    at = slice(step // 2, None, step)
    rgb, deep = np.ascontiguousarray(guide.rgb[at, at]), np.ascontiguousarray(guide.depth[at, at])
    sky = np.ascontiguousarray(guide.sky[at, at])
    use = known[at, at] & (sky | (deep > 0))
    solid = use & ~sky
    inverse = np.where(solid, 1.0 / np.maximum(deep, 1e-3), 0).astype(np.float32)
    colour = np.where(use[..., None], rgb, 0).astype(np.float32)
    small = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
    layers = cv2.merge([use.astype(np.float32), solid.astype(np.float32), inverse])
    cover, surface, nearness = cv2.split(cv2.resize(layers, size, interpolation=cv2.INTER_AREA))
    seen = cover > 0.5
    rgb = np.where(seen[..., None], small / np.maximum(cover, 1e-6)[..., None], 0)
    depth = np.where(surface > 0, surface / np.maximum(nearness, 1e-9), 0)
    depth = np.where(seen, np.where(surface < 0.5 * cover, np.inf, depth), 0).astype(np.float32)
    camera = guide.camera.resized(*size)
    return Working(np.clip(rgb, 0, 1).astype(np.float32), depth, seen, camera, _scale(depth))


def classical_base(view: Working) -> tuple[_F32, _F32]:
    """Filled (rgb (H, W, 3) in [0, 1], encoded depth (H, W)); known pixels exactly as they are."""
    hole = (~view.known).astype(np.uint8)
    code = encode_depth(view.depth, view.scale)
    if not hole.any():
        return view.rgb, code
    if hole.all():
        return np.full_like(view.rgb, 0.5), np.zeros_like(code)
    bytes_ = np.rint(view.rgb * 255).astype(np.uint8)
    filled = cv2.inpaint(bytes_, hole, 3, cv2.INPAINT_NS).astype(np.float32) / np.float32(255)
    inverse = np.where(view.known, view.scale / np.maximum(view.depth, 1e-3), 0)  # sky: 0
    most = 8.0
    levels = np.rint(np.clip(inverse / most, 0, 1) * 65535).astype(np.uint16)
    levels = cv2.inpaint(levels, hole, 3, cv2.INPAINT_TELEA).astype(np.float32) / np.float32(65535) * np.float32(most)
    guess = encode_depth((1.0 / np.maximum(levels, 1e-6)).astype(np.float32), 1.0)
    rgb = np.where(view.known[..., None], view.rgb, filled).astype(np.float32)
    return rgb, np.where(view.known, code, guess).astype(np.float32)
