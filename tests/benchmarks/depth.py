# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""How much of the true disparity of a real photo a depth model explains.

    python tests/benchmarks/depth.py [model ...]

The photo is the Middlebury 2014 "Motorcycle" that scikit-image ships (no network). The figure is the R² of the best
affine fit of the model's inverse depth to the true disparity; a plain ramp along the rows stands beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

FOCAL, CX, CY, BASELINE, DOFFS = 994.978, 311.193, 254.877, 0.193001, 31.086


def motorcycle() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left picture (H, W, 3) float32 in [0, 1], K (3, 3), and true z-depth (H, W) [m], 0 where unknown."""
    from skimage import data

    left, _, disparity = data.stereo_motorcycle()
    depth = FOCAL * BASELINE / (disparity + DOFFS)
    depth = np.where(np.isfinite(depth) & np.isfinite(disparity) & (disparity > 0), depth, 0)
    intrinsics = np.array([[FOCAL, 0, CX], [0, FOCAL, CY], [0, 0, 1.0]])
    return left.astype(np.float32) / 255, intrinsics, depth.astype(np.float32)


def affine_r2(inverse: np.ndarray, truth: np.ndarray) -> float:
    """R² of the best affine fit of inverse depth to the true inverse depth where truth (H, W) [m] is known."""
    known = truth > 0
    return float(np.corrcoef(inverse[known], 1.0 / truth[known])[0, 1] ** 2)


def score(name: str) -> float:
    """Affine R² of a depth model of the registry on the motorcycle."""
    from lyra_core.models.registry import depth_model

    rgb, intrinsics, truth = motorcycle()
    estimate = depth_model(name).estimate(rgb, intrinsics=intrinsics)
    inverse = np.where(estimate.depth > 0, 1.0 / np.maximum(estimate.depth, 1e-3), 0.0)
    return affine_r2(inverse, truth)


def main() -> None:
    """Print one line per model."""
    truth = motorcycle()[2]
    ramp = np.broadcast_to(np.arange(truth.shape[0], dtype=float)[:, None], truth.shape)
    print(f"ramp      affine R2 {affine_r2(ramp, truth):.3f}")
    for name in sys.argv[1:] or ["prior"]:
        print(f"{name:9s} affine R2 {score(name):.3f}")


if __name__ == "__main__":
    main()
