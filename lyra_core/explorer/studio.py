# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The explorer without a browser: one world, its plan, its history. Every button calls a method here or in `orders`.

All methods may be called from any thread. Listeners are told what changed: "world", "tree", "plan", "job",
"frame", "pick".
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError, LyraError, WorldError
from lyra_core.explorer import tree
from lyra_core.explorer.anchoring import base_of, placed_at, replaced
from lyra_core.explorer.clicks import Clicks
from lyra_core.explorer.content import Cloud, frame_cloud
from lyra_core.explorer.jobs import JobRunner, JobView
from lyra_core.explorer.orders import Orders
from lyra_core.explorer.path_files import read_uploaded, saved_bytes
from lyra_core.explorer.plan import Key, PathPlan, PlannedViews, camera_path, keys_from_path
from lyra_core.explorer.state import State, Undoable, load_state, save_state
from lyra_core.explorer.task import read_path_file, write_path_file
from lyra_core.pipeline.begin import seen_points
from lyra_core.trajectory import SeedScene
from lyra_core.types import Camera, CameraPath
from lyra_core.world import FrameSequence, WorldFolder, read_manifest

__all__ = ["Studio", "StudioOptions"]

_LOADED = "frames/explorer_loaded.npz"
_Ray = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class StudioOptions:
    """root: folder in which worlds are made. preset: settings of new worlds. settings: key=value overrides.
    frames: of a new plan. model: video model of new frames, or "" for the world's own."""

    root: Path
    preset: str = "balanced"
    settings: tuple[str, ...] = ()
    frames: int = 81
    model: str = ""

    @property
    def first_plan(self) -> PathPlan:
        """What is planned before anyone planned anything."""
        return PathPlan(source="preset", preset="walk", frames=self.frames)


class Studio:
    """One world at a time, shared by all tabs. clicks: what was clicked. orders: the jobs that can be asked for.
    model: video model of the next frames, or "" for the world's own."""

    def __init__(self, options: StudioOptions) -> None:
        self.options = options
        self.model = options.model
        self.folder: Path | None = None
        self.state = State(Undoable(options.first_plan))
        self.views: PlannedViews | None = None
        self.problem = ""
        self.message = ""
        self.job: JobView | None = None
        self.preview: tuple[int, str] | None = None
        self.anchor: Camera | None = None
        self.scene: SeedScene | None = None
        self.frames: FrameSequence | None = None
        self.cloud: Cloud | None = None
        self.loaded: CameraPath | None = None
        self._listeners: list[Callable[[str], None]] = []
        self._lock = threading.RLock()
        self.clicks = Clicks(lambda: self._tell("pick"), self.watch)
        self.orders = Orders(self)
        self.runner = JobRunner(self._job_changed, self._frame_made)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call listener(what) after every change."""
        self._listeners.append(listener)

    def _tell(self, what: str) -> None:
        for listener in list(self._listeners):
            listener(what)

    def close(self) -> None:
        """Stop all work."""
        self.runner.close()

    # Worlds

    def worlds(self) -> tuple[str, ...]:
        """Names of the worlds in the folder of new worlds, the newest first."""
        found = [p for p in self.options.root.glob("*/manifest.json") if not p.parent.name.startswith(".")]
        return tuple(p.parent.name for p in sorted(found, key=lambda p: -p.stat().st_mtime))

    def open_world(self, folder: Path) -> None:
        """Show a world. Raises WorldError if it is none, or holds no frame."""
        with self._lock:
            if (folder / "manifest.json").is_file() and not self.busy_with(folder):
                WorldFolder.open(folder)  # settles what a killed run left
            manifest = read_manifest(folder)
            if not manifest.chunks:
                raise WorldError("This world has no frame", got=str(folder), do="Generate it again")
            frames = FrameSequence(folder, manifest.chunks)
            last = frames[len(frames) - 1]
            scene = SeedScene.from_depth(last.depth, last.camera, floor_z=0.0)
            self.scene = SeedScene(scene.center_depth, 0.0, seen_points(iter(frames)))
            same = self.folder == folder
            state = self.state if same else load_state(folder, self.options.first_plan)
            self.folder, self.frames, self.state = folder, frames, replaced(state, frames[0])
            self.anchor = last.camera
            self.cloud = frame_cloud(frames[0])
            self.clicks.forget()
            self.message = ""
            self._load_path()
            self._replan()
        self._tell("world")
        self._tell("plan")

    def _load_path(self) -> None:
        """The uploaded path of this world, begun at its last camera: also after a restart or more frames."""
        assert self.folder is not None
        assert self.anchor is not None
        file = self.folder / _LOADED
        self.loaded = placed_at(read_path_file(file), self.anchor) if file.is_file() else None

    def busy_with(self, folder: Path | None) -> bool:
        """True while a job works on that world."""
        job = self.runner.current
        return job is not None and folder is not None and job.request.get("world") == str(folder)

    def tree(self) -> tuple[tree.Node, ...]:
        """The history of the open world."""
        return () if self.folder is None else tree.read_tree(self.folder)

    def branch(self, segments: int) -> Path:
        """A new world with the first so many segments of this one, which is shown next."""
        folder = self._world()
        if self.busy_with(folder):
            raise WorldError("This world is being worked on", got=folder.name, do="Wait, or cancel the job")
        target = tree.branch(folder, segments, plan=self.options.first_plan)
        self.open_world(target)
        return target

    def keep(self, kept: bool) -> None:
        """Mark the open world as one to keep: it cannot be deleted then."""
        self._change(lambda state: replace(state, kept=kept), "tree")

    def drop(self, name: str) -> None:
        """Delete a branch; if it is open, its parent is shown instead. Raises WorldError for what others need."""
        folder = self._world()
        target = folder.parent / name
        if self.busy_with(target):
            raise WorldError("This world is being worked on", got=name, do="Wait, or cancel the job")
        tree.may_drop(target)
        if name == folder.name:
            self.open_world(folder.parent / self.state.parent)
        tree.drop(target)
        self._tell("tree")

    def frames_of(self, name: str) -> FrameSequence:
        """The frames of another world of the tree. Raises WorldError if it is none."""
        folder = self._world().parent / name
        return FrameSequence(folder, read_manifest(folder).chunks)

    # The plan

    def _change(self, change: Callable[[State], State], what: str, *, replan: bool = False) -> None:
        """Make a new state of the present one and tell everybody.

        Pages and jobs act from threads of their own: the state is read and set under one lock, or the change of one
        would undo that of another.
        """
        with self._lock:
            self.state = change(self.state)
            if replan:
                self._replan()
            if self.folder is not None and self.frames is not None:
                self.state = replace(self.state, base=base_of(self.frames[0]))
                save_state(self.folder, self.state)
        self._tell(what)

    def plan(self, plan: PathPlan, *, select: int | None = None) -> None:
        """Change the planned path (one undo step)."""
        self._change(lambda state: state.planned(plan, select=select), "plan", replan=True)

    def undo(self) -> None:
        """One step of the path back."""
        self._change(State.undone, "plan", replan=True)

    def redo(self) -> None:
        """One step of the path forward."""
        self._change(State.redone, "plan", replan=True)

    def select(self, index: int | None) -> None:
        """Select a keyframe."""
        self._change(lambda state: replace(state, selected=index), "plan")

    def watch(self, point: tuple[float, float, float] | None) -> None:
        """Keep looking at a point [m] along the path; None looks freely."""
        self.plan(replace(self.state.plan.now, target=point))

    def caption(self, chunk: int, text: str) -> None:
        """Text for one chunk of the next segment."""
        with self._lock:
            texts = [*self.state.captions, *[""] * (chunk + 1)][: max(len(self.state.captions), chunk + 1)]
            texts[chunk] = text
            self.state = replace(self.state, captions=tuple(texts))
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
        if self.unfinished():
            self.problem = "The last step was stopped before its end: go on with it, or take it back."
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
        self.loaded = placed_at(found.path, self.anchor)
        write_path_file(self._world() / _LOADED, found.path)
        self.message = " ".join(found.messages)
        self.plan(replace(self.state.plan.now, source="file", frames=max(2, len(found.path))))

    def saved_path(self, kind: str) -> tuple[str, bytes]:
        """File name and bytes of the shown path: lyra, gui, nerfstudio or tum."""
        if self.views is None:
            raise InputError("There is no path to save", got=self.problem, do="Plan one first")
        return saved_bytes(kind, self.views.path, self.state.captions)

    def unfinished(self) -> bool:
        """True if the last step of the world was stopped before its end."""
        if self.folder is None or self.frames is None or self.busy_with(self.folder):
            return False
        return len(self.frames) < read_manifest(self.folder).segments[-1].stop

    def _world(self) -> Path:
        if self.folder is None:
            raise InputError("There is no world yet", do="Start from a photo first")
        return self.folder

    # Clicks and jobs

    def click(self, origin: _Ray, direction: _Ray) -> str:
        """A click in the scene as a ray (3,), (3,) in the world; see Clicks.click."""
        near = np.zeros((0, 3), np.float32) if self.cloud is None else self.cloud.points
        seen = near if self.scene is None else np.concatenate([near, self.scene.points])
        return self.clicks.click(origin, direction, seen)

    def _job_changed(self, job: JobView) -> None:
        self.job = job
        if job.ended:
            self.preview = None
            with contextlib.suppress(LyraError):
                self._settle(job)
        self._tell("job")

    def _settle(self, job: JobView) -> None:
        world = Path(job.request.get("world", ""))
        kind, done = job.request["job"], job.status == "done"
        if done and kind == "seed":
            self.open_world(world)
        elif kind in ("extend", "resume", "revert", "rescale", "gravity", "rebuild") and self.folder == world:
            count = read_manifest(world).segments[-1].first
            with self._lock:
                if done and kind in ("extend", "resume"):
                    self.state = self.state.generated(count, self.options.first_plan)
                elif done and kind == "revert":
                    self.state = self.state.taken_back(read_manifest(world).segments[-1].stop)
            self.open_world(world)
            self._change(lambda state: state, "plan")

    def _frame_made(self, index: int, jpeg: str) -> None:
        self.preview = (index, jpeg)
        self._tell("frame")
