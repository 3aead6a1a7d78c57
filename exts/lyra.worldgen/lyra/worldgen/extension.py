# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false
"""The Kit entry point: menus, action, settings and life cycle. Everything it registers it takes back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import carb
import carb.settings
import omni.ext
import omni.kit.actions.core
import omni.kit.app
import omni.kit.menu.utils
from omni.kit.menu.utils import MenuItemDescription

__all__ = ["Extension"]

_NAME = "lyra.worldgen"
_ACTION = "toggle_panel"
_TITLE = "Photo to World"
_SETTINGS = f"/exts/{_NAME}"


def _make_core_importable(extension_folder: Path) -> None:
    """Find lyra_core: the setting, else beside the extension (built), else the source checkout around it."""
    given = carb.settings.get_settings().get(f"{_SETTINGS}/core_path")
    folders = [Path(given)] if given else [extension_folder, extension_folder.parent.parent]
    for folder in folders:
        if (folder / "lyra_core" / "__init__.py").is_file():
            if str(folder) not in sys.path:
                sys.path.append(str(folder))
            return
    carb.log_error(
        f"lyra_core was not found in {', '.join(map(str, folders))}. Set {_SETTINGS}/core_path to its folder."
    )


class Extension(omni.ext.IExt):
    """Made by Kit once; on_startup and on_shutdown may follow each other many times."""

    def on_startup(self, ext_id: str) -> None:
        """Register the action and the menus; the panel itself is built when it is first opened."""
        folder = Path(omni.kit.app.get_app().get_extension_manager().get_extension_path(ext_id))
        _make_core_importable(folder)
        self._panel: Any = None
        omni.kit.actions.core.get_action_registry().register_action(
            _NAME, _ACTION, self._toggle, display_name=_TITLE, description="Show or hide the panel that makes worlds"
        )
        # A menu item holds a submenu or an action, not both: one entry in each place that people look in.
        entry = MenuItemDescription(name=_TITLE, onclick_action=(_NAME, _ACTION))
        self._menus = {
            "Tools": [MenuItemDescription(name="Robotics", sub_menu=[entry])],
            "Window": [MenuItemDescription(name=_TITLE, onclick_action=(_NAME, _ACTION))],
        }
        for group, items in self._menus.items():
            omni.kit.menu.utils.add_menu_items(items, group)
        if carb.settings.get_settings().get(f"{_SETTINGS}/show_on_startup"):
            self._toggle()

    def on_shutdown(self) -> None:
        """Kill the worker, then drop subscriptions, windows, menus and the action."""
        self._close()
        for group, items in self._menus.items():
            omni.kit.menu.utils.remove_menu_items(items, group)
        self._menus = {}
        omni.kit.actions.core.get_action_registry().deregister_action(_NAME, _ACTION)

    def _toggle(self) -> None:
        if self._panel is None:
            from lyra.worldgen.panel import Panel  # builds widgets: only when somebody opens it

            self._panel = Panel()
        else:
            self._panel.toggle()

    def _close(self) -> None:
        if self._panel is not None:
            self._panel.close()
            self._panel = None
