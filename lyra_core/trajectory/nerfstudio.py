# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""nerfstudio's transforms.json: OpenGL camera-to-world matrices, intrinsics shared or per frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import PathError
from lyra_core.geometry import focal_from_fov, opencv_from_usd_camera, usd_camera_from_opencv
from lyra_core.trajectory.stored import StoredPath, check_poses, read_json, write_json
from lyra_core.types import CameraPath

__all__ = ["read_nerfstudio", "write_nerfstudio"]

_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")


def read_nerfstudio(file: Path) -> StoredPath:
    """Read a transforms.json. Raises PathError naming the key and frame that are wrong."""
    content = read_json(file)
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not all(isinstance(f, dict) for f in frames):
        keys = ", ".join(list(content)[:8]) if isinstance(content, dict) else type(content).__name__
        raise PathError(
            f"{file.name} is not a nerfstudio transforms.json",
            got=f"no list 'frames' (has: {keys})",
            do="Give a transforms.json, a Lyra 2 trajectory.npz or a TUM text file",
        )
    poses = check_poses(np.array([_pose(file, i, f) for i, f in enumerate(frames)]).reshape(-1, 4, 4), file, "Poses")
    lenses = [_lens(file, i, {**content, **f}) for i, f in enumerate(frames)]
    sizes = {lens[1] for lens in lenses if lens}
    if len(sizes) > 1:
        raise PathError(
            f"All frames of {file.name} must have one image size",
            got=", ".join(f"{w}x{h}" for w, h in sorted(sizes)),
            do="Export the frames in one size",
        )
    complete = [lens[0] for lens in lenses if lens]
    bent = [abs(float({**content, **f}.get(key, 0.0))) for f in frames for key in _DISTORTION]
    return StoredPath(
        kind="nerfstudio",
        world_from_camera=opencv_from_usd_camera(poses),
        intrinsics=np.stack(complete) if len(complete) == len(frames) else None,
        size=next(iter(sizes), None),
        distortion=max(bent, default=0.0),
    )


def _pose(file: Path, index: int, frame: Mapping[str, Any]) -> NDArray[np.float64]:
    if "transform_matrix" not in frame:
        raise PathError(
            f"Frame {index} of {file.name} lacks transform_matrix",
            got=f"keys {', '.join(frame)}",
            do="Export the file again, or delete that frame",
        )
    try:
        matrix = np.array(frame["transform_matrix"], dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    if matrix.shape == (3, 4):
        matrix = np.vstack([matrix, [0, 0, 0, 1]])
    if matrix.shape != (4, 4):
        raise PathError(
            f"transform_matrix of frame {index} in {file.name} must be 4x4 numbers",
            got=repr(frame["transform_matrix"])[:60],
            do="Export the file again, or delete that frame",
        )
    return matrix


def _lens(file: Path, index: int, keys: Mapping[str, Any]) -> tuple[NDArray[np.float64], tuple[int, int]] | None:
    """K and image size of a frame; None if the file gives no lens."""
    try:
        values = {k: float(keys[k]) for k in ("w", "h", "fl_x", "fl_y", "cx", "cy", "camera_angle_x") if k in keys}
    except (TypeError, ValueError) as error:
        raise PathError(
            f"Intrinsics of frame {index} in {file.name} must be numbers",
            got=str(error),
            do="Give fl_x, fl_y, cx, cy in pixels",
        ) from error
    if "fl_x" not in values and "camera_angle_x" not in values:
        return None
    if not (values.get("w", 0) >= 1 and values.get("h", 0) >= 1):
        raise PathError(
            f"{file.name} does not say for which image size its intrinsics are",
            got=f"w={keys.get('w')!r}, h={keys.get('h')!r} (frame {index})",
            do="Add w and h in pixels, or take the lens from the photo (lens='photo')",
        )
    width, height = int(values["w"]), int(values["h"])
    fx = values.get("fl_x") or focal_from_fov(math.degrees(values["camera_angle_x"]), width)
    fy = values.get("fl_y", fx)
    k = np.array([[fx, 0, values.get("cx", width / 2)], [0, fy, values.get("cy", height / 2)], [0, 0, 1.0]])
    if not (np.isfinite(k).all() and fx > 0 and fy > 0):
        raise PathError(
            f"Focal lengths in {file.name} must be positive pixels",
            got=f"fl_x={fx:g}, fl_y={fy:g}",
            do="Give fx and fy in pixels of the stored image size",
        )
    return k, (width, height)


def write_nerfstudio(file: Path, path: CameraPath, *, names: Sequence[str] | None = None) -> None:
    """Write a transforms.json in our Z-up world.

    Parameters
    ----------
    path: N views; a constant lens is written once, a changing one per frame.
    names: N image names relative to the file; default frames/frame_00000.png, ...
    """
    if names is not None and len(names) != len(path):
        raise PathError(
            "One image name per frame is needed",
            got=f"{len(names)} names for {len(path)} frames",
            do="Pass as many names as the path has frames",
        )
    labels = names or [f"frames/frame_{i:05d}.png" for i in range(len(path))]
    keys = [
        {"fl_x": k[0, 0].item(), "fl_y": k[1, 1].item(), "cx": k[0, 2].item(), "cy": k[1, 2].item()}
        for k in path.intrinsics
    ]
    shared = bool((path.intrinsics == path.intrinsics[0]).all())
    matrices = usd_camera_from_opencv(path.world_from_camera)
    content: dict[str, Any] = {"camera_model": "OPENCV", "w": path.width, "h": path.height, "fps": path.fps}
    content |= dict.fromkeys(("k1", "k2", "p1", "p2"), 0.0)
    content |= keys[0] if shared else {}
    content["frames"] = [
        {"file_path": label, "transform_matrix": matrix.tolist(), **({} if shared else key)}
        for label, matrix, key in zip(labels, matrices, keys, strict=True)
    ]
    write_json(file, content)
