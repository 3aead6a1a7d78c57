# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of a COLMAP model (folder with cameras and images, .bin or .txt) and of INRIA's cameras.json.

COLMAP stores world-to-camera rotations (wxyz) and translations in OpenCV axes; INRIA's splat trainers write the
camera-to-world ones beside their point clouds. Both are in the axes and the unit of the splats that were trained.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import PathError
from lyra_core.geometry import inverse, matrix_from_quat, rigid
from lyra_core.trajectory.stored import StoredPath, check_poses, read_json

__all__ = ["is_colmap_model", "is_inria_cameras", "read_colmap", "read_inria_cameras"]

_F = NDArray[np.float64]

_MODELS: dict[str, tuple[int, int]] = {
    "SIMPLE_PINHOLE": (1, 3),
    "PINHOLE": (2, 4),
    "SIMPLE_RADIAL": (1, 4),
    "RADIAL": (1, 5),
    "OPENCV": (2, 8),
    "OPENCV_FISHEYE": (2, 8),
    "FULL_OPENCV": (2, 12),
    "FOV": (2, 5),
    "SIMPLE_RADIAL_FISHEYE": (1, 4),
    "RADIAL_FISHEYE": (1, 5),
    "THIN_PRISM_FISHEYE": (2, 12),
}
"""Focal lengths and parameters of COLMAP's camera models, in the order of their numbers in .bin files."""

_POINT_BYTES = 24  # x, y, id of a seen point in images.bin


@dataclass(frozen=True, slots=True, eq=False)
class _Lens:
    k: _F
    size: tuple[int, int]
    distortion: float


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    pose: _F
    lens: _Lens


def is_colmap_model(path: Path) -> bool:
    """True if path is a folder with a COLMAP model, or one that holds sparse/0."""
    return path.is_dir() and _model_folder(path) is not None


def is_inria_cameras(path: Path) -> bool:
    """True if path is a JSON list of cameras with position and rotation."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    content = read_json(path)
    return isinstance(content, list) and all(isinstance(c, dict) and "rotation" in c for c in content[:3])


def read_colmap(folder: Path) -> StoredPath:
    """The posed images of a COLMAP model, in the order of their names; lens distortion is reported, not applied.

    Of images of several sizes those of the commonest size are taken. Errors: PathError for a folder that is no model,
    a file that is cut short, or an unknown camera model.
    """
    model = _model_folder(folder)
    if model is None:
        raise PathError("This folder holds no COLMAP model", got=str(folder), do="Give the one with images.bin or .txt")
    try:
        binary = (model / "images.bin").is_file()
        lenses = dict(_binary_lenses(model) if binary else _text_lenses(model))
        images = sorted(_binary_images(model) if binary else _text_images(model), key=lambda image: image[0])
        views = [_View(inverse(rigid(matrix_from_quat(_unit(q)), t)), lenses[lens]) for _, q, t, lens in images]
    except (OSError, struct.error, ValueError, KeyError, IndexError, UnicodeDecodeError) as error:
        raise PathError(
            "The COLMAP model cannot be read", got=f"{model}: {type(error).__name__}: {error}", do="Export it again"
        ) from error
    return _stored("colmap", views, model / "images")


def read_inria_cameras(file: Path) -> StoredPath:
    """INRIA's cameras.json: position and rotation from camera to world, fx, fy, width, height. Errors: PathError."""
    views = []
    for index, item in enumerate(read_json(file)):
        try:
            size = int(item["width"]), int(item["height"])
            k = np.array([[float(item["fx"]), 0, size[0] / 2], [0, float(item["fy"]), size[1] / 2], [0, 0, 1.0]])
            pose = rigid(np.array(item["rotation"], np.float64), np.array(item["position"], np.float64))
        except (KeyError, TypeError, ValueError) as error:
            raise PathError(
                f"Camera {index} of {file.name} lacks values",
                got=f"{type(error).__name__}: {error}",
                do="It needs position, rotation (3x3), fx, fy, width and height",
            ) from error
        views.append(_View(pose, _Lens(k, size, 0.0)))
    return _stored("inria", views, file)


def _stored(kind: str, views: list[_View], source: Path) -> StoredPath:
    if not views:
        raise PathError(f"{source.name} holds no camera pose", got="0 images", do="Export it again")
    size = Counter(view.lens.size for view in views).most_common(1)[0][0]
    kept = [view for view in views if view.lens.size == size]
    k = np.stack([view.lens.k for view in kept])
    if not (np.isfinite(k).all() and (k[:, 0, 0] > 0).all() and (k[:, 1, 1] > 0).all() and min(size) >= 1):
        raise PathError(f"Focal lengths in {source.name} must be positive pixels", got=str(size), do="Export it again")
    poses = check_poses(np.stack([view.pose for view in kept]), source, "Poses")
    return StoredPath(kind, poses, k, size, max(view.lens.distortion for view in kept))


def _model_folder(folder: Path) -> Path | None:
    for place in (folder, folder / "sparse" / "0", folder / "sparse", folder / "0"):
        if any((place / f"images{end}").is_file() and (place / f"cameras{end}").is_file() for end in (".bin", ".txt")):
            return place
    return None


def _unit(quat: _F) -> _F:
    return quat / np.linalg.norm(quat)


def _lens(model: str, size: tuple[int, int], values: list[float]) -> _Lens:
    if model not in _MODELS:
        raise ValueError(f"unknown camera model {model}")
    focals, count = _MODELS[model]
    if len(values) != count:
        raise ValueError(f"{model} needs {count} parameters, not {len(values)}")
    fx, fy = values[0], values[focals - 1]
    cx, cy = values[focals], values[focals + 1]
    bent = max((abs(v) for v in values[focals + 2 :]), default=0.0)
    return _Lens(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), size, bent)


def _rows(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def _text_lenses(model: Path) -> Iterator[tuple[int, _Lens]]:
    for row in _rows(model / "cameras.txt"):
        words = row.split()
        if words:
            yield int(words[0]), _lens(words[1], (int(words[2]), int(words[3])), [float(w) for w in words[4:]])


def _text_images(model: Path) -> Iterator[tuple[str, _F, _F, int]]:
    """Two lines an image; the second, of its points, may be empty."""
    rows = _rows(model / "images.txt")
    while rows and not rows[0].strip():
        rows.pop(0)
    for row in rows[::2]:
        words = row.split(maxsplit=9)
        if words:
            numbers = np.array([float(w) for w in words[1:8]])
            yield words[9], numbers[:4], numbers[4:], int(words[8])


def _take(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{layout}", file.read(struct.calcsize(f"<{layout}")))


def _binary_lenses(model: Path) -> Iterator[tuple[int, _Lens]]:
    names = list(_MODELS)
    with (model / "cameras.bin").open("rb") as file:
        for _ in range(_take(file, "Q")[0]):
            number, kind, width, height = _take(file, "iiQQ")
            if not 0 <= kind < len(names):
                raise ValueError(f"unknown camera model {kind}")
            values = _take(file, f"{_MODELS[names[kind]][1]}d")
            yield number, _lens(names[kind], (width, height), list(values))


def _binary_images(model: Path) -> Iterator[tuple[str, _F, _F, int]]:
    with (model / "images.bin").open("rb") as file:
        for _ in range(_take(file, "Q")[0]):
            values = _take(file, "i7di")
            name = bytearray()
            while (letter := file.read(1)) != b"\0":
                if not letter:
                    raise ValueError("cut short")
                name += letter
            points = _take(file, "Q")[0]
            file.seek(points * _POINT_BYTES, 1)
            yield name.decode("utf-8"), np.array(values[1:5]), np.array(values[5:8]), values[8]
