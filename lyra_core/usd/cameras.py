# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""A CameraPath as a UsdGeom.Camera with time samples, and back.

USD cameras look along -z with y up; the film window is horizontalAperture x verticalAperture around an offset centre.
Only its ratio to focalLength matters for the picture, so the aperture is kept at the USD default and focalLength is
fx / width of it. Pixel (0, 0) is the top left corner of the window.

cameras.usda is the readable face; the time samples lie in a binary sublayer, camera_samples.usdc, because long sample
lists in text layers are slow to load (and NVIDIA's validator rejects them).
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from pxr import Gf, Usd, UsdGeom

from lyra_core.geometry import opencv_from_usd_camera, usd_camera_from_opencv
from lyra_core.types import Camera, CameraPath
from lyra_core.usd.layers import new_stage, open_stage, save_stage

__all__ = ["film_of", "read_camera_path", "write_cameras"]

_LOG = logging.getLogger(__name__)
_HORIZONTAL_APERTURE = 20.955  # USD's fallback [tenths of a scene unit]
_SAMPLES = "camera_samples.usdc"
_CLIPPING = Gf.Vec2f(0.01, 1000.0)  # [m]


def film_of(camera: Camera) -> tuple[float, float, float, float, float]:
    """(focalLength, horizontalAperture, verticalAperture, horizontalApertureOffset, verticalApertureOffset)."""
    k = camera.intrinsics
    across = _HORIZONTAL_APERTURE
    focal = float(k[0, 0]) * across / camera.width
    down = focal * camera.height / float(k[1, 1])
    # The window's left edge is the ray of pixel x = 0; its bottom edge the ray of y = height.
    return focal, across, down, across * (0.5 - k[0, 2] / camera.width), down * (k[1, 2] / camera.height - 0.5)


def write_cameras(path: Path, camera_path: CameraPath) -> tuple[Path, ...]:
    """Write /Cameras/path: path (.usda) and its binary sublayer; one time sample per frame (time code = frame)."""
    if np.abs(camera_path.intrinsics[:, 0, 1]).max() > 1e-6:
        _LOG.warning("USD cameras have no skew; it is dropped from %s", path.name)
    samples = path.with_name(_SAMPLES)
    save_stage(_sampled_stage(camera_path), samples)
    stage = new_stage("Cameras", fps=camera_path.fps, frames=len(camera_path))
    camera = UsdGeom.Camera.Define(stage, "/Cameras/path")
    camera.CreateProjectionAttr(UsdGeom.Tokens.perspective)
    camera.CreateClippingRangeAttr(_CLIPPING)
    prim = camera.GetPrim()
    prim.SetCustomDataByKey("lyra:width", camera_path.width)
    prim.SetCustomDataByKey("lyra:height", camera_path.height)
    return save_stage(stage, path, sublayers=[f"./{_SAMPLES}"]), samples


def _sampled_stage(camera_path: CameraPath) -> Usd.Stage:
    stage = new_stage("Cameras", fps=camera_path.fps, frames=len(camera_path))
    camera = UsdGeom.Camera.Define(stage, "/Cameras/path")
    transform = camera.AddTransformOp(UsdGeom.XformOp.PrecisionDouble)
    for frame, pose in enumerate(usd_camera_from_opencv(camera_path.world_from_camera)):
        transform.Set(Gf.Matrix4d(*pose.T.ravel().tolist()), frame)  # USD multiplies row vectors
    films = np.array([film_of(view) for view in camera_path])
    attributes = (
        camera.CreateFocalLengthAttr(),
        camera.CreateHorizontalApertureAttr(),
        camera.CreateVerticalApertureAttr(),
        camera.CreateHorizontalApertureOffsetAttr(),
        camera.CreateVerticalApertureOffsetAttr(),
    )
    for attribute, values in zip(attributes, films.T, strict=True):
        if np.ptp(values) == 0:
            attribute.Set(float(values[0]))
            continue
        for frame, value in enumerate(values):
            attribute.Set(float(value), frame)
    return stage


def read_camera_path(folder: Path) -> CameraPath:
    """The camera path of a world folder, from payload/cameras.usda. Errors: WorldError if it is missing."""
    stage = open_stage(Path(folder) / "payload" / "cameras.usda")
    prim = stage.GetPrimAtPath("/Cameras/path")
    camera = UsdGeom.Camera(prim)
    width, height = prim.GetCustomDataByKey("lyra:width"), prim.GetCustomDataByKey("lyra:height")
    poses, intrinsics = [], []
    for frame in range(int(stage.GetEndTimeCode()) + 1):
        view = camera.GetCamera(Usd.TimeCode(frame))
        poses.append(np.array(view.transform).T)
        focal, across, down = view.focalLength, view.horizontalAperture, view.verticalAperture
        cx = (0.5 - view.horizontalApertureOffset / across) * width
        cy = (0.5 + view.verticalApertureOffset / down) * height
        intrinsics.append([[focal / across * width, 0, cx], [0, focal / down * height, cy], [0, 0, 1]])
    return CameraPath(
        opencv_from_usd_camera(np.array(poses)), np.array(intrinsics), width, height, stage.GetTimeCodesPerSecond()
    )
