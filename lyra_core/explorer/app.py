# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The explorer as a server: studio, scene, panels and door, started and stopped together."""

from __future__ import annotations

import contextlib
import io
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import viser

from lyra_core.errors import LyraError
from lyra_core.explorer.drawing import Drawing, seed_view
from lyra_core.explorer.gate import Gate, is_loopback
from lyra_core.explorer.panel_path import PathPanel
from lyra_core.explorer.panel_robot import ExportPanel, RobotPanel
from lyra_core.explorer.panel_world import LookPanel, MakePanel, PhotoPanel, StatusPanel
from lyra_core.explorer.shell import Shell
from lyra_core.explorer.studio import Studio, StudioOptions

__all__ = ["Explorer", "ExplorerOptions", "Page"]


@dataclass(frozen=True, slots=True)
class ExplorerOptions:
    """host, port: address (port 0: a free one). token: needed to come in; made up where the address is not loopback.
    most_splats: sent to a page at most. studio: of the worlds."""

    studio: StudioOptions
    host: str = "127.0.0.1"
    port: int = 8090
    token: str | None = None
    most_splats: int = 200_000


class Page:
    """Scene and panels of a studio on a viser server; redraws what a change touches."""

    def __init__(self, server: viser.ViserServer, studio: Studio, *, most_splats: int) -> None:
        self.server, self.studio = server, studio
        self.drawing = Drawing(server.scene, studio, most_splats=most_splats)
        shell = Shell(server, studio, self.drawing)
        gui = server.gui
        self._theme(True)
        self.status = StatusPanel(shell)
        self.tabs = gui.add_tab_group()
        with self.tabs.add_tab("Photo"):
            self.photo = PhotoPanel(shell)
        with self.tabs.add_tab("Path"):
            self.path = PathPanel(shell)
        with self.tabs.add_tab("Make"):
            self.make = MakePanel(shell)
        with self.tabs.add_tab("Look"):
            self.look = LookPanel(shell)
        with self.tabs.add_tab("Drive"):
            self.robot = RobotPanel(shell)
        with self.tabs.add_tab("Save"):
            self.export = ExportPanel(shell)
        self.look.dark.on_update(lambda _: self._theme(bool(self.look.dark.value)))
        self._lock = threading.RLock()
        self._opened: Path | None = None
        self._clicks: Any = None
        self._last_job: tuple[int, str] = (0, "")
        studio.listen(self._changed)
        server.on_client_connect(self._arrived)
        self._changed("world")
        self._changed("plan")

    def _theme(self, dark: bool) -> None:
        self.server.gui.configure_theme(
            dark_mode=dark, show_logo=False, show_share_button=False, control_width="large", brand_color=(30, 110, 210)
        )

    def _changed(self, what: str) -> None:
        with self._lock:
            if what == "world":
                self._world()
            elif what == "plan":
                self.path.refresh()
                self.drawing.path()
            elif what == "job":
                self._job()
            elif what == "frame":
                self.status.refresh_frame()
            elif what == "pick":
                self._picks()

    def _world(self) -> None:
        self.status.refresh_world()
        self.make.refresh()
        self.look.refresh()
        self.drawing.world()
        self.drawing.picks()
        folder = self.studio.folder
        if folder is not None and folder != self._opened:
            first = self._opened is None
            self._opened = folder
            for client in self.server.get_clients().values():
                self._home(client)
            if first and (folder / "splats.ply").is_file():
                self.look.layers["Splats"].value = True
                self.look.layers["Points"].value = False

    def _job(self) -> None:
        job = self.studio.job
        self.status.refresh_job()
        self.make.refresh_job()
        self.export.refresh_job()
        if job is None or not job.ended or self._last_job == (job.number, job.status):
            return
        self._last_job = (job.number, job.status)
        kind = job.request.get("job")
        if job.status == "done" and kind in ("extend", "resume", "rebuild") and not self.look.layers["Splats"].value:
            self.look.layers["Splats"].value = True
            self.look.layers["Points"].value = False
            self.drawing.shown["Splats"], self.drawing.shown["Points"] = True, False
            self.drawing.world()
        if job.status == "done" and kind == "drive":
            self.robot.text.content = "  \n".join(job.notes[-1:])
            self.drawing.robot()

    def _picks(self) -> None:
        self.drawing.picks()
        self.photo.refresh()
        self.robot.refresh()
        wanted = self.studio.mode != ""
        if wanted and self._clicks is None:

            @self.server.scene.on_click()
            def clicked(event: viser.SceneClickEvent) -> None:
                import numpy as np

                with contextlib.suppress(LyraError):
                    self.studio.click(np.asarray(event.ray_origin), np.asarray(event.ray_direction))

            self._clicks = clicked
        elif not wanted and self._clicks is not None:
            self.server.scene.remove_click_callback(self._clicks)
            self._clicks = None

    def _arrived(self, client: viser.ClientHandle) -> None:
        self._home(client)

    def _home(self, client: viser.ClientHandle) -> None:
        frames = self.studio.frames
        if frames:
            position, look = seed_view(frames[0].camera)
            with client.atomic():
                client.camera.up_direction = (0.0, 0.0, 1.0)
                client.camera.position, client.camera.look_at = position, look


class Explorer:
    """A running explorer. Use as a context manager, or call close.

    Raises InputError if the address is taken, and what opening the world or the photo raises.
    """

    def __init__(self, options: ExplorerOptions, subject: Path | None = None) -> None:
        token = options.token
        if token is None and not is_loopback(options.host):
            token = secrets.token_urlsafe(18)
        self.studio = Studio(options.studio)
        with contextlib.redirect_stdout(io.StringIO()):  # the viewer announces its inner address
            self.server = viser.ViserServer(host="127.0.0.1", port=0, label="lyra explorer", verbose=False)
        try:
            self.page = Page(self.server, self.studio, most_splats=options.most_splats)
            self.gate = Gate(options.host, options.port, self.server.get_port(), token)
            if subject is not None:
                self.open(subject)
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """What to open in a browser."""
        return self.gate.url

    def open(self, subject: Path) -> None:
        """Show a world folder, or start from a photo."""
        if subject.is_dir():
            self.studio.open_world(subject)
        else:
            self.studio.start_photo(subject)

    def close(self) -> None:
        """Stop jobs, door and server; no process is left."""
        self.studio.close()
        if hasattr(self, "page"):
            self.page.drawing.close()
        if hasattr(self, "gate"):
            self.gate.close()
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()

    def __enter__(self) -> Explorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
