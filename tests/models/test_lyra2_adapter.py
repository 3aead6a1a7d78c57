# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Lyra 2.0 as a model of the pipeline: a tiny folder in the real layout becomes a world; a killed run goes on."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from lyra_core.errors import ModelError  # noqa: E402
from lyra_core.models.protocols import DepthEstimate  # noqa: E402
from lyra_core.models.registry import DEPTH_MODELS, video_model  # noqa: E402
from lyra_core.models.video.lyra2.bundle import ENVIRONMENT, find_bundle  # noqa: E402
from lyra_core.models.video.lyra2.encoders import (  # noqa: E402
    PictureEncoder,
    TextEncoder,
    clean_caption,
    read_negative,
)
from lyra_core.pipeline.config import load_config  # noqa: E402
from lyra_core.pipeline.events import Note  # noqa: E402
from lyra_core.pipeline.generate import generate  # noqa: E402
from lyra_core.world import WorldFolder  # noqa: E402
from tests.models.lyra2_bundle import write_bundle  # noqa: E402


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    torch.set_num_threads(1)
    return write_bundle(tmp_path_factory.mktemp("weights") / "lyra2")


def settings(bundle, *more):
    return load_config("lyra2", [f"lyra2.checkpoint={bundle}", "lyra2.steps=1", "lyra2.guidance=1", "device=cpu",
                                 "photo.pixels=4096", "model.depth=level", "build.check=false",
                                 "build.flythrough=false", "build.triangles=4000", *more])  # fmt: skip


class LevelDepth:
    """A floor 1.5 m below the camera and a wall 6 m ahead: a depth model that costs nothing."""

    name = "level"

    def estimate(self, rgb, *, intrinsics, sky=None):
        height, width = rgb.shape[:2]
        down = (np.arange(height) + 0.5 - intrinsics[1, 2]) / intrinsics[1, 1]
        z = np.minimum(np.where(down > 0, 1.5 / np.maximum(down, 1e-6), 6.0), 6.0)
        depth = np.repeat(z[:, None], width, axis=1).astype(np.float32)
        return DepthEstimate(depth, np.zeros((height, width), bool), kind="metric", up=np.array([0.0, -1.0, 0.0]))


def chunks_until(events, out, count):
    """Take events until this many chunks are on disk, then stop as a kill would: the iterator is closed."""
    for _ in events:
        if (out / "manifest.json").is_file() and len(WorldFolder.open(out).manifest.chunks) >= count:
            events.close()
            return
    raise AssertionError("the run ended early")


@pytest.mark.slow
def test_two_chunks_make_a_world_and_a_stopped_run_goes_on_to_the_same_frames(bundle, tmp_path, photos, monkeypatch):
    monkeypatch.setitem(DEPTH_MODELS, "level", f"{__name__}:LevelDepth")
    config, captions = settings(bundle), {0: "a room", 81: "another room"}
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    notes = [e.message for e in generate(photos[0], whole, config, captions=captions) if isinstance(e, Note)]
    assert any("research" in note for note in notes)
    world = WorldFolder.open(whole)
    assert world.frame_count == 161
    assert world.is_built
    assert "research" in world.manifest.models["video_licence"]
    chunks_until(generate(photos[0], stopped, config, captions=captions), stopped, 2)
    chunks_until(generate(photos[0], stopped, config, captions=captions, resume=True), stopped, 3)
    resumed = WorldFolder.open(stopped)
    assert [c.files for c in resumed.manifest.chunks] == [c.files for c in world.manifest.chunks]
    first, second = world.frames[80], world.frames[160]
    assert not np.array_equal(first.rgb, second.rgb)
    assert (second.depth > 0).mean() > 0.5


def test_a_missing_folder_or_part_is_told_with_the_command_that_fetches_it(bundle, tmp_path, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(ModelError, match="hf download"):
        video_model("lyra2").check_frames(81)
    with pytest.raises(ModelError, match="not there"):
        find_bundle(tmp_path / "none")
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    shutil.rmtree(copy / "tokenizer")
    (copy / "negative_prompt.pt").unlink()
    with pytest.raises(ModelError, match=r"tokenizer/, negative_prompt\.pt"):
        find_bundle(copy)
    monkeypatch.setenv(ENVIRONMENT, str(bundle))
    assert find_bundle().folder == bundle


def test_wrong_counts_name_the_nearest_right_ones(bundle):
    model = video_model("lyra2", checkpoint=bundle)
    model.check_frames(81)
    with pytest.raises(ModelError, match="81 or 161"):
        model.check_frames(100)


def test_text_rows_beyond_the_caption_are_zero(bundle):
    encode = TextEncoder(bundle / "text_encoder", bundle / "tokenizer", dtype=torch.float32, device="cpu")
    rows = encode("a  room &amp;amp; more")
    length = int((rows.abs().sum(-1) > 0).sum())
    assert rows.shape == (1, 512, 16)
    assert 3 < length < 40
    assert float(rows[:, length:].abs().max()) == 0
    assert torch.equal(rows, encode("a room & more"))
    assert clean_caption(" x &amp;lt;\n y ") == "x < y"


def test_picture_tokens_are_those_before_the_last_layer(bundle):
    encode = PictureEncoder(bundle / "image_encoder", dtype=torch.float32, device="cpu")
    tokens = encode(torch.rand(1, 3, 48, 80) * 2 - 1)
    assert tokens.shape == (1, 257, 16)
    # The last layer has no part in them.
    for parameter in (
        encode.model.vision_model.encoder.layers[-1].parameters()
        if hasattr(encode.model, "vision_model")
        else encode.model.encoder.layers[-1].parameters()
    ):
        parameter.fill_(float("nan"))
    assert bool(torch.isfinite(encode(torch.rand(1, 3, 48, 80))).all())


def test_the_negative_prompt_is_padded_and_other_files_are_refused(bundle, tmp_path):
    rows = read_negative(bundle / "negative_prompt.pt")
    assert rows.shape == (1, 512, 16)
    assert float(rows[:, 9:].abs().max()) == 0
    torch.save({"a": torch.zeros(3), "b": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(ModelError, match="t5_text_embeddings"):
        read_negative(tmp_path / "other.pt")


def test_a_text_encoder_cut_short_is_told(bundle, tmp_path):
    copy = tmp_path / "text_encoder"
    shutil.copytree(bundle / "text_encoder", copy)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(ModelError, match="cut short"):
        TextEncoder(copy, bundle / "tokenizer", dtype=torch.float32, device="cpu")
