# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The tab in which a path is planned and generated."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import viser

from lyra_core.explorer.panel_keys import KeysPanel
from lyra_core.explorer.panel_make import MakePanel
from lyra_core.explorer.panel_preview import PreviewPanel
from lyra_core.explorer.preview import clearance_along, speed_warnings
from lyra_core.explorer.shell import Shell, tall
from lyra_core.trajectory import PRESETS, path_speed
from lyra_core.trajectory.presets import Option

__all__ = ["PathPanel"]

_SOURCES = {"Preset": "preset", "Keyframes": "keys", "Loaded file": "file"}
_FORMATS = {"Lyra": "lyra", "Lyra viewer": "gui", "nerfstudio": "nerfstudio", "TUM": "tum"}
_AUTO = "auto"


class PathPanel:
    """Draws the plan's controls and turns them into changes of the plan."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui = shell.gui
        self._filling = False
        self._extra: list[Any] = []
        self._options_of = ""
        self.source = gui.add_dropdown("Path from", tuple(_SOURCES), initial_value="Preset")
        self.frames = gui.add_number("Frames", 81, min=2, max=2001, step=1, hint="With the last frame of the world")
        self.undo = gui.add_button_group("", ("Undo", "Redo"))
        with gui.add_folder("Preset") as self.preset_folder:
            self.preset = gui.add_dropdown("Motion", tuple(PRESETS), initial_value="walk")
            self.strength = gui.add_slider("Strength", 0.1, 3.0, 0.05, 1.0)
        self.preset_keys = gui.add_button("Edit as keyframes", icon=viser.Icon.PENCIL, color="gray")
        with gui.add_folder("Keyframes") as self.keys_folder:
            self.keys = KeysPanel(shell)
        self.summary = gui.add_markdown("")
        self.make = MakePanel(shell)
        with gui.add_folder("Preview"):
            self.preview = PreviewPanel(shell)
        with gui.add_folder("Rules", expand_by_default=False):
            self._rules(gui)
        with gui.add_folder("Model and captions", expand_by_default=False):
            self.make.add_model()
            self.make.add_captions()
        with gui.add_folder("Load and save", expand_by_default=False):
            self.load = gui.add_upload_button(
                "Load a path", icon=viser.Icon.UPLOAD, color="gray", hint="Lyra npz or viewer JSON, nerfstudio, TUM"
            )
            self.save = gui.add_button_group("Save as", tuple(_FORMATS))
        self._connect()

    def _rules(self, gui: viser.GuiApi) -> None:
        self.soft = gui.add_slider("Easing", 0.0, 0.5, 0.05, 0.1, hint="Share of the time to speed up and slow down")
        self.clearance = gui.add_number("Clearance (m)", 0.35, min=0, max=5, step=0.05, hint="To all seen; 0 = off")
        self.walk = gui.add_checkbox("At robot height", False, hint="Keyframes at this height, level")
        self.height = gui.add_number("Robot height (m)", 0.6, min=0.05, max=3, step=0.05)
        self.watch = gui.add_button("Look at a point…", icon=viser.Icon.EYE, color="gray", hint="Then click it")
        self.unwatch = gui.add_button("Look freely", color="gray", visible=False)

    def _connect(self) -> None:
        do = self.shell.guarded
        plain = (self.source, self.frames, self.preset, self.strength, self.soft, self.clearance, self.walk)
        for handle in (*plain, self.height):
            handle.on_update(do(lambda _: None if self._filling else self._changed()))
        self.preset_keys.on_click(do(lambda _: self.studio.to_keys()))
        self.undo.on_click(do(lambda e: self.studio.undo() if e.target.value == "Undo" else self.studio.redo()))
        self.watch.on_click(do(lambda _: self.studio.clicks.want("target")))
        self.unwatch.on_click(do(lambda _: self.studio.watch(None)))
        self.load.on_upload(do(lambda e: self.studio.load_path_file(e.target.value.name, e.target.value.content)))
        self.save.on_click(do(self._save))

    # Changes by the person

    def _changed(self) -> None:
        now = self.studio.state.plan.now
        name = str(self.preset.value)
        self.studio.plan(
            replace(
                now,
                source=_SOURCES[str(self.source.value)],
                frames=int(self.frames.value),
                preset=name,
                strength=float(self.strength.value),
                options=now.options if name == now.preset else (),
                soft=float(self.soft.value),
                clearance=float(self.clearance.value),
                walk_height=float(self.height.value) if self.walk.value else None,
            )
        )

    def _option_changed(self, name: str, option: Option, value: Any) -> None:
        now = self.studio.state.plan.now
        kept = {k: v for k, v in now.options if k != name}
        if value not in ("", _AUTO, None):
            kept[name] = option.read(now.preset, name, value)
        self.studio.plan(replace(now, options=tuple(sorted(kept.items()))))

    def _save(self, event: Any) -> None:
        name, data = self.studio.saved_path(_FORMATS[event.target.value])
        event.client.send_file_download(name, data, save_immediately=True)

    # The state to the controls

    def refresh(self) -> None:
        """Show the present plan."""
        plan = self.studio.state.plan.now
        self._filling = True
        try:
            names = {v: k for k, v in _SOURCES.items()}
            self.source.value = names[plan.source]
            self.frames.value, self.soft.value, self.clearance.value = plan.frames, plan.soft, plan.clearance
            self.strength.value = plan.strength
            if self.preset.value != plan.preset:
                self.preset.value = plan.preset
            if self._options_of != plan.preset:  # also when the person chose another one in this very field
                self._options(plan.preset, dict(plan.options))
            self.walk.value = plan.walk_height is not None
            self.preset_folder.visible = plan.source == "preset"
            self.preset_keys.visible = plan.source != "keys"
            self.keys_folder.visible = plan.source == "keys"
            self.unwatch.visible = plan.target is not None
            self.height.visible = plan.walk_height is not None
        finally:
            self._filling = False
        self.keys.refresh()
        self.preview.refresh()
        self.make.refresh()
        self.summary.content = self._summary()

    def refresh_picks(self) -> None:
        """Whether the next click is the point to look at."""
        waits = self.studio.clicks.mode == "target"
        self.watch.label = "Now click the point" if waits else "Look at a point…"

    def _options(self, name: str, values: dict[str, Any]) -> None:
        for handle in self._extra:
            handle.remove()
        self._extra, self._options_of = [], name
        with self.preset_folder:
            for key, option in PRESETS[name].options.items():
                if key != "clearance":
                    self._extra.append(self._option(key, option, values.get(key, option.default)))

    def _option(self, key: str, option: Option, given: Any) -> Any:
        gui, label = self.shell.gui, key.replace("_", " ").capitalize()
        if option.choices:
            handle: Any = gui.add_dropdown(label, option.choices, initial_value=str(given), hint=tall(option.help))
        elif isinstance(option.default, bool):
            handle = gui.add_checkbox(label, bool(given), hint=tall(option.help))
        else:
            handle = gui.add_text(label, _AUTO if given is None else f"{given:g}", hint=tall(option.help))
        changed = lambda e: None if self._filling else self._option_changed(key, option, e.target.value)  # noqa: E731
        handle.on_update(self.shell.guarded(changed))
        return handle

    def _summary(self) -> str:
        studio = self.studio
        if studio.views is None:
            return studio.problem
        path = studio.views.path
        speed = path_speed(path)
        lines = [
            f"**{len(path) - 1} new frames** · {speed.length:.2f} m · {speed.turn_deg:.0f}° of turns · "
            f"{len(path) / path.fps:.1f} s"
        ]
        if studio.scene is not None:
            gap = float(clearance_along(path, studio.scene.points).min())
            lines.append("Nothing seen is near." if not math.isfinite(gap) else f"Nearest seen surface: {gap:.2f} m")
        lines += [f"⚠ {text}" for text in speed_warnings(path)]
        lines += list(studio.views.messages)
        return "  \n".join(lines)
