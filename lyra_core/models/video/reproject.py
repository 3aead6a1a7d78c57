# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""ReprojectVideo: frames from what the memory shows, holes continued from their background; no training.

Key views are made first, those that lack most before the others: what one of them fills is in memory when the views
between them are drawn, so a chunk agrees with itself, and only slivers remain to be filled in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ModelError
from lyra_core.models.protocols import ModelProgress, VideoRequest
from lyra_core.models.video.fill.clean import trusted
from lyra_core.models.video.fill.geometry import complete_geometry
from lyra_core.models.video.fill.texture import TextureSettings, fill_texture
from lyra_core.types import Frame, Guide

__all__ = ["ReprojectVideo", "complete_view", "key_views"]

_CANDIDATES = 16  # views of a chunk that may become key views
_LEAST_HOLE = 0.015  # a view that lacks less than this need not be one
_MOST_HOLE = 0.55  # with less than half of the picture to go by, a nearer view comes first
_SLIVERS = 0.02  # a view with a smaller share of holes is filled with less effort


def _preference(hole: float) -> float:
    # Never so little that a view that nothing is known of is passed over for one that lacks nothing.
    return hole if hole <= _MOST_HOLE else 0.02 + 0.2 * (1.0 - hole)


def key_views(count: int, measure: Callable[[int], float]) -> Iterator[int]:
    """Positions 0..count-1 of the key views, each to be filled before the next is asked for.

    measure(position) is the share of the view that the memory lacks now; it only shrinks as the memory grows, so an
    old figure is an upper bound and only the leader is measured anew (lazy greedy).
    """
    stride = max(1, count // _CANDIDATES)
    bound = {position: 1.0 for position in range(count - 1, -1, -stride)}
    while bound:
        fresh: set[int] = set()
        if all(hole == 1.0 for hole in bound.values()):
            bound = {position: measure(position) for position in bound}
            fresh = set(bound)
        while True:
            best = max(bound, key=lambda p: (_preference(bound[p]), p))
            if best in fresh:
                break
            bound[best] = measure(best)
            fresh.add(best)
        if max(bound.values()) < _LEAST_HOLE or bound[best] < _LEAST_HOLE:
            return
        del bound[best]
        yield best


def complete_view(
    guide: Guide, index: int, rng: np.random.Generator, *, device: str = "cpu", settings: TextureSettings | None = None
) -> Frame:
    """Frame of a guide's view: known pixels kept, the others invented (and owned)."""
    solid = guide.sky | (guide.depth > 0)
    known: NDArray[np.bool_] = trusted(guide) & solid
    if known.all():
        depth = np.where(guide.sky, 0, guide.depth).astype(np.float32)
        return Frame(index, np.clip(guide.rgb, 0, 1), depth, guide.sky, guide.camera, np.zeros(known.shape, bool))
    geometry = complete_geometry(guide, known)
    settings = TextureSettings() if settings is None else settings
    if (~known).mean() < _SLIVERS:
        settings = replace(settings, rounds=(3, 2, 1, 1))
    rgb = fill_texture(
        np.array(guide.rgb), known, geometry.kind, geometry.depth, rng=rng, device=device, settings=settings
    )
    return Frame(index, np.clip(rgb, 0, 1), geometry.depth, geometry.sky, guide.camera, ~known)


class ReprojectVideo:
    """Training-free video model: reproject, continue planes, synthesise texture. Any number of frames."""

    name = "reproject"
    provides_depth = True

    def __init__(self, *, texture: TextureSettings | None = None) -> None:
        self._texture = TextureSettings() if texture is None else texture

    def check_frames(self, total: int) -> None:
        """Any count from 1 is fine; ModelError below."""
        if total < 1:
            raise ModelError("A video needs at least one frame", got=str(total), do="Ask for 1 frame or more")

    def generate(self, request: VideoRequest) -> Iterator[Frame | ModelProgress]:
        """Yield the frames of the request, key views first; see VideoModel.generate."""
        count = len(request.cameras)
        self.check_frames(count)
        seed = int(request.rng.integers(1 << 62))  # one draw a chunk: the order of the views does not matter
        made: set[int] = set()
        for position in self._order(request):
            if position in made:
                continue
            index = request.first_index + position
            rng = np.random.default_rng([seed, index])
            guide = request.memory.guide(request.cameras[position])
            yield complete_view(guide, index, rng, device=request.device, settings=self._texture)
            made.add(position)
            yield ModelProgress("frames", len(made), count)

    def _order(self, request: VideoRequest) -> Iterator[int]:
        """Key views as the memory grows, then all views."""
        size = max(16, request.cameras.width // 4), max(16, request.cameras.height // 4)
        small = request.cameras.resized(*size)
        yield from key_views(len(small), lambda p: 1.0 - float(request.memory.guide(small[p]).known.mean()))
        yield from range(len(small))
