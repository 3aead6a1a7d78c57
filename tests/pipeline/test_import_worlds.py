# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A world's splats in every format of other programs, and back as a whole world: same place, same looks, all checks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lyra_core.cli.main import app
from lyra_core.ops.splat import SplatSettings, splatter
from lyra_core.pipeline.imports import UP_AXES
from lyra_core.reconstruction import gaussians_from_frames, psnr, read_ply, write_ply
from lyra_core.reconstruction.formats import convert_splats
from lyra_core.reconstruction.imported import moved_gaussians
from lyra_core.simulation import is_available
from lyra_core.types import Camera, Gaussians
from lyra_core.world import WorldFolder, read_manifest
from tests.pipeline import box_room

pytestmark = [
    pytest.mark.slow,
    pytest.mark.physics,
    pytest.mark.skipif(not is_available(), reason="ovphysx is not installed (physics extra)"),
]

SMALL = ["--set", "build.flythrough=false", "--set", "build.triangles=6000", "--set", "build.drops=40"]
LEAST_PSNR = 34.0  # [dB]; the most compressed format quantises positions and colours to 8 to 14 bits


@pytest.fixture(scope="module")
def room() -> Gaussians:
    frames = [box_room.frame(i, camera) for i, camera in enumerate(box_room.path(12))]
    return gaussians_from_frames(frames).all


def lyra(*words: object) -> None:
    done = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert done.exit_code == 0, done.output


def assert_same(world: Path, room: Gaussians, file_from_room: np.ndarray) -> None:
    """The world is the room up to a place and a turn on its floor: scale, up and looks are those of the original."""
    record = read_manifest(world).seed_view["import"]
    turn, scale = np.array(record["rotation"]) @ file_from_room[:3, :3], record["scale"]
    shift = scale * np.array(record["rotation"]) @ file_from_room[:3, 3] + np.array(record["translation"])
    size = np.cbrt(np.linalg.det(turn))
    assert scale * size == pytest.approx(1.0, rel=0.01)
    assert turn[2, 2] / size > np.cos(np.radians(1.0)), "level within 1 degree"
    assert abs(shift[2]) < 0.02, "the floor lies at z = 0"
    own, there = (splatter(g, SplatSettings(), device="cpu") for g in (room, read_ply(world / "splats.ply")))
    for camera in box_room.path(3, size=(160, 120)):
        pose = np.eye(4)
        pose[:3, :3] = turn / size @ camera.world_from_camera[:3, :3]
        pose[:3, 3] = scale * turn @ camera.center + shift
        moved = Camera(camera.intrinsics, pose, camera.width, camera.height)
        a, b = own.draw(camera), there.draw(moved)
        assert psnr(a.rgb, b.rgb) > LEAST_PSNR
        solid = (a.alpha > 0.9) & (b.alpha > 0.9)
        assert solid.mean() > 0.8
        assert np.median(np.abs(b.depth[solid] / a.depth[solid] - 1)) < 0.01


@pytest.mark.parametrize("kind", ["spz", "sog", "splat", "ksplat", "compressed.ply"])
def test_every_format_becomes_the_same_world_and_passes_all_checks(room, tmp_path, kind):
    pytest.importorskip("gaussforge", reason="the extra [formats] is not installed")
    file_from_room = np.eye(4)
    if kind == "spz":  # its axes are fixed: y up
        file_from_room[:3, :3] = np.array(UP_AXES["y"], dtype=float).T
    write_ply(tmp_path / "room.ply", moved_gaussians(room, file_from_room[:3, :3], 1.0, np.zeros(3)))
    file = tmp_path / f"splats.{kind}"
    file.write_bytes(convert_splats(tmp_path / "room.ply", kind))
    out = tmp_path / "world"
    lyra("import", file, "--out", out, "--scale", 1, "--positions", 3, "--device", "cpu", *SMALL)
    assert_same(out, room, file_from_room)
    lyra("check", out)


@pytest.mark.parametrize("cameras", [False, True])
def test_what_lyra_2_leaves_behind_becomes_the_same_world(room, tmp_path, cameras):
    """reconstructed_scene.ply lies in the axes of the first camera, y down, in a unit of its own."""
    path, unit = box_room.path(6), 0.4
    back = np.linalg.inv(path.world_from_camera[0])
    file_from_room = np.diag([unit, unit, unit, 1.0]) @ back
    file = tmp_path / "reconstructed_scene.ply"
    write_ply(file, moved_gaussians(room, back[:3, :3], unit, unit * back[:3, 3]))
    words = ["--up", "-y", "--scale", 1 / unit, "--positions", 3]
    if cameras:
        poses = back @ path.world_from_camera
        poses[:, :3, 3] *= unit
        arrays = {"w2c": np.linalg.inv(poses).astype(np.float32), "intrinsics": path.intrinsics.astype(np.float32)}
        np.savez(tmp_path / "trajectory.npz", **arrays, image_height=72, image_width=96)
        words = ["--up", "-y", "--cameras", tmp_path / "trajectory.npz", "--camera-height", box_room.EYE]
    out = tmp_path / "world"
    lyra("import", file, "--out", out, *words, "--device", "cpu", *SMALL)
    assert_same(out, room, file_from_room)
    assert WorldFolder.open(out).manifest.seed_view["scale_source"] == ("camera height" if cameras else "user factor")
    lyra("check", out)
