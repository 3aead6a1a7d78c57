# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the network is told about a chunk: packed history, warped last frame, camera rays, correspondences.

Frames are counted from the start of the film; a chunk of G latents has 4 G frames. Before the film the first frame is
repeated until there are P latents of history. compat="reference" takes Lyra 2.0's habits in geometry; each has a switch
(lyra_core.ops.quirks). The default warps retrieved pictures only to the frames that are used, a quarter of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lyra_core.models.video.lyra2.packing import Layout, unshuffle
from lyra_core.ops.coverage import greedy, make_view
from lyra_core.ops.quirks import Compat, quirks_of
from lyra_core.ops.reproject import Source, reliability_mask, reproject_targets
from lyra_core.types import Camera

__all__ = [
    "CacheEntry",
    "Conditions",
    "FilmState",
    "assemble",
    "camera_rays",
    "canonical_maps",
    "correspondence",
    "make_camera",
    "retrieval_targets",
    "retrieve",
    "shuffled_coordinates",
    "virtual_frames",
    "warp",
    "warped_condition",
]

Encoder = Callable[[Tensor], Tensor]
"""(1, 3, 1 + 4k, H, W) frames in -1..1 to latents (1, 16, 1 + k, H / 8, W / 8), as a film of its own."""

_F32 = NDArray[np.float32]
_STEP = 4  # frames per latent
_FARTHEST = 1e4
_RELIABLE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class CacheEntry:
    """A frame that may be retrieved.

    Attributes
    ----------
    frame: its number in the film.
    depth: (H, W) float32 z-depth.
    w2c: (4, 4) float32 world to camera.
    intrinsics: (3, 3) float32 pixels.
    """

    frame: int
    depth: _F32
    w2c: _F32
    intrinsics: _F32

    @property
    def camera(self) -> Camera:
        """The view."""
        return make_camera(self.w2c, self.intrinsics, self.depth.shape)


@dataclass(frozen=True, slots=True, eq=False)
class FilmState:
    """What is known before a chunk of G latents.

    Attributes
    ----------
    chunk: its number, from 0; its frames are 1 + 4 G chunk and the next 4 G - 1.
    w2c, intrinsics: (N, 4, 4) and (N, 3, 3) of all frames up to the chunk's end.
    latents: (1, 16, P + G chunk, h, w) of the whole history, repeats of the first frame included.
    rgb, depth: (H, W, 3) in -1..1 and (H, W), the last history frame.
    cache: frames that may be retrieved.
    """

    chunk: int
    w2c: _F32
    intrinsics: _F32
    latents: Tensor
    rgb: _F32
    depth: _F32
    cache: Sequence[CacheEntry]


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """What `Transformer.prepare` takes, and what it was made of.

    Attributes
    ----------
    retrieved: positions in the cache, best last.
    history: (1, 16, P, h, w) packed history latents.
    y: (1, 404, P + G, h, w) mask, condition latents, camera rays.
    correspondence: (1, 256 slots, P + G, h, w).
    warped: (1, 3, 4 G, H, W) the last frame seen from the new cameras, holes -1.
    """

    retrieved: tuple[int, ...]
    history: Tensor
    y: Tensor
    correspondence: Tensor
    warped: Tensor


def make_camera(w2c: NDArray[np.floating], intrinsics: NDArray[np.floating], size: tuple[int, ...]) -> Camera:
    """Camera of a world-to-camera matrix and pixel intrinsics; size is (H, W)."""
    pose = np.linalg.inv(np.asarray(w2c, np.float64))
    return Camera(np.asarray(intrinsics, np.float64), np.asarray(pose, np.float64), size[1], size[0])


def _inverse(matrix: _F32) -> _F32:
    """The float32 inverse whose last bits decide masks where coordinates are almost integers."""
    return torch.linalg.inv(torch.from_numpy(np.ascontiguousarray(matrix))).numpy()


def virtual_frames(layout: Layout, latents: int) -> NDArray[np.int64]:
    """(latents,) film frame that gives each latent its camera; the first P latents are repeats of frame 0."""
    return np.maximum(_STEP * (np.arange(latents) - (layout.history - 1)), 0)


def retrieval_targets(first: int, count: int, views: int) -> tuple[int, ...]:
    """Film frames of a chunk (first, count) that retrieval looks from: the last one, or `views` spread ones."""
    if views == 1:
        return (first + count - 1,)
    return tuple(first + int(offset) for offset in np.linspace(0, count - 1, views + 1)[1:])


def retrieve(
    cache: Sequence[CacheEntry], targets: Sequence[Camera], *, count: int, compat: Compat = "default",
    device: str = "cpu",
) -> tuple[int, ...]:  # fmt: skip
    """Positions in the cache of at most count entries that cover most of the targets, best last."""
    views = [make_view(entry.frame, entry.depth, entry.camera, dtype=np.float32) for entry in cache]
    return greedy(views, targets, count=count, compat=compat, device=device) if count else ()


def camera_rays(w2c: NDArray[np.floating], intrinsics: NDArray[np.floating], origin: NDArray[np.floating],
                size: tuple[int, int]) -> Tensor:  # fmt: skip
    """(1, 384, N, H / 8, W / 8) float32 rays of N cameras in the frame of the camera `origin`.

    w2c (N, 4, 4), intrinsics (N, 3, 3), origin (4, 4) world to camera, size (H, W). Per pixel centre: ray origin (3)
    in scene units and unit direction (3); 8x8 pixels become channels, (c * 8 + dy) * 8 + dx.
    """
    height, width = size
    poses = np.asarray(origin, np.float64) @ np.linalg.inv(np.asarray(w2c, np.float64))
    k = np.asarray(intrinsics, np.float64)
    x = (np.arange(width) + 0.5 - k[:, None, 0, 2, None]) / k[:, None, 0, 0, None]
    y = (np.arange(height) + 0.5 - k[:, None, 1, 2, None]) / k[:, None, 1, 1, None]
    shape = (len(poses), height, width)
    local = np.stack([np.broadcast_to(x.reshape(-1, 1, width), shape),
                      np.broadcast_to(y.reshape(-1, height, 1), shape), np.ones(shape)], axis=1)  # fmt: skip
    local /= np.linalg.norm(local, axis=1, keepdims=True)
    direction = np.einsum("nij,njhw->nihw", poses[:, :3, :3], local)
    start = np.broadcast_to(poses[:, :3, 3, None, None], direction.shape)
    rays = torch.from_numpy(np.concatenate([start, direction], axis=1).astype(np.float32))
    return unshuffle(rays.transpose(0, 1)[None], 8)


def canonical_maps(count: int, height: int, width: int) -> _F32:
    """(count, 3, height, width) float32: x and y from -1 to 1 over the picture, z a constant of each slot."""
    depth = np.linspace(-1, 1, count) if count > 1 else np.zeros(count)
    maps = np.empty((count, 3, height, width), np.float32)
    maps[:, 0] = np.linspace(-1, 1, width)
    maps[:, 1] = np.linspace(-1, 1, height)[:, None]
    maps[:, 2] = depth[:, None, None]
    return maps


def shuffled_coordinates(maps: Tensor) -> Tensor:
    """(1, 4, 4 G, H, W) x, y, z, depth to (1, 256, G, H / 8, W / 8): the last frame of each group of four."""
    return unshuffle(maps[:, :, _STEP - 1 :: _STEP], 8)


def warp(
    rgb: _F32, depth: _F32, source: Camera, targets: Sequence[Camera], *, compat: Compat = "default",
    device: str = "cpu",
) -> tuple[_F32, _F32]:  # fmt: skip
    """A picture (H, W, 3) in -1..1 with depth (H, W), seen from every target: (N, H, W, 3), holes -1, and (N, H, W).

    Pixels at depth steps (reliability mask) are left out.
    """
    depth = np.clip(np.where(np.isnan(depth), _FARTHEST, depth), 0, _FARTHEST).astype(np.float32)
    valid = reliability_mask(depth, ratio=_RELIABLE, compat=compat) & (depth > 0)
    views = [Source(np.ascontiguousarray(rgb, np.float32), depth, valid, source)]

    seen = list(reproject_targets(views, targets, device=device, compat=compat, hole=-1.0, inverse=_inverse))
    return np.stack([np.clip(view.rgb, -1, 1) for view in seen]), np.stack([view.depth for view in seen])


def _film(frames: _F32) -> Tensor:
    """(N, H, W, 3) to (1, 3, N, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(3, 0, 1, 2)))[None]


def warped_condition(warped: Tensor, encode: Encoder) -> Tensor:
    """(1, 16, G, h, w) latents of the warped frames; the first is shown twice so that each latent has four frames."""
    return encode(torch.cat([warped[:, :, :1], warped], dim=2))[:, :, 1:]


def correspondence(
    layout: Layout, entries: Sequence[CacheEntry], targets: Sequence[Camera], size: tuple[int, int], *,
    compat: Compat = "default", device: str = "cpu",
) -> Tensor:  # fmt: skip
    """(1, 256 slots, P + G, h, w) float32: where each retrieved frame's pixels are seen in the new frames.

    entries: the retrieved frames, best last; slot 0 is the best. Per slot x, y, z of the canonical map and depth.
    """
    height, width = size
    slots, maps = layout.slots, canonical_maps(layout.slots, height, width)
    everything = quirks_of(compat).all_frames_scale
    used = targets if everything else targets[_STEP - 1 :: _STEP]
    new = torch.full((slots, 4, len(used), height, width), -1.0)
    new[:, 3] = 1.0
    depths = []
    for slot, entry in enumerate(reversed(entries)):
        picture = maps[slots - 1 - slot].transpose(1, 2, 0)
        seen, depth = warp(picture, entry.depth, entry.camera, used, compat=compat, device=device)
        new[slot, :3] = _film(seen)[0]
        depths.append(torch.from_numpy(depth))
    if depths:
        stacked = torch.stack(depths)
        low, high = stacked.min(), stacked.max()
        new[: len(depths), 3] = 2 * (stacked - low) / (high - low).clamp(min=1e-6) - 1
    buffer = torch.zeros(1, slots * 256, layout.total, height // 8, width // 8)
    for slot in range(slots):
        shuffled = shuffled_coordinates(new[slot][None]) if everything else unshuffle(new[slot][None], 8)
        buffer[:, slot * 256 : slot * 256 + 256, layout.history :] = shuffled
    for j, position in enumerate(layout.spatial_positions):
        for slot in range(slots):
            own = torch.full((1, 4, 1, height, width), -1.0 if slot == 0 else 1.0)
            own[0, :3, 0] = torch.from_numpy(maps[j])
            buffer[:, slot * 256 : slot * 256 + 256, position] = unshuffle(own, 8)[:, :, 0]
    return buffer


def _pack_history(layout: Layout, state: FilmState, temporal: Sequence[int], singles: Sequence[Tensor]) -> Tensor:
    """(1, 16, P, h, w): the film's kept latents and the retrieved frames' own at their places."""
    latents = state.latents
    history = torch.empty(1, latents.shape[1], layout.history, *latents.shape[3:])
    history[:, :, list(layout.temporal_positions)] = latents[:, :, list(temporal)].float().cpu()
    for position, single in zip(layout.spatial_positions, singles, strict=True):
        history[:, :, position] = single[:, :, 0].float().cpu()
    return history


def assemble(
    layout: Layout,
    state: FilmState,
    *,
    frame_latent: Callable[[int], Tensor],
    encode: Encoder,
    views: int = 1,
    compat: Compat = "default",
    device: str = "cpu",
    chosen: tuple[int, ...] | None = None,
) -> Conditions:
    """All conditions of the chunk that follows the film's state.

    Parameters
    ----------
    frame_latent: film frame to its latent (1, 16, 1, h, w) as a single picture.
    encode: the VAE on a film of its own.
    views: how many cameras of the chunk retrieval looks from.
    chosen: positions in the cache that were retrieved already, best last.
    """
    w2c, intrinsics, size = state.w2c, state.intrinsics, (state.depth.shape[0], state.depth.shape[1])
    count = _STEP * layout.new
    newest = count * state.chunk
    cameras = [make_camera(w2c[i], intrinsics[i], size) for i in range(newest, newest + count + 1)]
    seen_from = [cameras[i - newest] for i in retrieval_targets(newest + 1, count, views)]
    found = chosen
    if found is None:
        found = retrieve(state.cache, seen_from, count=layout.slots, compat=compat, device=device)
    entries = [state.cache[i] for i in found]
    # Fewer frames than slots: the first frame fills up from the left.
    frames = [0] * (layout.slots - len(found)) + [entry.frame for entry in entries]
    single = {frame: frame_latent(frame) for frame in set(frames)}

    old = state.latents.shape[2]
    temporal = layout.pick_history(old)
    history = _pack_history(layout, state, temporal, [single[frame] for frame in frames])
    timeline = virtual_frames(layout, old + layout.new)
    shown = np.empty(layout.total, np.int64)
    shown[list(layout.temporal_positions)] = timeline[list(temporal)]
    shown[list(layout.spatial_positions)] = frames
    shown[layout.history :] = timeline[old:]
    rays = camera_rays(w2c[shown], intrinsics[shown], w2c[newest], size)

    warped = _film(warp(state.rgb, state.depth, cameras[0], cameras[1:], compat=compat, device=device)[0])
    condition = torch.cat([history, warped_condition(warped, encode).float().cpu()], dim=2)
    y = torch.cat([torch.ones(1, 4, *condition.shape[2:]), condition, rays], dim=1)
    buffer = correspondence(layout, entries, cameras[1:], size, compat=compat, device=device)
    return Conditions(found, history, y, buffer, warped)
