# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Meshes of worlds whose surfaces are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import KDTree

from lyra_core.errors import ConfigError, InputError
from lyra_core.geometry import unproject
from lyra_core.meshing import MeshConfig, mesh_from_frames
from lyra_core.meshing.figures import winding_agreement
from lyra_core.meshing.topology import check_collider, face_normals
from lyra_core.meshing.views import make_views, trusted_depth
from lyra_core.types import Frame, Mesh
from tests.meshing.analytic import ROOM, STREET, Scene, camera_at, render, room_cameras, street_cameras

SMALL = MeshConfig(triangles=60_000, collision_triangles=40_000)


@pytest.fixture(scope="module")
def room_frames():
    return [render(ROOM, camera, i) for i, camera in enumerate(room_cameras(12))]


@pytest.fixture(scope="module")
def room(room_frames):
    return mesh_from_frames(room_frames, config=SMALL)


@pytest.fixture(scope="module")
def street_frames():
    return [render(STREET, camera, i) for i, camera in enumerate(street_cameras(8))]


@pytest.fixture(scope="module")
def street(street_frames):
    return mesh_from_frames(street_frames, config=SMALL)


def _inside_room(points, margin=0.0):
    low, high = np.array(ROOM.room)
    return ((points > low - margin) & (points < high + margin)).all(axis=1)


def _face_centers(mesh):
    return mesh.vertices[mesh.faces].mean(axis=1).astype(np.float64)


def _top_hit(mesh, xy):
    """Height of the highest face under a downward ray from above at each xy, one-sided as PhysX contact is."""
    t = mesh.vertices[mesh.faces].astype(np.float64)
    up = face_normals(mesh.vertices, mesh.faces)[:, 2] > 1e-12
    t = t[up]
    height = np.full(len(xy), -np.inf)
    low, high = t[..., :2].min(axis=1), t[..., :2].max(axis=1)
    for i, p in enumerate(xy):
        near = t[((low <= p) & (p <= high)).all(axis=1)]
        a, b, c = near[:, 0], near[:, 1], near[:, 2]
        d = (b[:, 1] - c[:, 1]) * (a[:, 0] - c[:, 0]) + (c[:, 0] - b[:, 0]) * (a[:, 1] - c[:, 1])
        u = ((b[:, 1] - c[:, 1]) * (p[0] - c[:, 0]) + (c[:, 0] - b[:, 0]) * (p[1] - c[:, 1])) / d
        v = ((c[:, 1] - a[:, 1]) * (p[0] - c[:, 0]) + (a[:, 0] - c[:, 0]) * (p[1] - c[:, 1])) / d
        hit = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9)
        if hit.any():
            height[i] = (u * a[:, 2] + v * b[:, 2] + (1 - u - v) * c[:, 2])[hit].max()
    return height


def test_surfaces_lie_where_the_room_is(room):
    inside = _face_centers(room.visual)
    inside = inside[_inside_room(inside, 0.02)]
    error = ROOM.distance(inside)
    voxel = room.figures["voxel_size_m"]
    # Planes are exact; edges are rounded by half a voxel; the floor patch lies 1 mm low on purpose.
    assert error.mean() < 0.1 * voxel
    assert np.quantile(error, 0.95) < 0.4 * voxel


def test_every_collider_face_looks_at_free_space(room, room_frames):
    views = make_views(room_frames, SMALL)
    agreement, seen = winding_agreement(room.collision, views, tolerance=2 * room.figures["voxel_size_m"])
    assert agreement > 0.999
    assert seen > 0.8
    assert room.figures["facing_free_space"] == agreement
    assert room.figures["collision_inconsistent_edges"] == 0
    assert room.figures["collision_nonmanifold_edges"] == 0


def test_an_inverted_mesh_is_reported(room, room_frames):
    views = make_views(room_frames, SMALL)
    flipped = Mesh(room.collision.vertices, room.collision.faces[:, ::-1])
    agreement, _ = winding_agreement(flipped, views, tolerance=2 * room.figures["voxel_size_m"])
    assert agreement < 0.01
    faces = np.array(room.collision.faces)
    faces[::10] = faces[::10, ::-1]
    part, _ = winding_agreement(Mesh(room.collision.vertices, faces), views, tolerance=0.1)
    assert 0.8 < part < 0.95


def test_the_floor_of_the_room_has_no_crack(room):
    rng = np.random.default_rng(3)
    xy = rng.uniform([0.02, 0.02], [4.98, 3.98], (600, 2))
    height = _top_hit(room.collision, xy)
    # 0 everywhere: also under the table, behind the boxes and where floor meets wall; furniture is above it.
    assert (height >= -1e-6).mean() == 1.0
    free = np.ones(len(xy), bool)
    for low, high in ROOM.boxes:
        free &= ~((xy > np.array(low[:2]) - 0.1) & (xy < np.array(high[:2]) + 0.1)).all(axis=1)
    for center, radius in ROOM.spheres:
        free &= np.linalg.norm(xy - center[:2], axis=1) > radius + 0.1
    free &= ((xy > 0.1) & (xy < [4.9, 3.9])).all(axis=1)
    low_part = Mesh(room.collision.vertices, room.collision.faces[_face_centers(room.collision)[:, 2] < 0.3])
    assert np.abs(_top_hit(low_part, xy[free])).max() < 1e-6


def test_tables_keep_the_space_below_them(room):
    """The table top at 0.68-0.72 m may be as thick as the truncation where nobody saw its underside, not more."""
    center = _face_centers(room.collision)
    low, high = np.array([3.3, 2.5, 0.1]), np.array([4.3, 3.1, 0.7 - 3.5 * room.figures["voxel_size_m"]])
    assert high[2] > 0.45
    assert not ((center > low) & (center < high)).all(axis=1).any()


def test_no_curtain_hangs_between_a_box_and_the_wall_behind_it():
    scene = Scene(room=((-2.0, -2.0, 0.0), (6.0, 2.0, 2.6)), boxes=(((2.0, -0.4, 0.0), (2.4, 0.4, 1.0)),))
    camera = camera_at((-1.0, 0.3, 1.2), (3.0, 0.0, 0.7), width=640, height=360)
    frame = render(scene, camera)
    # A network blurs depth edges: a ramp of flying pixels from the box to the wall.
    import cv2

    soft = cv2.GaussianBlur(frame.depth, (0, 0), 1.5)
    frame = Frame(0, frame.rgb, soft, frame.sky, camera, frame.owned)
    for config in (SMALL, MeshConfig(voxel_size=0.03)):
        world = mesh_from_frames([frame], config=config)
        center = _face_centers(world.collision)
        between = (
            (center[:, 0] > 2.6)
            & (center[:, 0] < 5.7)
            & (np.abs(center[:, 2] - 1.25) < 1.1)
            & (np.abs(center[:, 1]) < 1.8)
        )
        assert not between.any(), np.round(center[between][:20], 2)
        assert (np.abs(center[:, 0] - 2.0) < 0.05).sum() > 50  # the box itself is there
        assert (np.abs(center[:, 0] - 6.0) < 0.05).sum() > 50  # and so is the wall


THIN = 0.04
RAILED = Scene(
    room=((0.0, -2.0, 0.0), (8.0, 2.0, 2.6)),
    boxes=(
        ((3.0, -0.6, 0.0), (3.0 + THIN, -0.6 + THIN, 2.6)),  # a post
        ((4.0, 0.4, 0.9), (4.0 + THIN, 1.6, 0.9 + THIN)),  # a rail on two of them
        ((4.0, 0.4, 0.0), (4.0 + THIN, 0.4 + THIN, 0.9)),
        ((4.0, 1.6 - THIN, 0.0), (4.0 + THIN, 1.6, 0.9)),
    ),
)


@pytest.mark.parametrize(("count", "noise"), [(1, 0.0), (9, 0.0), (9, 0.01), (81, 0.01)])
def test_a_post_and_a_railing_one_voxel_wide_stay_whole(count, noise):
    cameras = [camera_at((x, 0.1, 1.3), (x + 4, 0.0, 0.9)) for x in np.linspace(0.2, 1.8, count)]
    rng = np.random.default_rng(2)
    frames = [render(RAILED, camera, i, noise=noise, rng=rng) for i, camera in enumerate(cameras)]
    collision = mesh_from_frames(frames, config=MeshConfig(voxel_size=THIN)).collision
    center = _face_centers(collision)
    tree = KDTree(np.concatenate([center, collision.vertices]))
    z, y = np.arange(0.1, 2.0, 0.02), np.arange(0.45, 1.56, 0.02)
    post = np.stack([np.full_like(z, 3.0), np.full_like(z, -0.6 + THIN / 2), z], axis=1)
    rail = np.stack([np.full_like(y, 4.0), y, np.full_like(y, 0.9 + THIN / 2)], axis=1)
    for part in (post, rail):
        assert (tree.query(part)[0] < THIN).mean() > 0.95
    # Next to nothing hangs in the free space between them and the walls.
    free = (RAILED.distance(center) > 3 * THIN) & (np.abs(center - [4.0, 0.0, 1.3]) < [3.6, 1.8, 1.1]).all(axis=1)
    assert free.sum() <= 5, np.round(center[free][:20], 2)


def test_flying_pixels_are_dropped_and_grazing_floor_is_kept():
    camera = camera_at((0.0, 0.0, 0.5), (10.0, 0.0, 0.3), width=832, height=480)
    frame = render(Scene(ground=True, boxes=(((3.0, -0.5, 0.0), (3.5, 0.5, 0.9)),)), camera, max_depth=15)
    kept = trusted_depth(frame.depth, frame.sky, camera) > 0
    floor = np.abs(unproject(frame.depth, camera)[..., 2]) < 1e-3
    far = floor & (frame.depth > 6) & (frame.depth < 12)
    assert kept[far].mean() > 0.95
    ramp = frame.depth.copy()
    rows, width = slice(250, 300), 6
    edge = np.flatnonzero(np.diff(ramp[275]) > 1)[-1]  # right side of the box: box | ground or sky behind
    near, behind = float(ramp[275, edge]), 8.0
    ramp[rows, edge + 1 :] = behind
    ramp[rows, edge + 1 : edge + 1 + width] = np.linspace(near, behind, width + 2)[1:-1]
    kept = trusted_depth(ramp, np.zeros_like(frame.sky), camera) > 0
    assert not kept[255:295, edge + 1 : edge + 1 + width].any()


def test_sky_makes_no_wall_and_the_ground_is_flat(street):
    center = _face_centers(street.collision)
    error = STREET.distance(center)
    voxel = street.figures["voxel_size_m"]
    assert np.quantile(error, 0.95) < 0.5 * voxel
    assert error.max() < 3 * voxel  # the rim of a box's silhouette is at most the truncation deep
    assert street.figures["floor_rms_mm"] < 10
    up = face_normals(street.collision.vertices, street.collision.faces)
    ground = np.abs(center[:, 2]) < 1e-6
    assert ground.sum() > 1000
    assert (up[ground, 2] > 0).all()


def test_an_unseen_patch_of_floor_is_closed_and_measured():
    scene = Scene(room=((0.0, 0.0, 0.0), (5.0, 4.0, 2.6)))
    frames = []
    for i, y in enumerate((1.4, 2.0, 2.6)):
        camera = camera_at((0.4, y, 1.2), (3.0, 2.0, 0.4))
        frame = render(scene, camera, i)
        points = unproject(frame.depth, camera)
        unseen = (np.hypot(points[..., 0] - 3.0, points[..., 1] - 2.0) < 0.5) & (points[..., 2] < 0.05)
        frames.append(Frame(i, frame.rgb, np.where(unseen, 0, frame.depth), frame.sky, camera, frame.owned))
    world = mesh_from_frames(frames, config=SMALL)
    rng = np.random.default_rng(5)
    angle, radius = rng.uniform(0, 2 * np.pi, 200), 0.5 * np.sqrt(rng.uniform(0, 1, 200))
    xy = np.stack([3.0 + radius * np.cos(angle), 2.0 + radius * np.sin(angle)], axis=1)
    assert np.abs(_top_hit(world.collision, xy)).max() < 1e-6
    assert world.figures["floor_hole_area_m2"] > 0.6  # pi 0.5^2 = 0.79, less the cells that straddle the rim
    # Above the limit a hole stays a hole: it may be a stairwell.
    config = MeshConfig(max_hole_area=0.2, close_gap=0.05, floor_margin=0.01, triangles=60_000)
    open_ = mesh_from_frames(frames, config=config)
    assert np.isneginf(_top_hit(open_.collision, np.array([[3.0, 2.0]])))[0]


def test_floor_noise_is_rolled_flat():
    rng = np.random.default_rng(11)
    frames = []
    for i, camera in enumerate(room_cameras(6)):
        frame = render(ROOM, camera, i)
        points = unproject(frame.depth, camera)
        # Waves of 1.5 cm, as a depth network makes them, not white noise.
        wave = (
            1
            + 0.012 * np.sin(4 * points[..., 0] + i) * np.sin(3 * points[..., 1])
            + 0.002 * rng.standard_normal(frame.depth.shape)
        )
        frames.append(Frame(i, frame.rgb, (frame.depth * wave).astype(np.float32), frame.sky, camera, frame.owned))
    world = mesh_from_frames(frames, config=SMALL)
    assert world.figures["floor_rms_mm"] > 2
    xy = rng.uniform([1.0, 0.4], [2.0, 2.2], (150, 2))
    assert np.abs(_top_hit(world.collision, xy)).max() < 1e-6
    assert world.figures["facing_free_space"] > 0.995


def test_one_frame_is_enough():
    world = mesh_from_frames([render(ROOM, room_cameras(1)[0])], config=SMALL)
    check_collider(world.collision.vertices, world.collision.faces)
    assert world.figures["views"] == 1
    assert world.figures["floor_area_m2"] > 3
    assert world.figures["facing_free_space"] > 0.999


def test_the_floor_reaches_under_the_camera():
    """The floor begins a step or two ahead of the picture's lower edge; the robot starts here."""
    camera = room_cameras(1)[0]
    world = mesh_from_frames([render(ROOM, camera)], config=SMALL)
    assert abs(_top_hit(world.collision, camera.center[None, :2])[0]) < 1e-6


def test_a_generator_of_frames_gives_the_same_bytes_again(room_frames, room):
    again = mesh_from_frames(iter(room_frames), config=SMALL)
    assert again.collision.vertices.tobytes() == room.collision.vertices.tobytes()
    assert again.collision.faces.tobytes() == room.collision.faces.tobytes()
    assert again.visual.colors.tobytes() == room.visual.colors.tobytes()


def test_budgets_are_kept(room, street):
    for world in (room, street):
        assert len(world.visual.faces) <= 1.1 * SMALL.triangles + 2 * 14_000
        assert len(world.collision.faces) <= 1.1 * SMALL.collision_triangles
        assert world.visual.normals is not None
        assert world.visual.colors is not None
    assert room.figures["voxel_size_m"] < street.figures["voxel_size_m"]


def test_colours_are_those_of_the_scene(room):
    """The purple-ish hue of each object identifies it: compare with the exact picture at vertices seen by frame 0."""
    camera = room_cameras(12)[0]
    frame = render(ROOM, camera)
    from lyra_core.geometry import project

    pixel, z = project(room.visual.vertices.astype(np.float64), camera)
    with np.errstate(invalid="ignore"):
        inside = (z > 0) & (pixel >= 2).all(axis=1) & (pixel < [camera.width - 2, camera.height - 2]).all(axis=1)
    at = pixel[inside].astype(int)
    seen = np.abs(frame.depth[at[:, 1], at[:, 0]] - z[inside]) < 0.01
    difference = np.abs(room.visual.colors[inside][seen] / 255 - frame.rgb[at[seen, 1], at[seen, 0]])
    assert np.median(difference) < 0.02  # 5 grey levels; larger only on edges of the checkerboard


def test_sky_alone_is_refused_with_advice():
    camera = street_cameras(1)[0]
    shape = (camera.height, camera.width)
    sky = Frame(
        0,
        np.ones((*shape, 3), np.float32),
        np.zeros(shape, np.float32),
        np.ones(shape, bool),
        camera,
        np.ones(shape, bool),
    )
    with pytest.raises(InputError, match="usable depth"):
        mesh_from_frames([sky])
    with pytest.raises(InputError, match="at least one frame"):
        mesh_from_frames([])
    with pytest.raises(ConfigError, match="voxel_size"):
        MeshConfig(voxel_size=-1.0)


def test_a_world_without_floor_still_gets_a_collider():
    camera = camera_at((0.0, 0.0, 3.0), (5.0, 0.0, 3.0))
    wall = Scene(boxes=(((4.0, -5.0, 1.0), (5.0, 5.0, 6.0)),))
    world = mesh_from_frames([render(wall, camera)], config=SMALL)
    assert world.figures["floor_area_m2"] == 0
    assert np.abs(_face_centers(world.collision)[:, 0] - 4.0).max() < 0.05


def test_an_inlet_of_the_floor_with_a_narrow_mouth_is_closed_and_a_wide_bay_stays():
    from lyra_core.meshing.floor import _without_inlets

    cell = 0.1
    solid = np.zeros((60, 60), bool)
    solid[10:50, 10:50] = True
    inlet = np.zeros_like(solid)
    inlet[20:26, 40:46] = True  # 0.6 m wide
    inlet[22:25, 46:50] = True  # with a mouth of 0.3 m to the outside
    bay = np.zeros_like(solid)
    bay[10:16, 20:32] = True  # 1.2 m wide, open on one side
    drop = np.zeros_like(solid)
    drop[30:40, 20:40] = True  # a hole larger than may be filled
    got = _without_inlets(solid & ~(inlet | bay | drop), cell, most=100)
    assert got[20:26, 40:48].all()
    assert not got[10:14, 22:30].any()
    assert not got[32:38, 22:38].any()
    assert not got[~solid].any()
