# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Forward reprojection of views into a target camera: soft colour and depth, and a pixel index, in one pass.

Soft: every source pixel is added to the four target pixels around it, weighted bilinearly and by
1 / exp(50 log1p(z) / max log1p(z)), so that the nearer surface wins (softmax splatting, Niklaus and
Liu 2020). Index: the source pixel that is nearest to the camera among those that round to a target pixel.

compat="reference" is Lyra 2.0's forward warp: integer pixel coordinates, weights that count fully on
both sides at exact integers, masked pixels included in the depth maximum, and any weight > 0 covers a
pixel. compat="default" puts pixel centres at +0.5, counts each weight once, takes the maximum over the
pixels that count, and needs at least a tenth of a pixel of weight. Each habit has a switch: lyra_core.ops.quirks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.ops.device import resolve_device
from lyra_core.ops.landings import pixel_landings
from lyra_core.ops.quirks import Compat, Quirks, quirks_of
from lyra_core.ops.reliability import reliability_mask
from lyra_core.ops.surface_data import view_matrices
from lyra_core.types import Camera

if TYPE_CHECKING:
    from lyra_core.kernels.reproject_launch import Pixels, Splatted

__all__ = [
    "Reprojection",
    "Source",
    "project_pixels",
    "reliability_mask",
    "reproject",
    "reproject_targets",
    "splat_points",
    "view_chain",
]

Inverse = Callable[[NDArray[np.float32]], NDArray[np.float32]]

_F32 = NDArray[np.float32]
_FARTHEST = np.float32(1e4)  # metres; the reference clamps depth there
_COVERAGE = 0.1  # bilinear weight that covers a pixel in default mode
_BATCH = 16  # targets that share the depth weight's maximum in the reference


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A view to reproject.

    Attributes
    ----------
    rgb: (H, W, 3) float32, any range.
    depth: (H, W) float32 z-depth [m]; 0, negative and NaN (default mode) have no surface.
    valid: (H, W) bool, pixels that may be drawn, e.g. a reliability mask.
    camera: the view.
    """

    rgb: _F32
    depth: _F32
    valid: NDArray[np.bool_]
    camera: Camera

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        for name, array, shape in (
            ("rgb", self.rgb, (*size, 3)),
            ("depth", self.depth, size),
            ("valid", self.valid, size),
        ):
            if array.shape != shape:
                raise InputError(
                    f"Source.{name} must have its camera's size",
                    got=f"{array.shape}, camera {size}",
                    do="Resize it, or the camera (Camera.resized)",
                )


@dataclass(frozen=True, slots=True, eq=False)
class Reprojection:
    """Sources seen from the target.

    Attributes
    ----------
    rgb: (H, W, 3) float32 weighted colours; `hole` where nothing lands.
    depth: (H, W) float32 z-depth [m] in the target; 0 where nothing lands.
    mask: (H, W) bool, True where something lands.
    source: (H, W) int32 position of the source whose pixel is nearest; -1 where none rounds to this pixel.
    source_xy: (H, W, 2) float32 pixel coordinates of that pixel's centre (+0.5) in the source; NaN where none.
    log_maximum: largest log1p(depth) used by the weight.
    """

    rgb: _F32
    depth: _F32
    mask: NDArray[np.bool_]
    source: NDArray[np.int32] | None
    source_xy: _F32 | None
    log_maximum: float


def view_chain(
    source: Camera, target: Camera, compat: Compat, inverse: Inverse = np.linalg.inv
) -> tuple[NDArray[np.floating], ...]:
    """Matrices from source pixels to target pixels: (forward, offset) of view_matrices, or the reference's four.

    The four (K^-1, camera to world, world to camera, K; float32) are multiplied one after the other in
    float32, because their rounding decides masks where a coordinate is almost an integer. For the same
    reason the last bit of the two inverses matters: inverse is the float32 routine that makes them.
    """
    if not quirks_of(compat).integer_pixels:
        return view_matrices(source, target)
    ray = inverse(source.intrinsics.astype(np.float32))
    return ray, inverse(_world_to_camera(source)), _world_to_camera(target), target.intrinsics.astype(np.float32)


def _world_to_camera(camera: Camera) -> _F32:
    """(4, 4) float32 w2c; one that came from a float32 file is that file's matrix again."""
    matrix = np.linalg.inv(camera.world_from_camera)
    matrix[np.abs(matrix) < 1e-14] = 0.0  # float64 rounding of exact zeros
    return matrix.astype(np.float32)


def project_pixels(
    source: Camera, depth: _F32, target: Camera, *, compat: Compat = "default", inverse: Inverse = np.linalg.inv
) -> _F32:
    """(H, W, 3) target pixel coordinates and depth (u, v, z) of each source pixel; NaN, NaN, z if not in front.

    In reference mode coordinates are integers at pixel centres on both sides.
    """
    point = pixel_landings(depth, view_chain(source, target, compat, inverse))
    z = point[..., 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        uv = np.where((z > 0) & (depth > 0)[..., None], point[..., :2] / (z + np.float32(1e-7)), np.nan)
    return np.concatenate([uv, z], axis=-1).astype(np.float32)


def _pixels(source: Source, target: Camera, compat: Compat, inverse: Inverse) -> Pixels:
    from lyra_core.kernels.reproject_launch import Pixels

    depth, quirks = np.ascontiguousarray(source.depth, np.float32), quirks_of(compat)
    if quirks.batch_depth_weight:
        depth = np.clip(np.where(np.isnan(depth), _FARTHEST, depth), 0, _FARTHEST)
    return Pixels(
        rgb=np.ascontiguousarray(source.rgb, np.float32),
        valid=np.ascontiguousarray(source.valid).view(np.uint8),
        depth=depth,
        points=None,
        matrices=view_chain(source.camera, target, compat, inverse),
        phantom=_phantom(target, quirks),
        half=0.0 if quirks.integer_pixels else 0.5,
    )


def _phantom(target: Camera, quirks: Quirks) -> float:
    """Depth in the target of pixels without depth: in the reference they are at the world's origin."""
    return float(target.camera_from_world[2, 3]) if quirks.phantom_points else 0.0


def reproject(
    sources: Sequence[Source],
    target: Camera,
    *,
    device: str = "cpu",
    compat: Compat = "default",
    log_maximum: float | None = None,
    hole: float = 0.0,
    index: bool = True,
    inverse: Inverse = np.linalg.inv,
) -> Reprojection:
    """Reproject sources into target; all of them are merged in one pass.

    Parameters
    ----------
    log_maximum: the depth weight's largest log1p(z); None takes it from this call. The reference shares it
        among all targets of a batch: take the largest `log_maximum` of single calls, and call again.
    hole: colour where nothing lands (the reference uses -1 for images in -1..1).
    index: also fill source and source_xy.
    inverse: float32 matrix inverse of the reference mode; for its exact masks give torch.linalg.inv.
    """
    if not sources:
        raise InputError("Reprojection needs at least one source", got="none", do="Pass the frames to reproject")
    return _run([_pixels(s, target, compat, inverse) for s in sources], (target.height, target.width),
                device, compat, log_maximum, hole, index)  # fmt: skip


def reproject_targets(
    sources: Sequence[Source],
    targets: Sequence[Camera],
    *,
    device: str = "cpu",
    compat: Compat = "default",
    hole: float = 0.0,
    inverse: Inverse = np.linalg.inv,
) -> Iterator[Reprojection]:
    """The merged sources seen from each target in turn, without index.

    What does not depend on the target is made once: pictures and masks lie on the device, every pixel is placed once
    per target (its way from source to target is one matrix) and splatted once. With batch_depth_weight groups of 16
    targets are placed before they are splatted, because they share their largest depth.
    """
    device, quirks = resolve_device(device), quirks_of(compat)
    if device == "numpy":
        from lyra_core.ops.reproject_reference import place_pixels, splat_placed
    else:
        from lyra_core.kernels.reproject_launch import place_pixels, splat_placed
    rules, size = _rules(quirks), _BATCH if quirks.batch_depth_weight else 1
    held: dict[int, Any] = {}
    first = [_pixels(source, targets[0], compat, inverse) for source in sources] if targets else []

    def place(target: Camera) -> Any:
        pixels = [
            replace(one, matrices=view_chain(source.camera, target, compat, inverse), phantom=_phantom(target, quirks))
            for one, source in zip(first, sources, strict=True)
        ]
        return place_pixels(pixels, device=device, rules=rules, held=held)

    for start in range(0, len(targets), size):
        group = targets[start : start + size]
        placed = [place(target) for target in group]
        shared = max(one.log_maximum for one in placed)
        for target, one in zip(group, placed, strict=True):
            yield _finished(splat_placed(
                one, (target.height, target.width), log_maximum=shared, rules=rules, hole=hole, index=False
            ))  # fmt: skip


def splat_points(  # noqa: PLR0913 - keyword options of one pass
    rgb: _F32,
    uvz: _F32,
    valid: NDArray[np.bool_],
    size: tuple[int, int],
    *,
    device: str = "cpu",
    compat: Compat = "default",
    log_maximum: float | None = None,
    hole: float = 0.0,
    index: bool = True,
) -> Reprojection:
    """Splat pixels (H, W, 3) rgb that are already placed: uvz (H, W, 3) target pixels and depth [m], size (H, W)."""
    from lyra_core.kernels.reproject_launch import Pixels

    pixels = Pixels(
        rgb=np.ascontiguousarray(rgb, np.float32),
        valid=np.ascontiguousarray(valid).view(np.uint8),
        depth=None,
        points=np.ascontiguousarray(uvz, np.float32),
        matrices=(),
        phantom=0.0,
        half=0.0 if quirks_of(compat).integer_pixels else 0.5,
    )
    return _run([pixels], size, device, compat, log_maximum, hole, index)


def _run(
    sources: list[Pixels],
    size: tuple[int, int],
    device: str,
    compat: Compat,
    log_maximum: float | None,
    hole: float,
    index: bool,
) -> Reprojection:
    device = resolve_device(device)
    if device == "numpy":
        from lyra_core.ops.reproject_reference import forward_splat
    else:
        from lyra_core.kernels.reproject_launch import forward_splat
    return _finished(forward_splat(
        sources, size, device=device, log_maximum=log_maximum, rules=_rules(quirks_of(compat)), hole=hole, index=index,
    ))  # fmt: skip


def _rules(quirks: Quirks) -> dict[str, float]:
    """What the splat is told of the quirks."""
    return {"double_integers": quirks.integers_count_four_times, "all_pixels": quirks.batch_depth_weight,
            "exact_weight": quirks.integer_pixels, "coverage": 0.0 if quirks.any_weight_covers else _COVERAGE}  # fmt: skip


def _finished(seen: Splatted) -> Reprojection:
    rgb, depth, mask, source, source_xy, used = seen
    return Reprojection(rgb, depth, mask.view(bool), source, source_xy, used)
