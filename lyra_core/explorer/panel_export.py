# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The tab for checks, exports and downloads."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import viser

from lyra_core.explorer.shell import Shell
from lyra_core.pipeline.export import EXPORTS

__all__ = ["ExportPanel"]

_NONE = "none yet"


class ExportPanel:
    """One button for each export; what was made can be downloaded, also after a restart."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui, do = shell.gui, shell.guarded
        self.check = gui.add_button(
            "Check in PhysX", icon=viser.Icon.CHECKS, hint="Rays, drops, map and validators, as lyra check"
        )
        self.check.on_click(do(lambda _: self.studio.orders.check()))
        with gui.add_folder("Make"):
            for kind, entry in EXPORTS.items():
                button = gui.add_button(f"{kind}: {entry.text.split(' (')[0]}", color="gray", hint=entry.text)
                button.on_click(do(lambda _, k=kind: self.studio.orders.export(k)))
            self.page = gui.add_button(
                "html: a page that needs no server", color="gray", hint="Splats, path and spawn poses in one file"
            )
            self.page.on_click(do(lambda _: self.studio.orders.embed()))
        with gui.add_folder("Download"):
            self.files: Any = gui.add_dropdown("File", (_NONE,), initial_value=_NONE)
            self.download = gui.add_button("Download", icon=viser.Icon.DOWNLOAD, disabled=True)
        self.download.on_click(do(self._send))

    def refresh(self) -> None:
        """What lies in the world's folder of exports."""
        made = self._made()
        if self.files.options != (tuple(made) or (_NONE,)):
            newest = max(made, key=lambda name: made[name].stat().st_mtime, default=_NONE)
            self.files.options = tuple(made) or (_NONE,)
            self.files.value = newest
        self.download.disabled = not made

    def _made(self) -> dict[str, Path]:
        folder = self.studio.folder
        if folder is None or not (folder / "exports").is_dir():
            return {}
        return {p.name: p for p in sorted((folder / "exports").iterdir()) if not p.name.startswith(".")}

    def _send(self, event: Any) -> None:
        file = self._made().get(str(self.files.value))
        if file is None:
            self.shell.warn("Make an export first.", event.client)
            return
        if file.is_file():
            event.client.send_file_download(file.name, file.read_bytes(), save_immediately=True)
            return
        with tempfile.TemporaryDirectory() as scratch:  # exports of several files go as one archive
            packed = Path(shutil.make_archive(str(Path(scratch) / file.name), "zip", file))
            event.client.send_file_download(packed.name, packed.read_bytes(), save_immediately=True)
