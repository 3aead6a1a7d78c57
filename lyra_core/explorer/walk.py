# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Walking through a world at a robot's height, and recording where one went as keyframes. Each tab walks for itself."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import numpy as np
import viser
from numpy.typing import NDArray

from lyra_core.explorer.plan import Key
from lyra_core.explorer.walls import Walls
from lyra_core.geometry import matrix_from_quat

__all__ = ["Arrivals", "Recorder", "Walker"]

_AHEAD = 0.25  # m to the point that a drag turns about: near, so that dragging looks around
_SLACK = 0.01  # m before the walker is put back
_STEP, _TURN = 0.5, 25.0  # m and degrees between recorded keyframes


class Arrivals:
    """Which tabs were sent somewhere and are not there yet: what they tell on the way is of the place they come from."""

    def __init__(self, near: float = 1.0, patience: float = 5.0) -> None:
        self._near, self._patience = near, patience  # m and s
        self._goals: dict[int, tuple[NDArray[np.float64], float]] = {}

    def send(self, client: viser.ClientHandle, goal: NDArray[np.floating]) -> None:
        """A tab's camera was put at goal (3,) [m]."""
        self._goals[client.client_id] = np.array(goal, np.float64), time.monotonic() + self._patience

    def wait(self, client: viser.ClientHandle) -> bool:
        """True while what a tab tells is still of before."""
        goal, end = self._goals.get(client.client_id, (None, 0.0))
        if goal is None:
            return False
        away = float(np.linalg.norm(np.asarray(client.camera.position, np.float64) - goal))
        if away > self._near and time.monotonic() < end:
            return True
        del self._goals[client.client_id]
        return False


class Walker:
    """Keeps the cameras of walking tabs at their height and out of what was seen.

    W A S D walk level, dragging looks around. A wall is slid along. walls: what stands in the way of an eye at a
    height [m] over the floor, or None where nothing is known; asked at every step, so it has to be quick.
    """

    def __init__(self, walls: Callable[[float], Walls | None] = lambda _: None) -> None:
        self._walls = walls
        self._heights: dict[int, float] = {}
        self._spots: dict[int, NDArray[np.float64]] = {}
        self._watched: set[int] = set()
        self._arrivals = Arrivals()
        self._lock = threading.Lock()  # the viewer calls from a pool of threads

    def walks(self, client: viser.ClientHandle) -> bool:
        """True if this tab walks."""
        return client.client_id in self._heights

    def start(self, client: viser.ClientHandle, height: float, spot: NDArray[np.floating] | None = None) -> None:
        """Put a tab on the floor, height [m] over it, looking level in the direction it looked; spot: (x, y) to stand,
        or as near to it as there is room."""
        camera = client.camera
        ahead = np.asarray(camera.look_at, np.float64) - np.asarray(camera.position, np.float64)
        ahead[2] = 0.0
        ahead = ahead / np.linalg.norm(ahead) if np.linalg.norm(ahead) > 1e-6 else np.array([0.0, 1.0, 0.0])
        place = np.asarray(camera.position if spot is None else spot, np.float64)[:2]
        walls = self._walls(height)
        place = place if walls is None else walls.settled(place)
        position = np.array([*place, height])
        with self._lock, client.atomic():
            self._heights[client.client_id], self._spots[client.client_id] = height, place
            camera.up_direction = (0.0, 0.0, 1.0)
            camera.position = position
            camera.look_at = position + _AHEAD * ahead
            self._arrivals.send(client, position)
        if client.client_id not in self._watched:
            self._watched.add(client.client_id)
            camera.on_update(lambda _: self._moved(client))

    def stop(self, client: viser.ClientHandle) -> None:
        """Let a tab fly again."""
        self._heights.pop(client.client_id, None)

    def _moved(self, client: viser.ClientHandle) -> None:
        with self._lock:
            height = self._heights.get(client.client_id)
            if height is None or self._arrivals.wait(client):
                return
            wanted, ahead = _view(client.camera)
            walls = self._walls(height)
            here = self._spots[client.client_id]
            spot = wanted[:2] if walls is None else walls.walked(here, wanted[:2])
            self._spots[client.client_id] = spot
            allowed = np.array([*spot, height])
            if np.abs(allowed - wanted).max() > _SLACK:
                # In one message: a page that walks on between the two would find the point looked at behind itself.
                with client.atomic():
                    client.camera.position = allowed
                    client.camera.look_at = allowed + ahead


def _view(camera: viser.CameraHandle) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Position (3,) [m] and the way from there to the point looked at (3,) [m], of one message of the page.

    The viewer's own thread puts a new message in place of the old one at any time.
    """
    while True:
        position = np.array(camera.position, np.float64)
        ahead = np.asarray(camera.look_at, np.float64) - position
        if np.array_equal(position, camera.position):
            return position, ahead


class Recorder:
    """Turns the way of one tab into keyframes: one every half metre or 25 degrees, and one where it stops."""

    def __init__(self, add: Callable[[Key], None]) -> None:
        self._add = add
        self._client: viser.ClientHandle | None = None
        self._last: Key | None = None
        self._watched: set[int] = set()

    @property
    def running(self) -> bool:
        """True while a way is recorded."""
        return self._client is not None

    def start(self, client: viser.ClientHandle, read: Callable[[viser.ClientHandle], Key]) -> None:
        """Record a tab from its present view; read gives the view as a keyframe."""
        self._client, self._last = client, read(client)
        if client.client_id not in self._watched:
            self._watched.add(client.client_id)
            client.camera.on_update(lambda _: self._moved(client, read))

    def stop(self, view: Key) -> None:
        """End the recording; the last view is a keyframe if it is a new one."""
        if self._last is not None and _apart(self._last, view) > 0.1:
            self._add(view)
        self._client = self._last = None

    def _moved(self, client: viser.ClientHandle, read: Callable[[viser.ClientHandle], Key]) -> None:
        if self._client is None or self._client.client_id != client.client_id or self._last is None:
            return
        view = read(client)
        if _apart(self._last, view) >= 1.0:
            self._last = view
            self._add(view)


def _apart(a: Key, b: Key) -> float:
    """How far two views are apart, 1 where a new keyframe is due."""
    gap = math.dist(a.position, b.position) / _STEP
    one, other = (matrix_from_quat(np.asarray(k.wxyz, np.float64))[:, 2] for k in (a, b))
    turn = math.degrees(math.acos(max(-1.0, min(1.0, float(one @ other))))) / _TURN
    return max(gap, turn)
