# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyra_core.errors import PathError
from lyra_core.geometry import inverse, matrix_from_rotvec, rigid
from lyra_core.trajectory import (
    SeedScene,
    caption_for_chunk,
    load_path,
    make_path,
    save_lyra,
    save_nerfstudio,
    save_tum,
)
from lyra_core.trajectory.lyra2 import read_captions, read_trajectory, write_captions, write_trajectory
from lyra_core.types import CameraPath
from tests.trajectory.scenes import photo_camera

SIZE = (832, 480)


def some_path(frames=12):
    return make_path("orbit", start=photo_camera(), frames=frames, scene=SeedScene(2.0), angle=70)


def lyra_arrays(frames=5):
    w2c = np.repeat(np.eye(4, dtype=np.float32)[None], frames, axis=0)
    w2c[:, 2, 3] = -np.linspace(0, 1, frames)
    k = np.array([[800.0, 0, 640], [0, 800.0, 360], [0, 0, 1]], np.float32)
    return {
        "w2c": w2c,
        "intrinsics": np.repeat(k[None], frames, axis=0),
        "image_height": np.int64(720),
        "image_width": np.int64(1280),
    }


def stored(folder, **changes):
    arrays = {**lyra_arrays(), **changes}
    file = folder / "trajectory.npz"
    np.savez(file, **{k: v for k, v in arrays.items() if v is not None})
    return file


def nerfstudio(folder, change):
    file = folder / "transforms.json"
    save_nerfstudio(file, some_path(3))
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    return file


# ---- Lyra 2 -----------------------------------------------------------------------------------------------------


def test_the_sample_trajectory_is_written_back_byte_for_byte(samples, tmp_path):
    source = samples / "path_0"
    trajectory = read_trajectory(source / "trajectory.npz")
    assert len(trajectory) == 500
    assert trajectory.size == (1280, 720)
    write_trajectory(tmp_path / "trajectory.npz", trajectory)
    with np.load(source / "trajectory.npz") as old, np.load(tmp_path / "trajectory.npz") as new:
        assert old.files == new.files
        for key in old.files:
            assert old[key].dtype == new[key].dtype
            assert old[key].shape == new[key].shape
            assert old[key].tobytes() == new[key].tobytes()


def test_the_sample_captions_are_written_back_byte_for_byte(samples, tmp_path):
    source = samples / "path_0" / "captions.json"
    write_captions(tmp_path / "captions.json", read_captions(source))
    assert (tmp_path / "captions.json").read_bytes() == source.read_bytes()


def test_the_sample_loads_onto_a_photo_with_its_captions(samples):
    start = photo_camera()
    loaded = load_path(samples / "path_0", size=SIZE, start=start, frames=161)
    assert loaded.kind == "lyra2"
    assert len(loaded.path) == 161
    assert np.array_equal(loaded.path.world_from_camera[0], start.world_from_camera)
    assert sorted(loaded.captions) == [0, 81]
    trajectory = read_trajectory(samples / "path_0" / "trajectory.npz")
    # Relative motion is the file's: compare frame 160 seen from frame 0 (float32 file).
    expected = inverse(trajectory.w2c[0].astype(float) @ inverse(trajectory.w2c[160].astype(float)))
    got = inverse(inverse(start.world_from_camera) @ loaded.path.world_from_camera[160])
    assert np.abs(got - expected).max() < 1e-5
    assert loaded.path.intrinsics[0, 0, 0] == pytest.approx(trajectory.intrinsics[0, 0, 0] * 832 / 1280)
    assert loaded.path.intrinsics[0, 1, 1] == pytest.approx(trajectory.intrinsics[0, 1, 1] * 480 / 720)


def test_without_a_photo_a_lyra_path_starts_at_the_origin_and_looks_along_y(samples):
    path = load_path(samples / "path_0", size=(1280, 720)).path
    assert np.abs(path.world_from_camera[0, :3, 2] - [0, 1, 0]).max() < 1e-3
    # example 0 backs away and up to the right: (1.45, -0.58, -2.13) in the y-down file
    assert np.abs(path.centers[-1] - [1.45, -2.13, 0.58]).max() < 0.01


def test_pose_scale_multiplies_all_distances_and_no_rotation(samples):
    one = load_path(samples / "path_0", size=SIZE, start=photo_camera(), pose_scale=1.0).path
    two = load_path(samples / "path_0", size=SIZE, start=photo_camera(), pose_scale=2.0).path
    assert np.abs((two.centers - two.centers[0]) - 2 * (one.centers - one.centers[0])).max() < 1e-9
    assert np.abs(one.world_from_camera[:, :3, :3] - two.world_from_camera[:, :3, :3]).max() < 1e-12


def test_a_path_saved_for_lyra_comes_back_on_the_same_photo(tmp_path):
    path = some_path()
    save_lyra(tmp_path, path, {0: "a room", 81: "the same room"})
    loaded = load_path(tmp_path / "trajectory.npz", size=SIZE, start=photo_camera())
    assert np.abs(loaded.path.world_from_camera - path.world_from_camera).max() < 1e-5  # float32 file
    assert np.abs(loaded.path.intrinsics - path.intrinsics).max() < 1e-4
    assert loaded.captions == {0: "a room"}, "81 is beyond the 12 frames, as in the reference"
    assert loaded.messages == ()
    with np.load(tmp_path / "trajectory.npz") as archive:
        assert {k: archive[k].dtype.str for k in archive.files} == {
            "w2c": "<f4",
            "intrinsics": "<f4",
            "image_height": "<i8",
            "image_width": "<i8",
        }
        assert np.array_equal(archive["w2c"][0], np.eye(4)), "relative to the first camera"


def test_saving_twice_gives_the_same_bytes_and_leaves_no_temporary_file(tmp_path):
    for folder in ("a", "b"):
        save_lyra(tmp_path / folder, some_path(), {0: "x"})
    assert (tmp_path / "a/trajectory.npz").read_bytes() == (tmp_path / "b/trajectory.npz").read_bytes()
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["captions.json", "trajectory.npz"]


def test_a_short_file_gives_what_it_has_and_says_so(tmp_path):
    loaded = load_path(stored(tmp_path), size=SIZE, frames=81)
    assert len(loaded.path) == 5
    assert "5 frames, fewer than the 81" in loaded.messages[0]


def test_the_lens_of_a_file_without_image_size_needs_the_size(tmp_path):
    file = stored(tmp_path, image_height=None, image_width=None)
    with pytest.raises(PathError, match=r"for which image size.*stored_size"):
        load_path(file, size=SIZE)
    path = load_path(file, size=SIZE, stored_size=(1280, 720)).path
    assert path.intrinsics[0, 0, 0] == pytest.approx(800 * 832 / 1280)
    assert load_path(file, size=SIZE, start=photo_camera(), lens="photo").path is not None


def test_intrinsics_for_another_aspect_are_refused_with_the_three_ways_out(tmp_path):
    file = stored(tmp_path)
    with pytest.raises(PathError, match=r"1280x720 in the file, 480x480 wanted.*lens='photo'.*lens='stretch'"):
        load_path(file, size=(480, 480))
    k = load_path(file, size=(480, 480), lens="stretch").path.intrinsics[0]
    assert (k[0, 0], k[1, 1]) == pytest.approx((300.0, 800 * 480 / 720))
    start = photo_camera(width=480, height=480)
    assert np.array_equal(
        load_path(file, size=(480, 480), start=start, lens="photo").path.intrinsics[0], start.intrinsics
    )


def test_a_lens_unlike_the_photos_is_told(tmp_path):
    loaded = load_path(stored(tmp_path), size=SIZE, start=photo_camera())
    assert any("77.3 deg wide" in m and "65.0 deg" in m for m in loaded.messages)


def test_a_path_that_starts_elsewhere_is_refused_unless_alignment_is_asked(tmp_path):
    arrays = lyra_arrays()
    away = rigid(matrix_from_rotvec(np.array([0, 0.4, 0])), np.array([0.5, 0.0, 0.2]))
    file = stored(tmp_path, w2c=(arrays["w2c"] @ away).astype(np.float32))
    with pytest.raises(PathError, match=r"starts elsewhere than the photo.*relative=True, --align"):
        load_path(file, size=SIZE, start=photo_camera())
    loaded = load_path(file, size=SIZE, start=photo_camera(), relative=True)
    plain = load_path(stored(tmp_path), size=SIZE, start=photo_camera())
    assert np.abs(loaded.path.world_from_camera - plain.path.world_from_camera).max() < 1e-6
    assert any("was moved by" in m for m in loaded.messages)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"w2c": None}, "lacks w2c"),
        ({"w2c": None, "intrinsics": None}, "lacks w2c and intrinsics"),
        ({"intrinsics": None}, "lacks intrinsics"),
        ({"w2c": np.zeros((5, 3, 4), np.float32)}, r"shape \(N, 4, 4\)"),
        ({"w2c": np.zeros((0, 4, 4), np.float32), "intrinsics": np.zeros((0, 3, 3), np.float32)}, "no camera pose"),
        ({"intrinsics": np.zeros((4, 3, 3), np.float32)}, "5 poses, 4 intrinsics"),
        ({"intrinsics": np.zeros((5, 9), np.float32)}, r"shape \(N, 3, 3\)"),
        ({"w2c": np.full((5, 4, 4), np.nan, np.float32)}, "NaN or inf in frame 0"),
        ({"w2c": 2 * lyra_arrays()["w2c"]}, "must be rigid"),
        ({"w2c": lyra_arrays()["w2c"] * np.array([1, 1, -1, 1], np.float32)[:, None]}, "det R = -1"),
        ({"w2c": np.array(["a"] * 5)}, "must be numbers"),
        ({"image_height": np.int64(-720)}, "positive whole numbers"),
        ({"image_height": None}, "positive whole numbers"),
        ({"image_height": np.int64(100), "image_width": np.int64(178)}, "not for the image size"),
        ({"intrinsics": -lyra_arrays()["intrinsics"]}, "positive pixels"),
        ({"intrinsics": np.full((5, 3, 3), np.nan, np.float32)}, "positive pixels"),
    ],
)
def test_broken_trajectories_are_refused_with_the_reason(tmp_path, changes, says):
    with pytest.raises(PathError, match=says) as caught:
        load_path(stored(tmp_path, **changes), size=SIZE, start=photo_camera())
    assert caught.value.what


def test_a_pickled_or_damaged_archive_is_refused(tmp_path):
    file = tmp_path / "trajectory.npz"
    np.savez(file, w2c=np.array([{"a": 1}], dtype=object), intrinsics=np.zeros((1, 3, 3)))
    with pytest.raises(PathError, match="not a readable"):
        load_path(file, size=SIZE)
    stored(tmp_path)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(PathError, match="not a readable"):
        load_path(file, size=SIZE)
    file.write_bytes(b"")
    with pytest.raises(PathError, match="not a readable"):
        load_path(file, size=SIZE)
    np.save(tmp_path / "single.npy", np.zeros(3))
    (tmp_path / "single.npy").rename(file)
    with pytest.raises(PathError, match=r"not an \.npz archive"):
        load_path(file, size=SIZE)


def test_files_that_are_not_there_or_of_another_kind_are_refused(tmp_path):
    with pytest.raises(PathError, match="does not exist"):
        load_path(tmp_path / "nothing.npz", size=SIZE)
    with pytest.raises(PathError, match="holds no camera path"):
        load_path(tmp_path, size=SIZE)
    (tmp_path / "path.csv").write_text("1,2,3")
    with pytest.raises(PathError, match="not known"):
        load_path(tmp_path / "path.csv", size=SIZE)


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"frames": 0}, "1 or more"),
        ({"frames": -3}, "1 or more"),
        ({"pose_scale": 0}, "positive number"),
        ({"pose_scale": float("nan")}, "positive number"),
        ({"lens": "mine"}, "file, photo, stretch"),
    ],
)
def test_bad_settings_are_refused(tmp_path, kwargs, says):
    with pytest.raises(PathError, match=says):
        load_path(stored(tmp_path), size=SIZE, **kwargs)


# ---- captions ---------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(keys=st.sets(st.integers(0, 800), min_size=1, max_size=9), chunk=st.integers(0, 9))
def test_a_chunk_takes_the_caption_with_the_largest_key_up_to_its_first_new_frame(keys, chunk):
    captions = {k: f"caption {k}" for k in keys}
    fitting = [k for k in keys if k <= 80 * chunk + 1]
    assert caption_for_chunk(captions, chunk) == (f"caption {max(fitting)}" if fitting else None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "must be an object"),
        ("{}", "must be an object"),
        ('{"0": 5}', "frame numbers to texts"),
        ('{"-1": "x"}', "frame numbers to texts"),
        ('{"first": "x"}', "frame numbers to texts"),
        ('{"81": "x"}', "no caption for the first frames"),
        ('{"0": "x", "00": "y"}', "twice"),
        ('{"0": "x"', "not valid JSON"),
    ],
)
def test_broken_captions_are_refused(tmp_path, text, says):
    (tmp_path / "captions.json").write_text(text)
    with pytest.raises(PathError, match=says):
        load_path(stored(tmp_path), size=SIZE)


# ---- nerfstudio -------------------------------------------------------------------------------------------------


def test_a_nerfstudio_file_comes_back_exactly_and_is_opengl(tmp_path):
    path = some_path()
    file = tmp_path / "transforms.json"
    save_nerfstudio(file, path, names=[f"frames/{i}.png" for i in range(len(path))])
    loaded = load_path(file, size=SIZE, start=photo_camera())
    assert np.abs(loaded.path.world_from_camera - path.world_from_camera).max() < 1e-12
    assert np.array_equal(loaded.path.intrinsics, path.intrinsics)
    content = json.loads(file.read_text())
    first = np.array(content["frames"][0]["transform_matrix"])
    assert np.allclose(-first[:3, 2], photo_camera().forward), "OpenGL cameras look along -z"
    assert content["frames"][3]["file_path"] == "frames/3.png"
    assert (content["w"], content["h"]) == SIZE
    unplaced = load_path(file, size=SIZE)
    assert np.abs(unplaced.path.world_from_camera - path.world_from_camera).max() < 1e-12


def test_a_changing_lens_is_written_per_frame(tmp_path):
    path = some_path(3)
    lenses = path.intrinsics.copy()
    lenses[:, 0, 0] *= [1, 1.5, 2]
    zoom = CameraPath(path.world_from_camera, lenses, *SIZE)
    save_nerfstudio(tmp_path / "transforms.json", zoom)
    assert np.array_equal(load_path(tmp_path, size=SIZE).path.intrinsics, lenses)


def test_a_nerfstudio_file_with_only_a_field_of_view_is_read(tmp_path):
    def change(content):
        for key in ("fl_x", "fl_y", "cx", "cy"):
            del content[key]
        content["camera_angle_x"] = np.pi / 2

    k = load_path(nerfstudio(tmp_path, change), size=SIZE).path.intrinsics[0]
    assert np.allclose(k, [[416, 0, 416], [0, 416, 240], [0, 0, 1]])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.pop("frames"), "no list 'frames'"),
        (lambda c: c.update(frames=[]), "no camera pose"),
        (lambda c: c["frames"][1].pop("transform_matrix"), "Frame 1 .* lacks transform_matrix"),
        (lambda c: c["frames"][1].update(transform_matrix=[[1, 2], [3, 4]]), "frame 1 .* 4x4"),
        (lambda c: c["frames"][1].update(transform_matrix="x"), "frame 1 .* 4x4"),
        (lambda c: c["frames"][2]["transform_matrix"][0].__setitem__(0, 9.0), "frame 2: .R R"),
        (lambda c: c["frames"][2]["transform_matrix"][0].__setitem__(3, float("nan")), "NaN or inf in frame 2"),
        (lambda c: c.update(fl_x=-5), "positive pixels"),
        (lambda c: c.update(fl_x="wide"), "must be numbers"),
        (lambda c: c.pop("w"), "for which image size"),
        (lambda c: c.update(k1=0.1), "distortion"),
        (lambda c: c["frames"][1].update(w=100), "one image size"),
    ],
)
def test_broken_nerfstudio_files_are_refused_with_the_reason(tmp_path, change, says):
    with pytest.raises(PathError, match=says):
        load_path(nerfstudio(tmp_path, change), size=SIZE)


def test_a_distorted_nerfstudio_path_may_be_flown_with_the_photos_lens(tmp_path):
    file = nerfstudio(tmp_path, lambda c: c.update(k1=0.1))
    loaded = load_path(file, size=SIZE, start=photo_camera(), lens="photo")
    assert np.array_equal(loaded.path.intrinsics[0], photo_camera().intrinsics)


def test_a_json_file_that_is_not_json_is_refused_with_the_place(tmp_path):
    (tmp_path / "transforms.json").write_text("{frames: 1}")
    with pytest.raises(PathError, match=r"not valid JSON.*line 1"):
        load_path(tmp_path / "transforms.json", size=SIZE)
    (tmp_path / "transforms.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PathError, match="not valid JSON"):
        load_path(tmp_path / "transforms.json", size=SIZE)


# ---- TUM --------------------------------------------------------------------------------------------------------


def test_a_tum_file_comes_back_within_its_nine_decimals(tmp_path):
    path = some_path()
    save_tum(tmp_path / "path.txt", path)
    loaded = load_path(tmp_path / "path.txt", size=SIZE, start=photo_camera())
    assert loaded.kind == "tum"
    assert np.abs(loaded.path.world_from_camera - path.world_from_camera).max() < 1e-8
    rows = np.loadtxt(tmp_path / "path.txt")
    assert rows.shape == (12, 8)
    assert np.allclose(rows[:, 0], np.arange(12) / 16)
    assert np.allclose(np.linalg.norm(rows[:, 4:], axis=1), 1)


def test_a_tum_file_has_no_lens_so_the_photo_gives_it(tmp_path):
    save_tum(tmp_path / "path.txt", some_path())
    with pytest.raises(PathError, match=r"gives no lens.*--fov"):
        load_path(tmp_path / "path.txt", size=SIZE)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no camera pose"),
        ("# only a comment\n", "no camera pose"),
        ("0 0 0 0 0 0 0 1\n0 0 0 0 0 0 0 1\n", "must increase"),
        ("1 0 0 0 0 0 0 1\n0.5 0 0 0 0 0 0 1\n", "must increase"),
        ("0 0 0 0 0 0 1\n", "Line 1 .* 8 finite numbers"),
        ("0 0 0 0 0 0 0 1\n1 0 nan 0 0 0 0 1\n", "Line 2 .* 8 finite numbers"),
        ("0 0 0 x 0 0 0 1\n", "Line 1 .* 8 finite numbers"),
        ("0 0 0 0 0 0 0 0.5\n", "length 1"),
    ],
)
def test_broken_tum_files_are_refused_with_the_line(tmp_path, text, says):
    (tmp_path / "path.txt").write_text(text)
    with pytest.raises(PathError, match=says):
        load_path(tmp_path / "path.txt", size=SIZE, start=photo_camera())
