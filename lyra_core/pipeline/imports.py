# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Splats that the user already has become a world: levelled, scaled, seen from inside, and built like any other."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError, WorldError, did_you_mean
from lyra_core.generation.floor import FloorFit, fit_floor
from lyra_core.generation.loop import storable
from lyra_core.geometry import rotation_between
from lyra_core.ops.device import resolve_device
from lyra_core.ops.warm import warm_up
from lyra_core.pipeline.begin import library_versions, write_plan
from lyra_core.pipeline.build import build_world
from lyra_core.pipeline.clock import StageClock
from lyra_core.pipeline.config import RunConfig, settings_of
from lyra_core.pipeline.events import Event, Note, Progress
from lyra_core.pipeline.import_cameras import ImportCameras, find_dataparser, read_import_cameras
from lyra_core.pipeline.import_views import camera_clear, free_positions, render_frames, views_around, views_that_see
from lyra_core.reconstruction.formats import format_of
from lyra_core.reconstruction.imported import moved_gaussians, read_imported, solid_mask
from lyra_core.types import Camera, CameraPath, Frame, Gaussians
from lyra_core.world import Manifest, SegmentRecord, WorldFolder, atomic_path, check_writable, digest_file

__all__ = ["UP_AXES", "ImportOptions", "import_splats"]

UP_AXES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "z": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "y": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "-y": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
}
"""Rows that turn a file's axes Z up: z (nerfstudio, our own), y (viewers, Marble), -y (COLMAP, Lyra 2)."""

_FLOOR_OPACITY = 0.3
# How far the axis that points up may lean: first little, then as much as a photo that looks down at the floor, whose
# camera gives Lyra 2's scenes their axes.
_TILTS = (math.radians(20.0), math.radians(45.0))
_CHUNK = 80


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the user knows of the splats.

    Attributes
    ----------
    up: which axis of the file points up; see UP_AXES. None: y for .spz, whose axes are fixed, and z for all others.
    scale: metres per unit of the file; None takes the unit for a metre and says that this is a guess.
    camera_height: height [m] of the first camera of the camera file over the floor; an alternative to scale.
    cameras: in the file's own axes: a nerfstudio transforms.json, the folder of a COLMAP model, INRIA's cameras.json
        or Lyra 2's trajectory.npz; None chooses views inside free space.
    dataparser: nerfstudio's dataparser_transforms.json of the training, whose move of the cameras is repeated; by
        default the one beside the splats or the cameras, if there is one.
    repair: mend NaN, zero scales and quaternions that are not of unit length instead of refusing them.
    positions, turns: places of the chosen views, and level looks around at each.
    width, height: of the frames [px]. most_views: cameras taken from the file, spread over it.
    """

    up: str | None = None
    scale: float | None = None
    camera_height: float | None = None
    cameras: Path | None = None
    dataparser: Path | None = None
    repair: bool = False
    positions: int = 6
    turns: int = 6
    width: int = 480
    height: int = 360
    most_views: int = 64

    def __post_init__(self) -> None:
        if self.up is not None and self.up not in UP_AXES:
            raise InputError("Unknown up axis", got=self.up, do=did_you_mean(self.up, UP_AXES))
        if self.scale is not None and not 1e-4 <= self.scale <= 1e4:
            raise InputError("The scale must be 0.0001 to 10000", got=f"{self.scale:g}", do="Give metres per unit")
        if self.camera_height is not None and (self.cameras is None or self.scale is not None):
            raise InputError(
                "A camera height needs --cameras and no --scale", got=f"{self.camera_height:g} m", do="Give --scale"
            )
        if self.camera_height is not None and not 0.02 <= self.camera_height <= 500:
            raise InputError("The camera height must be 0.02 to 500 m", got=f"{self.camera_height:g}", do="Give metres")
        if min(self.positions, self.turns, self.most_views) < 1 or min(self.width, self.height) < 64:
            raise InputError("Import needs views of at least 64 pixels", got=str(self), do="Use the defaults")


@dataclass(frozen=True, slots=True, eq=False)
class _Placing:
    """World from file: x -> scale * rotation @ x + translation, and how it was found."""

    rotation: NDArray[np.float64]
    scale: float
    translation: NDArray[np.float64]
    floor: FloorFit | None
    tilt_deg: float
    scale_source: str
    confidence: float


def import_splats(
    file: Path,
    out: Path,
    options: ImportOptions | None = None,
    *,
    config: RunConfig | None = None,
    resume: bool = False,
) -> Iterator[Event]:
    """Make a world folder from a splat file; the file itself is only read, and a copy is kept in the world.

    Parameters
    ----------
    file: INRIA .ply (Lyra 2, nerfstudio, Marble), .spz, .sog, .splat, .ksplat or .compressed.ply.
    out: the world folder; must be empty or absent.
    options: axes, scale, cameras; see ImportOptions. config: settings of the build (config.build, seed, device).
    resume: continue an import of the same file that was interrupted; its finished frames are kept.

    Raises InputError for a file that cannot be used (what and how many Gaussians are broken), WorldError for the
    folder, MissingDependencyError if the format needs gaussforge. Nothing is written before all of this is checked.
    """
    options, config = options or ImportOptions(), config or RunConfig()
    clock, device = StageClock(), resolve_device(config.device)
    yield clock.start("read")
    kind = format_of(file)
    begun = _begun(file, out) if resume else None
    if begun is not None:
        yield Note("this import was interrupted; its frames and its options are kept, the derived files are made")
        yield clock.stop("read")
        warm_up(device)
        yield from build_world(begun, config, clock, device)
        return
    if resume:
        yield Note("nothing of an interrupted import can be kept; it starts again")
    if options.up is None:
        options = replace(options, up="y" if kind == "spz" else "z")
        yield Note(f"the {options.up} axis of the file is taken for up (--up)")
    stored = _cameras(options, file)
    check_writable(out, frames=options.most_views, pixels=options.width * options.height, resume=resume)
    if out.resolve() in (file.resolve().parent, file.resolve()):
        raise InputError("The world cannot be made in the folder of the splat file", got=str(out), do="Choose --out")
    read = read_imported(file, kind=kind, repair=options.repair)
    notes = list(read.notes)
    cameras = None if stored is None else stored.poses
    if stored is not None and stored.dataparser is not None:
        notes.append(f"cameras moved as {stored.dataparser.name} says: {stored.unit:.4g} units of the splats per unit")
    placing = _place(read.gaussians, options, stored, np.random.default_rng([config.seed, 0]))
    every = moved_gaussians(read.gaussians, placing.rotation, placing.scale, placing.translation)
    keep = solid_mask(every)
    solid = every.subset(keep)
    notes += _remarks(keep, placing)
    for note in notes:
        yield Note(note)
    yield clock.stop("read")

    warm_up(device)
    lenses = None if stored is None else stored.lenses
    size = None if stored is None else stored.size
    path = views_that_see(solid, _path(options, placing, solid, cameras, lenses, size), device=device)
    yield clock.start("views", len(path))
    frames: list[Frame] = []
    for frame in render_frames(solid, every, path, device=device):
        frames.append(storable(frame))
        yield Progress("views", len(frames), len(path))
    if not any((frame.depth > 0).mean() > 0.02 for frame in frames):
        raise InputError(
            "The views see no surface", got=f"{len(path)} views of {file.name}", do="Check --up, --scale and --cameras"
        )
    yield clock.stop("views")
    world = _write(file, kind, out, options, config, placing, path, frames, notes)
    yield from build_world(world, config, clock, device)


def _remarks(keep: NDArray[np.bool_], placing: _Placing) -> Iterator[str]:
    if not keep.all():
        yield f"{int((~keep).sum()):,} far or huge Gaussians are shown but get no collider"
    if placing.floor is None:
        yield "no floor found; the lowest points are taken for it, and no robot is set down"
    else:
        yield f"levelled by {placing.tilt_deg:.2f} deg; {100 * placing.floor.inliers:.0f} % of the points on the floor"
    if placing.scale_source == "unit of the file":
        yield "scale guessed: one unit of the file is taken for a metre (--scale, or lyra rescale later)"
    elif placing.scale_source == "unit of the cameras":
        yield "scale guessed: one unit of the camera file is taken for a metre (--scale, or lyra rescale later)"


def _cameras(options: ImportOptions, file: Path) -> ImportCameras | None:
    if options.cameras is None:
        return None
    return read_import_cameras(options.cameras, options.dataparser or find_dataparser(file, options.cameras))


def _begun(file: Path, out: Path) -> WorldFolder | None:
    """The world in out if it is an import of the same file whose frames are all there."""
    if not (out / "manifest.json").is_file():
        # Killed before the manifest: a copy of the file and the planned path may lie there, nothing else.
        others = [p.name for p in out.iterdir() if p.stem != "source" and p.name != "frames"] if out.is_dir() else []
        if others:
            raise WorldError("This folder is no interrupted import", got=others[0], do="Choose another --out")
        return None
    world = WorldFolder.open(out)
    if world.manifest.photo.get("sha256") != digest_file(file):
        raise InputError("This world was made from another file", got=str(out), do="Choose another --out")
    world.drop_damaged()
    return world if world.frame_count == world.manifest.segments[-1].stop else None


def _place(
    gaussians: Gaussians, options: ImportOptions, stored: ImportCameras | None, rng: np.random.Generator
) -> _Placing:
    """Turn up, find the floor, level it, put it at z = 0, and scale."""
    cameras = None if stored is None else stored.poses
    turn = np.array(UP_AXES[options.up or "z"], dtype=np.float64)
    solid = gaussians.subset(solid_mask(gaussians) & (gaussians.opacities >= _FLOOR_OPACITY))
    points = (solid if len(solid) >= 50 else gaussians).means.astype(np.float64) @ turn.T
    eye = np.median(points, axis=0) if cameras is None else np.median(cameras[:, :3, 3], axis=0) @ turn.T
    floor = None
    for tilt in _TILTS:
        floor = floor or fit_floor(_thinned(points) - eye, np.array([0.0, 0.0, 1.0]), rng, tries=600, tilt=tilt)
    up = np.array([0.0, 0.0, 1.0]) if floor is None else floor.up
    level = np.asarray(rotation_between(up, np.array([0.0, 0.0, 1.0])), dtype=np.float64)
    height = float(-np.quantile(points[:, 2] - eye[2], 0.02)) if floor is None else floor.height
    rotation = level @ turn
    shift = -level @ eye + np.array([0.0, 0.0, height])
    scale, source, confidence = 1.0, "unit of the file", 0.3
    if options.scale is not None:
        scale, source, confidence = options.scale, "user factor", 0.8
    elif options.camera_height is not None and cameras is not None:
        first = float((rotation @ cameras[0, :3, 3] + shift)[2])
        if first <= 0:
            raise InputError("The first camera is not above the floor", got=f"{first:.3g} units", do="Give --scale")
        scale, source, confidence = options.camera_height / first, "camera height", 0.8
    elif stored is not None and stored.dataparser is not None:
        scale, source, confidence = 1.0 / stored.unit, "unit of the cameras", 0.4
    tilt = math.degrees(math.acos(float(np.clip(up[2], -1, 1))))
    return _Placing(rotation, scale, scale * shift, floor, tilt, source, confidence)


def _thinned(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """One point per cell of 1/200 of the extent: dense furniture must not outvote a sparse floor."""
    low, high = np.quantile(points, [0.01, 0.99], axis=0)
    cell = max(float((high - low).max()) / 200, 1e-9)
    _, first = np.unique(np.floor((points - low) / cell).astype(np.int64), axis=0, return_index=True)
    return points[np.sort(first)]


def _path(
    options: ImportOptions,
    placing: _Placing,
    solid: Gaussians,
    cameras: NDArray[np.float64] | None,
    lenses: NDArray[np.float64] | None,
    size: tuple[int, int] | None,
) -> CameraPath:
    if cameras is None:
        return views_around(
            free_positions(solid, count=options.positions), size=(options.width, options.height), turns=options.turns
        )
    if lenses is None or size is None:
        raise InputError(
            "The camera file gives no lens", got=str(options.cameras), do="Add focal lengths and the picture size"
        )
    picks = np.unique(np.linspace(0, len(cameras) - 1, min(options.most_views, len(cameras))).round().astype(int))
    poses = np.tile(np.eye(4), (len(picks), 1, 1))
    poses[:, :3, :3] = placing.rotation @ cameras[picks, :3, :3]
    poses[:, :3, 3] = placing.scale * cameras[picks, :3, 3] @ placing.rotation.T + placing.translation
    # The lens of the file at the working area, with its own aspect.
    zoom = math.sqrt(options.width * options.height / (size[0] * size[1]))
    target = (max(64, round(size[0] * zoom)), max(64, round(size[1] * zoom)))
    path = CameraPath(poses, lenses[picks], size[0], size[1]).resized(*target)
    clear = [i for i, camera in enumerate(path) if camera_clear(camera, solid, 0.05)]
    if not clear:
        raise InputError(
            "Every camera of the file lies inside the splats", got=str(options.cameras), do="Check that both share axes"
        )
    return CameraPath(path.world_from_camera[clear], path.intrinsics[clear], *target)


def _write(  # noqa: PLR0913 - all that was decided
    file: Path,
    kind: str,
    out: Path,
    options: ImportOptions,
    config: RunConfig,
    placing: _Placing,
    path: CameraPath,
    frames: list[Frame],
    notes: list[str],
) -> WorldFolder:
    """The world folder up to its frames; the manifest is last."""
    name = f"source.{kind}"
    out.mkdir(parents=True, exist_ok=True)
    with atomic_path(out / name) as temporary:
        shutil.copyfile(file, temporary)
    write_plan(out, path)
    settings = replace(config, path=replace(config.path, name="import", frames=len(path), clearance=0.0))
    settings = replace(settings, photo=replace(config.photo, pixels=path.width * path.height))
    manifest = Manifest(
        config=settings_of(settings),
        photo={"file": "", "name": file.name, "sha256": digest_file(file)},
        seed_view=_record(name, kind, options, placing, frames[0].camera, notes),
        models={"video": "none: imported splats", "depth": "rendered from the splats"},
        versions=library_versions(),
        segments=[SegmentRecord(0, len(path), "import")],
        chunks=[],
    )
    world = WorldFolder.create(out, manifest)
    for index, start in enumerate(range(0, len(frames), _CHUNK)):
        world.add_chunk(index, frames[start : start + _CHUNK])
    return world


def _record(
    name: str, kind: str, options: ImportOptions, placing: _Placing, first: Camera, notes: list[str]
) -> dict[str, Any]:
    floor = placing.floor
    return {
        "focal_source": "import" if options.cameras is None else "camera file",
        "focal_px": float(first.intrinsics[0, 0]),
        "scale_source": placing.scale_source,
        "scale_confidence": placing.confidence,
        "scale_is_a_guess": placing.scale_source.startswith("unit of"),
        "camera_height_m": float(first.center[2]),
        "floor_method": "RANSAC plane through the Gaussians" if floor else "lowest points",
        "floor_inliers": 0.0 if floor is None else float(floor.inliers),
        "floor_rms_m": 0.0 if floor is None else float(floor.rms) * placing.scale,
        "tilt_before_deg": placing.tilt_deg,
        "level_confidence": 0.0 if floor is None else round(min(1.0, 2.0 * float(floor.inliers)), 3),
        "pitch_deg": 0.0,
        "roll_deg": 0.0,
        "notes": notes,
        "import": {
            "file": name,
            "kind": kind,
            "repair": options.repair,
            "up": options.up,
            "rotation": placing.rotation.tolist(),
            "scale": placing.scale,
            "translation": placing.translation.tolist(),
        },
    }
