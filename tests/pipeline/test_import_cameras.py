# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of nerfstudio trainings come into the frame of the splats."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lyra_core.errors import InputError, PathError
from lyra_core.geometry import matrix_from_rotvec, quat_from_matrix, usd_camera_from_opencv
from lyra_core.pipeline.import_cameras import find_dataparser, read_import_cameras
from tests.pipeline import box_room

SWAP = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0]])  # what nerfstudio applies to COLMAP poses


def rows(turn, shift):
    return np.column_stack([turn, shift])


def whole(matrix):
    return np.vstack([matrix, [0, 0, 0, 1]])


@pytest.fixture
def files(tmp_path):
    """Saved poses, and the trained ones that nerfstudio makes of them: centred, turned, scaled into a cube."""
    path = box_room.path(5)
    turn, shift, scale, applied_scale = matrix_from_rotvec(np.array([0.2, -0.1, 0.7])), [1.0, -2, 0.5], 0.31, 2.0
    saved = path.world_from_camera
    trained = whole(rows(turn, shift)) @ saved
    trained[:, :3, 3] *= scale
    frames = [{"transform_matrix": m.tolist()} for m in usd_camera_from_opencv(saved)]
    k = path.intrinsics[0]
    lens = {"fl_x": k[0, 0], "fl_y": k[1, 1], "cx": k[0, 2], "cy": k[1, 2], "w": path.width, "h": path.height}
    cameras, parser = tmp_path / "transforms.json", tmp_path / "run" / "dataparser_transforms.json"
    parser.parent.mkdir()
    content = {**lens, "frames": frames, "applied_transform": SWAP.tolist(), "applied_scale": applied_scale}
    cameras.write_text(json.dumps(content))
    # The file speaks of the data before applied_transform and applied_scale.
    matrix = (whole(rows(turn, shift)) @ whole(SWAP))[:3]
    parser.write_text(json.dumps({"transform": matrix.tolist(), "scale": scale * applied_scale}))
    return cameras, parser, trained, scale


def test_saved_poses_become_those_that_the_splats_were_trained_in(files):
    cameras, parser, trained, scale = files
    read = read_import_cameras(cameras, parser)
    np.testing.assert_allclose(read.poses, trained, atol=1e-9)
    assert read.unit == pytest.approx(scale)
    assert read.dataparser == parser
    assert np.linalg.det(read.poses[:, :3, :3]) == pytest.approx(1.0)


def test_without_the_file_poses_stay_as_saved(files):
    cameras, _, _, _ = files
    read = read_import_cameras(cameras, None)
    np.testing.assert_allclose(read.poses, box_room.path(5).world_from_camera, atol=1e-12)
    assert read.unit == 1.0


def test_the_file_is_found_beside_the_splats_or_the_cameras(files):
    cameras, parser, _, _ = files
    assert find_dataparser(parser.with_name("splat.ply"), cameras) == parser
    assert find_dataparser(cameras.with_name("splat.ply"), cameras) is None


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"transform": [[1,0,0,0]], "scale": 1}',
        '{"transform": [[2,0,0,0],[0,1,0,0],[0,0,1,0]], "scale": 1}',
    ],
)
def test_a_broken_dataparser_file_is_refused(files, content):
    cameras, parser, _, _ = files
    parser.write_text(content)
    with pytest.raises(InputError, match="dataparser_transforms"):
        read_import_cameras(cameras, parser)


def test_a_scale_of_zero_and_a_broken_applied_transform_are_refused(files):
    cameras, parser, _, _ = files
    given = json.loads(parser.read_text())
    parser.write_text(json.dumps({**given, "scale": 0}))
    with pytest.raises(InputError, match="must be > 0"):
        read_import_cameras(cameras, parser)
    parser.write_text(json.dumps(given))
    content = json.loads(cameras.read_text())
    cameras.write_text(json.dumps({**content, "applied_transform": [1, 2]}))
    with pytest.raises(PathError, match="applied_transform"):
        read_import_cameras(cameras, parser)


def test_cameras_of_other_programs_are_told_by_what_lies_there(tmp_path):
    path = box_room.path(4)
    poses, k = path.world_from_camera, path.intrinsics[0]
    model = tmp_path / "colmap"
    model.mkdir()
    (model / "cameras.txt").write_text(f"1 PINHOLE 96 72 {k[0, 0]} {k[1, 1]} {k[0, 2]} {k[1, 2]}\n")
    lines = []
    for i, back in enumerate(np.linalg.inv(poses)):
        words = [i + 1, *quat_from_matrix(back[:3, :3]).tolist(), *back[:3, 3].tolist(), 1, f"{i}.png"]
        lines += [" ".join(map(str, words)), ""]
    (model / "images.txt").write_text("\n".join(lines))
    inria = tmp_path / "cameras.json"
    each = {"width": 96, "height": 72, "fx": k[0, 0], "fy": k[1, 1]}
    items = [{**each, "position": p[:3, 3].tolist(), "rotation": p[:3, :3].tolist()} for p in poses]
    inria.write_text(json.dumps(items))
    lyra = tmp_path / "trajectory.npz"
    arrays = {"w2c": np.linalg.inv(poses).astype(np.float32), "intrinsics": path.intrinsics.astype(np.float32)}
    np.savez(lyra, **arrays, image_height=72, image_width=96)
    for source in (model, inria, lyra):
        read = read_import_cameras(source, None)
        np.testing.assert_allclose(read.poses, poses, atol=1e-5)
        assert read.lenses is not None
        np.testing.assert_allclose(read.lenses[0], k, rtol=1e-6)
        assert (read.size, read.unit) == ((96, 72), 1.0)
    with pytest.raises(PathError, match="holds no cameras"):
        read_import_cameras(tmp_path, None)
