# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Events that worker and ports report, and effects that update asks them to carry out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lyra.worldgen.model import Matrix, Problem, Robot
from lyra.worldgen.state import Picture

__all__ = [
    "AskWorker",
    "CloseSketch",
    "DriveEnded",
    "DriveMoved",
    "DriveRobot",
    "Effect",
    "Event",
    "GoalPicked",
    "HaltRobot",
    "ImportWorld",
    "Notify",
    "Opened",
    "PickGoal",
    "PictureRead",
    "PlaceRobot",
    "PortFailed",
    "ReadPicture",
    "RobotPlaced",
    "SaveRecents",
    "SaveSetting",
    "SetPlaying",
    "Sketch",
    "SketchPath",
    "SketchRead",
    "StageClosed",
    "StartWorker",
    "StopWorker",
    "SwitchAppearance",
    "TimelineChanged",
    "WorkerBroken",
    "WorkerGone",
    "WorkerSaid",
    "WorldImported",
]

# -- Events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """The panel opened: what the settings remember. recents: folders of worlds, newest first."""

    interpreter: str = ""
    worlds_folder: str = ""
    recents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerSaid:
    """One line of the worker, a JSON object (lyra_core/pipeline/worker.py has the list)."""

    line: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WorkerBroken:
    """The interpreter cannot run the worker."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class WorkerGone:
    """The worker's process ended. asked: because we wanted it to."""

    problem: Problem
    asked: bool = False


@dataclass(frozen=True, slots=True)
class PictureRead:
    """Pixels of a picture file; size is that of the file [px], problem says why it cannot be used."""

    purpose: str
    file: str
    picture: Picture
    size: tuple[int, int] = (0, 0)
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class SketchRead:
    """The keyframes that stand in the viewport: world_from_camera matrices, OpenCV axes, metres, Z up."""

    keyframes: tuple[Matrix, ...]


@dataclass(frozen=True, slots=True)
class WorldImported:
    """The import command ran (or ran again by redo); prim is '' after undo."""

    folder: str
    prim: str


@dataclass(frozen=True, slots=True)
class StageClosed:
    """The stage was closed or replaced: our prims are gone."""


@dataclass(frozen=True, slots=True)
class RobotPlaced:
    """The robot stands at prim."""

    prim: str


@dataclass(frozen=True, slots=True)
class GoalPicked:
    """The point that the user chose, (x, y) [m] in the world; start is the robot's pose (x, y, yaw).

    point None: there is no point yet, note says what the user does now.
    """

    point: tuple[float, float] | None
    start: tuple[float, float, float] = (0.0, 0.0, 0.0)
    note: str = ""


@dataclass(frozen=True, slots=True)
class DriveMoved:
    """Metres along the path and of the path."""

    travelled: float
    length: float


@dataclass(frozen=True, slots=True)
class DriveEnded:
    """The drive is over."""

    reached: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TimelineChanged:
    """The timeline plays or not."""

    playing: bool


@dataclass(frozen=True, slots=True)
class PortFailed:
    """A port could not do what was asked."""

    problem: Problem


# -- Effects --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartWorker:
    """End the worker that runs, and start one with this interpreter; '' looks for one beside the extension."""

    interpreter: str


@dataclass(frozen=True, slots=True)
class AskWorker:
    """Send a request; starts a worker if none runs."""

    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StopWorker:
    """Cancel: the worker and its children end."""


@dataclass(frozen=True, slots=True)
class SaveSetting:
    """Remember interpreter or worlds_folder."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class SaveRecents:
    """Remember the recent worlds."""

    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadPicture:
    """Read a picture file, at most so many pixels wide. Answer: PictureRead."""

    purpose: str
    file: str
    width: int = 512


@dataclass(frozen=True, slots=True)
class Sketch:
    """Keyframes in the viewport: add (from the current view), remove, clear, read answer SketchRead; show, hide do not."""

    what: str
    matrices: tuple[Matrix, ...] = ()


@dataclass(frozen=True, slots=True)
class SketchPath:
    """Draw the planned path: a camera that moves along it in time, and a curve if no keyframes are drawn.

    poses: world_from_camera of every frame, OpenCV axes, metres, Z up. lens: focal length and height, both as shares of the
    picture's width. fps: frames a second. curve: draw the curve too.
    """

    poses: tuple[Matrix, ...]
    lens: tuple[float, float] = (1.0, 0.5625)
    fps: float = 16.0
    curve: bool = True


@dataclass(frozen=True, slots=True)
class CloseSketch:
    """Take everything of ours out of the viewport."""


@dataclass(frozen=True, slots=True)
class ImportWorld:
    """Run the undoable import, or open the world's own stage. Answer: WorldImported or PortFailed."""

    folder: str
    open_stage: bool
    appearance: str


@dataclass(frozen=True, slots=True)
class SwitchAppearance:
    """Select the appearance variant of the world at prim."""

    prim: str
    appearance: str


@dataclass(frozen=True, slots=True)
class PlaceRobot:
    """Spawn a robot at a pose of the world: position [m], yaw [rad]. Answer: RobotPlaced or PortFailed."""

    robot: Robot
    world_prim: str
    position: tuple[float, float, float]
    yaw: float


@dataclass(frozen=True, slots=True)
class PickGoal:
    """Let the user choose a point on the floor. Answer: GoalPicked."""


@dataclass(frozen=True, slots=True)
class DriveRobot:
    """Follow points (x, y) [m] in the world. Answers: DriveMoved, DriveEnded."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class HaltRobot:
    """Stop driving and let the robot go."""


@dataclass(frozen=True, slots=True)
class SetPlaying:
    """Play or stop the timeline. Answer: TimelineChanged."""

    on: bool


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the user outside the panel; level info, warning or error."""

    text: str
    level: str = "info"


Event = (
    Opened
    | WorkerSaid
    | WorkerBroken
    | WorkerGone
    | PictureRead
    | SketchRead
    | WorldImported
    | StageClosed
    | RobotPlaced
    | GoalPicked
    | DriveMoved
    | DriveEnded
    | TimelineChanged
    | PortFailed
)
Effect = (
    StartWorker
    | AskWorker
    | StopWorker
    | SaveSetting
    | SaveRecents
    | ReadPicture
    | Sketch
    | SketchPath
    | CloseSketch
    | ImportWorld
    | SwitchAppearance
    | PlaceRobot
    | PickGoal
    | DriveRobot
    | HaltRobot
    | SetPlaying
    | Notify
)
