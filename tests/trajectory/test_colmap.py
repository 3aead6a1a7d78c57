# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of COLMAP models, text and binary, and of INRIA's cameras.json come back as they were written."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from lyra_core.errors import PathError
from lyra_core.geometry import inverse, matrix_from_rotvec, quat_from_matrix, rigid
from lyra_core.trajectory.colmap import is_colmap_model, is_inria_cameras, read_colmap, read_inria_cameras

SIZE = (640, 480)
LENSES = {
    1: ("PINHOLE", 1, SIZE, [500.0, 510.0, 320.0, 240.0]),
    2: ("SIMPLE_RADIAL", 2, SIZE, [480.0, 321.0, 239.0, -0.03]),
}


@pytest.fixture
def poses(rng):
    return np.stack([rigid(matrix_from_rotvec(rng.normal(size=3)), rng.normal(size=3) * 2) for _ in range(5)])


def images(poses):
    """(number, quaternion, translation, camera, name) in an order that is not that of the names."""
    out = []
    for i in (3, 0, 4, 1, 2):
        back = inverse(poses[i])
        quat = quat_from_matrix(back[:3, :3])
        out.append((i + 1, quat * (-1 if i % 2 else 1), back[:3, 3], 1 + i % 2, f"photos/frame {i:03d}.jpg"))
    return out


def write_text(folder, poses):
    folder.mkdir(parents=True)
    cameras = [f"{n} {name} {w} {h} {' '.join(map(str, p))}" for n, (name, _, (w, h), p) in LENSES.items()]
    (folder / "cameras.txt").write_text("\n".join(["# Camera list", *cameras, ""]))
    lines = ["# Image list", "# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME"]
    for index, (n, q, t, camera, name) in enumerate(images(poses)):
        words = [str(n), *(repr(float(v)) for v in (*q, *t)), str(camera), name]
        lines += [" ".join(words), "10.5 20.5 7 11 12 -1" if index % 2 else ""]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")


def write_binary(folder, poses):
    folder.mkdir(parents=True)
    with (folder / "cameras.bin").open("wb") as file:
        file.write(struct.pack("<Q", len(LENSES)))
        for n, (_, model, (w, h), values) in LENSES.items():
            file.write(struct.pack(f"<iiQQ{len(values)}d", n, model, w, h, *values))
    with (folder / "images.bin").open("wb") as file:
        file.write(struct.pack("<Q", 5))
        for n, q, t, camera, name in images(poses):
            file.write(struct.pack("<i7di", n, *q, *t, camera) + name.encode() + b"\0")
            file.write(struct.pack("<Q", n) + struct.pack("<ddq", 1.0, 2.0, 3) * n)


@pytest.mark.parametrize("write", [write_text, write_binary])
def test_poses_and_lenses_come_back_in_the_order_of_the_names(tmp_path, poses, write):
    write(tmp_path / "sparse" / "0", poses)
    assert is_colmap_model(tmp_path), "the project's folder will do"
    stored = read_colmap(tmp_path)
    np.testing.assert_allclose(stored.world_from_camera, poses, atol=1e-12)
    assert stored.size == SIZE
    assert stored.distortion == pytest.approx(0.03)
    np.testing.assert_allclose(stored.intrinsics[0], [[500, 0, 320], [0, 510, 240], [0, 0, 1]])
    np.testing.assert_allclose(stored.intrinsics[1], [[480, 0, 321], [0, 480, 239], [0, 0, 1]])


@pytest.mark.parametrize("name", ["cameras", "images"])
def test_a_model_that_is_cut_short_is_refused(tmp_path, poses, name):
    write_binary(tmp_path / "0", poses)
    file = tmp_path / "0" / f"{name}.bin"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(PathError, match="cannot be read"):
        read_colmap(tmp_path)


def test_what_is_no_model_is_refused_or_not_taken_for_one(tmp_path, poses):
    assert not is_colmap_model(tmp_path)
    with pytest.raises(PathError, match="no COLMAP model"):
        read_colmap(tmp_path)
    write_text(tmp_path / "m", poses)
    file = tmp_path / "m" / "cameras.txt"
    file.write_text(file.read_text().replace("PINHOLE", "EYE"))
    with pytest.raises(PathError, match="unknown camera model EYE"):
        read_colmap(tmp_path / "m")


def test_cameras_of_inrias_trainer_come_back(tmp_path, poses):
    items = [
        {"id": i, "img_name": f"{i}", "width": 640, "height": 480, "position": p[:3, 3].tolist(),
         "rotation": p[:3, :3].tolist(), "fx": 500.0 + i, "fy": 510.0}
        for i, p in enumerate(poses)
    ]  # fmt: skip
    file = tmp_path / "cameras.json"
    file.write_text(json.dumps(items))
    assert is_inria_cameras(file)
    stored = read_inria_cameras(file)
    np.testing.assert_allclose(stored.world_from_camera, poses, atol=1e-12)
    np.testing.assert_allclose(stored.intrinsics[2], [[502, 0, 320], [0, 510, 240], [0, 0, 1]])
    del items[3]["fy"]
    file.write_text(json.dumps(items))
    with pytest.raises(PathError, match="Camera 3"):
        read_inria_cameras(file)
