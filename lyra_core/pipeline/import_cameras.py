# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras that belong to imported splats, in the axes of the splats: nerfstudio, COLMAP, INRIA and Lyra 2 files.

nerfstudio trains and exports splats in a frame of its own: saved poses times `transform`, centres times `scale` of
dataparser_transforms.json. That file's transform starts from the original data; poses in transforms.json may already
hold `applied_transform` and `applied_scale`, which are taken out of it first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError, PathError
from lyra_core.trajectory.colmap import is_colmap_model, is_inria_cameras, read_colmap, read_inria_cameras
from lyra_core.trajectory.lyra2 import read_trajectory, stored_from_lyra
from lyra_core.trajectory.nerfstudio import read_nerfstudio
from lyra_core.trajectory.stored import StoredPath

__all__ = ["DATAPARSER", "ImportCameras", "find_dataparser", "read_import_cameras"]

DATAPARSER = "dataparser_transforms.json"
_F = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ImportCameras:
    """Cameras in the axes and the unit of the splats.

    Attributes
    ----------
    poses: (N, 4, 4) world_from_camera, OpenCV. lenses: (N, 3, 3) [px] or None. size: (width, height) [px] or None.
    unit: units of the splat file per unit of the camera file; 1 without a dataparser file.
    dataparser: the file that was undone, or None.
    """

    poses: _F
    lenses: _F | None
    size: tuple[int, int] | None
    unit: float = 1.0
    dataparser: Path | None = None


def find_dataparser(splats: Path, cameras: Path) -> Path | None:
    """dataparser_transforms.json beside the splats or the cameras, if there is one."""
    return next((p for p in (splats.with_name(DATAPARSER), cameras.with_name(DATAPARSER)) if p.is_file()), None)


def read_import_cameras(cameras: Path, dataparser: Path | None) -> ImportCameras:
    """The cameras of a file; with nerfstudio's dataparser file of the training, in the frame that it trained in.

    cameras: nerfstudio's transforms.json, a COLMAP model's folder, INRIA's cameras.json or Lyra 2's trajectory.npz.
    Errors: PathError for a broken camera file, InputError for a broken dataparser file.
    """
    stored = _stored(cameras)
    poses = np.array(stored.world_from_camera)
    if dataparser is None:
        return ImportCameras(poses, stored.intrinsics, stored.size)
    applied, applied_scale = _applied(cameras)
    turn, scale = _dataparser(dataparser)
    turn = turn @ np.linalg.inv(applied)
    unit = scale / applied_scale
    moved = turn @ poses
    moved[:, :3, 3] *= unit
    return ImportCameras(moved, stored.intrinsics, stored.size, unit, dataparser)


def _stored(cameras: Path) -> StoredPath:
    if is_colmap_model(cameras):
        return read_colmap(cameras)
    if cameras.is_dir():
        raise PathError(
            "This folder holds no cameras",
            got=str(cameras),
            do="Give a COLMAP model, transforms.json, cameras.json or trajectory.npz",
        )
    if cameras.suffix.lower() == ".npz":
        return stored_from_lyra(read_trajectory(cameras), cameras)
    return read_inria_cameras(cameras) if is_inria_cameras(cameras) else read_nerfstudio(cameras)


def _applied(cameras: Path) -> tuple[_F, float]:
    """What was applied to the poses of a transforms.json after they left the original data; nothing for others."""
    if cameras.is_dir() or cameras.suffix.lower() != ".json" or is_inria_cameras(cameras):
        return np.eye(4), 1.0
    content: dict[str, Any] = json.loads(cameras.read_text(encoding="utf-8"))
    try:
        matrix = _rigid(content.get("applied_transform", np.eye(4)[:3]))
        scale = float(content.get("applied_scale", 1.0))
    except (TypeError, ValueError) as error:
        raise PathError(
            f"applied_transform of {cameras.name} must be a rotation and a translation",
            got=str(error),
            do="Export the file again",
        ) from error
    return matrix, scale


def _dataparser(file: Path) -> tuple[_F, float]:
    do = "Give the file that nerfstudio wrote beside the training's config.yml"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        matrix, scale = _rigid(content["transform"]), float(content["scale"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file.name} cannot be used", got=f"{type(error).__name__}: {error}", do=do) from error
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"The scale of {file.name} must be > 0", got=str(scale), do=do)
    return matrix, scale


def _rigid(rows: Any) -> _F:
    """(4, 4) from 3 or 4 rows; a mirror is allowed (old converters swap axes)."""
    matrix = np.eye(4)
    values = np.array(rows, np.float64)
    if values.shape not in ((3, 4), (4, 4)):
        raise ValueError(f"shape {values.shape}")
    matrix[:3] = values[:3]
    turn = matrix[:3, :3]
    if not np.isfinite(matrix).all() or np.abs(turn @ turn.T - np.eye(3)).max() > 1e-3:
        raise ValueError("not a rotation")
    return matrix
