# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Frames with depth and commanded cameras to surface-aligned Gaussians, fused by ownership.

Every Gaussian is the back-projection of a round footprint of one frame: its covariance in the surface is
sigma^2 (du du^T + dv dv^T), where du and dv are the steps on the surface that one pixel right and down
make, so that its owner sees a circle of sigma pixels whatever the slant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.geometry import project
from lyra_core.reconstruction.density import quadtree
from lyra_core.reconstruction.lift import back_project
from lyra_core.reconstruction.scene import GaussianConfig, GaussianScene, concatenate
from lyra_core.reconstruction.sky import SkyShell
from lyra_core.reconstruction.surface import link_neighbours, near_side_of_edges, settle_mixed_pixels, slopes
from lyra_core.types import Frame, Gaussians

__all__ = ["gaussians_from_frames"]

_F = NDArray[np.float32]
_B = NDArray[np.bool_]

_SAME_SURFACE = 0.03  # relative depth within which an earlier, coarser Gaussian is the same surface
_COARSER = 1.5  # an earlier Gaussian gives way only if it is this much larger than those of the new owner


def gaussians_from_frames(frames: Iterable[Frame], *, config: GaussianConfig | None = None) -> GaussianScene:
    """Fuse frames into Gaussians; each frame gives only the pixels that it owns.

    Cameras and depths are taken as they are, never re-estimated. Where a later frame owns a surface that an
    earlier one has drawn more coarsely, the earlier Gaussians give way.

    frames: in path order. A sequence that loads its frames when indexed stays lazy: it is read once for surfaces,
    and again for the frames that own sky and the few that colours are corrected against.

    Errors: InputError if no frame has an owned pixel with depth.
    """
    config = config or GaussianConfig()
    if not isinstance(frames, Sequence):
        frames = list(frames)
    parts: list[Gaussians] = []
    owners: list[NDArray[np.int32]] = []
    sky = SkyShell(config)
    owned: list[int] = []
    for frame in frames:
        sky.look_at(frame)
        owned.append(int(frame.owned.sum()))
        part = _surface_of(frame, config)
        if part is None:
            continue
        if parts:
            parts, owners = _give_way(parts, owners, frame, config.sigma)
        parts.append(part)
        owners.append(np.full(len(part), frame.index, np.int32))
    if not parts:
        raise InputError(
            "No surface to reconstruct: no frame owns a pixel with depth",
            got=f"{len(frames)} frames",
            do="Check the depth, sky and owned masks of the frames",
        )
    shell = sky.gaussians(frames) if config.sky else None
    scene = GaussianScene(concatenate(parts), shell, np.concatenate(owners))
    if config.color_passes > 0:
        from lyra_core.reconstruction.refine import correct_colors, views_that_cover

        scene = correct_colors(scene, [frames[i] for i in views_that_cover(owned, config.color_views)], config)
    return scene


def _surface_of(frame: Frame, config: GaussianConfig) -> Gaussians | None:
    valid = (frame.depth > 0) & ~frame.sky
    keep = _grow(frame.owned & valid, config.seam) & valid
    if not keep.any():
        return None
    window = _window(keep)
    valid, keep, rgb, depth = valid[window], keep[window], frame.rgb[window], frame.depth[window]
    w = np.where(valid, 1 / np.where(valid, depth, 1), 0).astype(np.float32)
    w = settle_mixed_pixels(w, rgb, valid, config.edge)
    links = link_neighbours(w, valid, config.edge)
    slope = slopes(w, links)
    samples = quadtree(
        w, rgb, keep, links, slope, largest=config.merge, flat_color=config.flat_color, flat_depth=config.flat_depth
    )
    shrink = np.where(near_side_of_edges(w, valid, links).ravel()[samples.at], config.edge_shrink, 1.0)
    relative = np.stack([s.ravel()[samples.at] / samples.inverse_depth for s in slope], axis=1)
    origin = np.array([window[1].start, window[0].start])
    return back_project(samples, relative, (shrink * config.sigma).astype(np.float32), frame.camera, origin, config)


def _give_way(
    parts: list[Gaussians], owners: list[NDArray[np.int32]], frame: Frame, sigma: float
) -> tuple[list[Gaussians], list[NDArray[np.int32]]]:
    """Drop earlier Gaussians that lie on surfaces which this frame owns and draws finer."""
    out_parts, out_owners = [], []
    for part, owner in zip(parts, owners, strict=True):
        keep = ~_redrawn(part, frame, sigma)
        out_parts.append(part if keep.all() else part.subset(keep))
        out_owners.append(owner if keep.all() else owner[keep])
    return out_parts, out_owners


def _redrawn(part: Gaussians, frame: Frame, sigma: float) -> _B:
    camera = frame.camera
    pixels, z = project(part.means, camera)
    size = np.array([camera.width, camera.height])
    with np.errstate(invalid="ignore", divide="ignore"):
        radius = part.scales[:, 0] * camera.intrinsics[0, 0] / z
        inside = (z > 0) & (pixels >= 0).all(axis=1) & (pixels < size).all(axis=1)
    at = np.flatnonzero(inside)
    at = at[radius[at] > _COARSER * sigma]
    if not len(at):
        return np.zeros(len(part), bool)
    owned = frame.owned & (frame.depth > 0)
    redrawn = np.ones(len(at), bool)
    for dx, dy in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)):
        offset = pixels[at] + np.stack([dx * radius[at], dy * radius[at]], axis=1)
        x, y = np.clip(offset, 0, size - 1).astype(int).T
        redrawn &= owned[y, x] & (np.abs(frame.depth[y, x] - z[at]) < _SAME_SURFACE * z[at])
    out = np.zeros(len(part), bool)
    out[at] = redrawn
    return out


def _grow(mask: _B, pixels: int) -> _B:
    if pixels < 1 or mask.all():
        return mask
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask, iterations=pixels), dtype=bool)


def _window(mask: _B, margin: int = 2) -> tuple[slice, slice]:
    """Rows and columns that hold the mask, with a margin for neighbour differences."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return (
        slice(max(0, rows[0] - margin), min(height, rows[-1] + 1 + margin)),
        slice(max(0, columns[0] - margin), min(width, columns[-1] + 1 + margin)),
    )
