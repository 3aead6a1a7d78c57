# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What is written is what is read; what is damaged is noticed."""

from __future__ import annotations

import numpy as np
import pytest

from lyra_core.errors import WorldError
from lyra_core.generation.loop import storable
from lyra_core.geometry import intrinsics_from_fov, look_at
from lyra_core.types import Camera, Frame
from lyra_core.world import Manifest, SegmentRecord, WorldFolder, check_writable
from lyra_core.world.atomic import atomic_path


def make_frame(index: int, rng: np.random.Generator, width: int = 37, height: int = 23) -> Frame:
    camera = Camera(
        intrinsics_from_fov(70, width, height),
        look_at(np.array([0.1 * index, 0, 1.4]), np.array([0.2, 5, 1.0])),
        width,
        height,
    )
    depth = rng.uniform(0.3, 60, (height, width)).astype(np.float32)
    sky = rng.random((height, width)) < 0.2
    depth[sky] = 0
    rgb = rng.random((height, width, 3)).astype(np.float32)
    return storable(Frame(index, rgb, depth, sky, camera, rng.random((height, width)) < 0.5))


def empty_manifest(stops: tuple[int, ...] = (9,)) -> Manifest:
    starts = (0, *stops[:-1])
    segments = [SegmentRecord(a, b, "walk") for a, b in zip(starts, stops, strict=True)]
    return Manifest({}, {}, {}, {}, {}, segments, [])


def test_a_storable_frame_is_a_fixed_point(rng):
    frame = make_frame(0, rng)
    again = storable(frame)
    assert np.array_equal(frame.rgb, again.rgb)
    assert np.array_equal(frame.depth, again.depth)


def test_rounding_of_depth_stays_below_a_tenth_of_a_pixel_footprint(rng):
    depth = rng.uniform(0.05, 500, (50, 40)).astype(np.float32)
    camera = Camera(intrinsics_from_fov(70, 40, 50), np.eye(4), 40, 50)
    none = np.zeros((50, 40), bool)
    frame = Frame(0, np.zeros((50, 40, 3), np.float32), depth, none, camera, none)
    # 832 pixels across 70 degrees: one pixel is 1/594 of the depth.
    assert (np.abs(storable(frame).depth - depth) <= depth / 594 / 10).all()


def test_frames_come_back_bit_for_bit(tmp_path, rng):
    world = WorldFolder.create(tmp_path / "w", empty_manifest())
    frames = [make_frame(i, rng) for i in range(9)]
    world.add_chunk(0, frames[:1])
    world.add_chunk(1, frames[1:])
    read = WorldFolder.open(tmp_path / "w").frames
    assert len(read) == 9
    for want, have in zip(frames, read, strict=True):
        assert have.index == want.index
        for name in ("rgb", "depth", "sky", "owned"):
            assert np.array_equal(getattr(want, name), getattr(have, name)), name
        assert np.array_equal(want.camera.world_from_camera, have.camera.world_from_camera)
        assert np.array_equal(want.camera.intrinsics, have.camera.intrinsics)


def test_equal_content_gives_equal_digests(tmp_path, rng):
    frames = [make_frame(i, rng) for i in range(3)]
    worlds = [WorldFolder.create(tmp_path / name, empty_manifest()) for name in ("a", "b")]
    for world in worlds:
        world.add_chunk(0, frames)
    assert worlds[0].content_digest == worlds[1].content_digest


def test_a_damaged_chunk_and_all_after_it_are_dropped(tmp_path, rng):
    world = WorldFolder.create(tmp_path / "w", empty_manifest())
    for i in range(4):
        world.add_chunk(i, [make_frame(i, rng)])
    picture = tmp_path / "w" / "frames" / "rgb" / "00002.png"
    picture.write_bytes(picture.read_bytes()[:-20])
    world = WorldFolder.open(tmp_path / "w")
    assert world.drop_damaged() == 2
    assert world.frame_count == 2
    assert WorldFolder.open(tmp_path / "w").frame_count == 2


def test_leftovers_of_a_killed_run_are_cleared(tmp_path, rng):
    WorldFolder.create(tmp_path / "w", empty_manifest())
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "w" / "x.bin") as part:  # noqa: PT012
        part.write_bytes(b"half")
        raise KeyboardInterrupt
    assert not list((tmp_path / "w").glob("*x.bin"))
    litter = tmp_path / "w" / "frames"
    litter.mkdir()
    (litter / ".part-1-00001.png").write_bytes(b"half")
    WorldFolder.open(tmp_path / "w")
    assert not list(litter.iterdir())


def test_revert_removes_the_last_steps_and_refuses_more(tmp_path, rng):
    world = WorldFolder.create(tmp_path / "w", empty_manifest((1, 2, 3)))
    for i in range(3):
        world.add_chunk(i, [make_frame(i, rng)])
    world.revert(1)
    assert world.frame_count == 2
    assert not (tmp_path / "w" / "frames" / "chunk_002.npz").exists()
    with pytest.raises(WorldError, match="extend step"):
        world.revert(2)
    with pytest.raises(WorldError, match="extend step"):
        world.revert(-1)


def test_an_output_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(WorldError, match="not empty"):
        check_writable(tmp_path, frames=1, pixels=100, resume=False)


def test_a_file_as_output_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorldError, match="must be a folder"):
        check_writable(tmp_path / "file", frames=1, pixels=100, resume=False)


def test_a_full_disk_is_refused_before_work(tmp_path):
    with pytest.raises(WorldError, match="disk space"):
        check_writable(tmp_path / "w", frames=10**9, pixels=400_000, resume=False)


def test_a_damaged_manifest_says_so(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(WorldError, match="damaged"):
        WorldFolder.open(tmp_path)


def test_a_folder_without_manifest_is_no_world(tmp_path):
    with pytest.raises(WorldError, match="not a world"):
        WorldFolder.open(tmp_path)


def test_a_newer_schema_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text('{"schema_version": 99}')
    with pytest.raises(WorldError, match="newer"):
        WorldFolder.open(tmp_path)
