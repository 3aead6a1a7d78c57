# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The explorer without a browser: one world, its plan, its jobs. Every button calls a method here; tests do the same.

All methods may be called from any thread. Listeners are told what changed: "world", "plan", "job", "frame", "pick".
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lyra_core.errors import InputError, LyraError, WorldError
from lyra_core.explorer import tree
from lyra_core.explorer.content import Cloud, frame_cloud
from lyra_core.explorer.jobs import JobRunner, JobView
from lyra_core.explorer.path_files import read_uploaded, saved_bytes
from lyra_core.explorer.picking import nearest_point, photo_pixel
from lyra_core.explorer.plan import Key, PathPlan, PlannedViews, camera_path, keys_from_path
from lyra_core.explorer.state import State, load_state, save_state
from lyra_core.explorer.task import write_path_file
from lyra_core.explorer.uploads import check_photo, safe_name
from lyra_core.pipeline.begin import seen_points
from lyra_core.trajectory import SeedScene
from lyra_core.types import Camera, CameraPath
from lyra_core.world import FrameSequence, WorldFolder, read_manifest

__all__ = ["Studio", "StudioOptions"]

Listener = Callable[[str], None]
_XY = tuple[float, float]


@dataclass(frozen=True, slots=True)
class StudioOptions:
    """root: folder in which worlds are made. preset: settings of new worlds. settings: key=value overrides.
    frames: of a new plan. model: video model of new frames, or "" for the world's own."""

    root: Path
    preset: str = "balanced"
    settings: tuple[str, ...] = ()
    frames: int = 81
    model: str = ""


class Studio:
    """One world at a time, shared by all tabs."""

    def __init__(self, options: StudioOptions) -> None:
        self.options = options
        self.folder: Path | None = None
        self.state = State(load_default(options).plan)
        self.views: PlannedViews | None = None
        self.problem = ""
        self.message = ""
        self.mode = ""
        self.picks: list[tuple[float, float, float]] = []
        self.job: JobView | None = None
        self.preview: tuple[int, str] | None = None
        self.anchor: Camera | None = None
        self.scene: SeedScene | None = None
        self.frames: FrameSequence | None = None
        self.cloud: Cloud | None = None
        self.loaded: CameraPath | None = None
        self.start: _XY | None = None
        self.goal: _XY | None = None
        self._listeners: list[Listener] = []
        self._lock = threading.RLock()
        self.runner = JobRunner(self._job_changed, self._frame_made)

    def listen(self, listener: Listener) -> None:
        """Call listener(what) after every change."""
        self._listeners.append(listener)

    def _tell(self, what: str) -> None:
        for listener in list(self._listeners):
            listener(what)

    def close(self) -> None:
        """Stop all work."""
        self.runner.close()

    # Worlds

    def upload_photo(self, name: str, data: bytes) -> JobView:
        """Check an uploaded picture, store it and start a world from it. Raises InputError."""
        ending = check_photo(name, data)
        inbox = self.options.root / "uploads"
        inbox.mkdir(parents=True, exist_ok=True)
        file = inbox / f"{safe_name(name)}{ending}"
        file.write_bytes(data)
        return self.start_photo(file)

    def start_photo(self, photo: Path) -> JobView:
        """Queue a world with only this photo in it: depth, scale and gravity. Raises InputError if it is no picture."""
        if not photo.is_file():
            raise InputError("The photo does not exist", got=str(photo), do="Check the path")
        check_photo(photo.name, photo.read_bytes())
        self.options.root.mkdir(parents=True, exist_ok=True)
        folder, number = self.options.root / safe_name(photo.name), 1
        while folder.exists():
            number += 1
            folder = self.options.root / f"{safe_name(photo.name)}-{number}"
        request = {
            "job": "seed",
            "photo": str(photo),
            "world": str(folder),
            "preset": self.options.preset,
            "settings": list(self.options.settings),
        }
        return self.runner.submit(f"Read {photo.name}", request)

    def open_world(self, folder: Path) -> None:
        """Show a world. Raises WorldError if it is none, or holds no frame."""
        with self._lock:
            if (folder / "manifest.json").is_file() and not self._busy_with(folder):
                WorldFolder.open(folder)  # settles what a killed run left
            manifest = read_manifest(folder)
            if not manifest.chunks:
                raise WorldError("This world has no frame", got=str(folder), do="Generate it again")
            frames = FrameSequence(folder, manifest.chunks)
            last = frames[len(frames) - 1]
            scene = SeedScene.from_depth(last.depth, last.camera, floor_z=0.0)
            self.scene = SeedScene(scene.center_depth, 0.0, seen_points(iter(frames)))
            same = self.folder == folder
            state = self.state if same else load_state(folder, PathPlan(source="preset", frames=self.options.frames))
            self.folder, self.frames, self.state = folder, frames, state
            self.anchor = last.camera
            self.cloud = frame_cloud(frames[0])
            self.mode, self.picks, self.start, self.goal = "", [], None, None
            if not same:
                self.loaded = None
            self._replan()
        self._tell("world")
        self._tell("plan")

    def _busy_with(self, folder: Path) -> bool:
        job = self.runner.current
        return job is not None and job.request.get("world") == str(folder)

    def tree(self) -> tuple[tree.Node, ...]:
        """The history of the open world."""
        return () if self.folder is None else tree.read_tree(self.folder)

    def branch(self, segments: int) -> Path:
        """A new world with the first so many segments of this one, which is shown next."""
        folder = self._world()
        if self._busy_with(folder):
            raise WorldError("This world is being worked on", got=folder.name, do="Wait, or cancel the job")
        target = tree.branch(folder, segments)
        self.open_world(target)
        return target

    def keep(self, kept: bool) -> None:
        """Mark the open world as one to keep."""
        self._set(replace(self.state, kept=kept), "world")

    def drop(self, name: str) -> None:
        """Delete a branch that is not open."""
        folder = self._world()
        if name == folder.name:
            raise WorldError("This world is open", got=name, do="Open another one first")
        tree.drop(folder.parent / name)
        self._tell("world")

    # The plan

    def _set(self, state: State, what: str) -> None:
        with self._lock:
            self.state = state
            if self.folder is not None:
                save_state(self.folder, state)
        self._tell(what)

    def plan(self, plan: PathPlan, *, select: int | None = None) -> None:
        """Change the planned path (one undo step)."""
        with self._lock:
            self.state = self.state.planned(plan, select=select)
            self._replan()
        self._set(self.state, "plan")

    def undo(self) -> None:
        """One step of the path back."""
        with self._lock:
            self.state = self.state.undone()
            self._replan()
        self._set(self.state, "plan")

    def redo(self) -> None:
        """One step of the path forward."""
        with self._lock:
            self.state = self.state.redone()
            self._replan()
        self._set(self.state, "plan")

    def select(self, index: int | None) -> None:
        """Select a keyframe."""
        self._set(replace(self.state, selected=index), "plan")

    def caption(self, text: str) -> None:
        """Text for the next segment."""
        with self._lock:
            self.state = replace(self.state, caption=text.strip())
            if self.folder is not None:
                save_state(self.folder, self.state)

    def add_key(self, key: Key) -> None:
        """A keyframe behind the selected one, or at the end."""
        plan, at = self.state.plan.now, self.state.selected
        last = len(plan.keys) - 1
        self.plan(plan.added(key, at), select=last + 1 if at is None else at + 1)

    def split_key(self, index: int) -> None:
        """A keyframe in the middle of the way to this one."""
        if self.anchor is not None:
            self.plan(self.state.plan.now.split(index, self.anchor), select=index)

    def to_keys(self) -> None:
        """The shown path as keyframes."""
        if self.views is not None:
            plan = replace(self.state.plan.now, source="keys", keys=keys_from_path(self.views.path))
            self.plan(plan, select=0)

    def _replan(self) -> None:
        self.views, self.problem = None, ""
        if self.anchor is None or self.scene is None:
            return
        try:
            self.views = camera_path(self.state.plan.now, self.anchor, self.scene, loaded=self.loaded)
        except LyraError as error:
            self.problem = f"{error.what}. {error.do}" if error.do else error.what

    def load_path_file(self, name: str, data: bytes) -> None:
        """Take an uploaded path (Lyra npz, nerfstudio JSON, TUM), moved to the last camera. Raises LyraError."""
        if self.anchor is None:
            raise InputError("There is no world yet", do="Start from a photo first")
        found = read_uploaded(name, data, self.anchor, fps=self.state.plan.now.fps)
        self.loaded = found.path
        self.message = " ".join(found.messages)
        self.plan(replace(self.state.plan.now, source="file", frames=max(2, len(found.path))))

    def saved_path(self, kind: str) -> tuple[str, bytes]:
        """File name and bytes of the shown path: lyra, nerfstudio or tum."""
        if self.views is None:
            raise InputError("There is no path to save", do="Plan one first")
        return saved_bytes(kind, self.views.path, self.state.caption)

    # Jobs

    def generate(self) -> JobView:
        """Extend the world along the shown path, camera by camera as it is shown. Raises InputError without a path."""
        folder = self._world()
        if self.views is None:
            raise InputError("There is no path to generate", got=self.problem, do="Plan one first")
        file = folder / "frames" / "explorer_path.npz"
        write_path_file(file, self.views.path)
        plan = self.state.plan.now
        name = plan.preset if plan.source == "preset" else {"keys": "keyframes", "file": "loaded path"}[plan.source]
        request = {"name": name, "path": str(file), "caption": self.state.caption, "model": self.options.model}
        return self._submit(f"Generate {len(self.views.path) - 1} frames", "extend", **request)

    def resume(self) -> JobView:
        """Go on with a world whose last step was stopped."""
        return self._submit("Go on", "resume")

    def take_back(self, steps: int = 1) -> JobView:
        """Take the last step back."""
        return self._submit("Take back the last step", "revert", steps=steps)

    def rebuild(self) -> JobView:
        """Make all derived files again."""
        return self._submit("Build the world", "rebuild")

    def check(self) -> JobView:
        """Prove the world in PhysX and with the validators."""
        return self._submit("Check", "check")

    def export(self, kind: str) -> JobView:
        """Write one export."""
        return self._submit(f"Export {kind}", "export", export=kind)

    def embed(self) -> JobView:
        """Write the page that opens without a server."""
        folder = self._world()
        return self._submit("Write the web page", "embed", out=str(folder / "exports" / f"{folder.name}.html"))

    def drive(self) -> JobView:
        """Drive from the clicked start to the clicked goal."""
        if self.start is None or self.goal is None:
            raise InputError("A drive needs a start and a goal", do="Click both on the floor")
        return self._submit("Drive", "drive", start=list(self.start), goal=list(self.goal))

    def measure(self, metres: float) -> JobView:
        """Set the scale by the two clicked points. Raises InputError for wrong lengths or too few clicks."""
        if len(self.picks) < 2 or not metres > 0:
            raise InputError("Click two points and type their distance", got=f"{len(self.picks)} points, {metres:g} m")
        folder = self._world()
        cloud = self.cloud
        assert cloud is not None  # an open world has one
        pixels = [v for point in self.picks[-2:] for v in photo_pixel(folder, cloud, point)]
        built = WorldFolder(folder, read_manifest(folder)).is_built
        return self._submit("Set the scale", "rescale", known_length=[*pixels, float(metres)], build=built)

    def level(self) -> JobView:
        """Fix gravity by the clicked floor points."""
        if not self.picks:
            raise InputError("Click the floor first", got="no points", do="Three clicks far apart are best")
        return self._submit("Fix gravity", "gravity", points=[list(p) for p in self.picks])

    def unfinished(self) -> bool:
        """True if the last step of the world was stopped before its end."""
        if self.folder is None or self.frames is None or self._busy_with(self.folder):
            return False
        return len(self.frames) < read_manifest(self.folder).segments[-1].stop

    def _submit(self, title: str, job: str, **values: Any) -> JobView:
        return self.runner.submit(title, {"job": job, "world": str(self._world()), **values})

    def _world(self) -> Path:
        if self.folder is None:
            raise InputError("There is no world yet", do="Start from a photo first")
        return self.folder

    # Clicks

    def pick_mode(self, mode: str) -> None:
        """What the next clicks mean: measure, floor, target, start, goal, or "" for nothing."""
        self.mode, self.picks = mode, []
        self._tell("pick")

    def click(self, origin: np.ndarray, direction: np.ndarray) -> None:
        """A click in the scene as a ray (3,), (3,) in the world."""
        mode = self.mode
        if mode in ("start", "goal"):
            if direction[2] > -1e-3:
                return
            at = origin - direction * (origin[2] / direction[2])
            setattr(self, mode, (float(at[0]), float(at[1])))
            self.mode = "goal" if mode == "start" else ""
            self._tell("pick")
            return
        point = None if self.cloud is None else nearest_point(self.cloud, origin, direction)
        if point is None:
            return
        if mode == "target":
            self.mode = ""
            self.plan(replace(self.state.plan.now, target=point))
        elif mode in ("measure", "floor"):
            self.picks = [*self.picks, point][-2 if mode == "measure" else -12 :]
        self._tell("pick")

    # What the runner says

    def _job_changed(self, job: JobView) -> None:
        self.job = job
        if job.ended:
            self.preview = None
            with contextlib.suppress(LyraError):
                self._settle(job)
        self._tell("job")

    def _settle(self, job: JobView) -> None:
        world = Path(job.request.get("world", ""))
        kind = job.request["job"]
        if job.status == "done" and kind == "seed":
            self.open_world(world)
        elif kind in ("extend", "resume", "revert", "rescale", "gravity", "rebuild", "drive") and self.folder == world:
            if job.status == "done" and kind == "extend":
                self.state = replace(self.state, plan=load_default(self.options).plan, selected=None)
                save_state(world, self.state)
            self.open_world(world)

    def _frame_made(self, index: int, jpeg: str) -> None:
        self.preview = (index, jpeg)
        self._tell("frame")


def load_default(options: StudioOptions) -> State:
    """The state before anything was planned."""
    from lyra_core.explorer.state import Undoable

    return State(Undoable(PathPlan(source="preset", preset="walk", frames=options.frames)))
