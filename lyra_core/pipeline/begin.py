# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The start of a world: photo to seed view, path to plan. Everything that can be refused is refused here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core import __version__
from lyra_core.errors import WorldError
from lyra_core.generation.loop import storable
from lyra_core.generation.seed import SeedOptions, SeedView, load_photo, seed_view
from lyra_core.models.registry import depth_model, video_model
from lyra_core.pipeline.clock import StageClock
from lyra_core.pipeline.config import RunConfig, settings_of
from lyra_core.pipeline.events import Event, Note
from lyra_core.trajectory import PRESETS, SeedScene, limit_clearance, load_path, make_path
from lyra_core.types import Camera, CameraPath, Frame
from lyra_core.world import Manifest, SegmentRecord, WorldFolder, atomic_path, check_writable, digest_file

__all__ = ["PlannedPath", "begin_world", "plan_path", "read_plan", "seed_frame", "seen_points", "write_plan"]

_PLAN = "frames/plan.npz"


@dataclass(frozen=True, slots=True, eq=False)
class PlannedPath:
    """A path that the camera may take, and what was said on the way to it."""

    path: CameraPath
    captions: dict[int, str]
    limits: tuple[str, ...]
    figures: dict[str, Any]


def is_file_path(name: str) -> bool:
    """True if the path option names a file rather than a preset."""
    return Path(name).suffix.lower() in {".npz", ".json", ".txt", ".tum", ".csv"} or "/" in name


def plan_path(
    config: RunConfig, start: Camera, scene: SeedScene, *, preset: str, frames: int
) -> PlannedPath:
    """The camera path of a preset or a file, kept clear of everything seen so far.

    Raises PathError for an unknown preset or a file that cannot be used.
    """
    options = config.path
    captions: dict[int, str] = {}
    if is_file_path(preset):
        loaded = load_path(
            Path(preset),
            start=start,
            size=(start.width, start.height),
            pose_scale=options.pose_scale,
            align=options.align,
            frames=frames,
            fps=options.fps,
        )
        path, captions = loaded.path, dict(loaded.captions or {})
    else:
        path = make_path(preset, start=start, frames=frames, scene=scene, strength=options.strength, fps=options.fps)
    if options.clearance <= 0 or len(path) < 2:
        return PlannedPath(path, captions, (), {})
    limited, report = limit_clearance(path, scene, clearance=options.clearance)
    return PlannedPath(limited, captions, tuple(report.messages), report.figures())


def begin_world(
    photo: Path, out: Path, config: RunConfig, clock: StageClock, *, resume: bool, captions: dict[int, str]
) -> Iterator[Event]:
    """Create the world folder with the photo as frame 0 and the planned path. Returns nothing; open the folder next.

    Raises LyraError before anything is written if the photo, the path, the models or the folder cannot be used.
    """
    if not is_file_path(config.path.name) and config.path.name not in PRESETS:
        # Ask the trajectory layer for its own message.
        make_path(config.path.name, start=_any_camera(), frames=2, scene=SeedScene(1.0))
    video_model(config.model.video).check_frames(config.path.frames)
    picture = load_photo(photo, pixels=config.photo.pixels, fov=config.photo.fov)
    pixels = picture.rgb.shape[0] * picture.rgb.shape[1]
    check_writable(out, frames=config.path.frames, pixels=pixels, resume=resume)

    yield clock.start("seed")
    options = SeedOptions(
        camera_height=config.photo.camera_height,
        known_length=tuple(config.photo.known_length) if config.photo.known_length else None,
    )
    name = resolve_depth(config)
    if config.photo.depth_file:
        model = depth_model("file", path=Path(config.photo.depth_file), unit=config.photo.depth_unit)
    else:
        model = depth_model(name)
    seed = seed_view(picture, model, options)
    for note in seed.notes:
        yield Note(note)
    frame = seed_frame(seed)
    scene = SeedScene.from_depth(frame.depth, frame.camera, floor_z=0.0)
    planned = plan_path(config, frame.camera, scene, preset=config.path.name, frames=config.path.frames)
    for message in planned.limits:
        yield Note(message, "path")
    yield clock.stop("seed")

    settings = settings_of(config)
    record = SegmentRecord(
        0,
        len(planned.path),
        config.path.name if not is_file_path(config.path.name) else Path(config.path.name).name,
        {**settings["path"], **planned.figures},
        {str(k): v for k, v in {**planned.captions, **captions}.items()},
        list(planned.limits),
    )
    copy_name = f"photo{photo.suffix.lower()}"
    manifest = Manifest(
        config=settings,
        photo={"file": copy_name, "name": photo.name, "sha256": digest_file(photo)},
        seed_view=seed.record(),
        models={"video": config.model.video, "depth": model.name},
        versions=library_versions(),
        segments=[record],
        chunks=[],
    )
    out.mkdir(parents=True, exist_ok=True)
    with atomic_path(out / copy_name) as temporary:
        shutil.copyfile(photo, temporary)
    write_plan(out, planned.path)
    world = WorldFolder.create(out, manifest)
    world.add_chunk(0, [frame])


def resolve_depth(config: RunConfig) -> str:
    """The depth model's name; 'auto' is the one that won on held-out data (see data/models)."""
    from lyra_core.models.registry import default_depth

    return default_depth() if config.model.depth == "auto" else config.model.depth


def _any_camera() -> Camera:
    return Camera(np.array([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]]), np.eye(4), 100, 100)


def seed_frame(seed: SeedView) -> Frame:
    """Frame 0: the photo with its depth; it owns all of its pixels."""
    everywhere = np.ones(seed.depth.shape, bool)
    return storable(Frame(0, seed.rgb, seed.depth, seed.sky, seed.camera, everywhere))


def seen_points(frames: Iterator[Frame], *, stride: int = 6) -> NDArray[np.float32]:
    """(N, 3) surface points that the frames own [m]."""
    from lyra_core.geometry import unproject

    clouds = []
    for frame in frames:
        keep = (frame.depth > 0) & frame.owned
        points = unproject(frame.depth, frame.camera)[::stride, ::stride]
        clouds.append(points[keep[::stride, ::stride]])
    return np.concatenate(clouds) if clouds else np.zeros((0, 3), np.float32)


def write_plan(folder: Path, path: CameraPath) -> None:
    """Keep the planned cameras in full precision, for resume."""
    with atomic_path(folder / _PLAN) as temporary:
        np.savez(
            temporary,
            world_from_camera=path.world_from_camera,
            intrinsics=path.intrinsics,
            size=np.array([path.width, path.height]),
            fps=np.array(path.fps),
        )


def read_plan(folder: Path) -> CameraPath:
    """The planned cameras; WorldError if the file is missing or damaged."""
    try:
        with np.load(folder / _PLAN, allow_pickle=False) as data:
            width, height = (int(v) for v in data["size"])
            return CameraPath(data["world_from_camera"], data["intrinsics"], width, height, float(data["fps"]))
    except (OSError, KeyError, ValueError) as error:
        raise WorldError(
            "The planned path of this world is missing or damaged", got=str(error), do="Generate the world again"
        ) from error


def library_versions() -> dict[str, str]:
    """Versions of what shapes the result."""
    from importlib.metadata import PackageNotFoundError, version

    out = {"lyra-worldgen": __version__}
    for name in ("numpy", "scipy", "warp-lang", "usd-core", "trimesh", "fast-simplification", "opencv-python-headless"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "not installed"
    return out
