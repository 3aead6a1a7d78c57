# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A torn post becomes one upright sheet; smooth posts, boards, boxes and walls stay what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lyra_core.generation import seed
from lyra_core.generation.photo import Photo
from lyra_core.generation.posts import mend_posts
from lyra_core.geometry import unproject
from lyra_core.meshing import MeshConfig, mesh_from_frames
from tests.generation.told import ToldDepth
from tests.meshing.analytic import Scene, camera_at, render

HALL = ((-8.0, -1.0, 0.0), (8.0, 20.0, 4.0))
POST = ((-1.2, 8.0, 0.0), (-0.7, 8.5, 4.0))
CAMERA = camera_at((0.0, 0.0, 1.4), (0.0, 8.0, 1.1), width=832, height=480, fov=63.0)


def view(*boxes, camera=CAMERA):
    return render(Scene(room=HALL, boxes=boxes), camera)


def post_of(frame):
    """Pixels of a box before the far wall, without those next to the floor."""
    points = unproject(frame.depth, frame.camera)
    return (points[..., 1] < 12) & (points[..., 2] > 0.3) & (points[..., 2] < 3.9) & (np.abs(points[..., 0]) < 3)


def torn(frame, *, seed=3):
    """As learned depth tears a post: strips of it lie up to a fifth nearer or farther, with ramps between."""
    import cv2

    rng = np.random.default_rng(seed)
    waves = cv2.GaussianBlur(rng.normal(size=frame.depth.shape), (0, 0), 6.0)
    waves = np.clip(waves / waves.std() * 0.12, -0.2, 0.2) * post_of(frame)
    return replace(frame, depth=(frame.depth * np.exp(waves)).astype(np.float32))


def mend(frame):
    return mend_posts(frame.depth, frame.sky, frame.camera)


def test_a_torn_post_becomes_upright_where_it_stands():
    frame = view(POST)
    post, bad = post_of(frame), torn(frame)
    assert np.percentile(np.abs(bad.depth - frame.depth)[post], 75) > 0.8
    # At its ends the floor and the ceiling behind it are as near as it is.
    middle = np.abs(unproject(frame.depth, CAMERA)[..., 2][post] - 2.0) < 1.2
    ahead = unproject(mend(bad), CAMERA)[..., 1][post][middle]
    assert np.ptp(np.percentile(ahead, [5, 95])) < 0.08
    assert abs(float(np.median(ahead)) - 8.0) < 0.4
    assert np.array_equal(mend(bad)[:, :200], bad.depth[:, :200])  # the wall beside it


@pytest.mark.parametrize(
    "boxes",
    [
        (POST,),
        (((-1.0, 6.0, 0.0), (-0.95, 8.0, 2.2)),),  # a board that is seen nearly from its edge
        (((-0.5, 6.0, 0.0), (0.5, 7.0, 1.0)), ((-0.2, 9.0, 0.0), (0.2, 9.4, 2.5))),
        (((-1.0, 5.0, 0.0), (-0.9, 5.1, 1.5)), ((-0.9, 9.0, 0.0), (-0.75, 9.2, 3.0))),  # one behind the other
    ],
)
def test_true_depth_stays(boxes):
    frame = view(*boxes)
    assert np.array_equal(mend(frame), frame.depth)


def test_a_mended_post_is_in_the_mesh_and_a_torn_one_is_not():
    bad = torn(view(POST))
    found = []
    for depth in (bad.depth, mend(bad)):
        mesh = mesh_from_frames([replace(bad, depth=depth)], config=MeshConfig(voxel_size=0.09)).collision
        center = mesh.vertices[mesh.faces].mean(axis=1)
        near = (np.abs(center[:, 0] + 0.95) < 0.6) & (np.abs(center[:, 1] - 8.0) < 0.5)
        filled = np.unique(np.floor(center[near, 2] / 0.2).astype(int))
        found.append(len(filled[(filled >= 1) & (filled < 17)]))  # below the upper edge of the picture
    assert found[1] >= 15 > 11 > found[0]


@pytest.mark.parametrize(("confidence", "times"), [(0.4, 1), (0.7, 1), (0.9, 0)])
def test_estimated_depth_is_mended_and_measured_depth_is_not(confidence, times, monkeypatch):
    calls = []
    monkeypatch.setattr(seed, "mend_posts", lambda depth, sky, camera: calls.append(camera) or depth)
    frame = view(POST)
    size = (CAMERA.width, CAMERA.height)
    photo = Photo(np.full((*frame.depth.shape, 3), 0.5, np.float32), size, 1.0, (0.0, 0.0), None, ())
    seed.make_seed(photo, ToldDepth(frame.depth, confidence), seed.SeedOptions(fov=63), np.random.default_rng(0))
    assert len(calls) == times
