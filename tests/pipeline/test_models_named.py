# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever model made a world, its manifest, its report page and the figures beside it name it."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest
from PIL import Image

from lyra_core.cli.main import main
from lyra_core.models.depth.weights import WEIGHTS_FILE as DEPTH_FILE
from lyra_core.models.depth.weights import default_folder as depth_folder
from lyra_core.models.video.embedded.weights import WEIGHTS_FILE as VIDEO_FILE
from lyra_core.models.video.embedded.weights import default_folder as video_folder
from lyra_core.world import read_manifest

CASES = (("reproject", "prior"), ("embedded", "embedded"))


def _photo(folder):
    """A tiled floor below a wall: enough for every depth model to lay something out."""
    rows, columns = np.mgrid[0:96, 0:160]
    tiles = ((columns // 10 + rows // 6) % 2)[..., None]
    floor = np.where(tiles, [150, 120, 90], [110, 90, 70])
    wall = np.stack([200 - rows // 4, 190 - columns // 8, 180 + 0 * rows], axis=-1)
    picture = np.where((rows > 55)[..., None], floor, wall)
    Image.fromarray(picture.astype(np.uint8)).save(folder / "photo.png")
    return folder / "photo.png"


def _cells(page: str, name: str) -> list[str]:
    """What stands beside a name in the page's tables."""
    found = re.search(rf"<t[dh]>{name}</t[dh]>(.*?)</tr>", page, re.DOTALL)
    return re.findall(r"<t[dh]>(.*?)</t[dh]>", found.group(1), re.DOTALL) if found else []


@pytest.mark.parametrize(("video", "depth"), CASES)
def test_the_models_used_stand_in_the_manifest_the_page_and_the_figures(tmp_path, video, depth):
    world = tmp_path / "world"
    words = ["generate", str(_photo(tmp_path)), "--out", str(world), "--model", video, "--depth-model", depth]
    words += ["--path", "dolly", "--preset", "quick", "--device", "cpu", "--no-check", "--fov", "60", "--json"]
    for setting in ("path.frames=3", "build.triangles=4000", "photo.pixels=15360", "build.flythrough=false"):
        words += ["--set", setting]
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code in (0, 1), "made, whatever the check of so small a world says"
    models = read_manifest(world).models
    assert (models["video"], models["depth"]) == (video, depth)
    page = (world / "report.html").read_text()
    assert _cells(page, "video model")[0] == video
    assert _cells(page, "depth model")[0] == depth
    assert json.loads((world / "report.json").read_text())["models"] == models
    files = {"video": (video, video_folder() / VIDEO_FILE), "depth": (depth, depth_folder() / DEPTH_FILE)}
    for kind, (name, path) in files.items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if name == "embedded" else None
        assert models.get(f"{kind}_weights_sha256") == digest
        assert (digest is None) == (len(_cells(page, f"{kind} model")) < 2 or not _cells(page, f"{kind} model")[1])
        if digest is not None:
            assert digest[:16] in _cells(page, f"{kind} model")[1]
