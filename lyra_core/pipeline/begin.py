# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The start of a world: photo to seed view, path to plan. Everything that can be refused is refused here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core import __version__
from lyra_core.errors import PathError, WorldError
from lyra_core.generation.loop import storable
from lyra_core.generation.seed import SeedOptions, SeedView, load_photo, make_seed
from lyra_core.geometry import fov_from_focal
from lyra_core.models.protocols import DepthModel, VideoModel
from lyra_core.models.registry import default_depth, depth_model, video_model
from lyra_core.models.video.frames.model import GivenFrames
from lyra_core.ops.device import resolve_device
from lyra_core.pipeline.clock import StageClock
from lyra_core.pipeline.config import RunConfig, settings_of
from lyra_core.pipeline.events import Event, Note
from lyra_core.pipeline.given_frames import GIVEN, given_model, place_given
from lyra_core.trajectory import ClearanceReport, Keyframe, SeedScene, limit, load_path, plan_path, spline
from lyra_core.trajectory.presets import preset
from lyra_core.types import Camera, CameraPath, Frame
from lyra_core.world import Manifest, SegmentRecord, WorldFolder, atomic_path, check_writable, digest_file

__all__ = [
    "KEYFRAMES",
    "PlannedPath",
    "begin_world",
    "make_depth",
    "make_video",
    "plan_segment",
    "read_plan",
    "resolve_depth",
    "seen_points",
    "view_photo",
    "write_plan",
]

KEYFRAMES = "keyframes"
"""Name of the path through path.keyframes."""
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


def plan_segment(config: RunConfig, start: Camera, scene: SeedScene, *, name: str, frames: int) -> PlannedPath:
    """The camera path of a preset or a file, kept clear of everything seen so far.

    Raises PathError for an unknown preset or a file that cannot be used.
    """
    options = config.path
    if name == KEYFRAMES:
        return _through_keyframes(config, start, scene, frames)
    if not is_file_path(name):
        planned = plan_path(
            name,
            start=start,
            frames=frames,
            scene=scene,
            strength=options.strength,
            fps=options.fps,
            **{"clearance": options.clearance, **options.options},
        )
        return PlannedPath(planned.path, {}, planned.report.messages, _figures(planned.report))
    loaded = load_path(
        Path(name),
        start=start,
        size=(start.width, start.height),
        pose_scale=options.pose_scale,
        relative=options.align,
        frames=frames,
        fps=options.fps,
    )
    path, report = limit(loaded.path, scene.points, clearance=options.clearance, floor_z=scene.floor_z)
    return PlannedPath(path, dict(loaded.captions or {}), (*loaded.messages, *report.messages), _figures(report))


def _through_keyframes(config: RunConfig, start: Camera, scene: SeedScene, frames: int) -> PlannedPath:
    """A smooth path from start through the keyframes of the settings, with the lens of start."""
    options = config.path
    if not options.keyframes or any(len(key) != 16 for key in options.keyframes):
        raise PathError(
            "A path through keyframes needs poses of 16 numbers (rows of world_from_camera)",
            got=f"{len(options.keyframes)} keyframe(s)",
            do="Add a keyframe in the viewport",
        )
    poses = [np.reshape(np.array(key, np.float64), (4, 4)) for key in options.keyframes]
    views = [replace(start, world_from_camera=pose) for pose in poses]
    views = views if np.allclose(poses[0], start.world_from_camera, atol=1e-3) else [start, *views]
    drawn = spline([Keyframe(view) for view in views], frames, fps=options.fps, soft=0.1)
    path, report = limit(drawn, scene.points, clearance=options.clearance, floor_z=scene.floor_z)
    return PlannedPath(path, {}, report.messages, _figures(report))


def _figures(report: ClearanceReport) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return round(value, 4) if np.isfinite(value) else None

    return {
        "limiter": report.action,
        "clearance_m": number(report.clearance),
        "min_clearance_before_m": number(report.min_clearance_before),
        "min_clearance_after_m": number(report.min_clearance_after),
        "length_before_m": number(report.length_before),
        "length_after_m": number(report.length_after),
        "first_limiting_frame": report.first_limiting_frame,
        "through_surface": report.through_surface,
    }


def fov_of_path(name: str) -> float | None:
    """Horizontal field of view [deg] that a path file was made for, or None for presets and files without a lens."""
    if not is_file_path(name):
        return None
    try:
        loaded = load_path(Path(name), size=(1024, 1024), lens="stretch", frames=1, relative=True)
    except PathError:  # TUM files give no lens; one that cannot be read at all is refused with the photo's lens
        return None
    return fov_from_focal(float(loaded.path.intrinsics[0, 0, 0]), 1024)


def begin_world(
    photo: Path, out: Path, config: RunConfig, clock: StageClock, *, resume: bool, captions: dict[int, str]
) -> Iterator[Event]:
    """Create the world folder with the photo as frame 0 and the planned path; open the folder next.

    Raises LyraError before anything is written if the photo, the path, the models or the folder cannot be used.
    """
    yield clock.start("seed")
    if config.path.name != KEYFRAMES and not is_file_path(config.path.name):
        preset(config.path.name)  # refuses unknown names
    video = make_video(config)
    video.check_frames(config.path.frames)
    picture = load_photo(photo, area=config.photo.pixels)
    for line in getattr(video, "notices", lambda *_: ())(picture.width, picture.height):
        yield Note(line)
    model = _depth_model(config)
    check_writable(out, frames=config.path.frames, pixels=picture.width * picture.height, resume=resume)

    seed = make_seed(picture, model, _seed_options(config), np.random.default_rng([config.seed, 0]))
    for note in seed.notes:
        yield Note(note)
    if isinstance(video, GivenFrames):
        seed, path, limits, figures = place_given(video, seed, pose_scale=config.path.pose_scale)
        frame, planned = storable(seed.frame()), PlannedPath(path, {}, limits, {**figures})
    else:
        frame = storable(seed.frame())
        scene = SeedScene.from_depth(frame.depth, frame.camera, floor_z=0.0)
        planned = plan_segment(config, frame.camera, scene, name=config.path.name, frames=config.path.frames)
    for message in planned.limits:
        yield Note(message)
    yield clock.stop("seed")

    settings = settings_of(config)
    record = SegmentRecord(
        0,
        len(planned.path),
        Path(config.path.name).name,
        {**settings["path"], **planned.figures},
        {str(k): v for k, v in {**planned.captions, **captions}.items()},
        list(planned.limits),
    )
    copy_name = f"photo{photo.suffix.lower()}"
    manifest = Manifest(
        config=settings,
        photo={"file": copy_name, "name": photo.name, "sha256": digest_file(photo)},
        seed_view=_record(seed),
        models={
            "video": config.model.video,
            "depth": model.name,
            **_weights(config, model.name),
            **getattr(video, "record", dict)(),
        },
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


def view_photo(photo: Path, config: RunConfig) -> tuple[SeedView, Frame]:
    """The seed view of a photo and frame 0, as begin_world makes them; writes nothing. Errors: LyraError."""
    picture = load_photo(photo, area=config.photo.pixels)
    rng = np.random.default_rng([config.seed, 0])
    seed = make_seed(picture, _depth_model(config), _seed_options(config), rng)
    return seed, storable(seed.frame())


def _seed_options(config: RunConfig) -> SeedOptions:
    fov = config.photo.fov if config.photo.fov is not None else fov_of_path(config.path.name)
    return SeedOptions(
        fov=fov,
        camera_height=config.photo.camera_height,
        known_length=_known_length(config),
        scale=config.photo.scale,
    )


def make_video(config: RunConfig) -> VideoModel:
    """The video model of the settings, with its own options."""
    name = config.model.video
    if name == GIVEN:
        return given_model(config)
    if name in ("wan-vace", "sana-wm"):
        return video_model(name, **asdict(config.diffusers))
    if name == "embedded":
        own = _given(config.embedded)
        return video_model(name, folder=own.pop("weights", None), **own)
    if name != "lyra2":
        return video_model(name)
    return video_model(name, seed=config.seed, device=resolve_device(config.device), **asdict(config.lyra2))


def _known_length(config: RunConfig) -> tuple[float, float, float, float, float] | None:
    values = config.photo.known_length
    return None if values is None else (values[0], values[1], values[2], values[3], values[4])


def _depth_model(config: RunConfig) -> DepthModel:
    if config.photo.depth_file:
        return depth_model("file", path=Path(config.photo.depth_file), unit=config.photo.depth_unit)
    return make_depth(config)


def make_depth(config: RunConfig) -> DepthModel:
    """The depth model of the settings, for all frames, with its own options."""
    name = resolve_depth(config)
    own = _given(config.depth)
    if name == "embedded":
        return depth_model(name, folder=own.get("weights"))
    if name == "moge" or name.startswith("transformers:"):
        own.pop("python", None)
        return depth_model(name, device=config.device, **own)
    return depth_model(name, device=config.device, **own) if name == "depth-anything-3" else depth_model(name)


def _given(options: Any) -> dict[str, Any]:
    """The options of a dataclass that are not left to the model."""
    return {key: value for key, value in asdict(options).items() if value is not None}


def _weights(config: RunConfig, name: str) -> dict[str, str]:
    """Digests of the weights that a model was loaded from."""
    from lyra_core.models.depth.weights import WEIGHTS_FILE, default_folder

    if name != "embedded":
        return {}
    folder = Path(config.depth.weights) if config.depth.weights else default_folder()
    return {"depth_weights_sha256": digest_file(folder / WEIGHTS_FILE)}


def _record(seed: SeedView) -> dict[str, Any]:
    """What the manifest keeps of the seed view."""
    return {
        "focal_source": seed.focal_source,
        "focal_px": float(seed.intrinsics[0, 0]),
        "scale_source": seed.scale_source,
        "scale_confidence": float(seed.scale_confidence),
        "scale_is_a_guess": seed.scale_is_a_guess,
        "camera_height_m": float(seed.camera_height),
        "floor_inliers": float(seed.floor_inliers),
        "floor_rms_m": float(seed.floor_rms),
        "pitch_deg": float(seed.pitch_deg),
        "roll_deg": float(seed.roll_deg),
        "floor_method": seed.floor_method,
        "level_confidence": round(min(1.0, 2.0 * float(seed.floor_inliers)), 3),
        "tilt_before_deg": _tilt_deg(seed.pitch_deg, seed.roll_deg),
        "notes": list(seed.notes),
    }


def _tilt_deg(pitch_deg: float, roll_deg: float) -> float:
    """Angle between the camera's own up and that of the world."""
    level = np.cos(np.radians(pitch_deg)) * np.cos(np.radians(roll_deg))
    return float(np.degrees(np.arccos(np.clip(level, -1, 1))))


def resolve_depth(config: RunConfig) -> str:
    """The depth model's name; 'auto' is the one that won on held-out data (see data/models)."""
    return default_depth() if config.model.depth == "auto" else config.model.depth


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
