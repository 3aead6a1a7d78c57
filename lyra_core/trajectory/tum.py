# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""TUM RGB-D trajectories: lines of `timestamp tx ty tz qx qy qz qw`, camera-to-world, seconds and metres."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lyra_core.errors import PathError
from lyra_core.geometry import matrix_from_quat, quat_from_matrix, rigid
from lyra_core.trajectory.stored import StoredPath, check_poses, write_atomically
from lyra_core.types import CameraPath

__all__ = ["read_tum", "write_tum"]


def read_tum(file: Path) -> StoredPath:
    """Read a TUM trajectory; # starts a comment. Raises PathError naming the line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise PathError("The file does not exist", got=str(file), do="Check the path") from error
    except OSError as error:
        raise PathError("The file cannot be read", got=f"{file}: {error}", do="Check its permissions") from error
    except UnicodeDecodeError as error:
        raise PathError(f"{file.name} is not a text file", got=str(error), do="Give a TUM trajectory") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        words = line.split("#")[0].replace(",", " ").split()
        if words:
            rows.append(_row(file, number, words))
    if not rows:
        raise PathError(f"{file.name} holds no camera pose", got="0 lines", do="Export the path again")
    table = np.array(rows)
    later = np.diff(table[:, 0]) > 0
    if not later.all():
        i = int(np.argmin(later))
        raise PathError(
            f"Timestamps in {file.name} must increase",
            got=f"{table[i, 0]!r} then {table[i + 1, 0]!r} (poses {i} and {i + 1})",
            do="Sort the lines by time and drop repeated ones",
        )
    poses = rigid(matrix_from_quat(table[:, [7, 4, 5, 6]]), table[:, 1:4])
    return StoredPath("tum", check_poses(poses, file, "Poses"), None, None, timestamps=table[:, 0])


def _row(file: Path, number: int, words: list[str]) -> list[float]:
    try:
        values = [float(w) for w in words]
    except ValueError:
        values = []
    if len(values) != 8 or not np.isfinite(values).all():
        raise PathError(
            f"Line {number} of {file.name} must hold 8 finite numbers: timestamp tx ty tz qx qy qz qw",
            got=" ".join(words)[:80],
            do="Export the path in the TUM format",
        )
    length = float(np.linalg.norm(values[4:]))
    if abs(length - 1) > 0.01:
        raise PathError(
            f"The quaternion in line {number} of {file.name} must have length 1",
            got=f"length {length:.4g}",
            do="The order is qx qy qz qw, the real part last",
        )
    return values


def write_tum(file: Path, path: CameraPath) -> None:
    """Write frame i with the timestamp i / fps, in our Z-up world."""
    quats = quat_from_matrix(path.world_from_camera[:, :3, :3])
    lines = ["# timestamp tx ty tz qx qy qz qw (camera to Z-up world, OpenCV axes)"]
    for i, (center, quat) in enumerate(zip(path.centers, quats, strict=True)):
        numbers = [*center, *quat[1:], quat[0]]
        lines.append(f"{i / path.fps:.6f} " + " ".join(f"{n:.9f}" for n in numbers))
    data = ("\n".join(lines) + "\n").encode("ascii")
    write_atomically(file, lambda stream: stream.write(data))
