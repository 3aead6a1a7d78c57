# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The strip above the tabs: which world this is, what is being done, and the newest frame."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import viser

from lyra_core.explorer.jobs import JobView
from lyra_core.explorer.shell import Shell, frames_text
from lyra_core.world import read_manifest

__all__ = ["StatusPanel"]

_BLANK = np.zeros((4, 4, 3), np.uint8)
_STAGES = {
    "seed": "lens, depth, scale and floor of the photo",
    "plan": "checking the path",
    "generate": "making frames",
    "gaussians": "making splats",
    "mesh": "making meshes, colliders and the map",
    "usd": "writing the stage",
    "prove": "proving it in PhysX and with the validators",
    "drive": "driving in PhysX",
    "rescale": "scaling the frames",
}
_NOTES = 4


class StatusPanel:
    """World, job, progress, cancel, queue."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        gui = shell.gui
        self.world = gui.add_markdown("", visible=False)
        self.job = gui.add_markdown("", visible=False)
        self.bar = gui.add_progress_bar(0.0, visible=False)
        self.image = gui.add_image(_BLANK, label="Newest frame", visible=False)
        self.stop = gui.add_button("Cancel", icon=viser.Icon.PLAYER_STOP, color="red", visible=False)
        self.clear = gui.add_button("Forget the waiting jobs", color="gray", visible=False)
        self.stop.on_click(shell.guarded(lambda _: self.studio.runner.cancel()))
        self.clear.on_click(shell.guarded(lambda _: self._forget()))

    def _forget(self) -> None:
        self.studio.runner.clear_queue()
        self.refresh_job()

    def refresh_world(self) -> None:
        """Name, frames, height of the open world, and whether its scale was measured."""
        folder, frames = self.studio.folder, self.studio.frames
        if folder is None or frames is None:
            return
        view = read_manifest(folder).seed_view
        height = float(frames[0].camera.center[2])
        source = "scale is a guess" if view.get("scale_is_a_guess") else f"scale: {view.get('scale_source', '')}"
        self.refresh_job()
        self.world.visible = True
        self.world.content = (
            f"**{folder.name}** · {frames_text(len(frames))}  \ncamera {height:.2f} m over the floor · {source}"
        )

    def refresh_job(self) -> None:
        """The running job, or how the last one ended."""
        job, waiting = self.studio.job, self.studio.runner.waiting
        if job is None:
            return
        busy = not job.ended
        elsewhere = job.ended and job.request.get("world") not in (None, str(self.studio.folder))
        self.bar.visible = self.stop.visible = busy
        self.image.visible = busy and self.studio.preview is not None
        self.clear.visible = bool(waiting)
        self.job.visible = not elsewhere or bool(waiting)
        more = f"  \nwaiting: {', '.join(j.title for j in waiting)}" if waiting else ""
        if busy:
            self.job.content = _running(job) + more
            self.bar.value = 100.0 * min(1.0, job.done / job.total) if job.total else 0.0
            self.bar.animated = not job.total
        else:
            self.job.content = "  \n".join([_ended(job), *(f"· {said(note)}" for note in _shown(job))]) + more

    def refresh_frame(self) -> None:
        """The newest frame."""
        if self.studio.preview is None:
            return
        index, jpeg = self.studio.preview
        self.image.image = _decoded(jpeg)
        self.image.label = f"Frame {index}"
        self.image.visible = True


def _shown(job: JobView) -> tuple[str, ...]:
    """The last notes of a job. Controls of the proof are for those who asked for the check; here they hide the rest."""
    if job.request.get("job") == "check":
        return tuple(job.notes)
    return tuple(note for note in job.notes if not note.startswith("Control "))[-_NOTES:]


def said(note: str) -> str:
    """A note of a run for people who look at a page: no options of the command line, a capital letter first."""
    text = re.sub(r"\s*\((?:[^()]*\s)?--[^()]*\)", "", note).strip()
    return text[:1].upper() + text[1:]


def _running(job: JobView) -> str:
    share = f" {job.done} of {job.total}" if job.total else ""
    left = f" · about {max(1, round(job.eta))} s left" if job.eta is not None else ""
    return f"▶ **{job.title}**: {_STAGES.get(job.stage, job.stage) or 'starting'}{share}{left}"


def _ended(job: JobView) -> str:
    if job.status == "done":
        return f"✓ {job.title}: done" if job.passed else f"✗ {job.title}: done, but a check **failed**"
    if job.status == "cancelled":
        return f"■ {job.title}: cancelled"
    return f"✗ {job.title}: **{job.error}**"


def _decoded(jpeg: str) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(jpeg))) as image:
        return np.asarray(image.convert("RGB"))
