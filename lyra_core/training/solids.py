# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Quads, boxes and turned bodies that rooms are built of, with textures laid on in metres."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lyra_core.meshing.semantics import CLASSES

__all__ = ["CLASSES", "Material", "QuadSet", "SolidBuilder", "quad_faces"]

_F = NDArray[np.float64]

# Six faces of the box -1..1: (axis of u, axis of v, axis of the normal, sign); u x v points outward.
_BOX_FACES = ((1, 2, 0, 1), (2, 1, 0, -1), (2, 0, 1, 1), (0, 2, 1, -1), (0, 1, 2, 1), (1, 0, 2, -1))


def quad_faces(count: int) -> NDArray[np.int32]:
    """(2 * count, 3) faces of quads whose corners follow each other: corners 0 1 2 and 0 2 3."""
    base = 4 * np.arange(count, dtype=np.int32)
    return (base[:, None, None] + np.array([[0, 1, 2], [0, 2, 3]], np.int32)).reshape(-1, 3)


@dataclass(frozen=True)
class Material:
    """A texture with its size on the surface.

    texture: index. tile: width of one repeat of the texture [m]; 0 = the texture covers the face once.
    ratio: height over width of a repeat. emission: 0, or the radiance of a lit surface.
    """

    texture: int
    tile: float = 1.0
    ratio: float = 1.0
    emission: float = 0.0
    alpha: bool = False


@dataclass(frozen=True)
class QuadSet:
    """corners (N, 4, 3) [m], normals (N, 4, 3), uvs (N, 4, 2), texture (N,), emission (N,), alpha (N,) bool;
    solids (S, 2, 3): axis-aligned bounds of the bodies [m]; kind (N,) index into CLASSES; thin (N,) bool, part of a
    leg, a pole or a post that stands free."""

    corners: NDArray[np.float32]
    normals: NDArray[np.float32]
    uvs: NDArray[np.float32]
    texture: NDArray[np.int32]
    emission: NDArray[np.float32]
    alpha: NDArray[np.bool_]
    solids: NDArray[np.float32]
    kind: NDArray[np.int8]
    thin: NDArray[np.bool_]


@dataclass
class SolidBuilder:
    """Collects quads. Positions are local to the pose set by `at`."""

    rng: np.random.Generator
    _corners: list[_F] = field(default_factory=list)
    _normals: list[_F] = field(default_factory=list)
    _uvs: list[_F] = field(default_factory=list)
    _materials: list[tuple[Material, int]] = field(default_factory=list)
    _solids: list[_F] = field(default_factory=list)
    _kinds: list[tuple[int, bool, int]] = field(default_factory=list)
    _kind: tuple[int, bool] = (CLASSES.index("object"), False)
    _rotation: _F = field(default_factory=lambda: np.eye(3))
    _origin: _F = field(default_factory=lambda: np.zeros(3))

    @contextmanager
    def at(self, x: float, y: float, z: float = 0.0, *, yaw: float = 0.0) -> Iterator[None]:
        """Build relative to a point, turned by yaw [rad] about z."""
        saved = self._rotation, self._origin
        cosine, sine = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        self._origin = self._rotation @ np.array([x, y, z]) + self._origin
        self._rotation = self._rotation @ turn
        yield
        self._rotation, self._origin = saved

    @contextmanager
    def marked(self, kind: str, *, thin: bool = False) -> Iterator[None]:
        """What is built inside belongs to this class of CLASSES (ground truth of semantics and thin structures)."""
        saved = self._kind
        self._kind = CLASSES.index(kind), thin
        yield
        self._kind = saved

    def world(self, points: _F) -> _F:
        """Local points (..., 3) to the room."""
        return points @ self._rotation.T + self._origin

    def solid(self, low: Sequence[float], high: Sequence[float]) -> None:
        """Mark a local box as occupied."""
        corners = np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)
        placed = self.world(corners)
        self._solids.append(np.stack([placed.min(axis=0), placed.max(axis=0)]))

    def quads(self, corners: _F, uvs: _F, material: Material, normals: _F | None = None) -> None:
        """Add (N, 4, 3) quads (counter-clockwise from outside) with (N, 4, 2) uvs."""
        placed = self.world(corners)
        if normals is None:
            flat = np.cross(placed[:, 2] - placed[:, 0], placed[:, 3] - placed[:, 1])
            flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
            turned = np.repeat(flat[:, None], 4, axis=1)
        else:
            turned = normals @ self._rotation.T
            flat = np.cross(placed[:, 2] - placed[:, 0], placed[:, 3] - placed[:, 1])
            inward = (flat * turned.mean(axis=1)).sum(axis=1) < 0
            order = np.where(inward[:, None], [0, 3, 2, 1], [0, 1, 2, 3])[..., None]
            placed, turned, uvs = (np.take_along_axis(x, order, axis=1) for x in (placed, turned, uvs))
        self._corners.append(placed)
        self._normals.append(turned)
        self._uvs.append(uvs)
        self._materials.append((material, len(corners)))
        self._kinds.append((*self._kind, len(corners)))

    def quad(self, origin: Sequence[float], u: Sequence[float], v: Sequence[float], material: Material) -> None:
        """A parallelogram; its normal is u x v, the picture stands upright if v points up."""
        o, a, b = (np.asarray(x, dtype=np.float64) for x in (origin, u, v))
        corners = np.stack([o, o + a, o + a + b, o + b])[None]
        if material.tile == 0:
            uvs = np.array([[0.0, 1.0], [1, 1], [1, 0], [0, 0]])[None]
        else:
            scale = np.linalg.norm(a) / material.tile, np.linalg.norm(b) / (material.tile * material.ratio)
            uvs = np.array([[0.0, 0.0], [scale[0], 0], [scale[0], -scale[1]], [0, -scale[1]]])[None]
        self.quads(corners, uvs, material)

    def box(
        self,
        center: Sequence[float],
        size: Sequence[float],
        material: Material,
        *,
        chamfer: float = 0.0,
        occupied: bool = True,
    ) -> None:
        """A box, its texture running along the longest edge; chamfer [m] breaks the edges (cushions)."""
        c, h = np.asarray(center, dtype=np.float64), np.asarray(size, dtype=np.float64) / 2
        grain = int(np.argmax(h))
        inner = h - chamfer
        shift = self.rng.uniform(0, 1, 2) if material.tile else np.zeros(2)
        corners, uvs = [], []
        for u, v, axis, sign in _BOX_FACES:
            face = np.tile(c, (4, 1))
            face[:, u] += inner[u] * np.array([-1, 1, 1, -1])
            face[:, v] += inner[v] * np.array([-1, -1, 1, 1])
            face[:, axis] += h[axis] * sign
            corners.append(face)
            uvs.append(self._box_uv(face, (u, v), grain, material, shift))
        self.quads(np.array(corners), np.array(uvs), material)
        if chamfer > 0:
            self._chamfer(c, h, inner, material, shift)
        if occupied:
            self.solid(tuple(c - h), tuple(c + h))

    @staticmethod
    def _box_uv(face: _F, axes: tuple[int, int], grain: int, material: Material, shift: _F) -> _F:
        u, v = axes
        if material.tile == 0:
            # z up in the picture where the face stands; u as seen from outside.
            out = np.array([[0.0, 1.0], [1, 1], [1, 0], [0, 0]])
            return out if v == 2 else np.array([[1.0, 1.0], [1, 0], [0, 0], [0, 1]]) if u == 2 else out
        if v == grain or (u != grain and u == 2):
            u, v = v, u
        return np.stack([face[:, u] / material.tile, -face[:, v] / (material.tile * material.ratio)], axis=1) + shift

    def _chamfer(self, c: _F, h: _F, inner: _F, material: Material, shift: _F) -> None:
        """Twelve edge strips and eight corners (folded quads), with normals that lean as the edge does."""
        corners, normals = [], []
        signs = (-1.0, 1.0)
        for axis in range(3):
            a, b = (axis + 1) % 3, (axis + 2) % 3
            for sa in signs:
                for sb in signs:
                    strip = np.tile(c, (4, 1))
                    ends = np.array([-1.0, 1.0, 1.0, -1.0]) * (sa * sb)
                    strip[:, axis] += ends * inner[axis]
                    first = np.array([1, 1, 0, 0], dtype=bool)
                    strip[:, a] += sa * np.where(first, h[a], inner[a])
                    strip[:, b] += sb * np.where(first, inner[b], h[b])
                    normal = np.zeros((4, 3))
                    normal[:, a] = sa * np.where(first, 1.0, 0.0)
                    normal[:, b] = sb * np.where(first, 0.0, 1.0)
                    corners.append(strip)
                    normals.append(normal)
        for sx in signs:
            for sy in signs:
                for sz in signs:
                    s = np.array([sx, sy, sz])
                    points = c + s * (inner + np.eye(3) * (h - inner))
                    order = [0, 1, 2, 2] if sx * sy * sz > 0 else [0, 2, 1, 1]
                    corners.append(points[order])
                    normals.append((np.eye(3) * s)[order])
        stack = np.array(corners)
        tile = material.tile or 1.0
        uvs = stack[..., :2] / tile + stack[..., 2:] / tile + shift
        self.quads(stack, uvs, material, np.array(normals))

    def lathe(self, profile: Sequence[tuple[float, float]], material: Material, *, sides: int = 14) -> None:
        """A body turned about the local z axis; profile rows are (radius, z) from below, outside to the right."""
        p = np.asarray(profile, dtype=np.float64)
        angle = np.linspace(0, 2 * np.pi, sides + 1)
        ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        slope = np.gradient(p, axis=0)
        lean = np.stack([slope[:, 1], -slope[:, 0]], axis=1)
        lean /= np.maximum(np.linalg.norm(lean, axis=1, keepdims=True), 1e-9)
        points = np.concatenate(
            [ring[None] * p[:, None, :1], np.broadcast_to(p[:, None, 1:], (len(p), sides + 1, 1))], axis=2
        )
        normals = np.concatenate(
            [ring[None] * lean[:, None, :1], np.broadcast_to(lean[:, None, 1:], (len(p), sides + 1, 1))], axis=2
        )
        length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(p, axis=0), axis=1))])
        around = angle * p[:, 0].max()
        tile = material.tile or max(length[-1], 1e-3)
        wide = material.tile or max(around[-1], 1e-3)
        uv = np.stack(np.broadcast_arrays(around[None] / wide, -length[:, None] / (tile * material.ratio)), axis=2)

        def cells(grid: _F) -> _F:
            cut = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=2)
            return cut.reshape(-1, 4, grid.shape[-1])

        self.quads(cells(points), cells(uv), material, cells(normals))
        radius = p[:, 0].max()
        self.solid((-radius, -radius, p[:, 1].min()), (radius, radius, p[:, 1].max()))

    def cylinder(self, radius: float, low: float, high: float, material: Material, *, sides: int = 12) -> None:
        """An upright cylinder with flat ends about the local z axis."""
        self.lathe([(radius, low), (radius, high)], material, sides=sides)
        angle = np.linspace(0, 2 * np.pi, sides + 1)
        rim = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius
        for z, turn in ((high, 1), (low, -1)):
            ring = np.concatenate([rim, np.full((sides + 1, 1), z)], axis=1)[::turn]
            middle = np.broadcast_to(np.array([0.0, 0, z]), (sides, 3))
            fan = np.stack([middle, ring[:-1], ring[1:], ring[1:]], axis=1)
            self.quads(fan, fan[..., :2] / (material.tile or 1.0), material)

    def finish(self) -> QuadSet:
        """All quads as arrays."""
        materials = [m for m, n in self._materials for _ in range(n)]
        return QuadSet(
            np.concatenate(self._corners).astype(np.float32),
            np.concatenate(self._normals).astype(np.float32),
            np.concatenate(self._uvs).astype(np.float32),
            np.array([m.texture for m in materials], np.int32),
            np.array([m.emission for m in materials], np.float32),
            np.array([m.alpha for m in materials], bool),
            np.array(self._solids, np.float32).reshape(-1, 2, 3),
            np.array([kind for kind, _, n in self._kinds for _ in range(n)], np.int8),
            np.array([thin for _, thin, n in self._kinds for _ in range(n)], bool),
        )
