# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""ReprojectVideo: frames from what the memory shows, holes continued from their background; no training.

Key views are made first, the last of the chunk before all others: what one of them fills is in memory when the views
between them are drawn, so a chunk agrees with itself, and only slivers remain to be filled in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ModelError
from lyra_core.models.protocols import ModelProgress, VideoRequest
from lyra_core.models.video.fill.clean import trusted
from lyra_core.models.video.fill.geometry import complete_geometry
from lyra_core.models.video.fill.texture import TextureSettings, fill_texture
from lyra_core.types import Camera, Frame, Guide

__all__ = ["ReprojectVideo", "complete_view", "key_order"]

_SPACING = 10  # views between neighbouring key views, at least
_SLIVERS = 0.02  # a view with a smaller share of holes is filled with less effort


def key_order(count: int, spacing: int = _SPACING) -> list[int]:
    """0..count-1, key views first: the last, then halves, quarters ... down to the spacing, then the rest in order."""
    order = [count - 1]
    gaps = [(-1, count - 1)]
    while gaps:
        gap = max(gaps, key=lambda g: (g[1] - g[0], -g[0]))
        gaps.remove(gap)
        if gap[1] - gap[0] < 2 * spacing:
            continue
        middle = (gap[0] + gap[1]) // 2
        order.append(middle)
        gaps += [(gap[0], middle), (middle, gap[1])]
    taken = set(order)
    return order + [i for i in range(count) if i not in taken]


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
        for done, position in enumerate(key_order(count)):
            camera: Camera = request.cameras[position]
            index = request.first_index + position
            rng = np.random.default_rng([seed, index])
            guide = request.memory.guide(camera)
            yield complete_view(guide, index, rng, device=request.device, settings=self._texture)
            yield ModelProgress("frames", done + 1, count)
