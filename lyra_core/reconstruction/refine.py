# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Colours that make the drawn picture equal the frames.

A picture is linear in the colours of its Gaussians: rgb = A c + (1 - alpha) background, with A the blending
weights. Overlapping Gaussians blur; solving A c = frame undoes that without touching geometry. The solver is
SART (Andersen and Kak 1984), view after view: c += relax * A^T (frame - A c) / A^T 1. It needs only the
drawing and its transpose, no gradients and no tuning.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lyra_core.geometry import SH_C0
from lyra_core.ops.splat import SplatSettings
from lyra_core.reconstruction.scene import GaussianConfig, GaussianScene
from lyra_core.types import Frame, Gaussians

__all__ = ["correct_colors", "views_that_cover"]

_RELAX = 0.9
_DECAY = 0.7
_REACH = 0.25  # no colour moves farther from what its owner saw: enough to sharpen, too little to invent
_FULLY_TRUSTED = 0.15  # of its own weight; Gaussians that only shine through others must not answer for these


def views_that_cover(owned: list[int], count: int) -> list[int]:
    """At most count positions in a path, rising: those whose frames own most pixels, and the last."""
    ranked = sorted(range(len(owned)), key=lambda i: (-owned[i], i))
    return sorted({len(owned) - 1, *ranked[: max(1, count - 1)]})


def correct_colors(
    scene: GaussianScene, frames: list[Frame], config: GaussianConfig, *, settings: SplatSettings | None = None
) -> GaussianScene:
    """The scene with the DC colours of surface and sky solved against these frames; geometry is unchanged."""
    from lyra_core.ops.splat_warp import make_splatter

    everything = scene.all
    sh = np.array(everything.sh)  # the splatter reads this very array on the CPU
    splatter = make_splatter(replace(everything, sh=sh), settings or SplatSettings(), "cpu")
    low, high = (everything.sh[:, 0] + np.float32(v / SH_C0) for v in (-_REACH, _REACH))
    for turn in range(config.color_passes):
        relax = np.float32(_RELAX * _DECAY**turn / SH_C0)
        # The first frame comes last: it is the photo, and the last view of a pass is met best.
        for frame in reversed(frames):
            drawn = splatter.draw(frame.camera)
            known = (frame.depth > 0) | frame.sky
            residual = np.where(known[..., None], frame.rgb - drawn.rgb, 0).astype(np.float32)
            sums = splatter.spread(frame.camera, residual)
            seen = np.clip(splatter.visible_share(sums[:, 3]) / _FULLY_TRUSTED, 0, 1)[:, None]
            step = seen * sums[:, :3] / np.maximum(sums[:, 3:], 1e-3)
            sh[:, 0] = np.clip(sh[:, 0] + relax * step, low, high)
    return _with_colors(scene, sh)


def _with_colors(scene: GaussianScene, sh: NDArray[np.float32]) -> GaussianScene:
    count = len(scene.surface)
    sky: Gaussians | None = None if scene.sky is None else replace(scene.sky, sh=sh[count:])
    return replace(scene, surface=replace(scene.surface, sh=sh[:count]), sky=sky)
