# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the view model needs from the world outside: the worker process and the Kit shell, as protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from lyra.worldgen.messages import Event, Opened
from lyra.worldgen.model import Matrix, Robot

__all__ = ["Ports", "Post", "Worker"]

Post = Callable[[Event], None]
"""Hands an event back, from any thread."""


class Worker(Protocol):
    """The worker process (worker.WorkerProcess)."""

    def start(self, interpreter: str) -> None:
        """End the one that runs and start another; returns at once."""
        ...

    def ask(self, request: Mapping[str, Any]) -> None:
        """Send a request; starts the process if none runs."""
        ...

    def stop(self) -> None:
        """End the process and its children; returns at once and reports WorkerGone(asked=True)."""
        ...

    def poll(self) -> tuple[Event, ...]:
        """What was reported since the last call; never blocks."""
        ...

    def close(self) -> None:
        """End the process and its children, and wait for the threads (bounded)."""
        ...


class Ports(Protocol):
    """The Kit shell. Calls come from Kit's main thread, except read_picture; none may block longer than a frame."""

    def load(self) -> Opened:
        """What the settings remember."""
        ...

    def save_setting(self, key: str, value: str) -> None:
        """Remember interpreter or worlds_folder."""
        ...

    def save_recents(self, folders: tuple[str, ...]) -> None:
        """Remember the recent worlds."""
        ...

    def read_picture(self, file: str, width: int) -> tuple[bytes, tuple[int, int], tuple[int, int]]:
        """(RGBA8 bytes, their (width, height) [px], the file's own size). Called in a thread. Errors: OSError, ValueError."""
        ...

    def sketch(self, what: str, matrices: tuple[Matrix, ...]) -> tuple[Matrix, ...]:
        """Keyframes in the viewport: add, remove, clear, read, show, hide; returns those that stand there now."""
        ...

    def sketch_path(self, poses: tuple[Matrix, ...], *, lens: tuple[float, float], fps: float, curve: bool) -> None:
        """The planned path: a camera with time samples, and a curve if asked for (messages.SketchPath)."""
        ...

    def close_sketch(self) -> None:
        """Take everything of ours out of the viewport."""
        ...

    def import_world(self, folder: str, *, open_stage: bool, appearance: str, post: Post) -> None:
        """Run the undoable import (stage.py), or open the world's stage; posts WorldImported or PortFailed."""
        ...

    def switch_appearance(self, prim: str, appearance: str) -> None:
        """Select the variant."""
        ...

    def place_robot(
        self, robot: Robot, *, world_prim: str, position: tuple[float, float, float], yaw: float, post: Post
    ) -> None:
        """Spawn a robot; posts RobotPlaced or PortFailed."""
        ...

    def pick_goal(self, post: Post) -> None:
        """Let the user choose a floor point; posts GoalPicked with the robot's pose."""
        ...

    def drive(self, points: tuple[tuple[float, float], ...], post: Post) -> None:
        """Follow the path; posts DriveMoved and DriveEnded."""
        ...

    def halt(self) -> None:
        """Stop driving."""
        ...

    def set_playing(self, *, on: bool) -> None:
        """Play or stop the timeline."""
        ...

    def notify(self, text: str, level: str) -> None:
        """Tell the user outside the panel."""
        ...
