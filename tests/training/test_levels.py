# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The Quake III level reader, on a level that is built here byte by byte."""

import io
import struct
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from lyra_core.errors import InputError
from lyra_core.training import depth_dataset
from lyra_core.training.level_materials import LevelArchive, parse_shaders
from lyra_core.training.level_views import camera_at, sample_view
from lyra_core.training.levels import UNIT, is_held_out, level_names, read_level
from lyra_core.training.patches import patch_index_grid, tessellate_patch
from lyra_core.training.renderer import render

_HALF, _TALL = 200.0, 160.0  # a hall of 400 x 400 x 160 units: 11 x 11 x 4.4 m
_SHADERS = """
textures/test/glow
{
    surfaceparm trans
    {
        map textures/test/red.tga
        blendFunc add
    }
}
textures/test/opening
{
    surfaceparm sky
    surfaceparm noimpact
}
textures/test/brick // comment
{
    qer_editorimage textures/test/red.tga
    { map $lightmap }
    {
      map textures/test/red.tga
      blendFunc GL_DST_COLOR GL_ZERO }
}
"""


def _quad(corners, surface, lightmap):
    return (
        [
            (*c, u, v, u, v, 0, 0, 1, 128, 128, 128, 255)
            for c, (u, v) in zip(corners, [(0, 0), (1, 0), (1, 1), (0, 1)], strict=True)
        ],
        surface,
        lightmap,
    )


def _bsp(*, version=46, entity_extra="", baked_inside=True, brick=b"textures/test/brick"):
    h, t = _HALF, _TALL
    names = [brick, b"textures/test/opening", b"textures/common/caulk", b"textures/test/glow"]
    quads = [
        _quad([(-h, -h, 0), (h, -h, 0), (h, h, 0), (-h, h, 0)], 0, 0),
        _quad([(-h, -h, t), (h, -h, t), (h, h, t), (-h, h, t)], 1, -1),
        _quad([(-h, -h, 0), (h, -h, 0), (h, -h, t), (-h, -h, t)], 0, 0),
        _quad([(-h, h, 0), (h, h, 0), (h, h, t), (-h, h, t)], 0, 0),
        _quad([(-h, -h, 0), (-h, h, 0), (-h, h, t), (-h, -h, t)], 0, -1),
        _quad([(h, -h, 0), (h, h, 0), (h, h, t), (h, -h, t)], 0, -1),
        _quad([(-50, -h, 0), (-50, h, 0), (-50, h, t), (-50, -h, t)], 2, -1),  # not drawn by the game
        _quad([(-60, -h, 0), (-60, h, 0), (-60, h, t), (-60, -h, t)], 3, -1),  # a glow that one looks through
    ]
    vertices = b"".join(struct.pack("<10f4B", *v) for quad, _, _ in quads for v in quad)
    faces = b"".join(
        struct.pack("<8i16i2i", s, -1, 1, 4 * i, 4, 0, 6, m, *[0] * 16, 0, 0) for i, (_, s, m) in enumerate(quads)
    )
    entities = '{ "classname" "worldspawn" }\n{ "classname" "info_player_deathmatch" "origin" "0 0 25" }' + entity_extra
    lumps = [b""] * 17
    lumps[0] = entities.encode()
    lumps[1] = b"".join(struct.pack("<64sii", name, 0, 1) for name in names)
    lumps[10], lumps[13] = vertices, faces
    lumps[11] = struct.pack("<6i", 0, 1, 2, 0, 2, 3)
    lumps[14] = bytes([200]) * (128 * 128 * 3) if baked_inside else b""
    head, body = struct.pack("<4si", b"IBSP", version), b""
    for lump in lumps:
        head += struct.pack("<ii", 8 + 17 * 8 + len(body), len(lump))
        body += lump
    return head + body


@pytest.fixture
def pack(tmp_path):
    def make(more=None, **maps):
        picture = io.BytesIO()
        checker = np.zeros((64, 64, 3), np.uint8)
        checker[::8] = 255
        checker[..., 0] = 200
        Image.fromarray(checker).save(picture, "TGA")
        with zipfile.ZipFile(tmp_path / "pak0.pk3", "w") as archive:
            archive.writestr("scripts/test.shader", _SHADERS)
            archive.writestr("textures/test/Red.TGA", picture.getvalue())
            for name, data in maps.items():
                archive.writestr(f"maps/{name}.bsp", data)
            for name, data in (more or {}).items():
                archive.writestr(name, data)
        return LevelArchive(tmp_path)

    return make


def test_a_hall_has_the_size_that_the_file_says_in_metres(pack):
    level = read_level(pack(hall=_bsp()), "hall")
    eye = np.array([0.0, 0.0, 1.5])
    _, depth, sky = render(level.scene, camera_at(eye, yaw=0.0, pitch=0.0, size=(33, 33), focal=33.0), exposure=1.0)
    assert depth[16, 16] == pytest.approx(_HALF * UNIT, abs=1e-4)
    assert not sky[16, 16]
    down = camera_at(eye, yaw=0.0, pitch=-np.pi / 2 + 1e-6, size=(3, 3), focal=30.0)
    assert render(level.scene, down, exposure=1.0)[1][1, 1] == pytest.approx(1.5, abs=1e-4)


def test_hidden_and_see_through_faces_are_left_out(pack):
    level = read_level(pack(hall=_bsp()), "hall")
    assert len(level.scene.faces) == 2 * 6
    back = camera_at(np.array([0.0, 0, 1.5]), yaw=np.pi, pitch=0.0, size=(3, 3), focal=30.0)
    assert render(level.scene, back, exposure=1.0)[1][1, 1] == pytest.approx(_HALF * UNIT, abs=1e-4)


def test_a_sky_face_is_sky_and_has_no_depth(pack):
    level = read_level(pack(hall=_bsp()), "hall")
    above = camera_at(np.array([0.0, 0, 1.5]), yaw=0.0, pitch=np.pi / 2 - 1e-6, size=(3, 3), focal=30.0)
    _, depth, sky = render(level.scene, above, exposure=1.0)
    assert sky.all()
    assert (depth == 0).all()


def test_the_texture_is_found_through_the_shader_and_whatever_the_case(pack):
    level = read_level(pack(hall=_bsp()), "hall")
    brick = level.scene.textures[level.scene.face_texture[0]]
    assert brick.shape == (64, 64, 3)
    assert (brick[..., 0] == 200).all()


def test_spawn_points_are_places_and_views_from_them_stand_in_free_space(pack):
    level = read_level(pack(hall=_bsp()), "hall")
    np.testing.assert_allclose(level.places, [[0, 0, 25 * UNIT]])
    rng = np.random.default_rng(5)
    cameras = [camera for _ in range(40) if (camera := sample_view(level, (32, 24), rng)) is not None]
    assert len(cameras) >= 5
    centers = np.array([camera.center for camera in cameras])
    assert (np.abs(centers[:, :2]) < _HALF * UNIT - 0.29).all()
    assert ((centers[:, 2] >= 0.39) & (centers[:, 2] <= 1.91)).all()


def test_the_same_seed_draws_the_same_view(pack):
    level = read_level(pack(hall=_bsp()), "hall")

    def draw():
        rng = np.random.default_rng(11)
        return [c.world_from_camera for _ in range(10) if (c := sample_view(level, (32, 24), rng)) is not None]

    np.testing.assert_array_equal(draw(), draw())


def test_every_ninth_map_is_held_out_and_counted_by_sorted_file_name(pack):
    names = level_names(pack(**{f"m{i:02d}": b"" for i in (3, 1, 2, 0)}))
    assert names == ("m00", "m01", "m02", "m03")
    assert [i for i in range(30) if is_held_out(i)] == [4, 13, 22]


def test_maps_in_folders_below_are_not_counted(pack):
    assert level_names(pack({"maps/_init/_init.bsp": b""}, hall=_bsp())) == ("hall",)


def test_baked_light_may_lie_beside_the_level_as_a_picture(pack):
    picture = io.BytesIO()
    page = np.full((512, 512, 3), 90, np.uint8)
    page[..., 0] = 250
    Image.fromarray(page).save(picture, "TGA")
    level = read_level(pack({"maps/hall/lm_0000.tga": picture.getvalue()}, hall=_bsp(baked_inside=False)), "hall")
    assert [light.shape for light in level.scene.lightmaps] == [(512, 512, 3)]
    assert level.scene.lightmaps[0][..., 0].min() > 2 * level.scene.lightmaps[0][..., 1].max()


def test_a_missing_page_of_light_is_grey_and_costs_nothing_else(pack):
    level = read_level(pack(hall=_bsp(baked_inside=False)), "hall")
    assert len(level.scene.lightmaps) == 1
    assert np.ptp(level.scene.lightmaps[0]) == 0
    camera = camera_at(np.array([0.0, 0, 1.2]), yaw=0.3, pitch=-0.2, size=(32, 24), focal=20.0)
    assert render(level.scene, camera)[0].std() > 0.02


def test_bytes_after_the_end_of_a_name_are_ignored(pack):
    """Some compilers leave what was in memory behind the name's zero byte."""
    level = read_level(pack(hall=_bsp(brick=b"textures/test/brick\0\0\x10C\xb7")), "hall")
    assert level.bare == 0


def test_the_share_of_missing_pictures_counts_their_area(pack):
    assert read_level(pack(hall=_bsp()), "hall").bare == 0
    # All but the sky: floor 121 m2 and four walls of 48.4 m2 of 435.6 m2 in all.
    bare = read_level(pack(hall=_bsp(brick=b"textures/test/nowhere")), "hall").bare
    assert bare == pytest.approx((121 + 4 * 48.4) / (2 * 121 + 4 * 48.4), rel=1e-3)


def test_a_file_of_another_version_is_refused_by_name(pack):
    with pytest.raises(InputError, match=r"IBSP version 46.*hall"):
        read_level(pack(hall=_bsp(version=47)), "hall")


def test_a_folder_without_archives_says_what_to_fetch(tmp_path):
    with pytest.raises(InputError, match="README"):
        LevelArchive(tmp_path)


def test_a_missing_map_is_named(pack):
    with pytest.raises(InputError, match=r"maps/nowhere\.bsp"):
        read_level(pack(hall=_bsp()), "nowhere")


def test_a_patch_passes_through_its_corners_and_stays_on_the_parabola():
    dtype = np.dtype([("xyz", "<f4", 3), ("rgba", "u1", 4)])
    control = np.zeros((3, 3), dtype)
    for row in range(3):
        for column in range(3):
            control[row, column]["xyz"] = (column, row, 2.0 if column == 1 else 0.0)
    fine, (rows, columns) = tessellate_patch(control)
    grid = fine["xyz"].reshape(rows, columns, 3)
    for at, corner in (((0, 0), (0, 0)), ((0, -1), (0, 2)), ((-1, 0), (2, 0)), ((-1, -1), (2, 2))):
        np.testing.assert_allclose(grid[at], control[corner]["xyz"], atol=1e-6)
    t = grid[..., 0] / 2  # evenly spaced control points make x linear in the parameter
    np.testing.assert_allclose(grid[..., 2], 4 * t * (1 - t), atol=1e-5)  # 2 t (1 - t) times the height 2
    assert len(patch_index_grid(rows, columns)) == 2 * (rows - 1) * (columns - 1)


def test_shader_scripts_keep_parameters_and_stages():
    shaders = parse_shaders(_SHADERS)
    assert set(shaders) == {"textures/test/glow", "textures/test/opening", "textures/test/brick"}
    assert shaders["textures/test/opening"].parameters == {"sky", "noimpact"}
    assert [stage["map"] for stage in shaders["textures/test/brick"].stages] == ["$lightmap", "textures/test/red.tga"]
    assert shaders["textures/test/glow"].stages[0]["blendfunc"] == "add"


def test_levels_that_another_kind_has_are_left_out_before_held_out_ones_are_counted(tmp_path, monkeypatch):
    first, later = tmp_path / "first", tmp_path / "later"
    for folder, names in (
        (first, "ac"),
        (later, "abcdefg"),
    ):  # the later game's folder holds both: it needs the pictures
        folder.mkdir()
        with zipfile.ZipFile(folder / "pak0.pk3", "w") as archive:
            for name in names:
                archive.writestr(f"maps/{name}.bsp", b"")
    read: list[str] = []

    def no_places(archive, name):
        read.append(name)
        return SimpleNamespace(places=(), bare=0.0)

    monkeypatch.setattr(depth_dataset, "read_level", no_places)
    depth_dataset.render_levels(later, tmp_path, views=2, passes=1)
    assert read == ["e", "a", "b", "c", "d", "f", "g"]  # held-out ones, every ninth from the fifth, come first
    read.clear()
    depth_dataset.render_levels(later, tmp_path, views=2, passes=1, besides=first)
    assert read == ["g", "b", "d", "e", "f"]
