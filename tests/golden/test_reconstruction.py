# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Depth scale, Sim(3), pieces and ownership against the reference (golden/trajectories: depth_scale, recon)."""

import json

import numpy as np
import pytest

from lyra_core.errors import InputError
from lyra_core.geometry import inverse, matrix_from_quat
from lyra_core.models.depth.alignment import reference_scale, robust_scale
from lyra_core.reconstruction.chunked import (
    Similarity,
    depth_window,
    fit_similarity,
    inverse_depth_weights,
    join_chunk,
    owned_points,
    split_chunks,
    spread_frames,
    uniform_chunks,
)


@pytest.fixture(scope="module")
def recon(golden):
    folder = golden / "trajectories"
    return json.loads((folder / "recon_index.json").read_text()), np.load(folder / "recon.npz")


@pytest.fixture(scope="module")
def scales(golden):
    folder = golden / "trajectories"
    return json.loads((folder / "depth_scale_index.json").read_text()), np.load(folder / "depth_scale.npz")


def centers(w2c):
    return inverse(w2c)[:, :3, 3]


def test_the_depth_scale_is_the_references(scales):
    index, arrays = scales
    for case in index:
        da3, moge, valid = (arrays[f"{case['key']}_{name}"] for name in ("da3", "moge", "valid"))
        found = reference_scale(da3, moge, valid)
        assert (found is None) == (case["scale"] is None)
        out = da3 if found is None else da3 / np.float32(found)
        assert np.allclose(out, arrays[f"{case['key']}_out"], rtol=2e-6)


def test_our_scale_agrees_on_clean_depth_and_is_not_moved_by_wrong_pixels(scales):
    index, arrays = scales
    for case in index:
        if case["scale"] is None:
            continue
        da3, moge, valid = (arrays[f"{case['key']}_{name}"] for name in ("da3", "moge", "valid"))
        clean = robust_scale(da3, moge, valid)
        assert clean.factor == pytest.approx(1 / case["scale"], rel=0.02)
        # A tenth of the pixels is far too near, as where a lamp or a window fools one of the two models.
        spoilt = moge.copy()
        spoilt.reshape(-1)[::10] *= 0.05
        ours, theirs = robust_scale(da3, spoilt, valid).factor, 1 / reference_scale(da3, spoilt, valid)
        assert ours == pytest.approx(clean.factor, rel=0.02)
        assert abs(np.log(theirs / clean.factor)) > 5 * abs(np.log(ours / clean.factor))


def test_frames_are_spread_and_cut_into_pieces_as_by_the_reference(recon):
    index, _ = recon
    for case in index["uniform_subsample"]:
        assert spread_frames(case["num"], case["max"]) == case["out"]
    for case in index["uniform_chunks"]:
        got = uniform_chunks(case["total"], case["num_chunks"], size=case["chunk_size"], overlap=case["overlap"])
        assert got == case["chunks"]
    for case in index["split_chunks"]:
        options = {"size": case["chunk_size"], "overlap": case["overlap"]}
        if "error" in case:
            with pytest.raises(InputError, match="too few frames"):
                split_chunks(case["total"], case["split_frames"], **options)
        else:
            assert split_chunks(case["total"], case["split_frames"], **options) == case["chunks"]
    for case in index["bad_args"]:
        count, size, overlap = case["args"]
        if case["ok"]:
            assert len(uniform_chunks(1000, count, size=size, overlap=overlap)) == count
        else:
            with pytest.raises(InputError, match="shared frames"):
                uniform_chunks(1000, count, size=size, overlap=overlap)


def test_the_window_of_frames_for_depth_is_the_references(recon):
    for case in recon[0]["window"]:
        got = depth_window(case["abs_last_idx"], interval=case["frame_interval"], most=case["max_history_frames"],
                           chunk_ends=case["include_chunk_ends"])  # fmt: skip
        assert got == case["frames"]


def test_similarities_of_cameras_and_of_weighted_points(recon):
    _, z = recon
    found = fit_similarity(centers(z["um_est"]), centers(z["um_ref"]))
    assert found.scale == pytest.approx(float(z["um_s"]), rel=1e-5)
    assert np.allclose(found.rotation, z["um_r"], atol=1e-5)
    assert np.allclose(found.translation, z["um_t"], atol=1e-5)
    assert np.allclose(found.poses(inverse(z["um_est"])), inverse(z["um_aligned"]), atol=1e-5)
    found = fit_similarity(z["pt_src"], z["pt_dst"], z["pt_w"])
    assert found.scale == pytest.approx(float(z["pt_s"]), rel=1e-5)
    assert np.allclose(found.rotation, z["pt_r"], atol=1e-5)
    assert np.allclose(found.translation, z["pt_t"], atol=1e-5)


def test_weights_fall_with_depth_and_are_cut_at_a_quantile(recon):
    _, z = recon
    assert np.allclose(inverse_depth_weights(z["invw_z"]), z["invw_out"], rtol=1e-5, atol=1e-6)
    assert np.allclose(inverse_depth_weights(z["invw_z"], power=2, clip=0.9), z["invw_out_p2"], rtol=1e-5, atol=1e-6)


def test_a_piece_joins_at_the_references_similarity_despite_a_tenth_of_wrong_points(recon):
    index, z = recon
    options = index["joint"]["params"]
    found = join_chunk(
        z["joint_src"], z["joint_dst"], z["joint_w"], centers(z["joint_src_w2c"]), centers(z["joint_dst_w2c"]),
        camera_weight=options["camera_weight"], point_weight=options["point_weight"], keep=options["trim"],
        rounds=options["iters"], least=options["min_points"],
    )  # fmt: skip
    assert found.scale == pytest.approx(float(z["joint_s"]), rel=1e-5)
    assert np.allclose(found.rotation, z["joint_r"], atol=1e-5)
    assert np.allclose(found.translation, z["joint_t"], atol=1e-5)
    assert found.scale == pytest.approx(index["joint"]["true_s"], rel=1e-4)


def test_gaussians_move_with_their_piece(recon):
    from lyra_core.reconstruction.imported import moved_gaussians
    from lyra_core.types import Gaussians

    _, z = recon
    count = len(z["gs_means"])
    given = Gaussians(z["gs_means"], z["gs_rot_wxyz"], z["gs_scales"], np.full(count, 0.5, np.float32),
                      np.zeros((count, 1, 3), np.float32))  # fmt: skip
    rotation = z["gs_R"].astype(np.float64)
    out = moved_gaussians(given, rotation, float(z["gs_s"]), z["gs_t"].astype(np.float64))
    assert np.allclose(out.means, z["gs_means_out"], atol=1e-5)
    assert np.allclose(out.scales, z["gs_scales_out"], rtol=1e-5)
    ours, wanted = (matrix_from_quat(q.astype(np.float64)) for q in (out.quats_wxyz, z["gs_rot_wxyz_out"]))
    assert np.abs(ours - wanted).max() < 1e-5
    moved = Similarity(float(z["gs_s"]), rotation, z["gs_t"].astype(np.float64)).points(z["gs_means"])
    assert np.allclose(moved, z["gs_means_out"], atol=1e-5)


def test_the_nearest_piece_owns_a_point_and_a_second_one_shares_it(recon):
    _, z = recon
    points, first, second, k = z["own_pos"], z["own_w2c0"], z["own_w2c1"], z["own_K"]
    # The recorded masks are of two pieces and a slack of 0.4 m.
    got0 = owned_points(points, first, [second], k, slack=0.4)
    got1 = owned_points(points, second, [first], k, slack=0.4)
    assert (got0 != z["own_mask0"]).mean() < 0.005
    assert (got1 != z["own_mask1"]).mean() < 0.005
    assert (got0 | got1).all()
    alone = owned_points(points, first, [], k)
    assert alone.all()
