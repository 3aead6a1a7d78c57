# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Rendered views on disk: flat arrays that training maps into memory.

A shard NAME is three files: NAME.rgb.npy (N, P, 3) uint8 sRGB, NAME.depth.npy (N, P) float16 z-depth [m] with +inf for
sky and 0 for unknown, NAME.meta.npy (N, 6) float64 width, height, focal length [pixels], up x, y, z in the camera frame. Every view
has P = width * height = 62,208 pixels whatever its aspect, so that all shapes share one array. The meta file is written last: a shard with one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError

__all__ = ["PIXELS", "SHAPES", "View", "ViewStore", "write_shard"]

SHAPES = ((288, 216), (324, 192), (256, 243), (216, 288))  # width, height: 4:3, 27:16, nearly square, portrait
PIXELS = 62_208


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One rendered view.

    Attributes
    ----------
    rgb: (H, W, 3) uint8 sRGB. depth: (H, W) float32 z-depth [m], +inf for sky, 0 unknown. focal: pixels; square pixels, centred.
    up: (3,) float64 unit direction against gravity in the OpenCV camera frame.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    focal: float
    up: NDArray[np.float64]


def write_shard(path: Path, views: Sequence[View]) -> None:
    """Write a shard; `path` is its folder and name without suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(f"{path}.rgb.npy", np.stack([view.rgb.reshape(PIXELS, 3) for view in views]))
    np.save(f"{path}.depth.npy", np.stack([view.depth.reshape(PIXELS) for view in views]).astype(np.float16))
    meta = [(view.rgb.shape[1], view.rgb.shape[0], view.focal, *view.up) for view in views]
    np.save(f"{path}.meta.npy", np.array(meta, np.float64))


class ViewStore:
    """All views of all shards of some folders, in the order of the shards' names.

    Raises
    ------
    InputError: no shard there.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._shards: list[tuple[NDArray, NDArray, NDArray]] = []
        self._index: list[tuple[int, int]] = []
        wanted = [Path(folder) for folder in folders]
        for meta_path in sorted(path for folder in wanted for path in folder.glob("*.meta.npy")):
            stem = str(meta_path)[: -len(".meta.npy")]
            meta = np.load(meta_path)
            self._index += [(len(self._shards), i) for i in range(len(meta))]
            self._shards.append(
                (np.load(f"{stem}.rgb.npy", mmap_mode="r"), np.load(f"{stem}.depth.npy", mmap_mode="r"), meta)
            )
        if not self._index:
            raise InputError(
                "No rendered views",
                got=", ".join(map(str, wanted)),
                do="Render them with python -m lyra_core.training.depth_dataset",
            )

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> View:
        shard, row = self._index[index]
        rgb, depth, meta = self._shards[shard]
        width, height = int(meta[row, 0]), int(meta[row, 1])
        return View(
            np.array(rgb[row]).reshape(height, width, 3),
            np.array(depth[row]).reshape(height, width).astype(np.float32),
            float(meta[row, 2]),
            meta[row, 3:6].copy(),
        )
