# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A block-sparse truncated signed distance volume fused from z-depth maps.

After Curless and Levoy 1996 and Niessner et al. 2013 (blocks of 8x8x8 voxels), with two changes that
matter for robots, who see floors at grazing angles:

* every pixel carries a plane fitted in inverse depth (planes are linear there), and the distance of a
  voxel is its distance to that plane, not the difference along the optical axis; a floor far away is
  then as flat as one near by;
* a voxel behind a surface does not count if the foot of its perpendicular is seen to lie off that surface,
  so that silhouettes grow no shelves; where nothing is known of the foot it counts close to the surface, or thin
  things would lose their rims.

Voxels behind the camera are never touched. Sky carves and never makes a surface; so do pixels whose depth is not
trusted, but only beside a surface: it ends where something next to it is known to be free.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import InputError
from lyra_core.ops.device import resolve_device
from lyra_core.ops.isosurface import dual_surface
from lyra_core.types import Camera, Mesh

__all__ = ["BLOCK", "HostBlocks", "TsdfVolume", "pixel_planes"]

BLOCK = 8
_CELLS = BLOCK**3
_NEAR = 0.05  # m; nearer voxels are inside the lens
_SKY_DISTANCE = 1e3  # m; any length above the truncation
_CARVE = 0.35  # weight of free space beyond the truncation against that of a surface; the kernel has the same
_HINT = 0.05  # weight of free space of pixels without a surface: it decides only where no other pixel says anything
_BESIDE = 3  # px around a pixel without a surface in which the surface beside it is looked for
_F32 = NDArray[np.float32]


def pixel_planes(depth: _F32, camera: Camera, *, sky: NDArray[np.bool_] | None = None, radius: int = 3) -> _F32:
    """Plane of every pixel in camera axes, (H, W, 4) float32 (a, b, c, r).

    The plane is a x + b y + c z = 1 and r = 1 / |(a, b, c)| is its distance from the camera, so that
    (1 - (a, b, c) . p) r is the signed distance [m] of point p, positive on the camera's side.
    Gradients of inverse depth are averaged over a window of this radius [px], pairs across depth
    jumps left out. Sky has a = b = c = 0 and a large r; pixels without depth have r = 0.
    """
    import cv2

    valid = depth > 0
    inverse = np.zeros(depth.shape, np.float32)
    np.divide(1.0, depth, out=inverse, where=valid)
    along_x = _mean_step(inverse, 1, radius, cv2.boxFilter) * np.float32(camera.intrinsics[0, 0])
    along_y = _mean_step(inverse, 0, radius, cv2.boxFilter) * np.float32(camera.intrinsics[1, 1])
    x, y = _ray_axes(camera)
    along_z = inverse - along_x * x - along_y * y[:, None]
    norm = np.sqrt(along_x * along_x + along_y * along_y + along_z * along_z)
    reach = np.zeros(depth.shape, np.float32)
    np.divide(1.0, norm, out=reach, where=valid)
    planes = np.asarray(cv2.merge([along_x, along_y, along_z, reach]), np.float32)
    if not valid.all():
        planes[~valid] = 0.0
    if sky is not None and sky.any():
        planes[sky] = (0.0, 0.0, 0.0, _SKY_DISTANCE)
    return planes


def _ray_axes(camera: Camera) -> tuple[_F32, _F32]:
    """x of every column and y of every row of the rays with z = 1 (no skew)."""
    k = camera.intrinsics
    x = (np.arange(camera.width) + 0.5 - k[0, 2]) / k[0, 0]
    y = (np.arange(camera.height) + 0.5 - k[1, 2]) / k[1, 1]
    return x.astype(np.float32), y.astype(np.float32)


def _mean_step(inverse: _F32, axis: int, radius: int, box: Any) -> _F32:
    """(H, W) mean difference of inverse depth per pixel along axis, over the smooth pairs of a window.

    Pair i lies between pixels i and i + 1, so an even window keeps the mean centred on the pixel.
    """
    step = np.zeros_like(inverse)
    smooth = np.zeros_like(inverse)
    low, high = (inverse[:, :-1], inverse[:, 1:]) if axis == 1 else (inverse[:-1], inverse[1:])
    inner = (slice(None), slice(0, -1)) if axis == 1 else (slice(0, -1),)
    difference = high - low
    # Also false where either is 0 (no depth): the difference is then the larger one itself.
    good = np.abs(difference) < np.float32(0.06) * np.maximum(low, high)
    step[inner] = difference * good
    smooth[inner] = good
    side, across = 2 * radius, 2 * radius + 1
    window = (side, across) if axis == 1 else (across, side)
    total = box(step, -1, window, anchor=(radius, radius), normalize=False)
    share = box(smooth, -1, window, anchor=(radius, radius), normalize=False)
    return total / np.maximum(share, np.float32(1))


class HostBlocks:
    """The NumPy twin of kernels.tsdf.DeviceBlocks: same storage, same formulas, easy to read."""

    def __init__(self) -> None:
        self._distance = np.zeros((0, _CELLS), np.float32)
        self._weight = np.zeros((0, _CELLS), np.float32)
        self._color = np.zeros((0, _CELLS, 4), np.float32)

    def reserve(self, count: int) -> None:
        """Make room for count blocks; new voxels are unobserved (weight 0)."""
        grow = max(0, count - len(self._distance))
        self._distance = np.concatenate([self._distance, np.zeros((grow, _CELLS), np.float32)])
        self._weight = np.concatenate([self._weight, np.zeros((grow, _CELLS), np.float32)])
        self._color = np.concatenate([self._color, np.zeros((grow, _CELLS, 4), np.float32)])

    def integrate(  # noqa: PLR0913 - the twin of a kernel launch
        self,
        active: NDArray[np.int32],
        coords: NDArray[np.int32],
        planes: _F32,
        weights: _F32,
        rgb: _F32 | None,
        rotation: _F32,
        translation: _F32,
        lens: _F32,
        size: tuple[int, int],
        scale: _F32,
    ) -> None:
        """Update the active slots with one view.

        active: (A,) slots; coords: (N, 3) block coordinates of all slots; planes: (H, W, 4) of pixel_planes;
        weights: (H, W), 0 = no information, below 0: the space before the plane is free by -weight and there is no
        surface; rgb: (H, W, 3) or None; rotation, translation: camera from world;
        lens: fx, fy, cx, cy; size: width, height; scale: voxel, truncation, growth per metre, cap [m].
        """
        voxel, truncation, growth, cap = (np.float32(v) for v in scale)
        local = np.stack(np.meshgrid(*[np.arange(BLOCK)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        for start in range(0, len(active), 512):
            slots = active[start : start + 512]
            cells = (coords[slots][:, None, :] * BLOCK + local + np.float32(0.5)).astype(np.float32) * voxel
            p = cells @ rotation.T + translation
            pixel, inside = _pixels(p, lens, size)
            given = np.where(inside, weights.reshape(-1)[pixel], np.float32(0))
            w = np.abs(given)
            m = planes.reshape(-1, 4)[pixel]
            q = (m[..., :3] * p).sum(axis=-1)
            s = (1 - q) * m[..., 3]
            reach = np.minimum(np.maximum(truncation, growth * p[..., 2]), cap)
            w = np.where((given < 0) & (s <= truncation), 0, w)  # carves only
            behind = s < 0
            w = np.where(behind, w * np.maximum(0, 1 + s / reach), w)
            foot = p + m[..., :3] * (m[..., 3] * s)[..., None]
            other, seen = _pixels(foot, lens, size)
            n = planes.reshape(-1, 4)[other]
            t = (1 - (n[..., :3] * foot).sum(axis=-1)) * n[..., 3]
            # Of an unknown foot: not farther behind along the ray either, or a slanted rim grows a shelf.
            deep = p[..., 2] * (1 - 1 / np.where(behind, q, 1))
            known = weights.reshape(-1)[other] > 0
            seen &= np.where(known, (t <= voxel) & (t >= -reach), deep <= truncation)
            w = np.where(behind & ~seen, 0, w)
            # Free space far in front says less than a surface: one wrong ray must not cut through a chair leg.
            w = np.where(s > truncation, np.float32(_CARVE) * w, w)
            before = self._weight[slots]
            total = np.where(w > 0, before + w, 1)
            value = np.clip(s / truncation, -1, 1)
            fused = (self._distance[slots] * before + value * w) / total
            self._distance[slots] = np.where(w > 0, fused, self._distance[slots])
            self._weight[slots] = before + w
            if rgb is not None:
                color = self._color[slots]
                near = np.where(np.abs(s) < 1.5 * voxel, w, 0)
                a = near / np.maximum(color[..., 3] + near, 1e-30)
                color[..., :3] += (rgb.reshape(-1, 3)[pixel] - color[..., :3]) * a[..., None]
                color[..., 3] += near
                self._color[slots] = color

    def to_host(self, count: int) -> tuple[_F32, _F32, _F32]:
        """Distance (count, 512), weight (count, 512) and colour+weight (count, 512, 4)."""
        return self._distance[:count], self._weight[:count], self._color[:count]


def _pixels(p: NDArray[np.floating], lens: _F32, size: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Flat pixel index of camera points (..., 3) and whether they fall into the image, in front."""
    front = p[..., 2] > _NEAR
    z = np.where(front, p[..., 2], np.float32(1))
    u = np.floor(lens[0] * p[..., 0] / z + lens[2])
    v = np.floor(lens[1] * p[..., 1] / z + lens[3])
    inside = front & (u >= 0) & (v >= 0) & (u < size[0]) & (v < size[1])
    return np.where(inside, v * size[0] + u, 0).astype(np.int64), inside


def pack_keys(coords: NDArray[np.integer]) -> NDArray[np.int64]:
    """(..., 3) integer coordinates within +-2^20 to one sortable key each."""
    shifted = coords.astype(np.int64) + (1 << 20)
    return (shifted[..., 0] << 42) | (shifted[..., 1] << 21) | shifted[..., 2]


class TsdfVolume:
    """A growing volume of truncated signed distances in the Z-up world.

    Parameters
    ----------
    voxel_size: edge of a voxel [m].
    truncation: distances are kept up to this [m]; default three voxels, at most half a block (four voxels).
    growth: truncation behind a surface grows by this per metre of depth (depth noise grows with depth).
    device: "numpy", "cpu", "cuda:N" or "auto".
    max_blocks: refuse to grow beyond this many blocks of 8x8x8 voxels (12 kB each).
    """

    def __init__(
        self,
        voxel_size: float,
        truncation: float | None = None,
        *,
        growth: float = 0.01,
        device: str = "cpu",
        max_blocks: int = 60_000,
    ) -> None:
        if not voxel_size > 0:
            raise InputError(
                "The voxel size must be positive metres",
                got=f"{voxel_size:g}",
                do="Use metres above 0, for example 0.04",
            )
        self.voxel_size = float(voxel_size)
        self.truncation = min(3.0 * voxel_size if truncation is None else float(truncation), 4.0 * voxel_size)
        self._growth = growth
        self._max_blocks = max_blocks
        self._coords = np.zeros((0, 3), np.int32)
        self._sorted_keys = np.zeros(0, np.int64)
        self.device = resolve_device(device)
        if self.device == "numpy":
            self._blocks: Any = HostBlocks()
        else:
            from lyra_core.kernels.tsdf import DeviceBlocks

            self._blocks = DeviceBlocks(self.device)

    def __len__(self) -> int:
        """Number of allocated blocks."""
        return len(self._coords)

    @property
    def nbytes(self) -> int:
        """Bytes of voxel data."""
        return len(self) * _CELLS * 24

    def integrate(
        self,
        depth: _F32,
        camera: Camera,
        *,
        weight: float | _F32 = 1.0,
        rgb: _F32 | None = None,
        sky: NDArray[np.bool_] | None = None,
        free: _F32 | None = None,
    ) -> None:
        """Fuse one view.

        depth: (H, W) float32 z-depth [m], 0 = unknown (neither surface nor free space).
        weight: factor per view or per pixel (H, W); it is multiplied by min(1, 1 / depth^2).
        rgb: (H, W, 3) float32 sRGB in [0, 1] or None. sky: (H, W) bool, carves only.
        free: (H, W) float32 z-depth [m] before which nothing stands, 0 = unknown; read where depth is 0, carves only.
        Raises InputError if shapes disagree with the camera or the volume would exceed max_blocks.
        """
        shape = (camera.height, camera.width)
        if depth.shape != shape or (rgb is not None and rgb.shape != (*shape, 3)):
            raise InputError(
                "Depth and colour must have the camera's size",
                got=f"{depth.shape} for {shape}",
                do="Resize the camera (Camera.resized)",
            )
        planes = pixel_planes(depth, camera, sky=sky)
        hollow = np.zeros(shape, np.float32) if free is None else self._hollow(depth, free, sky)
        end = hollow[hollow > 0]
        # They face the camera: of what ends the free space nothing is known but that it is not nearer.
        planes[hollow > 0] = np.stack([0 * end, 0 * end, 1 / end, end], axis=-1)
        inverse = np.zeros(shape, np.float32)
        np.divide(1.0, depth, out=inverse, where=depth > 0)
        weights = np.minimum(np.float32(1), inverse * inverse)
        if sky is not None:
            far = float(depth.max(initial=1.0))
            weights = np.where(sky, 1.0 / max(1.0, far * far), weights)
        weights = np.where(hollow > 0, -_HINT / np.maximum(hollow, 1) ** 2, weights)
        weights = (weights * weight).astype(np.float32)
        self.allocate(depth if sky is None else np.where(sky, np.float32(0), depth), camera, planes=planes)
        pose = camera.camera_from_world.astype(np.float32)
        k = camera.intrinsics
        self._blocks.integrate(
            self._in_view(camera, float(depth.max(initial=0.0)) if sky is None or not sky.any() else np.inf),
            self._coords,
            planes,
            weights,
            None if rgb is None else rgb.astype(np.float32, copy=False),
            pose[:3, :3],
            pose[:3, 3],
            np.array([k[0, 0], k[1, 1], k[0, 2], k[1, 2]], np.float32),
            (camera.width, camera.height),
            np.array([self.voxel_size, self.truncation, self._growth, 4 * self.voxel_size], np.float32),
        )

    def _hollow(self, depth: _F32, free: _F32, sky: NDArray[np.bool_] | None) -> _F32:
        """(H, W) z-depth [m] before which pixels without a surface are free, 0 = they say nothing.

        They end a truncation behind the nearest surface around them, which is enough to give that surface a rim. Any
        farther they would make curtains of what is guessed in its shadow.
        """
        import cv2

        side = 2 * _BESIDE + 1
        near = cv2.erode(np.where(depth > 0, depth, np.float32(np.inf)), np.ones((side, side), np.uint8))
        says = (depth <= 0) & (free > 0) & np.isfinite(near)
        if sky is not None:
            says &= ~sky
        return np.where(says, np.minimum(free, near + np.float32(2 * self.truncation)), 0).astype(np.float32)

    def extract(self, *, min_weight: float = 1e-7) -> Mesh:
        """The zero level set as a mesh with colours, wound counter-clockwise seen from free space.

        The result depends on the set of blocks, not on the order in which they were allocated.
        """
        order = np.argsort(pack_keys(self._coords), kind="stable")
        distance, weight, color = self._blocks.to_host(len(self))
        return dual_surface(
            self._coords[order], distance[order], weight[order], color[order], self.voxel_size, min_weight
        )

    def _in_view(self, camera: Camera, far: float) -> NDArray[np.int32]:
        """Slots of blocks whose bounding sphere meets the view frustum up to far [m]."""
        edge = BLOCK * self.voxel_size
        radius = 0.87 * edge
        pose = camera.camera_from_world
        p = (self._coords + 0.5) * edge @ pose[:3, :3].T + pose[:3, 3]
        inside = (p[:, 2] > -radius) & (p[:, 2] < far + 2 * radius)
        k = camera.intrinsics
        for axis, extent in ((0, camera.width), (1, camera.height)):
            f, c = k[axis, axis], k[axis, 2]
            for a, b in ((f, c), (-f, extent - c)):  # inward side planes a x + b z >= 0
                inside &= a * p[:, axis] + b * p[:, 2] >= -radius * np.hypot(a, b)
        return np.flatnonzero(inside).astype(np.int32)

    def allocate(self, depth: _F32, camera: Camera, *, planes: _F32 | None = None) -> None:
        """Allocate every block within the truncation of a surface point of this view; integrate does so itself.

        Alone it measures a scene: len(volume) times the squared block edge is about 2.4 times the seen area.
        """
        planes = pixel_planes(depth, camera) if planes is None else planes
        points, reach = self._surface_points(depth, planes, camera)
        if not len(points):
            return
        edge = BLOCK * self.voxel_size
        low = np.floor((points - reach[:, None]) / edge).astype(np.int32)
        high = np.floor((points + reach[:, None]) / edge).astype(np.int32)
        origin = low.min(axis=0)
        shape = high.max(axis=0) - origin + 1
        if int(np.prod(shape.astype(np.int64))) > 1 << 27:
            raise InputError(
                "The view is too large for this voxel size",
                got=f"{shape * edge} m at {self.voxel_size:g} m",
                do="Cap the depth or use larger voxels",
            )
        # The truncation is at most half a block, so the eight corners of the box name all blocks it meets.
        touched = np.zeros(tuple(shape), np.bool_)
        low -= origin
        high -= origin
        for corner in range(8):
            pick = [(high if corner >> axis & 1 else low)[:, axis] for axis in range(3)]
            touched[pick[0], pick[1], pick[2]] = True
        self._add_blocks((np.argwhere(touched) + origin).astype(np.int32))

    def _surface_points(self, depth: _F32, planes: _F32, camera: Camera) -> tuple[_F32, _F32]:
        """World points on the surfaces, dense enough for the block size, and the truncation at each."""
        stride = max(1, min(depth.shape) // 120)
        z = depth[::stride, ::stride]
        keep = z > 0
        x, y = _ray_axes(camera)
        rays = np.stack([*np.meshgrid(x[::stride], y[::stride]), np.ones_like(z)], axis=-1)[keep]
        z, plane = z[keep], planes[::stride, ::stride][keep]
        found = [(rays, z)]
        # Where a pixel is stretched over more than half a block, sample its plane within the pixel.
        slope = np.abs(plane[:, 1]) / camera.intrinsics[1, 1] * z * z * stride
        wide = slope > 0.5 * BLOCK * self.voxel_size
        for shift in (-0.5, -0.25, 0.25, 0.5) if wide.any() else ():
            moved = rays[wide] + np.array([0, shift * stride / camera.intrinsics[1, 1], 0], np.float32)
            inverse = (plane[wide, :3] * moved).sum(axis=-1)
            good = (inverse > 0.5 / z[wide]) & (inverse < 2 / z[wide])
            found.append((moved[good], 1 / inverse[good]))
        z = np.concatenate([f[1] for f in found])
        local = np.concatenate([f[0] for f in found]) * z[:, None]
        rotation = camera.world_from_camera[:3, :3].astype(np.float32)
        points = local @ rotation.T + camera.center.astype(np.float32)
        reach = np.minimum(np.maximum(self.truncation, self._growth * z), 4 * self.voxel_size).astype(np.float32)
        return points.astype(np.float32), reach

    def _add_blocks(self, coords: NDArray[np.int32]) -> None:
        keys = pack_keys(coords)
        if len(self._sorted_keys):
            at = np.minimum(np.searchsorted(self._sorted_keys, keys), len(self._sorted_keys) - 1)
            fresh = self._sorted_keys[at] != keys
            coords, keys = coords[fresh], keys[fresh]
        if not len(coords):
            return
        if len(self) + len(coords) > self._max_blocks:
            raise InputError(
                "The scene needs too many voxel blocks",
                got=f"{len(self) + len(coords)} blocks, limit {self._max_blocks}",
                do="Use larger voxels or cap the depth",
            )
        self._coords = np.concatenate([self._coords, coords])
        self._sorted_keys = np.sort(np.concatenate([self._sorted_keys, keys]))
        self._blocks.reserve(len(self))
