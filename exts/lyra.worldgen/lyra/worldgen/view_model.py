# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The heart of the panel: update(model, intent or event) -> (model, effects), and the loop around it.

All decisions are made here and in the modules beside it (intents, answers, view), with the standard library alone.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from lyra.worldgen import messages as m
from lyra.worldgen.answers import answer
from lyra.worldgen.intents import obey
from lyra.worldgen.model import Matrix, Model, Problem
from lyra.worldgen.ports import Ports, Worker
from lyra.worldgen.state import Intent, Picture, State
from lyra.worldgen.view import shown

__all__ = ["ViewModel", "update"]

_EVENTS_PER_TICK = 64  # a frame's share; the rest waits for the next one


def update(model: Model, message: Intent | m.Event) -> tuple[Model, list[m.Effect]]:
    """The model after a message, and what is to be done. Pure. KeyError for an unknown intent."""
    return obey(model, message) if isinstance(message, Intent) else answer(model, message)


class ViewModel:
    """Holds the model; carries effects out through the ports. All methods are for Kit's main thread, except post.

    Parameters
    ----------
    ports: the Kit shell. worker: the worker process; the default starts real ones.
    """

    def __init__(self, ports: Ports, *, worker: Worker | None = None) -> None:
        if worker is None:
            from lyra.worldgen.worker import WorkerProcess

            worker = WorkerProcess()
        self.on_state: Callable[[State], None] | None = None
        self.model = Model()
        self.state = shown(self.model)
        self._ports, self._worker = ports, worker
        self._posted: queue.SimpleQueue[m.Event] = queue.SimpleQueue()
        self._pictures = ThreadPoolExecutor(1, thread_name_prefix="lyra-pictures")
        self._closed = False

    def open(self) -> None:
        """Read the settings and start the worker; once, when the panel is first shown."""
        self._take(self._ports.load())

    def send(self, intent: Intent) -> None:
        """An action of the user."""
        self._take(intent)

    def post(self, event: m.Event) -> None:
        """An event from any thread; it is taken at the next tick."""
        self._posted.put(event)

    def tick(self) -> None:
        """Take what worker and ports reported; once a frame."""
        if self._closed:
            return
        for event in self._worker.poll():
            self._take(event)
        for _ in range(_EVENTS_PER_TICK):
            try:
                event = self._posted.get_nowait()
            except queue.Empty:
                break
            self._take(event)

    def close(self) -> None:
        """End the worker with its children and release everything; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self.on_state = None
        self._ports.halt()
        self._ports.close_sketch()
        self._worker.close()
        self._pictures.shutdown(wait=True, cancel_futures=True)

    def _take(self, message: Intent | m.Event) -> None:
        if self._closed:
            return
        self.model, effects = update(self.model, message)
        for effect in effects:
            self._carry_out(effect)
        state = shown(self.model)
        if state != self.state:
            self.state = state
            if self.on_state is not None:
                self.on_state(state)

    def _carry_out(self, effect: m.Effect) -> None:  # noqa: C901 - one line per effect
        ports, worker = self._ports, self._worker
        match effect:
            case m.StartWorker(interpreter):
                worker.start(interpreter)
            case m.AskWorker(request):
                worker.ask(request)
            case m.StopWorker():
                worker.stop()
            case m.SaveSetting(key, value):
                ports.save_setting(key, value)
            case m.SaveRecents(folders):
                ports.save_recents(folders)
            case m.ReadPicture(purpose, file, width):
                self._pictures.submit(self._read_picture, purpose, file, width)
            case m.Sketch(what, matrices):
                self._sketch(what, matrices)
            case m.SketchPath(poses, lens, fps, curve):
                self._sketch_path(poses, lens, fps, curve)
            case m.ImportWorld(folder, open_stage, appearance):
                ports.import_world(folder, open_stage=open_stage, appearance=appearance, post=self.post)
            case m.SwitchAppearance(prim, appearance):
                ports.switch_appearance(prim, appearance)
            case m.PlaceRobot(robot, world_prim, position, yaw):
                ports.place_robot(robot, world_prim=world_prim, position=position, yaw=yaw, post=self.post)
            case m.PickGoal():
                ports.pick_goal(self.post)
            case m.DriveRobot(points):
                ports.drive(points, self.post)
            case m.HaltRobot():
                ports.halt()
            case m.SetPlaying(on):
                ports.set_playing(on=on)
            case m.Notify(text, level):
                ports.notify(text, level)
            case m.CloseSketch():
                ports.close_sketch()

    def _sketch(self, what: str, matrices: tuple[Matrix, ...]) -> None:
        try:
            keyframes = self._ports.sketch(what, matrices)
        except ValueError as error:
            self.post(m.PortFailed(Problem("The viewport's camera cannot be used", do=str(error))))
            return
        if what in ("add", "remove", "clear", "read"):
            self.post(m.SketchRead(keyframes))

    def _sketch_path(self, poses: tuple[Matrix, ...], lens: tuple[float, float], fps: float, curve: bool) -> None:
        try:
            self._ports.sketch_path(poses, lens=lens, fps=fps, curve=curve)
        except ValueError as error:
            self.post(m.PortFailed(Problem("The path cannot be drawn", do=str(error))))

    def _read_picture(self, purpose: str, file: str, width: int) -> None:
        try:
            rgba, shape, size = self._ports.read_picture(file, width)
        except (OSError, ValueError) as error:
            problem = Problem("The photo cannot be read", str(error), "Choose a JPEG, PNG, WebP or TIFF file")
            self.post(m.PictureRead(purpose, file, Picture(), problem=problem))
            return
        picture = Picture(rgba, *shape, visible=True)
        self.post(m.PictureRead(purpose, file, picture, size))
