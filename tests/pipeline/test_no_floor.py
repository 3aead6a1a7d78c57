# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A photo over an abyss: a world is made, it says that it has no floor, and no robot is set down in it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lyra_core.cli.main import main
from lyra_core.errors import LyraError
from lyra_core.pipeline.drive import drive
from lyra_core.usd import read_collision_tiles, validate
from lyra_core.world import read_manifest

SIZE = (160, 96)


def _abyss(folder):
    """A wall 6 m ahead that fills the picture to the bottom: a photo and its exact depth."""
    from PIL import Image

    rng = np.random.default_rng(3)
    texture = rng.integers(60, 200, (12, 20, 3), dtype=np.uint8)
    picture = np.kron(texture, np.ones((8, 8, 1), np.uint8))
    picture[:, ::8] = 40  # upright lines: gravity is known
    Image.fromarray(picture).save(folder / "abyss.png")
    np.save(folder / "abyss.npy", np.full(SIZE[::-1], 6.0, np.float32))
    return folder / "abyss.png", folder / "abyss.npy"


def _run(words):
    with pytest.raises(SystemExit) as left:
        main(words)
    return left.value.code


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Exit code, and the world that the command made."""
    folder = tmp_path_factory.mktemp("abyss")
    photo, depth = _abyss(folder)
    words = ["generate", str(photo), "--out", str(folder / "world"), "--depth", str(depth), "--fov", "60"]
    words += ["--model", "reproject", "--path", "dolly", "--preset", "quick", "--device", "cpu", "--json"]
    words += ["--set", "path.frames=3", "--set", "build.triangles=4000", "--set", f"photo.pixels={SIZE[0] * SIZE[1]}"]
    words += ["--set", "build.flythrough=false"]
    return _run(words), folder / "world"


def test_the_world_is_made_and_says_that_it_has_no_floor(made):
    code, world = made
    assert code == 1  # made, but no world for a robot
    seen = read_manifest(world).seed_view
    assert seen["floor_found"] is False
    assert seen["floor_method"] == "lowest points"
    assert any("no floor" in note for note in seen["notes"])
    report = json.loads((world / "report.json").read_text())
    assert report["summary"]["floor"].startswith("NONE FOUND")
    assert report["physx"]["why"] == "the world has no floor"
    assert "this world has no floor" in (world / "report.html").read_text()


def test_nothing_is_free_and_nothing_is_spawned(made):
    _, world = made
    assert json.loads((world / "navigation" / "spawn.json").read_text()) == []
    layers = np.load(world / "navigation" / "layers.npz")
    assert not layers["reachable"].any()
    assert not any("floor" in line for line in _labels(world))
    assert validate(world).errors == 0
    assert len(read_collision_tiles(world)) > 0


def _labels(world):
    from pxr import Usd

    stage = Usd.Stage.Open(str(world / "world.usda"))
    assert not stage.GetPrimAtPath("/World/Collision/ground")  # nothing pretends to be ground
    assert not stage.GetPrimAtPath("/World/Spawn/spawn_0")
    assert stage.GetPrimAtPath("/World").GetCustomDataByKey("lyra")["floor_found"] is False
    found = [p.GetAttribute("semantics:labels:class") for p in stage.Traverse()]
    return [label for a in found if a and a.HasValue() for label in a.Get()]


def test_check_and_drive_say_so(made, capsys):
    _, world = made
    capsys.readouterr()
    assert _run(["check", str(world)]) == 1
    said = capsys.readouterr()
    assert "no floor" in said.out + said.err
    with pytest.raises(LyraError, match="no floor"):
        list(drive(world, random=2, video=False))
    assert _run(["drive", str(world), "--random", "2", "--json"]) == 2
