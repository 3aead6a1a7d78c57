# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""carb, omni.ext, omni.kit.app, menus, actions, notifications, file pickers."""

from __future__ import annotations

import asyncio
import enum
import unittest
from collections.abc import Callable, Coroutine
from typing import Any

from tests.extension.kit_fake.state import FakeKit

__all__ = ["shell_modules"]


class IExt:
    """Base of extensions."""

    def on_startup(self, ext_id: str) -> None: ...

    def on_shutdown(self) -> None: ...


class AsyncTestCase(unittest.IsolatedAsyncioTestCase):
    """Base of tests in Kit's own runner, where setUp and tearDown are coroutines."""

    def _callSetUp(self) -> None:
        self._callAsync(self.setUp)

    def _callTearDown(self) -> None:
        self._callAsync(self.tearDown)


class NotificationStatus(enum.Enum):
    """Colour of a notification."""

    NONE = 0
    INFO = 1
    WARNING = 2
    FAILURE = 3


class MenuItemDescription:
    """One menu item; onclick_fn is deprecated in 6.x and so not here."""

    def __init__(self, name="", glyph=None, header=None, appear_after=None, sub_menu=None, onclick_action=None) -> None:
        self.name, self.glyph, self.header = name, glyph, header
        self.appear_after, self.sub_menu, self.onclick_action = appear_after, sub_menu, onclick_action


class _Guard:
    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release

    def reset(self) -> None:
        self._release()

    def __del__(self) -> None:
        self._release()


def _carb(kit: FakeKit) -> dict[str, dict[str, object]]:
    class Settings:
        def get(self, path):
            return kit.settings.get(path)

        def set(self, path, value):
            kit.settings[path] = value

        def set_default(self, path, value):
            kit.settings.setdefault(path, value)

        def subscribe_to_node_change_events(self, path, fn):
            number = kit.number()
            kit.setting_watchers[number] = path
            return number

        def unsubscribe_to_change_events(self, id):
            kit.setting_watchers.pop(id)

    class EventDispatcher:
        def observe_event(self, order=0, event_name="", on_event=None, filter=None, observer_name=""):
            if not event_name or on_event is None:
                raise ValueError("observe_event needs event_name and on_event")
            number = kit.number()
            kit.observers[number] = (event_name, on_event)
            return _Guard(lambda: kit.observers.pop(number, None))

    class Tokens:
        def resolve(self, text):
            return text

    settings, dispatcher, tokens = Settings(), EventDispatcher(), Tokens()

    def logger(level: str) -> Callable[[str], None]:
        def write(message):
            if message[:1] != message[:1].upper():
                raise ValueError(f"Kit log messages start with a capital: {message!r}")
            kit.log.append((level, message))

        return write

    return {
        "carb": {f"log_{level}": logger(level) for level in ("info", "warn", "error")},
        "carb.settings": {"get_settings": lambda: settings, "ISettings": Settings},
        "carb.eventdispatcher": {"get_eventdispatcher": lambda: dispatcher, "IEventDispatcher": EventDispatcher},
        "carb.tokens": {"get_tokens_interface": lambda: tokens, "ITokens": Tokens},
    }


def _app(kit: FakeKit) -> dict[str, dict[str, object]]:
    class ExtensionManager:
        def get_extension_path(self, ext_id):
            return str(kit.extension_folder)

        def is_extension_enabled(self, name):
            return name in kit.enabled_extensions

        def set_extension_enabled_immediate(self, name, enabled):
            (kit.enabled_extensions.add if enabled else kit.enabled_extensions.discard)(name)
            return True

    manager = ExtensionManager()

    class IApp:
        async def next_update_async(self):
            for call in kit.on_update:
                call()
            await asyncio.sleep(0)

        def get_extension_manager(self):
            return manager

        def get_app_version(self):
            return "6.2.0"

        def get_kit_version(self):
            return "110.4.0"

        def post_quit(self, code):
            kit.calls.append(("post_quit", (code,), {}))

    app = IApp()

    def run_coroutine(coro: Coroutine[Any, Any, Any]):
        return asyncio.get_event_loop().create_task(coro)

    return {
        "omni.ext": {"IExt": IExt, "get_extension_name": lambda ext_id: ext_id.rsplit("-", 1)[0]},
        "omni.kit.app": {
            "get_app": lambda: app,
            "GLOBAL_EVENT_UPDATE": "omni.kit.app:update",
            "IApp": IApp,
            "ExtensionManager": ExtensionManager,
        },
        "omni.kit.async_engine": {"run_coroutine": run_coroutine},
        "omni.kit.test": {"AsyncTestCase": AsyncTestCase},
    }


def _menus(kit: FakeKit) -> dict[str, dict[str, object]]:
    class ActionRegistry:
        def register_action(self, extension_id, action_id, python_object, display_name="", description=""):
            kit.actions[(extension_id, action_id)] = python_object

        def deregister_action(self, extension_id, action_id):
            kit.actions.pop((extension_id, action_id))

        def execute_action(self, extension_id, action_id, *args, **kwargs):
            return kit.actions[(extension_id, action_id)](*args, **kwargs)

    registry = ActionRegistry()

    def add_menu_items(menu, name):
        for item in menu:
            kit.menus.append((name, item))
        return menu

    def remove_menu_items(menu, name):
        for item in menu:
            kit.menus.remove((name, item))

    def post_notification(text, hide_after_timeout=True, duration=3, status=NotificationStatus.INFO, button_infos=()):
        kit.notifications.append((text, status))

    return {
        "omni.kit.actions.core": {"get_action_registry": lambda: registry, "IActionRegistry": ActionRegistry},
        "omni.kit.menu.utils": {
            "MenuItemDescription": MenuItemDescription,
            "add_menu_items": add_menu_items,
            "remove_menu_items": remove_menu_items,
        },
        "omni.kit.notification_manager": {
            "post_notification": post_notification,
            "NotificationStatus": NotificationStatus,
        },
    }


def _pickers(kit: FakeKit) -> dict[str, dict[str, object]]:
    class FilePickerDialog:
        def __init__(
            self,
            title,
            apply_button_label="Open",
            click_apply_handler=None,
            click_cancel_handler=None,
            item_filter_options=None,
            item_filter_fn=None,
        ):
            self.title, self.apply, self.cancel = title, click_apply_handler, click_cancel_handler
            self.filename, self.destroyed = "", False
            kit.pickers.append(self)

        def set_filename(self, filename):
            self.filename = filename

        def hide(self): ...

        def destroy(self):
            self.destroyed = True

    return {"omni.kit.window.filepicker": {"FilePickerDialog": FilePickerDialog}}


def shell_modules(kit: FakeKit) -> dict[str, dict[str, object]]:
    """carb and the omni.kit shell."""
    return {**_carb(kit), **_app(kit), **_menus(kit), **_pickers(kit)}
