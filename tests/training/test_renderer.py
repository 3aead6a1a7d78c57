# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from lyra_core.errors import InputError
from lyra_core.geometry import intrinsics_from_fov, look_at, pixel_rays, unproject
from lyra_core.training.renderer import TexturedScene, auto_exposure, render, render_faces
from lyra_core.types import Camera


def plane(texture, *, z=0.0, half=20.0, tiles=40.0, **options):
    v = np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]], np.float32)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * tiles
    f = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return TexturedScene(v, f, uv[f], np.zeros(2, np.int32), [texture], **options)


def camera(center, target, width=64, height=40, fov=70.0):
    return Camera(intrinsics_from_fov(fov, width, height), look_at(np.array(center), np.array(target)), width, height)


GREY = np.full((8, 8, 3), 128, np.uint8)


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_depth_of_a_plane_is_exact_at_pixel_centres(supersample):
    view = camera((0.3, -2.0, 1.4), (0.0, 1.0, 0.2))
    _, depth, sky = render(plane(GREY), view, supersample=supersample)
    rays = pixel_rays(view).astype(np.float64) @ view.world_from_camera[:3, :3].T
    expected = -view.center[2] / rays[..., 2]
    inside = ~sky
    assert inside.mean() > 0.5
    # float32 rays against a float64 formula: relative 1e-5
    np.testing.assert_allclose(depth[inside], expected[inside], rtol=2e-5)
    points = unproject(depth, view)[inside]
    assert np.abs(points[:, 2]).max() < 1e-3


def test_depth_of_a_sphere_agrees_with_the_quadratic():
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=5, radius=1.0)
    faces = np.asarray(ball.faces, np.int32)
    scene = TexturedScene(
        np.asarray(ball.vertices, np.float32),
        faces,
        np.zeros((len(faces), 3, 2), np.float32),
        np.zeros(len(faces), np.int32),
        [GREY],
    )
    view = camera((0.0, -3.0, 0.0), (0.0, 0.0, 0.0))
    _, depth, sky = render(scene, view)
    rays = pixel_rays(view).astype(np.float64) @ view.world_from_camera[:3, :3].T
    o = view.center
    a, b, c = (rays**2).sum(-1), rays @ o, o @ o - 1.0
    root = b * b - a * c
    hit = root > 0.35  # away from the rim, where facets and sphere part
    expected = (-b - np.sqrt(np.maximum(root, 0))) / a
    assert not sky[hit].any()
    # 20480 facets of a unit sphere lie at most 1 - cos(edge / 2) = 4e-4 inside it; seen aslant that grows by 1 / cos
    assert np.abs(depth - expected)[hit].max() < 2e-3


def test_nothing_there_is_sky_with_depth_zero():
    rgb, depth, sky = render(plane(GREY), camera((0, 0, 1.0), (0, 1.0, 2.5)), exposure=1.0)
    assert sky.all()
    assert (depth == 0).all()
    assert rgb[:, :, 2].mean() > rgb[:, :, 0].mean()  # blue


def test_sky_faces_count_as_sky():
    scene = plane(GREY, face_sky=np.array([True, False]))
    _, depth, sky = render(scene, camera((0, 0, 5.0), (0.001, 0, 0.0)), supersample=1)
    assert 0.3 < sky.mean() < 0.7
    assert ((depth == 0) == sky).all()


def test_a_texture_is_shown_upright_and_sampled_bilinearly():
    texture = np.zeros((4, 4, 3), np.uint8)
    texture[:2] = (255, 0, 0)  # upper half red
    texture[2:] = (0, 0, 255)
    v = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], np.float32)
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    f = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    scene = TexturedScene(v, f, uv[f], np.zeros(2, np.int32), [texture])
    rgb, _, sky = render(scene, camera((0, -2.0, 0), (0, 0, 0)), exposure=1.0)
    assert not sky[20, 32]
    assert rgb[14, 32, 0] > rgb[14, 32, 2]
    assert rgb[26, 32, 2] > rgb[26, 32, 0]


def test_a_fine_chequer_far_away_fades_to_its_mean_instead_of_shimmering():
    chequer = np.kron(np.indices((2, 2)).sum(0) % 2, np.ones((8, 8)))[..., None].repeat(3, 2)
    scene = plane((chequer * 255).astype(np.uint8), half=80.0, tiles=800.0)
    rgb, depth, sky = render(scene, camera((0.03, 0.07, 1.5), (0.03, 4.0, 1.3)), exposure=1.0)
    far = (depth > 20) & ~sky
    assert far.sum() > 50
    assert rgb[far].std() < 0.03
    rgb, depth, _ = render(scene, camera((0.03, 0.07, 1.5), (0.03, 4.0, 1.3), width=512, height=320), exposure=1.0)
    near = (depth > 0) & (depth < 4.0)
    assert rgb[near].std() > 0.1  # 10 cm squares, 8 mm pixels: there the pattern must not fade


def test_alpha_holes_let_the_ray_through():
    holes = np.full((2, 2, 4), 255, np.uint8)
    holes[..., 3] = 0
    v = np.array([[-9, -9, 1], [9, -9, 1], [9, 9, 1], [-9, 9, 1], [-9, -9, 0], [9, -9, 0], [9, 9, 0], [-9, 9, 0]])
    f = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    scene = TexturedScene(
        v.astype(np.float32), f, np.zeros((4, 3, 2), np.float32), np.array([0, 0, 1, 1], np.int32), [holes, GREY]
    )
    _, depth, _ = render(scene, camera((0, 0, 3.0), (0.001, 0, 0)), supersample=2)
    np.testing.assert_allclose(depth, 3.0, atol=2e-3)  # the alpha test restarts the ray 1 mm further on


def test_a_lightmap_scales_the_picture_in_linear_light():
    light = np.zeros((1, 2, 3), np.float32)
    light[0, 0], light[0, 1] = 0.1, 0.4
    luv = np.array([[0, 0.5], [1, 0.5], [1, 0.5], [0, 0.5]], np.float32)[[[0, 1, 2], [0, 2, 3]]]
    scene = plane(GREY, half=2.0, lightmap_uvs=luv, face_lightmap=np.zeros(2, np.int32), lightmaps=[light])
    rgb, _, _ = render(scene, camera((0, 0, 1.5), (0.0, 0.001, 0)), exposure=1.0)
    assert rgb[20, 55].mean() > rgb[20, 8].mean() + 0.1


def test_auto_exposure_undoes_a_change_of_light():
    view = camera((0, 0, 1.5), (0.0, 0.001, 0))
    pictures = []
    for strength in (0.1, 5.0):
        scene = plane(GREY, vertex_light=np.full((2, 3, 3), strength, np.float32))
        pictures.append(render(scene, view)[0])
        assert auto_exposure(scene, view) > 0
    np.testing.assert_allclose(pictures[0], pictures[1], atol=2e-3)  # the log-mean adds 1e-4 to the light


def test_same_seed_same_bytes_whatever_the_bands(monkeypatch):
    from lyra_core.kernels import launch, raycast_launch

    scene = plane(np.random.default_rng(1).integers(0, 255, (32, 32, 3)).astype(np.uint8))
    tall = camera((0.3, -2.0, 1.4), (0.0, 1.0, 0.2))
    first = render(scene, tall, rng=np.random.default_rng(7))
    monkeypatch.setattr(raycast_launch, "run_bands", lambda task, n, workers: launch.run_bands(task, n, workers=5))
    again = render(scene, tall, rng=np.random.default_rng(7))
    for a, b in zip(first, again, strict=True):
        assert a.tobytes() == b.tobytes()
    assert not np.array_equal(first[0], render(scene, tall, rng=np.random.default_rng(8))[0])


def test_faces_are_named():
    assert set(np.unique(render_faces(plane(GREY), camera((0, 0, 1.5), (0.0, 0.001, 0))))) == {0, 1}


def test_wrong_arrays_are_refused_by_name():
    with pytest.raises(InputError, match="face_texture"):
        TexturedScene(
            np.zeros((3, 3), np.float32),
            np.array([[0, 1, 2]], np.int32),
            np.zeros((1, 3, 2), np.float32),
            np.array([4], np.int32),
            [GREY],
        )
