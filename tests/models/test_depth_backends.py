# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Depth backends with weights of their own: transformers (real classes, tiny), MoGe, Depth Anything 3 in its process."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from lyra_core.errors import MissingDependencyError, ModelError  # noqa: E402
from lyra_core.models.depth.alignment import robust_scale, robust_shift  # noqa: E402
from lyra_core.models.depth.completion import complete_depth  # noqa: E402
from lyra_core.models.depth.depth_anything3 import PYTHON_VARIABLE, DepthAnything3  # noqa: E402
from lyra_core.models.protocols import DepthCompleter, DepthModel  # noqa: E402
from lyra_core.models.registry import depth_model  # noqa: E402

K = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(0)
    return np.clip(rng.random((6, 8, 3)).repeat(8, axis=0).repeat(8, axis=1), 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Depth Anything (relative and metric) and GLPN, a few layers, random numbers."""
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
        GLPNConfig,
        GLPNForDepthEstimation,
    )

    torch.manual_seed(3)
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("depth")
    for kind in ("relative", "metric"):
        back = Dinov2Config(hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14,
                            out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False,
                            apply_layernorm=True)  # fmt: skip
        config = DepthAnythingConfig(
            backbone_config=back, reassemble_hidden_size=16, neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8,
            head_hidden_size=4, patch_size=14, depth_estimation_type=kind, max_depth=20 if kind == "metric" else 1,
        )  # fmt: skip
        DepthAnythingForDepthEstimation(config).save_pretrained(root / kind)
        told = {"image_processor_type": "DPTImageProcessor", "do_resize": True, "size": {"height": 56, "width": 56},
                "keep_aspect_ratio": True, "ensure_multiple_of": 14, "do_rescale": True, "rescale_factor": 1 / 255,
                "do_normalize": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}  # fmt: skip
        (root / kind / "preprocessor_config.json").write_text(json.dumps(told))
    small = GLPNConfig(num_encoder_blocks=4, depths=[1, 1, 1, 1], hidden_sizes=[4, 4, 8, 8], decoder_hidden_size=4,
                       num_attention_heads=[1, 1, 2, 2])  # fmt: skip
    GLPNForDepthEstimation(small).save_pretrained(root / "glpn")
    told = {"image_processor_type": "GLPNImageProcessor", "do_resize": True, "size_divisor": 32, "do_rescale": True}
    (root / "glpn" / "preprocessor_config.json").write_text(json.dumps(told))
    return root


def test_a_relative_model_gives_the_order_of_depth_and_is_fixed_by_known_depth(folders, picture):
    model = depth_model(f"transformers:{folders / 'relative'}")
    assert isinstance(model, DepthCompleter)
    assert model.completes
    found = model.estimate(picture, intrinsics=K)
    assert found.depth.shape == (48, 64)
    assert found.kind == "scale"
    raw = model._run(picture)
    solid = ~found.sky
    # Bigger values are nearer.
    near, far = np.argmax(np.where(solid, raw, -1)), np.argmin(np.where(solid, raw, np.inf))
    assert found.depth.flat[near] <= found.depth.flat[far]
    truth = 1 / (0.7 * raw / max(raw.max(), 1e-6) + 0.05)
    known = np.where(np.arange(64)[None] < 40, truth, 0).astype(np.float32)
    if raw.max() - raw.min() > 1e-4:
        done, kept = complete_depth(model, picture, intrinsics=K, known=known, sky=np.zeros((48, 64), bool))
        assert kept[:, :40].mean() > 0.9
        unseen = np.s_[:, 40:]
        assert np.median(np.abs(np.log(done.depth[unseen] / np.minimum(truth[unseen], 40)))) < 0.05


@pytest.mark.parametrize("name", ["metric", "glpn"])
def test_a_metric_model_gives_metres(folders, picture, name):
    model = depth_model(f"transformers:{folders / name}")
    assert not model.completes
    found = model.estimate(picture, intrinsics=K)
    assert found.kind == "metric"
    assert found.depth.shape == (48, 64)
    assert np.array_equal(found.depth, model.estimate(picture, intrinsics=K).depth)
    sky = np.zeros((48, 64), bool)
    sky[:10] = True
    assert model.estimate(picture, intrinsics=K, sky=sky).depth[:10].max() == 0


def test_models_that_are_not_there_and_kinds_that_are_not_known_are_told(folders, picture, tmp_path):
    with pytest.raises(ModelError, match="hf download nobody/nothing"):
        depth_model("transformers:nobody/nothing").estimate(picture, intrinsics=K)
    with pytest.raises(ModelError, match="name of a model"):
        depth_model("transformers:")
    with pytest.raises(ModelError, match="metric or inverse"):
        depth_model(f"transformers:{folders / 'glpn'}", kind="feet")
    import shutil

    copy = tmp_path / "glpn"
    shutil.copytree(folders / "glpn", copy)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:300])
    with pytest.raises(ModelError, match=r"cut short|broken"):
        depth_model(f"transformers:{copy}").estimate(picture, intrinsics=K)


def test_a_robust_line_finds_scale_and_shift_despite_wrong_pixels():
    rng = np.random.default_rng(1)
    value = rng.uniform(0, 1, (40, 50)).astype(np.float32)
    depth = (1 / (0.8 * value + 0.03)).astype(np.float32)
    depth[:, :12] *= rng.uniform(0.2, 0.6, (40, 12)).astype(np.float32)
    fit = robust_shift(value, depth)
    assert fit.slope == pytest.approx(0.8, rel=0.01)
    assert fit.shift == pytest.approx(0.03, rel=0.05)
    assert robust_shift(1 - value, (1 / (0.8 * value + 0.03)).astype(np.float32)) is None
    assert robust_shift(value[:2, :4], depth[:2, :4]) is None


def test_a_scale_has_a_confidence_that_falls_with_the_spread():
    rng = np.random.default_rng(2)
    depth = rng.uniform(1, 9, (40, 50)).astype(np.float32)
    clean = robust_scale(depth, 2.5 * depth)
    noisy = robust_scale(depth, (2.5 * depth * np.exp(rng.normal(0, 0.2, depth.shape))).astype(np.float32))
    assert clean.factor == pytest.approx(2.5)
    assert noisy.factor == pytest.approx(2.5, rel=0.03)
    assert clean.confidence == pytest.approx(1)
    assert noisy.confidence < 0.6
    half = np.where(np.arange(50) < 25, 2.5, 5.0).astype(np.float32) * depth
    weight = np.where(np.arange(50)[None] < 25, 1.0, 0.1).repeat(40, axis=0).astype(np.float32)
    assert robust_scale(depth, half, weight=weight).factor == pytest.approx(2.5)
    assert robust_scale(depth[:1, :5], depth[:1, :5]) is None


def test_moge_says_what_it_lacks(tmp_path, picture):
    from importlib.util import find_spec

    model = depth_model("moge", weights=str(tmp_path))
    if find_spec("moge") is None:
        with pytest.raises(MissingDependencyError, match=r"lyra-worldgen\[moge\]"):
            model.estimate(picture, intrinsics=K)
    else:
        with pytest.raises(ModelError, match="hf download"):
            model.estimate(picture, intrinsics=K)


def test_moge_2_of_the_package_runs_with_a_known_lens(tmp_path, picture):
    """The real class, random numbers; skips where dlr-moge is not installed."""
    v2 = pytest.importorskip("moge.model.v2")
    stack = {"dim_in": [386, 2, 2, 2, 2], "dim_res_blocks": [8] * 5, "dim_out": [8] * 5, "num_res_blocks": [1] * 5,
             "resamplers": ["nearest"] * 4, "res_block_in_norm": "none", "res_block_hidden_norm": "none"}  # fmt: skip
    head = {**stack, "dim_in": [8] * 5}
    config = {
        "encoder": {"backbone": "dinov2_vits14", "intermediate_layers": 1, "dim_out": 384},
        "neck": stack,
        "points_head": {**head, "dim_out": [None, None, None, None, 3]},
        "mask_head": {**head, "dim_out": [None, None, None, None, 1]},
        "scale_head": {"dims": [384, 4, 1]},
        "num_tokens_range": [12, 24],
    }
    torch.manual_seed(0)
    torch.save({"model_config": config, "model": v2.MoGeModel(**config).state_dict()}, tmp_path / "model.pt")
    model = depth_model("moge", weights=str(tmp_path), tokens=12)
    for weight in model._model.mask_head.parameters():
        weight.zero_()  # random numbers may mask everything; half is the limit
    model._model.mask_head.output_blocks[-1].bias.fill_(1.0)
    found = model.estimate(picture, intrinsics=K)
    assert found.kind == "metric"
    assert found.depth.shape == (48, 64)


STUB = '''
import numpy
from types import SimpleNamespace

class DepthAnything3:
    """Stands in for the library in its own environment: same calls, same shapes."""

    @classmethod
    def from_pretrained(cls, name, local_files_only=False):
        assert local_files_only
        if name == "absent":
            raise OSError("no such weights")
        out = cls()
        out.model_name = "da3metric-large" if "METRIC" in name else "da3-base"
        return out

    def to(self, device):
        print("noise on stdout from", device)
        return self

    def eval(self):
        return self

    def inference(self, image, extrinsics=None, intrinsics=None, process_res=504):
        h, w = image[0].shape[0] // 2, image[0].shape[1] // 2
        depth = numpy.stack([numpy.full((h, w), 2.0 + i, numpy.float32) for i in range(len(image))])
        if image[0].max() == 0:
            raise RuntimeError("a black picture")
        if image[0].min() == 255:
            import os; os._exit(7)
        w2c = numpy.tile(numpy.eye(4, dtype=numpy.float32), (len(image), 1, 1))[:, :3]
        w2c[:, 0, 3] = -numpy.arange(len(image))
        return SimpleNamespace(depth=depth, is_metric=0, sky=None, conf=depth * 0 + 1, extrinsics=w2c, intrinsics=None)
'''


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An interpreter that finds a stand-in for depth_anything_3: the border of the process is real, the library is not."""
    package = tmp_path / "site" / "depth_anything_3"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "api.py").write_text(STUB)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path / "site"}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv(PYTHON_VARIABLE, str(python))
    return python


@pytest.mark.skipif(os.name != "posix", reason="the stand-in interpreter is a shell script")
def test_depth_anything_3_answers_from_its_own_process(environment, picture):
    model = depth_model("depth-anything-3")
    assert isinstance(model, DepthModel)
    found = model.estimate(picture, intrinsics=K)
    # The metric model counts in focal lengths of 300 processed pixels; the stand-in works at half the size.
    assert found.kind == "metric"
    assert np.allclose(found.depth[~found.sky], 2.0 * 30 / 300)
    process = model._process.pid
    model.estimate(picture, intrinsics=K)
    assert model._process.pid == process  # it stays
    with pytest.raises(ModelError, match="a black picture"):
        model.estimate(np.zeros_like(picture), intrinsics=K)
    model.estimate(picture, intrinsics=K)  # an error does not end it
    with pytest.raises(ModelError, match="ended"):
        model.estimate(np.ones_like(picture), intrinsics=K)
    model.close()
    assert model.estimate(picture, intrinsics=K).depth.max() > 0
    model.close()


@pytest.mark.skipif(os.name != "posix", reason="the stand-in interpreter is a shell script")
def test_its_cameras_come_back_as_world_from_camera(environment, picture):
    model = DepthAnything3(weights="depth-anything/DA3-BASE", python=str(environment))
    poses = model.estimate_cameras([picture, picture, picture])
    assert np.allclose(poses[:, :3, 3], [[0, 0, 0], [1, 0, 0], [2, 0, 0]])
    assert model.estimate(picture, intrinsics=K).kind == "scale"
    model.close()
    with pytest.raises(ModelError, match="no such weights"):
        DepthAnything3(weights="absent", python=str(environment)).estimate(picture, intrinsics=K)


def test_an_environment_that_is_not_there_is_told_with_the_commands_that_make_it(picture, monkeypatch):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    with pytest.raises(MissingDependencyError, match="pip install depth-anything-3"):
        DepthAnything3().estimate(picture, intrinsics=K)
    with pytest.raises(MissingDependencyError, match="no such interpreter"):
        DepthAnything3(python="/nowhere/python").estimate(picture, intrinsics=K)
    if not (Path(sys.prefix) / "lib").exists():
        return
    with pytest.raises(MissingDependencyError, match="has no depth_anything_3"):
        DepthAnything3(python=sys.executable).estimate(picture, intrinsics=K)
