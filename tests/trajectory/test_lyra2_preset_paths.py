# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Lyra 2.0's presets as camera paths of our world: --path lyra2:NAME."""

import numpy as np
import pytest

from lyra_core.errors import PathError
from lyra_core.geometry import ZUP_FROM_RDF
from lyra_core.trajectory import SeedScene, make_path, plan_path
from lyra_core.trajectory.lyra2_presets import LYRA_PRESETS
from lyra_core.types import Camera

START = Camera(np.array([[300.0, 0, 160], [0, 300.0, 90], [0, 0, 1]]), ZUP_FROM_RDF, 320, 180)


def scene():
    depth = np.full((180, 320), 4.0, np.float32)
    return SeedScene.from_depth(depth, START, valid=np.ones((180, 320), bool), floor_z=None)


@pytest.mark.parametrize("name", LYRA_PRESETS)
@pytest.mark.parametrize("frames", [9, 10])
def test_each_preset_gives_the_frames_asked_for_and_begins_at_the_photo(name, frames):
    path = make_path(f"lyra2:{name}", start=START, frames=frames, scene=scene(), strength=0.2)
    assert len(path) == frames
    assert np.array_equal(path.world_from_camera[0], START.world_from_camera)


def test_a_lyra_preset_goes_through_the_clearance_limiter():
    planned = plan_path("lyra2:horizontal_zoom", start=START, frames=21, scene=scene(), strength=2.0)
    deepest = (np.linalg.inv(START.world_from_camera) @ np.append(planned.path.centers[-1], 1.0))[2]
    assert 1.0 < deepest <= 4.0 - 0.3


def test_directions_mirror_the_path():
    right = make_path("lyra2:horizontal", start=START, frames=9, scene=scene(), strength=0.2)
    left = make_path("lyra2:horizontal", start=START, frames=9, scene=scene(), strength=0.2, direction="left")
    assert np.allclose(right.centers[:, 0], -left.centers[:, 0])
    assert right.centers[-1, 0] > 0.5


def test_a_wrong_name_gets_the_nearest_of_lyra():
    with pytest.raises(PathError, match="lyra2:spiral"):
        make_path("lyra2:spirale", start=START, frames=9, scene=scene())
