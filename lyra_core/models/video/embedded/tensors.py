# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Views and past frames as tensors of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lyra_core.geometry.projection import pixel_rays
from lyra_core.models.video.embedded.base import Working, classical_base, encode_depth
from lyra_core.models.video.embedded.network import PAST_CHANNELS, Inputs
from lyra_core.types import Camera

__all__ = ["PAST_FRAMES", "PAST_SIZE", "Past", "past_of", "stack_inputs", "view_arrays"]

PAST_FRAMES = 2
PAST_SIZE = (64, 36)  # width, height
_F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """A past frame, small: rgb (h, w, 3) sRGB, depth (h, w) [m], +inf sky, 0 unknown; camera of that size."""

    rgb: _F32
    depth: _F32
    camera: Camera


def past_of(rgb: _F32, depth: _F32, camera: Camera) -> Past:
    """Shrink a frame; depth (H, W) [m], +inf sky, 0 unknown. Unknown pixels are black."""
    seen = depth > 0
    small = cv2.resize(np.where(seen[..., None], rgb, 0).astype(np.float32), PAST_SIZE, interpolation=cv2.INTER_AREA)
    thin = cv2.resize(depth, PAST_SIZE, interpolation=cv2.INTER_NEAREST_EXACT)
    return Past(np.asarray(small, np.float32), np.asarray(thin, np.float32), camera.resized(*PAST_SIZE))


def _past_channels(past: Past, view: Working) -> _F32:
    here_from_there = view.camera.camera_from_world @ past.camera.world_from_camera
    rays = pixel_rays(past.camera) @ here_from_there[:3, :3].T.astype(np.float32)
    origin = np.broadcast_to((here_from_there[:3, 3] / view.scale).clip(-4, 4), rays.shape)
    seen = past.depth > 0
    parts = [past.rgb * 2 - 1, encode_depth(past.depth, view.scale)[..., None] * seen[..., None], seen[..., None]]
    return np.concatenate([*parts, rays, origin], axis=2).astype(np.float32).transpose(2, 0, 1)


def _rays(camera: Camera) -> _F32:
    rays = pixel_rays(camera)
    up = camera.world_from_camera[2, :3].astype(np.float32)
    rise = (rays @ up) / np.linalg.norm(rays, axis=2)
    return np.stack([rays[..., 0], rays[..., 1], rise]).astype(np.float32)


def view_arrays(view: Working, pasts: Sequence[Past]) -> tuple[_F32, _F32, _F32, _F32]:
    """base (4, H, W), hole (1, H, W), rays (3, H, W), past (PAST_FRAMES, 11, h, w): one view, as Inputs has them.

    Missing past frames are zeros.
    """
    rgb, code = classical_base(view)
    base = np.concatenate([rgb.transpose(2, 0, 1) * 2 - 1, code[None]]).astype(np.float32)
    past = np.zeros((PAST_FRAMES, PAST_CHANNELS, PAST_SIZE[1], PAST_SIZE[0]), np.float32)
    for i, frame in enumerate(pasts[-PAST_FRAMES:]):
        past[i] = _past_channels(frame, view)
    return base, (~view.known)[None].astype(np.float32), _rays(view.camera), past


def stack_inputs(views: Sequence[tuple[_F32, _F32, _F32, _F32]]) -> Inputs:
    """A batch of what `view_arrays` returns."""
    base, hole, rays, past = (torch.from_numpy(np.stack([view[i] for view in views])) for i in range(4))
    return Inputs(base.contiguous(memory_format=torch.channels_last), hole, rays, past)
