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
from lyra_core.geometry import SH_C0, project, quat_from_matrix
from lyra_core.reconstruction.density import Samples, quadtree
from lyra_core.reconstruction.scene import GaussianConfig, GaussianScene, concatenate
from lyra_core.reconstruction.sky import SkyShell
from lyra_core.reconstruction.surface import link_neighbours, near_side_of_edges, settle_mixed_pixels, slopes
from lyra_core.types import Camera, Frame, Gaussians

__all__ = ["gaussians_from_frames"]

_F = NDArray[np.float32]
_B = NDArray[np.bool_]

_SAME_SURFACE = 0.03  # relative depth within which an earlier, coarser Gaussian is the same surface
_LOW_PASS = 0.3  # [px^2] what 3DGS viewers add to a footprint
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


def back_project(
    samples: Samples, slope: _F, sigma: _F, camera: Camera, origin: NDArray[np.int64], config: GaussianConfig
) -> Gaussians:
    """Gaussians of samples of one view.

    slope: (M, 2) change of inverse depth per pixel, divided by the inverse depth.
    sigma: (M,) footprint as a share of the sample's block.
    origin: (2,) column and row of the samples' window in the picture.
    """
    inverse_k = np.linalg.inv(camera.intrinsics).astype(np.float32)
    pixel = np.stack([samples.columns + origin[0], samples.rows + origin[1], np.ones_like(samples.rows)], axis=1)
    ray = pixel.astype(np.float32) @ inverse_k.T
    depth = np.reciprocal(samples.inverse_depth)
    focal = np.diag(camera.intrinsics)[:2].astype(np.float32)
    steepness = np.linalg.norm(slope * focal, axis=1, keepdims=True)
    slope = slope * np.minimum(1, config.max_slant / np.maximum(steepness, 1e-9)).astype(np.float32)
    reach = (depth * sigma * _widen(samples.size, config))[:, None]
    du = (reach * (inverse_k[:, 0] - slope[:, :1] * ray)).astype(np.float32)
    dv = (reach * (inverse_k[:, 1] - slope[:, 1:] * ray)).astype(np.float32)
    axes, scales = _principal_axes(du, dv, config.thickness)
    rotation = camera.world_from_camera[:3, :3].astype(np.float32)
    means = (ray * depth[:, None]) @ rotation.T + camera.center.astype(np.float32)
    return Gaussians(
        means.astype(np.float32),
        quat_from_matrix((rotation @ axes).astype(np.float64)).astype(np.float32),
        scales,
        np.full(len(means), config.opacity, np.float32),
        ((samples.rgb - 0.5) / np.float32(SH_C0))[:, None, :],
    )


def _widen(size: _F, config: GaussianConfig) -> _F:
    """Footprint of a block in units of sigma [px].

    The low-pass of the viewer widens small splats relatively more; blocks make up for it, so that they overlap as
    single pixels do and let nothing shine through.
    """
    share = _LOW_PASS / config.sigma**2
    return size * np.sqrt(1 + share - share / size**2)


def _principal_axes(du: _F, dv: _F, thickness: float) -> tuple[_F, _F]:
    """Axes (M, 3, 3) in columns (long, short, normal) and scales (M, 3) of du du^T + dv dv^T, made thin."""
    # In the plane of du and dv, the ellipse a(t) = du cos t + dv sin t has its axes at tan 2t = 2 du.dv / (du^2 - dv^2).
    uu, vv, uv = (np.einsum("ij,ij->i", a, b) for a, b in ((du, du), (dv, dv), (du, dv)))
    t = 0.5 * np.arctan2(2 * uv, uu - vv)
    cosine, sine = np.cos(t)[:, None], np.sin(t)[:, None]
    long, short = cosine * du + sine * dv, cosine * dv - sine * du
    lengths = np.stack([np.linalg.norm(long, axis=1), np.linalg.norm(short, axis=1)], axis=1)
    first = long / lengths[:, :1]
    normal = np.cross(long, short)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    axes = np.stack([first, np.cross(normal, first), normal], axis=2)
    scales = np.concatenate([lengths, thickness * lengths[:, 1:]], axis=1)
    return axes.astype(np.float32), scales.astype(np.float32)


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
    with np.errstate(invalid="ignore"):
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
