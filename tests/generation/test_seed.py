# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Photos that must be refused or converted, and the level metric view that comes of the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lyra_core.errors import InputError, LyraError, ModelError
from lyra_core.generation.floor import fit_floor, level_pose, pitch_roll
from lyra_core.generation.photo import cover_crop, frame_size, load_photo
from lyra_core.generation.seed import SeedOptions, make_seed, seed_from_photo
from lyra_core.geometry.projection import intrinsics_from_fov, unproject
from lyra_core.models.depth.file import FileDepth, read_depth
from lyra_core.models.depth.horizon import up_from_angles
from lyra_core.models.protocols import DepthEstimate
from lyra_core.types import Camera


def _save(folder, name="photo.png", size=(320, 192), mode="RGB", **options):
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)
    path = folder / name
    image.save(path, **options)
    return path


class RoomDepth:
    """Exact depth of a floor and a wall 6 m ahead, for a camera 1.2 m up that looks 10° down; unit: half metres."""

    name = "room"
    pitch, height, unit = -10.0, 1.2, 2.0

    def estimate(self, rgb, *, intrinsics, sky=None):
        up = up_from_angles(self.pitch, 0.0)
        h, w = rgb.shape[:2]
        x, y = np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)
        rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(intrinsics).T
        drop = -(rays @ up)
        ahead = np.array([0, 0, 1.0]) - up * up[2]
        wall = 6.0 / (rays @ (ahead / np.linalg.norm(ahead)))
        depth = np.where(drop > 1e-6, np.minimum(self.height / np.maximum(drop, 1e-6), wall), wall) * self.unit
        return DepthEstimate(depth.astype(np.float32), np.zeros((h, w), bool), kind="scale", up=up)


def test_the_working_size_keeps_the_aspect_and_is_a_multiple_of_16():
    assert frame_size(1280, 720) == (848, 480)
    for size in [(640, 427), (3000, 4000), (1000, 1000), (1248, 720)]:
        w, h = frame_size(*size)
        assert w % 16 == 0
        assert h % 16 == 0
        assert 0.9 < w * h / (832 * 480) < 1.1
        assert abs(w / h / (size[0] / size[1]) - 1) < 0.04  # half a step of 16 on the shorter side of about 500


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda d: d / "none.jpg", "does not exist"),
        (lambda d: d, "folder"),
        (lambda d: _write(d / "a.jpg", b"not a picture"), "not a picture"),
        (lambda d: _write(d / "cut.jpg", _save(d, "whole.jpg").read_bytes()[:4000]), "cut off"),
        (lambda d: _save(d, size=(1, 1)), "at least 64"),
        (lambda d: _save(d, size=(300, 63)), "at least 64"),
        (lambda d: _save(d, size=(700, 100)), "three times"),
        (lambda d: _huge(d / "huge.png", 40000, 40000), "too large"),
        (lambda d: _huge(d / "wide.png", 40000, 200), "too large"),
        (lambda d: _animated(d / "a.gif"), "still"),
    ],
)
def test_a_photo_that_cannot_work_is_refused_with_advice(tmp_path, make, words):
    with pytest.raises(InputError, match=words) as caught:
        load_photo(make(tmp_path))
    assert caught.value.do


def _write(path, data):
    path.write_bytes(data)
    return path


def _huge(path, width, height):
    """A PNG header of this size with next to no data."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _write(
        path, b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def _animated(path):
    frames = [Image.new("RGB", (128, 96), (i * 60, 0, 0)) for i in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


@pytest.mark.parametrize(
    ("mode", "name", "word"),
    [("CMYK", "a.jpg", "CMYK"), ("L", "a.png", "grey"), ("P", "a.png", "palette"), ("RGBA", "a.png", "transparent")],
)
def test_other_colour_modes_are_converted_and_said_so(tmp_path, mode, name, word):
    photo = load_photo(_save(tmp_path, name, mode=mode))
    assert photo.rgb.shape[2] == 3
    assert any(word in note for note in photo.notes)


def test_sixteen_bit_pictures_are_reduced_and_said_so(tmp_path):
    ramp = np.linspace(0, 65535, 320 * 192).reshape(192, 320).astype(np.uint16)
    path = tmp_path / "deep.png"
    Image.fromarray(ramp).save(path)
    photo = load_photo(path)
    assert any("16 bits" in note for note in photo.notes)
    assert photo.rgb[0].max() < 0.05
    assert photo.rgb[-1].min() > 0.95


def test_a_plain_photo_needs_no_notes(tmp_path):
    assert load_photo(_save(tmp_path, size=(832, 480))).notes == ()


@pytest.mark.parametrize("size", [(1280, 720), (200, 360), (392, 200), (333, 777), (1919, 1081), (1000, 664)])
def test_a_photo_of_any_size_is_loaded(tmp_path, size):
    photo = load_photo(_save(tmp_path, size=size))
    assert photo.rgb.shape[:2] == frame_size(*size, 832 * 480)[::-1]
    assert min(photo.offset) >= 0


@given(width=st.integers(64, 4000), ratio=st.floats(0.34, 2.9))
def test_the_cut_lies_within_the_photo(width, ratio):
    size = (width, max(64, round(width / ratio)))
    target = frame_size(*size, 832 * 480)
    scale, offset = cover_crop(size, target)
    assert min(offset) >= 0
    for own, cut, wanted in zip(size, offset, target, strict=True):
        assert cut + wanted <= own * scale + 1e-6


def test_exif_turns_the_photo_upright_and_gives_the_focal_length(tmp_path):
    image = Image.new("RGB", (400, 300))
    exif = image.getexif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[41989] = 28
    path = tmp_path / "turned.jpg"
    image.save(path, exif=exif)
    photo = load_photo(path)
    assert photo.height > photo.width
    # 35 mm equivalents compare diagonals: 28 mm on a 43.27 mm diagonal.
    assert photo.exif_focal == pytest.approx(28 / 43.2666 * 500 * photo.scale, rel=1e-4)
    assert seed_from_photo(path).focal_source == "exif"


@given(pitch=st.floats(-60, 60), roll=st.floats(-30, 30), height=st.floats(0.1, 10))
def test_the_level_pose_puts_gravity_on_z_and_the_camera_over_the_origin(pitch, roll, height):
    up = up_from_angles(pitch, roll)
    pose = level_pose(up, height)
    np.testing.assert_allclose(pose[:3, :3] @ up, [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(pose[:3, 3], [0, 0, height])
    assert abs(pose[0, 2]) < 1e-9  # looks along +y
    assert pose[1, 2] > 0
    assert pitch_roll(up)[0] == pytest.approx(pitch, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(pitch=st.floats(-35, 0), roll=st.floats(-5, 5), height=st.floats(0.3, 3), seed=st.integers(0, 99))
def test_a_floor_is_found_among_walls(pitch, roll, height, seed):
    rng = np.random.default_rng(seed)
    up = up_from_angles(pitch, roll)
    pose = level_pose(up, height)
    ground = np.column_stack([rng.uniform(-3, 3, 800), rng.uniform(1, 8, 800), np.zeros(800)])
    wall = np.column_stack([rng.uniform(-3, 3, 500), np.full(500, 8.0), rng.uniform(0, 3, 500)])
    world = np.concatenate([ground, wall]) + rng.normal(0, 0.004, (1300, 3))
    points = (world - pose[:3, 3]) @ pose[:3, :3]
    found = fit_floor(points, up_from_angles(-5, 0) if abs(pitch) < 20 else up, rng)
    assert found is not None
    assert np.degrees(np.arccos(np.clip(found.up @ up, -1, 1))) < 1.0  # promise: gravity within 1°
    assert found.height == pytest.approx(height, rel=0.03)


class WavyRoom(RoomDepth):
    """As RoomDepth, with the waves that learned depth has: 5 % of the depth, half a metre to two metres long."""

    def estimate(self, rgb, *, intrinsics, sky=None):
        exact = super().estimate(rgb, intrinsics=intrinsics, sky=sky)
        y, x = np.mgrid[: rgb.shape[0], : rgb.shape[1]]
        waves = np.sin(x / 17.0 + 2 * np.sin(y / 23.0)) * np.cos(y / 9.0) + 0.5 * np.sin((x + y) / 31.0)
        return DepthEstimate(
            (exact.depth * (1 + 0.05 * waves)).astype(np.float32), exact.sky, kind=exact.kind, up=exact.up
        )


def test_a_wavy_floor_is_the_whole_floor_and_not_a_scrap_of_it(tmp_path):
    options = SeedOptions(fov=60, camera_height=1.2)
    seed = make_seed(load_photo(_save(tmp_path)), WavyRoom(), options, np.random.default_rng(0))
    assert seed.floor_inliers > 0.3
    assert abs(seed.pitch_deg - RoomDepth.pitch) < 3.0
    assert abs(seed.roll_deg) < 3.0


class LeaningRoom(WavyRoom):
    """As WavyRoom; depth grows from left to right, which makes its floor lean by about ten degrees. `up` is true."""

    def estimate(self, rgb, *, intrinsics, sky=None):
        wavy = super().estimate(rgb, intrinsics=intrinsics, sky=sky)
        grown = np.linspace(0.8, 1.25, rgb.shape[1], dtype=np.float32)
        return DepthEstimate(wavy.depth * grown, wavy.sky, kind=wavy.kind, up=wavy.up)


def test_a_bent_floor_does_not_outvote_the_up_of_the_depth_model(tmp_path):
    seed = make_seed(load_photo(_save(tmp_path)), LeaningRoom(), SeedOptions(fov=60), np.random.default_rng(0))
    assert abs(seed.roll_deg) < 4.0
    assert abs(seed.pitch_deg - RoomDepth.pitch) < 4.0


def test_a_known_length_sets_the_scale(tmp_path):
    path = _save(tmp_path, size=(832, 480))
    photo = load_photo(path)
    free = make_seed(photo, RoomDepth(), SeedOptions(fov=60), np.random.default_rng(0))
    points = unproject(free.depth, free.camera)
    a, b = (100, 440), (700, 440)
    truth = float(np.linalg.norm(points[440, 100] - points[440, 700])) * RoomDepth.height / free.camera_height
    known = SeedOptions(fov=60, known_length=(a[0] + 0.5, a[1] + 0.5, b[0] + 0.5, b[1] + 0.5, truth))
    seed = make_seed(photo, RoomDepth(), known, np.random.default_rng(0))
    assert seed.scale_source == "known length"
    assert seed.camera_height == pytest.approx(RoomDepth.height, rel=0.05)  # the promise for known lengths
    assert seed.scale_confidence > free.scale_confidence


def test_the_floor_lies_at_zero_and_the_camera_height_is_kept(tmp_path):
    options = SeedOptions(fov=60, camera_height=1.2)
    seed = make_seed(load_photo(_save(tmp_path)), RoomDepth(), options, np.random.default_rng(0))
    points = unproject(seed.depth, seed.camera)
    bottom = points[-40:, :, 2]
    assert np.abs(bottom).max() < 0.02
    assert seed.camera_height == pytest.approx(1.2)
    assert seed.pitch_deg == pytest.approx(-10, abs=0.5)
    assert seed.frame().owned.all()


def test_an_unknown_scale_is_marked_as_a_guess(tmp_path):
    seed = seed_from_photo(_save(tmp_path))
    assert seed.scale_source == "default camera height"
    assert seed.scale_confidence < 0.5
    assert any("guessed" in note for note in seed.notes)


@pytest.mark.parametrize(
    "options",
    [
        {"fov": 5.0}, {"fov": 151.0}, {"fov": float("nan")}, {"camera_height": 0.0}, {"camera_height": -1.0},
        {"known_length": (0, 0, 10, 10, 0.0)}, {"known_length": (0, 0, float("inf"), 10, 1.0)},
    ],
)  # fmt: skip
def test_impossible_options_are_refused(options):
    with pytest.raises(InputError):
        SeedOptions(**options)


@pytest.mark.parametrize("points", [(0, 0, 5000, 0, 1.0), (10, 10, 10, 10, 1.0)])
def test_known_points_must_lie_apart_and_inside(tmp_path, points):
    options = SeedOptions(known_length=points)
    with pytest.raises(InputError, match="known length"):
        make_seed(load_photo(_save(tmp_path)), RoomDepth(), options, np.random.default_rng(0))


def test_the_same_photo_gives_the_same_bytes(photos):
    a, b = (seed_from_photo(photos[0], rng=np.random.default_rng(3)) for _ in range(2))
    assert a.depth.tobytes() == b.depth.tobytes()
    assert a.rgb.tobytes() == b.rgb.tobytes()


def test_every_committed_photo_gives_a_walkable_layout(photos):
    for path in photos:
        seed = seed_from_photo(path, depth="prior")
        assert np.isfinite(seed.depth).all()
        assert ((seed.depth > 0) | seed.sky).all()
        z = unproject(seed.depth, seed.camera)[..., 2][~seed.sky]
        assert (np.abs(z) < 0.02).mean() > 0.1, path.name  # some flat floor
        assert np.percentile(z, 1) > -0.3, path.name  # nothing to speak of lies below it


def _write_exr(path, depth):
    """Two float channels (A first, then Z) in ZIP blocks of 16 lines, as the layout on openexr.com says."""
    import struct
    import zlib

    h, w = depth.shape

    def attribute(name, kind, value):
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value

    one = struct.pack("<iiii", 2, 0, 1, 1)
    box = struct.pack("<iiii", 0, 0, w - 1, h - 1)
    head = struct.pack("<ii", 20000630, 2)
    head += attribute("channels", "chlist", b"A\0" + one + b"Z\0" + one + b"\0")
    head += attribute("compression", "compression", b"\3") + attribute("dataWindow", "box2i", box)
    head += attribute("displayWindow", "box2i", box) + attribute("lineOrder", "lineOrder", b"\0") + b"\0"
    blocks = []
    for y in range(0, h, 16):
        rows = [np.concatenate([np.zeros(w, "<f4"), r.astype("<f4")]) for r in depth[y : y + 16]]
        raw = np.frombuffer(np.concatenate(rows).tobytes(), np.uint8)
        split = np.concatenate([raw[0::2], raw[1::2]]).astype(np.int64)
        split[1:] = (split[1:] - split[:-1] + 128) % 256
        data = zlib.compress(split.astype(np.uint8).tobytes())
        blocks.append(struct.pack("<ii", y, len(data)) + data)
    at, table = len(head) + 8 * len(blocks), b""
    for block in blocks:
        table += struct.pack("<Q", at)
        at += len(block)
    path.write_bytes(head + table + b"".join(blocks))


@pytest.mark.parametrize("suffix", ["npy", "npz", "png", "exr"])
def test_depth_files_round_trip_in_their_unit(tmp_path, suffix):
    import cv2

    truth = np.linspace(1.0, 9.0, 192 * 320).reshape(192, 320).astype(np.float32)
    path = tmp_path / f"d.{suffix}"
    unit, tolerance = "m", 1e-6
    if suffix == "npy":
        np.save(path, truth)
    elif suffix == "npz":
        np.savez(path, depth=truth * 100)
        unit = "cm"
    elif suffix == "png":
        cv2.imwrite(str(path), np.round(truth * 1000).astype(np.uint16))
        unit, tolerance = "mm", 6e-4  # a millimetre step
    else:
        _write_exr(path, truth)
    np.testing.assert_allclose(read_depth(path, unit=unit), truth, atol=tolerance, rtol=1e-6)


def test_a_depth_file_may_be_in_any_metres_per_unit(tmp_path):
    path = tmp_path / "d.npy"
    np.save(path, np.full((50, 50), 4.0))
    np.testing.assert_allclose(read_depth(path, unit="0.25"), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("array", "unit", "words"),
    [
        (np.ones((50, 50)), "0", "unit"), (np.ones((50, 50)), "-2", "unit"), (np.ones((50, 50)), "inf", "unit"),
        (np.ones((4, 5, 6)), "m", "shape"), (np.full((50, 50), np.nan), "m", "NaN"), (-np.ones((50, 50)), "m", "negative"),
        (np.zeros((50, 50)), "m", "empty"), (np.ones((50, 50)), "furlong", "unit"),
    ],
)  # fmt: skip
def test_bad_depth_files_are_refused(tmp_path, array, unit, words):
    path = tmp_path / "d.npy"
    np.save(path, array)
    with pytest.raises(InputError, match=words):
        read_depth(path, unit=unit)


def test_a_depth_file_of_another_aspect_is_refused(tmp_path):
    path = tmp_path / "d.npy"
    np.save(path, np.ones((100, 100)))
    with pytest.raises(InputError, match="aspect"):
        seed_from_photo(_save(tmp_path), depth_file=path)
    with pytest.raises(ModelError):
        FileDepth()


def test_a_metric_depth_file_levels_and_scales_the_world(tmp_path):
    path = _save(tmp_path, size=(832, 480))
    model = RoomDepth()
    exact = model.estimate(np.zeros((480, 832, 3)), intrinsics=intrinsics_from_fov(60, 832, 480)).depth / model.unit
    np.save(tmp_path / "d.npy", exact)
    seed = seed_from_photo(path, depth_file=tmp_path / "d.npy", options=SeedOptions(fov=60))
    assert seed.scale_source == "depth"
    assert seed.camera_height == pytest.approx(model.height, rel=0.03)
    assert seed.pitch_deg == pytest.approx(model.pitch, abs=1.0)
    assert isinstance(seed.camera, Camera)


def test_every_error_of_the_seed_is_a_lyra_error(tmp_path):
    with pytest.raises(LyraError):
        seed_from_photo(tmp_path / "nothing.png")
