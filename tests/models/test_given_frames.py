# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Frames that exist already: found, counted against their cameras, and fitted; everything wrong is told before work."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from lyra_core.errors import InputError, ModelError, PathError
from lyra_core.geometry import intrinsics_from_fov, look_at
from lyra_core.models.video.frames.cameras import find_cameras, fitted_lens, fitted_picture, read_cameras
from lyra_core.models.video.frames.model import GivenFrames
from lyra_core.models.video.frames.source import FrameReader, find_source
from lyra_core.reconstruction import write_video
from lyra_core.trajectory import save_lyra, save_nerfstudio
from lyra_core.types import CameraPath

SIZE = (96, 64)


def pictures(count, size=SIZE):
    """Frame i is a grey of 8 i with a bright stripe at column 4 i."""
    out = []
    for i in range(count):
        image = np.full((size[1], size[0], 3), 8 * i, np.uint8)
        image[:, (4 * i) % size[0]] = 255
        out.append(image)
    return out


def path(count, size=SIZE):
    poses = np.stack([look_at([0.05 * i, 0, 1.4], [0.05 * i, 3, 1.2]) for i in range(count)])
    return CameraPath(poses, np.repeat(intrinsics_from_fov(70, *size)[None], count, axis=0), *size)


@pytest.fixture
def film(tmp_path):
    write_video(tmp_path / "film.mp4", pictures(9), fps=16, crf=1)
    return tmp_path


def write_pictures(folder, count, size=SIZE):
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(pictures(count, size)):
        Image.fromarray(image).save(folder / f"frame_{i}.png")


def test_a_film_is_counted_by_decoding_and_read_in_any_order(film):
    source = find_source(film)
    assert (source.count, source.size, source.is_film) == (9, SIZE, True)
    reader = FrameReader(source)
    for i in (3, 7, 2, 2, 8, 0):
        assert abs(float(reader.read(i)[10, 60:90].mean()) - 8 * i) < 4, i
    with pytest.raises(InputError, match="frame 9 of 9"):
        reader.read(9)


def test_pictures_are_taken_in_the_order_of_their_numbers(tmp_path):
    write_pictures(tmp_path / "images", 12)
    source = find_source(tmp_path)
    assert [p.stem for p in source.files] == [f"frame_{i}" for i in range(12)]
    assert FrameReader(source).read(11)[0, 60, 0] == 88


def test_pictures_that_a_transforms_file_names_are_those_and_in_its_order(tmp_path):
    write_pictures(tmp_path / "anything", 5)
    names = [f"anything/frame_{i}.png" for i in (4, 2, 0)]
    save_nerfstudio(tmp_path / "transforms.json", path(3), names)
    source = find_source(tmp_path)
    assert source.count == 3
    assert FrameReader(source).read(0)[0, 60, 0] == 32
    assert find_cameras(source) == tmp_path / "transforms.json"
    (tmp_path / "anything" / "frame_2.png").unlink()
    with pytest.raises(InputError, match=r"1 of the 3 pictures.*frame_2"):
        find_source(tmp_path)


def test_the_digest_tells_other_frames_from_these(film):
    before = find_source(film).digest
    assert find_source(film).digest == before
    write_video(film / "film.mp4", pictures(8), fps=16, crf=1)
    assert find_source(film).digest != before
    save_lyra(film, path(8))
    with pytest.raises(ModelError, match="changed"):
        GivenFrames(source=film, digest=before).check_frames(8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "none", "not there"),
        (lambda folder: folder, "neither pictures nor a film"),
        (lambda folder: (folder / "notes.txt", (folder / "notes.txt").write_text("x"))[0], "film or a folder"),
    ],
)
def test_what_holds_no_frames_is_refused(tmp_path, make, message):
    with pytest.raises(InputError, match=message):
        find_source(make(tmp_path))


def test_a_film_cut_short_and_pictures_of_two_sizes_are_refused(film, tmp_path):
    whole = (film / "film.mp4").read_bytes()
    (film / "film.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cut short"):
        find_source(film)
    other = tmp_path / "other"
    write_pictures(other, 3)
    Image.fromarray(pictures(1, (48, 32))[0]).save(other / "frame_1.png")
    with pytest.raises(InputError, match=r"one size.*frame_1\.png 48x32"):
        find_source(other)


def test_two_films_are_asked_about_but_a_whole_one_wins_over_its_parts(film):
    write_video(film / "other.mp4", pictures(3), fps=16)
    with pytest.raises(InputError, match=r"film\.mp4, other\.mp4"):
        find_source(film)
    (film / "other.mp4").rename(film / "full_video.mp4")
    assert find_source(film).count == 3


def test_frames_and_poses_must_agree_in_number(film):
    source = find_source(film)
    with pytest.raises(InputError, match=r"need their cameras.*film\.npz"):
        find_cameras(source)
    save_lyra(film, path(7))
    with pytest.raises(InputError, match=r"9 frames, 7 poses.*--frames 7"):
        read_cameras(find_cameras(source), source)
    assert len(read_cameras(find_cameras(source), source, frames=7).path) == 7
    with pytest.raises(InputError, match="--frames 9"):
        read_cameras(find_cameras(source), source, frames=12)


def test_a_longer_lyra_trajectory_is_cut_and_a_longer_nerfstudio_file_is_not(film):
    source = find_source(film)
    save_lyra(film, path(20), {0: "a room", 5: "its wall", 15: "later"})
    cameras = read_cameras(film / "trajectory.npz", source)
    assert len(cameras.path) == 9
    assert "20 poses" in cameras.notes[0]
    assert cameras.captions == {0: "a room", 5: "its wall"}
    save_nerfstudio(film / "transforms.json", path(20))
    with pytest.raises(InputError, match="more poses than frames"):
        read_cameras(film / "transforms.json", source)


def test_a_film_without_its_seed_picture_goes_with_a_photo(film):
    save_lyra(film, path(10))
    with pytest.raises(ModelError, match="--frames 9"):
        GivenFrames(source=film).check_frames(10)
    model = GivenFrames(source=film, photo=True)
    model.check_frames(10)
    # Frame 1 of the world is the film's first.
    assert abs(float(model.picture(1, SIZE)[10, 60:90].mean()) * 255) < 4
    assert abs(float(model.picture(9, SIZE)[10, 60:90].mean()) * 255 - 64) < 4


def test_the_lens_goes_with_the_cut():
    lens = fitted_lens((100, 50), (80, 44))
    k = lens.intrinsics(np.array([[90.0, 0, 50], [0, 90, 25], [0, 0, 1]]))
    # The picture's middle stays the middle; a pixel of the source lands where its ray does.
    assert np.allclose(k[:2, 2], [40, 22])
    image = np.zeros((50, 100, 3), np.uint8)
    image[20:24, 70:74] = 255
    small = fitted_picture(image, lens)
    rows, columns = np.nonzero(small[..., 0] > 0.4)
    centre = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
    ray = (np.array([72.0, 22.0]) - [50, 25]) / 90
    assert np.allclose(k[:2, :2] @ ray + k[:2, 2], centre, atol=0.3)
    with pytest.raises(PathError, match="another shape"):
        fitted_lens((100, 100), (80, 44))


def test_the_model_needs_a_source_and_a_known_scale(film):
    with pytest.raises(ModelError, match="needs frames"):
        GivenFrames().check_frames(9)
    with pytest.raises(ModelError, match="depth, poses, none"):
        GivenFrames(source=film, scale="metres")
    save_lyra(film, path(9))
    model = GivenFrames(source=film)
    with pytest.raises(ModelError, match="--frames 9"):
        model.check_frames(81)
    kept = model.record()
    assert kept["video_cameras"] == "trajectory.npz (lyra2)"
    assert json.dumps(kept)
