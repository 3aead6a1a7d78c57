# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""wan-vace and sana-wm through diffusers' own classes, tiny; masks, frame counts, cameras, errors."""

from __future__ import annotations

import shutil
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("ftfy")

from lyra_core.errors import MissingDependencyError, ModelError  # noqa: E402
from lyra_core.geometry import intrinsics_from_fov, look_at  # noqa: E402
from lyra_core.memory import SpatialMemory  # noqa: E402
from lyra_core.models.protocols import ModelProgress, VideoRequest  # noqa: E402
from lyra_core.models.registry import video_model  # noqa: E402
from lyra_core.models.video.pipelines import Made, load_pipeline, run_steps, snapped  # noqa: E402
from lyra_core.models.video.sana_wm import clip_cameras  # noqa: E402
from lyra_core.models.video.wan_vace import make_clip  # noqa: E402
from lyra_core.types import Camera, CameraPath, Frame  # noqa: E402
from tests.models.tiny_pipelines import write_sana_wm, write_wan_vace  # noqa: E402

SIZE = (64, 32)


@pytest.fixture(scope="module")
def vace(tmp_path_factory):
    torch.set_num_threads(1)
    return write_wan_vace(tmp_path_factory.mktemp("weights") / "vace")


@pytest.fixture(scope="module")
def sana(tmp_path_factory):
    if not hasattr(pytest.importorskip("diffusers"), "SanaWMPipeline"):
        pytest.skip("this diffusers has no SanaWMPipeline")
    torch.set_num_threads(1)
    return write_sana_wm(tmp_path_factory.mktemp("weights") / "sana")


def camera(x=0.0):
    return Camera(intrinsics_from_fov(70, *SIZE), look_at([x, 0, 1.4], [x, 3, 1.3]), *SIZE)


def wall(index, view):
    """A coloured wall 3 m away."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] / 8
    rgb = np.stack([0.5 + 0.4 * np.sin(x + k) * np.cos(y) for k in range(3)], axis=-1).astype(np.float32)
    nothing = np.zeros(SIZE[::-1], bool)
    return Frame(index, rgb, np.full(SIZE[::-1], 3.0, np.float32), nothing, view, ~nothing)


def request(count, seed=3, caption="a room"):
    first = wall(0, camera())
    memory = SpatialMemory()
    memory.insert(first)
    views = [camera(0.15 * (i + 1)) for i in range(count)]
    path = CameraPath(np.stack([v.world_from_camera for v in views]), np.stack([v.intrinsics for v in views]), *SIZE)
    return VideoRequest(path, 1, memory, (first,), caption, np.random.default_rng(seed))


def frames_of(model, told):
    items = list(model.generate(told))
    return [i for i in items if isinstance(i, Frame)], [i for i in items if isinstance(i, ModelProgress)]


def test_counts_are_snapped_upwards():
    assert [snapped(n, 4) for n in (1, 2, 5, 6, 81)] == [1, 5, 5, 9, 81]
    assert [snapped(n, 8) for n in (1, 2, 9, 10, 81)] == [1, 9, 9, 17, 81]


def test_vace_is_told_white_where_it_generates_and_grey_under_it():
    told = request(6)
    guides = [told.memory.guide(view) for view in told.cameras]
    clip = make_clip(told.history[0].rgb, guides)
    assert clip.video.shape == (9, 32, 64, 3)  # 1 + 6 views, padded to 4 k + 1
    assert (clip.lead, clip.views) == (1, 6)
    assert clip.mask[0].max() == 0  # the frame before is kept whole
    assert np.array_equal(clip.video[0], np.rint(told.history[0].rgb * 255))
    for guide, picture, mask in zip(guides, clip.video[1:7], clip.mask[1:7], strict=True):
        assert set(np.unique(mask)) <= {0, 255}
        assert mask[~guide.known].min() == 255  # nothing unknown is called known
        assert (picture[mask == 255] == 128).all()
        kept = mask == 0
        assert kept.any()
        assert np.abs(picture[kept] / 255 - guide.rgb[kept]).max() < 0.01
    # Whole cells of 8x8 pixels, and the same for the four frames of a latent.
    cells = clip.mask.reshape(9, 4, 8, 8, 8)
    assert (cells.min(axis=(2, 4)) == cells.max(axis=(2, 4))).all()
    assert (clip.mask[1:5] == clip.mask[1]).all()
    assert (clip.mask[5:] == clip.mask[5]).all()


def test_vace_makes_every_view_of_a_chunk_and_the_same_for_the_same_seed(vace):
    model = video_model("wan-vace", weights=str(vace), steps=2)
    model.check_frames(7)
    made, progress = frames_of(model, request(6))
    assert [frame.index for frame in made] == list(range(1, 7))
    assert made[0].rgb.shape == (32, 64, 3)
    assert not model.provides_depth
    assert [p.done for p in progress if p.stage == "denoising"] == [1, 2]
    again, _ = frames_of(model, request(6))
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(made, again, strict=True))
    other, _ = frames_of(model, request(6, seed=4))
    assert not np.array_equal(made[3].rgb, other[3].rgb)


def test_sana_is_given_the_path_from_the_last_frame_in_its_own_pixels():
    told = request(5)
    c2w, lens = clip_cameras(told.history[0].camera, told.cameras, (128, 96))
    assert c2w.shape == (9, 4, 4)  # 1 + 5 views, padded to 8 k + 1
    assert np.array_equal(c2w[0], np.eye(4, dtype=np.float32))
    # The cameras step to their right, 15 cm each, and look ahead: OpenCV x.
    assert np.allclose(c2w[1:6, :3, 3], [[0.15 * i, 0, 0] for i in range(1, 6)], atol=1e-6)
    assert np.array_equal(c2w[6:], np.repeat(c2w[5:6], 3, axis=0))
    k = told.history[0].camera.intrinsics
    assert np.allclose(lens[0], [2 * k[0, 0], 3 * k[1, 1], 64, 48])


def test_sana_makes_every_view_of_a_chunk_at_the_working_size(sana):
    model = video_model("sana-wm", weights=str(sana), steps=2, size=(128, 64))
    model.check_frames(6)
    assert "last frame" in model.notices(*SIZE)[0]
    made, progress = frames_of(model, request(5))
    assert [frame.index for frame in made] == [1, 2, 3, 4, 5]
    assert made[0].rgb.shape == (32, 64, 3)
    assert [p.done for p in progress if p.stage == "denoising"] == [1, 2]
    again, _ = frames_of(model, request(5))
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(made, again, strict=True))


def test_sana_refuses_a_picture_of_another_shape(sana):
    model = video_model("sana-wm", weights=str(sana))
    with pytest.raises(ModelError, match="1280:704"):
        model.notices(640, 480)
    model.notices(832, 480)


@pytest.mark.parametrize("name", ["wan-vace", "sana-wm"])
def test_weights_that_are_not_there_are_told_with_the_command_that_fetches_them(name):
    with pytest.raises(ModelError, match="hf download nobody/nothing-here"):
        video_model(name, weights="nobody/nothing-here").check_frames(81)
    with pytest.raises(ModelError, match="1 frame or more"):
        video_model(name).check_frames(0)


def test_weights_cut_short_are_told(vace, tmp_path):
    copy = tmp_path / "vace"
    shutil.copytree(vace, copy)
    file = next((copy / "transformer").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(ModelError, match=r"broken|cut short"):
        video_model("wan-vace", weights=str(copy)).check_frames(5)


def test_a_class_that_this_diffusers_lacks_is_told_as_that():
    with pytest.raises(MissingDependencyError, match=r"has no SanaTomorrowPipeline.*lyra-worldgen\[sana\]"):
        load_pipeline("SanaTomorrowPipeline", "x/y", extra="sana")


def test_closing_the_iterator_ends_the_pipeline_and_its_errors_arrive():
    started, ended = threading.Event(), threading.Event()

    def endless(on_step):
        try:
            for i in range(10_000):
                started.set()
                on_step(None, i, 0, {})
                threading.Event().wait(0.01)
        finally:
            ended.set()

    steps = run_steps(endless, 10_000)
    assert isinstance(next(steps), ModelProgress)
    steps.close()
    assert started.is_set()
    assert ended.wait(30)

    def broken(on_step):
        on_step(None, 0, 0, {})
        raise ValueError("no memory")

    with pytest.raises(ValueError, match="no memory"):
        list(run_steps(broken, 1))
    assert [i.value for i in run_steps(lambda on_step: 7, 1) if isinstance(i, Made)] == [7]
