# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Lyra 2's trajectory.npz and captions.json, read and written exactly.

trajectory.npz: w2c (N, 4, 4) float32 world-to-camera, OpenCV axes, in the frame of the first camera (y down);
intrinsics (N, 3, 3) float32 pixels; image_height, image_width int64 scalars.
captions.json: frame number (as a string) to caption; chunk a takes the caption with the largest key <= 80 a + 1.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import PathError
from lyra_core.trajectory.stored import StoredPath, check_poses, read_json, write_atomically, write_json

__all__ = [
    "LyraTrajectory",
    "caption_for_chunk",
    "read_captions",
    "read_trajectory",
    "stored_from_lyra",
    "write_captions",
    "write_trajectory",
]

_UNREADABLE = (OSError, EOFError, ValueError, NotImplementedError, MemoryError, zipfile.BadZipFile, zlib.error)
_KEYS = ("w2c", "intrinsics", "image_height", "image_width")


@dataclass(frozen=True, slots=True, eq=False)
class LyraTrajectory:
    """The content of a trajectory.npz.

    Attributes
    ----------
    w2c: (N, 4, 4) float32 world to camera, OpenCV axes.
    intrinsics: (N, 3, 3) float32 pixels of an image of `size`.
    size: (width, height), or None where the file has no image_width and image_height.
    """

    w2c: NDArray[np.float32]
    intrinsics: NDArray[np.float32]
    size: tuple[int, int] | None

    def __len__(self) -> int:
        return len(self.w2c)

    def prepared(
        self, *, frames: int | None = None, pose_scale: float = 1.0, size: tuple[int, int] | None = None
    ) -> LyraTrajectory:
        """What the reference's loader returns: the first frames, translations times pose_scale, K for size.

        The rows of K are scaled by the ratios of widths and heights. Raises PathError if size is given and the
        file does not say for which size its intrinsics are.
        """
        w2c = self.w2c[:frames].copy()
        w2c[:, :3, 3] *= np.float32(pose_scale)
        intrinsics = self.intrinsics[:frames].copy()
        if size is None:
            return LyraTrajectory(w2c, intrinsics, self.size)
        if self.size is None:
            raise PathError(
                "trajectory.npz does not say for which image size its intrinsics are",
                got="no image_height and image_width",
                do="Add both as int64 scalars, or give the size that the intrinsics belong to (stored_size)",
            )
        intrinsics[:, 0] *= np.float32(size[0] / self.size[0])
        intrinsics[:, 1] *= np.float32(size[1] / self.size[1])
        return LyraTrajectory(w2c, intrinsics, size)


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        archive = np.load(file, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise PathError(f"{file.name} is not an .npz archive", got="a single array", do="Use np.savez")
        with archive:
            return {key: archive[key] for key in _KEYS if key in archive.files}
    except FileNotFoundError as error:
        raise PathError("The file does not exist", got=str(file), do="Check the path") from error
    except _UNREADABLE as error:
        raise PathError(f"{file.name} is not a readable .npz archive", got=str(error), do="Export it again") from error


def read_trajectory(file: Path, *, stored_size: tuple[int, int] | None = None) -> LyraTrajectory:
    """Read a trajectory.npz. stored_size (width, height) stands in for a missing image size. Raises PathError."""
    arrays = _arrays(file)
    missing = [key for key in _KEYS[:2] if key not in arrays]
    if missing:
        raise PathError(
            f"{file.name} lacks {' and '.join(missing)}",
            got=f"keys {', '.join(arrays) or 'none of ' + ', '.join(_KEYS)}",
            do="A Lyra 2 trajectory holds w2c (N,4,4), intrinsics (N,3,3), image_height, image_width",
        )
    w2c, intrinsics = arrays["w2c"], arrays["intrinsics"]
    for key, array, shape in (("w2c", w2c, (4, 4)), ("intrinsics", intrinsics, (3, 3))):
        if array.ndim != 3 or array.shape[1:] != shape or array.dtype.kind not in "fiu":
            raise PathError(
                f"{key} in {file.name} must be numbers of shape (N, {shape[0]}, {shape[1]})",
                got=f"shape {array.shape}, {array.dtype}",
                do="Export the path again as w2c (N, 4, 4) and intrinsics (N, 3, 3)",
            )
    if len(w2c) == 0:
        raise PathError(f"{file.name} holds no camera pose", got="0 frames", do="Export the path again")
    if len(w2c) != len(intrinsics):
        raise PathError(
            f"{file.name} needs one intrinsics matrix per pose",
            got=f"{len(w2c)} poses, {len(intrinsics)} intrinsics",
            do="Repeat the matrix for every frame",
        )
    return LyraTrajectory(w2c.astype(np.float32), intrinsics.astype(np.float32), _size(file, arrays) or stored_size)


def _size(file: Path, arrays: Mapping[str, NDArray[Any]]) -> tuple[int, int] | None:
    given = [arrays.get("image_width"), arrays.get("image_height")]
    if given[0] is None and given[1] is None:
        return None
    sizes = [0 if g is None or g.size != 1 or g.dtype.kind not in "iuf" else int(g.reshape(())) for g in given]
    if min(sizes) < 1:
        raise PathError(
            f"image_width and image_height in {file.name} must both be positive whole numbers",
            got=f"{sizes[0]}x{sizes[1]}",
            do="Store both as int64 scalars",
        )
    return sizes[0], sizes[1]


def stored_from_lyra(trajectory: LyraTrajectory, file: Path) -> StoredPath:
    """The trajectory as camera-to-world poses in its own (y-down) world. Raises PathError for bad poses."""
    w2c = check_poses(trajectory.w2c.astype(np.float64), file, "w2c")
    poses = np.zeros_like(w2c)
    poses[:, :3, :3] = np.swapaxes(w2c[:, :3, :3], 1, 2)
    poses[:, :3, 3] = -np.einsum("nji,nj->ni", w2c[:, :3, :3], w2c[:, :3, 3])
    poses[:, 3, 3] = 1.0
    return StoredPath("lyra2", poses, trajectory.intrinsics.astype(np.float64), trajectory.size)


def write_trajectory(file: Path, trajectory: LyraTrajectory) -> None:
    """Write a trajectory.npz (same keys, dtypes and order as the reference's; same content gives same bytes)."""
    if trajectory.size is None:
        raise PathError("A trajectory.npz needs the image size of its intrinsics", got="no size", do="Give the size")
    content = {
        "w2c": np.asarray(trajectory.w2c, np.float32),
        "intrinsics": np.asarray(trajectory.intrinsics, np.float32),
        "image_height": np.int64(trajectory.size[1]),
        "image_width": np.int64(trajectory.size[0]),
    }
    write_atomically(file, lambda stream: np.savez_compressed(stream, **content))


def read_captions(file: Path, *, frames: int | None = None) -> dict[int, str]:
    """Frame number to caption, ascending; keys >= frames dropped, as the reference does. Raises PathError."""
    content = read_json(file)
    if not isinstance(content, dict) or not content:
        raise PathError(
            f"{file.name} must be an object of frame numbers and captions",
            got=type(content).__name__ if content else "nothing in it",
            do='Write {"0": "first caption", "81": "second", ...}',
        )
    out: dict[int, str] = {}
    for key, value in content.items():
        if not key.isascii() or not key.isdigit() or not isinstance(value, str):
            raise PathError(
                f"{file.name} must map frame numbers to texts",
                got=f"{key!r}: {value!r}"[:80],
                do='Keys are frame numbers as strings, as in {"0": "...", "81": "..."}',
            )
        if int(key) in out:
            raise PathError(f"{file.name} names a frame twice", got=repr(key), do="Keep one caption per frame")
        out[int(key)] = value
    if min(out) > 1:
        raise PathError(
            f"{file.name} has no caption for the first frames",
            got=f"first key {min(out)}",
            do='Add a caption with the key "0"',
        )
    return {key: out[key] for key in sorted(out) if frames is None or key < frames}


def write_captions(file: Path, captions: Mapping[int, str]) -> None:
    """Write a captions.json."""
    write_json(file, {str(key): captions[key] for key in sorted(captions, key=int)})


def caption_for_chunk(captions: Mapping[int, str], chunk: int, *, chunk_frames: int = 80) -> str | None:
    """The caption of chunk 0, 1, ...: that with the largest key <= chunk_frames * chunk + 1; None if there is none."""
    keys = [key for key in captions if key <= chunk_frames * chunk + 1]
    return captions[max(keys)] if keys else None
