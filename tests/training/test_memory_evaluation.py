# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from lyra_core.errors import ConfigError
from lyra_core.training.memory_evaluation import MODES, MemoryPlan, RunResult
from lyra_core.training.memory_metrics import PSNR_CAP, psnr, reprojection_error, ssim
from lyra_core.training.memory_report import run, summarise
from lyra_core.training.rooms import ground_truth_frame, make_room

TINY = MemoryPlan(rooms=2, seeds=1, loops=("offset",), noises=(0.06,), width=96, height=56, frames=14)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    return run(TINY, json_path=folder / "memory.json", plot_path=folder / "memory.png"), folder


def test_ssim_is_that_of_scikit_image():
    from skimage.metrics import structural_similarity

    rng = np.random.default_rng(0)
    a = rng.random((60, 80, 3)).astype(np.float32)
    b = np.clip(a + 0.1 * rng.standard_normal(a.shape), 0, 1).astype(np.float32)
    expected = structural_similarity(
        a, b, channel_axis=2, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    # float32 window sums
    assert ssim(a, b) == pytest.approx(expected, abs=2e-4)


def test_psnr_of_a_known_error():
    a = np.zeros((4, 4, 3), np.float32)
    assert psnr(a + 0.1, a) == pytest.approx(20.0, abs=1e-4)
    assert psnr(a, a) == PSNR_CAP


def test_true_pictures_of_two_visits_reproject_onto_each_other():
    room = make_room(1)
    path = room.offset_loop(20, width=160, height=90)
    a, b = ground_truth_frame(room, path[0], 0), ground_truth_frame(room, path[19], 1)
    error = reprojection_error(a.rgb, a.depth, a.camera, b.rgb, b.depth, b.camera)
    # what is left is resampling of textures: a few grey levels
    assert error < 9.0
    darker = np.clip(b.rgb - 0.2, 0, 1)
    assert reprojection_error(a.rgb, a.depth, a.camera, darker, b.depth, b.camera) > error + 20


def test_owned_memory_brings_the_start_back_and_no_memory_does_not(report):
    rows = {row["mode"]: row for row in report[0].rows}
    assert set(rows) == set(MODES)
    # the facts sheet saw 6 dB between them; 3 dB is far outside the spread of rooms
    assert rows["per_frame_owned"]["close_psnr"] > rows["none"]["close_psnr"] + 3
    assert rows["per_frame_owned"]["close_ssim"] > rows["none"]["close_ssim"] + 0.1
    assert rows["per_frame_owned"]["reprojection"] < rows["none"]["reprojection"]


def test_results_do_not_depend_on_the_run(report):
    again = run(TINY)
    assert again.results == report[0].results


def test_json_table_and_plot_are_written(report):
    data = json.loads((report[1] / "memory.json").read_text())
    assert len(data["rows"]) == 4
    assert len(data["runs"]) == 8
    assert (report[1] / "memory.png").read_bytes()[:4] == b"\x89PNG"
    assert "per_frame_owned" in report[0].text()


def result(room, mode, level):
    return RunResult(room, 0, "exact", 0.0, mode, (level,) * 9, (0.5,) * 9, 3.0, (1.0,) * 9)


def test_differences_are_paired_and_ties_are_called_ties():
    plan = MemoryPlan(rooms=4, seeds=1, loops=("exact",), noises=(0.0,), modes=("none", "global_cloud", "per_frame"))
    runs = []
    for room in range(4):
        runs += [
            result(room, "none", 10.0 + 5 * room),
            result(room, "global_cloud", 11.0 + 5 * room),  # always 1 dB better, though rooms differ by 5
            result(room, "per_frame", 11.0 + 5 * room + (0.3 if room % 2 else -0.3)),
        ]
    verdicts = {
        (d["first"], d["second"]): d["verdict"]
        for d in summarise(plan, runs).differences
        if d["metric"] == "close_psnr"
    }
    assert verdicts == {("none", "global_cloud"): "second better", ("global_cloud", "per_frame"): "tie"}


def test_a_wrong_mode_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match="per_frame_owned"):
        MemoryPlan(modes=("per_frame_ownd",))
