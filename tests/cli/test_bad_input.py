# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that can be refused is refused before work, with what, got and do, and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lyra_core.cli.main import main


@pytest.fixture
def photo(tmp_path, rng) -> Path:
    image = cv2.GaussianBlur(rng.integers(0, 255, (300, 400, 3), np.uint8), (0, 0), 5)
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), image)
    return path


def run(capsys, *arguments: object) -> tuple[int, dict, str]:
    with pytest.raises(SystemExit) as stop:
        main([*map(str, arguments), "--json"])
    out = capsys.readouterr()
    return int(stop.value.code or 0), json.loads(out.out.strip().splitlines()[-1]), out.err


def refused(capsys, tmp_path, *arguments: object, says: str) -> None:
    out = tmp_path / "world"
    code, result, err = run(capsys, "generate", *arguments, "--out", out)
    assert code == 2, err
    assert result["ok"] is False
    text = " ".join(str(v) for v in result["error"].values())
    assert says.lower() in text.lower(), text
    assert result["error"]["do"], "an error must say what to do"
    assert not out.exists(), "nothing may be written before the input is checked"


def test_a_missing_photo(capsys, tmp_path):
    refused(capsys, tmp_path, tmp_path / "none.jpg", says="none.jpg")


def test_a_truncated_photo(capsys, tmp_path, photo):
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes()[:2000])
    refused(capsys, tmp_path, broken, says="broken.png")


def test_a_text_file_as_photo(capsys, tmp_path):
    (tmp_path / "x.jpg").write_text("not a picture")
    refused(capsys, tmp_path, tmp_path / "x.jpg", says="x.jpg")


def test_a_one_pixel_photo(capsys, tmp_path):
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((1, 1, 3), np.uint8))
    refused(capsys, tmp_path, tmp_path / "one.png", says="1")


def test_a_photo_of_40000_pixels(capsys, tmp_path):
    cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((2, 40000, 3), np.uint8))
    refused(capsys, tmp_path, tmp_path / "wide.png", says="40")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--frames", "-80"), "frames"),
        (("--frames", "0"), "frames"),
        (("--path", "wlk"), "walk"),
        (("--model", "reprojct"), "Did you mean 'reproject'"),
        (("--depth-model", "prio"), "Did you mean 'prior'"),
        (("--preset", "quik"), "Did you mean 'quick'"),
        (("--set", "path.frmes=3"), "Did you mean 'path.frames'"),
        (("--memory", "cloud"), "global_cloud"),
        (("--fov", "500"), "fov"),
        (("--camera-height", "-1"), "camera"),
        (("--device", "cuda:7"), "device"),
        (("--known-length", "1,2,3"), "known-length"),
        (("--depth", "missing.npy"), "missing.npy"),
        (("--path", "missing.npz"), "missing.npz"),
        (("--clearance", "-1"), "clearance"),
        (("--strength", "-1"), "strength"),
        (("--seed", "-1"), "seed"),
    ],
)
def test_bad_options(capsys, tmp_path, photo, options, says):
    refused(capsys, tmp_path, photo, *options, says=says)


def lyra_path(folder: Path, **change: object) -> Path:
    n = 9
    poses = np.tile(np.eye(4, dtype=np.float32), (n, 1, 1))
    poses[:, 2, 3] = -0.02 * np.arange(n)
    k = np.tile(np.array([[400, 0, 200], [0, 400, 150], [0, 0, 1]], np.float32), (n, 1, 1))
    data = {"w2c": poses, "intrinsics": k, "image_height": np.int64(300), "image_width": np.int64(400), **change}
    file = folder / "trajectory.npz"
    np.savez(file, **{key: value for key, value in data.items() if value is not None})
    return file


def test_paths_that_cannot_be_used(capsys, tmp_path, photo):
    good = np.load(lyra_path(tmp_path))["w2c"]
    nan, sheared, elsewhere = good.copy(), good.copy(), good.copy()
    nan[3, 0, 3] = np.nan
    sheared[4, 0, 1] = 0.4
    elsewhere[:, 0, 3] += 1.0
    for change, says in (
        ({"w2c": nan}, "finite"),
        ({"w2c": sheared}, "rigid"),
        ({"w2c": elsewhere}, "start"),
        ({"w2c": None}, "w2c"),
        ({"image_width": None}, "image_width"),
        ({"intrinsics": np.zeros((9, 3, 3), np.float32)}, "focal"),
    ):
        refused(capsys, tmp_path, photo, "--path", lyra_path(tmp_path, **change), says=says)


def test_an_output_folder_in_use(capsys, tmp_path, photo):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("x")
    code, result, _ = run(capsys, "generate", photo, "--out", out)
    assert code == 2
    assert "not empty" in result["error"]["what"]
    assert [p.name for p in out.iterdir()] == ["thesis.tex"]


def test_commands_on_a_folder_that_is_no_world(capsys, tmp_path):
    for command in (["check"], ["extend", "--path", "orbit"], ["revert"], ["rebuild"]):
        code, result, _ = run(capsys, command[0], tmp_path, *command[1:])
        assert code == 2
        assert "not a world" in result["error"]["what"]


def test_unknown_options_and_commands_are_json_too(capsys):
    code, result, _ = run(capsys, "generate", "--nonsense")
    assert code == 2
    assert result["error"]["type"] == "UsageError"
