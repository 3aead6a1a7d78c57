# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Coverage retrieval in reference mode against golden lists of Lyra 2.0 (c_retrieval*.safetensors)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from lyra_core.ops.coverage import STRIDE, View, greedy, make_view, most_owned, owner_counts
from lyra_core.ops.landings import pixel_landings
from lyra_core.ops.reproject import view_chain
from lyra_core.types import Camera

ROOT = Path(os.environ.get("LYRA_GOLDEN", Path(__file__).resolve().parents[2] / "../shared/golden"))
FILES = sorted(ROOT.glob("**/c_retrieval*.safetensors"))
if not FILES:
    pytest.skip(f"no c_retrieval*.safetensors under {ROOT}; set LYRA_GOLDEN", allow_module_level=True)


class Scene:
    """The cameras, depths and lists of one file."""

    def __init__(self, path: Path) -> None:
        from safetensors.numpy import load_file

        self.tensors = load_file(path)
        depth = self.tensors["depth"][:, 0]
        self.height, self.width = depth.shape[1:]
        self.views = [
            self.view(int(i), d, w)
            for i, d, w in zip(self.tensors["frame_ids"], depth, self.tensors["w2c"], strict=True)
        ]
        self.targets = [self.camera(w) for w in self.tensors["target_w2c"]]

    def camera(self, w2c: np.ndarray) -> Camera:
        return Camera(self.tensors["K"].astype(float), np.linalg.inv(w2c.astype(float)), self.width, self.height)

    def view(self, index: int, depth: np.ndarray, w2c: np.ndarray) -> View:
        # The reference keeps float32 points; fp16 would move some of them to other cells.
        return make_view(index, depth, self.camera(w2c), dtype=np.float32)

    def negative(self, count: int) -> list[View]:
        """The first views under the ids -1, -2, ... of pictures given by the user."""
        t = self.tensors
        return [self.view(-1 - i, t["depth"][i, 0], t["w2c"][i]) for i in range(count)]


SCENES = {path: Scene(path) for path in FILES}


def keys(prefix: str) -> list:
    return [
        pytest.param(path, key, id=f"{path.stem}-{key}")
        for path, scene in SCENES.items()
        for key in sorted(scene.tensors)
        if key.startswith(prefix) and not key.endswith("_scores")
    ]


def choose(views, targets, count, device, **options) -> list[int]:
    return [views[i].index for i in greedy(views, targets, count=count, compat="reference", device=device, **options)]


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize(("path", "key"), keys("greedy/"))
def test_greedy_lists_are_exact(path, key, device):
    scene = SCENES[path]
    want = scene.tensors[key][:, 1].tolist()
    if "multi_view" in key:
        everything = "all" in key
        # How many views it used is not recorded.
        counts = [len(scene.targets)] if everything else range(2, len(scene.targets) + 1)
        budget = int(re.search(r"_k(\d+)", key).group(1)) if everything else 5
        assert want in [choose(scene.views, scene.targets[:n], budget, device) for n in counts]
        return
    target = [scene.targets[int(re.match(r"greedy/t(\d+)", key).group(1))]]
    budget = int(match.group(1)) if (match := re.search(r"_k(\d+)", key)) else 5
    views, options = scene.views, {}
    if match := re.search(r"_skip(\d+)", key):
        views = views[: -int(match.group(1))]
    if match := re.search(r"_thr(\d)(\d+)", key):
        options["absolute"] = float(f"{match.group(1)}.{match.group(2)}")
    if "only_seed" in key:
        views = views[:1]
    if "negative_ids" in key:  # nor how many pictures the user gave; three in the first set
        given = [scene.negative(n) for n in range(1, len(views) + 1)]
        assert want in [choose(views, target, budget, device) for views in given]
        return
    assert choose(views, target, budget, device, **options) == want


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize(("path", "key"), keys("owner/"))
def test_owner_counts_and_their_lists_are_exact(path, key, device):
    scene = SCENES[path]
    match = re.match(r"owner/t(\d+)_k(\d+)", key)
    counts = owner_counts(scene.views, [scene.targets[int(match.group(1))]], device=device)
    want = scene.tensors[f"owner/t{match.group(1)}_scores"]
    assert np.abs(counts - want).max() <= 2  # README: two cells of tolerance on another BLAS
    chosen = most_owned(want.astype(np.int64), int(match.group(2)))
    assert [scene.views[i].index for i in chosen] == scene.tensors[key][:, 1].tolist()


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_points_without_depth_sit_at_the_world_origin(path):
    scene = SCENES[path]
    # Project the stored world points and compare them with where our matrices put the depth samples.
    name = next(key for key in scene.tensors if key.startswith("world_points_frame"))
    number = int(name.removeprefix("world_points_frame"))
    view, target = scene.views[number], scene.targets[0]
    small = scene.camera(scene.tensors["w2c"][number]).intrinsics / STRIDE
    small[2, 2] = 1
    source = Camera(small, view.camera.world_from_camera, view.depth.shape[1], view.depth.shape[0])
    landed = pixel_landings(view.depth, view_chain(source, target, "reference"))
    world = scene.tensors[name].astype(float)
    local = world @ target.camera_from_world[:3, :3].T + target.camera_from_world[:3, 3]
    np.testing.assert_allclose(landed, local @ target.intrinsics.T, atol=2e-3)  # 1e-5 m times the focal length
    empty = scene.tensors["zero_depth"][0, ::STRIDE, ::STRIDE] <= 0
    assert empty.any()
    np.testing.assert_array_equal(scene.tensors["world_points_zero_depth"][empty], 0)
