# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Frames that exist already as the start of a world: their first picture is the photo, their cameras are the path."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.generation.path_scale import PathScale, path_scale
from lyra_core.generation.seed import SeedView
from lyra_core.geometry import fov_from_focal, inverse
from lyra_core.models.video.frames.cameras import fitted_lens
from lyra_core.models.video.frames.model import GivenFrames
from lyra_core.models.video.frames.source import FILMS
from lyra_core.pipeline.config import RunConfig
from lyra_core.types import Camera, CameraPath

__all__ = ["GIVEN", "given_model", "opened_frames", "place_given"]

GIVEN = "frames"
"""Name of the video model."""
_VIEWS = 10  # frames that the scale of the path is measured from
_SURE = 0.2  # confidence below which a measured scale is not used


def given_model(config: RunConfig) -> GivenFrames:
    """The model of the settings; its cameras are those of path.name if opened_frames has filled that in."""
    own = config.frames
    return GivenFrames(source=own.source, cameras=own.cameras, count=own.count, scale=own.scale, digest=own.digest,
                       photo=own.photo, fps=config.path.fps)  # fmt: skip


@contextmanager
def opened_frames(
    photo: Path, config: RunConfig, captions: dict[int, str]
) -> Iterator[tuple[Path, RunConfig, dict[int, str]]]:
    """The photo, settings and captions that a run with `config` is to be made with.

    Of any other video model: those given. With `frames`: the first picture (written to a temporary file) where `photo`
    is a film or a folder, and settings that hold the source, its digest, the cameras and their number. Everything that
    can be wrong with the frames or their cameras is refused here.
    """
    if config.model.video != GIVEN:
        yield photo, config, captions
        return
    whole = photo.is_dir() or photo.suffix.lower() in FILMS
    if whole and config.frames.source:
        raise InputError("The frames were given twice", got=f"{photo.name} and {config.frames.source}",
                         do="Name the film or folder instead of the photo, or in frames.source beside a photo")  # fmt: skip
    own = replace(config.frames, source=str((photo if whole else Path(config.frames.source or "")).resolve())
                  if whole or config.frames.source else None, photo=not whole)  # fmt: skip
    if own.cameras is None and _names_file(config.path.name):
        own = replace(own, cameras=str(Path(config.path.name).resolve()))
    model = given_model(replace(config, frames=own))
    cameras = model.cameras
    own = replace(own, cameras=str(model.camera_file.resolve()), digest=model.source.digest)
    fov = config.photo.fov or fov_from_focal(float(cameras.path.intrinsics[0, 0, 0]), cameras.path.width)
    path = replace(config.path, name=own.cameras, frames=len(cameras.path), clearance=0.0)
    settings = replace(config, frames=own, path=path, photo=replace(config.photo, fov=fov))
    told = {**cameras.captions, **captions}
    if not whole:
        yield photo, settings, told
        return
    with TemporaryDirectory(prefix="lyra-frames-") as scratch:
        first = Path(scratch) / f"{photo.stem or 'frames'}.png"
        first.write_bytes(_png(model))
        yield first, settings, told


def _names_file(name: str) -> bool:
    return Path(name).suffix.lower() in {".npz", ".json", ".txt", ".tum"} or ("/" in name and Path(name).is_dir())


def _png(model: GivenFrames) -> bytes:
    from PIL import Image

    width, height = model.source.size
    picture = np.rint(model.picture(0, (width, height)) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def place_given(
    model: GivenFrames, seed: SeedView, *, pose_scale: float = 1.0
) -> tuple[SeedView, CameraPath, tuple[str, ...], dict[str, float]]:
    """The seed view and the path of given frames in one unit, notes, and figures for the manifest.

    The seed takes the file's lens; the path starts at the seed's level pose; and the metres of one are brought to
    those of the other by the factor that the frames' parallax shows (model.scale), unless the user gave pose_scale.
    """
    cameras = model.cameras
    size = (seed.camera.width, seed.camera.height)
    lens = fitted_lens(model.source.size, size)
    camera = Camera(lens.intrinsics(cameras.path.intrinsics[0]), seed.world_from_camera, *size)
    seed = replace(seed, camera=camera, focal_source="camera file")
    relative = inverse(cameras.path.world_from_camera[0]) @ cameras.path.world_from_camera
    relative[:, :3, 3] *= pose_scale
    scale = model.scale if pose_scale == 1.0 else "none"
    intrinsics = lens.intrinsics(cameras.path.intrinsics)
    poses = _at(camera, relative)
    notes = list(cameras.notes)
    found = None
    if scale != "none" and len(poses) > 1:
        found = path_scale(seed.frame(), _views(model, poses, intrinsics, size))
    notes.append(_remark(found, scale))
    figures: dict[str, float] = {}
    if found is not None:
        figures = {"path_scale": round(found.factor, 5), "path_scale_spread": round(found.spread, 4),
                   "path_scale_points": found.points, "path_scale_confidence": round(found.confidence, 3)}  # fmt: skip
    if found is not None and found.confidence >= _SURE:
        if scale == "depth":
            relative[:, :3, 3] *= found.factor
        else:
            seed = _rescaled(seed, 1 / found.factor)
        poses = _at(seed.camera, relative)
    poses[0] = seed.world_from_camera
    path = CameraPath(poses, intrinsics, *size, fps=cameras.path.fps)
    return seed, path, tuple(notes), figures


def _at(camera: Camera, relative: NDArray[np.float64]) -> NDArray[np.float64]:
    return camera.world_from_camera @ relative


def _views(
    model: GivenFrames, poses: NDArray[np.float64], intrinsics: NDArray[np.float64], size: tuple[int, int]
) -> list[tuple[NDArray[np.float32], Camera]]:
    """Later frames for the measurement: spread over the first third, where most of the photo is still in sight."""
    last = max(1, min(len(poses) - 1, max(len(poses) // 3, 60)))
    picks = np.unique(np.linspace(1, last, _VIEWS).round().astype(int))
    return [(model.picture(int(i), size), Camera(intrinsics[i], poses[i], *size)) for i in picks]


def _remark(found: PathScale | None, mode: str) -> str:
    if mode == "none":
        return "the metres of the camera file and of the depth are taken as they are"
    if found is None:
        return "the frames' parallax says too little of the scale; the metres of the camera file are taken as they are"
    said = f"parallax of {found.points} points: one unit of the camera file is {found.factor:.3g} m of depth " \
           f"(spread {100 * found.spread:.0f} %)"  # fmt: skip
    if found.confidence < _SURE:
        return said + "; too uncertain, nothing was scaled"
    return said + ("; the path was scaled to it" if mode == "depth" else "; the depth was scaled to the path")


def _rescaled(seed: SeedView, factor: float) -> SeedView:
    """The seed with all its metres times factor."""
    pose = np.array(seed.world_from_camera)
    pose[:3, 3] *= factor
    return replace(
        seed, depth=(seed.depth * np.float32(factor)).astype(np.float32), camera=seed.camera.moved(pose),
        scale_source="camera file", scale_confidence=0.7, camera_height=seed.camera_height * factor,
        floor_rms=seed.floor_rms * factor,
    )  # fmt: skip
