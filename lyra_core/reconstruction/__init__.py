# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Frames to Gaussians, their files and their pictures."""

from lyra_core.reconstruction.gaussians import gaussians_from_frames
from lyra_core.reconstruction.metrics import psnr, ssim
from lyra_core.reconstruction.ply import read_ply, write_ply
from lyra_core.reconstruction.render import render_path, to_uint8
from lyra_core.reconstruction.scene import GaussianConfig, GaussianScene
from lyra_core.reconstruction.video import read_video, write_video

__all__ = [
    "GaussianConfig",
    "GaussianScene",
    "gaussians_from_frames",
    "psnr",
    "read_ply",
    "read_video",
    "render_path",
    "ssim",
    "to_uint8",
    "write_ply",
    "write_video",
]
