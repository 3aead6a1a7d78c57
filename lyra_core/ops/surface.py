# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Past views as surfaces: depth maps drawn as triangulated grids, colour sampled backward.

A forward splat leaves cracks when the camera moves closer, and repeated splatting blurs. Here each
view is a grid of triangles with its vertices at the pixel centres, cut where the depth jumps, drawn
into the target with a z-buffer. The target pixel's point is then projected back into the owning view
and its colour interpolated there, so detail stays as sharp as the owner saw it.

Where two views draw the same surface (depths within `tolerance`), the earlier source keeps the pixel
unless the later one saw it `finer` times more closely.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.ops.device import resolve_device
from lyra_core.ops.surface_data import Surface, SurfaceView, view_matrices
from lyra_core.types import Camera

__all__ = ["WORD", "Surface", "SurfaceView", "prepare_surface", "render_surface", "tile_hull", "view_matrices"]

WORD = 32
"""Cells of a grid row that are culled together."""

_FULL = 16
_F32 = NDArray[np.float32]


def _connected(depth: _F32, usable: NDArray[np.bool_], axis: int, jump: float) -> NDArray[np.bool_]:
    """Edges between neighbours along axis that lie on one surface; one shorter along axis.

    A relative step below `jump` always connects. Up to three times that it connects if inverse depth,
    which is linear in the image for any plane, runs straight on through both pixels (a floor or wall
    seen at a grazing angle does, a silhouette does not).
    """
    inverse = np.where(usable, 1.0 / np.maximum(depth, 1e-6), 0.0).astype(np.float32)
    inverse, usable = np.moveaxis(inverse, axis, -1), np.moveaxis(usable, axis, -1)
    first, second = inverse[..., :-1], inverse[..., 1:]
    step = second - first
    both = usable[..., :-1] & usable[..., 1:]
    relative = np.abs(step) / np.maximum(np.minimum(first, second), 1e-12)
    connected = both & (relative < jump)
    grazing = both & ~connected & (relative < 3 * jump)
    if grazing.any() and step.shape[-1] >= 3:
        bend = np.abs(step[..., 1:] - step[..., :-1])
        straight = grazing.copy()
        limit = 0.3 * np.abs(step)
        straight[..., 1:] &= both[..., :-1] & (bend < limit[..., 1:])
        straight[..., :-1] &= both[..., 1:] & (bend < limit[..., :-1])
        straight[..., 0] = straight[..., -1] = False
        connected |= straight
    return np.moveaxis(connected, -1, axis)


def _codes(depth: _F32, usable: NDArray[np.bool_], shown: NDArray[np.bool_], jump: float) -> NDArray[np.uint8]:
    height, width = depth.shape
    code = np.zeros((height + 1, width + 1), np.uint8)
    across, down = _connected(depth, usable, 1, jump), _connected(depth, usable, 0, jump)
    quad = across[:-1] & across[1:] & down[:, :-1] & down[:, 1:]
    # A pixel that hangs on no quad is a flying pixel (or too thin to trust): it draws nothing.
    held = np.zeros((height + 1, width + 1), bool)
    held[1:-1, 1:-1] = quad
    held = held[1:, 1:] | held[:-1, 1:] | held[1:, :-1] | held[:-1, :-1]
    corner = held & shown & usable
    for bit, (dy, dx) in enumerate(((1, 1), (1, 0), (0, 1), (0, 0))):
        code[dy : dy + height, dx : dx + width] |= (corner << bit).astype(np.uint8)
    # A whole quad is drawn if any corner is shown, so that regions of different owners meet without a gap.
    any_shown = shown[:-1, :-1] | shown[1:, :-1] | shown[:-1, 1:] | shown[1:, 1:]
    inner = code[1:-1, 1:-1]
    inner[quad] = np.where(any_shown[quad], _FULL, 0)
    return code


def _cropped_codes(depth: _F32, usable: NDArray[np.bool_], shown: NDArray[np.bool_], jump: float) -> NDArray[np.uint8]:
    """_codes, worked out only around the shown pixels; four pixels of margin decide their cells."""
    height, width = depth.shape
    code = np.zeros((height + 1, width + 1), np.uint8)
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if len(rows):
        top, left = max(int(rows[0]) - 4, 0), max(int(columns[0]) - 4, 0)
        part = (slice(top, int(rows[-1]) + 5), slice(left, int(columns[-1]) + 5))
        inside = _codes(depth[part], usable[part], shown[part], jump)
        code[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return code


def _words(depth: _F32, code: NDArray[np.uint8]) -> tuple[NDArray[np.int32], _F32]:
    rows, columns = code.shape
    blocks = -(-columns // WORD)
    padded = np.zeros((rows, blocks * WORD), np.uint8)
    padded[:, :columns] = code
    filled = padded.reshape(rows, blocks, WORD).any(axis=2)
    # Pixels next to cell column j are j - 1 and j; a block touches its WORD + 1 pixels in two rows.
    low = np.full((rows + 1, blocks * WORD + 1), np.inf, np.float32)
    high = np.zeros((rows + 1, blocks * WORD + 1), np.float32)
    low[1:rows, 1:columns] = np.where(depth > 0, depth, np.inf)
    high[1:rows, 1:columns] = depth

    def reduce(values: _F32, pick: np.ufunc) -> _F32:
        paired = pick(values[:-1], values[1:])
        inside = pick.reduce(paired[:, :-1].reshape(rows, blocks, WORD), axis=2)
        return pick(inside, paired[:, WORD::WORD])

    low, high = reduce(low, np.minimum), reduce(high, np.maximum)
    row, block = np.nonzero(filled)
    words = np.stack([block * WORD, row], axis=1).astype(np.int32)
    return words, np.stack([low[row, block], high[row, block]], axis=1).astype(np.float32)


def prepare_surface(
    depth: _F32,
    camera: Camera,
    *,
    valid: NDArray[np.bool_] | None = None,
    shown: NDArray[np.bool_] | None = None,
    rgb: NDArray[np.uint8] | NDArray[np.float32] | None = None,
    sky: NDArray[np.bool_] | None = None,
    jump: float = 0.05,
) -> Surface:
    """Cut a depth map into a drawable grid.

    Parameters
    ----------
    depth: (H, W) float32 z-depth [m]; 0 has no surface.
    valid: (H, W) bool, pixels whose depth may carry a vertex; default all with depth.
    shown: (H, W) bool, pixels that this view contributes (its owned ones); default all. Quads that touch
        a shown pixel are drawn whole.
    rgb: (H, W, 3) uint8, or float32 in 0..1 (rounded to uint8).
    sky: (H, W) bool, pixels that show sky here.
    jump: relative depth step between neighbours that cuts the surface (dimensionless).
    """
    depth = np.ascontiguousarray(depth, np.float32)
    if depth.shape != (camera.height, camera.width):
        raise InputError(
            "A depth map must have its camera's size",
            got=f"depth {depth.shape[1]}x{depth.shape[0]}, camera {camera.width}x{camera.height}",
            do="Resize the camera with Camera.resized",
        )
    usable = (depth > 0) & np.isfinite(depth)
    if valid is not None:
        usable &= valid
    code = _cropped_codes(depth, usable, usable if shown is None else shown & usable, jump)
    words, bounds = _words(np.where(usable, depth, 0).astype(np.float32), code)
    if rgb is not None and rgb.dtype != np.uint8:
        rgb = np.round(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
    sky_bytes = None if sky is None or not sky.any() else np.ascontiguousarray(sky, np.uint8)
    return Surface(
        depth, code, words, bounds, camera, None if rgb is None else np.ascontiguousarray(rgb, np.uint8), sky_bytes
    )


def tile_hull(surface: Surface, tile: int = 64) -> NDArray[np.float64]:
    """(M, 8, 3) world corners [m] of frusta that hold what a surface draws, one per tile of about tile pixels."""
    if len(surface.words) == 0:
        return np.zeros((0, 8, 3))
    group = (surface.words[:, 1] // tile) * 4096 + surface.words[:, 0] // tile
    keys, inverse = np.unique(group, return_inverse=True)
    low, high = np.full(len(keys), np.inf), np.zeros(len(keys))
    np.minimum.at(low, inverse, surface.bounds[:, 0])
    np.maximum.at(high, inverse, surface.bounds[:, 1])
    x0, y0 = (keys % 4096) * tile - 1.0, (keys // 4096) * tile - 1.0
    pixel = np.array([(x, y, 1.0) for y in (0, tile + 2.0) for x in (0, tile + 2.0)])
    pixels = pixel[None] + np.stack([x0, y0, np.zeros(len(keys))], axis=1)[:, None]
    rays = pixels @ np.linalg.inv(surface.camera.intrinsics).T
    local = np.concatenate([rays * low[:, None, None], rays * high[:, None, None]], axis=1)
    pose = surface.camera.world_from_camera
    return local @ pose[:3, :3].T + pose[:3, 3]


def render_surface(
    sources: Sequence[Surface],
    target: Camera,
    *,
    device: str = "cpu",
    tolerance: float = 0.0,
    finer: float = 0.0,
    sky: bool = False,
    bicubic: bool = True,
) -> SurfaceView:
    """Draw sources into target with a z-buffer, and sample their colour there.

    Parameters
    ----------
    sources: in order of precedence (see tolerance).
    device: 'numpy' (slow reference), 'cpu', 'cuda:N'.
    tolerance: relative depth difference below which two sources count as the same surface and the earlier
        one in the list keeps the pixel. 0: the nearer one always wins.
    finer: a later source of the same surface takes the pixel if its pixels are this factor smaller there;
        0 switches that off.
    sky: fill pixels without a surface from the sources' sky masks (by direction, sky is at infinity).
    bicubic: Catmull-Rom colour interpolation, else bilinear. Minified colour is box-filtered, and no filter
        reaches across a silhouette.
    """
    device = resolve_device(device)
    if device == "numpy":
        from lyra_core.ops import surface_reference

        return surface_reference.render(sources, target, tolerance=tolerance, finer=finer, sky=sky, bicubic=bicubic)
    from lyra_core.kernels import surface_launch

    shaded = bool(sources) and all(s.rgb is not None for s in sources)
    depth, source, source_xy, rgb, is_sky = surface_launch.render(
        sources, [_matrices(s.camera, target) for s in sources], (target.height, target.width), device=device,
        tolerance=tolerance, finer=finer, shaded=shaded, sky=sky, bicubic=bicubic,
    )  # fmt: skip
    return SurfaceView(depth, source, source_xy, source >= 0, rgb if shaded else None, is_sky if sky else None)


def _matrices(source: Camera, target: Camera) -> tuple[NDArray[np.float64], ...]:
    return (*view_matrices(source, target), *view_matrices(target, source))
