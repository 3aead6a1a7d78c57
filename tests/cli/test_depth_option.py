# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""--depth takes a file or a model's name; weights of one's own are named in the settings."""

from pathlib import Path

import pytest

from lyra_core.cli.options import depth_settings
from lyra_core.errors import ModelError
from lyra_core.models.depth.weights import default_folder
from lyra_core.pipeline.begin import make_depth, make_video
from lyra_core.pipeline.config import load_config


def test_the_name_of_a_model_is_a_model_unless_a_file_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert depth_settings(Path("prior"), None) == {"model__depth": "prior"}
    assert depth_settings(Path("prior"), "embedded") == {"model__depth": "embedded"}
    Path("prior").touch()
    assert depth_settings(Path("prior"), None) == {"model__depth": None, "photo__depth_file": Path("prior")}
    assert depth_settings(None, "moge") == {"model__depth": "moge", "photo__depth_file": None}


def test_weights_of_ones_own_are_used(tmp_path):
    shipped = make_depth(load_config(overrides=["model.depth=embedded", f"depth.weights={default_folder()}"]))
    shipped.load()  # pyright: ignore[reportAttributeAccessIssue]
    missing = make_depth(load_config(overrides=["model.depth=embedded", f"depth.weights={tmp_path}"]))
    with pytest.raises(ModelError, match="lacks a file"):
        missing.load()  # pyright: ignore[reportAttributeAccessIssue]


def test_options_of_the_embedded_video_model_reach_it(tmp_path):
    model = make_video(load_config(overrides=["model.video=embedded", "embedded.steps=3", "embedded.grain=0.5"]))
    assert model.record()["video_steps"] == 3  # pyright: ignore[reportAttributeAccessIssue]
    assert model.record()["video_grain"] == 0.5  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ModelError, match="lacks its weights"):
        make_video(load_config(overrides=["model.video=embedded", f"embedded.weights={tmp_path}"]))
