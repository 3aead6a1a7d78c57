# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false
"""Do the frames show what their cameras promise? RotErr and TransErr of cameras estimated from the pictures.

The commanded cameras are kept; an estimate only checks them. Points of an earlier frame, placed by its depth and its
commanded camera, are found again in a later picture, and PnP says where that was seen from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.generation.matches import Features, find_features, match_features
from lyra_core.geometry import inverse, umeyama
from lyra_core.types import Camera, Frame

__all__ = ["CameraCheck", "check_cameras", "compare_poses", "rotation_degrees", "seen_camera"]

_F = NDArray[np.float64]
_LEAST = 15  # points that must agree on a camera
_SURE = 40
_PIXELS = 2.0


@dataclass(frozen=True, slots=True)
class CameraCheck:
    """Commanded against seen cameras.

    Attributes
    ----------
    frames: which were checked; anchors: the frame whose points each was checked with; points: how many agreed.
    rotation_deg, translation_m: RotErr and TransErr of each; relative: TransErr over the median depth of the points.
    skipped: frames in which too few points were found again.
    """

    frames: tuple[int, ...]
    anchors: tuple[int, ...]
    points: tuple[int, ...]
    rotation_deg: tuple[float, ...]
    translation_m: tuple[float, ...]
    relative: tuple[float, ...]
    skipped: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Medians and maxima for the report; nothing but the counts where no frame could be checked."""
        out: dict[str, Any] = {"frames_checked": len(self.frames), "frames_without_enough_points": len(self.skipped)}
        if self.frames:
            for name, values in (("rot_err_deg", self.rotation_deg), ("trans_err_m", self.translation_m),
                                 ("trans_err_relative", self.relative)):  # fmt: skip
                out[name] = {"median": round(float(np.median(values)), 4), "max": round(float(max(values)), 4)}
        return out


def rotation_degrees(a: _F, b: _F) -> float:
    """Angle [deg] between two rotations (3, 3)."""
    # The sine from the skew part: arccos alone cannot tell angles below 1e-6 from none.
    turn = a @ b.T
    skew = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
    return float(np.degrees(np.arctan2(np.linalg.norm(skew), (np.trace(turn) - 1) / 2)))


def compare_poses(commanded: _F, estimated: _F) -> tuple[_F, _F, float]:
    """RotErr [deg] (N,) and TransErr (N,) of estimated world_from_camera (N, 4, 4), and the estimate's scale.

    The estimates are in a world and unit of their own (Depth Anything 3, a SLAM): they are brought to the commanded
    ones by the rotation that fits all of them best and by the scale and place that fit the centres (Umeyama 1991).
    TransErr is in the unit of the commanded ones. Fewer than three distinct centres give no scale: it stays 1.
    """
    centers, others = commanded[:, :3, 3], estimated[:, :3, 3]
    u, _, vt = np.linalg.svd(np.einsum("nij,nkj->ik", commanded[:, :3, :3], estimated[:, :3, :3]))
    turn = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    spread = np.linalg.norm(others - others.mean(axis=0), axis=1).max()
    scale = umeyama(others @ turn.T, centers)[0] if len(others) > 2 and spread > 1e-9 else 1.0
    moved = scale * others @ turn.T
    moved += np.median(centers - moved, axis=0)
    rotation = np.array([rotation_degrees(a[:3, :3], turn @ b[:3, :3])
                         for a, b in zip(commanded, estimated, strict=True)])  # fmt: skip
    return rotation, np.linalg.norm(moved - centers, axis=1), float(scale)


def seen_camera(points: _F, pixels: _F, camera: Camera) -> tuple[_F, NDArray[np.intp]] | None:
    """(4, 4) world_from_camera from world points (N, 3) seen at pixels (N, 2), and which agree; None if too few do."""
    import cv2

    if len(points) < _LEAST:
        return None
    cv2.setRNGSeed(0)
    center = points.mean(axis=0)
    ok, turn, shift, inliers = cv2.solvePnPRansac(
        points - center, pixels, camera.intrinsics, None, reprojectionError=_PIXELS, iterationsCount=300, confidence=0.999
    )  # fmt: skip
    if not ok or inliers is None or len(inliers) < _LEAST:
        return None
    chosen = inliers.ravel()
    turn, shift = cv2.solvePnPRefineLM(points[chosen] - center, pixels[chosen], camera.intrinsics, None, turn, shift)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(turn)[0], np.asarray(shift).ravel()
    out = inverse(pose)
    out[:3, 3] += center
    return out, chosen.astype(np.intp)


def _placed(frame: Frame, features: Features) -> tuple[_F, NDArray[np.bool_]]:
    """World points (N, 3) of the features of a frame, and which have depth."""
    column = np.clip(features.points[:, 0].astype(np.intp), 0, frame.camera.width - 1)
    row = np.clip(features.points[:, 1].astype(np.intp), 0, frame.camera.height - 1)
    depth = frame.depth[row, column].astype(np.float64)
    rays = np.column_stack([features.points, np.ones(len(features))]) @ np.linalg.inv(frame.camera.intrinsics).T
    pose = frame.camera.world_from_camera
    return rays * depth[:, None] @ pose[:3, :3].T + pose[:3, 3], depth > 0


def check_cameras(frames: Sequence[Frame], *, most: int = 10) -> CameraCheck:
    """Check up to `most` frames, spread over the film, against frame 0 or, where that is out of sight, later ones."""
    picks = [int(i) for i in np.unique(np.linspace(0, len(frames) - 1, most + 1).round().astype(int))[1:]]
    known: dict[int, tuple[Features, _F, NDArray[np.bool_]]] = {}

    def anchor(index: int) -> tuple[Features, _F, NDArray[np.bool_]]:
        if index not in known:
            features = find_features(frames[index].rgb)
            known[index] = (features, *_placed(frames[index], features))
        return known[index]

    rows: list[tuple[int, int, int, float, float, float]] = []
    skipped: list[int] = []
    for pick in picks:
        best = _best_view(frames[pick], pick, sorted({0, pick // 2, max(0, pick - 16)} - {pick}), anchor)
        if best is None:
            skipped.append(pick)
        else:
            rows.append(best)
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    return CameraCheck(*columns, tuple(skipped))  # type: ignore[arg-type]


def _best_view(frame: Frame, index: int, anchors: Sequence[int], anchor: Any) -> Any:
    """(frame, anchor, points, RotErr, TransErr, relative) by the first anchor that is sure, else by the best one."""
    features, best = find_features(frame.rgb), None
    for source in anchors:
        other, points, solid = anchor(source)
        here, there = match_features(other, features)
        use = solid[here]
        found = seen_camera(points[here[use]], features.points[there[use]], frame.camera)
        if found is None:
            continue
        pose, chosen = found
        own = frame.camera
        depth = float(np.median((points[here[use]][chosen] - own.center) @ own.forward))
        apart = float(np.linalg.norm(pose[:3, 3] - own.center))
        turn = rotation_degrees(pose[:3, :3], own.world_from_camera[:3, :3])
        row = (index, source, len(chosen), turn, apart, apart / max(abs(depth), 1e-9))
        if best is None or row[2] > best[2]:
            best = row
        if row[2] >= _SURE:
            return row
    return best
