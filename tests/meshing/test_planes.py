# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Flat parts become planes, second sheets behind walls go, and faces are told apart by geometry."""

from __future__ import annotations

import numpy as np
import pytest

from lyra_core.meshing.figures import mesh_figures
from lyra_core.meshing.planes import find_planes, hidden_sheets, straighten
from lyra_core.meshing.semantics import CLASSES, classes_of_tile, face_classes, label_faces, split_parts
from lyra_core.meshing.topology import face_areas, face_normals, join, with_normals
from lyra_core.types import Mesh

VOXEL = 0.05


def sheet(corner, along, across, noise=0.0, seed=0, bend=0.0, cell=VOXEL):
    """A rectangle of triangles about one cell large whose front side is along x across; noise and waves along it [m]."""
    corner, along, across = (np.array(v, float) for v in (corner, along, across))
    normal = np.cross(along, across)
    normal /= np.linalg.norm(normal)
    n, m = (max(1, round(float(np.linalg.norm(v)) / cell)) for v in (along, across))
    a, b = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0, 1, m + 1), indexing="ij")
    height = noise * np.random.default_rng(seed).standard_normal(a.shape) + bend * np.sin(9 * a) * np.cos(3 * b)
    points = corner + a[..., None] * along + b[..., None] * across + height[..., None] * normal
    i, j = np.meshgrid(np.arange(n), np.arange(m), indexing="ij")
    first = (i * (m + 1) + j).reshape(-1)
    far = first + m + 1
    faces = np.concatenate([np.stack([first, far, far + 1], 1), np.stack([first, far + 1, first + 1], 1)])
    colors = np.full((points.size // 3, 3), 120, np.uint8)
    return Mesh(points.reshape(-1, 3).astype(np.float32), faces.astype(np.int32), None, colors)


def joined(*parts):
    mesh = parts[0]
    for part in parts[1:]:
        mesh = join(mesh, part)
    return mesh


def room(noise=0.0, bend=0.0):
    """A room of 4 m x 3 m x 2.6 m seen from inside, with a table of 1.2 m x 0.8 m at 0.75 m; names in order."""
    return {
        "floor": sheet((0, 0, 0), (4, 0, 0), (0, 3, 0), noise, 1),
        "ceiling": sheet((0, 0, 2.6), (0, 3, 0), (4, 0, 0), noise, 2),
        "north": sheet((0, 3, 0), (4, 0, 0), (0, 0, 2.6), noise, 3, bend),
        "west": sheet((0, 0, 0), (0, 3, 0), (0, 0, 2.6), noise, 4, bend),
        "table": sheet((1.5, 1.2, 0.75), (1.2, 0, 0), (0, 0.8, 0), noise, 5),
    }


def owners(parts):
    return np.repeat(np.arange(len(parts)), [len(p.faces) for p in parts.values()])


def test_a_noisy_wall_becomes_a_plane_and_no_face_turns_over():
    noisy = sheet((0, 3, 0), (4, 0, 0), (0, 0, 2.6), noise=0.004)
    before = face_normals(noisy.vertices, noisy.faces)
    flat, found = straighten(noisy, VOXEL)
    assert len(found.planes) == 1
    plane = found.planes[0]
    assert plane.normal == pytest.approx([0, -1, 0], abs=2e-3)  # towards free space
    assert plane.normal[2] == 0  # upright exactly
    rough, smooth = (np.sqrt(np.mean((m.vertices[:, 1] - m.vertices[:, 1].mean()) ** 2)) for m in (noisy, flat))
    assert rough > 0.0038
    assert smooth < 0.0006
    after = face_normals(flat.vertices, flat.faces)
    assert ((before * after).sum(axis=1) > -1e-12).all()
    assert mesh_figures(flat)["inconsistent_edges"] == 0


def test_a_floor_that_swells_towards_a_wall_is_not_tipped_by_the_plane_of_its_swell():
    x, y = np.meshgrid(np.arange(0, 8, VOXEL), np.arange(0, 3, VOXEL), indexing="ij")
    flat = sheet((0, 0, 0), (len(x) - 1, 0, 0), (0, x.shape[1] - 1, 0), cell=1.0)
    rise = np.where(x < 3, 0, 0.05 * (x - 3))  # under the bench, where a learned depth bends
    mesh = Mesh(np.stack([x, y, rise], -1).reshape(-1, 3).astype(np.float32), flat.faces, None, flat.colors)
    level = mesh.vertices[:, 0] < 2.9
    tipped, _ = straighten(mesh, VOXEL)
    assert np.abs(tipped.vertices[level, 2]).max() > 0.03, "the larger plane leans"
    straight, found = straighten(mesh, VOXEL, floor=(0.0, 0.02))
    assert np.abs(straight.vertices[level, 2]).max() < 0.003
    assert found.planes[0].normal.tolist() == [0, 0, 1]
    assert found.planes[0].offset == 0
    high = mesh.vertices[:, 0] > 5
    assert np.abs(straight.vertices[high, 2] - mesh.vertices[high, 2]).max() < 0.02, "the swell itself stays"


def test_the_crease_between_two_planes_is_sharp():
    parts = room(noise=0.004)
    mesh = joined(parts["floor"], parts["north"])
    flat, found = straighten(mesh, VOXEL)
    assert len(found.planes) == 2
    middle = (flat.vertices[:, 0] > 0.3) & (flat.vertices[:, 0] < 3.7)
    on_floor = np.abs(flat.vertices[:, 2]) < 0.002
    on_wall = np.abs(flat.vertices[:, 1] - 3) < 0.002
    assert (on_floor | on_wall)[middle].mean() > 0.97


def test_curved_surfaces_hardly_move():
    a = np.linspace(0, np.pi, 60)
    x, z = np.meshgrid(np.cos(a), np.linspace(0, 1, 20), indexing="ij")
    y = np.broadcast_to(np.sin(a)[:, None], x.shape)
    flat = sheet((0, 0, 0), (59, 0, 0), (0, 19, 0), cell=1.0)
    tube = Mesh(np.stack([x, y, z], -1).reshape(-1, 3).astype(np.float32), flat.faces, None, flat.colors)
    done, _ = straighten(tube, 0.03)
    radius = np.hypot(done.vertices[:, 0], done.vertices[:, 1])
    assert np.abs(radius - 1).max() < 0.045  # one and a half voxels
    assert np.abs(radius - 1).mean() < 0.012


def test_a_wall_seen_twice_loses_the_sheet_behind():
    wall = sheet((0, 3, 0), (4, 0, 0), (0, 0, 2.6), noise=0.002)
    ghost = sheet((1, 3.1, 0.5), (2, 0, 0), (0, 0, 1.5), noise=0.002)
    mesh = joined(wall, ghost)
    found = find_planes(mesh, 0.03)
    hidden = hidden_sheets(mesh, found, 0.03)
    assert hidden[len(wall.faces) :].mean() > 0.95
    assert not hidden[: len(wall.faces)].any()


def test_a_thin_board_before_a_wall_and_its_back_stay():
    wall = sheet((0, 3, 0), (4, 0, 0), (0, 0, 2.6))
    front = sheet((1, 2.9, 0.5), (2, 0, 0), (0, 0, 1.5))
    back = sheet((1, 2.93, 0.5), (0, 0, 1.5), (2, 0, 0))  # looks at the wall
    mesh = joined(wall, front, back)
    hidden = hidden_sheets(mesh, find_planes(mesh, 0.03), 0.03)
    board = slice(len(wall.faces), None)
    assert not hidden[board].any()


def test_floor_wall_ceiling_and_furniture_are_told_apart():
    parts = room(noise=0.004)
    mesh = joined(*parts.values())
    flat, found = straighten(mesh, VOXEL)
    labels = label_faces(flat, found.planes, floor_z=0.0)
    owner = owners(parts)
    for name, label in (
        ("floor", "floor"),
        ("north", "wall"),
        ("west", "wall"),
        ("ceiling", "ceiling"),
        ("table", "object"),
    ):
        mine = labels.kind[owner == list(parts).index(name)]
        assert (mine == CLASSES.index(label)).mean() > 0.95, name
    assert set(labels.instance[labels.kind == CLASSES.index("object")]) >= {1}


@pytest.mark.parametrize("planes", [True, False])
def test_walls_that_a_learned_depth_bends_are_walls_but_cupboards_are_not(planes):
    parts = room(bend=0.14)
    parts["cupboard"] = sheet((2.0, 1.6, 0), (0.9, 0, 0), (0, 0, 1.7))
    mesh = joined(*parts.values())
    found = find_planes(mesh, VOXEL).planes if planes else ()
    kind = face_classes(mesh, found, floor_z=0.0)
    owner = owners(parts)
    names = list(parts)
    for name in ("north", "west"):
        assert (kind[owner == names.index(name)] == CLASSES.index("wall")).mean() > 0.8, name
    assert (kind[owner == names.index("cupboard")] == CLASSES.index("object")).mean() > 0.95


def test_a_lamp_post_is_no_wall_and_without_a_floor_nothing_is_floor():
    ground = sheet((-5, -5, 0), (10, 0, 0), (0, 10, 0), cell=0.2)
    post = joined(
        sheet((0, 0, 0), (0.3, 0, 0), (0, 0, 5)),
        sheet((0.3, 0.3, 0), (-0.3, 0, 0), (0, 0, 5)),
    )
    mesh = joined(ground, post)
    found = find_planes(mesh, VOXEL).planes
    kind = face_classes(mesh, found, floor_z=0.0)
    assert (kind[: len(ground.faces)] == CLASSES.index("floor")).all()
    assert (kind[len(ground.faces) :] == CLASSES.index("object")).all()
    assert not (face_classes(mesh, found, floor_z=None) == CLASSES.index("floor")).any()


def waves(a, b, size):
    """Bends of a learned depth [m] over 3 to 7 m, and window reveals 12 cm deep."""
    slow = 0.28 * np.sin(a / 1.1 + 0.7) * np.sin(b / 0.9 + 0.2) + 0.22 * np.sin(a / 0.5 + b / 1.3)
    return size * slow + 0.12 * ((a % 3.0 < 1.2) & (b % 3.0 > 1.0))


def facade(origin, along, height, *, bend=1.0, lean=0.0, cell=0.15):
    """An upright sheet from origin, bent across its face, which leans back by lean [m] at its top."""
    flat = sheet(origin, along, (0, 0, height), cell=cell)
    offset = flat.vertices - np.array(origin, np.float32)
    length = np.linalg.norm(along)
    a, b = offset @ (np.array(along) / length), offset[:, 2]
    across = np.cross(np.array(along) / length, [0, 0, 1.0])
    shift = waves(a, b, bend) - lean * b / height
    return Mesh((flat.vertices + shift[:, None] * across).astype(np.float32), flat.faces, None, flat.colors)


def ball(center, radius, step=0.25):
    """A sphere, normals outward."""
    n = round(np.pi * radius / step)
    lat, lon = np.meshgrid(np.linspace(0, np.pi, n + 1), np.linspace(0, 2 * np.pi, 2 * n + 1), indexing="ij")
    unit = np.stack([np.sin(lat) * np.cos(lon), np.sin(lat) * np.sin(lon), np.cos(lat)], -1).reshape(-1, 3)
    i, j = (x.ravel() for x in np.meshgrid(np.arange(n), np.arange(2 * n), indexing="ij"))
    a, b, c, d = (r * (2 * n + 1) + k for r, k in ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    points = (np.array(center) + radius * unit).astype(np.float32)
    return Mesh(points, faces.astype(np.int32), None, np.full(points.shape, 90, np.uint8))


def square(*, bend=1.0):
    """The open air as a learned depth sees it: a street between two facades, trees, a van, a car and a bench."""
    trees = [ball((x, 3.2, 2.6), 1.4) for x in (-6.0, -3.6, -1.2)]
    trunks = [sheet((x - 0.15, 3.05, 0), (0.3, 0, 0), (0, 0, 1.4), cell=0.15) for x in (-6.0, -3.6, -1.2)]
    van = [
        sheet((3, -2, 0), (4, 0, 0), (0, 0, 1.9), cell=0.15),
        sheet((3, 0, 1.9), (4, 0, 0), (0, -2, 0), cell=0.15),
        sheet((3, 0, 0), (0, -2, 0), (0, 0, 1.9), cell=0.15),
    ]
    return {
        "ground": sheet((-12, -9, 0), (24, 0, 0), (0, 18, 0), cell=0.3),
        "left": facade((-10, 7, 0.2), (20, 0, 0), 7.0, bend=bend, lean=1.0),
        "right": facade((10, -7, 0.2), (-20, 0, 0), 5.0, bend=bend, lean=0.6),
        "trees": joined(*trees, *trunks),
        "van": joined(*van),
        # Parked a metre before the bent front of the right facade, which comes as near as half a metre.
        "car": joined(
            sheet((1, -5.0, 0.2), (-4, 0, 0), (0, 0, 1.3), cell=0.15),
            sheet((-3, -6.0, 0.2), (4, 0, 0), (0, 0, 1.3), cell=0.15),
            sheet((-3, -6.0, 1.5), (4, 0, 0), (0, 1, 0), cell=0.15),
        ),
        "bench": sheet((-4, -3, 0.45), (1.8, 0, 0), (0, 0.5, 0), cell=0.1),
    }


@pytest.mark.parametrize("planes", [True, False])
@pytest.mark.parametrize("bend", [0.0, 1.0])
def test_facades_under_the_open_sky_are_walls_and_trees_and_vans_are_not(bend, planes):
    parts = square(bend=bend)
    mesh = joined(*parts.values())
    kind = face_classes(mesh, find_planes(mesh, VOXEL).planes if planes else (), floor_z=0.0)
    owner, names = owners(parts), list(parts)
    area = face_areas(mesh.vertices, mesh.faces)
    found = {n: np.bincount(kind[owner == i], area[owner == i], 4) for i, n in enumerate(names)}
    share = {n: dict(zip(CLASSES, (a / a.sum()).round(3), strict=True)) for n, a in found.items()}
    assert share["left"]["wall"] > 0.9, share
    assert share["right"]["wall"] > 0.9, share
    assert share["ground"]["floor"] > 0.98, share
    for name in ("trees", "van", "car", "bench"):
        assert share[name]["object"] > 0.95, (name, share)


def test_furniture_before_a_wall_is_no_wall_in_a_room_whose_ceiling_nobody_saw():
    parts = room(bend=0.1)
    del parts["ceiling"]
    parts["cupboard"] = sheet((2.0, 2.3, 0), (0.9, 0, 0), (0, 0, 1.7))
    mesh = joined(*parts.values())
    for planes in (find_planes(mesh, VOXEL).planes, ()):
        kind = face_classes(mesh, planes, floor_z=0.0)
        owner, names = owners(parts), list(parts)
        share = {n: (kind[owner == i][:, None] == np.arange(4)).mean(axis=0) for i, n in enumerate(names)}
        assert min(share["cupboard"][3], share["table"][3], share["floor"][0]) > 0.95, share
        assert share["north"][1] > 0.8, share


def test_the_parts_hold_every_face_once_and_a_tile_names_its_classes():
    parts = room()
    mesh = with_normals(joined(*parts.values()))
    labels = label_faces(mesh, find_planes(mesh, VOXEL).planes, floor_z=0.0)
    pieces = list(split_parts(mesh, labels))
    assert sum(len(p.mesh.faces) for p in pieces) == len(mesh.faces)
    assert len({p.name for p in pieces}) == len(pieces)
    assert {p.label for p in pieces} == set(CLASSES)
    assert all(p.mesh.normals is not None and p.mesh.colors is not None for p in pieces)
    assert classes_of_tile(mesh, labels.kind)[0] == "wall"  # the largest first
