# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Floor, wall, ceiling and objects told apart by geometry: where faces look, how high they lie, on which plane.

Nothing is recognised: a wall is a large upright plane that is tall or reaches the ceiling, with what is set into it,
or, where depth is too wavy for planes, upright surface that stands on end over a long stretch of ground; a table top
is an object because it is small and high; what is left over are objects, one per connected part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lyra_core.meshing.planes import Plane
from lyra_core.meshing.topology import face_areas, face_normals
from lyra_core.types import Mesh

__all__ = ["CLASSES", "FaceLabels", "Part", "classes_of_tile", "face_classes", "label_faces", "split_parts"]

CLASSES = ("floor", "wall", "ceiling", "object")
"""Class names, as they stand in the USD; FaceLabels.kind indexes them. Sky is a fifth one that only splats have."""

_FLOOR, _WALL, _CEILING, _OBJECT = range(4)
_ON_FLOOR = 0.06  # [m] rugs and noise
_IN_WALL = (-0.25, 0.07)  # [m] behind and before the plane: reveals and doors, frames and pictures
_LEAST_OBJECT = 0.02  # [m^2]; smaller parts are lumped together
_MOST_OBJECTS = 60
_COLUMN = 0.3  # [m] edge of the cells in which wavy walls are looked for
_FACADE_COLUMN = 0.6  # [m] the same under the open sky
_ROOM = 3.6  # [m] walls of rooms are lower than this, facades higher
_LONG = (1.5, 3.0)  # [m] least length of a wavy wall, under a ceiling and under the sky
_BESIDE_WALL = (0.9, 0.45)  # [m] around walls that are planes nothing else is a wall, in rooms (cupboards) and halls


@dataclass(frozen=True, slots=True, eq=False)
class FaceLabels:
    """kind: (F,) int8 index into CLASSES; instance: (F,) int32 number of the object from 1 (the largest), 0 for
    small pieces and for faces that are no objects."""

    kind: NDArray[np.int8]
    instance: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A piece of the visual mesh. name: a valid USD prim name, unique; label: of CLASSES; mesh: vertices of its own."""

    name: str
    label: str
    mesh: Mesh


def _is_wall(plane: Plane, top: float, floor_z: float) -> bool:
    """Upright, of some area, and tall: it reaches the ceiling, or is higher than furniture and larger than its fronts."""
    # A post is tall too.
    upright = abs(plane.normal[2]) < 0.2 and np.hypot(*(plane.high - plane.low)[:2]) > 0.8
    rise = float(plane.high[2] - plane.low[2])
    reaches = plane.high[2] > top - 0.35 and rise > 0.8
    return bool(upright) and (
        (plane.area > 0.6 and bool(reaches)) or (plane.area > 3.0 and plane.high[2] - floor_z > 2.2 and rise > 1.5)
    )


def _is_ground(plane: Plane, floor_z: float) -> bool:
    """Level or gently sloping, large, and low: ramps, platforms and lower ground beside the floor itself."""
    return bool(plane.normal[2] > 0.94 and plane.area > 3.0 and plane.low[2] - floor_z < 0.6)


def _beside(plane: Plane, centers: NDArray[np.float64], reach: tuple[float, float]) -> NDArray[np.bool_]:
    """(F,) centres within reach of the plane, inside the bounds of its faces."""
    height = plane.height(centers)
    # Bounds widen along the plane only; across it the reach decides.
    slack = 0.12 + 0.3 * np.abs(plane.normal)
    inside = ((centers > plane.low - slack) & (centers < plane.high + slack)).all(axis=1)
    return inside & (height > reach[0]) & (height < reach[1])


def label_faces(mesh: Mesh, planes: Sequence[Plane], *, floor_z: float | None) -> FaceLabels:
    """Class and object number of every face; arguments as for face_classes."""
    kind = face_classes(mesh, planes, floor_z=floor_z)
    return FaceLabels(kind, _instances(mesh, kind))


def face_classes(mesh: Mesh, planes: Sequence[Plane], *, floor_z: float | None) -> NDArray[np.int8]:
    """(F,) int8 index into CLASSES of every face.

    planes: of meshing.planes, found in this mesh or in the one that it was decimated from. floor_z: height of the
    floor [m]; None if the world has none: then nothing is labelled floor.
    """
    unit = face_normals(mesh.vertices, mesh.faces)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-20)
    centers = mesh.vertices[mesh.faces].mean(axis=1, dtype=np.float64)
    base = float(mesh.vertices[:, 2].min()) if floor_z is None else floor_z
    kind = np.full(len(mesh.faces), _OBJECT, np.int8)
    lids = [p for p in planes if p.normal[2] < -0.9 and p.area > 0.5 and p.low[2] - base > 1.9]
    ceiling = max((float(p.high[2]) for p in lids), default=np.inf)
    upright = [float(p.high[2]) for p in planes if abs(p.normal[2]) < 0.2 and p.area > 1.0]
    top = ceiling if np.isfinite(ceiling) else max(upright, default=np.inf)
    for plane in planes:
        if _is_wall(plane, top, base):
            kind[_beside(plane, centers, _IN_WALL)] = _WALL
    for plane in lids:
        kind[_beside(plane, centers, (-0.25, 0.08)) & (unit[:, 2] < -0.5)] = _CEILING
    kind[_wavy_walls(unit, centers, kind, base, ceiling)] = _WALL
    if floor_z is not None:
        for plane in planes:
            if _is_ground(plane, floor_z):
                kind[_beside(plane, centers, (-0.1, _ON_FLOOR)) & (unit[:, 2] > 0.7)] = _FLOOR
        kind[(unit[:, 2] > 0.7) & (np.abs(centers[:, 2] - floor_z) < _ON_FLOOR)] = _FLOOR
    return kind


def _wavy_walls(
    unit: NDArray[np.float64], centers: NDArray[np.float64], kind: NDArray[np.int8], base: float, ceiling: float
) -> NDArray[np.bool_]:
    """(F,) upright faces in columns of ground that upright surface fills to the height of a wall.

    A learned depth bends walls by more than a plane takes, facades by more than the walls of a room, so that the
    columns of the open air are wider. Columns count with their neighbours, since such walls lean, and only in groups
    that are long: a tall lamp or tree is no wall, a tall closed hedge is. Under a ceiling they must lie apart from
    walls that are planes, which cupboards do not.
    """
    from scipy import ndimage

    out = np.zeros(len(kind), np.bool_)
    upright = (np.abs(unit[:, 2]) < 0.7) & (centers[:, 2] > base + 0.1)
    # A room whose ceiling no camera saw is no street: its walls end lower than facades do.
    high = float(np.quantile(centers[upright, 2], 0.95)) - base if upright.any() else 0.0
    outdoors = not np.isfinite(ceiling) and high > _ROOM
    edge, long = (_FACADE_COLUMN, _LONG[1]) if outdoors else (_COLUMN, _LONG[0])
    rows = np.flatnonzero(upright & (kind == _OBJECT))
    if not len(rows):
        return out
    low = centers[rows, :2].min(axis=0) - 2 * edge
    cell = np.floor((centers[:, :2] - low) / edge).astype(np.int64)
    shape = tuple(int(v) for v in cell[rows].max(axis=0) + 3)
    inside = ((cell >= 0) & (cell < shape)).all(axis=1)
    walls = np.flatnonzero((kind == _WALL) & inside)
    # In the open air what is bent goes on where what is flat ends: both fill the columns.
    filling = np.concatenate([rows, walls[upright[walls]]]) if outdoors else rows
    # Higher than cupboards; under a low ceiling nearly up to it. How a wall goes on above is not asked.
    least = min(ceiling - 0.6, base + 2.25)
    levels = max(4, round((least - base) / _COLUMN))
    level = np.floor((centers[filling, 2] - base) / (least - base) * levels).astype(np.int64)
    filled = np.zeros((*shape, levels + 1), np.bool_)
    filled[cell[filling, 0], cell[filling, 1], np.minimum(level, levels)] = True
    filled = np.asarray(ndimage.maximum_filter(filled, (3, 3, 1)), np.bool_)
    # The foot of a wall is often hidden by what stands before it.
    tall = filled[..., levels] & (filled[..., :levels].mean(axis=-1) > 0.35)
    known = np.zeros(shape, np.bool_)
    known[cell[walls, 0], cell[walls, 1]] = True
    if known.any() and not outdoors:
        tall &= np.asarray(ndimage.distance_transform_edt(~known)) * edge > _BESIDE_WALL[ceiling > base + 3.2]
    parts = np.zeros(shape, np.int32)
    ndimage.label(tall, np.ones((3, 3)), output=parts)
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        if max(side.stop - side.start for side in box) * edge < long:
            tall[parts == number] = False
    if outdoors:  # with sills, and where the depth leans most
        rows = np.flatnonzero((kind == _OBJECT) & inside & (np.abs(unit[:, 2]) < 0.9) & (centers[:, 2] > base + 0.3))
        # What is low must lie right under what is high: a car before a facade is none.
        rows = rows[(centers[rows, 2] > least) | _under(centers[rows, :2], centers[filling][level >= levels, :2])]
    out[rows] = tall[cell[rows, 0], cell[rows, 1]]
    return out


def _under(points: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) points (x, y) [m] with one of high within two columns of a room."""
    from scipy.spatial import KDTree

    if not len(high) or not len(points):
        return np.zeros(len(points), np.bool_)
    return np.asarray(KDTree(high).query(points, distance_upper_bound=2 * _COLUMN)[0]) < np.inf


def _instances(mesh: Mesh, kind: NDArray[np.int8]) -> NDArray[np.int32]:
    """Number of the object of each face, by size; 0 where there is none."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    out = np.zeros(len(kind), np.int32)
    rows = np.flatnonzero(kind == _OBJECT)
    if not len(rows):
        return out
    used, local = np.unique(mesh.faces[rows], return_inverse=True)
    local = local.reshape(-1, 3)
    ends = np.concatenate([local[:, [0, 1]], local[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(len(used), len(used)))
    count, part = connected_components(graph, directed=False)
    owner = part[local[:, 0]]
    size = np.bincount(owner, face_areas(mesh.vertices, mesh.faces[rows]), count)
    order = np.argsort(-size, kind="stable")
    number = np.zeros(count, np.int32)
    kept = order[: min(_MOST_OBJECTS, int((size >= _LEAST_OBJECT).sum()))]
    number[kept] = np.arange(1, len(kept) + 1)
    out[rows] = number[owner]
    return out


def _piece(mesh: Mesh, rows: NDArray[np.int64]) -> Mesh:
    """Some faces with their own vertices; normals and colours stay what they were, so that no seam shows."""
    used, faces = np.unique(mesh.faces[rows], return_inverse=True)
    return Mesh(
        mesh.vertices[used],
        faces.reshape(-1, 3).astype(np.int32),
        None if mesh.normals is None else mesh.normals[used],
        None if mesh.colors is None else mesh.colors[used],
    )


def split_parts(mesh: Mesh, labels: FaceLabels) -> Iterator[Part]:
    """Parts of the visual mesh: floor, wall, ceiling, object_01, object_02, ..., and objects_small."""
    for index, name in enumerate(CLASSES[:_OBJECT]):
        rows = np.flatnonzero(labels.kind == index)
        if len(rows):
            yield Part(name, name, _piece(mesh, rows))
    for number in range(1, int(labels.instance.max(initial=0)) + 1):
        yield Part(f"object_{number:02d}", "object", _piece(mesh, np.flatnonzero(labels.instance == number)))
    rows = np.flatnonzero((labels.kind == _OBJECT) & (labels.instance == 0))
    if len(rows):
        yield Part("objects_small", "object", _piece(mesh, rows))


def classes_of_tile(mesh: Mesh, kind: NDArray[np.int8], *, least: float = 0.02) -> tuple[str, ...]:
    """Classes with at least this share of a tile's area, the largest first; kind (F,) of the tile's faces."""
    area = np.bincount(kind, face_areas(mesh.vertices, mesh.faces), len(CLASSES))
    order = np.argsort(-area, kind="stable")
    return tuple(CLASSES[i] for i in order if area[i] >= least * area.sum())
