# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A world's frames and planned path at another scale, switched by one rename of the manifest.

New geometry files are written beside the old ones under other chunk numbers, the new plan as frames/plan-next.npz.
While the manifest is switched there is no frames/plan.npz, so that nobody can read new frames with an old plan;
`settle_plan` puts the right one in place, after a kill too. Pictures do not change.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import WorldError
from lyra_core.world.atomic import atomic_path, digest_file
from lyra_core.world.folder import WorldFolder
from lyra_core.world.frames import _ZIP_TIME, _geometry_name, _npy_bytes
from lyra_core.world.manifest import ChunkRecord, Manifest
from lyra_core.world.plan import PLAN, PLAN_KEY, PLAN_NEXT, PLAN_OLD, settle_plan

__all__ = ["rescale_frames", "scaled_pose"]


def scaled_pose(pose: NDArray[np.floating], factor: float) -> NDArray[np.floating]:
    """(..., 4, 4) poses with the translation times factor; the rotation stays."""
    out = np.array(pose)
    out[..., :3, 3] *= factor
    return out


def rescale_frames(world: WorldFolder, factor: float, manifest: Manifest) -> None:
    """Multiply depth and positions of all frames and of the plan by factor, and switch to manifest.

    Parameters
    ----------
    factor: new metres per old metre, > 0.
    manifest: the record to switch to (scale source, history); its chunks and outputs are filled in here.

    Depth stays float32 and is not rounded further, so a factor and its inverse cancel up to float32 rounding.
    A kill leaves the old world or the new one. Raises WorldError if a geometry file or the plan is damaged.
    """
    settle_plan(world.folder)
    chunks = [_rescale_chunk(world.folder, old, new, factor) for old, new in _renumbered(world.manifest.chunks)]
    _write_plan(world.folder, factor)
    seed_view = {**manifest.seed_view, PLAN_KEY: digest_file(world.folder / PLAN_NEXT)}
    old_files = {name for chunk in world.manifest.chunks for name in chunk.files}
    (world.folder / PLAN).replace(world.folder / PLAN_OLD)
    world.update(replace(manifest, chunks=chunks, seed_view=seed_view, outputs={}))
    settle_plan(world.folder)
    for name in old_files - {name for chunk in chunks for name in chunk.files}:
        (world.folder / name).unlink(missing_ok=True)


def _renumbered(chunks: Sequence[ChunkRecord]) -> list[tuple[ChunkRecord, int]]:
    """Each chunk with a number that no present chunk has: from 0 if that is free, else after the last."""
    used = {chunk.index for chunk in chunks}
    first = 0 if used.isdisjoint(range(len(chunks))) else max(used) + 1
    return [(chunk, first + i) for i, chunk in enumerate(chunks)]


def _rescale_chunk(folder: Path, chunk: ChunkRecord, index: int, factor: float) -> ChunkRecord:
    source, target = _geometry_name(chunk.index), _geometry_name(index)
    try:
        with (
            np.load(folder / source, allow_pickle=False) as data,
            atomic_path(folder / target) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        ):
            for name in data.files:
                content = _npy_bytes(_scaled(name, data[name], factor))
                archive.writestr(zipfile.ZipInfo(f"{name}.npy", _ZIP_TIME), content, zipfile.ZIP_DEFLATED, 1)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise WorldError(
            "A chunk's geometry is missing or damaged", got=str(error), do="Run lyra generate --resume first"
        ) from error
    files = {name: digest for name, digest in chunk.files.items() if name != source}
    return replace(chunk, index=index, files={target: digest_file(folder / target), **files})


def _scaled(name: str, array: NDArray, factor: float) -> NDArray:
    if name.startswith("depth_"):
        return (array.astype(np.float64) * factor).astype(array.dtype)
    return scaled_pose(array, factor) if name.startswith("pose_") else array


def _write_plan(folder: Path, factor: float) -> None:
    try:
        with np.load(folder / PLAN, allow_pickle=False) as data:
            content: dict[str, Any] = {name: data[name] for name in data.files}
        content["world_from_camera"] = scaled_pose(content["world_from_camera"], factor)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise WorldError(
            "The planned path of this world is missing or damaged", got=str(error), do="Generate the world again"
        ) from error
    with atomic_path(folder / PLAN_NEXT) as temporary:
        np.savez(temporary, **content)
