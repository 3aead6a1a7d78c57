# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""EmbeddedDepth: our own small trained depth model; weights in data/models/depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.models.depth.sky import sky_mask as plain_sky
from lyra_core.models.depth.upsample import agreed_detail, sky_mask, smooth_surfaces, snap_edges, upsample_log_depth
from lyra_core.models.depth.weights import completes, default_folder, read_network
from lyra_core.models.protocols import DepthEstimate

if TYPE_CHECKING:
    from lyra_core.models.depth.inference import NetworkOutput
    from lyra_core.models.depth.network import DepthNetwork

__all__ = ["EmbeddedDepth"]

_COARSE, _FINE = 50_000, 130_000  # working resolutions [pixels]: layout is best at the first, edges at the second
_BESIDE = (30_000, 80_000)  # layouts of these are averaged with the first: 3 % less error, 1.5 times the time
_LAYOUT_SCALE = 1 / 24  # of the picture's longer side: what is smoother than this comes from the coarse pass
_FARTHEST = 120.0  # metres


class EmbeddedDepth:
    """Metric depth, sky and gravity of one photo; a fifth to half of a second on one core, no GPU.

    Parameters
    ----------
    folder: where depth.safetensors and config.json lie; None: the weights that ship with the checkout.
    coarse, fine: working resolutions in pixels of the pass that decides layout, sky and gravity, and of the pass that
        adds detail (Miangoleh et al. 2021, "Boosting Monocular Depth", as one linear blend), as far as the photo and its
        mirror image agree on it; fine = 0 leaves it out.
    beside: further resolutions whose layout is averaged with that of the coarse pass; () leaves them out.
    flip: average the coarse pass with that of the mirrored photo.

    Weights load at the first estimate; ModelError if they are missing or cut short.
    """

    name = "embedded"

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        coarse: int = _COARSE,
        fine: int = _FINE,
        beside: tuple[int, ...] = _BESIDE,
        flip: bool = True,
    ) -> None:
        self._folder = Path(folder) if folder is not None else default_folder()
        self._coarse, self._fine, self._beside, self._flip = coarse, fine, beside, flip

    @cached_property
    def _network(self) -> DepthNetwork:
        return read_network(self._folder)

    @cached_property
    def completes(self) -> bool:
        """Whether the weights learned to use known depth."""
        return completes(self._folder)

    def load(self) -> None:
        """Load the weights now rather than at the first estimate; ModelError if they are missing or broken."""
        _ = self._network

    def estimate(
        self, rgb: NDArray[np.float32], *, intrinsics: NDArray[np.float64], sky: NDArray[np.bool_] | None = None
    ) -> DepthEstimate:
        """Depth of a photo.

        Parameters
        ----------
        rgb: (H, W, 3) float32 sRGB in [0, 1]. intrinsics: (3, 3) in its pixels.
        sky: (H, W) bool to use instead of the model's own mask.

        Raises
        ------
        InputError: rgb is not such an array. ModelError: no usable weights.
        """
        return self._estimate(rgb, intrinsics, sky, None)

    def complete(
        self,
        rgb: NDArray[np.float32],
        *,
        intrinsics: NDArray[np.float64],
        known: NDArray[np.float32],
        sky: NDArray[np.bool_] | None = None,
    ) -> DepthEstimate:
        """Depth of a picture of which known z-depth (H, W) [m], 0 = unknown, is given; in its unit.

        The estimate leans on the known depth but does not repeat it exactly (completion.join_known does); the other
        parameters and errors are those of `estimate`.
        """
        return self._estimate(rgb, intrinsics, sky, np.ascontiguousarray(known, np.float32))

    def _estimate(
        self,
        rgb: NDArray[np.float32],
        intrinsics: NDArray[np.float64],
        sky: NDArray[np.bool_] | None,
        known: NDArray[np.float32] | None,
    ) -> DepthEstimate:
        rgb = np.ascontiguousarray(rgb, dtype=np.float32)
        if rgb.ndim != 3 or rgb.shape[2] != 3 or min(rgb.shape[:2]) < 16:
            raise InputError(
                "A photo must have shape (H, W, 3), 16 pixels or more a side",
                got=f"shape {rgb.shape}",
                do="Give an RGB picture of 16 pixels or more a side",
            )
        with _one_thread():
            found = self._run(rgb, np.asarray(intrinsics, np.float64), known)
        if sky is None:
            mask = sky_mask(found.sky, rgb, _elevation(found.up, intrinsics, rgb.shape), plain_sky(rgb))
        else:
            mask = np.asarray(sky, bool)
        depth = np.exp(upsample_log_depth(smooth_surfaces(snap_edges(found.log_depth)), rgb))
        depth = np.where(mask, 0.0, np.clip(depth, 0.05, _FARTHEST)).astype(np.float32)
        notes = ("Depth is a learned estimate from one photo.",)
        # How well the rays agree on gravity; it hardly predicts the error of depth (correlation 0.15 on held-out levels).
        confidence = float(np.clip(0.5 - found.up_spread / np.radians(6.0), 0.2, 0.5))
        return DepthEstimate(depth, mask, kind="metric", up=found.up, confidence=confidence, notes=notes)

    def _run(
        self, rgb: NDArray[np.float32], intrinsics: NDArray[np.float64], known: NDArray[np.float32] | None
    ) -> NetworkOutput:
        from lyra_core.models.depth.inference import run_mirrored, run_network

        first = run_network(self._network, rgb, intrinsics, pixels=self._coarse, flip=self._flip, hint=known)
        others = [run_network(self._network, rgb, intrinsics, pixels=size, hint=known) for size in self._beside]
        layout = _mean([first, *others])
        if self._fine <= self._coarse:
            return layout
        both = [
            run(self._network, rgb, intrinsics, pixels=self._fine, hint=known) for run in (run_network, run_mirrored)
        ]
        size = both[0].sky.shape[::-1]
        sky = np.maximum(
            cv2.resize(layout.sky, size, interpolation=cv2.INTER_LINEAR), (both[0].sky + both[1].sky) / np.float32(2)
        )
        blended = agreed_detail(layout.log_depth, both[0].log_depth, both[1].log_depth, _LAYOUT_SCALE)
        return replace(layout, log_depth=blended, sky=np.asarray(sky, np.float32))


def _mean(runs: Sequence[NetworkOutput]) -> NetworkOutput:
    """Mean of what the network says at several resolutions, at that of the first."""
    size = runs[0].log_depth.shape[::-1]
    if len(runs) == 1:
        return runs[0]
    up = np.sum([run.up for run in runs], axis=0)

    def mean(maps: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        scaled = [cv2.resize(each, size, interpolation=cv2.INTER_LINEAR) for each in maps]
        return np.asarray(np.mean(scaled, axis=0), np.float32)

    log_depth, sky = mean([run.log_depth for run in runs]), mean([run.sky for run in runs])
    norm = float(np.linalg.norm(up))
    return replace(runs[0], log_depth=log_depth, sky=sky, up=up / norm if norm > 1e-6 else runs[0].up)


def _elevation(up: NDArray[np.float64], intrinsics: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(H, W) sine of each ray's angle over the horizon."""
    x = ((np.arange(shape[1]) + 0.5 - intrinsics[0, 2]) / intrinsics[0, 0]).astype(np.float32)
    y = ((np.arange(shape[0]) + 0.5 - intrinsics[1, 2]) / intrinsics[1, 1]).astype(np.float32)
    towards = np.float32(up[0]) * x[None] + (np.float32(up[1]) * y + np.float32(up[2]))[:, None]
    return towards / np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread: same bytes on any machine, and no slower for so small a network."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
