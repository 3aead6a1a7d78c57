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

import numpy as np
import viser

from lyra_core.explorer.drawing import Drawing
from lyra_core.explorer.gate import Gate, is_loopback, tls_context
from lyra_core.explorer.panel_export import ExportPanel
from lyra_core.explorer.panel_history import HistoryPanel
from lyra_core.explorer.panel_look import LookPanel
from lyra_core.explorer.panel_path import PathPanel
from lyra_core.explorer.panel_photo import PhotoPanel, StartPanel
from lyra_core.explorer.panel_robot import RobotPanel
from lyra_core.explorer.panel_status import StatusPanel
from lyra_core.explorer.shell import NEAR, Shell
from lyra_core.explorer.studio import Studio, StudioOptions
from lyra_core.explorer.views import seed_view

__all__ = ["Explorer", "ExplorerOptions", "Page"]


@dataclass(frozen=True, slots=True)
class ExplorerOptions:
    """host, port: address (port 0: a free one). token: needed to come in; made up where the address is not loopback.
    most_splats: sent to a page at most. studio: of the worlds. tls: (certificate, key) as PEM files, for https."""

    studio: StudioOptions
    host: str = "127.0.0.1"
    port: int = 8090
    token: str | None = None
    most_splats: int = 200_000
    tls: tuple[Path, Path] | None = None


class Page:
    """Scene and panels of a studio on a viser server; redraws what a change touches."""

    def __init__(self, server: viser.ViserServer, studio: Studio, *, most_splats: int) -> None:
        self.server, self.studio = server, studio
        self.drawing = Drawing(server, studio, most_splats=most_splats)
        self.shell = shell = Shell(server, studio, self.drawing)
        server.gui.set_panel_label("lyra explorer")
        self._theme(True)
        self.status = StatusPanel(shell)
        self.start = StartPanel(shell)
        self.tabs = server.gui.add_tab_group(visible=False)
        with self.tabs.add_tab("Photo"):
            self.photo = PhotoPanel(shell, self.start)
        with self.tabs.add_tab("Path"):
            self.path = PathPanel(shell)
        with self.tabs.add_tab("History"):
            self.history = HistoryPanel(shell)
        with self.tabs.add_tab("Look"):
            self.look = LookPanel(shell)
        with self.tabs.add_tab("Drive"):
            self.robot = RobotPanel(shell)
        with self.tabs.add_tab("Export"):
            self.export = ExportPanel(shell)
        self.look.dark.on_update(lambda _: self._theme(bool(self.look.dark.value)))
        self._lock = threading.RLock()
        self._opened: Path | None = None
        self._clicks: Any = None
        self._eye: np.ndarray | None = None
        self.closed = False
        self._last_job: tuple[int, str] = (0, "")
        studio.listen(self._changed)
        server.on_client_connect(self._home)
        server.on_client_connect(self.drawing.splats.join)
        self._changed("world")
        self._changed("plan")

    def _theme(self, dark: bool) -> None:
        self.server.gui.configure_theme(
            dark_mode=dark, show_logo=False, show_share_button=False, control_width="large", brand_color=(30, 110, 210)
        )

    def _changed(self, what: str) -> None:
        if self.closed:
            return
        with self._lock:
            if what == "world":
                self._world()
            elif what == "tree":
                self.history.refresh()
                self.start.refresh()
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
        folder = self.studio.folder
        self.tabs.visible = folder is not None
        self.status.refresh_world()
        self.history.refresh()
        self.look.refresh()
        self.export.refresh()
        if folder is not None and folder != self._opened:
            self._opened = folder
            self.start.show(False)
            built = (folder / "splats.ply").is_file()
            self.drawing.shown["Splats"], self.drawing.shown["Points"] = built, not built
            self.look.layers["Splats"].value, self.look.layers["Points"].value = built, not built
            self.look.frame.value = self.drawing.cloud_frame = 0
        # Branches are looked at from where one is; another world, or one that was scaled or levelled, from its start.
        eye = None if self.studio.frames is None else self.studio.frames[0].camera.world_from_camera
        if eye is not None and (self._eye is None or not np.array_equal(eye, self._eye)):
            self._eye = eye
            for client in self.server.get_clients().values():
                self._home(client)
        self.drawing.world()
        self._picks()
        self.robot.settle()

    def _job(self) -> None:
        job = self.studio.job
        self.status.refresh_job()
        self.shell.rest()
        if job is None:
            return
        seen, self._last_job = self._last_job, (job.number, job.status)
        if seen == self._last_job:
            return
        self.path.make.refresh()
        self.history.refresh()
        self.photo.refresh()
        self.robot.refresh()
        if not job.ended:
            return
        self.export.refresh()
        self.start.refresh()
        kind = job.request.get("job")
        if job.status == "done" and kind in ("extend", "resume", "rebuild"):
            self.look.show("Splats", True)
            self.look.show("Points", False)
        if job.status == "done" and kind == "drive":
            self.drawing.robot()

    def _picks(self) -> None:
        self.drawing.picks()
        self.photo.refresh()
        self.path.refresh_picks()
        self.robot.refresh()
        self.look.layers["Map"].value = self.drawing.shown["Map"]
        wanted = self.studio.clicks.mode != ""
        if wanted and self._clicks is None:
            self._clicks = self.server.scene.on_click()(self._clicked)
        elif not wanted and self._clicks is not None:
            self.server.scene.remove_click_callback(self._clicks)
            self._clicks = None

    def _clicked(self, event: viser.SceneClickEvent) -> None:
        said = self.studio.click(np.asarray(event.ray_origin), np.asarray(event.ray_direction))
        if said:
            self.shell.warn(said, event.client)

    def _home(self, client: viser.ClientHandle) -> None:
        frames = self.studio.frames
        if frames:
            position, look = seed_view(frames[0].camera)
            with client.atomic():
                client.camera.near = NEAR
                client.camera.fov = np.radians(60.0)
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
        tls = None if options.tls is None else tls_context(*options.tls)
        self.studio = Studio(options.studio)
        with contextlib.redirect_stdout(io.StringIO()):  # the viewer announces its inner address
            self.server = viser.ViserServer(host="127.0.0.1", port=0, label="lyra explorer", verbose=False)
        try:
            self.page = Page(self.server, self.studio, most_splats=options.most_splats)
            self.gate = Gate(options.host, options.port, self.server.get_port(), token, tls=tls)
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
            self.studio.orders.start_photo(subject)

    def close(self) -> None:
        """Stop jobs, door and server; no process is left."""
        if hasattr(self, "page"):
            self.page.closed = True
            self.page.drawing.close()
        self.studio.close()
        if hasattr(self, "gate"):
            self.gate.close()
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()

    def __enter__(self) -> Explorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
