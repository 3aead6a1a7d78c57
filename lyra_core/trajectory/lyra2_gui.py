# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The camera path JSON that Lyra 2.0's viewer saves: keyframes, B-splines of order 0 to 3, equal arc length.

Keyframes are camera to world in OpenCV axes in the frame of the seed camera; R is a quaternion x y z w, fov the
vertical field of view [deg]. A B-spline of order 2 or 3 does not pass through its keyframes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import PathError
from lyra_core.geometry import focal_from_fov
from lyra_core.trajectory.stored import StoredPath, read_json, write_json

__all__ = ["GuiPath", "is_gui_path", "read_gui_path", "sampled_path", "stored_from_gui", "write_gui_path"]

_F = NDArray[np.float64]
_DEFAULT_SECONDS = 5.0
_DENSE = 10  # evaluations per frame before the path is cut into equal lengths


@dataclass(frozen=True, slots=True, eq=False)
class GuiPath:
    """A path as the viewer holds it.

    Attributes
    ----------
    quats: (n, 4) float64 unit quaternions x y z w, camera to world. centers: (n, 3) float64.
    fovs: (n,) float64 vertical field of view [deg]. times: (n,) float64 [s], positive and increasing.
    loop: the last keyframe leads to the first. order: of the spline, 0 (nearest) to 3 (cubic).
    seconds: duration of the path.
    """

    quats: _F
    centers: _F
    fovs: _F
    times: _F
    loop: bool = False
    order: int = 3
    seconds: float = _DEFAULT_SECONDS

    def __len__(self) -> int:
        return len(self.centers)

    def at(self, share: _F) -> tuple[_F, _F]:
        """Poses (m, 4, 4) camera to world and vertical fields of view (m,) [deg] at shares (m,) of the path in 0..1."""
        poses, fovs = np.tile(np.eye(4), (len(share), 1, 1)), np.empty(len(share))
        for i, value in enumerate(np.clip(share, 0.0, 1.0)):
            segment, local = self._position(float(value))
            numbers, weights = _basis(self.order, local)
            keys = [self._key(segment + n) for n in numbers]
            poses[i, :3, :3] = _rotation(_blend_quats(self.quats[keys], weights))
            poses[i, :3, 3] = weights @ self.centers[keys]
            fovs[i] = weights @ self.fovs[keys]
        return poses, fovs

    def _key(self, index: int) -> int:
        return index % len(self) if self.loop else min(max(index, 0), len(self) - 1)

    def _position(self, share: float) -> tuple[int, float]:
        """Segment and place in it, 0..1."""
        count = len(self)
        if count == 1:
            return 0, 0.0
        last = count - 1 if self.loop else count - 2
        moment = share * self.times[last]
        segment = min(int(np.searchsorted(self.times, moment, side="right")), last)
        begin = self.times[segment - 1] if segment else 0.0
        return segment, float((moment - begin) / (self.times[segment] - begin))

    def evenly_timed(self, seconds: float) -> GuiPath:
        """The same keyframes at equal times over a duration [s]."""
        count = len(self)
        return replace(self, times=np.arange(1, count + 1) / count * seconds, seconds=seconds)


def _basis(order: int, u: float) -> tuple[tuple[int, ...], _F]:
    """Keyframes relative to the segment, and their uniform B-spline weights."""
    if order == 0:
        return (int(u >= 0.5),), np.ones(1)  # the nearer keyframe
    if order == 1:
        return (0, 1), np.array([1 - u, u])
    if order == 2:
        return (-1, 0, 1), np.array([(1 - u) ** 2, -2 * u * u + 2 * u + 1, u * u]) / 2
    return (-1, 0, 1, 2), np.array(
        [(1 - u) ** 3, 3 * u**3 - 6 * u * u + 4, -3 * u**3 + 3 * u * u + 3 * u + 1, u**3]
    ) / 6


def _blend_quats(quats: _F, weights: _F) -> _F:
    """The weighted sum of quaternions that are flipped to agree with the running sum, normalised."""
    total = weights[0] * quats[0]
    for quat, weight in zip(quats[1:], weights[1:], strict=True):
        total = total + weight * (quat if total @ quat >= 0 else -quat)
    length = float(np.linalg.norm(total))
    return total / length if length > 1e-12 else quats[0]


def _rotation(quat: _F) -> _F:
    from scipy.spatial.transform import Rotation

    return Rotation.from_quat(quat).as_matrix()


def is_gui_path(content: Any) -> bool:
    """True for the parsed JSON of such a file (nerfstudio's transforms.json has no list `path`)."""
    return isinstance(content, Mapping) and isinstance(content.get("path"), list)


def read_gui_path(file: Path) -> GuiPath:
    """Read a camera path JSON of Lyra 2.0's viewer. Errors: PathError naming the keyframe and key that are wrong."""
    content = read_json(file)
    if not is_gui_path(content) or not content["path"]:
        raise PathError(f"{file.name} is not a camera path of Lyra 2's viewer", got="no keyframes", do="Save it again")
    keys = [_keyframe(file, i, entry) for i, entry in enumerate(content["path"])]
    times = np.array([k[3] for k in keys])
    if times[0] <= 0 or (np.diff(times) <= 0).any():
        times = np.arange(1, len(keys) + 1) / len(keys) * 3.0  # as the viewer does with unusable times
    order, seconds = content.get("spline_order", 3), content.get("duration_seconds", _DEFAULT_SECONDS)
    if order not in (0, 1, 2, 3):
        raise PathError(f"The spline order in {file.name} is not known", got=repr(order), do="Use 0, 1, 2 or 3")
    if not (isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0):
        raise PathError(f"The duration in {file.name} must be positive", got=repr(seconds), do="Save the path again")
    quats, centers, fovs = (np.array([k[i] for k in keys]) for i in range(3))
    return GuiPath(quats, centers, fovs, times, bool(content.get("loop", False)), int(order), float(seconds))


def _keyframe(file: Path, index: int, entry: Any) -> tuple[_F, _F, float, float]:
    where = f"Keyframe {index} of {file.name}"
    try:
        quat, center = np.array(entry["R"], np.float64), np.array(entry["T"], np.float64)
        fov, moment = float(entry["fov"]), float(entry.get("timestamp", 0.0))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PathError(f"{where} is incomplete", got=str(error), do="It needs R (x y z w), T and fov") from error
    if quat.shape != (4,) or center.shape != (3,) or not np.isfinite([*quat, *center, fov, moment]).all():
        raise PathError(f"{where} holds wrong numbers", got=str(entry)[:120], do="Save the path again")
    length = float(np.linalg.norm(quat))
    if not (abs(length - 1) < 1e-2 and 0 < fov < 180):
        raise PathError(f"{where} is out of range", got=f"|R| {length:.3g}, fov {fov:g}", do="Save the path again")
    return quat / length, center, fov, moment


def write_gui_path(file: Path, path: GuiPath) -> None:
    """Write what the viewer loads."""
    keys = [
        {
            "R": [float(v) for v in path.quats[i]],
            "T": [float(v) for v in path.centers[i]],
            "fov": float(path.fovs[i]),
            "timestamp": float(path.times[i]),
            "up_dir": [0.0, 1.0, 0.0],
        }
        for i in range(len(path))
    ]
    content = {"loop": path.loop, "time": 0.0, "path": keys, "spline_order": path.order}
    write_json(file, {**content, "duration_seconds": path.seconds})


def sampled_path(path: GuiPath, frames: int, *, anchor: int | None = None) -> tuple[_F, _F]:
    """The cameras that the viewer would send for generation.

    First and last keyframe are doubled so that the ends are reached, keyframes are timed evenly, and the spline is cut
    into pieces of equal arc length of the camera centre (equal times where it stands still).

    Parameters
    ----------
    frames: number of poses. anchor: go on from this keyframe, whatever lies before it was generated already.

    Returns
    -------
    Poses (frames, 4, 4) camera to world and vertical fields of view (frames,) [deg].
    """
    first, copies = (0, 1) if anchor is None else (anchor, 2)  # a continuation doubles its ends once more
    order = [*[first] * copies, *range(first, len(path)), *[len(path) - 1] * copies]
    whole = replace(path, quats=path.quats[order], centers=path.centers[order], fovs=path.fovs[order])
    whole = replace(whole, times=np.arange(1.0, len(order) + 1)).evenly_timed(path.seconds)
    dense = np.linspace(0.0, 1.0, max(2, _DENSE * frames))
    centers = whole.at(dense)[0][:, :3, 3]
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(centers, axis=0), axis=1))])
    share = np.linspace(0.0, 1.0, frames)
    if length[-1] > 1e-9:
        share = np.interp(share * length[-1], length, dense)
        share[0], share[-1] = 0.0, 1.0
    return whole.at(share)


def stored_from_gui(
    path: GuiPath, *, frames: int | None = None, fps: float = 16.0, size: tuple[int, int]
) -> StoredPath:
    """The sampled path for a photo of size (width, height); frames default to duration times fps, rounded up."""
    poses, fovs = sampled_path(path, frames or max(1, math.ceil(path.seconds * fps)))
    focal = np.array([focal_from_fov(fov, size[1]) for fov in fovs])
    intrinsics = np.tile(np.array([[1.0, 0, size[0] / 2], [0, 1.0, size[1] / 2], [0, 0, 1]]), (len(poses), 1, 1))
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal
    return StoredPath("lyra2", poses, intrinsics, size)
