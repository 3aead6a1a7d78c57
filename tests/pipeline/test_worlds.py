# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Whole small worlds: what a user gets, resume after kill -9, extend, revert."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lyra_core.world import WorldFolder, digest_file, read_manifest
from tests.conftest import ROOT

SMALL = ["--set", "photo.pixels=24000", "--set", "build.triangles=20000", "--no-check"]
CONTENT = (
    "splats.ply",
    "mesh.glb",
    "collision.glb",
    "world.usda",
    "video.mp4",
    "flythrough.mp4",
    "frames/trajectory.npz",
    "frames/transforms.json",
    "frames/plan.npz",
    "navigation/map.png",
    "payload/collision.usdc",
    "payload/appearance.usdc",
)


def lyra(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "lyra_core.cli", *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def result_of(done: subprocess.CompletedProcess) -> dict:
    return json.loads(done.stdout.strip().splitlines()[-1])


def content(world: Path) -> dict[str, str]:
    names = [*CONTENT, *(p.relative_to(world).as_posix() for p in sorted((world / "frames").rglob("*.png")))]
    names += [p.relative_to(world).as_posix() for p in sorted((world / "frames").glob("chunk_*.npz"))]
    return {name: digest_file(world / name) for name in names}


@pytest.fixture(scope="module")
def small_world(tmp_path_factory, photos) -> Path:
    """17 frames of a committed photo, walked out and back."""
    out = tmp_path_factory.mktemp("small") / "world"
    done = lyra("generate", photos[0], "--out", out, "--path", "walk-and-return", "--frames", 17, *SMALL)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip().splitlines()) == 1, "stdout belongs to the JSON line"
    return out


def test_the_world_folder_holds_what_is_promised(small_world):
    for name in (*CONTENT, "report.html", "report.json", "manifest.json", "frames/captions.json"):
        assert (small_world / name).stat().st_size > 0, name
    manifest = read_manifest(small_world)
    for name, digest in manifest.outputs.items():
        if name != "built_from":
            assert digest_file(small_world / name) == digest, name
    world = WorldFolder.open(small_world)
    assert world.is_built
    assert world.frame_count == 17
    assert manifest.seed_view["scale_source"]
    assert not list(small_world.rglob(".part-*"))


def test_the_report_stands_alone(small_world):
    html = (small_world / "report.html").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", html)
    assert "@import" not in html
    assert html.count("data:image/") > 8
    figures = json.loads((small_world / "report.json").read_text())
    assert figures["flythrough_psnr_db"]["mean"] > 20


def test_frame_zero_is_the_photo_and_owns_itself(small_world):
    frame = WorldFolder.open(small_world).frames[0]
    assert frame.owned.all()
    assert frame.camera.center[2] > 0.2
    assert np.allclose(frame.camera.center[:2], 0, atol=1e-6)


def test_same_seed_same_bytes(small_world, tmp_path, photos):
    done = lyra("generate", photos[0], "--out", tmp_path / "w", "--path", "walk-and-return", "--frames", 17, *SMALL)
    assert done.returncode == 0, done.stderr
    assert content(tmp_path / "w") == content(small_world)


def test_extend_adds_frames_and_revert_takes_them_back(small_world, tmp_path):
    import shutil

    copy = tmp_path / "world"
    shutil.copytree(small_world, copy)
    before = content(copy)
    done = lyra("extend", copy, "--path", "look-around", "--frames", 5)
    assert done.returncode == 0, done.stderr
    world = WorldFolder.open(copy)
    assert world.frame_count == 21
    assert [s.path for s in world.manifest.segments] == ["walk-and-return", "look-around"]
    kept = {k: v for k, v in content(copy).items() if k.startswith("frames/rgb/") and k in before}
    assert all(before[k] == v for k, v in kept.items()), "extend must not touch finished frames"
    done = lyra("revert", copy)
    assert done.returncode == 0, done.stderr
    assert content(copy) == before
    assert lyra("revert", copy).returncode == 2


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bytes(tmp_path, photos):
    options = [
        "--path",
        "walk",
        "--frames",
        101,
        "--set",
        "photo.pixels=9000",
        "--set",
        "build.triangles=5000",
        "--no-check",
    ]
    whole = lyra("generate", photos[0], "--out", tmp_path / "whole", *options)
    assert whole.returncode == 0, whole.stderr
    broken = tmp_path / "broken"
    for stop_at in (1, 2):  # while the first chunk is made, and while the second one is
        command = [sys.executable, "-m", "lyra_core.cli", "generate", photos[0], "--out", broken, *options, "--resume"]
        process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            file = broken / "manifest.json"
            if file.is_file() and len(json.loads(file.read_text())["chunks"]) >= stop_at:
                time.sleep(0.4)
                break
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert len(read_manifest(broken).chunks) < 3, "the run must be killed before it is done"
    done = lyra("generate", photos[0], "--out", broken, *options, "--resume")
    assert done.returncode == 0, done.stderr
    assert result_of(done)["ok"]
    assert content(broken) == content(tmp_path / "whole")


def test_resume_refuses_another_photo(small_world, photos, tmp_path):
    assert len(photos) > 1
    done = lyra("generate", photos[1], "--out", small_world, "--resume")
    assert done.returncode == 2
    assert "another photo" in result_of(done)["error"]["what"]
