# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The stage in Kit: the one undoable import command, opening a world as the stage, and the appearance variant.

All of it runs on Kit's main thread. What is written is decided in stage_edits, which is tested with pxr alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import omni.kit.async_engine
import omni.kit.commands
import omni.usd
from pxr import Usd

from lyra.worldgen import stage_edits
from lyra.worldgen.messages import Event, PortFailed, WorldImported
from lyra.worldgen.model import Problem

__all__ = ["LyraImportWorldCommand", "import_world", "register", "switch_appearance", "unregister"]

Post = Callable[[Event], None]
_REBUILD = "Run lyra rebuild WORLD, or generate the world again"


class LyraImportWorldCommand(omni.kit.commands.Command):
    """Reference a world folder into the open stage; undo takes out exactly what was written.

    Args:
        folder: The world folder.
        appearance: splat, mesh or both.
        post: Called with WorldImported after do, undo and redo.
    """

    def __init__(self, folder: str, appearance: str = "splat", post: Post | None = None) -> None:
        self._folder, self._appearance = folder, appearance
        self._post = post
        self._imported: stage_edits.Imported | None = None
        self._stage = omni.usd.get_context().get_stage()

    def do(self) -> str:
        """Import; returns the path of the world's prim."""
        self._imported = stage_edits.import_world(
            self._stage, Path(self._folder) / "world.usda", appearance=self._appearance
        )
        self._tell(self._imported.prim)
        return self._imported.prim

    def undo(self) -> None:
        """Take the import back."""
        if self._imported is not None:
            stage_edits.remove_import(self._imported)
            self._imported = None
            self._tell("")

    def _tell(self, prim: str) -> None:
        if self._post is not None:
            self._post(WorldImported(self._folder, prim))


def register() -> None:
    """Make the command known to Kit."""
    omni.kit.commands.register(LyraImportWorldCommand)


def unregister() -> None:
    """Take the command back."""
    omni.kit.commands.unregister(LyraImportWorldCommand)


def import_world(folder: str, open_stage: bool, appearance: str, post: Post) -> None:
    """Bring a world into the stage, or open its own stage; posts WorldImported or PortFailed."""
    if open_stage:
        omni.kit.async_engine.run_coroutine(_open(folder, appearance, post))
        return
    if omni.usd.get_context().get_stage() is None:
        post(PortFailed(Problem("There is no open stage", do="Create a stage, or load the world as the stage")))
        return
    try:
        done, _ = omni.kit.commands.execute("LyraImportWorld", folder=folder, appearance=appearance, post=post)
    except (OSError, ValueError, RuntimeError) as error:
        post(PortFailed(Problem("The world could not be loaded", str(error), _REBUILD)))
        return
    if not done:
        post(PortFailed(Problem("The world could not be loaded", folder, _REBUILD)))


def switch_appearance(prim: str, appearance: str) -> None:
    """Select the appearance variant of the world at prim; nothing happens if it is gone."""
    stage = omni.usd.get_context().get_stage()
    if stage is not None and stage.GetPrimAtPath(prim):
        stage_edits.select_appearance(stage, prim, appearance)


async def _open(folder: str, appearance: str, post: Post) -> None:
    """world_physics.usda brings the physics scene; the variant goes to the session layer, so no file of ours changes."""
    url = Path(folder) / "world_physics.usda"
    opened, reason = await omni.usd.get_context().open_stage_async(str(url))
    stage = omni.usd.get_context().get_stage()
    if not opened or stage is None:
        post(PortFailed(Problem("The world could not be opened", f"{url}: {reason}", _REBUILD)))
        return
    with Usd.EditContext(stage, stage.GetSessionLayer()):
        stage_edits.select_appearance(stage, "/World", appearance)
    post(WorldImported(folder, "/World"))
