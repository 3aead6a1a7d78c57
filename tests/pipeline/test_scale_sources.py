# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Where a world's metres come from: each source by a real run of `lyra generate`, read back from every file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pxr import Usd
from typer.testing import CliRunner

from lyra_core.cli.main import app
from lyra_core.geometry import unproject
from lyra_core.usd import read_camera_path
from lyra_core.world import WorldFolder, read_manifest

SMALL = ["--set", "photo.pixels=12000", "--set", "build.flythrough=false", "--set", "build.triangles=3000"]


def generate(photo: Path, out: Path, *options: object, code: int = 0):
    words = ["generate", photo, "--out", out, "--frames", 2, "--no-check", "--device", "cpu", *SMALL, *options]
    done = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def photo(photos) -> Path:
    return next(p for p in photos if p.stem == "hall")


@pytest.fixture(scope="module")
def learned(tmp_path_factory, photo) -> Path:
    """A world that nobody measured: the depth model's own metres."""
    out = tmp_path_factory.mktemp("learned") / "world"
    generate(photo, out)
    return out


def first(world: Path):
    return WorldFolder.open(world).frames[0]


def assert_source(world: Path, source: str, *, guess: bool) -> None:
    """Manifest, report and stage tell the same."""
    view, page = read_manifest(world).seed_view, (world / "report.html").read_text()
    stage = Usd.Stage.Open(str(world / "world.usda"), Usd.Stage.LoadNone)
    prim = stage.GetDefaultPrim()
    data = prim.GetCustomDataByKey("lyra")
    assert (view["scale_source"], view["scale_is_a_guess"]) == (source, guess)
    assert (data["scale_source"], bool(data["scale_is_a_guess"])) == (source, guess)
    assert f"source: {source}" in page
    assert ("lyra rescale applies a measurement" in page) == guess
    assert ("lyra rescale" in (prim.GetMetadata("documentation") or "")) == guess
    assert any(note.startswith("scale guessed") for note in view["notes"]) == guess


def test_the_depth_model_s_own_metres_are_marked_as_a_guess_everywhere(learned):
    assert_source(learned, "depth", guess=True)


def test_a_user_factor_multiplies_every_metre_of_the_world(learned, photo, tmp_path):
    generate(photo, tmp_path / "w", "--scale", 1.7)
    before, after = first(learned), first(tmp_path / "w")
    # The floor is flattened by shares of its distance, so the whole map grows by the factor; files keep 14 bits.
    np.testing.assert_allclose(after.depth, 1.7 * before.depth, rtol=2e-4)
    assert after.camera.center[2] == pytest.approx(1.7 * before.camera.center[2], rel=1e-6)
    assert read_camera_path(tmp_path / "w").centers[0, 2] == pytest.approx(after.camera.center[2], abs=1e-5)
    assert_source(tmp_path / "w", "user factor", guess=False)


def test_a_user_factor_wins_over_every_other_source(learned, photo, tmp_path):
    generate(photo, tmp_path / "w", "--scale", 2, "--known-length", "100,500,900,500,9", "--camera-height", 4)
    assert first(tmp_path / "w").camera.center[2] == pytest.approx(2 * first(learned).camera.center[2], rel=1e-6)
    assert_source(tmp_path / "w", "user factor", guess=False)


def test_a_known_length_on_the_photo_wins_over_the_camera_height(learned, photo, tmp_path):
    """Two points on the floor, in pixels of the original photo, are as far apart as was said."""
    from lyra_core.generation.photo import load_photo

    frame = first(learned)
    rows, columns = frame.depth.shape
    ends = (rows - 6, columns // 4), (rows - 6, 3 * columns // 4)
    picture = load_photo(photo, area=12000)
    pixels = [
        ((v + 0.5) + cut) / picture.scale
        for row, column in ends
        for v, cut in zip((column, row), picture.offset, strict=True)
    ]
    generate(
        photo, tmp_path / "w", "--known-length", ",".join(f"{v:.4f}" for v in (*pixels, 3.0)), "--camera-height", 9
    )  # fmt: skip
    after = first(tmp_path / "w")
    points = unproject(after.depth, after.camera)
    assert np.linalg.norm(points[ends[0]] - points[ends[1]]) == pytest.approx(3.0, rel=0.05)
    assert_source(tmp_path / "w", "known length", guess=False)


def test_a_known_camera_height_is_the_height_of_the_first_camera(photo, tmp_path):
    generate(photo, tmp_path / "w", "--camera-height", 1.15)
    assert first(tmp_path / "w").camera.center[2] == pytest.approx(1.15, abs=1e-6)
    assert_source(tmp_path / "w", "camera height", guess=False)


def test_measured_depth_is_no_guess(learned, photo, tmp_path):
    np.save(tmp_path / "depth.npy", np.where(first(learned).depth > 0, first(learned).depth, np.inf))
    generate(photo, tmp_path / "w", "--depth", tmp_path / "depth.npy")
    assert_source(tmp_path / "w", "depth", guess=False)


def test_without_any_metres_the_camera_is_taken_to_be_at_eye_height(photo, tmp_path):
    generate(photo, tmp_path / "w", "--depth-model", "prior")
    assert first(tmp_path / "w").camera.center[2] == pytest.approx(1.5, abs=1e-6)
    assert_source(tmp_path / "w", "default camera height", guess=True)


def test_a_guess_that_was_measured_later_is_a_guess_no_longer(learned, tmp_path):
    import shutil

    world = Path(shutil.copytree(learned, tmp_path / "w"))
    words = ["rescale", str(world), "--camera-height", "1.3", "--device", "cpu", "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.strip().splitlines()[-1])["ok"]
    assert_source(world, "camera height", guess=False)


@pytest.mark.parametrize("factor", ["0", "-1", "2000", "nan"])
def test_an_impossible_factor_is_refused_before_anything_is_written(photo, tmp_path, factor):
    done = generate(photo, tmp_path / "w", "--scale", factor, code=2)
    assert "scale factor must be" in done.output
    assert not (tmp_path / "w").exists()
