# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false
"""What the view model may ask of Kit, as plain calls on the main thread (read_picture alone runs in a thread)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import carb
import carb.settings
import omni.kit.notification_manager as notifications
import omni.kit.viewport.utility as viewport
import omni.timeline
import omni.usd

from lyra.worldgen import stage
from lyra.worldgen.messages import Event, Opened
from lyra.worldgen.model import Matrix, Robot
from lyra.worldgen.path_editor import PathSketch
from lyra.worldgen.robot import RobotDriver

__all__ = ["KitPorts"]

_SETTINGS = "/exts/lyra.worldgen"
_REMEMBERED = "/persistent/exts/lyra.worldgen"

Post = Callable[[Event], None]


class KitPorts:
    """Settings, pictures, viewport sketch, stage, robot, timeline and notifications of the running Kit."""

    def __init__(self) -> None:
        self._settings = carb.settings.get_settings()
        self._sketch: PathSketch | None = None
        self._robot = RobotDriver()
        stage.register()

    def close(self) -> None:
        """Take everything back that was registered or drawn."""
        self._robot.close()
        self.close_sketch()
        stage.unregister()

    def forget_stage(self) -> None:
        """The stage closes: let go of everything that stands in it."""
        self._robot.forget()
        self.close_sketch()

    def load(self) -> Opened:
        """What the settings remember."""
        worlds = self._setting("worlds_folder") or str(Path.home() / "Documents" / "lyra_worlds")
        recents = self._settings.get(f"{_REMEMBERED}/recents") or ()
        return Opened(self._setting("interpreter"), worlds, tuple(str(folder) for folder in recents))

    def save_setting(self, key: str, value: str) -> None:
        """Remember interpreter or worlds_folder for this user."""
        self._settings.set(f"{_REMEMBERED}/{key}", value)

    def save_recents(self, folders: tuple[str, ...]) -> None:
        """Remember the recent worlds, newest first."""
        self._settings.set(f"{_REMEMBERED}/recents", list(folders))

    def read_picture(self, file: str, width: int) -> tuple[bytes, tuple[int, int], tuple[int, int]]:
        """RGBA8 bytes, their (width, height) and that of the file, upright [px]. Any thread. Raises OSError."""
        from PIL import Image, ImageOps

        with Image.open(file) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
        full = upright.size
        upright.thumbnail((width, width))
        return upright.tobytes(), upright.size, full

    def sketch(self, what: str, matrices: tuple[Matrix, ...] = ()) -> tuple[Matrix, ...]:
        """Keyframes in the viewport: add (the current view), remove, clear, read, show or hide; the keyframes after it.

        Raises ValueError without a stage or a camera.
        """
        if self._sketch is None:
            if what == "hide":
                return ()
            current = omni.usd.get_context().get_stage()
            if current is None:
                raise ValueError("There is no stage to draw the path in; open or create one")
            self._sketch = PathSketch(current)
        steps: dict[str, Callable[[PathSketch], None]] = {
            "add": lambda sketch: sketch.add_view(str(viewport.get_active_viewport_camera_path())),
            "remove": PathSketch.remove_last,
            "clear": PathSketch.clear,
            "hide": PathSketch.clear,
            "read": lambda _sketch: None,
            "show": lambda sketch: sketch.show(matrices),
        }
        steps[what](self._sketch)
        return self._sketch.read()

    def sketch_path(self, poses: tuple[Matrix, ...], *, lens: tuple[float, float], fps: float, curve: bool) -> None:
        """Draw the planned path; without an open stage there is nothing to draw in."""
        current = omni.usd.get_context().get_stage()
        if current is None:
            return
        if self._sketch is None:
            self._sketch = PathSketch(current)
        self._sketch.follow(poses, lens=lens, fps=fps, curve=curve)

    def close_sketch(self) -> None:
        """Take the keyframes out of the viewport."""
        if self._sketch is not None:
            self._sketch.close()
            self._sketch = None

    def import_world(self, folder: str, *, open_stage: bool, appearance: str, post: Post) -> None:
        """Bring a world into the stage as one undoable command, or open its own stage."""
        stage.import_world(folder, open_stage, appearance, post)

    def switch_appearance(self, prim: str, appearance: str) -> None:
        """Select the appearance variant of the world at prim."""
        stage.switch_appearance(prim, appearance)

    def place_robot(
        self, robot: Robot, *, world_prim: str, position: tuple[float, float, float], yaw: float, post: Post
    ) -> None:
        """Spawn a robot at a pose of the world: position [m], yaw [rad]."""
        self._robot.place(robot, world_prim, position, yaw, post)

    def pick_goal(self, post: Post) -> None:
        """The point that the user selected on the floor."""
        self._robot.pick_goal(post)

    def drive(self, points: tuple[tuple[float, float], ...], post: Post) -> None:
        """Follow points (x, y) [m] of the world."""
        self._robot.drive(points, post)

    def halt(self) -> None:
        """Stop driving."""
        self._robot.halt()

    def set_playing(self, *, on: bool) -> None:
        """Play or stop the timeline."""
        timeline = omni.timeline.get_timeline_interface()
        if on:
            timeline.play()
        else:
            timeline.stop()

    def notify(self, text: str, level: str) -> None:
        """Tell the user in the corner of the screen and in the log."""
        status = notifications.NotificationStatus
        look, log = {
            "info": (status.INFO, carb.log_info),
            "warning": (status.WARNING, carb.log_warn),
            "error": (status.FAILURE, carb.log_error),
        }[level]
        log(text[:1].upper() + text[1:])
        notifications.post_notification(text, duration=5, status=look)

    def _setting(self, key: str) -> str:
        return str(self._settings.get(f"{_REMEMBERED}/{key}") or self._settings.get(f"{_SETTINGS}/{key}") or "")
