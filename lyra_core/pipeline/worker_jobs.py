# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The worker's requests: each handler yields protocol lines (dicts without the request's id); closing it cancels."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lyra_core.errors import InputError, WorldError
from lyra_core.generation.seed import SeedView
from lyra_core.geometry import fov_from_focal
from lyra_core.pipeline.config import RunConfig, load_config
from lyra_core.pipeline.events import Event, Finished, FrameMade, Note, Progress, StageFinished, StageStarted
from lyra_core.pipeline.worker_catalog import describe
from lyra_core.pipeline.worker_meter import Meter
from lyra_core.types import CameraPath, Frame

__all__ = ["HANDLERS", "Jobs"]

Line = dict[str, Any]
_THUMBNAIL_EVERY = 0.4  # [s]
_THUMBNAILS_KEPT = 16
_THUMBNAIL_WIDTH = 160  # [px]


class Jobs:
    """Carries requests out. scratch: folder for thumbnails, owned by whoever started the worker."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._numbers = itertools.count()
        self._seed_key: tuple[Any, ...] = ()
        self._seen: tuple[SeedView, Frame] | None = None

    def preview(self, body: Mapping[str, Any]) -> Iterator[Line]:
        """The planned path of photo and settings, with what the clearance limiter did."""
        config = _config(body)
        path, warnings, figures = self._planned(body)
        moves = np.linalg.norm(np.diff(path.centers, axis=0), axis=1)
        yield {
            "event": "done",
            "poses": np.round(path.world_from_camera, 6).tolist(),
            "frames": len(path),
            "length": round(float(moves.sum()), 3),
            "warnings": list(warnings),
            "figures": figures,
            "photo": self._reading(Path(_text(body, "photo")), config),
            "lens": [round(float(path.intrinsics[0, 0, 0]) / path.width, 6), round(path.height / path.width, 6)],
            "fps": path.fps,
        }

    def save_path(self, body: Mapping[str, Any]) -> Iterator[Line]:
        """The planned path as a file: .npz (Lyra 2), .json (nerfstudio) or .txt (TUM)."""
        from lyra_core.trajectory import save_lyra, save_nerfstudio, save_tum

        file = Path(_text(body, "file"))

        def save_npz(file: Path, path: CameraPath) -> None:
            with tempfile.TemporaryDirectory(dir=file.parent) as folder:  # save_lyra writes a folder
                save_lyra(folder, path)
                (Path(folder) / "trajectory.npz").replace(file)

        writers = {".npz": save_npz, ".json": save_nerfstudio, ".txt": save_tum, ".tum": save_tum}
        if file.suffix.lower() not in writers:
            raise InputError("A camera path is saved as .npz, .json or .txt", got=file.name, do="Choose such a name")
        path, _, _ = self._planned(body)
        writers[file.suffix.lower()](file, path)
        yield {"event": "done", "file": str(file)}

    def generate(self, body: Mapping[str, Any]) -> Iterator[Line]:
        """A new world in `out`, numbered if that folder is taken."""
        from lyra_core.pipeline.generate import generate

        config, photo = _config(body), Path(_text(body, "photo"))
        out = _free_folder(Path(_text(body, "out")))
        yield {"event": "started", "world": str(out)}
        yield from self._follow(generate(photo, out, config, captions=_captions(body)), out)

    def resume(self, body: Mapping[str, Any]) -> Iterator[Line]:
        """Continue `world` with its own settings; one that never got a manifest starts again with those given."""
        from lyra_core.pipeline.generate import generate
        from lyra_core.world import read_manifest

        world = Path(_text(body, "world"))
        yield {"event": "started", "world": str(world)}
        if (world / "manifest.json").is_file():
            photo, config = world / read_manifest(world).photo["file"], RunConfig()
        else:
            photo, config = Path(_text(body, "photo")), _config(body)
        yield from self._follow(generate(photo, world, config, resume=True, captions=_captions(body)), world)

    def extend(self, body: Mapping[str, Any]) -> Iterator[Line]:
        """Continue `world` along the path of the settings."""
        from lyra_core.pipeline.generate import extend

        world, config = Path(_text(body, "world")), _config(body)
        yield {"event": "started", "world": str(world)}
        events = extend(world, preset=config.path.name, config=config, captions=_captions(body))
        yield from self._follow(events, world)

    def revert(self, body: Mapping[str, Any]) -> Iterator[Line]:
        """Take `steps` extensions back."""
        from lyra_core.pipeline.generate import revert

        world, steps = Path(_text(body, "world")), int(body.get("steps", 1))
        yield {"event": "started", "world": str(world)}
        yield from self._follow(revert(world, steps=steps), world)

    def drive(self, body: Mapping[str, Any]) -> Iterator[Line]:
        """Drive to `goal` in our own PhysX, without Isaac Sim; the figures of navigation/drive.json."""
        from lyra_core.pipeline.drive import drive

        world, (x, y) = Path(_text(body, "world")), _pair(body, "goal")
        yield {"event": "started", "world": str(world)}
        events = drive(world, goal=(x, y), robot=_text(body, "robot"), video=bool(body.get("video", False)))
        yield from self._follow(events, world, Meter(("plan", "drive", "video")))

    def plan(self, body: Mapping[str, Any]) -> Iterator[Line]:
        """A robot's way over the map from start (x, y, yaw) to goal, for driving in Isaac Sim."""
        from lyra_core.navigation.planner import Planner, StartGoal, read_map
        from lyra_core.navigation.robots import load_robot

        spec = load_robot(_text(body, "robot"))
        planner = Planner(read_map(Path(_text(body, "world"))), spec.footprint_radius)
        plan = planner.plan(StartGoal(_pair(body, "start"), float(body.get("yaw", 0.0)), _pair(body, "goal")))
        points = np.round(plan.points, 4).tolist()
        yield {
            "event": "done",
            "points": points,
            "length": round(plan.length, 3),
            "clearance": round(plan.clearance, 3),
        }

    def describe(self, body: Mapping[str, Any]) -> Iterator[Line]:
        """What a world folder holds."""
        yield {"event": "done", "world": describe(Path(_text(body, "world")))}

    def _planned(self, body: Mapping[str, Any]) -> tuple[CameraPath, tuple[str, ...], dict[str, Any]]:
        from lyra_core.pipeline.begin import make_video, plan_segment
        from lyra_core.trajectory import SeedScene

        config = _config(body)
        make_video(config).check_frames(config.path.frames)
        _, frame = self._view(Path(_text(body, "photo")), config)
        scene = SeedScene.from_depth(frame.depth, frame.camera, floor_z=0.0)
        planned = plan_segment(config, frame.camera, scene, name=config.path.name, frames=config.path.frames)
        return planned.path, planned.limits, planned.figures

    def _reading(self, photo: Path, config: RunConfig) -> dict[str, Any]:
        """Lens and scale that were read from the photo, and from what."""
        seed = self._view(photo, config)[0]
        return {
            "fov": round(fov_from_focal(float(seed.intrinsics[0, 0]), seed.camera.width), 2),
            "fov_source": seed.focal_source,
            "camera_height": round(float(seed.camera_height), 3),
            "scale_source": seed.scale_source,
            "guess": seed.scale_is_a_guess,
        }

    def _view(self, photo: Path, config: RunConfig) -> tuple[SeedView, Frame]:
        """Seed view and frame 0 of the photo, kept while only the path changes."""
        from lyra_core.pipeline.begin import is_file_path, view_photo

        lens = config.path.name if is_file_path(config.path.name) else ""  # a path file may bring a lens
        stamp = photo.stat().st_mtime_ns if photo.is_file() else 0
        key = (str(photo), stamp, repr(config.photo), config.model.depth, config.seed, lens)
        if self._seen is None or key != self._seed_key:
            self._seen, self._seed_key = view_photo(photo, config), key
        return self._seen

    def _follow(self, events: Iterator[Event], world: Path, meter: Meter | None = None) -> Iterator[Line]:
        """Mirror the events of a run; the last line describes the world."""
        meter = meter or Meter()
        shown = -_THUMBNAIL_EVERY
        for event in events:
            match event:
                case StageStarted() | Progress() | StageFinished():
                    meter.feed(event)
                    yield {"event": "progress", **meter.line()}
                case Note(message, level):
                    yield {"event": "note", "message": message, "level": level}
                case FrameMade(frame):
                    if time.monotonic() - shown >= _THUMBNAIL_EVERY:
                        shown = time.monotonic()
                        yield {"event": "thumbnail", "file": str(self._thumbnail(frame))}
                case Finished(_, passed, figures):
                    summary = {str(k): str(v) for k, v in figures.get("summary", {}).items()}
                    described = describe(world)
                    told = {k for k, _ in described["facts"]}
                    facts = [*described["facts"], *([k, v] for k, v in summary.items() if k not in told)]
                    yield {"event": "done", "world": {**described, "passed": passed, "facts": facts}, **meter.line()}

    def _thumbnail(self, frame: Frame) -> Path:
        from PIL import Image

        self._scratch.mkdir(parents=True, exist_ok=True)
        number = next(self._numbers)
        picture = Image.fromarray(np.rint(np.clip(frame.rgb, 0, 1) * 255).astype(np.uint8))
        picture.thumbnail((_THUMBNAIL_WIDTH, _THUMBNAIL_WIDTH))
        file = self._scratch / f"frame_{number:05d}.jpg"
        picture.save(file, quality=85)
        (self._scratch / f"frame_{number - _THUMBNAILS_KEPT:05d}.jpg").unlink(missing_ok=True)
        return file


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise InputError(f"This request needs '{key}'", got=repr(value), do="See lyra_core/pipeline/worker.py")
    return value


def _pair(body: Mapping[str, Any], key: str) -> tuple[float, float]:
    try:
        x, y = (float(v) for v in body[key])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"'{key}' needs two numbers in metres", got=repr(body.get(key)), do="For example [1, 2]"
        ) from error
    return x, y


def _config(body: Mapping[str, Any]) -> RunConfig:
    settings = body.get("settings", {})
    if not isinstance(settings, Mapping):
        raise InputError("'settings' maps dotted keys to values", got=repr(settings), do='For example {"seed": 1}')
    return load_config(str(body.get("preset", "balanced")), values=settings)


def _captions(body: Mapping[str, Any]) -> dict[int, str]:
    try:
        return {int(frame): str(text) for frame, text in dict(body.get("captions", {})).items()}
    except (TypeError, ValueError) as error:
        raise InputError(
            "'captions' maps frame numbers to text", got=repr(body.get("captions")), do='For example {"0": "a hall"}'
        ) from error


def _free_folder(out: Path) -> Path:
    for number in range(1, 1000):
        folder = out if number == 1 else out.with_name(f"{out.name}-{number}")
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return folder
    raise WorldError("There are too many worlds of this name", got=str(out), do="Choose another worlds folder")


HANDLERS: dict[str, Callable[[Jobs, Mapping[str, Any]], Iterator[Line]]] = {
    "preview": Jobs.preview,
    "save_path": Jobs.save_path,
    "generate": Jobs.generate,
    "resume": Jobs.resume,
    "extend": Jobs.extend,
    "revert": Jobs.revert,
    "drive": Jobs.drive,
    "plan": Jobs.plan,
    "describe": Jobs.describe,
}
