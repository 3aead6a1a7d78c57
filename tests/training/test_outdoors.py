# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Outdoor training scenes: closed bodies, the same bytes for the same seed, views with ground under the camera."""

import numpy as np
import pytest

from lyra_core.training.level_views import camera_at
from lyra_core.training.outdoors import make_outdoors, sample_outdoor_view
from lyra_core.training.renderer import render
from lyra_core.training.soup import TriangleSoup


def _volume(soup):
    corners = soup.finish()[0]
    return np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6


def test_a_box_is_closed_and_faces_outward():
    soup = TriangleSoup()
    soup.box(np.array([3.0, -2, 1]), np.array([0.5, 1.5, 1.0]), 0.7, 0, 1, tile=1.0)
    assert _volume(soup) == pytest.approx(8 * 0.5 * 1.5 * 1.0)


def test_textures_are_laid_on_in_metres():
    soup = TriangleSoup()
    soup.box(np.zeros(3), np.array([3.0, 1.0, 2.0]), 0.0, 0, 1, tile=2.0)
    corners, uvs, texture, _ = soup.finish()
    side = texture == 0
    edge = np.linalg.norm(corners[side][:, 1] - corners[side][:, 0], axis=1)
    np.testing.assert_allclose(np.linalg.norm(uvs[side][:, 1] - uvs[side][:, 0], axis=1), edge / 2.0, atol=1e-9)


def test_a_post_with_many_sides_has_the_area_of_a_cylinder():
    soup = TriangleSoup()
    soup.post(np.array([1.0, 2, 0]), np.array([1.0, 2, 3]), (0.2, 0.2), 0, sides=64)
    corners = soup.finish()[0]
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
    assert area == pytest.approx(2 * np.pi * 0.2 * 3 + np.pi * 0.2**2, rel=0.01)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_place():
    one, two, other = make_outdoors(5), make_outdoors(5), make_outdoors(6)
    for name in ("vertices", "uvs", "face_texture", "vertex_light"):
        np.testing.assert_array_equal(getattr(one.scene, name), getattr(two.scene, name))
    assert one.scene.vertices.shape != other.scene.vertices.shape


@pytest.mark.parametrize("kind", ["square", "shore", "yard", "street"])
def test_views_stand_over_the_ground_and_the_sky_is_above_the_horizon(kind):
    place = make_outdoors(9, kind)
    rng = np.random.default_rng(1)
    found = [view for _ in range(30) if (view := sample_outdoor_view(place, (64, 48), rng)) is not None][:4]
    assert len(found) == 4
    for scene, camera in found:
        assert camera.center[2] - place.height(*camera.center[:2]) > 0.35
        _, depth, sky = render(scene, camera, supersample=1)
        x, y = np.meshgrid(np.arange(64) + 0.5, np.arange(48) + 0.5)
        rays = (
            np.stack([x, y, np.ones_like(x)], -1)
            @ (camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.intrinsics)).T
        )
        assert sky[rays[..., 2] < -0.1].mean() < 0.06 if (rays[..., 2] < -0.1).any() else True
        assert np.isfinite(depth).all()


def test_a_street_has_houses_on_both_sides_and_none_on_it():
    """Looking across, walls stand beyond the kerb on both sides; along it the way is free further than it is wide."""
    free, walled = [], []
    for seed in range(6):
        place = make_outdoors(seed, "street")
        heading, half = place.street
        eye = np.array([0.0, 0, place.height(0.0, 0.0) + 1.5])
        for turn, far in ((0.5 * np.pi, walled), (-0.5 * np.pi, walled), (0.0, free), (np.pi, free)):
            camera = camera_at(eye, yaw=heading + turn, pitch=0.15, size=(9, 9), focal=60.0)
            _, depth, sky = render(place.scene, camera, supersample=1)
            distance = float(np.median(np.where(sky, 500.0, depth)))
            assert distance > 0.7 * half
            far.append(distance / half)
    assert np.mean(np.array(walled) < 4) > 0.7
    assert np.mean(np.array(free) > 4) > 0.7
