# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A later measurement: every file agrees on it, and nothing is ever half scaled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lyra_core.errors import InputError, WorldError
from lyra_core.geometry import unproject
from lyra_core.pipeline.begin import read_plan
from lyra_core.pipeline.events import Note
from lyra_core.pipeline.rescale import rescale
from lyra_core.world import WorldFolder, read_manifest
from lyra_core.world.atomic import digest_file
from lyra_core.world.plan import settle_plan
from tests.pipeline import box_room

FACTOR = 1.37


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "world"
    box_room.make_world(folder, build=False)
    return folder


@pytest.fixture
def world(plain, tmp_path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "world"))


def run(folder: Path, **measurement) -> list:
    return list(rescale(folder, build=False, **measurement))


def content(folder: Path):
    frames = WorldFolder.open(folder).frames
    return (
        np.stack([f.depth for f in frames]),
        np.stack([f.camera.world_from_camera for f in frames]),
        np.array(read_plan(folder).world_from_camera),
    )


def test_depth_poses_and_plan_grow_by_the_same_factor(world):
    depth, poses, plan = content(world)
    run(world, factor=FACTOR)
    new_depth, new_poses, new_plan = content(world)
    np.testing.assert_allclose(new_depth, depth.astype(np.float64) * FACTOR, rtol=1e-7)  # one float32 rounding
    np.testing.assert_array_equal(new_poses[:, :3, :3], poses[:, :3, :3])
    np.testing.assert_allclose(new_poses[:, :3, 3], poses[:, :3, 3] * FACTOR, rtol=1e-15)
    np.testing.assert_array_equal(new_poses, new_plan)
    np.testing.assert_allclose(plan[:, :3, 3] * FACTOR, new_plan[:, :3, 3], rtol=1e-15)


def test_a_factor_and_its_inverse_cancel_up_to_float_rounding(world):
    before = content(world)
    names = sorted(p.name for p in (world / "frames").iterdir())
    run(world, factor=FACTOR)
    run(world, factor=1 / FACTOR)
    for old, new in zip(before, content(world), strict=True):
        np.testing.assert_allclose(new, old, rtol=2.5e-7, atol=1e-15)  # two float32 roundings
    assert sorted(p.name for p in (world / "frames").iterdir()) == names, "no file is left over"
    assert read_manifest(world).seed_view["scale_factor"] == pytest.approx(1.0)


def test_pictures_are_not_touched_and_every_digest_holds(world):
    pictures = {p.name: (p.stat().st_mtime_ns, p.stat().st_ino) for p in (world / "frames/rgb").iterdir()}
    run(world, factor=FACTOR)
    assert {p.name: (p.stat().st_mtime_ns, p.stat().st_ino) for p in (world / "frames/rgb").iterdir()} == pictures
    for chunk in read_manifest(world).chunks:
        for name, digest in chunk.files.items():
            assert digest_file(world / name) == digest
    assert WorldFolder.open(world).drop_damaged() == 0


def test_the_manifest_tells_where_the_scale_comes_from_now(world):
    run(world, camera_height=1.2)
    view = read_manifest(world).seed_view
    assert view["scale_source"] == "camera height"
    assert not view["scale_is_a_guess"]
    assert view["camera_height_m"] == pytest.approx(1.2)
    assert view["floor_rms_m"] == pytest.approx(0.01 * 0.8)
    assert view["notes"] == []
    (step,) = view["scale_history"]
    assert step["factor"] == pytest.approx(0.8)
    assert step["source_before"] == "default camera height"
    segment = read_manifest(world).segments[0]
    assert segment.options["min_clearance_after_m"] == pytest.approx(0.8)
    assert segment.options["clearance"] == 0.35, "what was asked for is no figure"
    assert segment.limits == ["before rescaling: The path was shortened to 2.0 m."]


def test_a_known_length_is_that_long_afterwards(world):
    # Two pixels on the far wall at one depth: their distance in the room follows from the lens.
    first = WorldFolder.open(world).frames[0]
    row, left, right = 20, 30, 70
    ends = [np.array([(u + 0.5), (row + 0.5), 1.0]) for u in (left, right)]
    rays = [np.linalg.inv(first.camera.intrinsics) @ end for end in ends]
    length = np.linalg.norm(rays[0] * first.depth[row, left] - rays[1] * first.depth[row, right])
    run(world, known_length=(left + 0.5, row + 0.5, right + 0.5, row + 0.5, 2 * float(length)))
    assert read_manifest(world).seed_view["scale_factor"] == pytest.approx(2.0, rel=1e-6)


def edge_of_block(folder: Path, index: int) -> tuple[tuple[float, ...], float]:
    """Two pixels of a frame on the top of the block, as --known-length takes them, and how far apart they are."""
    frame = WorldFolder.open(folder).frames[index]
    points = unproject(frame.depth, frame.camera)
    top = np.abs(points[..., 2] - box_room.BLOCK[1][2]) < 1e-3
    rows, columns = np.nonzero(top)
    assert len(rows) > 20, "the frame sees the block from above"
    ends = (rows[0], columns[0]), (rows[-1], columns[-1])
    length = float(np.linalg.norm(points[ends[0]] - points[ends[1]]))
    return tuple(v + 0.5 for row, column in ends for v in (column, row)), length


@pytest.mark.parametrize("index", [1, 2])
def test_a_known_length_can_be_clicked_in_any_frame(world, index):
    pixels, length = edge_of_block(world, index)
    run(world, known_length=(*pixels, 1.5 * length), frame=index)
    view = read_manifest(world).seed_view
    assert view["scale_factor"] == pytest.approx(1.5, rel=1e-5)
    assert (view["scale_source"], view["scale_is_a_guess"]) == ("known length", False)
    assert view["scale_history"][-1]["asked"]["frame"] == index
    grown = WorldFolder.open(world).frames[index]
    (u, v, w, x, _) = (*pixels, 0)
    points = unproject(grown.depth, grown.camera)
    new = np.linalg.norm(points[int(v), int(u)] - points[int(x), int(w)])
    assert new == pytest.approx(1.5 * length, rel=1e-5)


def test_the_pixels_of_one_frame_mean_something_else_in_another(world):
    pixels, length = edge_of_block(world, 1)
    run(world, known_length=(*pixels, length))
    assert abs(read_manifest(world).seed_view["scale_factor"] - 1) > 0.05


def test_rescale_takes_the_frame_from_the_command_line(world):
    from typer.testing import CliRunner

    from lyra_core.cli.main import app

    (u, v, w, x), length = edge_of_block(world, 2)
    words = [
        "rescale",
        str(world),
        "--known-length",
        f"{u},{v},{w},{x},{2 * length}",
        "--frame",
        "2",
        "--device",
        "cpu",
    ]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    assert read_manifest(world).seed_view["scale_factor"] == pytest.approx(2.0, rel=1e-5)
    assert WorldFolder.open(world).is_built


def test_two_points_of_the_world_are_as_far_apart_as_was_measured(world):
    before = read_manifest(world).seed_view["camera_height_m"]
    run(world, between=(0.0, 0.0, 0.0, 0.0, 3.0, 4.0, 10.0))
    view = read_manifest(world).seed_view
    assert (view["scale_source"], view["scale_is_a_guess"]) == ("known length", False)
    assert view["camera_height_m"] == pytest.approx(2 * before, rel=1e-12)
    assert view["scale_history"][-1]["asked"] == {"between": [0.0, 0.0, 0.0, 0.0, 3.0, 4.0, 10.0]}


def test_a_camera_height_applied_twice_changes_nothing_the_second_time(world):
    run(world, camera_height=1.2)
    before = content(world)
    run(world, camera_height=1.2)
    for old, new in zip(before, content(world), strict=True):
        np.testing.assert_allclose(new, old, rtol=2e-7)


@pytest.mark.parametrize("step", range(6))
def test_a_kill_leaves_the_old_world_or_the_new_one(world, monkeypatch, step):
    """The process dies before its step-th change on disk; then the same command is given again."""
    old = content(world)
    count = {"n": 0}
    replace = Path.replace

    def dying(self, target):
        if count["n"] == step:
            raise KeyboardInterrupt
        count["n"] += 1
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        run(world, factor=2.0)
    monkeypatch.undo()
    settle_plan(world)
    depth, poses, plan = content(world)
    scale = depth.max() / old[0].max()
    assert scale in (1.0, 2.0)
    np.testing.assert_array_equal(depth, old[0] * np.float32(scale))
    np.testing.assert_array_equal(poses, plan, "frames and plan speak of one world")
    np.testing.assert_array_equal(poses[:, :3, 3], old[1][:, :3, 3] * scale)
    run(world, factor=2.0)
    np.testing.assert_array_equal(content(world)[0], old[0] * 2, "the factor is applied once")
    assert len(list((world / "frames").glob("*.npz"))) == 3


def test_a_killed_switch_cannot_be_read_with_the_wrong_plan(world, monkeypatch):
    """Between the two renames there is no plan at all, so that extend refuses instead of mixing scales."""
    update = WorldFolder.update

    def dying(self, manifest):
        update(self, manifest)
        raise KeyboardInterrupt

    monkeypatch.setattr(WorldFolder, "update", dying)
    with pytest.raises(KeyboardInterrupt):
        run(world, factor=2.0)
    monkeypatch.undo()
    with pytest.raises(WorldError, match="missing or damaged"):
        read_plan(world)
    settle_plan(world)
    assert read_plan(world).centers[0, 2] == pytest.approx(2 * box_room.EYE)


@pytest.mark.parametrize(
    "measurement",
    [
        {},
        {"factor": 2.0, "camera_height": 1.0},
        {"factor": 0.0},
        {"factor": -1.0},
        {"factor": float("nan")},
        {"camera_height": 0.0},
        {"camera_height": 600.0},
        {"known_length": (10.0, 10.0, 10.0, 10.0, 1.0)},
        {"known_length": (10.0, 10.0, 500.0, 10.0, 1.0)},
        {"known_length": (10.0, 10.0, 20.0, 10.0, -1.0)},
        {"known_length": (10.0, 10.0, 20.0, 10.0, 1.0), "frame": 8},
        {"known_length": (10.0, 10.0, 20.0, 10.0, 1.0), "frame": -1},
        {"factor": 2.0, "frame": 1},
    ],
)
def test_measurements_that_cannot_be_are_refused_and_change_nothing(world, measurement):
    before = (world / "manifest.json").read_bytes()
    with pytest.raises(InputError):
        run(world, **measurement)
    assert (world / "manifest.json").read_bytes() == before


def test_a_path_that_now_passes_too_close_is_named(world):
    notes = [e.message for e in run(world, factor=0.2) if isinstance(e, Note)]
    assert any("passes 0.20 m" in note for note in notes)


def test_an_unfinished_world_is_refused(world):
    whole = WorldFolder.open(world)
    whole.update(whole.manifest.__class__(**{**vars(whole.manifest), "chunks": whole.manifest.chunks[:1]}))
    with pytest.raises(WorldError, match="not finished"):
        run(world, factor=2.0)


def test_all_derived_files_speak_of_the_new_metres(world):
    for _ in rescale(world, factor=2.0, device="cpu"):
        pass
    opened = WorldFolder.open(world)
    assert opened.is_built
    for name, digest in opened.manifest.outputs.items():
        if name != "built_from":
            assert digest_file(world / name) == digest, name
    from lyra_core.reconstruction import read_ply
    from lyra_core.usd import read_camera_path, read_collision_tiles

    size = 2 * (box_room.HIGH - box_room.LOW)
    splats = read_ply(world / "splats.ply").means
    np.testing.assert_allclose(np.ptp(splats[:, :2], axis=0), size[:2], atol=0.1)
    tiles = np.concatenate([mesh.vertices for _, mesh in read_collision_tiles(world)])
    assert np.ptp(tiles[:, 2]) == pytest.approx(np.ptp(splats[:, 2]), abs=0.3)  # the ceiling is not seen; two voxels
    assert read_camera_path(world).centers[0, 2] == pytest.approx(2 * box_room.EYE, abs=1e-5)
    transforms = json.loads((world / "frames/transforms.json").read_text())
    assert transforms["frames"][0]["transform_matrix"][2][3] == pytest.approx(2 * box_room.EYE)
    assert 'scale_source = "user factor"' in (world / "world.usda").read_text()
