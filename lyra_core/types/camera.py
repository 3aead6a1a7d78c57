# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Camera and CameraPath: pinhole views in the OpenCV convention."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import PathError
from lyra_core.types.checks import frozen_array

__all__ = ["Camera", "CameraPath"]

_RIGID_TOLERANCE = 1e-3  # rotation entries; float32 files re-read after products stay below 1e-5


def _check_intrinsics(intrinsics: NDArray[np.float64]) -> None:
    if not np.isfinite(intrinsics).all():
        raise PathError("Intrinsics must be finite", got="NaN or inf in the 3x3 matrix", do="Check the camera file")
    if (intrinsics[..., 0, 0] <= 0).any() or (intrinsics[..., 1, 1] <= 0).any():
        raise PathError(
            "Focal lengths must be positive pixels",
            got=f"fx={np.min(intrinsics[..., 0, 0]):g}, fy={np.min(intrinsics[..., 1, 1]):g}",
            do="Give K as [[fx,0,cx],[0,fy,cy],[0,0,1]] in pixels",
        )


def _check_rigid(poses: NDArray[np.float64]) -> None:
    flat = poses.reshape(-1, 4, 4)
    finite = np.isfinite(flat).all(axis=(1, 2))
    if not finite.all():
        raise PathError(
            "Camera poses must be finite",
            got=f"NaN or inf in pose {int(np.argmin(finite))}",
            do="Re-export the path, or drop the broken poses",
        )
    rotation = flat[:, :3, :3]
    error = np.abs(rotation @ np.swapaxes(rotation, 1, 2) - np.eye(3)).max(axis=(1, 2))
    determinant = np.linalg.det(rotation)
    bottom = np.abs(flat[:, 3] - np.array([0.0, 0.0, 0.0, 1.0])).max(axis=1)
    bad = (error > _RIGID_TOLERANCE) | (determinant < 0) | (bottom > _RIGID_TOLERANCE)
    if bad.any():
        i = int(np.argmax(bad))
        raise PathError(
            "Camera poses must be rigid (rotation and translation only)",
            got=f"pose {i}: |R R^T - I| = {error[i]:.2g}, det = {determinant[i]:.3g}",
            do="Remove scale, shear or mirroring from the pose matrices",
        )


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A pinhole view. OpenCV axes: x right, y down, z forward; pixel centres at +0.5.

    Attributes
    ----------
    intrinsics: (3, 3) float64, focal lengths and principal point in pixels.
    world_from_camera: (4, 4) float64 rigid, camera-frame points [m] to the Z-up world [m].
    width, height: image size in pixels.
    """

    intrinsics: NDArray[np.float64]
    world_from_camera: NDArray[np.float64]
    width: int
    height: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "intrinsics", frozen_array(self.intrinsics, (3, 3), np.float64, "intrinsics"))
        object.__setattr__(
            self, "world_from_camera", frozen_array(self.world_from_camera, (4, 4), np.float64, "world_from_camera")
        )
        _check_intrinsics(self.intrinsics)
        _check_rigid(self.world_from_camera)
        if self.width < 1 or self.height < 1:
            raise PathError(
                "Image size must be positive", got=f"{self.width}x{self.height}", do="Give width and height in pixels"
            )

    @property
    def camera_from_world(self) -> NDArray[np.float64]:
        """(4, 4) world points to camera points (w2c, what Lyra and OpenCV files store)."""
        out = np.eye(4)
        rotation = self.world_from_camera[:3, :3].T
        out[:3, :3] = rotation
        out[:3, 3] = -rotation @ self.world_from_camera[:3, 3]
        return out

    @property
    def center(self) -> NDArray[np.float64]:
        """(3,) camera centre in the world [m]."""
        return self.world_from_camera[:3, 3]

    @property
    def forward(self) -> NDArray[np.float64]:
        """(3,) unit viewing direction in the world."""
        return self.world_from_camera[:3, 2]

    def resized(self, width: int, height: int) -> Camera:
        """Same view at another resolution (pixel centres at +0.5, so K scales exactly)."""
        scale = np.diag([width / self.width, height / self.height, 1.0])
        return Camera(scale @ self.intrinsics, self.world_from_camera, width, height)

    def moved(self, world_from_camera: NDArray[np.float64]) -> Camera:
        """Same lens at another pose."""
        return Camera(self.intrinsics, world_from_camera, self.width, self.height)


@dataclass(frozen=True, slots=True, eq=False)
class CameraPath:
    """A sequence of views of one size.

    Attributes
    ----------
    world_from_camera: (N, 4, 4) float64 rigid poses, OpenCV camera to Z-up world [m].
    intrinsics: (N, 3, 3) float64 pixels.
    width, height: image size in pixels.
    fps: frames per second of the video.
    """

    world_from_camera: NDArray[np.float64]
    intrinsics: NDArray[np.float64]
    width: int
    height: int
    fps: float = 16.0

    def __post_init__(self) -> None:
        poses = np.asarray(self.world_from_camera, dtype=np.float64)
        if poses.ndim != 3 or poses.shape[1:] != (4, 4) or len(poses) == 0:
            raise PathError(
                "A path needs poses of shape (N, 4, 4) with N >= 1",
                got=f"shape {poses.shape}",
                do="Pass one 4x4 world_from_camera matrix per frame",
            )
        object.__setattr__(
            self, "world_from_camera", frozen_array(poses, (len(poses), 4, 4), np.float64, "world_from_camera")
        )
        object.__setattr__(
            self, "intrinsics", frozen_array(self.intrinsics, (len(poses), 3, 3), np.float64, "intrinsics")
        )
        _check_intrinsics(self.intrinsics)
        _check_rigid(self.world_from_camera)
        if self.width < 1 or self.height < 1:
            raise PathError(
                "Image size must be positive", got=f"{self.width}x{self.height}", do="Give width and height in pixels"
            )

    def __len__(self) -> int:
        return len(self.world_from_camera)

    def __getitem__(self, index: int) -> Camera:
        return Camera(self.intrinsics[index], self.world_from_camera[index], self.width, self.height)

    def __iter__(self) -> Iterator[Camera]:
        return (self[i] for i in range(len(self)))

    @property
    def centers(self) -> NDArray[np.float64]:
        """(N, 3) camera centres in the world [m]."""
        return self.world_from_camera[:, :3, 3]

    def segment(self, start: int, stop: int) -> CameraPath:
        """The frames start..stop-1 as a path."""
        return CameraPath(
            self.world_from_camera[start:stop], self.intrinsics[start:stop], self.width, self.height, self.fps
        )

    def resized(self, width: int, height: int) -> CameraPath:
        """Same views at another resolution."""
        scale = np.diag([width / self.width, height / self.height, 1.0])
        return CameraPath(self.world_from_camera, scale @ self.intrinsics, width, height, self.fps)

    @staticmethod
    def concatenate(first: CameraPath, second: CameraPath) -> CameraPath:
        """Both paths in order; sizes must agree."""
        if (first.width, first.height) != (second.width, second.height):
            raise PathError(
                "Joined paths must have one image size",
                got=f"{first.width}x{first.height} and {second.width}x{second.height}",
                do="Resize one of them first (CameraPath.resized)",
            )
        return CameraPath(
            np.concatenate([first.world_from_camera, second.world_from_camera]),
            np.concatenate([first.intrinsics, second.intrinsics]),
            first.width,
            first.height,
            first.fps,
        )
