# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Model names to lazily imported classes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, cast

from lyra_core.errors import ModelError, did_you_mean
from lyra_core.models.protocols import DepthModel, VideoModel

__all__ = ["DEPTH_MODELS", "VIDEO_MODELS", "default_depth", "depth_model", "video_model"]

DEPTH_MODELS: dict[str, str] = {
    "depth-anything-3": "lyra_core.models.depth.depth_anything3:DepthAnything3",
    "embedded": "lyra_core.models.depth.embedded:EmbeddedDepth",
    "file": "lyra_core.models.depth.file:FileDepth",
    "moge": "lyra_core.models.depth.moge:MogeDepth",
    "prior": "lyra_core.models.depth.prior:PriorDepth",
    "transformers": "lyra_core.models.depth.transformers_depth:TransformersDepth",
}
"""Name to "module:Class". The module is imported when the model is made, not before."""

VIDEO_MODELS: dict[str, str] = {
    "embedded": "lyra_core.models.video.embedded.model:EmbeddedVideo",
    "frames": "lyra_core.models.video.frames.model:GivenFrames",
    "lyra2": "lyra_core.models.video.lyra2.adapter:Lyra2Video",
    "reproject": "lyra_core.models.video.reproject:ReprojectVideo",
    "sana-wm": "lyra_core.models.video.sana_wm:SanaWmVideo",
    "wan-vace": "lyra_core.models.video.wan_vace:WanVaceVideo",
}
"""Name to "module:Class", as above."""


def _make(kind: str, table: Mapping[str, str], name: str, options: dict[str, Any]) -> Any:
    if name not in table:
        raise ModelError(f"Unknown {kind} model", got=name, do=did_you_mean(name, table))
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)(**options)


def depth_model(name: str, **options: Any) -> DepthModel:
    """Make the depth model of this name; options go to its constructor. ModelError if unknown.

    "transformers:NAME" is the model NAME of transformers.
    """
    if name.startswith("transformers:"):
        name, options = "transformers", {"model": name.partition(":")[2], **options}
    return cast(DepthModel, _make("depth", DEPTH_MODELS, name, options))


def video_model(name: str, **options: Any) -> VideoModel:
    """Make the video model of this name; options go to its constructor. ModelError if unknown."""
    return cast(VideoModel, _make("video", VIDEO_MODELS, name, options))


def default_depth() -> str:
    """The depth model used when none is asked for.

    The trained network, because it wins on held-out scenes and on the real photo with measured depth
    (data/models/depth/evaluation.json, tests/benchmarks/depth.py); the training-free prior where its weights are absent.
    """
    from lyra_core.models.depth.weights import WEIGHTS_FILE, default_folder

    return "embedded" if (default_folder() / WEIGHTS_FILE).is_file() else "prior"
