# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the generation loop asks of a depth model and of a video model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ModelError
from lyra_core.types import Camera, CameraPath, Frame, Guide
from lyra_core.types.checks import frozen_array

__all__ = ["DepthCompleter", "DepthEstimate", "DepthModel", "Memory", "ModelProgress", "VideoModel", "VideoRequest"]

DepthKind = Literal["metric", "scale"]


@dataclass(frozen=True, slots=True, eq=False)
class DepthEstimate:
    """What a depth model says of one picture.

    Attributes
    ----------
    depth: (H, W) float32 z-depth; metres if kind is "metric", else metres up to one factor. 0 where sky.
    sky: (H, W) bool.
    kind: "metric" (absolute) or "scale" (right up to one factor, which the seed fixes).
    up: (3,) float64 unit direction against gravity in the OpenCV camera frame, or None if the model has no opinion.
    camera_height: height of the camera over the floor in the unit of depth, or None.
    floor: (H, W) bool, pixels that the model holds for walkable ground, or None.
    confidence: 0..1, how far the layout can be trusted.
    notes: remarks for the user.
    """

    depth: NDArray[np.float32]
    sky: NDArray[np.bool_]
    kind: DepthKind = "scale"
    up: NDArray[np.float64] | None = None
    camera_height: float | None = None
    floor: NDArray[np.bool_] | None = None
    confidence: float = 0.5
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        size = self.depth.shape
        if len(size) != 2:
            raise ModelError(
                "Depth must be one map of shape (H, W)",
                got=f"shape {size}",
                do="Return an array of the picture's height and width",
            )
        object.__setattr__(self, "depth", frozen_array(self.depth, size, np.float32, "DepthEstimate.depth"))
        object.__setattr__(self, "sky", frozen_array(self.sky, size, np.bool_, "DepthEstimate.sky"))
        if self.floor is not None:
            object.__setattr__(self, "floor", frozen_array(self.floor, size, np.bool_, "DepthEstimate.floor"))
        if self.up is not None:
            object.__setattr__(self, "up", frozen_array(self.up, (3,), np.float64, "DepthEstimate.up"))
        if not np.isfinite(self.depth).all() or (self.depth < 0).any():
            raise ModelError("A depth model must return finite depth >= 0", do="Report this with the picture")


@runtime_checkable
class DepthModel(Protocol):
    """One picture to depth."""

    name: str

    def estimate(
        self, rgb: NDArray[np.float32], *, intrinsics: NDArray[np.float64], sky: NDArray[np.bool_] | None = None
    ) -> DepthEstimate:
        """Depth of rgb (H, W, 3) float32 sRGB in [0, 1], with K (3, 3) in its pixels; sky overrides the model's own."""
        ...


@runtime_checkable
class DepthCompleter(DepthModel, Protocol):
    """A depth model that can be told depth that is known already; see models/depth/completion.py.

    completes: False where this instance cannot (weights without it): then `estimate` serves.
    """

    completes: bool

    def complete(
        self,
        rgb: NDArray[np.float32],
        *,
        intrinsics: NDArray[np.float64],
        known: NDArray[np.float32],
        sky: NDArray[np.bool_] | None = None,
    ) -> DepthEstimate:
        """As `estimate`, told known z-depth (H, W) [m], 0 = unknown, which may have faults; depth in its unit."""
        ...


class Memory(Protocol):
    """What a video model may ask of the spatial memory."""

    def retrieve(self, cameras: Sequence[Camera], *, count: int = 5) -> tuple[int, ...]:
        """Indices of the frames that see most of what these cameras see; the best is last."""
        ...

    def guide(self, camera: Camera, *, frames: Sequence[int] | None = None) -> Guide:
        """What the memory shows of this view."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class VideoRequest:
    """One chunk of work for a video model.

    Attributes
    ----------
    cameras: the views to make.
    first_index: index of the first view on the whole path; frame i has index first_index + i.
    memory: what is known; it grows by every frame that the loop takes from the model.
    history: the last frames before this chunk, oldest first.
    caption: what the user wants to see, or None.
    rng: the only source of randomness.
    device: "cpu" or "cuda:N".
    past: any earlier frame of the film by its index, for models that look further back than history; or None.
    """

    cameras: CameraPath
    first_index: int
    memory: Memory
    history: tuple[Frame, ...]
    caption: str | None
    rng: np.random.Generator
    device: str = "cpu"
    past: Callable[[int], Frame] | None = None


@dataclass(frozen=True, slots=True)
class ModelProgress:
    """A sign of life between frames: stage in a word, done of total steps."""

    stage: str
    done: int
    total: int


@runtime_checkable
class VideoModel(Protocol):
    """Guides to frames.

    The loop inserts each yielded Frame into the memory before it resumes the generator, so a model sees its own
    earlier frames in later guides. Frames may come in any order (keyframes first); the set must be complete.
    """

    name: str
    provides_depth: bool

    def check_frames(self, total: int) -> None:
        """Raise ModelError, naming the nearest valid counts, if a path of total frames cannot be made."""
        ...

    def generate(self, request: VideoRequest) -> Iterator[Frame | ModelProgress]:
        """Yield every frame of the request once, with progress in between; closing the iterator cancels."""
        ...
