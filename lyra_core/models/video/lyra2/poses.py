# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras that a depth network predicts, brought into the frame and the scale of the film's own cameras."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import ModelError

__all__ = ["align_prediction", "path_length"]

_F64 = NDArray[np.float64]


def path_length(w2c: _F64) -> float:
    """Length of the way through the centres of cameras (N, 4, 4), in their unit."""
    centers = np.linalg.inv(w2c)[:, :3, 3]
    return float(np.linalg.norm(np.diff(centers, axis=0), axis=1).sum())


def align_prediction(predicted: NDArray[np.floating], own: NDArray[np.floating], history: int) -> tuple[_F64, float]:
    """Predicted cameras in the film's frame (N, 4, 4), and the factor that brings depth to the film's scale.

    Parameters
    ----------
    predicted: (N, 3, 4) or (N, 4, 4) world to camera in a frame and scale of its own.
    own: (N, 4, 4) the film's cameras of the same frames, in order of time.
    history: how many of them, from the front, existed before this chunk.

    With one history frame the whole window gives the scale, later the history frames do; the last history frame's
    camera stays as it is.
    """
    film = np.asarray(own, np.float64)
    free = np.tile(np.eye(4), (len(film), 1, 1))
    free[:, :3] = np.asarray(predicted, np.float64)[:, :3]
    if history < 1:
        raise ModelError("Predicted cameras need a frame that is known already", got="none in the window",
                         do="Give the depth network the ends of earlier chunks too")  # fmt: skip
    window = slice(None) if history == 1 else slice(0, history)
    length = path_length(free[window])
    scale = path_length(film[window]) / length if length > 1e-12 else 1.0
    anchor = history - 1
    relative = free @ np.linalg.inv(free[anchor])
    relative[:, :3, 3] *= scale
    return relative @ film[anchor], scale
