# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# The stubs of cv2 lose dtypes:
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
"""A photo becomes the first view of a level, metric world."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.generation.floor import TILT, FloorFit, fit_floor, level_pose, pitch_roll, settle_floor
from lyra_core.generation.ground import flatten_ground
from lyra_core.generation.level import EYE, find_level
from lyra_core.generation.photo import Photo, load_photo
from lyra_core.generation.posts import mend_posts
from lyra_core.models.protocols import DepthEstimate, DepthModel
from lyra_core.types import Camera, Frame
from lyra_core.types.checks import frozen_array

__all__ = ["SeedOptions", "SeedView", "load_photo", "make_seed", "seed_from_photo"]

_DEFAULT_FOV = 63.0  # horizontal [deg]; a 28 mm equivalent lens, the usual phone camera
_DEFAULT_HEIGHT = 1.5
# Up to this confidence a depth model's metres are a guess: learned ones are off by 13 to 40 % (data/models/depth).
_GUESSED = 0.5
_MEASURED = 0.9  # confidence from which depth was measured, not estimated: its ground may bend, its posts be torn
_FLOOR_SHARE = 0.15  # of the lower points on one plane; less is no floor that others could be pulled onto
_PLANE_SHARE = 0.25  # of the lower points on one rough plane, from which it is the floor against a scrap
_LEANS = math.radians(3.0)  # how far such a plane may lean against the up of the depth model, which is 2 degrees off
_WAVES = 0.02  # spread of such a plane, as a share of the camera's height


@dataclass(frozen=True, slots=True)
class SeedOptions:
    """What the user knows of the photo.

    Attributes
    ----------
    fov: horizontal field of view [deg], 10 to 150, of the whole photo; None: EXIF, else an estimate.
    scale: metres per unit of the depth model (or depth file); wins over all that follow.
    camera_height: height of the camera over the floor [m]; None: the depth model's own scale, else 1.5 m.
    known_length: (x1, y1, x2, y2, metres): two points in pixels of the upright original photo and their distance.
    yaw: turn of the first view to the left of +y [deg].
    """

    fov: float | None = None
    camera_height: float | None = None
    known_length: tuple[float, float, float, float, float] | None = None
    yaw: float = 0.0
    scale: float | None = None

    def __post_init__(self) -> None:
        if self.scale is not None and not 1e-3 <= self.scale <= 1e3:
            raise InputError(
                "The scale factor must be 0.001 to 1000", got=f"{self.scale:g}", do="Give metres per unit of depth"
            )
        if self.fov is not None and not 10.0 <= self.fov <= 150.0:
            raise InputError(
                "The field of view must be 10 to 150 degrees", got=f"{self.fov:g}", do="Give --fov degrees"
            )
        if self.camera_height is not None and not 0.02 <= self.camera_height <= 500.0:
            raise InputError(
                "The camera height must be 0.02 to 500 metres",
                got=f"{self.camera_height:g}",
                do="Give metres over the floor",
            )
        if self.known_length is not None:
            values = np.asarray(self.known_length, dtype=np.float64)
            if values.shape != (5,) or not np.isfinite(values).all() or values[4] <= 0:
                raise InputError(
                    "A known length is two points and a positive length",
                    got=str(self.known_length),
                    do="Give x1,y1,x2,y2,metres",
                )


@dataclass(frozen=True, slots=True, eq=False)
class SeedView:
    """The first view of a world.

    Attributes
    ----------
    rgb: (H, W, 3) float32 sRGB in [0, 1]; the photo with mixed pixels at silhouettes cleaned.
    depth: (H, W) float32 z-depth [m]; 0 where sky.
    sky: (H, W) bool.
    camera: view with the level pose: Z up, floor at z = 0, over the origin, looking along +y (turned by yaw).
    focal_source: "option", "exif", "lines" or "default".
    scale_source: "user factor", "known length", "camera height", "depth" or "default camera height".
    scale_confidence: 0..1.
    camera_height: [m] over the floor.
    floor_inliers, floor_rms: share of the lower points on the floor plane, and their spread [m].
    floor_method: how up and floor were found.
    pitch_deg, roll_deg: elevation of the optical axis (negative looks down) and roll.
    notes: what was converted, guessed or filled, for the user.
    """

    rgb: NDArray[np.float32]
    depth: NDArray[np.float32]
    sky: NDArray[np.bool_]
    camera: Camera
    focal_source: str
    scale_source: str
    scale_confidence: float
    camera_height: float
    floor_inliers: float
    floor_rms: float
    pitch_deg: float
    roll_deg: float
    notes: tuple[str, ...] = field(default=())
    floor_method: str = ""

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        object.__setattr__(self, "rgb", frozen_array(self.rgb, (*size, 3), np.float32, "SeedView.rgb"))
        object.__setattr__(self, "depth", frozen_array(self.depth, size, np.float32, "SeedView.depth"))
        object.__setattr__(self, "sky", frozen_array(self.sky, size, np.bool_, "SeedView.sky"))

    @property
    def scale_is_a_guess(self) -> bool:
        """True if nobody measured the metres: the usual camera height, or a depth model that is not sure."""
        return self.scale_source in ("default camera height", "depth") and self.scale_confidence <= _GUESSED

    @property
    def intrinsics(self) -> NDArray[np.float64]:
        """(3, 3) K in working pixels."""
        return self.camera.intrinsics

    @property
    def world_from_camera(self) -> NDArray[np.float64]:
        """(4, 4) level pose."""
        return self.camera.world_from_camera

    def frame(self, index: int = 0) -> Frame:
        """The view as the frame that owns all its pixels."""
        return Frame(index, self.rgb, self.depth, self.sky, self.camera, np.ones(self.depth.shape, bool))


def _intrinsics(photo: Photo, fov: float | None) -> tuple[NDArray[np.float64], str]:
    if fov is not None:
        whole = photo.original_size[0] * photo.scale  # the option speaks of the photo before the cut
        focal, source = 0.5 * whole / math.tan(math.radians(fov) / 2), "option"
    elif photo.exif_focal is not None:
        focal, source = photo.exif_focal, "exif"
    else:
        focal, source = _estimated_focal(photo)
    return np.array([[focal, 0, photo.width / 2], [0, focal, photo.height / 2], [0, 0, 1.0]]), source


def _estimated_focal(photo: Photo) -> tuple[float, str]:
    import cv2

    from lyra_core.models.depth.horizon import estimate_fov

    # A portrait photo is the same lens turned: the default holds for the longer side.
    longer = max(photo.width, photo.height)
    default = 2 * math.degrees(math.atan(math.tan(math.radians(_DEFAULT_FOV) / 2) * photo.width / longer))
    gray = cv2.cvtColor((photo.rgb * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    fov, decided = estimate_fov(gray, default=default) if photo.width >= photo.height else (default, False)
    return 0.5 * photo.width / math.tan(math.radians(fov) / 2), "lines" if decided else "default"


def _points(depth: NDArray[np.float32], intrinsics: NDArray[np.float64], rows: slice) -> NDArray[np.float64]:
    """Camera-frame points (N, 3) of every fourth known pixel in these rows."""
    part = depth[rows][::4, ::4].astype(np.float64)
    y, x = np.nonzero(part > 0)
    z = part[y, x]
    pixels = np.stack([x * 4 + 0.5, y * 4 + (rows.start or 0) + 0.5, np.ones(len(x))])
    return (np.linalg.inv(intrinsics) @ pixels * z).T


def _floor(
    estimate: DepthEstimate,
    photo: Photo,
    intrinsics: NDArray[np.float64],
    camera_height: float | None,
    rng: np.random.Generator,
) -> FloorFit:
    """The model's own floor if it has one, else a plane fitted to the lower part of the picture."""
    if estimate.up is not None and estimate.camera_height is not None:
        share = 0.0 if estimate.floor is None else float(estimate.floor[photo.height // 2 :].mean())
        method = "layout of the depth model" if share else "lowest points"
        return FloorFit(np.asarray(estimate.up, dtype=np.float64), estimate.camera_height, share, 0.0, method)
    import cv2

    from lyra_core.models.depth.horizon import estimate_up

    gray = cv2.cvtColor((photo.rgb * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    up = np.asarray(estimate.up) if estimate.up is not None else estimate_up(gray, intrinsics, estimate.sky).up
    # A camera that is known to be low looks at a floor, not at a table; the model's metres may be a third off.
    eye = EYE if camera_height is None else (camera_height, 0.4)
    found = find_level(estimate.depth, intrinsics, up, rng, eye=eye if estimate.kind == "metric" else None)
    if found is None or found.inliers < _FLOOR_SHARE:
        lower = _points(estimate.depth, intrinsics, slice(photo.height // 3, None))
        tilt = TILT if estimate.up is None else _LEANS
        found = _better_floor(found, fit_floor(lower, up, rng, tilt=tilt))
    if found is not None:
        return found
    points = _points(estimate.depth, intrinsics, slice(0, None))
    height = float(np.percentile(-(points @ up), 98)) if len(points) else 0.0
    return FloorFit(up, max(height, 1e-3), 0.0, 0.0, "lowest points")


def _better_floor(level: FloorFit | None, plane: FloorFit | None) -> FloorFit | None:
    """The level surface, unless it is a scrap of a floor that is one large plane but for the waves of a learned depth.

    A plane without waves may be a table top: there the level surface stays.
    """
    if level is None or plane is None:
        return level or plane
    wavy = plane.rms > _WAVES * plane.height
    return plane if wavy and plane.inliers > max(_PLANE_SHARE, 3 * level.inliers) else level


def _measured_length(
    options: SeedOptions, photo: Photo, depth: NDArray[np.float32], intrinsics: NDArray[np.float64]
) -> float:
    """Distance of the two points of the known length in the unit of depth."""
    assert options.known_length is not None
    ends = []
    for x, y in (options.known_length[0:2], options.known_length[2:4]):
        u, v = x * photo.scale - photo.offset[0], y * photo.scale - photo.offset[1]
        if not (0 <= u < photo.width and 0 <= v < photo.height):
            raise InputError(
                "A point of the known length lies outside the picture",
                got=f"({x:g}, {y:g}) in a picture of {photo.original_size[0]}x{photo.original_size[1]}",
                do="Give pixels of the upright original photo, or of the frame that was named",
            )
        z = float(depth[int(v), int(u)])
        if z <= 0:
            raise InputError(
                "A point of the known length lies in the sky", got=f"({x:g}, {y:g})", do="Pick a solid point"
            )
        ends.append(np.linalg.inv(intrinsics) @ [u, v, 1.0] * z)
    length = float(np.linalg.norm(ends[0] - ends[1]))
    if length < 1e-6:
        raise InputError(
            "The two points of the known length coincide", got=str(options.known_length), do="Pick two points"
        )
    return length


def _scale(
    options: SeedOptions, estimate: DepthEstimate, floor: FloorFit, measured: float | None
) -> tuple[float, str, float]:
    """Metres per unit of depth, where that comes from, and how far it can be trusted."""
    if options.scale is not None:
        return options.scale, "user factor", 0.8
    if options.known_length is not None and measured is not None:
        return options.known_length[4] / measured, "known length", 0.8
    if options.camera_height is not None:
        return options.camera_height / floor.height, "camera height", 0.8
    if estimate.kind == "metric":
        return 1.0, "depth", estimate.confidence
    return _DEFAULT_HEIGHT / floor.height, "default camera height", 0.3


def _sharp_edges(
    rgb: NDArray[np.float32], depth: NDArray[np.float32], sky: NDArray[np.bool_], *, ratio: float = 1.15
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Clean silhouettes: (rgb, depth, sky) in which no pixel mixes foreground and background.

    The outermost pixel of every foreground goes to what is behind it, and the background takes its colour from
    farther inside along the rim. Otherwise fringes fly off with the foreground, and dark outlines stay in the sky.
    """
    import cv2

    far = np.where(sky, np.float32(1e6), depth)
    behind = cv2.dilate(far, np.ones((3, 3), np.uint8))
    out = np.where(behind > far * ratio, behind, far)
    front = cv2.erode(out, np.ones((5, 5), np.uint8))  # nearest surface within two pixels
    rim = out > front * ratio
    y, x = np.nonzero(rim)
    best = np.zeros(len(y), np.float32)
    colour = np.array(rgb)
    chosen = colour[y, x]
    height, width = depth.shape
    for dy in range(-4, 5):
        for dx in range(-4, 5):
            v, u = np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)
            # Among clean pixels of the same background the nearest wins.
            same = ~rim[v, u] & (out[v, u] > out[y, x] / ratio)
            score = np.where(same, 1.0 / (1.0 + dy * dy + dx * dx), 0).astype(np.float32)
            better = score > best
            best[better], chosen[better] = score[better], rgb[v[better], u[better]]
    colour[y, x] = chosen
    new_sky = out >= 1e6
    return colour, np.where(new_sky, 0, out).astype(np.float32), new_sky


def make_seed(photo: Photo, depth_model: DepthModel, options: SeedOptions, rng: np.random.Generator) -> SeedView:
    """Depth, scale and level pose of a loaded photo. Raises InputError for options that do not fit the photo."""
    intrinsics, focal_source = _intrinsics(photo, options.fov)
    estimate = depth_model.estimate(np.array(photo.rgb), intrinsics=intrinsics)
    floor = _floor(estimate, photo, intrinsics, options.camera_height, rng)
    measured = None if options.known_length is None else _measured_length(options, photo, estimate.depth, intrinsics)
    factor, scale_source, confidence = _scale(options, estimate, floor, measured)
    rgb, depth, sky = _sharp_edges(photo.rgb, estimate.depth * np.float32(factor), np.array(estimate.sky))
    height = floor.height * factor
    notes = [*photo.notes, *estimate.notes]
    if scale_source == "depth" and confidence <= _GUESSED:
        notes.append("scale guessed by the depth model (--camera-height or --known-length sets it)")
    if scale_source == "default camera height":
        notes.append(f"scale guessed: the camera is taken to be {_DEFAULT_HEIGHT} m over the floor (--camera-height)")
    if focal_source == "default":
        notes.append("field of view guessed (--fov)")
    if floor.inliers == 0.0:
        notes.append("no floor found in the photo: its lowest points lie at z = 0, and no robot is set down")
    pitch, roll = pitch_roll(floor.up)
    camera = Camera(intrinsics, level_pose(floor.up, height, yaw_deg=options.yaw), photo.width, photo.height)
    if floor.inliers >= _FLOOR_SHARE:
        if estimate.confidence < _MEASURED:
            depth = flatten_ground(depth, camera)
        depth = np.where(sky, 0, settle_floor(depth, camera)).astype(np.float32)
    if estimate.confidence < _MEASURED:
        depth = mend_posts(depth, sky, camera)
    return SeedView(
        rgb, depth, sky, camera, focal_source, scale_source, confidence, height, floor.inliers,
        floor.rms * factor, pitch, roll, tuple(notes), floor.method,
    )  # fmt: skip


def seed_from_photo(
    path: str | Path,
    *,
    depth: str | DepthModel = "prior",
    depth_file: str | Path | None = None,
    depth_unit: str = "m",
    options: SeedOptions | None = None,
    area: int = 832 * 480,
    rng: np.random.Generator | None = None,
) -> SeedView:
    """Photo on disk to SeedView; a depth file wins over the depth model (a name or an object)."""
    from lyra_core.models.registry import depth_model

    options = SeedOptions() if options is None else options
    photo = load_photo(path, area=area)
    if depth_file is not None:
        model: DepthModel = depth_model("file", path=depth_file, unit=depth_unit)
    else:
        model = depth_model(depth) if isinstance(depth, str) else depth
    return make_seed(photo, model, options, np.random.default_rng(0) if rng is None else rng)
