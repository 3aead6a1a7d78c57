# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""One session in a real browser, from a photo to a robot that drove; each test goes on where the one before stopped."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from lyra_core.geometry import usd_camera_from_opencv

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHOTO = Path(__file__).parents[2] / "data" / "photos" / "hall.jpg"
LONG = 240_000  # ms


@pytest.fixture(scope="module")
def session(browser, serve, tmp_path_factory):
    worlds = tmp_path_factory.mktemp("worlds")
    server = serve(worlds)
    page = browser.new_page(viewport={"width": 1100, "height": 800})
    page.goto(server.url)
    page.get_by_role("tab", name="Photo").wait_for(timeout=LONG)
    yield {"server": server, "page": page, "worlds": worlds}
    page.close()


def _tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def _say(page, text, timeout=LONG):
    # The same words may stand in a tab that is not shown.
    page.get_by_text(text).locator("visible=true").first.wait_for(timeout=timeout)


def _shot(page, shots, name):
    page.wait_for_timeout(1500)
    page.screenshot(path=str(shots / f"{name}.png"))


def _world(session):
    return session["worlds"] / "hall"


def test_wrong_uploads_are_answered_with_what_to_do(session, shots):
    page = session["page"]
    _shot(page, shots, "01_empty")
    field = page.locator("input[type=file]").first
    field.set_input_files({"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": b"MZ" + bytes(5000)})
    _say(page, "not a picture")
    assert not any(session["worlds"].glob("*/manifest.json"))


def test_a_photo_becomes_a_seed_cloud_with_its_scale(session, shots):
    page = session["page"]
    page.locator("input[type=file]").first.set_input_files(str(PHOTO))
    _say(page, "1 frame(s)")
    _say(page, "a guess: measure a length")
    _shot(page, shots, "02_photo")


def test_a_path_is_previewed_with_what_is_known_of_it(session, shots):
    page = session["page"]
    _tab(page, "Path")
    _say(page, "8 new frames")
    page.get_by_role("button", name="How much is known?").click()
    _say(page, "will be invented is pink")
    _shot(page, shots, "03_path")
    page.get_by_role("button", name="Edit as keyframes").click()
    page.get_by_role("button", name="Add view").wait_for(timeout=LONG)
    _shot(page, shots, "04_keyframes")
    page.get_by_text("Undo", exact=True).click()
    page.get_by_role("button", name="Edit as keyframes").wait_for(timeout=LONG)


def test_a_second_tab_sees_the_same_world(session, browser):
    other = browser.new_page(viewport={"width": 1000, "height": 700})
    other.goto(session["server"].url)
    _say(other, "1 frame(s)")
    other.close()


def test_cancel_stops_the_process_and_the_run_goes_on_later(session):
    page = session["page"]
    _tab(page, "Make")
    page.get_by_role("button", name="Generate this path").click()
    page.get_by_role("button", name="Cancel").click(timeout=LONG)
    _say(page, ": cancelled")
    end = time.monotonic() + 20
    while session["server"].children() and time.monotonic() < end:
        time.sleep(0.2)
    assert session["server"].children() == []


def test_a_run_survives_a_reload_of_the_page_and_follows_the_planned_path_exactly(session, shots):
    page = session["page"]
    manifest = json.loads((_world(session) / "manifest.json").read_text())
    stopped = manifest["chunks"][-1]["stop"] < manifest["segments"][-1]["stop"]
    name = "Go on with the stopped run" if stopped else "Generate this path"
    page.get_by_role("button", name=name).click()
    page.get_by_role("button", name="Cancel").wait_for(timeout=LONG)
    page.reload()
    page.get_by_role("tab", name="Make").wait_for(timeout=LONG)
    _say(page, "9 frame(s)")
    _say(page, ": done")
    _shot(page, shots, "05_generated")

    folder = _world(session)
    with np.load(folder / "frames" / "explorer_path.npz") as planned:
        poses = planned["world_from_camera"]
    frames = json.loads((folder / "frames" / "transforms.json").read_text())["frames"]
    stored = np.array([frame["transform_matrix"] for frame in frames])
    assert len(poses) == len(stored) == 9
    assert np.array_equal(np.array([usd_camera_from_opencv(p) for p in poses]), stored)
    with np.load(folder / "frames" / "plan.npz") as plan:
        assert np.array_equal(plan["world_from_camera"], poses)


def test_a_branch_is_a_world_of_its_own(session, shots):
    page = session["page"]
    _tab(page, "Make")
    page.get_by_text("Branch", exact=True).click()
    _say(page, "hall~2")
    branch = session["worlds"] / "hall~2"
    assert json.loads((branch / "explorer.json").read_text())["parent"] == "hall"
    first = "frames/rgb/00000.png"
    assert (branch / first).stat().st_ino == (_world(session) / first).stat().st_ino
    _shot(page, shots, "06_branch")


def test_everything_can_be_looked_at(session, shots):
    page = session["page"]
    _tab(page, "Look")
    for layer in ("Splats", "Points", "Colliders", "Map"):
        box = page.get_by_label(layer, exact=True)
        if box.count() and layer in ("Colliders", "Map"):
            box.first.check(force=True)
    page.get_by_text("Top", exact=True).click()
    _shot(page, shots, "07_map")
    page.get_by_text("Overview", exact=True).click()
    _shot(page, shots, "08_colliders")
    for layer in ("Splats", "Colliders"):  # software rendering has enough to do with the robot
        page.get_by_label(layer, exact=True).first.uncheck(force=True)


def test_a_robot_drives_and_is_watched(session, shots):
    pytest.importorskip("ovphysx", reason="needs the physics extra")
    from lyra_core.navigation.planner import Planner, read_map
    from lyra_core.navigation.robots import load_robot

    planner = Planner(read_map(session["worlds"] / "hall~2"), load_robot("lyra_bot").footprint_radius)
    task = planner.random_tasks(1, np.random.default_rng(1), min_distance=1.0)[0]
    page = session["page"]
    _tab(page, "Drive")
    _say(page, "Start m")
    fields = page.locator("input:visible:not([type=file]):not([inert] *)")
    for field, value in zip(range(4), (*task.start, *task.goal), strict=True):
        fields.nth(field).fill(f"{value:.3f}")
        fields.nth(field).press("Enter")
        page.wait_for_timeout(300)
    page.get_by_role("button", name="Drive in PhysX").click()
    _say(page, "reached the goal")
    _shot(page, shots, "09_drive")


def test_the_exported_page_opens_without_a_server(session, browser, shots):
    page = session["page"]
    _tab(page, "Save")
    page.get_by_role("button", name="Web page without a server").click()
    file = session["worlds"] / "hall~2" / "exports" / "hall~2.html"
    end = time.monotonic() + 120
    while not file.is_file() and time.monotonic() < end:
        page.wait_for_timeout(500)
    alone = browser.new_page(viewport={"width": 900, "height": 600})
    asked = []
    alone.on("request", lambda request: asked.append(request.url))
    alone.goto(f"file://{file}")
    alone.locator("canvas").first.wait_for(timeout=LONG)
    alone.wait_for_timeout(6000)
    alone.screenshot(path=str(shots / "10_embed.png"))
    pixels = np.frombuffer(alone.locator("canvas").first.screenshot(type="png"), np.uint8)
    assert len(pixels) > 20_000  # a scene, not an empty canvas: one colour compresses to a few kilobytes
    assert not [url for url in asked if url.startswith("http")]
    alone.close()


def test_the_server_ends_clean_and_another_one_opens_the_session_again(session, browser, serve):
    server = session["server"]
    assert server.stop() == 0
    again = serve(session["worlds"], session["worlds"] / "hall~2")
    page = browser.new_page()
    page.goto(again.url)
    _say(page, "9 frame(s)")
    page.close()
    assert again.stop() == 0
