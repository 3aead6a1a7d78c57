# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Splats at the level of detail that each tab can draw.

A tab gets a coarse level at once. Then it is asked for a small picture: a page that takes long (no graphics card, so
every splat is blended by the processor) gets points instead, which cost it a fraction, the others the full level.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

import numpy as np
import viser
from numpy.typing import NDArray

from lyra_core.explorer.content import SplatArrays, splat_arrays
from lyra_core.types import Gaussians

__all__ = ["COARSE_SPLATS", "DETAILS", "FEW_SPLATS", "POINTS", "SplatLevels"]

DETAILS = ("auto", "points", "coarse", "full")
FEW_SPLATS = 5_000  # so many are drawn by any page
COARSE_SPLATS = 20_000
POINTS = 25_000
SLOW = 0.5  # s for a small picture; with a graphics card it is the way to the page and back
_NODE = "/splats"
_SIZE = (90, 160)  # rows and columns of that picture
_PATIENCE = 60.0  # s to wait for it
_SETTLE = 1.5  # s from sending splats to asking for the picture: they are decoded and sorted


class SplatLevels:
    """The splats of one world in every tab.

    Parameters
    ----------
    clients: the tabs that are open. most: splats of the full level. told: called with a tab that turned out slow.
    """

    def __init__(
        self,
        clients: Callable[[], Iterable[viser.ClientHandle]],
        most: int,
        told: Callable[[viser.ClientHandle], None] = lambda _: None,
    ) -> None:
        self.most, self.detail = most, "auto"
        self._clients, self.told = clients, told
        self._slow: set[int] = set()
        self._gaussians: Gaussians | None = None
        self._made: dict[str, SplatArrays] = {}
        self._turn = 0
        self._lock = threading.RLock()

    def show(self, gaussians: Gaussians | None) -> None:
        """Draw these in all tabs, or nothing."""
        with self._lock:
            self._gaussians, self._made = gaussians, {}
            self._turn += 1
        for client in self._clients():
            if gaussians is None:
                client.scene.remove_by_name(_NODE)
            else:
                self.join(client)

    def choose(self, detail: str) -> None:
        """One of DETAILS for all tabs; "auto" finds each tab's level anew."""
        with self._lock:
            self.detail = detail
            self._slow.clear()
        self.show(self._gaussians)

    def join(self, client: viser.ClientHandle) -> None:
        """Draw in a tab, also in one that has just come."""
        threading.Thread(target=self._serve, args=(client, self._turn), daemon=True).start()

    def arrays(self, level: str) -> SplatArrays:
        """What a level holds; made once. RuntimeError if nothing is shown any more."""
        with self._lock:
            if self._gaussians is None:
                raise RuntimeError("no splats")
            if level not in self._made:
                counts = {"points": POINTS, "coarse": min(COARSE_SPLATS, self.most), "full": self.most}
                self._made[level] = splat_arrays(self._gaussians, most=counts[level])
            return self._made[level]

    def _serve(self, client: viser.ClientHandle, turn: int) -> None:
        try:
            automatic = self.detail == "auto"
            first = "coarse" if automatic else self.detail
            if automatic and client.client_id in self._slow:
                first = "points"
            self._send(client, turn, first)
            if not automatic or first == "points":
                return
            slow = len(self.arrays("coarse").centers) > FEW_SPLATS and _draws_slowly(client)
            if turn != self._turn:
                return
            if slow:
                self._slow.add(client.client_id)
                self._send(client, turn, "points")
                self.told(client)
            elif len(self.arrays("full").centers) > len(self.arrays("coarse").centers):
                self._send(client, turn, "full")
        except RuntimeError:
            return  # the tab was closed, or other splats are shown

    def _send(self, client: viser.ClientHandle, turn: int, level: str) -> None:
        arrays = self.arrays(level)
        with self._lock, client.atomic():
            if turn != self._turn:
                return
            client.scene.remove_by_name(_NODE)
            if level == "points":
                solid = arrays.opacities[:, 0] > 0.3
                centers, colors = arrays.centers[solid], np.rint(255 * arrays.rgbs[solid]).astype(np.uint8)
                client.scene.add_point_cloud(
                    _NODE, centers, colors, point_size=point_size(centers), point_shape="circle", precision="float32"
                )
            else:
                client.scene.add_gaussian_splats(
                    _NODE, arrays.centers, arrays.covariances, arrays.rgbs, arrays.opacities
                )


def point_size(points: NDArray[np.floating]) -> float:
    """Diameter [m] that closes most gaps between points (N, 3): wider ones only cover each other, which costs time."""
    from scipy.spatial import KDTree

    if len(points) < 8:
        return 0.02
    some = points[:: max(1, len(points) // 2000)]
    spacing = np.median(KDTree(points).query(some, k=4)[0][:, -1])
    return float(np.clip(1.2 * spacing, 0.004, 0.2))


def _draws_slowly(client: viser.ClientHandle) -> bool:
    """True if a tab takes long to draw a small picture of what it shows; the quicker of two counts, so that a tab that
    was in the background for a while is not called slow. One that never answers is slow. Raises RuntimeError if it closed."""
    time.sleep(_SETTLE)
    taken = []
    for _ in range(2):
        began = time.monotonic()
        try:
            client.get_render(*_SIZE, timeout=_PATIENCE)
        except TimeoutError:
            return True
        taken.append(time.monotonic() - began)
        if taken[-1] < SLOW:
            return False
    return True
