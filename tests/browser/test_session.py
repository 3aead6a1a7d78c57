# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""One session in a real browser, from a photo to a robot that drove; each test goes on where the one before stopped."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lyra_core.geometry import usd_camera_from_opencv
from lyra_core.pipeline.begin import seen_points
from lyra_core.world import WorldFolder
from tests.browser.hand import LONG, button, fill, new_page, pixel, pixel_from_top, say, shot, tab, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHOTO = Path(__file__).parents[2] / "data" / "photos" / "hall.jpg"
FRAMES = 9  # of a step, with the last one of the world


@pytest.fixture(scope="module")
def session(browser, serve, tmp_path_factory):
    worlds = tmp_path_factory.mktemp("worlds")
    server = serve(worlds)
    page = new_page(browser, 1200, 800)
    page.goto(server.url, timeout=LONG)
    say(page, "Drop a photo here")
    yield {"server": server, "page": page, "worlds": worlds}
    page.close()


def _world(session, name="hall"):
    return session["worlds"] / name


def _camera(session):
    return WorldFolder.open(_world(session)).frames[0].camera


def _through_photo(page, camera, u, v):
    """Where the page shows pixel (u, v) of the photo while it looks from the photo's camera."""
    fov = 2 * math.atan(camera.height / 2 / camera.intrinsics[1, 1])
    k = camera.intrinsics
    ray = np.array([(u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1], 1.0])
    return pixel(page, np.zeros(3), np.eye(3), fov, ray)


def _look_from_the_photo(page):
    tab(page, "Look")
    page.get_by_text("Photo", exact=True).locator("visible=true").last.click()
    page.wait_for_timeout(1500)
    tab(page, "Photo")


def _segments(folder):
    return json.loads((folder / "manifest.json").read_text())["segments"]


def test_wrong_uploads_are_answered_with_what_to_do(session, shots):
    page = session["page"]
    shot(page, shots, "01_empty")
    field = page.locator("input[type=file]").first
    field.set_input_files({"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": b"MZ" + bytes(5000)})
    say(page, "not a picture")
    assert not any(session["worlds"].glob("*/manifest.json"))


def test_a_photo_becomes_a_seed_cloud_with_its_scale(session, shots):
    page = session["page"]
    page.locator("input[type=file]").first.set_input_files(str(PHOTO))
    say(page, "photo only")
    say(page, "scale is a guess")
    shot(page, shots, "02_photo")


def test_two_clicked_points_and_their_length_set_the_scale(session, shots):
    page, before = session["page"], _camera(session)
    _look_from_the_photo(page)
    button(page, "Click two points")
    say(page, "Click the first point")
    for share in (0.25, 0.6):
        page.mouse.click(*_through_photo(page, before, share * before.width, 0.6 * before.height))
        page.wait_for_timeout(1500)
    say(page, "at the present scale")
    shot(page, shots, "03_scale")
    text = page.get_by_text("at the present scale").locator("visible=true").first.inner_text()
    shown = float(text.split(" m")[0])
    fill(page, "True length (m)", round(1.25 * shown, 3))
    button(page, "Set the scale")
    say(page, "Set the scale: done")
    say(page, "scale: known length")
    factor = np.linalg.norm(_camera(session).center) / np.linalg.norm(before.center)
    assert factor == pytest.approx(1.25, abs=0.01)  # the shown length is rounded to centimetres


def test_three_clicks_on_the_floor_fix_gravity(session, shots):
    page, camera = session["page"], _camera(session)
    _look_from_the_photo(page)
    button(page, "Click floor points")
    say(page, "0 of 3 points")
    for count, (u, v) in enumerate(((0.3, 0.9), (0.6, 0.62), (0.36, 0.62)), 1):
        page.mouse.click(*_through_photo(page, camera, u * camera.width, v * camera.height))
        say(page, f"{count} of 3 points")
    shot(page, shots, "04_floor")
    button(page, "Make it level")
    say(page, "The floor was turned by")
    manifest = json.loads((_world(session) / "manifest.json").read_text())
    assert [(c["first"], c["stop"]) for c in manifest["chunks"]] == [(0, 1)]  # the frame is there once
    view = manifest["seed_view"]
    assert view["floor_source"] == "3 click(s)"
    assert view["floor_turned_deg"] < 20


def test_a_path_is_previewed_with_what_is_known_of_it(session, shots):
    page = session["page"]
    tab(page, "Path")
    say(page, f"{FRAMES - 1} new frames")
    button(page, "How much is known?")
    say(page, "of what the path sees is known")
    shot(page, shots, "05_path")
    button(page, "Edit as keyframes")
    page.get_by_role("button", name="Add this view").wait_for(timeout=LONG)
    shot(page, shots, "06_keyframes")


def test_a_second_tab_sees_the_same_world(session, browser):
    other = new_page(browser, 1000, 700)
    other.goto(session["server"].url)
    say(other, "photo only")
    other.close()


def test_cancel_stops_the_process_and_the_run_goes_on_later(session):
    page = session["page"]
    tab(page, "Path")
    button(page, "Generate this path")
    end = time.monotonic() + LONG / 1000
    while len(_segments(_world(session))) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    # Eight frames may be done before a page that draws without a GPU has taken the click: the run waits for it.
    for child in session["server"].children():
        os.kill(child, signal.SIGSTOP)
    page.get_by_role("button", name="Cancel").click(timeout=LONG)
    say(page, ": cancelled")
    end = time.monotonic() + 20
    while session["server"].children() and time.monotonic() < end:
        time.sleep(0.2)
    assert session["server"].children() == []


def test_a_run_survives_a_reload_of_the_page_and_follows_the_planned_path_exactly(session, shots):
    page = session["page"]
    manifest = json.loads((_world(session) / "manifest.json").read_text())
    stopped = manifest["chunks"][-1]["stop"] < manifest["segments"][-1]["stop"]
    button(page, "Go on with the stopped run" if stopped else "Generate this path")
    end = time.monotonic() + LONG / 1000
    while not session["server"].children() and time.monotonic() < end:
        time.sleep(0.05)
    page.reload(timeout=LONG)
    say(page, f"{FRAMES} frames")
    say(page, ": done")
    shot(page, shots, "07_generated")

    folder = _world(session)
    with np.load(folder / "frames" / "explorer_path.npz") as planned:
        poses = planned["world_from_camera"]
    frames = json.loads((folder / "frames" / "transforms.json").read_text())["frames"]
    stored = np.array([frame["transform_matrix"] for frame in frames])
    assert len(poses) == len(stored) == FRAMES
    assert np.array_equal(np.array([usd_camera_from_opencv(p) for p in poses]), stored)
    with np.load(folder / "frames" / "plan.npz") as plan:
        assert np.array_equal(plan["world_from_camera"], poses)


def test_a_step_is_added_and_taken_back_and_its_plan_is_there_again(session, shots):
    page, folder = session["page"], _world(session)
    tab(page, "Path")
    page.get_by_role("button", name="Generate this path").wait_for(timeout=LONG)
    fill(page, "Frames", "5")
    say(page, "4 new frames")
    button(page, "Generate this path")
    say(page, f"{FRAMES + 4} frames")
    say(page, "Generate 4 frames: done")
    assert len(_segments(folder)) == 3
    tab(page, "History")
    shot(page, shots, "08_history")
    button(page, "Take back the last step")
    say(page, "Take back the last step: done")
    assert len(_segments(folder)) == 2
    tab(page, "Path")
    say(page, "4 new frames")  # what was taken back can be changed and made again


def test_a_branch_is_a_world_of_its_own_and_is_compared_with_its_parent(session, shots):
    page = session["page"]
    tab(page, "History")
    button(page, "Branch here")
    say(page, "hall~2")
    branch = _world(session, "hall~2")
    until(page, lambda: (branch / "explorer.json").is_file(), "the branch")
    assert json.loads((branch / "explorer.json").read_text())["parent"] == "hall"
    first = "frames/rgb/00000.png"
    assert (branch / first).stat().st_ino == (_world(session) / first).stat().st_ino
    page.get_by_label("Keep this one", exact=True).first.check(force=True)
    until(page, lambda: json.loads((branch / "explorer.json").read_text())["kept"], "the mark")
    shot(page, shots, "09_branch")


def test_everything_can_be_looked_at(session, shots):
    page = session["page"]
    tab(page, "Look")
    for layer in ("Splats", "Points", "Colliders", "Map"):
        box = page.get_by_label(layer, exact=True)
        if box.count() and layer in ("Colliders", "Map"):
            box.first.check(force=True)
    page.get_by_text("Top", exact=True).click()
    shot(page, shots, "10_map")
    page.get_by_text("Overview", exact=True).click()
    shot(page, shots, "11_colliders")
    for layer in ("Splats", "Colliders"):  # software rendering has enough to do with the robot
        page.get_by_label(layer, exact=True).first.uncheck(force=True)


def test_a_robot_drives_and_is_watched(session, shots):
    pytest.importorskip("ovphysx", reason="needs the physics extra")
    from lyra_core.navigation.planner import Planner, read_map
    from lyra_core.navigation.robots import load_robot

    folder = _world(session, "hall~2")
    planner = Planner(read_map(folder), load_robot("lyra_bot").footprint_radius)
    task = planner.random_tasks(1, np.random.default_rng(1), min_distance=1.0)[0]
    page, points = session["page"], seen_points(iter(WorldFolder.open(folder).frames))
    tab(page, "Look")
    page.get_by_text("Top", exact=True).click()
    page.wait_for_timeout(2000)
    tab(page, "Drive")
    for name, place in (("start", task.start), ("goal", task.goal)):
        button(page, f"Click the {name}")
        say(page, f"Click the {name} on the floor")
        page.mouse.click(*pixel_from_top(page, points, (*place, 0.0)))
        page.wait_for_timeout(1000)
    say(page, "Way of")
    shot(page, shots, "12_way")
    button(page, "Drive in PhysX")
    say(page, "The robot reached the goal")
    shot(page, shots, "13_drive")
    report = json.loads((folder / "navigation" / "explorer_drive.json").read_text())
    assert report["reached"] == report["runs"] == 1
    assert np.linalg.norm(np.subtract(report["drives"][0]["goal"][:2], task.goal)) < 0.1  # where it was clicked


def test_an_export_is_made_and_downloaded(session):
    page = session["page"]
    tab(page, "Export")
    button(page, "glb: ")
    say(page, "Export glb: done")
    with page.expect_download(timeout=LONG) as waiting:
        page.get_by_role("button", name="Download", exact=True).click()
    assert waiting.value.suggested_filename.endswith(".glb")
    assert Path(waiting.value.path()).read_bytes()[:4] == b"glTF"


def test_the_left_world_passes_the_check(session, shots):
    page = session["page"]
    button(page, "Check in PhysX")
    say(page, "Check: done")
    shot(page, shots, "14_check")
    command = [sys.executable, "-m", "lyra_core.cli", "check", str(_world(session, "hall~2")), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_server_ends_clean_and_another_one_opens_the_session_again(session, browser, serve):
    server = session["server"]
    children = server.children()
    assert server.stop() == 0
    for child in children:
        assert not Path(f"/proc/{child}").exists()
    again = serve(session["worlds"], _world(session, "hall~2"))
    page = new_page(browser)
    page.goto(again.url, timeout=LONG)
    say(page, f"{FRAMES} frames")
    page.close()
    assert again.stop() == 0
