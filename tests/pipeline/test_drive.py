# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""lyra drive on a house of two rooms that is a whole world folder."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

pytest.importorskip("pxr")

from lyra_core.cli import drive as command
from lyra_core.errors import ConfigError, InputError, MissingDependencyError, PathError, WorldError
from lyra_core.navigation import FREE, OccupancyGrid, build_grid, write_map
from lyra_core.pipeline import drive_video
from lyra_core.pipeline.begin import write_plan
from lyra_core.pipeline.drive import drive
from lyra_core.pipeline.events import Finished, Note, Progress, StageStarted
from lyra_core.pipeline.report import Section, write_report
from lyra_core.pipeline.report.drive_report import forget_drives
from lyra_core.reconstruction.ply import write_ply
from lyra_core.reconstruction.video import read_video
from lyra_core.simulation import is_available
from lyra_core.types import Mesh
from lyra_core.usd.robot_shapes import RobotLook
from lyra_core.world import Manifest, WorldFolder, digest_file, read_manifest
from tests.simulation.test_drive import house
from tests.usd.conftest import write_room
from tests.usd.synthetic import join, some_gaussians, some_path

needs_physx = [
    pytest.mark.physics,
    pytest.mark.skipif(not is_available(), reason="ovphysx is not installed (physics extra)"),
]


def physics(test):
    for mark in needs_physx:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("house") / "world"
    WorldFolder.create(folder, Manifest({}, {"name": "none"}, {}, {}, {}, [], []))
    tiles = house()
    write_room(folder, tiles=tiles, labels={})
    (folder / "frames").mkdir()
    write_plan(folder, some_path())
    write_ply(folder / "splats.ply", some_gaussians(300))
    save_map(folder, build_grid(join([(mesh.vertices, mesh.faces) for _, mesh in tiles])))
    spawn = [{"position": [1.0, 0.8, 0.04], "yaw": 0.5, "clearance": 0.5}]
    (folder / "navigation" / "spawn.json").write_text(json.dumps(spawn))
    return folder


def save_map(folder: Path, grid: OccupancyGrid) -> None:
    (folder / "navigation").mkdir(exist_ok=True)
    for name, data in write_map(folder / "navigation", grid).items():
        Path(name).write_bytes(data)


@pytest.fixture
def world(finished, tmp_path) -> Path:
    return shutil.copytree(finished, tmp_path / "world")


def run(*args, **options) -> tuple[Finished, list]:
    events = list(drive(*args, **options))
    assert isinstance(events[-1], Finished)
    return events[-1], events


@physics
def test_random_drives_reach_and_leave_figures_a_picture_and_a_video(world, monkeypatch):
    monkeypatch.setattr(drive_video, "_MAX_FRAMES", 10)  # each one costs a quarter of a second
    done, events = run(world, random=3, seed=2)
    assert done.passed
    assert [e.done for e in events if isinstance(e, Progress) and e.stage == "drive"] == [1, 2, 3]
    figures = json.loads((world / "navigation" / "drive.json").read_text())
    assert (figures["reached"], figures["collisions"], figures["seed"]) == (3, 0, 2)
    assert (world / "navigation" / "drive.png").stat().st_size > 5_000
    frames = list(read_video(world / "navigation" / "drive.mp4"))
    assert len(frames) == figures["video"]["frames"]
    assert frames[0].shape == (360, 960, 3)
    # The robot drives on: pictures from the start and the end differ, and both have something in them.
    assert np.abs(frames[0].astype(int) - frames[-1].astype(int)).mean() > 3
    assert min(frame.std() for frame in (frames[0], frames[-1])) > 10


@physics
def test_a_video_that_is_stopped_does_not_lose_the_drives(world):
    events = drive(world, random=2, seed=2)
    for event in events:
        if isinstance(event, StageStarted) and event.stage == "video":
            break
    events.close()
    figures = json.loads((world / "navigation" / "drive.json").read_text())
    assert (figures["runs"], figures["reached"], figures["passed"], figures["video"]) == (2, 2, True, None)
    assert not (world / "navigation" / "drive.mp4").exists()


@physics
def test_the_report_and_the_manifest_show_the_last_drive(world):
    parts = {"summary": [("frames", "8")], "sections": [Section("Mesh")], "last": [Section("Time")]}
    write_report(world, title="House", passed=True, data={"a": 1}, **parts)
    for seed in (1, 2):
        run(world, random=2, seed=seed, video=False)
    html = (world / "report.html").read_text()
    assert html.count("<h2>Drives</h2>") == 1
    assert html.index("<h2>Mesh</h2>") < html.index("<h2>Drives</h2>") < html.index("<h2>Time</h2>")
    assert html.count("data:image/png;base64,") == 1
    assert "2 of 2" in html
    data = json.loads((world / "report.json").read_text())
    assert data["a"] == 1
    assert (data["drive"]["seed"], data["drive"]["reached"]) == (2, 2)
    outputs = read_manifest(world).outputs
    for name in ("navigation/drive.json", "navigation/drive.png"):
        assert outputs[name] == digest_file(world / name)
    assert "navigation/drive.mp4" not in outputs
    forget_drives(world)
    assert not (world / "navigation" / "drive.json").exists()


@physics
def test_a_goal_in_the_other_room_is_reached_from_the_spawn_pose(world):
    done, _ = run(world, goal=(4.9, 3.0), video=False)
    assert done.passed
    (one,) = done.figures["drives"]
    assert one["start"][:2] == pytest.approx([1.0, 0.8], abs=0.1)
    assert not (world / "navigation" / "drive.mp4").exists()


@physics
def test_a_world_that_was_closed_after_its_map_was_made_fails_the_drive(world):
    write_room(world, tiles=house(closed=True), labels={})
    done, _ = run(world, goal=(4.9, 3.0), video=False)
    assert not done.passed
    assert done.figures["outcomes"] == {"stuck": 1}
    assert done.figures["collisions"] >= 1


@physics
def test_the_command_answers_with_exit_codes(world, capsys):
    def code(**options):
        defaults = {"goal": None, "random": 0, "robot": "lyra_bot", "seed": 0, "video": False, "device": "cpu"}
        defaults |= {"engine": "ovphysx", "newton_python": None}
        with pytest.raises(typer.Exit) as stopped:
            command.drive(world, **{**defaults, **options}, json_=True)
        return stopped.value.exit_code, json.loads(capsys.readouterr().out.strip().splitlines()[-1])

    status, answer = code(goal="4.9,3.0")
    assert (status, answer["ok"], answer["reached"]) == (0, True, 1)
    status, answer = code(goal="40,3")
    assert status == 2
    assert "nearest reachable point" in answer["error"]["do"]
    assert code(goal="here")[0] == 2
    assert code(robot="lyrabot", random=2)[0] == 2
    write_room(world, tiles=house(closed=True), labels={})
    assert code(goal="4.9,3.0")[0] == 1


@physics
def test_without_splats_the_drive_counts_and_the_missing_video_is_told(world):
    (world / "splats.ply").unlink()
    done, events = run(world, goal=(4.9, 3.0))
    assert done.passed
    assert any(isinstance(e, Note) and "splats.ply" in e.message for e in events)


def test_a_world_without_floor_is_refused(world):
    save_map(world, OccupancyGrid(np.full((20, 20), FREE + 2, np.uint8), 0.05, (0.0, 0.0)))
    with pytest.raises(PathError, match="no floor"):
        list(drive(world, random=5))


def test_what_is_no_drive_is_refused(world, tmp_path):
    with pytest.raises(InputError, match="where to drive"):
        list(drive(world))
    with pytest.raises(InputError, match="where to drive"):
        list(drive(world, goal=(1, 1), random=3))
    with pytest.raises(ConfigError, match="Isaac Sim"):
        list(drive(world, random=1, robot="nova_carter"))
    with pytest.raises(WorldError, match="not a world"):
        list(drive(tmp_path, random=1))
    with pytest.raises(InputError, match="Unknown physics engine"):
        list(drive(world, random=1, engine="bullet"))


def test_newton_without_its_environment_is_refused_with_the_commands_that_make_it(world, monkeypatch):
    monkeypatch.delenv("LYRA_NEWTON_PYTHON", raising=False)
    with pytest.raises(MissingDependencyError, match=r"pip install .newton\[sim\]==1\.8\.0"):
        list(drive(world, random=1, engine="newton"))
    with pytest.raises(MissingDependencyError, match="cannot run Newton"):
        list(drive(world, random=1, engine="newton", newton_python=Path(sys.executable)))
    with pytest.raises(MissingDependencyError, match="no such interpreter"):
        list(drive(world, random=1, engine="newton", newton_python=Path("nowhere/python")))


def test_the_robot_camera_looks_along_the_robots_x_axis_from_its_mount():
    turned = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # 90 degrees to the left
    camera = drive_video._robot_camera(np.array([1.0, 2.0, 0.0]), turned, (0.1, 0.0, 0.4))
    np.testing.assert_allclose(camera.center, (1.0, 2.1, 0.4), atol=1e-12)
    np.testing.assert_allclose(camera.forward, (0, 1, 0), atol=1e-12)


def test_links_follow_the_base_and_wheels_roll_forward():
    point = Mesh(np.array([[0, 0, 0.07]], np.float32), np.zeros((0, 3), np.int32), None, np.zeros((1, 3), np.uint8))
    rest = np.eye(4)
    rest[:3, 3] = (0, 0.15, 0.07)
    posed = drive_video._posed(
        RobotLook({"left_wheel_link": point}, {"left_wheel_link": rest}), np.zeros(3), np.eye(3), [0.5, 0.0]
    )
    # A wheel that rolls forward turns its top to +x.
    np.testing.assert_allclose(posed.vertices[0], (0.07 * np.sin(0.5), 0.15, 0.07 + 0.07 * np.cos(0.5)), atol=1e-6)
