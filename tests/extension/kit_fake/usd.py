# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""omni.usd over a real pxr stage, commands with undo, the timeline and the viewport."""

from __future__ import annotations

import enum
from typing import Any

from tests.extension.kit_fake.state import FakeKit

__all__ = ["usd_modules"]


class StageEventType(enum.Enum):
    """Events of a stage that the extension may observe."""

    OPENED = 0
    CLOSING = 1
    CLOSED = 2
    ASSETS_LOADED = 3
    SELECTION_CHANGED = 4
    HIERARCHY_CHANGED = 5
    SIMULATION_START_PLAY = 6
    SIMULATION_STOP_PLAY = 7


class Command:
    """Base of commands that can be undone."""

    def do(self) -> Any:
        raise NotImplementedError

    def undo(self) -> None:
        raise NotImplementedError


def _context(kit: FakeKit) -> dict[str, dict[str, object]]:
    class Selection:
        def set_selected_prim_paths(self, paths, expand):
            kit.selection = list(paths)

        def get_selected_prim_paths(self):
            return list(kit.selection)

    selection = Selection()

    class UsdContext:
        def get_stage(self):
            return kit.stage

        def get_stage_id(self):
            from pxr import UsdUtils

            return UsdUtils.StageCache.Get().Insert(kit.stage).ToLongInt()

        async def open_stage_async(self, url):
            from pxr import Usd

            kit.dispatch("omni.usd::stage:closing")
            kit.stage = Usd.Stage.Open(url)
            kit.dispatch("omni.usd::stage:opened")
            return (kit.stage is not None, "")

        async def new_stage_async(self):
            from pxr import Usd, UsdGeom

            kit.dispatch("omni.usd::stage:closing")
            kit.stage = Usd.Stage.CreateInMemory()
            UsdGeom.SetStageUpAxis(kit.stage, UsdGeom.Tokens.z)
            UsdGeom.SetStageMetersPerUnit(kit.stage, 1.0)
            kit.dispatch("omni.usd::stage:opened")
            return (True, "")

        async def close_stage_async(self):
            kit.dispatch("omni.usd::stage:closing")
            kit.stage = None
            return (True, "")

        def get_stage_loading_status(self):
            return ("", 0, 0)

        def stage_event_name(self, event_type):
            return f"omni.usd::stage:{event_type.name.lower()}"

        def get_selection(self):
            return selection

        def is_new_stage(self):
            return kit.stage is not None and kit.stage.GetRootLayer().anonymous

        def has_pending_edit(self):
            return False

    context = UsdContext()

    def get_context(name=""):
        return context

    return {
        "omni.usd": {
            "get_context": get_context,
            "StageEventType": StageEventType,
            "UsdContext": UsdContext,
            "Selection": Selection,
        }
    }


def _commands(kit: FakeKit) -> dict[str, dict[str, object]]:
    def name_of(command_class):
        return command_class.__name__.removesuffix("Command")

    def register(command_class):
        if not issubclass(command_class, Command):
            raise TypeError("register needs a Command")
        kit.commands[name_of(command_class)] = command_class

    def unregister(command_class):
        kit.commands.pop(name_of(command_class))

    def execute(name, **kwargs):
        command = kit.commands[name.removesuffix("Command")](**kwargs)
        result = command.do()
        kit.undo_stack.append(command)
        kit.redo_stack.clear()
        return (True, result)

    def undo():
        command = kit.undo_stack.pop()
        command.undo()
        kit.redo_stack.append(command)
        return True

    def redo():
        command = kit.redo_stack.pop()
        command.do()
        kit.undo_stack.append(command)
        return True

    return {
        "omni.kit.commands": {
            "Command": Command,
            "register": register,
            "unregister": unregister,
            "execute": execute,
        },
        "omni.kit.undo": {"undo": undo, "redo": redo},
    }


def _viewport(kit: FakeKit) -> dict[str, dict[str, object]]:
    def get_active_viewport_camera_path():
        return kit.camera

    class Timeline:
        def play(self):
            kit.playing = True
            kit.dispatch("omni.timeline:play")

        def pause(self):
            kit.playing = False

        def stop(self):
            kit.playing, kit.time = False, 0.0
            kit.dispatch("omni.timeline:stop")

        def is_playing(self):
            return kit.playing

        def is_stopped(self):
            return not kit.playing

        def set_current_time(self, time):
            kit.time = time

        def get_current_time(self):
            return kit.time

        def commit(self): ...

    timeline = Timeline()

    def get_timeline_interface():
        return timeline

    return {
        "omni.kit.viewport.utility": {"get_active_viewport_camera_path": get_active_viewport_camera_path},
        "omni.timeline": {
            "get_timeline_interface": get_timeline_interface,
            "GLOBAL_EVENT_PLAY": "omni.timeline:play",
            "GLOBAL_EVENT_STOP": "omni.timeline:stop",
            "ITimeline": Timeline,
        },
    }


def usd_modules(kit: FakeKit) -> dict[str, dict[str, object]]:
    """The modules around the stage."""
    return {**_context(kit), **_commands(kit), **_viewport(kit)}
