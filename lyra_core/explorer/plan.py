# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The path that a person is planning: frozen values and the functions that change them. No browser, no world folder.

A plan starts at an anchor, the world's last camera, which nobody can move. It is one of three things: keyframes, a
preset with its settings, or a path that was loaded from a file. `camera_path` turns each into the cameras that will be
generated, and nothing is changed between this preview and the run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import PathError
from lyra_core.geometry import focal_from_fov, interpolate, look_at, matrix_from_quat, quat_from_matrix, rigid
from lyra_core.trajectory import Keyframe, SeedScene, limit, make_path, spline
from lyra_core.trajectory.motion import sample_poses
from lyra_core.types import Camera, CameraPath

__all__ = ["Key", "PathPlan", "PlannedViews", "camera_path", "key_camera", "key_of", "keys_from_path", "plan_from_json"]

_MOST_FRAMES = 2001
_FOVS = (10.0, 120.0)


@dataclass(frozen=True, slots=True)
class Key:
    """A view that the path passes through.

    Attributes
    ----------
    position: (x, y, z) [m]. wxyz: unit quaternion, camera (OpenCV) to world.
    fov: vertical field of view [deg], or None for the anchor's lens.
    hold: seconds to rest there. pace: time of the way to this keyframe as a multiple of constant speed; 2 is half as fast.
    """

    position: tuple[float, float, float]
    wxyz: tuple[float, float, float, float]
    fov: float | None = None
    hold: float = 0.0
    pace: float = 1.0

    def __post_init__(self) -> None:
        values = np.array([*self.position, *self.wxyz, self.hold, self.pace], dtype=np.float64)
        if not np.isfinite(values).all() or not 0.5 < float(np.linalg.norm(self.wxyz)) < 2.0:
            raise PathError("A keyframe needs finite numbers", got=str(self), do="Type metres and a rotation")
        if self.fov is not None and not _FOVS[0] <= self.fov <= _FOVS[1]:
            raise PathError("The field of view must be 10 to 120 degrees", got=f"{self.fov:g}", do="Type e.g. 50")
        if not 0 <= self.hold <= 60 or not 0.1 <= self.pace <= 10:
            raise PathError(
                "A keyframe holds 0 to 60 s and has a pace of 0.1 to 10",
                got=f"{self.hold:g}, {self.pace:g}",
                do="Use 0, 1",
            )


@dataclass(frozen=True, slots=True)
class PathPlan:
    """What is planned after the anchor.

    Attributes
    ----------
    source: "keys", "preset" or "file".
    keys: keyframes after the anchor.
    frames: views with the anchor. fps: of the video. soft: share of the time to speed up and slow down, 0..0.5.
    preset, strength, options: for the source "preset".
    clearance: [m] kept from everything seen; 0 leaves the path as it is.
    target: a point [m] that the camera keeps looking at, or None.
    walk_height: [m] over the floor at which the camera walks, level, or None for free flight.
    """

    source: str = "keys"
    keys: tuple[Key, ...] = ()
    frames: int = 81
    fps: float = 16.0
    soft: float = 0.1
    preset: str = "walk"
    strength: float = 1.0
    options: tuple[tuple[str, Any], ...] = ()
    clearance: float = 0.35
    target: tuple[float, float, float] | None = None
    walk_height: float | None = None

    def __post_init__(self) -> None:
        if self.source not in ("keys", "preset", "file"):
            raise PathError("Unknown source of a path", got=self.source, do="Use keys, preset or file")
        if not 2 <= self.frames <= _MOST_FRAMES:
            raise PathError(f"A path has 2 to {_MOST_FRAMES} frames", got=str(self.frames), do="81 is one chunk")
        if not 0 <= self.clearance <= 5 or not 0 <= self.soft <= 0.5:
            raise PathError(
                "Clearance is 0 to 5 m, easing 0 to 0.5",
                got=f"{self.clearance:g}, {self.soft:g}",
                do="Use 0.35 and 0.1",
            )

    def added(self, key: Key, after: int | None = None) -> PathPlan:
        """With a keyframe behind number after (None: at the end; -1: right after the anchor)."""
        at = len(self.keys) if after is None else after + 1
        return replace(self, source="keys", keys=(*self.keys[:at], key, *self.keys[at:]))

    def changed(self, index: int, **values: Any) -> PathPlan:
        """With other values of one keyframe."""
        self._check(index)
        key = replace(self.keys[index], **values)
        return replace(self, keys=(*self.keys[:index], key, *self.keys[index + 1 :]))

    def without(self, index: int) -> PathPlan:
        """Without one keyframe."""
        self._check(index)
        return replace(self, keys=(*self.keys[:index], *self.keys[index + 1 :]))

    def duplicated(self, index: int) -> PathPlan:
        """With a copy of a keyframe behind it."""
        self._check(index)
        return self.added(self.keys[index], index)

    def split(self, index: int, anchor: Camera) -> PathPlan:
        """With a new keyframe in the middle of the way to keyframe index; the curve passes where it passed before."""
        self._check(index)
        views = _through_keys(
            replace(self, target=None, walk_height=None, soft=0.0, frames=max(101, self.frames)), anchor
        )
        marks = _marks(views.world_from_camera, [_pose(k) for k in self.keys])
        start = marks[index - 1] if index else 0
        middle = views[(start + marks[index]) // 2]
        fov = None if self.keys[index].fov is None else _vertical_fov(middle)
        return self.added(key_of(middle.world_from_camera, fov=fov, pace=self.keys[index].pace), index - 1)

    def moved(self, turn: NDArray[np.float64], scale: float) -> PathPlan:
        """In a world that was scaled and then moved by turn (4, 4): what a keyframe saw, it sees again."""

        def place(point: tuple[float, float, float]) -> tuple[float, float, float]:
            x, y, z = (float(v) for v in turn[:3, :3] @ (scale * np.asarray(point)) + turn[:3, 3])
            return x, y, z

        keys = []
        for key in self.keys:
            pose = rigid(turn[:3, :3] @ _pose(key)[:3, :3], np.asarray(place(key.position)))
            keys.append(key_of(pose, fov=key.fov, hold=key.hold, pace=key.pace))
        return replace(self, keys=tuple(keys), target=None if self.target is None else place(self.target))

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self.keys):
            raise PathError("There is no such keyframe", got=str(index + 1), do=f"There are {len(self.keys)}")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class PlannedViews:
    """The cameras of a plan, the anchor first, and what the clearance limiter said."""

    path: CameraPath
    messages: tuple[str, ...] = field(default=())


def plan_from_json(values: Mapping[str, Any]) -> PathPlan:
    """The inverse of to_json. Raises PathError for values that do not fit."""
    try:
        keys = tuple(
            Key(**{**k, "position": tuple(k["position"]), "wxyz": tuple(k["wxyz"])}) for k in values.get("keys", ())
        )
        options = tuple((str(name), value) for name, value in values.get("options", ()))
        target = values.get("target")
        fixed = {"keys": keys, "options": options, "target": None if target is None else tuple(target)}
        return PathPlan(**{**values, **fixed})
    except (TypeError, KeyError, ValueError) as error:
        raise PathError("This is no saved plan", got=str(error), do="Start a new path") from error


def key_of(pose: NDArray[np.floating], *, fov: float | None = None, hold: float = 0.0, pace: float = 1.0) -> Key:
    """A keyframe at a pose (4, 4)."""
    x, y, z = (float(v) for v in pose[:3, 3])
    w, i, j, k = (float(v) for v in quat_from_matrix(np.asarray(pose[:3, :3], dtype=np.float64)))
    return Key((x, y, z), (w, i, j, k), fov, hold, pace)


def _pose(key: Key) -> NDArray[np.float64]:
    quat = np.asarray(key.wxyz, dtype=np.float64)
    return rigid(matrix_from_quat(quat / np.linalg.norm(quat)), np.asarray(key.position, dtype=np.float64))


def _vertical_fov(camera: Camera) -> float:
    return math.degrees(2 * math.atan(0.5 * camera.height / float(camera.intrinsics[1, 1])))


def key_camera(key: Key, anchor: Camera) -> Camera:
    """The view of a keyframe; a field of view keeps the anchor's principal point and pixel shape."""
    intrinsics = np.array(anchor.intrinsics)
    if key.fov is not None:
        factor = focal_from_fov(key.fov, anchor.height) / intrinsics[1, 1]
        intrinsics[0, 0] *= factor
        intrinsics[1, 1] *= factor
    return Camera(intrinsics, _pose(key), anchor.width, anchor.height)


def keys_from_path(path: CameraPath, every: int = 10) -> tuple[Key, ...]:
    """Keyframes on a path, its last frame always one of them; the first frame is the anchor and gives none."""
    at = sorted({*range(every, len(path), every), len(path) - 1} - {0})
    lens_moves = bool(np.ptp(path.intrinsics[:, 1, 1]) > 1e-9)
    return tuple(key_of(path.world_from_camera[i], fov=_vertical_fov(path[i]) if lens_moves else None) for i in at)


def camera_path(plan: PathPlan, anchor: Camera, scene: SeedScene, *, loaded: CameraPath | None = None) -> PlannedViews:
    """The cameras that a plan means.

    Parameters
    ----------
    anchor: the world's last camera; the first view has exactly its pose and lens.
    scene: what is seen so far. loaded: the path of the source "file", already placed at the anchor.

    Raises PathError for a plan that gives no path.
    """
    if plan.source == "file":
        if loaded is None:
            raise PathError("The loaded path is gone", do="Load the file again")
        path = loaded.segment(0, min(plan.frames, len(loaded)))
    elif plan.source == "preset":
        path = make_path(
            plan.preset,
            start=anchor,
            frames=plan.frames,
            scene=scene,
            strength=plan.strength,
            fps=plan.fps,
            **{"soft": plan.soft, **dict(plan.options)},
        )
    else:
        if not plan.keys:
            raise PathError("The path has no keyframe yet", do="Move the view and press 'Add view'")
        path = _through_keys(plan, anchor)
    if len(path) < 2:
        raise PathError("A path needs 2 views or more", got=str(len(path)), do="Ask for more frames")
    if plan.clearance <= 0:
        return PlannedViews(path)
    lowest = None if plan.walk_height is None else 0.9 * min(plan.clearance, plan.walk_height)
    limited, report = limit(path, scene.points, clearance=plan.clearance, floor_z=scene.floor_z, floor_clearance=lowest)
    return PlannedViews(limited, report.messages)


def _through_keys(plan: PathPlan, anchor: Camera) -> CameraPath:
    cameras = [key_camera(_settled(k, plan), anchor) for k in plan.keys]
    knots = [Keyframe(anchor), *(Keyframe(c, k.hold) for c, k in zip(cameras, plan.keys, strict=True))]
    path = spline(knots, plan.frames, fps=plan.fps, soft=plan.soft)
    if any(k.pace != 1.0 for k in plan.keys):
        path = _paced(path, plan, [c.world_from_camera for c in cameras])
    poses = _watching(path.world_from_camera.copy(), plan, cameras[0].world_from_camera)
    poses[0] = anchor.world_from_camera
    return CameraPath(poses, path.intrinsics, path.width, path.height, path.fps)


def _settled(key: Key, plan: PathPlan) -> Key:
    """The keyframe at walking height, without roll, and looking at the target, as the plan asks."""
    if plan.walk_height is None and plan.target is None:
        return key
    pose = _pose(key)
    if plan.walk_height is not None:
        pose[2, 3] = plan.walk_height
    ahead = pose[:3, 3] + pose[:3, 2] if plan.target is None else np.asarray(plan.target)
    if np.linalg.norm(np.cross(ahead - pose[:3, 3], [0.0, 0.0, 1.0])) > 1e-6:
        pose = look_at(pose[:3, 3], ahead)
    return key_of(pose, fov=key.fov, hold=key.hold, pace=key.pace)


def _marks(poses: NDArray[np.float64], keys: list[NDArray[np.float64]]) -> list[int]:
    """The view nearest to each keyframe, in order; the last one is the last view."""
    marks, start = [], 0
    for pose in keys[:-1]:
        rest = poses[start:]
        gap = np.linalg.norm(rest[:, :3, 3] - pose[:3, 3], axis=1) + np.abs(rest[:, :3, :3] - pose[:3, :3]).sum(
            axis=(1, 2)
        )
        start += int(np.argmin(gap))
        marks.append(start)
    return [*marks, len(poses) - 1]


def _paced(path: CameraPath, plan: PathPlan, keys: list[NDArray[np.float64]]) -> CameraPath:
    """The same curve with another share of the frames for each way between keyframes."""
    marks = np.array([0, *_marks(path.world_from_camera, keys)], dtype=np.float64)
    spans = np.diff(marks) * np.array([k.pace for k in plan.keys])
    clock = np.concatenate([[0.0], np.cumsum(np.maximum(spans, 1e-9))])
    places = np.interp(np.linspace(0.0, clock[-1], len(path)), clock, marks)
    low = np.rint(places).astype(int)
    poses = sample_poses(path.world_from_camera, places)
    return CameraPath(poses, path.intrinsics[low], path.width, path.height, path.fps)


def _watching(poses: NDArray[np.float64], plan: PathPlan, first_key: NDArray[np.float64]) -> NDArray[np.float64]:
    """Views turned to the target; the turn away from the anchor's view is spread over the way to the first keyframe."""
    if plan.target is None:
        return poses
    target = np.asarray(plan.target, dtype=np.float64)
    until = max(1, _marks(poses, [first_key, first_key])[0])
    for i in range(1, len(poses)):
        if np.linalg.norm(np.cross(target - poses[i, :3, 3], [0.0, 0.0, 1.0])) < 1e-6:
            continue
        share = min(1.0, i / until)
        wanted = look_at(poses[i, :3, 3], target)
        poses[i] = wanted if share >= 1 else interpolate(poses[i], wanted, share * share * (3 - 2 * share))
    return poses
