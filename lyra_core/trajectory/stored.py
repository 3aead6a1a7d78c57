# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""StoredPath: a camera path as a file holds it, before it is fitted to a photo; and checks shared by the readers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import PathError

__all__ = ["StoredPath", "check_poses", "read_json", "write_atomically", "write_json"]

_F = NDArray[np.float64]

_RIGID_TOLERANCE = 1e-3  # as in types.camera; float32 files are a thousand times better


@dataclass(frozen=True, slots=True, eq=False)
class StoredPath:
    """A path in its file's own world.

    Attributes
    ----------
    kind: "lyra2", "nerfstudio", "tum", "colmap" or "inria".
    world_from_camera: (N, 4, 4) float64 rigid, OpenCV camera axes; world axes are the file's own.
    intrinsics: (N, 3, 3) float64 pixels of an image of `size`, or None where the format has none.
    size: (width, height), or None where the file does not say.
    distortion: largest lens-distortion coefficient.
    timestamps: (N,) float64 seconds, or None.
    """

    kind: str
    world_from_camera: _F
    intrinsics: _F | None
    size: tuple[int, int] | None
    distortion: float = 0.0
    timestamps: _F | None = None


def check_poses(poses: _F, source: Path, what: str) -> _F:
    """Poses (N, 4, 4) as float64 with exactly orthonormal rotations, or PathError naming the file and the pose."""
    poses = np.asarray(poses, dtype=np.float64)
    if len(poses) == 0:
        raise PathError(f"{source.name} holds no camera pose", got="0 frames", do="Export the path again")
    finite = np.isfinite(poses).all(axis=(1, 2))
    if not finite.all():
        raise PathError(
            f"{what} in {source.name} must be finite",
            got=f"NaN or inf in frame {int(np.argmin(finite))}",
            do="Export the path again, or drop the broken frames",
        )
    rotation = poses[:, :3, :3]
    error = np.abs(rotation @ np.swapaxes(rotation, 1, 2) - np.eye(3)).max(axis=(1, 2))
    bottom = np.abs(poses[:, 3] - [0, 0, 0, 1]).max(axis=1)
    determinant = np.linalg.det(rotation)
    bad = (error > _RIGID_TOLERANCE) | (bottom > _RIGID_TOLERANCE) | (determinant < 0)
    if bad.any():
        i = int(np.argmax(bad))
        raise PathError(
            f"{what} in {source.name} must be rigid (rotation and translation, last row 0 0 0 1)",
            got=f"frame {i}: |R R^T - I| = {error[i]:.2g}, det R = {determinant[i]:.3g}, last row off by {bottom[i]:.2g}",
            do="Remove scale, shear or mirroring; matrices are row-major",
        )
    u, _, vt = np.linalg.svd(rotation)  # nearest rotation, so that inverse and transpose agree from here on
    out = np.zeros_like(poses)
    out[:, :3, :3] = u @ vt
    out[:, :3, 3] = poses[:, :3, 3]
    out[:, 3, 3] = 1.0
    return out


def read_json(file: Path) -> Any:
    """The parsed file, or PathError saying where it breaks."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PathError("The file does not exist", got=str(file), do="Check the path") from error
    except OSError as error:
        raise PathError("The file cannot be read", got=f"{file}: {error}", do="Check its permissions") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PathError(f"{file.name} is not valid JSON", got=str(error), do="Export it again") from error


def write_atomically(file: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write through a temporary file in the same folder, so that a reader never sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            write(stream)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(file: Path, value: Any) -> None:
    """Write value with two spaces of indentation, ASCII only (as Lyra 2's captions.json)."""
    data = json.dumps(value, indent=2).encode("ascii")
    write_atomically(file, lambda stream: stream.write(data))
