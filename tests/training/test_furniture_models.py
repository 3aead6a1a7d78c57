# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Furniture catalogues and the rooms and yards that are filled from them, on a catalogue that is built here."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from lyra_core.errors import InputError
from lyra_core.training import depth_dataset
from lyra_core.training.furnished import (
    furnished_yard,
    make_furnished_room,
    sample_furnished_view,
    sample_subject_view,
)
from lyra_core.training.furniture_models import FurnitureCatalog
from lyra_core.training.outdoors import make_outdoors
from lyra_core.training.renderer import render_faces
from lyra_core.training.rooms import keeps_clear
from lyra_core.training.view_store import ViewStore

_LIST = "PluginFurnitureCatalog.properties"
# A box 2 x 1 x 4 in x, y (up), z (front), its front face textured; the rest of one colour; and a pane of glass.
_OBJ = """mtllib thing.mtl
v 0 0 0
v 2 0 0
v 2 1 0
v 0 1 0
v 0 0 4
v 2 0 4
v 2 1 4
v 0 1 4
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl paper
f 5/1 6/2 7/3 8/4
usemtl red
f 2/1 1/2 4/3 3/4
f 1/1 5/2 8/3 4/4
f 6/1 2/2 3/3 7/4
f 8/1 7/2 3/3 4/4
f 1/1 2/2 6/3 5/4
usemtl glass
f 5/1 6/2 7/3 8/4
"""
_MTL = """newmtl paper
Kd 1 1 1
map_Kd paper.png
newmtl red
Kd 0.8 0.1 0.1
newmtl glass
Kd 0 0 1
d 0.2
"""


def _entry(number, name="Table", **changes):
    row = {
        "id": f"x#{number}",
        "name": name,
        "category": "Living room",
        "model": "/things/box/thing.obj",
        "width": "120",
        "depth": "60",
        "height": "75",
        "doorOrWindow": "false",
        **changes,
    }
    return "".join(f"{key}#{number}={value}\n" for key, value in row.items())


@pytest.fixture
def folder(tmp_path):
    def make(*entries, obj=_OBJ):
        picture = io.BytesIO()
        paper = np.full((16, 16, 3), 230, np.uint8)
        paper[:8] = (0, 200, 0)  # the upper half is green
        Image.fromarray(paper).save(picture, "PNG")
        with zipfile.ZipFile(tmp_path / "set.sh3f", "w") as archive:
            archive.writestr(_LIST, "".join(entries or [_entry(i + 1) for i in range(12)]))
            archive.writestr("things/box/thing.obj", obj)
            archive.writestr("things/box/thing.mtl", _MTL)
            archive.writestr("things/box/paper.png", picture.getvalue())
        return tmp_path

    return make


def test_a_model_has_the_measures_of_the_list_stands_on_the_floor_and_looks_along_y(folder):
    catalog = FurnitureCatalog(folder())
    model = catalog.model(catalog.pieces[0])
    points = model.corners.reshape(-1, 3)
    np.testing.assert_allclose(points.min(axis=0), [-0.6, -0.3, 0.0], atol=1e-9)
    np.testing.assert_allclose(points.max(axis=0), [0.6, 0.3, 0.75], atol=1e-9)
    assert len(model.corners) == 12, "five faces and the textured one, without the glass"
    outward = np.cross(model.corners[:, 1] - model.corners[:, 0], model.corners[:, 2] - model.corners[:, 0])
    assert ((outward * (model.corners.mean(axis=1) - [0, 0, 0.375])).sum(axis=1) > 0).all()
    assert ((outward * model.normals.mean(axis=1)).sum(axis=1) > 0).all()
    (paper,) = {int(t) for t in model.texture if model.images[t].shape[0] == 16}
    front = model.corners[model.texture == paper]
    np.testing.assert_allclose(front[..., 1], 0.3, atol=1e-9)
    # The green upper half of the picture belongs to the upper half of the front: v = 0 is the picture's first row.
    rows = model.uvs[model.texture == paper][..., 1]
    np.testing.assert_allclose(rows, 1 - front[..., 2] / 0.75, atol=1e-6)


def test_the_turn_of_the_list_is_done_before_the_stretch(folder):
    turned = "0 0 1 0 1 0 -1 0 0"  # a quarter about the upright axis: the long side becomes the width
    catalog = FurnitureCatalog(folder(_entry(1, modelRotation=turned), _entry(2)))
    model = catalog.model(catalog.pieces[0])
    np.testing.assert_allclose(np.ptp(model.corners.reshape(-1, 3), axis=0), [1.2, 0.6, 0.75], atol=1e-9)
    (paper,) = {int(t) for t in model.texture if model.images[t].shape[0] == 16}
    assert np.ptp(model.corners[model.texture == paper][..., 0]) < 1e-9, "the picture is on a short side now"


def test_doors_pools_and_entries_without_measures_are_left_out_and_every_ninth_is_held_out(folder):
    entries = [_entry(1, "Door", doorOrWindow="true"), _entry(2, "Swimming pool"), _entry(3, width="wide")]
    entries += [_entry(10 + i, f"Box {i}") for i in range(14)]
    train, held = FurnitureCatalog(folder(*entries)), FurnitureCatalog(folder(*entries), held_out=True)
    assert [piece.name for piece in held.pieces] == ["Box 4", "Box 13"]
    assert len(train.pieces) == 12
    assert not {p.name for p in train.pieces} & {p.name for p in held.pieces}


def test_what_can_carry_things_and_what_hangs_is_read(folder):
    catalog = FurnitureCatalog(
        folder(_entry(1), _entry(2, "Armchair"), _entry(3, "Bed", dropOnTopElevation="40"), _entry(4, elevation="150"))
    )
    assert [piece.top for piece in catalog.pieces] == [0.75, 0.0, 0.4, 0.75]
    assert [piece.elevation for piece in catalog.pieces] == [0, 0, 0, 1.5]


def test_too_many_triangles_are_not_loaded(folder):
    catalog = FurnitureCatalog(folder(obj=_OBJ + "f 1/1 2/2 3/3\n" * 17_000))
    assert catalog.model(catalog.pieces[0]) is None


def test_a_folder_without_catalogues_and_a_broken_one_say_what_to_do(tmp_path):
    with pytest.raises(InputError, match="sweethome3d-furniture"):
        FurnitureCatalog(tmp_path)
    (tmp_path / "broken.sh3f").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(InputError, match=r"broken\.sh3f.*Fetch it again"):
        FurnitureCatalog(tmp_path)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalogue")
    with zipfile.ZipFile(folder / "set.sh3f", "w") as archive:
        archive.writestr(_LIST, "".join(_entry(i + 1) for i in range(9)))
        archive.writestr("things/box/thing.obj", _OBJ)
        archive.writestr("things/box/thing.mtl", _MTL)
        picture = io.BytesIO()
        Image.fromarray(np.full((16, 16, 3), 230, np.uint8)).save(picture, "PNG")
        archive.writestr("things/box/paper.png", picture.getvalue())
    catalog = FurnitureCatalog(folder)
    return catalog, make_furnished_room(3, catalog)


def test_things_stand_in_the_room_apart_from_each_other_and_are_seen_and_lit(room):
    _, room = room
    assert len(room.things) > 3
    size = np.array(room.size)
    bounds = room.solids[-len(room.things) :]
    assert (bounds[:, 0] > -0.05).all()
    assert (bounds[:, 1] < size + 0.05).all()
    standing = bounds[bounds[:, 0, 2] < 0.01]
    for i, a in enumerate(standing):
        for b in standing[i + 1 :]:
            overlap = np.minimum(a[1, :2], b[1, :2]) - np.maximum(a[0, :2], b[0, :2])
            assert (overlap < 0.01).any()
    shell = int((room.scene.face_lightmap >= 0).sum())
    light = room.scene.vertex_light[shell:]
    assert np.isfinite(light).all()
    assert 0.01 < light.mean() < 20
    assert light.min() >= 0
    rng = np.random.default_rng(0)
    views = [v for v in (sample_furnished_view(room, (96, 72), rng) for _ in range(60)) if v is not None]
    assert len(views) > 5
    assert keeps_clear(np.array([v[1].center for v in views]), room.size, room.solids, 0.3).all()
    assert sum((render_faces(*view) >= shell).mean() > 0.02 for view in views) >= len(views) // 2


def test_a_subject_fills_the_picture_and_the_room_lies_behind_it(room):
    _, room = room
    shell = int((room.scene.face_lightmap >= 0).sum())
    rng = np.random.default_rng(1)
    views = [v for v in (sample_subject_view(room, (96, 72), rng) for _ in range(120)) if v is not None]
    others = [v for v in (sample_furnished_view(room, (96, 72), rng) for _ in range(60)) if v is not None]
    assert len(views) > 5
    assert keeps_clear(np.array([v[1].center for v in views]), room.size, room.solids, 0.3).all()
    share, plain = (np.mean([(render_faces(*view) >= shell).mean() for view in many]) for many in (views, others))
    assert share > plain
    assert 0.1 < share < 0.95
    focal = [view[1].intrinsics[0, 0] for view in views]
    assert 48 / np.tan(np.radians(36)) <= min(focal)
    assert max(focal) <= 48 / np.tan(np.radians(17))


def test_a_room_without_things_has_no_subject(room):
    catalog, _ = room
    bare = make_furnished_room(3, FurnitureCatalogOfNothing(catalog))
    assert sample_subject_view(bare, (96, 72), np.random.default_rng(0)) is None


def test_things_throw_shadows_on_the_floor(room):
    """Under a closed box no lamp and no sky is seen: the floor there is far darker than around it."""
    catalog, room = room
    bare = make_furnished_room(3, FurnitureCatalogOfNothing(catalog))
    shell = int((room.scene.face_lightmap >= 0).sum())
    assert shell == len(bare.scene.faces), "the shell is the same"
    floor = next(
        i for i in range(0, shell, 2) if (room.scene.vertices[room.scene.faces[i : i + 2].ravel()][:, 2] == 0).all()
    )
    page = int(room.scene.face_lightmap[floor])
    with_things, without = (np.asarray(r.scene.lightmaps[page]).mean(axis=2) for r in (room, bare))
    assert (with_things < 0.5 * without).mean() > 0.03
    assert np.median(with_things / without) > 0.5


class FurnitureCatalogOfNothing:
    """The catalogue's pieces, none of which can be loaded; draws the same random numbers."""

    def __init__(self, catalog):
        self.pieces = catalog.pieces

    def model(self, piece):
        return None


def test_the_same_seed_gives_the_same_room(room):
    catalog, first = room
    again = make_furnished_room(3, catalog)
    assert first.scene.vertices.tobytes() == again.scene.vertices.tobytes()
    assert first.scene.vertex_light.tobytes() == again.scene.vertex_light.tobytes()


def test_a_yard_holds_the_things_and_the_same_ground_as_without(room):
    catalog, _ = room
    kinds = {}
    for seed in range(4):
        yard = furnished_yard(seed, catalog)
        bare = make_outdoors(seed, yard.kind)
        kinds[seed] = len(yard.scene.faces) - len(bare.scene.faces)
        assert kinds[seed] % 12 == 0
        assert len(yard.scene.textures) > len(bare.scene.textures)
    assert all(count >= 12 for count in kinds.values())


def test_the_command_writes_shards_and_keeps_finished_ones(room, folder, tmp_path):
    out = tmp_path / "data"
    arguments = ["furnished", "--models", str(folder()), "--out", str(out), "--scenes", "2", "--views", "2"]
    depth_dataset.main(arguments)
    (meta,) = (out / "furnished_train").glob("*.meta.npy")
    stamp = meta.stat().st_mtime_ns
    depth_dataset.main(arguments)
    assert meta.stat().st_mtime_ns == stamp
    store = ViewStore([out / "furnished_train"])
    assert len(store) == 4
    view = store[0]
    assert np.isfinite(view.depth).mean() > 0.3
    assert view.rgb.std() > 5
