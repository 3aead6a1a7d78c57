# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Views with holes and what belongs there, made by the product's own reprojection.

Two sources. Clusters of posed views: one or two of them go into a memory, another is the target. Single views: the view
is drawn from a place beside it, and that picture, with the holes that the move tears, is drawn back. What the way there
and back loses is exactly what a camera at the other place does not see, and the truth is known without a second picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.memory import SpatialMemory
from lyra_core.models.video.embedded.base import Working, encode_depth, working_guide
from lyra_core.models.video.embedded.tensors import Past, past_of
from lyra_core.models.video.fill.clean import trusted
from lyra_core.training.depth_augment import augment
from lyra_core.training.view_clusters import SIZE, Cluster, moved_view
from lyra_core.training.view_store import View
from lyra_core.types import Camera, Frame, Guide

__all__ = ["FillSample", "Filled", "cluster_frames", "cluster_sample", "memory_sample", "vary", "warped_back"]

_F32 = NDArray[np.float32]
Filled = tuple[_F32, _F32]
"""rgb (H, W, 3) in [0, 1] and z-depth (H, W) [m] with +inf for sky."""
_LEAST, _MOST = 0.03, 0.75  # share of holes that a sample may have
_THROWS = 4


@dataclass(frozen=True, slots=True, eq=False)
class FillSample:
    """One view to fill.

    Attributes
    ----------
    view: what is known. pasts: past frames, oldest first. truth: (4, H, W) rgb in [-1, 1] and encoded depth.
    valid: (H, W) bool, where the truth has a depth.
    """

    view: Working
    pasts: tuple[Past, ...]
    truth: _F32
    valid: NDArray[np.bool_]


def _frame(index: int, rgb: _F32, depth: _F32, camera: Camera, owned: NDArray[np.bool_] | None = None) -> Frame:
    sky = np.isinf(depth)
    solid = np.where(sky, 0, depth).astype(np.float32)
    return Frame(index, rgb, solid, sky, camera, np.ones_like(sky) if owned is None else owned)


def _whole(frame: Frame) -> Guide:
    """A frame as a guide that knows everything it shows."""
    size = frame.sky.shape
    xy = np.zeros((*size, 2), np.float32)
    known = frame.sky | (frame.depth > 0)
    return Guide(frame.rgb, frame.depth, known, frame.sky, np.zeros(size, np.int32), xy, frame.camera)


def _with_sky(frame: Frame) -> _F32:
    return np.where(frame.sky, np.inf, frame.depth).astype(np.float32)


def memory_sample(guide: Guide, target: Frame, pasts: Sequence[Frame]) -> FillSample:
    """A sample from what a memory shows of the target's view."""
    view = working_guide(guide, trusted(guide))
    whole = _whole(target)
    truth = working_guide(whole, np.asarray(whole.known))
    code = encode_depth(truth.depth, view.scale)
    stacked = np.concatenate([truth.rgb.transpose(2, 0, 1) * 2 - 1, code[None]]).astype(np.float32)
    small = tuple(past_of(np.asarray(past.rgb), _with_sky(past), past.camera) for past in pasts)
    return FillSample(view, small, stacked, truth.known)


def _hole(sample: FillSample) -> float:
    return float((~sample.view.known).mean())


def warped_back(view: View, rng: np.random.Generator) -> FillSample:
    """A sample from a single view; colours, sky, crop and mirror vary."""
    cut = augment(view, SIZE, rng)
    sky = np.isinf(cut.depth)
    solid = cut.depth[(cut.depth > 0) & ~sky]
    reach = float(np.median(solid)) if len(solid) else 5.0
    camera = _standing(cut.focal, cut.center, cut.up)
    truth = _frame(0, np.clip(cut.image, 0, 1).astype(np.float32), cut.depth, camera)
    there = SpatialMemory()
    there.insert(truth)
    best: FillSample | None = None
    for _ in range(_THROWS):
        aside = there.guide(moved_view(camera, reach, rng))
        # Where a surface is seen edge on, its interpolated depth may fall behind the camera: nothing to go by.
        keep = aside.known & (aside.sky | (aside.depth > 0))
        depth = np.where(keep & ~aside.sky, aside.depth, 0).astype(np.float32)
        lost = Frame(1, np.clip(aside.rgb, 0, 1), depth, aside.sky & keep, aside.camera, keep)
        back = SpatialMemory()
        back.insert(lost)
        best = memory_sample(back.guide(camera), truth, [lost])
        if _LEAST < _hole(best) < _MOST:
            break
    assert best is not None
    return best


def _standing(focal: float, center: tuple[float, float], up: NDArray[np.float64]) -> Camera:
    """A camera 1.4 m over the origin that sees `up` against gravity."""
    up = np.asarray(up, np.float64) / np.linalg.norm(up)
    ahead = np.array([0, 0, 1.0]) - up * up[2]
    ahead /= max(float(np.linalg.norm(ahead)), 1e-9)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([ahead, np.cross(up, ahead), up])  # rows: world axes in the camera's frame
    pose[2, 3] = 1.4
    lens = np.array([[focal, 0, center[0]], [0, focal, center[1]], [0, 0, 1]])
    return Camera(lens, pose, *SIZE)


def vary(cluster: Cluster, rng: np.random.Generator) -> Cluster:
    """The cluster under other colours, the same for all its views, and perhaps mirrored."""
    image = cluster.rgb.astype(np.float32) / np.float32(255)
    image = image ** np.float32(np.exp(rng.normal(0, 0.2)))
    image = image * np.exp(rng.normal(0, 0.07, 3) + rng.normal(0, 0.15)).astype(np.float32)
    grey = image.mean(axis=3, keepdims=True)
    image = np.clip(grey + np.float32(np.clip(rng.normal(0.9, 0.3), 0, 1.6)) * (image - grey), 0, 1)
    rgb, depth, cameras = np.rint(image * 255).astype(np.uint8), cluster.depth, cluster.cameras
    if rng.uniform() < 0.5:
        mirror = np.diag([-1.0, 1, 1, 1])
        rgb, depth = rgb[:, :, ::-1], depth[:, :, ::-1]
        cameras = tuple(camera.moved(mirror @ camera.world_from_camera @ mirror) for camera in cameras)
    return Cluster(np.ascontiguousarray(rgb), np.ascontiguousarray(depth), cameras)


def cluster_frames(cluster: Cluster) -> list[Frame]:
    """The true frames of a cluster, each owning all its pixels."""
    rgb = cluster.rgb.astype(np.float32) / np.float32(255)
    return [_frame(i, rgb[i], cluster.depth[i], cluster.cameras[i]) for i in range(len(cluster.cameras))]


def cluster_sample(
    cluster: Cluster,
    rng: np.random.Generator,
    rollout: Callable[[FillSample], Filled] | None = None,
    *,
    aside: float = 0.0,
) -> FillSample:
    """A sample from posed views.

    aside: chance of a last past frame that the memory does not hold. Of what the memory holds a past frame tells
    nothing new, so without such samples the network learns not to look at any.
    rollout: fills a sample with the network itself. Then the second past frame is not the truth but what the network
    made of that view from the first: the sample holds its errors, as at run time (self-augmented history).
    """
    frames = cluster_frames(vary(cluster, rng))
    best: FillSample | None = None
    for _ in range(_THROWS):
        order = rng.permutation(len(frames))
        first, second, target = (frames[i] for i in order[:3])
        memory = SpatialMemory()
        memory.insert(first)
        pasts = [first]
        if rollout is not None:
            pasts.append(_made(memory, second, first, rollout))
            memory.insert(pasts[1])
        elif rng.uniform() < 0.4:
            memory.insert(second)
            pasts.append(second)
        if aside > 0 and rng.uniform() < aside:
            pasts.append(frames[order[3]])
        best = memory_sample(memory.guide(target.camera), target, pasts)
        if _LEAST < _hole(best) < _MOST:
            break
    assert best is not None
    return best


def _made(memory: SpatialMemory, true: Frame, past: Frame, rollout: Callable[[FillSample], Filled]) -> Frame:
    sample = memory_sample(memory.guide(true.camera), true, [past])
    rgb, depth = rollout(sample)
    return _frame(true.index, rgb, depth, sample.view.camera, ~sample.view.known)
