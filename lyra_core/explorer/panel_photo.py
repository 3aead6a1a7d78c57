# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""How a session starts, and the tab for the photo's scale and gravity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import viser

from lyra_core.explorer.shell import Shell

__all__ = ["PhotoPanel", "StartPanel"]

# The viewer's upload button takes no drops: this hands dropped files to its file field.
_DROP = """<div style="border:2px dashed #888;border-radius:8px;padding:1.3em 0.5em;margin:0 0.7em 0.7em;
text-align:center" ondragover="event.preventDefault();this.style.borderColor='#1e6ed2'"
ondragleave="this.style.borderColor='#888'" ondrop="event.preventDefault();this.style.borderColor='#888';
const field=document.querySelector('input[type=file][accept^=image]');field.files=event.dataTransfer.files;
field.dispatchEvent(new Event('change',{bubbles:true}))"><b>Drop a photo here</b><br>
<small>JPEG, PNG, WebP or TIFF, up to 40 MB</small></div>"""
_NONE = "choose one"


class StartPanel:
    """A photo by upload, drag or path; or a world that was made before."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self.folder = gui.add_folder("Start")
        with self.folder:
            self.hint = gui.add_markdown("One photo becomes a 3D world that you can walk through, extend and drive in.")
            self.drop = gui.add_html(_DROP)
            self.upload = gui.add_upload_button("Choose a photo", icon=viser.Icon.PHOTO_UP, mime_type="image/*")
            self.world: Any = gui.add_dropdown("Earlier world", (_NONE,), initial_value=_NONE)
            self.path = gui.add_text("Or a path", "", hint="A photo or a world folder on the server's machine")
            self.open = gui.add_button("Open the path", icon=viser.Icon.FOLDER_OPEN, color="gray")
            self.back = gui.add_button("Back to the world", color="gray", visible=False)
        self.upload.on_upload(do(lambda e: self._upload(e.target.value)))
        self.open.on_click(do(lambda _: self._open(Path(str(self.path.value)).expanduser())))
        self.world.on_update(do(lambda _: self._earlier()))
        self.back.on_click(do(lambda _: self.show(False)))
        self.refresh()

    def _upload(self, file: Any) -> None:
        self.studio.orders.upload_photo(file.name, file.content)

    def _open(self, file: Path) -> None:
        if file.is_dir():
            self.studio.open_world(file)
            self.show(False)
        else:
            self.studio.orders.start_photo(file)

    def _earlier(self) -> None:
        name = str(self.world.value)
        if name != _NONE:
            self.world.value = _NONE
            self._open(self.studio.options.root / name)

    def show(self, visible: bool) -> None:
        """Show or hide it; without a world it cannot be hidden."""
        self.folder.visible = visible or self.studio.folder is None
        self.back.visible = self.studio.folder is not None
        self.refresh()

    def refresh(self) -> None:
        """The worlds that are there."""
        names = (_NONE, *self.studio.worlds())
        if self.world.options != names:
            self.world.options = names
        self.world.visible = len(names) > 1


class PhotoPanel:
    """Set the scale by a length; set gravity by the floor."""

    def __init__(self, shell: Shell, start: StartPanel) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        with gui.add_folder("Scale: measure something you know"):
            self.measure = gui.add_button("Click two points", icon=viser.Icon.RULER_MEASURE, color="gray")
            self.measured = gui.add_markdown("For example the two sides of a door.")
            self.length = gui.add_number("True length (m)", 1.0, min=0.001, step=0.01)
            self.apply = gui.add_button("Set the scale", disabled=True)
        with gui.add_folder("Gravity: where is the floor?"):
            self.floor = gui.add_button("Click floor points", icon=viser.Icon.POINTER, color="gray")
            self.floored = gui.add_markdown("Three clicks far apart; before frames are generated.")
            self.level = gui.add_button("Make it level", disabled=True)
        self.stop = gui.add_button("Stop clicking", color="gray", visible=False)
        self.other = gui.add_button("Another photo or world…", icon=viser.Icon.FOLDER_OPEN, color="gray")
        self.measure.on_click(do(lambda _: self.studio.clicks.want("measure")))
        self.floor.on_click(do(lambda _: self.studio.clicks.want("floor")))
        self.stop.on_click(do(lambda _: self.studio.clicks.want("")))
        self.apply.on_click(do(lambda _: self.studio.orders.measure(float(self.length.value))))
        self.level.on_click(do(lambda _: self.studio.orders.level()))
        self.other.on_click(do(lambda _: start.show(True)))

    def refresh(self) -> None:
        """What was clicked so far, and what comes next."""
        mode, picks = self.studio.clicks.mode, self.studio.clicks.picks
        self.stop.visible = mode in ("measure", "floor")
        self.measured.content = "For example the two sides of a door."
        self.floored.content = "Three clicks far apart; before frames are generated."
        if mode == "measure":
            self.measured.content = ("**Click the first point.**", "**Click the second point.**")[min(len(picks), 1)]
            if len(picks) == 2:
                gap = float(np.linalg.norm(np.subtract(picks[0], picks[1])))
                self.measured.content = f"**{gap:.2f} m** at the present scale. Type the true length."
        elif mode == "floor":
            self.floored.content = f"**Click the floor.** {len(picks)} of 3 points" + (" or more" if picks else "")
        self.apply.disabled = not (mode == "measure" and len(picks) == 2) or self.shell.busy
        self.level.disabled = not (mode == "floor" and picks) or self.shell.busy
