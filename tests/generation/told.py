# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A depth model that says what it is told."""

import numpy as np

from lyra_core.models.protocols import DepthEstimate


class ToldDepth:
    """The same metric depth (H, W) for every picture, no sky."""

    name = "told"

    def __init__(self, depth: np.ndarray, confidence: float) -> None:
        self._answer = DepthEstimate(depth, np.zeros(depth.shape, bool), "metric", confidence=confidence)

    def estimate(self, rgb, *, intrinsics, sky=None) -> DepthEstimate:
        del rgb, intrinsics, sky
        return self._answer
