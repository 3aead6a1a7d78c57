# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialMemory in an exact room: what it shows, who owns it, and that its state is a set."""

from __future__ import annotations

import numpy as np
import pytest

from lyra_core.errors import ConfigError, InputError
from lyra_core.memory import SpatialMemory
from lyra_core.types import Camera, Frame
from tests.memory import room

MODES = ("per_frame_owned", "per_frame", "global_cloud", "none")
WALK = [room.camera((0.08 * i, -2.2 + 0.3 * i, 1.4), (0.1 * i, 2.0, 1.0)) for i in range(6)]
TARGET = room.camera((0.1, -1.4, 1.35), (0.4, 2.0, 1.0))


def frame(index, camera, owned=None, noise=0.0) -> Frame:
    rgb, depth, sky = room.render(camera)
    wave = np.sin(np.indices(depth.shape).sum(0) / 37 + index * 2.1)
    depth = (depth * (1 + noise * wave)).astype(np.float32)
    return Frame(index, rgb, depth, sky, camera, np.ones(depth.shape, bool) if owned is None else owned)


def walked(mode="per_frame_owned", cameras=WALK, **options) -> tuple[SpatialMemory, list[Frame]]:
    """A memory filled as a generator fills it: each frame owns what the memory did not show."""
    memory, frames = SpatialMemory(mode=mode, **options), []
    for i, camera in enumerate(cameras):
        frames.append(frame(i, camera, ~memory.guide(camera).known if i else None))
        memory.insert(frames[-1])
    return memory, frames


def equal(a, b) -> bool:
    return all(
        np.array_equal(getattr(a, n), getattr(b, n), equal_nan=n == "source_xy")
        for n in ("rgb", "depth", "known", "sky", "source", "source_xy")
    )


def psnr(guide, truth) -> float:
    return float(-10 * np.log10(((guide.rgb - truth)[guide.known] ** 2).mean()))


@pytest.mark.parametrize("mode", MODES)
def test_the_guide_shows_the_room(mode):
    memory, _ = walked(mode)
    got, (rgb, depth, sky) = memory.guide(TARGET), room.render(TARGET)
    assert got.known.mean() > (0.4 if mode == "none" else 0.75)  # the 5x5 reliability margin costs a lot at this size
    assert psnr(got, rgb) > 22
    surfaces = got.known & ~got.sky & ~sky
    error = np.abs(got.depth - depth)[surfaces] / depth[surfaces]
    assert np.median(error) < 0.02
    # Plain retrieval drops a margin of two pixels at the top of the walls, and sees sky through it.
    assert (got.sky & ~sky).mean() < (0.01 if mode == "per_frame_owned" else 0.02)
    assert (got.depth[got.sky] == 0).all()
    if mode != "global_cloud":
        assert set(np.unique(got.source)) <= {-1, *memory.frame_ids}
    if mode == "per_frame_owned":
        np.testing.assert_array_equal(got.known, got.source >= 0)
        np.testing.assert_array_equal(got.known, np.isfinite(got.source_xy).all(-1))


@pytest.mark.parametrize("mode", MODES)
def test_the_state_is_a_set_of_frames(mode):
    memory, frames = walked(mode)
    other = SpatialMemory(mode=mode)
    for i in (3, 0, 5, 1, 4, 2):
        other.insert(frames[i])
    assert other.frame_ids == memory.frame_ids
    assert equal(memory.guide(TARGET), other.guide(TARGET))
    assert memory.retrieve([TARGET], count=3) == other.retrieve([TARGET], count=3)


@pytest.mark.parametrize("mode", MODES)
def test_removing_frames_is_as_if_they_had_never_come(mode):
    memory, frames = walked(mode)
    memory.remove_from(3)
    fresh = SpatialMemory(mode=mode)
    for one in frames[:3]:
        fresh.insert(one)
    assert memory.frame_ids == (0, 1, 2)
    assert equal(memory.guide(TARGET), fresh.guide(TARGET))
    memory.insert(frames[3])
    assert len(memory) == 4


def test_disk_and_memory_give_the_same_bytes(tmp_path):
    one, _ = walked()
    two, _ = walked(folder=tmp_path, byte_budget=200_000)  # about two frames
    assert equal(one.guide(TARGET), two.guide(TARGET))


def test_a_place_is_drawn_from_the_frame_that_saw_it_first():
    memory, _ = walked()
    first = SpatialMemory()
    first.insert(frame(0, WALK[0]))
    got, alone = memory.guide(TARGET), first.guide(TARGET)
    both = got.known & alone.known & ~alone.sky
    # The rest: silhouettes, where a later frame's new pixels stand in front by half a pixel.
    assert (got.source[both] == 0).mean() > 0.97


def test_what_a_frame_does_not_own_is_not_drawn_from_it():
    memory = SpatialMemory()
    memory.insert(frame(0, WALK[0], np.zeros((120, 208), bool)))
    assert not memory.guide(WALK[0]).known.any()
    assert memory.retrieve([WALK[0]]) == (0,)  # but it can still be retrieved whole


def test_a_much_closer_view_takes_over():
    near = room.camera((0.0, 0.3, 1.3), (0.0, 2.0, 1.0))
    memory = SpatialMemory()
    memory.insert(frame(0, WALK[0]))
    memory.insert(frame(1, near))
    got = memory.guide(near)
    surfaces = got.known & ~got.sky & (got.depth > 1)
    assert (got.source[surfaces] == 1).mean() > 0.9


def test_repeated_generation_does_not_blur_when_pixels_are_owned():
    """Twelve frames past a wall of noise, each a copy of its guide: contrast is lost once, not twelve times."""
    k = np.array([[100.0, 0, 60], [0, 100.0, 40], [0, 0, 1]])
    wall = np.random.default_rng(0).random((80, 120, 3), np.float32)
    contrast = {}
    for mode in ("per_frame_owned", "per_frame", "none"):
        memory = SpatialMemory(mode=mode)
        for i in range(12):
            pose = np.eye(4)
            pose[:2, 3] = 0.0074 * i, 0.0046 * i  # 0.37 and 0.23 px a frame at 2 m
            camera = Camera(k, pose, 120, 80)
            guide = memory.guide(camera)
            rgb = np.where(guide.known[..., None], guide.rgb, wall)
            memory.insert(Frame(i, rgb, np.full((80, 120), 2.0), np.zeros((80, 120), bool), camera, ~guide.known))
        contrast[mode] = memory.guide(camera).rgb[20:60, 20:100].std() / wall[20:60, 20:100].std()
    assert contrast["per_frame_owned"] > 0.75  # white noise loses a fifth in one cubic interpolation
    assert contrast["per_frame_owned"] > contrast["none"] + 0.1


def test_inconsistent_depth_hurts_owned_less_than_the_fused_cloud():
    quality = {}
    for mode in ("per_frame_owned", "global_cloud"):
        memory = SpatialMemory(mode=mode)
        for i, camera in enumerate(WALK):
            owned = ~memory.guide(camera).known if i else None
            memory.insert(frame(i, camera, owned, noise=0.03))
        quality[mode] = psnr(memory.guide(WALK[0]), room.render(WALK[0])[0])
    assert quality["per_frame_owned"] > quality["global_cloud"] + 1


def test_the_guide_can_be_restricted_to_some_frames():
    memory, _ = walked()
    got = memory.guide(TARGET, frames=[2, 4])
    assert set(np.unique(got.source)) <= {-1, 2, 4}
    assert got.known.mean() < memory.guide(TARGET).known.mean()


def test_sky_is_known_only_where_its_owner_saw_it():
    up = room.camera((0.0, -2.2, 1.4), (0.0, 2.0, 3.4))
    one = frame(0, up)
    half = np.zeros(one.sky.shape, bool)
    half[:, :100] = True
    memory = SpatialMemory()
    memory.insert(Frame(0, one.rgb, one.depth, one.sky, up, half))
    got = memory.guide(up)
    assert got.sky[:, :99].any()
    np.testing.assert_array_equal(got.sky, one.sky & half)
    np.testing.assert_array_equal(got.rgb[got.sky], np.round(one.rgb[got.sky] * 255).astype(np.float32) / 255)


def test_an_empty_memory_knows_nothing():
    for mode in MODES:
        memory = SpatialMemory(mode=mode)
        assert not memory.guide(TARGET).known.any()
        assert memory.retrieve([TARGET]) == ()


def test_wrong_modes_and_repeated_frames_are_refused():
    with pytest.raises(ConfigError, match="per_frame_owned"):
        SpatialMemory(mode="per_frame_own")
    memory = SpatialMemory()
    memory.insert(frame(0, WALK[0]))
    with pytest.raises(InputError, match="inserted once"):
        memory.insert(frame(0, WALK[0]))
