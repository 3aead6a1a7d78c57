# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures along a path, videos of them, and the metrics that judge them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lyra_core.errors import InputError
from lyra_core.reconstruction import psnr, read_video, render_path, ssim, to_uint8, write_video
from lyra_core.types import Gaussians
from tests.reconstruction.analytic_room import walk


def _frames(width, height, count=5):
    y, x = np.mgrid[:height, :width]
    for i in range(count):
        ramp = np.stack([x / width, y / height, np.full(x.shape, 0.1 * i)], axis=-1)
        yield to_uint8(ramp)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (65, 47)])
def test_a_video_comes_back_as_it_was(tmp_path, width, height):
    count = write_video(tmp_path / "a.mp4", _frames(width, height), fps=16)
    again = list(read_video(tmp_path / "a.mp4"))
    assert count == len(again) == 5
    assert again[0].shape == (height + height % 2, width + width % 2, 3)  # odd sides are padded by one
    for have, want in zip(again, _frames(width, height), strict=True):
        # yuv420p at crf 18 on a smooth ramp: a few levels
        assert np.abs(have[:height, :width].astype(int) - want).mean() < 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, _frames(64, 48), fps=23.976)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_broken_source_leaves_the_old_video_in_place(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"old")

    def broken():
        yield from _frames(64, 48, 2)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_video(tmp_path / "a.mp4", broken(), fps=16)
    assert (tmp_path / "a.mp4").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_frames_of_another_size_or_type_and_empty_videos_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least one"):
        write_video(tmp_path / "a.mp4", [], fps=16)
    with pytest.raises(InputError, match="frame 1"):
        write_video(tmp_path / "a.mp4", [*_frames(64, 48, 1), *_frames(32, 48, 1)], fps=16)
    with pytest.raises(InputError, match="uint8"):
        write_video(tmp_path / "a.mp4", [np.zeros((48, 64, 3), np.float32)], fps=16)
    assert not list(tmp_path.iterdir())
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match="Cannot read"):
        list(read_video(tmp_path / "text.mp4"))


def test_a_path_is_drawn_lazily_one_picture_per_camera():
    gaussians = Gaussians(
        np.array([[0, 3.0, 1.0]]), np.array([[1.0, 0, 0, 0]]), np.full((1, 3), 0.5), np.array([0.9]), np.ones((1, 1, 3))
    )
    path = walk(64, 48, 3)
    asked = []

    def cameras():
        for camera in path:
            asked.append(camera)
            yield camera

    pictures = render_path(gaussians, cameras())
    first = next(pictures)
    assert len(asked) == 1
    assert first.rgb.shape == (48, 64, 3)
    assert len([first, *pictures]) == 3


def test_psnr_and_ssim_of_known_pictures(rng):
    a = rng.uniform(0.2, 0.8, (32, 32, 3))
    assert psnr(a, a) == math.inf
    assert psnr(a, a + 0.1) == pytest.approx(20)
    mask = np.zeros((32, 32), bool)
    mask[:4] = True
    b = a.copy()
    b[4:] += 0.2
    assert psnr(a, b, mask=mask) == math.inf
    assert math.isnan(psnr(a, b, mask=np.zeros((32, 32), bool)))
    assert ssim(a, a) == pytest.approx(1)
    assert ssim(a, np.full_like(a, a.mean())) < 0.2
    with pytest.raises(InputError, match="one size"):
        psnr(a, a[:16])
