# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The training-free video model with the real memory."""

from __future__ import annotations

import numpy as np
import pytest

from lyra_core.errors import ModelError
from lyra_core.memory.spatial import SpatialMemory
from lyra_core.models.protocols import DepthModel, ModelProgress, VideoModel, VideoRequest
from lyra_core.models.registry import DEPTH_MODELS, VIDEO_MODELS, depth_model, video_model
from lyra_core.resources import shipped
from lyra_core.types import CameraPath, Frame
from tests.models.scene import camera, render


def _run(views, *, seed=0):
    start = camera()
    rgb, depth, sky = render(start)
    memory = SpatialMemory()
    memory.insert(Frame(0, rgb, depth, sky, start, np.ones(sky.shape, bool)))
    path = CameraPath(
        np.stack([v.world_from_camera for v in views]),
        np.stack([v.intrinsics for v in views]),
        start.width,
        start.height,
    )
    request = VideoRequest(path, 1, memory, (), None, np.random.default_rng(seed))
    frames, progress = {}, []
    for item in video_model("reproject").generate(request):
        if isinstance(item, ModelProgress):
            progress.append(item)
        else:
            assert item.index not in frames
            memory.insert(item)
            frames[item.index] = item
    return frames, progress


def test_every_frame_comes_once_with_progress_to_the_end():
    frames, progress = _run([camera(yaw=-2.0 * i) for i in range(1, 8)])
    assert sorted(frames) == list(range(1, 8))
    assert [p.done for p in progress] == list(range(1, 8))
    assert progress[-1].total == 7


def test_a_place_looks_the_same_on_return():
    turn = [3.0 * i for i in range(1, 9)]
    frames, _ = _run([camera(yaw=-a) for a in [*turn, *turn[-2::-1]]])
    assert frames[8].owned.mean() > 0.2  # the turn showed new ground
    for out, back in ((5, 11), (3, 13)):
        # Same view, same owner pixels: only slivers at their borders may be drawn from another frame.
        assert np.abs(frames[out].rgb - frames[back].rgb).mean() < 0.01
        assert frames[back].owned.mean() < 0.03


def test_invented_geometry_agrees_with_the_room():
    view = camera(yaw=-20.0)
    frames, _ = _run([view])
    truth = render(view)[1]
    new = frames[1].owned & (truth > 0)
    assert np.median(np.abs(frames[1].depth / np.maximum(truth, 1e-3) - 1)[new]) < 0.02


def test_the_same_seed_gives_the_same_bytes():
    views = [camera(yaw=-10.0), camera(yaw=-20.0)]
    (a, _), (b, _) = _run(views, seed=4), _run(views, seed=4)
    assert all(a[i].rgb.tobytes() == b[i].rgb.tobytes() for i in a)


def test_frame_counts_are_checked():
    model = video_model("reproject")
    model.check_frames(1)
    with pytest.raises(ModelError):
        model.check_frames(0)


def test_unknown_models_suggest_a_near_name():
    with pytest.raises(ModelError, match="Did you mean 'reproject'"):
        video_model("reprojct")
    with pytest.raises(ModelError, match="Did you mean 'prior'"):
        depth_model("priors")


@pytest.mark.parametrize("name", sorted(VIDEO_MODELS))
def test_registered_video_models_follow_the_protocol(name):
    if name == "embedded" and not shipped("data", "models", "video", "video.safetensors").is_file():
        pytest.skip("no weights of the embedded video model are shipped; lyra train video makes them")
    assert isinstance(video_model(name), VideoModel)


def test_registered_depth_models_can_be_imported():
    import importlib

    for target in DEPTH_MODELS.values():
        module, _, attribute = target.partition(":")
        assert hasattr(importlib.import_module(module), attribute)
    assert isinstance(depth_model("prior"), DepthModel)
