# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A later measurement applied to a finished world: frames and path are scaled, everything derived is built again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from lyra_core.errors import InputError, WorldError
from lyra_core.generation.photo import Photo, load_photo
from lyra_core.generation.seed import SeedOptions, _measured_length
from lyra_core.ops.device import resolve_device
from lyra_core.ops.warm import warm_up
from lyra_core.pipeline.build import build_world
from lyra_core.pipeline.clock import StageClock
from lyra_core.pipeline.config import config_from
from lyra_core.pipeline.events import Event, Note
from lyra_core.types import Frame
from lyra_core.world import Manifest, SegmentRecord, WorldFolder
from lyra_core.world.plan import settle_plan
from lyra_core.world.rescale import rescale_frames

__all__ = ["Measurement", "rescale"]

_HEIGHTS = (0.02, 500.0)  # [m] of the first camera over the floor, as for the photo's own options
_FACTORS = (1e-3, 1e3)
_CONFIDENCE = {"user factor": 0.8, "known length": 0.8, "camera height": 0.8}
_MEASURES = ("factor", "known_length", "camera_height", "between")
_NEGLIGIBLE = 1e-9
_EARLIER = "before rescaling: "


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured; exactly one is given.

    Attributes
    ----------
    factor: new metres per old metre.
    known_length: (x1, y1, x2, y2, metres): two points in pixels of the upright original photo and their distance.
        A world that was imported has no photo; there they are pixels of frame 0.
    camera_height: height of the first camera over the floor [m].
    between: (x1, y1, z1, x2, y2, z2, metres): two points of the world as it is now [m], clicked in a viewer, and
        their true distance.
    frame: the frame whose pixels known_length speaks of. From 1 on they are pixels of its picture in frames/rgb.
    """

    factor: float | None = None
    known_length: tuple[float, float, float, float, float] | None = None
    camera_height: float | None = None
    between: tuple[float, float, float, float, float, float, float] | None = None
    frame: int = 0

    def __post_init__(self) -> None:
        given = [n for n in _MEASURES if getattr(self, n) is not None]
        if len(given) != 1:
            raise InputError(
                "Rescaling needs exactly one measurement",
                got=", ".join(given) or "none",
                do="Give --factor, --known-length X1,Y1,X2,Y2,METRES, --between X,Y,Z,X,Y,Z with --length METRES,"
                " or --camera-height METRES",
            )
        if self.frame and self.known_length is None:
            raise InputError(
                "A frame is named, but no known length in it",
                got=f"--frame {self.frame}",
                do="Give --known-length X1,Y1,X2,Y2,METRES in pixels of that frame",
            )
        if self.between is not None:
            values = np.array(self.between, np.float64)
            apart = float(np.linalg.norm(values[:3] - values[3:6]))
            if not (np.isfinite(values).all() and apart > 1e-6 and values[6] > 0):
                raise InputError(
                    "A known length needs two different points and a distance > 0",
                    got=str(self.between),
                    do="For example --between 0,0,0,0,0,2 --length 2.1",
                )
        if self.factor is not None and not _FACTORS[0] <= self.factor <= _FACTORS[1]:
            raise InputError("The factor must be 0.001 to 1000", got=f"{self.factor:g}", do="Give new per old metres")
        SeedOptions(known_length=self.known_length, camera_height=self.camera_height)  # refuses impossible values

    @property
    def source(self) -> str:
        """Where the scale comes from, as the manifest says it."""
        if self.factor is not None:
            return "user factor"
        return "camera height" if self.camera_height is not None else "known length"


def rescale(
    folder: Path,
    *,
    factor: float | None = None,
    known_length: tuple[float, float, float, float, float] | None = None,
    camera_height: float | None = None,
    between: tuple[float, float, float, float, float, float, float] | None = None,
    frame: int = 0,
    device: str = "auto",
    build: bool = True,
) -> Iterator[Event]:
    """Scale a finished world by a measurement (see `Measurement`) and build all derived files again.

    The frames switch at once: a killed run leaves the old world or the new one, and the same command continues a
    build that was interrupted. build=False leaves the derived files to `rebuild`.

    Raises InputError for a measurement that does not fit, WorldError for a world that is unfinished or damaged.
    """
    asked = Measurement(factor, known_length, camera_height, between, frame)
    clock = StageClock()
    world = WorldFolder.open(folder)
    settle_plan(folder)
    if world.frame_count < world.manifest.segments[-1].stop:
        raise WorldError(
            "This world is not finished",
            got=f"{world.frame_count} of {world.manifest.segments[-1].stop} frames",
            do="Run lyra generate PHOTO --out WORLD --resume first",
        )
    yield clock.start("rescale")
    if not world.is_built and _last_request(world.manifest) == _request(asked):
        yield Note("this rescaling was interrupted; its frames are done, so only the derived files are made again")
    else:
        ratio = _factor(world, asked)
        before = world.frames[0].camera.center[2]
        yield Note(f"scale x {ratio:.6g} ({asked.source}); first camera {before:.3f} m -> {before * ratio:.3f} m high")
        if abs(ratio - 1) > _NEGLIGIBLE or asked.factor is None:
            rescale_frames(world, ratio, _rescaled_record(world.manifest, ratio, asked))
        yield from _warn_clearance(world.manifest)
    yield clock.stop("rescale")
    if build:
        device = resolve_device(device)
        warm_up(device)
        yield from build_world(world, config_from(world.manifest.config, device=device), clock, device)


def _request(asked: Measurement) -> dict[str, Any]:
    values = {name: getattr(asked, name) for name in _MEASURES}
    request = {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value is not None
    }
    return {**request, "frame": asked.frame} if asked.frame else request


def _last_request(manifest: Manifest) -> dict[str, Any] | None:
    history = manifest.seed_view.get("scale_history") or [{}]
    return history[-1].get("asked")


def _factor(world: WorldFolder, asked: Measurement) -> float:
    """New metres per old metre."""
    if asked.factor is not None:
        return float(asked.factor)
    if asked.camera_height is not None:
        first = world.frames[0]
        height = float(first.camera.center[2])
        if height <= 0:
            raise InputError(
                "The first camera is not above the floor", got=f"{height:.3f} m", do="Give --factor or --known-length"
            )
        ratio = asked.camera_height / height
    elif asked.between is not None:
        ends = np.array(asked.between[:6]).reshape(2, 3)
        ratio = asked.between[6] / float(np.linalg.norm(ends[0] - ends[1]))
    else:
        ratio = _length_ratio(world, asked)
    if not (math.isfinite(ratio) and _FACTORS[0] <= ratio <= _FACTORS[1]):
        raise InputError(
            "This measurement would change the size of the world beyond reason",
            got=f"factor {ratio:.3g}",
            do="Check the pixels and the metres",
        )
    return ratio


def _length_ratio(world: WorldFolder, asked: Measurement) -> float:
    """The true length over the one that the clicked points have in the depth of their frame."""
    assert asked.known_length is not None
    if not 0 <= asked.frame < world.frame_count:
        raise InputError(
            "This world has no such frame",
            got=f"--frame {asked.frame}",
            do=f"Give a frame from 0 to {world.frame_count - 1}",
        )
    frame = world.frames[asked.frame]
    picture = _photo(world, frame) if asked.frame == 0 else _as_photo(frame)
    options = SeedOptions(known_length=asked.known_length)
    return asked.known_length[4] / _measured_length(options, picture, np.array(frame.depth), frame.camera.intrinsics)


def _photo(world: WorldFolder, first: Frame) -> Photo:
    """The photo with its working scale; frame 0 itself where the world has no photo."""
    file = world.folder / world.manifest.photo.get("file", "")
    if file.is_file():
        photo = load_photo(file, area=int(world.manifest.config["photo"]["pixels"]))
        if (photo.width, photo.height) == (first.camera.width, first.camera.height):
            return photo
    return _as_photo(first)


def _as_photo(frame: Frame) -> Photo:
    """A frame as if it were a photo of the same size, so that clicked points are its own pixels."""
    return Photo(frame.rgb, (frame.camera.width, frame.camera.height), 1.0, (0.0, 0.0), None, ())


def _rescaled_record(manifest: Manifest, factor: float, asked: Measurement) -> Manifest:
    """The manifest of the scaled world: scale source and history, and its other metres scaled too."""
    view = dict(manifest.seed_view)
    entry = {
        "asked": _request(asked),
        "factor": factor,
        "source": asked.source,
        "confidence": _CONFIDENCE[asked.source],
        "source_before": view.get("scale_source", ""),
        "confidence_before": view.get("scale_confidence"),
    }
    for name in ("camera_height_m", "floor_rms_m"):
        if isinstance(view.get(name), int | float):
            view[name] = float(view[name]) * factor
    height = view.get("camera_height_m")
    if isinstance(height, float) and not _HEIGHTS[0] <= height <= _HEIGHTS[1]:
        raise InputError(
            "The first camera would stand outside 0.02 to 500 m over the floor",
            got=f"{height:.4g} m",
            do="Check the measurement",
        )
    view |= {
        "scale_source": asked.source,
        "scale_confidence": _CONFIDENCE[asked.source],
        "scale_is_a_guess": False,
        "scale_factor": float(view.get("scale_factor", 1.0)) * factor,
        "scale_history": [*view.get("scale_history", []), entry],
        "notes": [note for note in view.get("notes", []) if not note.startswith("scale guessed")],
    }
    return replace(manifest, seed_view=view, segments=[_rescaled_segment(s, factor) for s in manifest.segments])


def _rescaled_segment(segment: SegmentRecord, factor: float) -> SegmentRecord:
    # clearance_m is what was asked for, in metres of that day; the others are figures of the path.
    options = {
        name: value * factor if name.endswith("_m") and name != "clearance_m" and _is_number(value) else value
        for name, value in segment.options.items()
    }
    limits = [text if text.startswith(_EARLIER) else _EARLIER + text for text in segment.limits]
    return replace(segment, options=options, limits=limits)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _warn_clearance(manifest: Manifest) -> Iterator[Event]:
    for segment in manifest.segments:
        asked, kept = segment.options.get("clearance"), segment.options.get("min_clearance_after_m")
        if _is_number(asked) and _is_number(kept) and kept < asked - 1e-3:
            message = f"frames {segment.first}..{segment.stop - 1}: the path now passes {kept:.2f} m from a surface"
            yield Note(f"{message}; {asked:g} m were asked for", "warning")
