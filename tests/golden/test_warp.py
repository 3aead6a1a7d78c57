# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Forward reprojection in reference mode against golden vectors of Lyra 2.0 (b_warp*.safetensors)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lyra_core.geometry import inverse, pixel_rays, project
from lyra_core.ops.reproject import Source, project_pixels, reliability_mask, reproject, splat_points
from lyra_core.types import Camera

ROOT = Path(os.environ.get("LYRA_GOLDEN", Path(__file__).resolve().parents[2] / "../shared/golden"))
FILES = sorted(ROOT.glob("**/b_warp*.safetensors"))
if not FILES:
    pytest.skip(f"no b_warp*.safetensors under {ROOT}; set LYRA_GOLDEN", allow_module_level=True)


def load(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(path)


def cases(kind: str) -> list:
    """(file, case) pairs; a case is known by the tensors that it holds, not by its name."""
    found = []
    for path in FILES:
        names = load(path)
        for case in sorted({k.split("/")[0] for k in names}):
            held = {k[len(case) + 1 :] for k in names if k.startswith(case + "/")}
            is_kind = {
                "single": "img_clean/rgb" in held,
                "batch": "rgb_first_target_alone" in held,
                "flow": "flow" in held,
                "points": "uvz" in held,
                "rays": "origin_dir" in held,
            }[kind]
            if is_kind:
                found.append(pytest.param(path, case, id=f"{path.stem}-{case}"))
    return found


def tensors(path: Path, case: str) -> dict[str, np.ndarray]:
    return {k[len(case) + 1 :]: v for k, v in load(path).items() if k.startswith(case + "/")}


def camera(w2c: np.ndarray, intrinsics: np.ndarray, size: tuple[int, int]) -> Camera:
    # Stored rotations are float32; the inverse of the full matrix keeps their rounding.
    pose = np.linalg.inv(w2c.astype(np.float64))
    return Camera(intrinsics.astype(np.float64), pose, size[1], size[0])


def torch_inverse(matrix: np.ndarray) -> np.ndarray:
    """The inverse whose last bits the golden masks depend on where coordinates are almost integers."""
    import torch

    return torch.linalg.inv(torch.from_numpy(np.ascontiguousarray(matrix))).numpy()


def image(chw: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(chw, 0, -1))


def check_image(got, rgb: np.ndarray, depth: np.ndarray, mask: np.ndarray, hole: float) -> None:
    """README of the golden set: 1e-3 where both masks are 1; masks differ on at most 0.5 % of the pixels."""
    want = mask.reshape(got.mask.shape) > 0
    assert (got.mask != want).mean() <= 0.005
    both = got.mask & want
    np.testing.assert_allclose(got.rgb[both], image(rgb)[both], atol=1e-3)
    np.testing.assert_allclose(got.depth[both], depth[both], atol=1e-3)
    holes = ~got.mask & ~want
    np.testing.assert_array_equal(got.rgb[holes], np.float32(hole))
    np.testing.assert_array_equal(image(rgb)[holes], np.float32(hole))
    np.testing.assert_array_equal(got.depth[holes], 0)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize(("path", "case"), cases("single"))
def test_a_single_view_warps_as_in_the_reference(path, case, device):
    t = tensors(path, case)
    depth = t["in_depth"][0]
    source_camera = camera(t["src_w2c"], t["src_K"], depth.shape)
    target = camera(t["dst_w2c"], t["dst_K"], depth.shape)
    rgb = image(t["in_rgb"])
    with np.errstate(invalid="ignore"):
        cleaned = np.clip(np.nan_to_num(depth, nan=1e4, posinf=1e4), 0, 1e4)
    for name, ratio, hole in (("img_clean", 0.05, -1.0), ("raw", None, 0.0)):
        valid = cleaned > 0
        if ratio is not None:
            valid &= reliability_mask(cleaned, ratio=ratio, compat="reference")
        source = Source(rgb, depth, valid, source_camera)
        got = reproject([source], target, device=device, compat="reference", hole=hole, inverse=torch_inverse)
        check_image(got, t[f"{name}/rgb"], t[f"{name}/depth"], t[f"{name}/mask"], hole)


@pytest.mark.parametrize(("path", "case"), cases("single"))
def test_reliability_masks_are_exact(path, case):
    t = tensors(path, case)
    cleaned = np.clip(np.nan_to_num(t["in_depth"][0], nan=1e4, posinf=1e4), 0, 1e4)
    for key, ratio in (("reliable_mask_005", 0.05), ("reliable_mask_015", 0.15)):
        got = reliability_mask(cleaned, ratio=ratio, compat="reference")
        np.testing.assert_array_equal(got, t[key][0] > 0)


@pytest.mark.parametrize(("path", "case"), cases("single"))
def test_target_coordinates_of_source_pixels_agree(path, case):
    t = tensors(path, case)
    depth = np.clip(np.nan_to_num(t["in_depth"][0], nan=1e4, posinf=1e4), 0, 1e4)
    uvz = project_pixels(
        camera(t["src_w2c"], t["src_K"], depth.shape), depth, camera(t["dst_w2c"], t["dst_K"], depth.shape),
        compat="reference", inverse=torch_inverse,
    )  # fmt: skip
    use = np.isfinite(uvz[..., 0]) & (uvz[..., 2] > 1e-2)
    want = image(t["coords"])
    assert use.any()
    # 1e-3 px, and float32 rounding of coordinates far outside the image.
    np.testing.assert_allclose(uvz[use][:, :2], want[use], atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize(("path", "case"), cases("batch"))
def test_merged_sources_share_the_depth_maximum_of_their_batch(path, case, device):
    t = tensors(path, case)
    size = t["in_depth"].shape[-2:]
    sources = []
    for i in range(len(t["in_depth"])):
        depth = t["in_depth"][i, 0]
        valid = reliability_mask(depth, compat="reference")
        sources.append(Source(image(t["in_rgb"][i]), depth, valid, camera(t["src_w2c"][i], t["src_K"], size)))
    targets = [camera(w, t["dst_K"], size) for w in t["dst_w2c"]]
    options = {"device": device, "compat": "reference", "hole": -1.0, "inverse": torch_inverse}
    alone = [reproject(sources, target, **options) for target in targets]
    shared = max(view.log_maximum for view in alone)
    for i, target in enumerate(targets):
        got = reproject(sources, target, log_maximum=shared, **options)
        check_image(got, t["rgb"][i], t["depth"][i], t["mask"][i], -1.0)
    first = image(t["rgb_first_target_alone"])
    both = alone[0].mask & (first != -1).any(axis=-1)
    np.testing.assert_allclose(alone[0].rgb[both], first[both], atol=1e-3)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize(("path", "case"), cases("flow"))
def test_a_direct_splat_is_exact(path, case, device):
    t = tensors(path, case)
    row, column = np.indices(t["depth"].shape[1:], dtype=np.float32)
    uvz = np.stack([column + t["flow"][0], row + t["flow"][1], t["depth"][0]], axis=-1)
    got = splat_points(
        image(t["in_rgb"]), uvz, t["mask"][0] > 0, row.shape, device=device, compat="reference", hole=-1.0
    )
    np.testing.assert_array_equal(got.mask, t["out_mask"][0] > 0)
    np.testing.assert_allclose(got.rgb[got.mask], image(t["out"])[got.mask], atol=1e-5)


@pytest.mark.parametrize(("path", "case"), cases("points"))
def test_points_project_as_in_the_reference(path, case):
    t = tensors(path, case)
    # uvz holds (u z, v z, z).
    pixel, z = project(t["world"].astype(np.float64), camera(t["w2c"], t["K"], t["uvz"].shape[:2]))
    front = z > 1e-2
    assert front.any()
    np.testing.assert_allclose(z, t["uvz"][..., 2], atol=1e-4)
    np.testing.assert_allclose(pixel[front], (t["uvz"][..., :2] / t["uvz"][..., 2:])[front], atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize(("path", "case"), cases("rays"))
def test_rays_start_at_the_camera_and_pass_pixel_centres(path, case):
    t = tensors(path, case)
    for pose, k, want in zip(t["c2w"], t["Kvec"], t["origin_dir"], strict=True):
        fx, fy, cx, cy = k
        height, width = want.shape[:2]
        view = Camera(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), inverse(inverse(pose)), width, height)
        rays = pixel_rays(view)
        rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True) @ view.world_from_camera[:3, :3].T
        np.testing.assert_allclose(want[..., :3], np.broadcast_to(view.center, rays.shape), atol=1e-5)
        np.testing.assert_allclose(want[..., 3:], rays, atol=1e-5)
