# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A wavy floor becomes flat; what stands on it and the sky stay."""

from __future__ import annotations

import numpy as np

from lyra_core.generation.floor import settle_floor
from lyra_core.geometry import intrinsics_from_fov, look_at, pixel_rays, unproject
from lyra_core.types import Camera

CAMERA = Camera(intrinsics_from_fov(70, 160, 96), look_at(np.array([0, 0, 1.5]), np.array([0, 4, 0.9])), 160, 96)


def plane_depth() -> np.ndarray:
    down = pixel_rays(CAMERA) @ CAMERA.world_from_camera[2, :3]
    return np.where(down < -0.05, 1.5 / np.maximum(-down, 1e-6), 0).astype(np.float32)


def test_waves_of_four_per_cent_vanish(rng):
    truth = plane_depth()
    waves = truth * (1 + 0.04 * np.sin(np.arange(160) / 9)[None]).astype(np.float32)
    heights = unproject(settle_floor(waves, CAMERA), CAMERA)[truth > 0][:, 2]
    assert np.abs(heights).max() < 1e-4


def test_a_box_keeps_its_face_and_the_sky_stays_empty():
    truth = plane_depth()
    box = truth.copy()
    box[30:60, 60:100] = 2.5  # well in front of the floor behind it
    settled = settle_floor(box, CAMERA)
    far = (truth == 0) | (truth > 2.5 / 0.9)
    inside = np.zeros_like(far)
    inside[30:60, 60:100] = True
    assert (settled[inside & far] == box[inside & far]).all()
    assert (settled[truth == 0] == box[truth == 0]).all()


def test_ground_below_the_floor_is_lifted_but_a_pit_is_not():
    truth = plane_depth()
    floor = truth > 0
    assert np.allclose(settle_floor(truth * np.float32(1.1), CAMERA)[floor], truth[floor], rtol=1e-5)
    assert np.array_equal(settle_floor(truth * np.float32(1.5), CAMERA), truth * np.float32(1.5))
