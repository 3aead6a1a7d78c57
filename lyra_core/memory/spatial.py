# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialMemory: what all frames so far show of a view that is to be made.

Every frame keeps its own geometry; nothing is fused. In the mode `per_frame_owned` a frame gives only
the pixels that it was the first to see, so a place is always drawn from the one frame that invented it
and is never resampled twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ConfigError, InputError, did_you_mean
from lyra_core.memory.cloud import PointCloud
from lyra_core.memory.store import ArrayStore
from lyra_core.ops.coverage import View, greedy, in_view, make_view
from lyra_core.ops.device import resolve_device
from lyra_core.ops.reproject import Source, reliability_mask, reproject
from lyra_core.ops.surface import Surface, SurfaceView, prepare_surface, render_surface, tile_hull
from lyra_core.types import Camera, Frame, Guide

__all__ = ["DEPTH_TOLERANCE", "FINER", "MemoryMode", "SpatialMemory"]

MemoryMode = Literal["per_frame_owned", "per_frame", "global_cloud", "none"]

DEPTH_TOLERANCE = 0.05
"""Relative depth difference below which two frames show one surface; the earlier one then keeps it."""

FINER = 1.5
"""A later frame takes over a surface that it saw with pixels this much smaller."""

_RELIABLE_RATIO, _RELIABLE_WIDTH = 0.05, 832


@dataclass(frozen=True, eq=False)
class _Entry:
    """What stays in memory of a frame: the thin depth for retrieval and the bounds of what it draws."""

    view: View
    hull: NDArray[np.float64]  # (M, 8, 3) world corners [m] of the tiles that it draws
    draws: bool
    shows_sky: bool


class SpatialMemory:
    """Past frames with their geometry, asked for target views.

    The state is a function of the set of inserted frames: the order of insertion does not matter, so
    inserting the stored frames again rebuilds it (resume).

    Parameters
    ----------
    mode: 'per_frame_owned' each frame gives the pixels it owns; 'per_frame' the best few frames give all
        their pixels; 'global_cloud' one fused cloud; 'none' only the newest frame (largest index).
        The last three exist to be compared with.
    device: 'auto', 'cpu', 'cuda:N' or 'numpy'.
    folder: where full-size arrays are kept; None keeps them in memory.
    byte_budget: bytes of full-size arrays kept in memory when there is a folder.
    """

    def __init__(
        self,
        *,
        mode: MemoryMode = "per_frame_owned",
        device: str = "cpu",
        folder: Path | None = None,
        byte_budget: int = 512 << 20,
    ) -> None:
        if mode not in get_args(MemoryMode):
            raise ConfigError("Unknown memory mode", got=str(mode), do=did_you_mean(str(mode), get_args(MemoryMode)))
        self.mode: MemoryMode = mode
        self._device = resolve_device(device)
        self._store = ArrayStore(folder, byte_budget)
        self._entries: dict[int, _Entry] = {}
        self._cloud: PointCloud | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def frame_ids(self) -> tuple[int, ...]:
        """Indices of the frames held, ascending."""
        return tuple(sorted(self._entries))

    def insert(self, frame: Frame) -> None:
        """Take in a frame; one with an index already held is an error (revert first)."""
        if frame.index in self._entries:
            raise InputError(
                "A frame can be inserted once", got=f"index {frame.index} again", do="Call remove_from first"
            )
        owned = self.mode == "per_frame_owned"
        # The reference's ratio belongs to its 832 pixels: fewer pixels mean larger steps on the same surface.
        ratio = _RELIABLE_RATIO * max(1.0, _RELIABLE_WIDTH / frame.camera.width)
        reliable = reliability_mask(frame.depth, ratio=ratio, device=self._device)
        # Owned pixels need no reliability margin: at silhouettes the grid is cut, and a margin dropped there
        # would be invented anew by the next frame. Plain retrieval keeps the margin of the reference.
        shown = frame.owned if owned else None
        surface = prepare_surface(
            frame.depth,
            frame.camera,
            valid=None if owned else reliable,
            shown=shown,
            rgb=frame.rgb,
            sky=frame.sky & frame.owned if owned else frame.sky,
        )
        self._entries[frame.index] = _Entry(
            view=make_view(frame.index, frame.depth, frame.camera, valid=reliable),
            hull=tile_hull(surface),
            draws=len(surface.words) > 0,
            shows_sky=surface.sky is not None,
        )
        self._cloud = None
        if self._entries[frame.index].draws or surface.sky is not None:
            self._store.put(frame.index, _pack(surface, reliable))

    def remove_from(self, index: int) -> None:
        """Forget all frames with this index or a larger one (revert)."""
        for key in [k for k in self._entries if k >= index]:
            del self._entries[key]
            self._store.remove(key)
        self._cloud = None

    def retrieve(self, cameras: Sequence[Camera], *, count: int = 5) -> tuple[int, ...]:
        """Indices of at most count frames that together see most of cameras, best last (exact greedy coverage)."""
        ids = self.frame_ids
        views = [self._entries[i].view for i in ids]
        return tuple(ids[i] for i in greedy(views, cameras, count=count, device=self._device))

    def guide(self, camera: Camera, *, frames: Sequence[int] | None = None) -> Guide:
        """What the memory shows of a view.

        frames restricts it to these indices (default: all that matter in this mode). Sky is at infinity:
        a pixel without a surface is sky if a frame's sky mask shows its direction.
        """
        if self.mode == "global_cloud":
            return self._cloud_guide(camera, frames)
        ids = self._sources(camera, frames)
        if self.mode != "per_frame_owned":
            return self._merged_guide(camera, ids)
        view = render_surface(
            [self._surface(i) for i in ids],
            camera,
            device=self._device,
            tolerance=DEPTH_TOLERANCE,
            finer=FINER,
            sky=True,
        )
        return _guide(view, ids, camera)

    def _sources(self, camera: Camera, frames: Sequence[int] | None) -> list[int]:
        """Frames to draw, the one that wins a shared surface first."""
        ids = [i for i in self.frame_ids if frames is None or i in set(frames)]
        if not ids:
            return []
        if self.mode == "none":
            return [ids[-1]] if self._kept(ids[-1]) else []
        if self.mode == "per_frame":
            best_first = list(reversed(self.retrieve([camera]))) if frames is None else ids
            # The newest frame always takes part, as in Lyra 2, where it is the warp condition.
            chosen = best_first if ids[-1] in best_first else [*best_first, ids[-1]]
            return [i for i in chosen if self._kept(i)]
        return [i for i in ids if self._touches(i, camera)]

    def _kept(self, index: int) -> bool:
        entry = self._entries[index]
        return entry.draws or entry.shows_sky

    def _touches(self, index: int, camera: Camera) -> bool:
        entry = self._entries[index]
        return entry.shows_sky or (entry.draws and bool(in_view(entry.hull, camera).any()))

    def _surface(self, index: int) -> Surface:
        arrays = self._store.get(index)
        return Surface(
            arrays["depth"],
            arrays["code"],
            arrays["words"],
            arrays["bounds"],
            self._entries[index].view.camera,
            arrays["rgb"],
            arrays.get("sky"),
        )

    def _sky_guide(self, camera: Camera, ids: Sequence[int]) -> Guide:
        """Only the sky of these frames."""
        ids = [i for i in ids if self._entries[i].shows_sky]
        view = render_surface([_without_geometry(self._surface(i)) for i in ids], camera, device=self._device, sky=True)
        return _guide(view, ids, camera)

    def _merged_guide(self, camera: Camera, ids: Sequence[int]) -> Guide:
        """Plain per-frame retrieval as in Lyra 2: all reliable pixels of the chosen frames, merged by the soft splat."""
        sky = self._sky_guide(camera, ids)
        ids = [i for i in ids if self._entries[i].draws]
        if not ids:
            return sky
        sources = []
        for i in ids:
            arrays, view = self._store.get(i), self._entries[i].view
            rgb = arrays["rgb"].astype(np.float32) / np.float32(255)
            sources.append(Source(rgb, arrays["depth"], arrays["reliable"] & (arrays["depth"] > 0), view.camera))
        seen = reproject(sources, camera, device=self._device)
        assert seen.source is not None
        assert seen.source_xy is not None
        names = np.array([*ids, -1], np.int32)
        return Guide(
            rgb=np.where(seen.mask[..., None], np.clip(seen.rgb, 0, 1), sky.rgb),
            depth=np.where(seen.mask, seen.depth, 0),
            known=seen.mask | sky.known,
            sky=sky.sky & ~seen.mask,
            source=np.where(seen.mask, names[seen.source], sky.source),
            source_xy=np.where(seen.mask[..., None], seen.source_xy, sky.source_xy),
            camera=camera,
        )

    def _cloud_guide(self, camera: Camera, frames: Sequence[int] | None) -> Guide:
        ids = [i for i in self.frame_ids if self._kept(i) and (frames is None or i in set(frames))]
        cloud = self._cloud if frames is None else None
        if cloud is None:
            cloud = PointCloud.fuse((self._surface(i), self._store.get(i)["reliable"]) for i in ids)
            self._cloud = cloud if frames is None else None
        return cloud.over(self._sky_guide(camera, ids))


def _pack(surface: Surface, reliable: NDArray[np.bool_]) -> dict[str, NDArray]:
    arrays = {
        "depth": surface.depth,
        "code": surface.code,
        "words": surface.words,
        "bounds": surface.bounds,
        "rgb": surface.rgb,
        "sky": surface.sky,
        "reliable": reliable,
    }
    return {name: np.array(value) for name, value in arrays.items() if value is not None}


def _without_geometry(surface: Surface) -> Surface:
    return Surface(
        surface.depth, surface.code, surface.words[:0], surface.bounds[:0], surface.camera, surface.rgb, surface.sky
    )


def _guide(view: SurfaceView, ids: Sequence[int], camera: Camera) -> Guide:
    names = np.array([*ids, -1], np.int32)
    size = (camera.height, camera.width)
    return Guide(
        rgb=np.zeros((*size, 3), np.float32) if view.rgb is None else view.rgb,
        depth=view.depth,
        known=view.known,
        sky=np.zeros(size, bool) if view.sky is None else view.sky,
        source=names[view.source],
        source_xy=view.source_xy,
        camera=camera,
    )
