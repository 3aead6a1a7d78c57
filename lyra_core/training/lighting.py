# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Lightmaps of rooms: windows, sun and lamps with shadows, and the light that walls and things throw back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.training.renderer import srgb_to_linear
from lyra_core.training.solids import QuadSet, quad_faces

__all__ = ["Lights", "LooseTriangles", "bake"]

_F32 = NDArray[np.float32]
_BOUNCES = (3, 6)  # rays per axis of the hemisphere, bounce by bounce
_LATER = 0.4


@dataclass(frozen=True)
class Lights:
    """portals (P, 4, 3): corner, two edges, direction inward; lamps (L, 3, 3): position, power, (radius, 0, 0);
    sky (3, 3): zenith, horizon, ground radiance; sun (2, 3): direction towards it, irradiance. All float32, linear."""

    portals: _F32
    lamps: _F32
    sky: _F32
    sun: _F32


@dataclass(frozen=True, eq=False)
class LooseTriangles:
    """Things that stand in a room: corners (F, 3, 3) [m], uvs (F, 3, 2), normals (F, 3, 3), all float32; texture (F,) int32."""

    corners: _F32
    uvs: _F32
    normals: _F32
    texture: NDArray[np.int32]

    def points(self) -> tuple[_F32, _F32, NDArray[np.int64]]:
        """Distinct corners: positions (N, 3), normals (N, 3), and (3 F,) index into them."""
        both = np.concatenate([self.corners, self.normals], axis=2).reshape(-1, 6)
        _, first, index = np.unique(
            np.rint(both * 500).astype(np.int32), axis=0, return_index=True, return_inverse=True
        )
        return both[first, :3], both[first, 3:], index.reshape(-1)


@dataclass(frozen=True)
class _Grid:
    """Sample grids of all quads, one after the other."""

    quad: NDArray[np.int64]
    column: NDArray[np.int64]
    row: NDArray[np.int64]
    size: NDArray[np.int64]
    start: NDArray[np.int64]

    @staticmethod
    def lay(corners: _F32, texel: float) -> _Grid:
        edge = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
        wide = np.rint(np.maximum(edge[:, 0], edge[:, 2]) / texel).astype(np.int64) + 1
        high = np.rint(np.maximum(edge[:, 1], edge[:, 3]) / texel).astype(np.int64) + 1
        size = np.clip(np.stack([wide, high], axis=1), 2, 160)
        count = size.prod(axis=1)
        start = np.concatenate([[0], np.cumsum(count)[:-1]])
        quad = np.repeat(np.arange(len(corners)), count)
        local = np.arange(len(quad)) - start[quad]
        return _Grid(quad, local % size[quad, 0], local // size[quad, 0], size, start)

    def bilinear(self, values: _F32, *, inset: NDArray[np.float64] | None = None) -> _F32:
        """Corner values (Q, 4, C) at every sample (M, C); inset (Q, 2) keeps samples off the rim."""
        last = self.size[self.quad] - 1
        st = np.stack([self.column / last[:, 0], self.row / last[:, 1]], axis=1)
        if inset is not None:
            st = np.clip(st, inset[self.quad], 1 - inset[self.quad])
        s, t = st[:, :1].astype(np.float32), st[:, 1:].astype(np.float32)
        c = values[self.quad]
        low, high = (1 - s) * c[:, 0] + s * c[:, 1], (1 - s) * c[:, 3] + s * c[:, 2]
        return ((1 - t) * low + t * high).astype(np.float32)

    def neighbours(self) -> NDArray[np.int64]:
        """(4, M) samples to the left, right, below and above; the sample itself at the rim."""
        here = np.arange(len(self.quad))
        wide, high = self.size[self.quad].T
        return np.stack(
            [
                np.where(self.column > 0, here - 1, here),
                np.where(self.column < wide - 1, here + 1, here),
                np.where(self.row > 0, here - wide, here),
                np.where(self.row < high - 1, here + wide, here),
            ]
        )


def _smooth(values: _F32, neighbours: NDArray[np.int64], valid: NDArray[np.bool_], rounds: int) -> _F32:
    """Mean over valid neighbours; invalid samples take what they are given from around them."""
    values = np.where(valid[:, None], values, 0)
    known = valid.astype(np.float32)
    for _ in range(rounds):
        total = values * known[:, None] * 2
        weight = known * 2
        for side in neighbours:
            total += values[side] * known[side, None]
            weight += known[side]
        values = (total / np.maximum(weight, 1e-6)[:, None]).astype(np.float32)
        known = np.where(weight > 0, 1.0, known).astype(np.float32)
    return values


def _mean_colours(textures: list[NDArray[np.uint8]]) -> _F32:
    """(T, 3) share of the light that each texture throws back."""
    mean = np.stack([srgb_to_linear(t[::4, ::4, :3].reshape(-1, 3) / 255.0).mean(axis=0) for t in textures])
    return np.clip(mean, 0, 0.85).astype(np.float32)


def bake(
    quads: QuadSet,
    textures: list[NDArray[np.uint8]],
    lights: Lights,
    *,
    texel: float = 0.1,
    device: str = "cpu",
    things: LooseTriangles | None = None,
) -> tuple[list[_F32], _F32]:
    """Lightmap (h, w, 3) of every quad, linear; texel centres of the rim lie on the rim of the quad.

    Direct light has soft shadows; two bounces are gathered (few rays for the first, which only lights the second).
    things: loose triangles that cast shadows and are lit as well. Returns the lightmaps and the light at the things'
    corners, (F, 3, 3).
    """
    from lyra_core.kernels.lightbake import BakeMesh, bake_direct, bake_gather

    opaque = np.flatnonzero(~quads.alpha)
    vertices, faces = quads.corners[opaque].reshape(-1, 3), quad_faces(len(opaque))
    if things is not None:
        more = np.arange(3 * len(things.texture), dtype=np.int32).reshape(-1, 3) + np.int32(len(vertices))
        vertices, faces = np.concatenate([vertices, things.corners.reshape(-1, 3)]), np.concatenate([faces, more])
    mesh = BakeMesh.build(vertices, faces, device=device)
    grid = _Grid.lay(quads.corners, texel)
    edge = np.linalg.norm(np.roll(quads.corners, -1, axis=1) - quads.corners, axis=2)
    long = np.stack([np.maximum(edge[:, 0], edge[:, 2]), np.maximum(edge[:, 1], edge[:, 3])], axis=1)
    inset = np.minimum(0.012 / np.maximum(long, 1e-6), 0.3)
    normals = grid.bilinear(quads.normals)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    positions = grid.bilinear(quads.corners, inset=inset) + 0.004 * normals

    def lit(at: _F32, facing: _F32) -> _F32:
        return bake_direct(
            mesh, at, facing, portals=lights.portals, lamps=lights.lamps, sky=lights.sky, sun=lights.sun, side=3
        )

    direct = lit(positions, normals)
    colours = _mean_colours(textures)
    albedo = colours[quads.texture][grid.quad]
    glow = 0.3 * quads.emission[grid.quad][:, None] * albedo
    table = np.concatenate([grid.start[:, None], grid.size], axis=1).astype(np.int32)
    face_quads = np.repeat(opaque, 2).astype(np.int32)
    around = grid.neighbours()
    valid = np.ones(len(positions), bool)
    bounce = np.zeros_like(direct)
    radiosity = direct
    if things is not None:
        # Things throw light back as one patch each texture: enough for the tint of what stands beside them.
        patches = np.stack([len(positions) + np.arange(len(colours)), *np.ones((2, len(colours)))], axis=1)
        face_quads = np.concatenate([face_quads, (len(table) + things.texture).astype(np.int32)])
        table = np.concatenate([table, patches.astype(np.int32)])
    for side in _BOUNCES:
        radiosity = np.where(glow > 0, glow, albedo * (direct + bounce)).astype(np.float32)
        if things is not None:
            radiosity = np.concatenate([radiosity, colours * (direct + bounce).mean(axis=0)]).astype(np.float32)
        bounce, inside = bake_gather(
            mesh, positions, normals, face_quads=face_quads, quads=table, radiosity=radiosity, side=side
        )
        valid = inside < 0.3
        bounce = _smooth(bounce, around, valid, 3)
    # Light of the third and later bounces: what the last bounce added, times the mean reflectance, spread by occlusion.
    later = 1 + _LATER * albedo.mean()
    total = _smooth(direct, around, valid, 1) + bounce * later
    pages = [total[s : s + w * h].reshape(h, w, 3) for s, (w, h) in zip(grid.start, grid.size, strict=True)]
    if things is None:
        return pages, np.zeros((0, 3, 3), np.float32)
    at, facing, index = things.points()
    at = np.asarray(at + 0.004 * facing, np.float32)
    seen, _ = bake_gather(mesh, at, facing, face_quads=face_quads, quads=table, radiosity=radiosity, side=_BOUNCES[-1])
    return pages, (lit(at, facing) + seen * later)[index].reshape(-1, 3, 3).astype(np.float32)
