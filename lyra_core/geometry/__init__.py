# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Conventions, rigid transforms, projection and spherical harmonics; NumPy only."""

from lyra_core.geometry.conventions import ZUP_FROM_RDF, opencv_from_usd_camera, usd_camera_from_opencv
from lyra_core.geometry.harmonics import SH_C0, evaluate_sh, rotate_sh, sh_basis
from lyra_core.geometry.projection import (
    focal_from_fov,
    fov_from_focal,
    intrinsics_from_fov,
    pixel_rays,
    project,
    unproject,
)
from lyra_core.geometry.rotation import (
    matrix_from_quat,
    matrix_from_rotvec,
    quat_from_matrix,
    quat_multiply,
    rotation_between,
    rotvec_from_matrix,
)
from lyra_core.geometry.se3 import compose, interpolate, inverse, look_at, rigid, transform_points, umeyama

__all__ = [
    "SH_C0",
    "ZUP_FROM_RDF",
    "compose",
    "evaluate_sh",
    "focal_from_fov",
    "fov_from_focal",
    "interpolate",
    "intrinsics_from_fov",
    "inverse",
    "look_at",
    "matrix_from_quat",
    "matrix_from_rotvec",
    "opencv_from_usd_camera",
    "pixel_rays",
    "project",
    "quat_from_matrix",
    "quat_multiply",
    "rigid",
    "rotate_sh",
    "rotation_between",
    "rotvec_from_matrix",
    "sh_basis",
    "transform_points",
    "umeyama",
    "unproject",
    "usd_camera_from_opencv",
]
