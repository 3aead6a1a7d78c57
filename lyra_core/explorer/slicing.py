# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A world seen from above without its ceiling: what is over the cameras is cut off while a tab looks down."""

from __future__ import annotations

import threading

import numpy as np
import viser

from lyra_core.explorer.walk import Arrivals

__all__ = ["Slicer", "near_from_above"]

_STEEP = -0.8  # z of the direction of view from which a tab looks down


def near_from_above(position: np.ndarray, look_at: np.ndarray, cut: float, otherwise: float) -> float:
    """Distance [m] from which a tab draws: to cut [m] over the floor if it looks down from over it, else as given."""
    ahead = np.asarray(look_at, np.float64) - np.asarray(position, np.float64)
    length = float(np.linalg.norm(ahead))
    if length < 1e-9 or ahead[2] / length > _STEEP:
        return otherwise
    return max(otherwise, float(position[2]) - cut)


class Slicer:
    """Keeps the cut of tabs that went to the top view, while they zoom, and lifts it when they turn away.

    near: of all other views [m].
    """

    def __init__(self, near: float) -> None:
        self._near = near
        self._above: dict[int, float] = {}
        self._watched: set[int] = set()
        self._arrivals = Arrivals()
        self._lock = threading.Lock()  # the viewer calls from a pool of threads

    def start(self, client: viser.ClientHandle, cut: float) -> None:
        """A tab was put above the world; cut: height [m] over the floor of the highest things to be seen."""
        self._above[client.client_id] = cut
        self._moved(client)
        self._arrivals.send(client, client.camera.position)
        if client.client_id not in self._watched:
            self._watched.add(client.client_id)
            client.camera.on_update(lambda _: self._moved(client))

    def stop(self, client: viser.ClientHandle) -> None:
        """A tab looks from elsewhere."""
        if self._above.pop(client.client_id, None) is not None:
            client.camera.near = self._near

    def _moved(self, client: viser.ClientHandle) -> None:
        with self._lock:
            cut = self._above.get(client.client_id)
            if cut is not None and not self._arrivals.wait(client):
                camera = client.camera
                camera.near = near_from_above(camera.position, camera.look_at, cut, self._near)
