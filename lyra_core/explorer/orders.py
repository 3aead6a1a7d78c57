# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The jobs that a person can ask for, as requests to the worker process. Each returns the queued job.

All raise InputError where something that the job needs is missing; nothing is queued then.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyra_core.errors import InputError
from lyra_core.explorer.jobs import JobView
from lyra_core.explorer.task import write_path_file
from lyra_core.explorer.uploads import check_photo, safe_name
from lyra_core.generation.plan import CHUNK_FRAMES
from lyra_core.world import WorldFolder, read_manifest

if TYPE_CHECKING:
    from lyra_core.explorer.studio import Studio

__all__ = ["Orders"]


class Orders:
    """Jobs for the world that a studio shows."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def upload_photo(self, name: str, data: bytes) -> JobView:
        """Check an uploaded picture, store it and start a world from it. Raises InputError."""
        ending = check_photo(name, data)
        inbox = self.studio.options.root / "uploads"
        inbox.mkdir(parents=True, exist_ok=True)
        file = inbox / f"{safe_name(name)}{ending}"
        file.write_bytes(data)
        return self.start_photo(file)

    def start_photo(self, photo: Path) -> JobView:
        """Queue a world with only this photo in it: depth, scale and gravity. Raises InputError if it is no picture."""
        options = self.studio.options
        if not photo.is_file():
            raise InputError("The photo does not exist", got=str(photo), do="Check the path")
        check_photo(photo.name, photo.read_bytes())
        options.root.mkdir(parents=True, exist_ok=True)
        folder, number = options.root / safe_name(photo.name), 1
        while folder.exists():
            number += 1
            folder = options.root / f"{safe_name(photo.name)}-{number}"
        request = {
            "job": "seed",
            "photo": str(photo),
            "world": str(folder),
            "preset": options.preset,
            "settings": list(options.settings),
        }
        return self.studio.runner.submit(f"Read {photo.name}", request)

    def generate(self) -> JobView:
        """Extend the world along the shown path, camera by camera as it is shown. Raises InputError without a path."""
        studio, folder = self.studio, self._world()
        if studio.views is None:
            raise InputError("There is no path to generate", got=studio.problem, do="Plan one first")
        if studio.unfinished():
            raise InputError("The last step was stopped before its end", do="Go on with it, or take it back, first")
        file = folder / "frames" / "explorer_path.npz"
        write_path_file(file, studio.views.path)
        plan = studio.state.plan.now
        name = plan.preset if plan.source == "preset" else {"keys": "keyframes", "file": "loaded path"}[plan.source]
        texts = {1 + CHUNK_FRAMES * i: text.strip() for i, text in enumerate(studio.state.captions) if text.strip()}
        request = {"name": name, "path": str(file), "captions": texts, "model": studio.model}
        return self._submit(f"Generate {len(studio.views.path) - 1} frames", "extend", **request)

    def resume(self) -> JobView:
        """Go on with a world whose last step was stopped."""
        return self._submit("Go on", "resume")

    def take_back(self, steps: int = 1) -> JobView:
        """Take the last step back."""
        folder = self._world()
        if len(read_manifest(folder).segments) <= steps:
            raise InputError("There is no step to take back", got="only the photo", do="Generate a path first")
        return self._submit("Take back the last step", "revert", steps=steps)

    def rebuild(self) -> JobView:
        """Make all derived files again."""
        return self._submit("Build splats and meshes", "rebuild")

    def check(self) -> JobView:
        """Prove the world in PhysX and with the validators."""
        self._built()
        return self._submit("Check", "check")

    def export(self, kind: str) -> JobView:
        """Write one export."""
        self._built()
        return self._submit(f"Export {kind}", "export", export=kind)

    def embed(self) -> JobView:
        """Write the page that opens without a server."""
        folder = self._world()
        return self._submit("Write the web page", "embed", out=str(folder / "exports" / f"{folder.name}.html"))

    def drive(self) -> JobView:
        """Drive from the clicked start to the clicked goal."""
        clicks = self.studio.clicks
        self._built()
        if clicks.start is None or clicks.goal is None:
            raise InputError("A drive needs a start and a goal", do="Click both on the floor")
        return self._submit("Drive", "drive", start=list(clicks.start), goal=list(clicks.goal))

    def measure(self, metres: float) -> JobView:
        """Set the scale by the two clicked points. Raises InputError for wrong lengths or too few clicks."""
        picks = self.studio.clicks.picks
        if len(picks) < 2 or not metres > 0:
            raise InputError("Click two points and type their distance", got=f"{len(picks)} points, {metres:g} m")
        between = [*picks[-2], *picks[-1], float(metres)]
        built = WorldFolder(self._world(), read_manifest(self._world())).is_built
        return self._submit("Set the scale", "rescale", between=between, build=built)

    def level(self) -> JobView:
        """Fix gravity by the clicked floor points."""
        picks = self.studio.clicks.picks
        if not picks:
            raise InputError("Click the floor first", got="no points", do="Three clicks far apart are best")
        return self._submit("Fix gravity", "gravity", points=[list(p) for p in picks])

    def _submit(self, title: str, job: str, **values: Any) -> JobView:
        return self.studio.runner.submit(title, {"job": job, "world": str(self._world()), **values})

    def _world(self) -> Path:
        if self.studio.folder is None:
            raise InputError("There is no world yet", do="Start from a photo first")
        return self.studio.folder

    def _built(self) -> None:
        folder = self._world()
        if not WorldFolder(folder, read_manifest(folder)).is_built:
            raise InputError(
                "The splats and meshes of this world are not made yet",
                do="Press Build splats and meshes under Path, or generate a path",
            )
