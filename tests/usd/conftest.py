# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A furnished room as a world folder."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("pxr")

from lyra_core.usd import SpawnPose, write_world
from tests.usd.synthetic import colored, join, room_tiles, some_gaussians, some_path


def write_room(folder, **changes):
    tiles = changes.pop("tiles", None) or room_tiles(step=0.2)
    parts = {
        "gaussians": some_gaussians(300, 4),
        "sky": some_gaussians(50, 1, seed=3),
        "visual": colored(join([(mesh.vertices, mesh.faces) for _, mesh in tiles])),
        "tiles": tiles,
        "camera_path": some_path(),
        "spawns": [SpawnPose("spawn_0", (1.0, 1.0, 0.0), 0.5)],
        "metadata": {"scale": {"source": "photo", "confidence": 0.8}, "seed": 7, "models": ["a", "b"]},
        "labels": {"Visual/mesh": "room", "Collision/tile_0_0": "floor"},
        "map_metadata": {"resolution": 0.05, "origin": [0.0, 0.0, 0.0]},
    }
    return write_world(folder, **{**parts, **changes})


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("room") / "world"
    write_room(folder)
    return folder


@pytest.fixture
def world(pristine, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(pristine, tmp_path / "world")
