# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What a person does with the explorer's page: tabs, fields, clicks on places of the world."""

from __future__ import annotations

import math

import numpy as np

from lyra_core.explorer.views import top_view
from lyra_core.geometry import look_at, matrix_from_quat, rigid

LONG = 400_000  # ms: never what a test asserts; a loaded box with two cores draws without a GPU here


def new_page(browser, width=900, height=600):
    """A tab of the browser in which nothing is too slow."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(LONG)
    return page


def tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click(timeout=LONG)


def say(page, text, timeout=LONG):
    """Wait until the page says so. The same words may stand in a tab that is not shown."""
    page.get_by_text(text).locator("visible=true").first.wait_for(timeout=timeout)


def button(page, name):
    page.get_by_role("button", name=name).locator("visible=true").first.click(timeout=LONG)


def press(page, name, answer, tries=4):
    """Press a button until it says the answer: under load a panel that still moves can swallow a press."""
    from playwright.sync_api import TimeoutError as TooLate

    for _ in range(tries - 1):
        button(page, name)
        try:
            say(page, answer, timeout=LONG / tries)
        except TooLate:
            continue
        return
    button(page, name)
    say(page, answer, timeout=LONG / tries)


def unfold(page, name):
    """Open a folder of the panel by its title."""
    page.get_by_text(name, exact=True).locator("visible=true").first.click(timeout=LONG)


def field(page, label, number=1):
    """The input behind a label, or the second or third one of a vector."""
    kind = "not(@type='file') and not(@type='hidden')"
    words = f"xpath=//*[normalize-space(text())='{label}']/following::input[{kind}][{number}]"
    return page.locator(words).locator("visible=true").first


def fill(page, label, value, number=1):
    box = field(page, label, number)
    box.fill(str(value), timeout=LONG)
    box.press("Enter")


def shot(page, shots, name):
    page.wait_for_timeout(1500)
    page.screenshot(path=str(shots / f"{name}.png"), timeout=LONG)


def pixel(page, position, rotation, fov, point):
    """Where the page shows a point (3,): camera at position (3,), rotation (3, 3) OpenCV to world, vertical fov [rad]."""
    x, y, z = np.asarray(rotation).T @ (np.asarray(point, float) - np.asarray(position, float))
    assert z > 0, "behind the camera"
    size = page.viewport_size
    focal = size["height"] / 2 / math.tan(fov / 2)
    return size["width"] / 2 + focal * x / z, size["height"] / 2 + focal * y / z


def pixel_of_client(page, client, point):
    """The same with the camera that the server knows of a tab."""
    camera = client.camera
    return pixel(page, camera.position, matrix_from_quat(np.asarray(camera.wxyz, float)), camera.fov, point)


def pixel_from_top(page, points, point):
    """The same for the page's top view of a world of which points (N, 3) were seen."""
    position, look = top_view(points)
    pose = rigid(look_at(position, look)[:3, :3], position)
    return pixel(page, position, pose[:3, :3], math.radians(60.0), point)


def until(page, condition, what, times=1):
    """Let the page live until something is so, as often in a row: a loaded page still sends what was so before."""
    held = 0
    for _ in range(LONG // 200):
        held = held + 1 if condition() else 0
        if held == times:
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"waited in vain: {what}")
