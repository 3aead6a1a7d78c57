# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Splats that somebody else made become the same kind of world: level, metric, with colliders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lyra_core.errors import InputError, MissingDependencyError, WorldError
from lyra_core.geometry import matrix_from_rotvec, rotate_sh, usd_camera_from_opencv
from lyra_core.pipeline.events import Finished, Note
from lyra_core.pipeline.import_views import free_positions
from lyra_core.pipeline.imports import UP_AXES, ImportOptions, import_splats
from lyra_core.reconstruction import gaussians_from_frames, read_ply, write_ply
from lyra_core.reconstruction.formats import format_of, read_splat_file
from lyra_core.reconstruction.imported import moved_gaussians, read_imported, solid_mask
from lyra_core.reconstruction.scene import concatenate
from lyra_core.types import Gaussians
from lyra_core.usd import read_collision_tiles
from lyra_core.world import WorldFolder, digest_file, read_manifest
from tests.pipeline import box_room

TILT = matrix_from_rotvec(np.array([0.10, -0.06, 0.4]))  # 6.7 degrees off level, and turned
UNIT = 0.5  # file units per metre
DOWN = np.array(UP_AXES["-y"], dtype=float).T  # from our axes to those of COLMAP and Lyra 2
SHIFT = np.array([3.0, -1.0, 2.0])


def blob(rng, means, scale, opacity) -> Gaussians:
    n = len(means)
    quats = np.tile([1.0, 0, 0, 0], (n, 1))
    return Gaussians(means, quats, np.full((n, 3), scale), np.full(n, opacity), rng.normal(size=(n, 1, 3)))


@pytest.fixture(scope="module")
def room() -> Gaussians:
    frames = [box_room.frame(i, camera) for i, camera in enumerate(box_room.path(12))]
    return gaussians_from_frames(frames).all


@pytest.fixture(scope="module")
def foreign(tmp_path_factory, room) -> Path:
    """The room as Lyra 2 would leave it: y down, another unit, tilted, with far clusters, fog and ghosts."""
    rng = np.random.default_rng(5)
    moved = moved_gaussians(room, DOWN @ TILT, UNIT, SHIFT)
    far = blob(rng, rng.normal(size=(300, 3)) * 3 + [150, 40, 80], 0.3, 0.9)
    fog = blob(rng, moved.means[:10], 6.0, 0.02)
    ghosts = blob(rng, moved.means[::40] + 0.2, 0.02, 0.002)
    file = tmp_path_factory.mktemp("splats") / "reconstructed_scene.ply"
    write_ply(file, concatenate([moved, far, fog, ghosts]))
    return file


def imported(file: Path, out: Path, **options) -> list:
    given = {"width": 96, "height": 72, "positions": 3, "turns": 5, **options}
    return list(import_splats(file, out, ImportOptions(**given), config=box_room.small_config()))


@pytest.fixture(scope="module")
def world(foreign, tmp_path_factory) -> tuple[Path, list, str]:
    before = digest_file(foreign)
    out = tmp_path_factory.mktemp("imported") / "world"
    return out, imported(foreign, out, up="-y", scale=1 / UNIT), before


def test_the_world_is_level_metric_and_stands_on_its_floor(world):
    out, events, _ = world
    assert isinstance(events[-1], Finished)
    record = read_manifest(out).seed_view["import"]
    level = np.array(record["rotation"]) @ (DOWN @ TILT)
    tilt = np.degrees(np.arccos(np.clip(level[2, 2], -1, 1)))
    assert tilt < 1.0, "Z up within 1 degree"
    assert read_manifest(out).seed_view["tilt_before_deg"] == pytest.approx(6.68, abs=1.0)
    # A floor point of the room must come to z = 0.
    floor = UNIT * (DOWN @ TILT) @ np.array([0.0, 0.0, 0.0]) + SHIFT
    z = (record["scale"] * np.array(record["rotation"]) @ floor + record["translation"])[2]
    assert abs(z) < 0.02, "floor within 2 cm"


def test_the_collider_is_the_room_and_not_its_ghosts(world):
    out, _, _ = world
    vertices = np.concatenate([mesh.vertices for _, mesh in read_collision_tiles(out)])
    wall = vertices[vertices[:, 2] > 0.3]
    record = read_manifest(out).seed_view["import"]
    back = (wall - record["translation"]) @ np.array(record["rotation"]) / record["scale"]
    own = (back - SHIFT) @ (DOWN @ TILT) / UNIT
    assert (own > box_room.LOW - 0.15).all()
    assert (own < box_room.HIGH + 0.15).all()
    assert np.ptp(own[:, :2], axis=0) == pytest.approx([4.0, 5.0], abs=0.3)


def test_the_looks_are_the_users_own_gaussians(world, foreign):
    out, _, _ = world
    own, source = read_ply(out / "splats.ply"), read_ply(foreign)
    assert len(own) == int((source.opacities >= 1 / 255).sum())
    record = read_manifest(out).seed_view["import"]
    expected = record["scale"] * source.means @ np.array(record["rotation"]).T + record["translation"]
    expected = expected[source.opacities >= 1 / 255]
    order = [np.lexsort(np.round(m, 2).T) for m in (own.means, expected)]
    np.testing.assert_allclose(own.means[order[0]].mean(axis=0), expected[order[1]].mean(axis=0), atol=1e-2)
    np.testing.assert_allclose(np.sort(own.means[:, 2]), np.sort(expected[:, 2]), atol=2e-3)


def test_the_users_file_is_only_read(world, foreign):
    out, _, before = world
    assert digest_file(foreign) == before == digest_file(out / "source.ply")
    with pytest.raises(WorldError):
        imported(foreign, foreign.parent)
    assert digest_file(foreign) == before


def test_what_was_left_out_is_said(world):
    text = " ".join(e.message for e in world[1] if isinstance(e, Note))
    assert "too transparent" in text
    assert "310 far or huge" in text
    assert "levelled by" in text
    assert "guessed" not in text


def test_an_imported_world_can_be_rescaled(world, tmp_path):
    import shutil

    from lyra_core.pipeline.rescale import rescale
    from lyra_core.reconstruction.imported import imported_scene

    out = Path(shutil.copytree(world[0], tmp_path / "w"))
    for _ in rescale(out, factor=2.0, build=False):
        pass
    view = read_manifest(out).seed_view
    large = imported_scene(out, view["import"], view["scale_factor"]).all
    small = imported_scene(out, view["import"]).all
    np.testing.assert_allclose(large.means, 2 * small.means, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(large.scales, 2 * small.scales, rtol=1e-6)
    assert WorldFolder.open(out).frames[0].camera.center[2] == pytest.approx(2 * 1.2, abs=1e-9)


def test_cameras_of_a_transforms_file_are_used(foreign, tmp_path):
    cameras = box_room.path(6)
    poses = np.tile(np.eye(4), (6, 1, 1))
    poses[:, :3, :3] = DOWN @ TILT @ cameras.world_from_camera[:, :3, :3]
    poses[:, :3, 3] = UNIT * cameras.centers @ (DOWN @ TILT).T + SHIFT
    k = cameras.intrinsics[0]
    lens = {"fl_x": k[0, 0], "fl_y": k[1, 1], "cx": k[0, 2], "cy": k[1, 2], "w": 96, "h": 72}
    frames = [
        {"file_path": f"{i}.png", "transform_matrix": m.tolist()} for i, m in enumerate(usd_camera_from_opencv(poses))
    ]
    file = tmp_path / "transforms.json"
    file.write_text(json.dumps({**lens, "frames": frames}))
    out = tmp_path / "world"
    imported(foreign, out, up="-y", cameras=file, camera_height=box_room.EYE)
    view = read_manifest(out).seed_view
    assert view["scale_source"] == "camera height"
    assert view["import"]["scale"] == pytest.approx(1 / UNIT, rel=0.02)
    own = WorldFolder.open(out).frames
    assert len(own) == 6
    exact = box_room.frame(0, cameras[0])
    seen = own[0].depth > 0
    assert seen.mean() > 0.9
    error = np.abs(own[0].depth - exact.depth)[seen] / exact.depth[seen]
    assert np.median(error) < 0.02


def test_an_interrupted_import_goes_on_from_its_frames(world, foreign, tmp_path, monkeypatch):
    import shutil

    from lyra_core.pipeline import imports

    out = Path(shutil.copytree(world[0], tmp_path / "w"))
    (out / "world.usda").unlink()
    monkeypatch.setattr(imports, "render_frames", lambda *a, **k: pytest.fail("frames are not rendered again"))
    config = box_room.small_config()
    events = list(import_splats(foreign, out, ImportOptions(up="-y"), config=config, resume=True))
    assert isinstance(events[-1], Finished)
    assert (out / "world.usda").is_file()
    other = tmp_path / "other.ply"
    other.write_bytes(foreign.read_bytes() + b"\0")
    with pytest.raises(InputError, match="another file"):
        list(import_splats(other, out, ImportOptions(up="-y"), config=config, resume=True))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(WorldError, match="no interrupted import"):
        list(import_splats(foreign, tmp_path / "mine", config=config, resume=True))


@pytest.mark.parametrize("stop", ["views", "chunks"])
def test_an_import_that_was_killed_before_its_frames_were_done_starts_again_and_says_so(
    foreign, tmp_path, monkeypatch, stop
):
    """Killed while looking, and killed between two chunks of frames: the same world as an unbroken import makes."""
    from lyra_core.pipeline import imports

    monkeypatch.setattr(imports, "build_world", lambda *a, **k: iter(()))
    monkeypatch.setattr(imports, "_CHUNK", 4)
    given = {"up": "-y", "positions": 1, "turns": 4, "width": 96, "height": 72}
    config = box_room.small_config()

    def run(out: Path, **more) -> list:
        return list(import_splats(foreign, out, ImportOptions(**given), config=config, **more))

    run(tmp_path / "whole")
    out = tmp_path / "world"
    with monkeypatch.context() as patch:
        if stop == "views":
            real = imports.render_frames

            def cut(*a, **k):
                for i, frame in enumerate(real(*a, **k)):
                    if i == 2:
                        raise KeyboardInterrupt
                    yield frame

            patch.setattr(imports, "render_frames", cut)
        else:
            add = WorldFolder.add_chunk

            def once(self, index, frames):
                if index:
                    raise KeyboardInterrupt
                add(self, index, frames)

            patch.setattr(WorldFolder, "add_chunk", once)
        with pytest.raises(KeyboardInterrupt):
            run(out)
    events = run(out, resume=True)
    assert any(isinstance(e, Note) and "starts again" in e.message for e in events)
    chunks = [[c.files for c in read_manifest(place).chunks] for place in (tmp_path / "whole", out)]
    assert chunks[0] == chunks[1]
    assert len(chunks[0]) == 2


def test_a_world_without_any_floor_says_so_and_sets_no_robot_down(tmp_path):
    """A ball of Gaussians seen from inside: nothing in it is level."""
    rng = np.random.default_rng(2)
    ball = rng.normal(size=(9000, 3))
    ball *= 2.5 / np.linalg.norm(ball, axis=1, keepdims=True)
    cloud = blob(rng, ball, 0.06, 0.95)
    write_ply(tmp_path / "ball.ply", cloud)
    events = imported(tmp_path / "ball.ply", tmp_path / "world", scale=1.0)
    text = " ".join(e.message for e in events if isinstance(e, Note))
    assert "no floor found" in text
    assert json.loads((tmp_path / "world" / "navigation" / "spawn.json").read_text()) == []
    with np.load(tmp_path / "world" / "navigation" / "layers.npz") as layers:
        assert (layers["state"] != 0).all()
        assert not layers["reachable"].any()


def test_a_ply_that_plyfile_wrote_is_read_whatever_its_order_and_byte_order(room, tmp_path):
    plyfile = pytest.importorskip("plyfile", reason="the extra [test] is not installed")
    part = room.subset(np.arange(len(room)) < 500)
    logit = np.log(part.opacities / (1 - part.opacities))
    columns = {"rot_3": part.quats_wxyz[:, 3], "opacity": logit, "x": part.means[:, 0], "extra": logit * 0}
    columns |= {f"rot_{i}": part.quats_wxyz[:, i] for i in range(3)} | {"y": part.means[:, 1], "z": part.means[:, 2]}
    columns |= {f"scale_{i}": np.log(part.scales[:, i]) for i in range(3)}
    columns |= {f"f_dc_{i}": part.sh[:, 0, i] for i in range(3)}
    table = np.zeros(500, [(name, "f8") for name in columns])
    for name, values in columns.items():
        table[name] = values
    element = plyfile.PlyElement.describe(table, "vertex")
    for order, text in ((">", False), ("<", False), ("<", True)):
        file = tmp_path / f"foreign{order == '>'}{text}.ply"
        plyfile.PlyData([element], byte_order=order, text=text, comments=["by plyfile"]).write(file)
        read = read_imported(file, kind="ply").gaussians
        np.testing.assert_allclose(read.means, part.means, atol=1e-5)
        np.testing.assert_allclose(read.scales, part.scales, rtol=1e-4)
        np.testing.assert_allclose(read.opacities, part.opacities, atol=1e-5)


def broken(room: Gaussians, **changes) -> Gaussians:
    values = {n: np.array(getattr(room, n)[:2000]) for n in ("means", "quats_wxyz", "scales", "opacities", "sh")}
    for name, (row, value) in changes.items():
        values[name][row] = value
    return Gaussians(**values)


def write_raw(file: Path, g: Gaussians) -> None:
    """As write_ply, without its checks."""
    names = ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", *(f"scale_{i}" for i in range(3))]
    names += [f"rot_{i}" for i in range(4)]
    with np.errstate(divide="ignore", invalid="ignore"):
        logit = np.log(g.opacities / (1 - g.opacities))[:, None]
        table = np.concatenate([g.means, g.sh[:, 0], logit, np.log(g.scales), g.quats_wxyz], axis=1).astype("<f4")
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(g)}"]
    text = "\n".join([*head, *(f"property float {n}" for n in names), "end_header", ""])
    file.write_bytes(text.encode() + table.tobytes())


BROKEN = {
    "NaN": {"means": (3, np.nan)},
    "infinity": {"sh": (4, np.inf)},
    "zero scale": {"scales": (5, [0.0, 0.01, 0.01])},
    "extent": {"scales": (6, 0.0)},
    "unit length": {"quats_wxyz": (7, [2.0, 0.0, 0.0, 1.0])},
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_gaussians_are_refused_and_repaired_only_when_asked(room, tmp_path, what):
    file = tmp_path / "broken.ply"
    write_raw(file, broken(room, **BROKEN[what]))
    with pytest.raises(InputError, match=what) as refusal:
        imported(file, tmp_path / "world")
    assert "1 with" in str(refusal.value)
    assert not (tmp_path / "world").exists(), "nothing is written"
    mended = read_imported(file, kind="ply", repair=True).gaussians
    assert len(mended) in (1999, 2000)
    assert (mended.scales > 0).all()
    np.testing.assert_allclose(np.linalg.norm(mended.quats_wxyz, axis=1), 1, atol=1e-5)


def test_a_sound_file_needs_no_repair(room, tmp_path):
    write_raw(tmp_path / "good.ply", broken(room))
    read = read_imported(tmp_path / "good.ply", kind="ply")
    assert len(read.gaussians) == 2000
    assert read.notes == ()


def test_a_file_without_opacity_is_refused_even_with_repair(tmp_path):
    (tmp_path / "points.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n0 0 0\n"
    )
    with pytest.raises(InputError, match="opacity"):
        imported(tmp_path / "points.ply", tmp_path / "world", repair=True)


@pytest.mark.parametrize(
    "options",
    [{"up": "x"}, {"scale": 0.0}, {"scale": -1.0}, {"camera_height": 1.5}, {"positions": 0}],
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(InputError):
        ImportOptions(**options)


def test_unknown_files_and_full_folders_are_refused(foreign, tmp_path):
    (tmp_path / "a.obj").write_text("o")
    with pytest.raises(InputError, match="Unknown kind"):
        imported(tmp_path / "a.obj", tmp_path / "w")
    with pytest.raises(InputError, match="no such"):
        imported(tmp_path / "nothing.ply", tmp_path / "w")
    with pytest.raises(WorldError, match="not empty"):
        imported(foreign, tmp_path)


@pytest.mark.parametrize("kind", ["spz", "splat", "ksplat", "sog", "compressed.ply"])
def test_other_formats_give_the_same_gaussians(room, tmp_path, kind):
    from lyra_core.reconstruction.formats import convert_splats

    write_ply(tmp_path / "room.ply", room)
    pytest.importorskip("gaussforge", reason="the extra [formats] is not installed")
    data = convert_splats(tmp_path / "room.ply", kind)
    file = tmp_path / f"room.{kind}"
    file.write_bytes(data)
    assert format_of(file) == kind
    there = read_splat_file(file)
    assert len(there) == len(room)
    np.testing.assert_allclose(there.means.mean(axis=0), room.means.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(np.ptp(there.means, axis=0), np.ptp(room.means, axis=0), atol=0.02)
    assert np.median(there.opacities) == pytest.approx(np.median(room.opacities), abs=0.01)
    read_imported(file, kind=kind)  # the loss of the format is no reason to refuse it


def test_a_missing_converter_is_named_with_the_command(room, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "gaussforge", None)
    (tmp_path / "room.spz").write_bytes(b"any")
    with pytest.raises(MissingDependencyError, match=r"pip install .*gaussforge"):
        imported(tmp_path / "room.spz", tmp_path / "world")


def test_moving_gaussians_there_and_back_changes_nothing(room, rng):
    sh = np.concatenate([room.sh, rng.normal(size=(len(room), 15, 3)) * 0.1], axis=1).astype(np.float32)
    full = Gaussians(room.means, room.quats_wxyz, room.scales, room.opacities, sh)
    there = moved_gaussians(full, TILT, 0.5, SHIFT)
    back = moved_gaussians(there, TILT.T, 2.0, -2.0 * TILT.T @ SHIFT)
    np.testing.assert_allclose(back.means, full.means, atol=2e-6)
    np.testing.assert_allclose(back.sh, full.sh, atol=1e-4)
    np.testing.assert_allclose(there.sh, rotate_sh(sh.astype(float), TILT), atol=1e-5)
    alike = np.abs((back.quats_wxyz * full.quats_wxyz).sum(axis=1))
    np.testing.assert_allclose(alike, 1, atol=1e-5)


def test_views_stand_in_free_space_over_the_floor(room):
    places = free_positions(room, count=5)
    assert len(places) >= 3
    assert (places[:, 2] == 1.2).all()
    low, high = box_room.BLOCK
    for x, y, _ in places:
        assert box_room.LOW[0] + 0.2 < x < box_room.HIGH[0] - 0.2
        assert box_room.LOW[1] + 0.2 < y < box_room.HIGH[1] - 0.2
        inside = low[0] - 0.2 < x < high[0] + 0.2 and low[1] - 0.2 < y < high[1] + 0.2
        assert not inside, "the block is lower than the eye, and still no place to stand"


def test_far_and_huge_gaussians_are_no_geometry(room):
    rng = np.random.default_rng(1)
    far = blob(rng, np.full((50, 3), 500.0), 0.1, 0.9)
    huge = blob(rng, room.means[:20], 5.0, 0.9)
    mask = solid_mask(concatenate([room, far, huge]))
    assert mask[: len(room)].mean() > 0.99
    assert not mask[len(room) :].any()
