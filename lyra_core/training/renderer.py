# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Textured, lit triangle scenes and their exact pictures: colour, z-depth and sky.

The ground truth of training and evaluation comes from here: rooms made from seeds and game levels.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.ops.device import resolve_device
from lyra_core.types import Camera

if TYPE_CHECKING:
    from lyra_core.kernels.raycast_launch import RaycastScene

__all__ = ["TexturedScene", "auto_exposure", "render", "render_faces", "srgb_from_linear", "srgb_to_linear"]

_KEY = 0.12  # linear value that the middle of the picture is exposed to; filmic mid grey
_MAX_LEVELS = 12


def srgb_to_linear(value: NDArray[np.floating]) -> NDArray[np.floating]:
    """sRGB 0..1 to linear light (IEC 61966-2-1)."""
    return np.where(value <= 0.04045, value / 12.92, ((np.maximum(value, 0.04045) + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(value: NDArray[np.floating]) -> NDArray[np.floating]:
    """Linear light to sRGB (IEC 61966-2-1)."""
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * np.maximum(value, 0.0031308) ** (1 / 2.4) - 0.055)


_LINEAR_OF_BYTE = srgb_to_linear(np.arange(256) / 255.0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class TexturedScene:
    """Triangles with textures and baked light, in the Z-up world [m]. Faces are seen from both sides.

    Attributes
    ----------
    vertices: (V, 3) float32 [m]. faces: (F, 3) int32.
    uvs: (F, 3, 2) float32 texture coordinates per corner; they repeat; (0, 0) is the upper left corner of the image.
    face_texture: (F,) int32 index into textures.
    textures: (h, w, 3) uint8 sRGB, or (h, w, 4) with alpha test at one half.
    lightmap_uvs: (F, 3, 2) float32, clamped. face_lightmap: (F,) int32 index into lightmaps, -1 = none.
    lightmaps: (h, w, 3) uint8 sRGB or float32 linear light; picture = texture * light in linear light.
    vertex_light: (F, 3, 3) float32 linear light per corner of faces without a lightmap; None = 1.
    face_emission: (F,) float32, > 0: unlit, texture times this. face_sky: (F,) bool, opening to the sky.
    sky: (h, w, 3) uint8 equirectangular sRGB (u turns about +z, first row zenith); None = soft blue.
    sky_scale: linear brightness of the sky.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    uvs: NDArray[np.float32]
    face_texture: NDArray[np.int32]
    textures: Sequence[NDArray[np.uint8]]
    lightmap_uvs: NDArray[np.float32] | None = None
    face_lightmap: NDArray[np.int32] | None = None
    lightmaps: Sequence[NDArray[Any]] | None = None
    vertex_light: NDArray[np.float32] | None = None
    face_emission: NDArray[np.float32] | None = None
    face_sky: NDArray[np.bool_] | None = None
    sky: NDArray[np.uint8] | None = None
    sky_scale: float = 1.0

    def __post_init__(self) -> None:
        count = len(self.faces)
        expected = {
            "faces": (count, 3),
            "uvs": (count, 3, 2),
            "face_texture": (count,),
            "lightmap_uvs": (count, 3, 2),
            "face_lightmap": (count,),
            "vertex_light": (count, 3, 3),
            "face_emission": (count,),
            "face_sky": (count,),
        }
        for name, shape in expected.items():
            value = getattr(self, name)
            if value is not None and np.shape(value) != shape:
                raise InputError(
                    f"TexturedScene.{name} must have shape {shape}",
                    got=f"shape {np.shape(value)}",
                    do="Check the scene source",
                )
        if count == 0 or len(self.textures) == 0:
            raise InputError(
                "A scene needs faces and textures",
                got=f"{count} faces, {len(self.textures)} textures",
                do="Check the scene source",
            )
        if self.faces.min() < 0 or self.faces.max() >= len(self.vertices):
            raise InputError(
                "TexturedScene.faces must index vertices",
                got=f"{self.faces.min()}..{self.faces.max()}",
                do="Check the scene source",
            )
        if self.face_texture.min() < 0 or self.face_texture.max() >= len(self.textures):
            raise InputError(
                "TexturedScene.face_texture must index textures",
                got=f"{self.face_texture.min()}..{self.face_texture.max()} of {len(self.textures)}",
                do="Check the scene source",
            )


def _pyramid(image: NDArray[np.uint8]) -> list[NDArray[np.int32]]:
    """Mip levels as packed texels: halved by box filter in linear light, coded by the square root."""
    linear = np.concatenate([_LINEAR_OF_BYTE[image[..., :3]], image[..., 3:].astype(np.float32) / 255.0], axis=-1)
    levels = []
    while len(levels) < _MAX_LEVELS:
        code = np.sqrt(linear) if linear.shape[-1] == 3 else np.dstack([np.sqrt(linear[..., :3]), linear[..., 3]])
        byte = np.rint(255 * code).astype(np.int32)
        alpha = byte[..., 3] if byte.shape[-1] == 4 else np.int32(255)
        levels.append((byte[..., 0] | byte[..., 1] << 8 | byte[..., 2] << 16 | alpha << 24).astype(np.int32))
        height, width = linear.shape[:2]
        if height == 1 and width == 1:
            break
        # Odd sizes drop their last row or column, which is what the kernel's (size >> level) expects.
        if width > 1:
            linear = 0.5 * (linear[:, 0 : width // 2 * 2 : 2] + linear[:, 1 : width // 2 * 2 : 2])
        if height > 1:
            linear = 0.5 * (linear[0 : height // 2 * 2 : 2] + linear[1 : height // 2 * 2 : 2])
    return levels


def _default_sky() -> NDArray[np.uint8]:
    elevation = np.linspace(1, -1, 64)[:, None]
    up = np.clip(elevation, 0, 1) ** 0.6
    sky = (1 - up) * np.array([222.0, 230, 238]) + up * np.array([120.0, 165, 220])
    ground = np.array([118.0, 116, 108])
    rows = np.where(elevation > 0, sky, ground)
    return np.repeat(np.rint(rows).astype(np.uint8)[:, None], 128, axis=1)


def _pack_textures(images: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    table = np.zeros((len(images), 3 + _MAX_LEVELS), np.int32)
    parts: list[NDArray[np.int32]] = []
    offset = 0
    for i, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype != np.uint8:
            raise InputError(
                "Textures must be (h, w, 3 or 4) uint8",
                got=f"texture {i}: {image.shape} {image.dtype}",
                do="Convert the image to 8-bit RGB or RGBA",
            )
        levels = _pyramid(image)
        table[i, :3] = image.shape[1], image.shape[0], len(levels)
        for k, level in enumerate(levels):
            table[i, 3 + k] = offset
            parts.append(level.reshape(-1))
            offset += level.size
    return np.concatenate(parts), table


def _pack_lights(scene: TexturedScene) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    pages = scene.lightmaps or []
    if not len(pages):
        return np.ones((1, 3), np.float32), np.array([[0, 1, 1]], np.int32)
    table, parts, offset = [], [], 0
    for page in pages:
        values = _LINEAR_OF_BYTE[page] if page.dtype == np.uint8 else np.asarray(page, np.float32)
        table.append((offset, page.shape[1], page.shape[0]))
        parts.append(values.reshape(-1, 3))
        offset += len(parts[-1])
    return np.concatenate(parts), np.array(table, np.int32)


def _texel_density(scene: TexturedScene, table: NDArray[np.int32]) -> NDArray[np.float32]:
    """(F,) texels per metre: root of texel area over surface area."""
    corners = scene.vertices[scene.faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    e1, e2 = (scene.uvs[:, i].astype(np.float64) - scene.uvs[:, 0] for i in (1, 2))
    texels = np.abs(e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0])
    texels *= table[scene.face_texture, 0].astype(np.float64) * table[scene.face_texture, 1]
    return np.sqrt(texels / np.maximum(area, 1e-12)).astype(np.float32)


def _upload(scene: TexturedScene, device: str) -> RaycastScene:
    from lyra_core.kernels.raycast_launch import RaycastScene

    count = len(scene.faces)
    images = [*scene.textures, _default_sky() if scene.sky is None else scene.sky]
    atlas, table = _pack_textures(images)
    lights, light_table = _pack_lights(scene)
    flags = np.array([2 if image.shape[2] == 4 else 0 for image in images], np.int32)[scene.face_texture]
    if scene.face_sky is not None:
        flags[scene.face_sky] = 1
    has_light = scene.face_lightmap is not None and scene.lightmap_uvs is not None
    ones = np.ones((count * 3, 3), np.float32)
    data: dict[str, NDArray[Any]] = {
        "vertices": np.ascontiguousarray(scene.vertices, np.float32),
        "faces": np.ascontiguousarray(scene.faces, np.int32),
        "atlas": atlas,
        "table": table,
        "uvs": np.ascontiguousarray(scene.uvs, np.float32).reshape(-1, 2),
        "textures": np.ascontiguousarray(scene.face_texture, np.int32),
        "density": _texel_density(scene, table),
        "flags": flags,
        "emission": np.zeros(count, np.float32)
        if scene.face_emission is None
        else np.ascontiguousarray(scene.face_emission, np.float32),
        "light_uvs": np.ascontiguousarray(scene.lightmap_uvs, np.float32).reshape(-1, 2)
        if scene.lightmap_uvs is not None and has_light
        else np.zeros((count * 3, 2), np.float32),
        "light_ids": np.ascontiguousarray(scene.face_lightmap, np.int32) if has_light else np.full(count, -1, np.int32),
        "light_table": light_table,
        "lights": lights,
        "corner_light": ones
        if scene.vertex_light is None
        else np.ascontiguousarray(scene.vertex_light, np.float32).reshape(-1, 3),
    }
    return RaycastScene.build(data, sky_texture=len(images) - 1, sky_scale=float(scene.sky_scale), device=device)


_UPLOADS: weakref.WeakKeyDictionary[TexturedScene, dict[str, RaycastScene]] = weakref.WeakKeyDictionary()


def _on_device(scene: TexturedScene, device: str) -> RaycastScene:
    name = resolve_device(device)
    name = "cpu" if name == "numpy" else name
    cached = _UPLOADS.setdefault(scene, {})
    if name not in cached:
        cached[name] = _upload(scene, name)
    return cached[name]


def _cast(
    scene: TexturedScene, camera: Camera, samples: int, gain: tuple[float, float, float], linear: bool, device: str
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    from lyra_core.kernels.raycast_launch import raycast

    return raycast(
        _on_device(scene, device),
        origin=camera.center,
        ray_from_pixel=camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.intrinsics),
        size=(camera.width, camera.height),
        samples=samples,
        pixel_angle=1.0 / (float(camera.intrinsics[0, 0]) * samples),
        gain=gain,
        linear=linear,
    )


def auto_exposure(scene: TexturedScene, camera: Camera, *, device: str = "cpu") -> float:
    """Exposure that a camera would choose for this view: log-mean of the light, bright sky counted little.

    Use one value for all frames of a path: a memory must not see the exposure change.
    """
    small = camera.resized(48, max(1, round(48 * camera.height / camera.width)))
    rgb, _, face = _cast(scene, small, 1, (1.0, 1.0, 1.0), True, device)
    luminance = rgb @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    weights = np.where(face < 0, 0.15, 1.0)
    log_mean = float((np.log(luminance + 1e-4) * weights).sum() / weights.sum())
    return float(np.clip(_KEY / np.exp(log_mean), 1e-3, 1e3))


def render(
    scene: TexturedScene,
    camera: Camera,
    *,
    supersample: int = 2,
    exposure: float | str = "auto",
    rng: np.random.Generator | None = None,
    device: str = "cpu",
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Picture of the scene.

    supersample: sub-samples per axis. exposure: linear factor, or "auto" (`auto_exposure`).
    rng: if given, exposure varies by +-0.3 stops and white balance by +-4 %, as between photographs.
    Returns rgb (H, W, 3) float32 sRGB [0, 1], depth (H, W) float32 z-depth [m] of the pixel centre (0 = sky),
    sky (H, W) bool. Same arguments, same bytes, whatever the number of threads.
    """
    if supersample < 1:
        raise InputError("supersample must be 1 or more", got=str(supersample), do="Use 1 or 2")
    factor = auto_exposure(scene, camera, device=device) if isinstance(exposure, str) else float(exposure)
    gain = np.full(3, factor)
    if rng is not None:
        gain *= 2.0 ** rng.uniform(-0.3, 0.3) * rng.uniform(0.96, 1.04, 3)
    rgb, depth, face = _cast(scene, camera, supersample, (gain[0], gain[1], gain[2]), False, device)
    return rgb, depth, face < 0


def render_faces(scene: TexturedScene, camera: Camera, *, device: str = "cpu") -> NDArray[np.int32]:
    """(H, W) int32 face seen at each pixel centre, -1 = sky."""
    return _cast(scene, camera, 1, (1.0, 1.0, 1.0), True, device)[2]
