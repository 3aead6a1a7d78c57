# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Mouse and keys on a room that is known exactly, in a real browser; the server runs in this process, so that what a
click meant can be compared with the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lyra_core.geometry import SH_C0, matrix_from_quat
from lyra_core.navigation.occupancy import FREE, OCCUPIED, OccupancyGrid
from lyra_core.navigation.spawn import Spawn
from lyra_core.pipeline.exports import write_navigation_files
from lyra_core.reconstruction import write_ply
from lyra_core.types import Gaussians
from tests.browser.hand import (
    LONG,
    button,
    field,
    fill,
    new_page,
    pixel_of_client,
    press,
    say,
    shot,
    tab,
    unfold,
    until,
)
from tests.pipeline.box_room import BLOCK, HIGH, LOW, make_world

SPAWN = (-0.8, -1.0, 0.0)

pytest.importorskip("viser", reason="needs the explorer extra")
from lyra_core.explorer.app import Explorer, ExplorerOptions  # noqa: E402
from lyra_core.explorer.content import frame_cloud  # noqa: E402
from lyra_core.explorer.embed import write_embed  # noqa: E402
from lyra_core.explorer.studio import StudioOptions  # noqa: E402
from lyra_core.explorer.walls import BODY  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Lab:
    """An explorer in this process, with one page that looks from where the room's photo was taken."""

    def __init__(self, explorer, page, browser):
        self.explorer, self.page, self.browser = explorer, page, browser
        self.studio = explorer.studio

    @property
    def client(self):
        return max(self.explorer.server.get_clients().items())[1]

    def stand(self, position, look):
        """Put the page's camera somewhere and wait until it is there."""
        with self.client.atomic():
            self.client.camera.up_direction = (0.0, 0.0, 1.0)
            self.client.camera.position, self.client.camera.look_at = position, look
        until(self.page, lambda: np.allclose(self.client.camera.position, position, atol=1e-3), "the view", times=8)

    def click(self, point):
        """Click where the page shows a point of the world."""
        self.page.mouse.click(*pixel_of_client(self.page, self.client, point))


def _furnished(folder):
    """The room's frames with an exact map, a spawn pose and splats: what the explorer reads of a built world."""
    world = make_world(folder, build=False)
    cell = 0.05
    y, x = np.mgrid[LOW[1] : HIGH[1] : cell, LOW[0] : HIGH[0] : cell] + cell / 2
    block = (x > BLOCK[0][0]) & (x < BLOCK[1][0]) & (y > BLOCK[0][1]) & (y < BLOCK[1][1])
    state = np.pad(np.where(block, OCCUPIED, FREE).astype(np.uint8), 4, constant_values=OCCUPIED)
    grid = OccupancyGrid(state, cell, (LOW[0] - 4 * cell, LOW[1] - 4 * cell))
    write_navigation_files(folder, grid, (Spawn(SPAWN, 1.5, 0.5),))
    cloud = frame_cloud(world.frames[0], most=1200)
    count = len(cloud.points)
    quats = np.tile(np.float32([1, 0, 0, 0]), (count, 1))
    sh = (cloud.colors[:, None] / np.float32(255) - np.float32(0.5)) / np.float32(SH_C0)
    splats = Gaussians(cloud.points, quats, np.full((count, 3), 0.06, np.float32), np.full(count, 0.9, np.float32), sh)
    write_ply(folder / "splats.ply", splats)
    world.update(replace(world.manifest, outputs={"built_from": world.content_digest}))
    return folder


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    root = tmp_path_factory.mktemp("lab")
    folder = _furnished(root / "room")
    options = ExplorerOptions(StudioOptions(root, "quick", frames=9), port=0, most_splats=1500)
    with Explorer(options, folder) as explorer:
        page = new_page(browser, 1100, 700)
        page.goto(explorer.url, timeout=LONG)
        page.get_by_role("tab", name="Photo").wait_for(timeout=LONG)
        made = Lab(explorer, page, browser)
        explorer.page.look.show("Splats", False)  # software rendering
        explorer.page.look.show("Points", True)
        yield made
        page.close()


# What the page shows right of x = 800 lies behind the panel, so the camera looks a little to the right of things.
_EYE, _LOOK = (-0.2, -2.2, 1.5), (0.9, 2.0, 0.9)


def test_two_clicks_in_the_page_measure_the_true_distance(lab):
    lab.stand(_EYE, _LOOK)
    tab(lab.page, "Photo")
    button(lab.page, "Click two points")
    say(lab.page, "Click the first point")
    a, b = (-1.0, HIGH[1], 1.3), (0.5, HIGH[1], 1.3)
    lab.click(a)
    say(lab.page, "Click the second point")
    lab.click(b)
    say(lab.page, "at the present scale")
    picks = lab.studio.clicks.picks
    assert np.linalg.norm(np.subtract(picks[0], a)) < 0.15  # points of a picture of 96 pixels
    assert np.linalg.norm(np.subtract(picks[1], b)) < 0.15
    assert np.linalg.norm(np.subtract(*picks)) == pytest.approx(1.5, abs=0.15)
    assert lab.page.get_by_role("button", name="Set the scale").is_enabled()
    button(lab.page, "Stop clicking")
    until(lab.page, lambda: lab.studio.clicks.mode == "", "the clicks to end")


def test_floor_clicks_hit_the_floor(lab, shots):
    tab(lab.page, "Photo")
    button(lab.page, "Click floor points")
    say(lab.page, "0 of 3 points")
    places = [(-0.6, 1.1, 0.0), (-0.2, 1.6, 0.0), (-0.9, 1.9, 0.0)]
    for count, place in enumerate(places, 1):
        lab.click(place)
        say(lab.page, f"{count} of 3 points")
    for pick, place in zip(lab.studio.clicks.picks, places, strict=True):
        assert abs(pick[2]) < 0.02
        assert np.linalg.norm(np.subtract(pick, place)) < 0.2
    shot(lab.page, shots, "20_floor_clicks")
    button(lab.page, "Stop clicking")
    until(lab.page, lambda: lab.studio.clicks.mode == "", "the clicks to end")


def test_the_camera_keeps_looking_at_a_clicked_point(lab):
    tab(lab.page, "Path")
    unfold(lab.page, "Rules")
    press(lab.page, "Look at a point…", "Now click the point")
    wanted = (0.0, HIGH[1], 1.6)
    lab.click(wanted)
    until(lab.page, lambda: lab.studio.state.plan.now.target is not None, "the target")
    assert np.linalg.norm(np.subtract(lab.studio.state.plan.now.target, wanted)) < 0.15
    button(lab.page, "Look freely")
    until(lab.page, lambda: lab.studio.state.plan.now.target is None, "the free look")


def test_a_keyframe_is_added_moved_by_its_gizmo_and_put_back_by_undo(lab, shots):
    page, studio = lab.page, lab.studio
    tab(page, "Path")
    lab.stand((-0.4, -0.6, 1.4), (-0.2, 2.0, 1.2))
    button(page, "Edit as keyframes")
    until(page, lambda: studio.state.plan.now.source == "keys", "keyframes")
    count = len(studio.state.plan.now.keys)
    button(page, "Add this view")
    until(page, lambda: len(studio.state.plan.now.keys) == count + 1, "one more keyframe")
    at = studio.state.selected
    assert at is not None
    before = studio.state.plan.now.keys[at]
    np.testing.assert_allclose(before.position, (-0.4, -0.6, 1.4), atol=1e-3)
    lab.stand((-1.2, -2.2, 2.2), (0.2, 0.6, 1.1))
    axis = matrix_from_quat(np.asarray(before.wxyz))[:, 0]
    start, end = (pixel_of_client(page, lab.client, before.position + s * axis) for s in (0.35, 0.75))
    page.mouse.move(*start)
    page.wait_for_timeout(700)
    page.mouse.down()
    for share in (0.25, 0.5, 0.75, 1.0):
        page.mouse.move(start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
        page.wait_for_timeout(400)
    page.mouse.up()
    until(page, lambda: studio.state.plan.now.keys[at].position != before.position, "the gizmo's move")
    shot(page, shots, "21_gizmo")
    moved = np.subtract(studio.state.plan.now.keys[at].position, before.position)
    assert moved @ axis > 0.2
    assert np.linalg.norm(moved - (moved @ axis) * axis) < 0.02  # along the arrow only
    page.get_by_text("Undo", exact=True).locator("visible=true").first.click()
    until(page, lambda: studio.state.plan.now.keys[at].position == before.position, "undo")


def test_numbers_move_a_keyframe(lab):
    lab.studio.select(0)
    until(lab.page, lambda: field(lab.page, "Keyframe").input_value() == "1", "the page to show the keyframe")
    fill(lab.page, "Position (m)", "0.25")
    until(lab.page, lambda: abs(lab.studio.state.plan.now.keys[0].position[0] - 0.25) < 1e-9, "the typed number")
    fill(lab.page, "View angle (°)", "41")
    until(lab.page, lambda: lab.studio.state.plan.now.keys[0].fov == 41.0, "the typed angle")


def test_a_wrong_path_file_is_answered_with_what_to_do(lab):
    unfold(lab.page, "Load and save")
    lab.page.locator("input[type=file]:not([accept^=image])").first.set_input_files(
        {"name": "script.py", "mimeType": "text/plain", "buffer": b"print()"}
    )
    say(lab.page, "This kind of path file is not known")


def test_a_path_is_downloaded(lab):
    with lab.page.expect_download(timeout=LONG) as waiting:
        lab.page.get_by_text("TUM", exact=True).locator("visible=true").first.click()
    rows = np.loadtxt(waiting.value.path())
    assert rows.shape == (len(lab.studio.views.path), 8)
    np.testing.assert_allclose(rows[:, 1:4], lab.studio.views.path.centers, atol=1e-5)


def test_a_dropped_file_is_taken_like_a_chosen_one(lab):
    tab(lab.page, "Photo")
    button(lab.page, "Another photo or world…")
    say(lab.page, "Drop a photo here")
    data = lab.page.evaluate_handle(
        "() => { const d = new DataTransfer(); d.items.add(new File(['MZ'], 'photo.jpg', {type: 'image/jpeg'})); return d }"
    )
    lab.page.get_by_text("Drop a photo here").dispatch_event("drop", {"dataTransfer": data})
    say(lab.page, "This file is not a picture")
    button(lab.page, "Back to the world")


def test_two_tabs_see_the_same_plan(lab):
    other = new_page(lab.browser, 900, 700)
    other.goto(lab.explorer.url, timeout=LONG)
    tab(other, "Path")
    fill(other, "Frames", "14")
    until(other, lambda: lab.studio.state.plan.now.frames == 14, "the other tab's number")
    tab(lab.page, "Path")
    say(lab.page, "13 new frames")
    other.close()


def test_walking_stays_at_the_robots_height(lab, shots):
    page = lab.page
    tab(page, "Look")
    lab.stand((-0.5, -1.5, 2.0), (-0.5, 1.5, 1.0))
    button(page, "Walk here")
    until(page, lambda: abs(lab.client.camera.position[2] - 0.6) < 1e-3, "the robot's height", times=8)
    before = np.array(lab.client.camera.position)
    page.mouse.click(300, 600)  # the keys belong to the scene, not to a field
    page.keyboard.down("w")
    until(page, lambda: lab.client.camera.position[1] - before[1] > 0.2, "steps")
    page.keyboard.up("w")
    page.keyboard.down("e")  # rises, and is put back
    page.wait_for_timeout(800)
    page.keyboard.up("e")
    until(page, lambda: abs(lab.client.camera.position[2] - 0.6) < 0.011, "the robot's height again")
    after = np.array(lab.client.camera.position)
    assert after[1] - before[1] > 0.15  # it looked along +y
    shot(page, shots, "22_walk")
    button(page, "Fly again")


def test_walking_stops_at_a_wall_and_slides_along_it(lab, shots):
    page = lab.page
    tab(page, "Look")
    lab.stand((-0.9, HIGH[1] - 1.0, 2.0), (-0.5, HIGH[1] + 0.5, 1.0))  # a little to the right of straight at the wall
    button(page, "Walk here")
    until(page, lambda: abs(lab.client.camera.position[2] - 0.6) < 1e-3, "the robot's height", times=8)
    page.mouse.click(300, 600)
    began = np.array(lab.client.camera.position)
    ahead = np.subtract(lab.client.camera.look_at, began)
    assert ahead[1] > abs(ahead[0]) > 0.02
    page.keyboard.down("w")
    until(page, lambda: lab.client.camera.position[1] > HIGH[1] - BODY - 0.15, "the wall")
    met = np.array(lab.client.camera.position)
    page.wait_for_timeout(4000)  # metres of way, were it not for the wall
    page.keyboard.up("w")
    page.wait_for_timeout(2000)
    after = np.array(lab.client.camera.position)
    shot(page, shots, "22_wall")
    assert after[1] < HIGH[1] - BODY + 0.11  # columns of 5 cm, and the page may be a step ahead
    assert after[0] > met[0] + 0.05  # along the wall, not frozen
    assert np.subtract(lab.client.camera.look_at, after) @ ahead > 0
    button(page, "Fly again")


def test_the_wipe_shows_the_first_frame_left_and_the_return_right(lab, shots):
    page, compare = lab.page, lab.explorer.page.history.compare
    tab(page, "History")
    until(page, lambda: compare.image.visible, "the comparison")
    frames = lab.studio.frames
    picture = np.asarray(compare.image.image)
    middle = picture.shape[1] // 2
    last = int(compare.second.value)
    np.testing.assert_array_equal(picture[:, : middle - 2], np.rint(frames[0].rgb * 255)[:, : middle - 2])
    np.testing.assert_array_equal(picture[:, middle + 2 :], np.rint(frames[last].rgb * 255)[:, middle + 2 :])
    fill(page, "Wipe (%)", "100")
    until(page, lambda: int(compare.blend.value) == 100, "the wipe")
    until(page, lambda: np.array_equal(compare.image.image, np.rint(frames[0].rgb * 255)), "only the first frame")
    shot(page, shots, "23_wipe")


def test_a_branch_is_kept_let_go_and_deleted_after_a_question(lab, shots):
    page, studio = lab.page, lab.studio
    root = studio.folder
    tab(page, "History")
    button(page, "Branch here")
    say(page, "room~2")
    until(page, lambda: studio.folder.name == "room~2", "the branch")
    page.get_by_label("Keep this one", exact=True).first.check(force=True)
    until(page, lambda: studio.state.kept, "the mark")
    page.wait_for_timeout(500)
    assert page.get_by_role("button", name="Delete this branch…").is_disabled()
    page.get_by_label("Keep this one", exact=True).first.uncheck(force=True)
    until(page, lambda: not studio.state.kept, "the mark's end")
    page.wait_for_timeout(500)
    button(page, "Delete this branch…")
    say(page, "Delete room~2?")
    shot(page, shots, "24_delete")
    page.get_by_role("button", name="Delete", exact=True).click()
    until(page, lambda: studio.folder == root, "the parent")
    until(page, lambda: not root.with_name("room~2").exists(), "the files to go")


def test_a_goal_is_clicked_and_the_way_to_it_is_shown(lab, shots):
    page, studio = lab.page, lab.studio
    tab(page, "Drive")
    lab.stand((-0.3, -2.2, 2.3), (0.8, 1.2, 0.0))
    button(page, "Click the goal")
    say(page, "Click the goal on the floor")
    wanted = (-1.0, 1.0)
    lab.click((*wanted, 0.0))
    until(page, lambda: studio.clicks.goal is not None, "the goal")
    np.testing.assert_allclose(studio.clicks.goal, wanted, atol=0.03)
    assert studio.clicks.start == SPAWN[:2]
    say(page, "Way of")
    shot(page, shots, "25_goal")


def test_the_page_of_the_finished_world_opens_from_a_file(lab, tmp_path, shots):
    file = write_embed(lab.studio.folder, tmp_path / "room.html", most_splats=1500)
    alone = new_page(lab.browser, 800, 500)
    asked = []
    alone.on("request", lambda request: asked.append(request.url))
    alone.goto(file.as_uri(), timeout=LONG)
    canvas = alone.locator("canvas").first
    canvas.wait_for(timeout=LONG)

    def drawn():
        import cv2

        data = np.frombuffer(canvas.screenshot(type="png", timeout=LONG), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        return float(np.std(picture[60:-60, 60:-60].astype(np.float64))) > 12.0

    until(alone, drawn, "something on the canvas")
    shot(alone, shots, "26_embed")
    assert not [url for url in asked if url.startswith("http")]
    alone.close()


def test_the_console_is_free_of_errors_of_ours(lab):
    """Nothing but a message of viser's about its own splat quads, whose corners have two coordinates."""
    said = []
    other = new_page(lab.browser, 700, 500)
    other.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    other.on("pageerror", lambda error: said.append(str(error)))
    lab.explorer.page.look.show("Splats", True)
    other.goto(lab.explorer.url, timeout=LONG)
    other.get_by_role("tab", name="Photo").wait_for(timeout=LONG)
    other.wait_for_timeout(4000)
    lab.explorer.page.look.show("Splats", False)
    other.close()
    assert [text for text in said if "Computed radius is NaN" not in text] == []
