# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The reader of UFO: Alien Invasion's maps, on tiles, a model and an assembly that are built here byte by byte."""

import io
import struct
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from lyra_core.errors import InputError
from lyra_core.training import depth_dataset
from lyra_core.training.level_materials import LevelArchive
from lyra_core.training.level_views import camera_at
from lyra_core.training.renderer import render, render_faces
from lyra_core.training.ufo_assembly import lay_tiles, parse_assembly
from lyra_core.training.ufo_maps import UNIT, UfoMaps, sample_ufo_view
from lyra_core.training.ufo_models import parse_md2, place_model
from lyra_core.training.ufo_tiles import parse_tile

_NODRAW, _BLEND33, _WARP = 0x80, 0x10, 0x8
_START = '{ "classname" "info_human_start" "origin" "128 128 32" }'


def _wall(x, surface):
    """A wall 96 units high across the cell, clockwise as seen from -x."""
    return [(x, 0, 0), (x, 0, 96), (x, 256, 96), (x, 256, 0)][::-1], surface


def _floor(surface, z=0.0):
    return [(0, 0, z), (0, 256, z), (256, 256, z), (256, 0, z)], surface


def _tile(models=None, entities=_START, version=78):
    """models: {index of the model: faces}; surfaces are 0 brick, 1 nodraw, 2 glass, 3 clip, 4 water."""
    models = models or {255: [_floor(0), _wall(240, 0)]}
    looks = [
        (b"tex_test/brick", 0),
        (b"tex_common/nodraw", _NODRAW),
        (b"tex_test/brick", _BLEND33),
        (b"tex_common/actorclip", 0),
        (b"tex_test/brick", _WARP | _BLEND33),
    ]
    # u runs along x + y, v along -z (walls) and y (floors): one pixel a unit, brick starts at 32.
    plane = struct.pack("<8f", 1, 1, 0, 32, 0, 0, -1, 0)
    texinfo = b"".join(plane + struct.pack("<II32s", flags, 0, name) for name, flags in looks)
    vertices, edges, surfedges, faces, table = [], [(0, 0)], [], b"", [(0, 0)] * (max(*models, 258) + 1)
    night, day = bytes([4]), bytes([4])
    count = 0
    for index, polygons in models.items():
        table[index] = (count, len(polygons))
        for polygon, surface in polygons:
            first = len(vertices)
            vertices += polygon
            begin = len(surfedges)
            for k in range(4):  # every other edge is stored backwards
                a, b = first + k, first + (k + 1) % 4
                edges.append((b, a) if k % 2 else (a, b))
                surfedges.append(-(len(edges) - 1) if k % 2 else len(edges) - 1)
            u = [x + y + 32 for x, y, _ in polygon]
            v = [-z for _, _, z in polygon]
            size = [int(np.ceil(max(t) / 16) - np.floor(min(t) / 16)) + 1 for t in (u, v)]
            faces += struct.pack("<HhihhII", 0, 0, begin, 4, surface, len(night), len(day))
            night += bytes(6 * size[0] * size[1])
            day += bytes([200, 200, 200, 127, 127, 255]) * (size[0] * size[1])
            count += 1
    lumps = [b""] * 17
    lumps[0] = ('{ "classname" "worldspawn" }\n' + entities).encode()
    lumps[2] = b"".join(struct.pack("<3f", *v) for v in vertices)
    lumps[5], lumps[6], lumps[7], lumps[8] = texinfo, faces, night, day
    lumps[11] = b"".join(struct.pack("<HH", *e) for e in edges)
    lumps[12] = struct.pack(f"<{len(surfedges)}i", *surfedges)
    lumps[13] = b"".join(struct.pack("<9f3i", *[0.0] * 9, 0, first, n) for first, n in table)
    head, body = struct.pack("<4si", b"IBSP", version), b""
    for part in lumps:
        head += struct.pack("<ii", 8 + 17 * 8 + len(body), len(part))
        body += part
    return head + body


def _model():
    """One triangle of 10 x 10 units in the plane y = 0, whose front (clockwise) looks to -y."""
    head = [8, 64, 64, 40 + 12, 1, 3, 3, 1, 0, 1]
    at_skin, at_uv = 68, 68 + 64
    at_triangle, at_frame = at_uv + 12, at_uv + 12 + 12
    head += [at_skin, at_uv, at_triangle, at_frame, 0, at_frame + 52]
    frame = struct.pack("<6f16s", 1, 1, 1, 0, 0, 0, b"first") + bytes([0, 0, 0, 0, 0, 0, 10, 0, 10, 0, 0, 0])
    return (
        b"IDP2"
        + struct.pack("<16i", *head)
        + b".Skin".ljust(64, b"\0")
        + struct.pack("<6h", 0, 64, 0, 0, 64, 64)
        + struct.pack("<6H", 0, 1, 2, 0, 1, 2)
        + frame
    )


@pytest.fixture
def maps(tmp_path):
    def make(**members):
        picture = io.BytesIO()
        stripes = np.zeros((512, 512, 3), np.uint8)
        stripes[:, :256] = 200  # 512 wide as stored, read at 256: left half bright, right half dark
        Image.fromarray(stripes).save(picture, "PNG")
        with zipfile.ZipFile(tmp_path / "0maps.pk3", "w") as archive:
            archive.writestr("textures/tex_test/brick.png", picture.getvalue())
            for name, data in members.items():
                archive.writestr("maps/" + name.replace("__", "/").replace("_DOT_", "."), data)
        return UfoMaps(LevelArchive(tmp_path))

    return make


def test_walls_stand_where_the_file_says_in_metres(maps):
    level = maps(hall_DOT_bsp=_tile()).read("hall.bsp", np.random.default_rng(0))
    eye = np.array([128.0, 128.0, 40.0]) * UNIT
    ahead = camera_at(eye, yaw=0.0, pitch=0.0, size=(3, 3), focal=30.0)
    assert render(level.scene, ahead, exposure=1.0)[1][1, 1] == pytest.approx(112 * UNIT, abs=1e-4)
    down = camera_at(eye, yaw=0.0, pitch=-np.pi / 2 + 1e-6, size=(3, 3), focal=30.0)
    assert render(level.scene, down, exposure=1.0)[1][1, 1] == pytest.approx(40 * UNIT, abs=1e-4)
    np.testing.assert_allclose(level.places[0], np.array([128, 128, 32]) * UNIT)
    assert level.bare == 0


def test_what_the_game_hides_and_glass_are_left_out_and_water_stays():
    faces = [_floor(4), *(_wall(60.0 + 30 * s, s) for s in range(4))]
    tile = parse_tile(_tile({255: faces, 257: [_wall(20, 0)]}), "x")
    assert len(tile.corners) == 2 * 2
    assert [s.water for s in tile.surfaces] == [False, True]
    assert set(np.unique(tile.corners[..., 0])) == {0.0, 60.0, 256.0}


def test_moving_parts_stand_at_their_origin_triggers_do_not_and_every_other_door_is_open():
    entities = "".join(
        f'{{ "classname" "{kind}" "model" "*{i}" "origin" "{40 * i} 0 0" }}'
        for i, kind in enumerate(("func_breakable", "trigger_touch", "func_door", "func_door"), start=1)
    )
    tile = parse_tile(_tile({255: [_floor(0)], **{258 + i: [_wall(0, 0)] for i in range(1, 5)}}, entities), "x")
    assert set(np.unique(tile.corners[..., 0])) == {0.0, 40.0, 160.0, 256.0}


def test_floors_look_upward():
    corners = parse_tile(_tile({255: [_floor(0)]}), "x").corners
    assert (np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0).all()


def test_texture_coordinates_count_in_pixels_of_the_picture_as_stored(maps):
    level = maps(hall_DOT_bsp=_tile()).read("hall.bsp", np.random.default_rng(0))
    assert level.scene.textures[0].shape == (256, 256, 3)
    wall = np.flatnonzero((level.scene.vertices[level.scene.faces][..., 0] == np.float32(240 * UNIT)).all(axis=1))
    u = level.scene.uvs[wall, :, 0]
    assert (u.min(), u.max()) == pytest.approx(((240 + 32) / 512, (240 + 256 + 32) / 512))


def test_the_light_of_the_day_is_taken_and_its_page_covers_the_face():
    tile = parse_tile(_tile({255: [_wall(240, 0)]}), "x")
    assert [page.shape for page in tile.pages] == [(7, 17, 3)]  # 96 and 256 units by steps of 16, and one more
    assert (tile.pages[0] == 200).all()
    u = np.unique(tile.page_uvs[..., 0])
    np.testing.assert_allclose(u, [0.5 / 17, 16.5 / 17])  # middles of the first and the last sample


def test_a_plain_without_a_hole_lies_around_the_map_and_not_under_it(maps):
    level = maps(hall_DOT_bsp=_tile({255: [_floor(0, z=8.0)]})).read("hall.bsp", np.random.default_rng(0))
    eye = np.array([128.0, 128.0, 48.0]) * UNIT
    wide = camera_at(eye, yaw=0.5, pitch=-0.6, size=(32, 24), focal=16.0)
    _, _, sky = render(level.scene, wide, exposure=1.0)
    rays = np.linalg.norm(level.scene.vertices[:, :2], axis=1)
    assert rays.max() > 500
    assert not sky[12:].any()
    below = level.scene.vertices[level.scene.faces[render_faces(level.scene, wide)[-1]]][..., 2]
    np.testing.assert_allclose(below, 8 * UNIT, atol=1e-6)
    assert level.scene.vertices[:, 2].min() == pytest.approx(6.5 * UNIT, abs=1e-5)


_ASSEMBLY = """
base town/t_ // where the tiles lie
tile +corner
{
4 4
0 0 0 0
0 +g r 0
0 +r +g 0
0 0 0 0
}
tile +red { 3 3
0 0 0
0 +r 0
0 0 0 }
tile +green { 3 3
0 g 0
g +g g
0 g 0 }
assembly default
{
title "x"
size "3 2"
}
"""


def test_a_tile_may_lie_only_beside_what_it_asks_for():
    shapes, sizes = parse_assembly(_ASSEMBLY)
    assert [s.path for s in shapes] == ["maps/town/t_corner.bsp", "maps/town/t_red.bsp", "maps/town/t_green.bsp"]
    assert sizes == [(3, 2)]
    for seed in range(20):
        kinds = {}
        for placed in lay_tiles(shapes, (6, 5), np.random.default_rng(seed)):
            for cell in placed.cells:
                assert cell not in kinds
                assert 0 <= cell[0] < 6
                assert 0 <= cell[1] < 5
                corner = "red" if cell == (placed.x, placed.y) else "green"
                kinds[cell] = {"corner": corner, "red": "red", "green": "green alone"}[placed.path[12:-4]]
        for (x, y), kind in kinds.items():
            beside = [kinds.get((x + dx, y + dy)) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))]
            assert kind != "green alone" or "red" not in beside
        assert len(kinds) > 15


def test_row_0_of_a_description_lies_furthest_north():
    shapes, _ = parse_assembly(_ASSEMBLY)
    (placed,) = lay_tiles(shapes[:1], (2, 2), np.random.default_rng(0))
    assert (placed.x, placed.y) == (0, 0)
    assert set(placed.cells) == {(0, 1), (0, 0), (1, 0)}  # (column, row from the south)


def test_a_map_of_tiles_is_laid_anew_by_each_seed_and_its_tiles_do_not_overlap(maps):
    members = {"town_DOT_ump": _ASSEMBLY.encode(), "town__t_red_DOT_bsp": _tile(), "town__t_green_DOT_bsp": _tile()}
    found = maps(**members)
    assert found.names == ("town.ump",)
    level = found.read("town.ump", np.random.default_rng(1))
    floors = np.unique(np.floor(level.places[:, :2] / (256 * UNIT)), axis=0)
    assert 1 <= len(floors) <= 6
    assert level.places[:, 0].max() < 3 * 256 * UNIT


def test_names_are_sorted_and_those_without_tiles_and_alien_bases_are_left_out(maps):
    names = {f"{n}_DOT_bsp": b"" for n in ("mine", "dam")} | {"alienbase_DOT_ump": b"", "rescue_DOT_ump": b"base r/"}
    assert maps(**names, town__t_red_DOT_bsp=b"").names == ("dam.bsp", "mine.bsp")


def test_a_model_is_read_turned_and_scaled():
    mesh = parse_md2(_model(), "models/a/b.md2")
    assert mesh.skins == ["models/a/skin"]
    np.testing.assert_allclose(mesh.uvs[0], [[0, 1], [0, 0], [1, 1]])
    np.testing.assert_allclose(mesh.normals[0], np.tile([0, -1, 0], (3, 1)), atol=1e-9)
    entity = {"origin": "100 0 8", "angles": "0 90 0", "modelscale_vec": "2 1 1"}
    corners, normals = place_model(mesh, entity)
    np.testing.assert_allclose(corners[0], [[100, 0, 8], [100, 0, 18], [100, 20, 8]], atol=1e-9)
    np.testing.assert_allclose(normals[0], np.tile([1, 0, 0], (3, 1)), atol=1e-9)
    assert parse_md2(b"IDP2", "x") is None


def test_views_of_nothing_but_ground_are_refused(maps):
    rng = np.random.default_rng(3)
    bare = maps(field_DOT_bsp=_tile({255: [_floor(0)]})).read("field.bsp", rng)
    assert not any(sample_ufo_view(bare, (32, 24), rng) for _ in range(30))


def test_a_file_of_another_version_is_refused_by_name():
    with pytest.raises(InputError, match=r"IBSP version 78.*hall"):
        parse_tile(_tile(version=46), "hall")


def test_every_ninth_map_is_held_out(maps, tmp_path, monkeypatch):
    maps(**{f"m{i:02d}_DOT_bsp": b"" for i in range(15)})
    read = []

    def no_places(self, name, rng):
        read.append(name)
        return SimpleNamespace(places=(), bare=0.0)

    monkeypatch.setattr(UfoMaps, "read", no_places)
    depth_dataset.render_ufo(tmp_path, tmp_path, views=2, passes=1)
    assert read[:2] == ["m04.bsp", "m13.bsp"]
    assert len(read) == len(set(read)) == 15
