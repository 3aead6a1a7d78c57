# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The tab for the history: the tree of worlds, branch, take back, keep, delete, and comparisons."""

from __future__ import annotations

from typing import Any

import viser

from lyra_core.explorer.panel_compare import ComparePanel
from lyra_core.explorer.shell import Shell
from lyra_core.explorer.tree import Node, tree_lines

__all__ = ["HistoryPanel"]


class HistoryPanel:
    """Shows the tree of the open world and moves in it."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self._filling = False
        self.tree = gui.add_markdown("")
        self.open: Any = gui.add_dropdown("Show", ("",), initial_value="")
        self.back = gui.add_button("Take back the last step", icon=viser.Icon.ARROW_BACK_UP, color="gray")
        with gui.add_folder("Branch: try something else, keep both"):
            self.step: Any = gui.add_dropdown("After", ("the photo",), initial_value="the photo")
            self.branch = gui.add_button("Branch here", icon=viser.Icon.GIT_BRANCH)
            self.keep = gui.add_checkbox("Keep this one", False, hint="A kept branch cannot be deleted")
            self.delete = gui.add_button("Delete this branch…", icon=viser.Icon.TRASH, color="gray")
        with gui.add_folder("Compare"):
            self.compare = ComparePanel(shell)
        self.open.on_update(do(lambda _: self._open()))
        self.back.on_click(do(lambda _: self.studio.orders.take_back()))
        self.branch.on_click(do(lambda _: self.studio.branch(self.step.options.index(str(self.step.value)) + 1)))
        self.keep.on_update(do(lambda _: None if self._filling else self.studio.keep(bool(self.keep.value))))
        self.delete.on_click(do(lambda e: self._ask(e.client)))

    def _open(self) -> None:
        folder = self.studio.folder
        if not self._filling and folder is not None and self.open.value not in ("", folder.name):
            self.studio.open_world(folder.parent / str(self.open.value))

    def _ask(self, client: viser.ClientHandle | None) -> None:
        """One question before files are deleted, in the tab that asked."""
        folder, frames = self.studio.folder, self.studio.frames
        if client is None or folder is None or frames is None:
            return
        modal = client.gui.add_modal(f"Delete {folder.name}?")
        with modal:
            client.gui.add_markdown(f"Its {len(frames)} frames are deleted. Worlds that share them keep theirs.")
            yes = client.gui.add_button("Delete", color="red")
            no = client.gui.add_button("Leave it", color="gray")
        no.on_click(lambda _: modal.close())

        def delete(_: Any) -> None:
            modal.close()
            self.studio.drop(folder.name)

        yes.on_click(self.shell.guarded(delete))

    def refresh(self) -> None:
        """The tree and what can be done."""
        studio = self.studio
        if studio.folder is None or studio.frames is None:
            return
        nodes = studio.tree()
        here = next((n for n in nodes if n.name == studio.folder.name), None)
        self._filling = True
        try:
            self.tree.content = tree_lines(nodes, studio.folder.name)
            names = tuple(n.name for n in nodes) or (studio.folder.name,)
            if self.open.options != names:
                self.open.options = names
            self.open.value = studio.folder.name
            self.open.visible = len(names) > 1
            if here is not None:
                self._here(here)
        finally:
            self._filling = False
        self.compare.refresh(names)

    def _here(self, here: Node) -> None:
        steps = ("the photo", *(f"{i}. {s.path}, frame {s.stop - 1}" for i, s in enumerate(here.segments[1:], 1)))
        if self.step.options != steps:
            self.step.options = steps
        self.step.value = steps[-1]
        self.keep.value = here.kept
        busy = self.shell.busy
        self.back.disabled = busy or len(here.segments) < 2
        self.branch.disabled = busy or self.studio.unfinished()
        self.delete.visible = bool(here.parent)
        self.delete.disabled = busy or here.kept
