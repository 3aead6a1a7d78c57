# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The table of drives says what was measured; views of a ground-truth room stand in its free space."""

from __future__ import annotations

import numpy as np

from lyra_core.training.drive_evaluation import DriveRow, DriveTable
from lyra_core.training.room_world import look_around
from lyra_core.training.rooms import make_room


def row(reached, agreement=1.0, speed=5.0) -> DriveRow:
    return DriveRow("hall.jpg", 50, reached, 1, 200.0, 0.02, speed, 30.0, agreement, 20_000, {"reached": reached})


def test_a_world_passes_from_its_limits_on():
    assert row(48).passed
    assert not row(47).passed
    assert not row(50, agreement=0.989).passed
    assert not row(50, speed=0.9).passed


def test_the_table_adds_up_and_names_every_world():
    table = DriveTable("PhysX", 0, (row(50), row(45)))
    text = table.text()
    assert "95 of 100 reached (95.0 %)" in text
    assert "45 of 50" in text
    assert not table.passed
    assert [world["passed"] for world in table.to_json()["worlds"]] == [True, False]


def test_the_views_of_a_room_stand_free_and_look_all_around():
    room = make_room(3)
    path = look_around(room, places=3, width=32, height=24)
    assert room.is_free(path.centers, clearance=0.3).all()
    heading = np.arctan2(path.world_from_camera[:, 1, 2], path.world_from_camera[:, 0, 2])
    assert len(np.unique(np.round(heading, 3))) >= 8
    assert path.world_from_camera[:, 2, 2].min() < -0.6, "the floor near the camera is seen too"
