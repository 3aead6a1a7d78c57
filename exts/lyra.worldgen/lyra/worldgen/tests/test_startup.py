# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""In Kit: the menu opens the panel, and disabling the extension takes everything back. Not run yet."""

from __future__ import annotations

import omni.kit.actions.core
import omni.kit.app
import omni.kit.test
import omni.ui as ui
from omni.kit import ui_test

__all__ = ["TestPanel"]

_NAME = "lyra.worldgen"
_TITLE = "Photo to World"


class TestPanel(omni.kit.test.AsyncTestCase):
    """The wiring; behaviour is tested outside of Kit."""

    async def setUp(self) -> None:
        """Open the panel."""
        omni.kit.actions.core.get_action_registry().execute_action(_NAME, "toggle_panel")
        await ui_test.human_delay(10)

    async def tearDown(self) -> None:
        """Hide it again."""
        window = ui.Workspace.get_window(_TITLE)
        if window is not None and window.visible:
            window.visible = False

    async def test_the_panel_opens_with_its_primary_button_disabled(self) -> None:
        """Without a photo there is nothing to generate."""
        button = ui_test.find(f"{_TITLE}//Frame/**/Button[*].identifier=='generate'")
        self.assertIsNotNone(button)
        self.assertFalse(button.widget.enabled)

    async def test_disabling_takes_the_window_and_the_action_back(self) -> None:
        """Reload three times: one window, one action."""
        manager = omni.kit.app.get_app().get_extension_manager()
        for _ in range(3):
            manager.set_extension_enabled_immediate(_NAME, False)
            await ui_test.human_delay(5)
            self.assertIsNone(ui.Workspace.get_window(_TITLE))
            manager.set_extension_enabled_immediate(_NAME, True)
            await ui_test.human_delay(5)

    async def test_the_menu_entry_is_there(self) -> None:
        """Tools > Robotics > Photo to World."""
        await ui_test.menu_click(f"Tools/Robotics/{_TITLE}")
        await ui_test.human_delay(5)
        self.assertIsNotNone(ui.Workspace.get_window(_TITLE))
