# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""`transformers:NAME`: any depth model of transformers' AutoModelForDepthEstimation, from its folder or the cache.

Models give metres (Depth Anything V2 metric, Depth Pro, ZoeDepth, GLPN) or inverse depth up to scale and shift (DPT,
Depth Anything relative). For the latter a frame alone cannot tell the shift: far is taken to be forty times near; where
depth is known already (every frame but the first), scale and shift come from a robust line through it.
"""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import MissingDependencyError, ModelError
from lyra_core.models.depth.alignment import robust_shift
from lyra_core.models.depth.sky import sky_mask
from lyra_core.models.protocols import DepthEstimate

__all__ = ["TransformersDepth"]

_KINDS = {"depth_pro": "metric", "zoedepth": "metric", "glpn": "metric", "dpt": "inverse"}
_ASK = ("depth_anything", "prompt_depth_anything")  # their config says which
_FAR_OVER_NEAR = 40.0
_FARTHEST = 1000.0  # [m]
_TRUST = 0.3  # confidence of a line through known depth that is used


class TransformersDepth:
    """A depth model of transformers.

    Parameters
    ----------
    model: folder, or name in the Hugging Face cache (never fetched from here). weights: the same, wins over model.
    device: "cpu", "cuda", "cuda:N" or "auto". kind: "metric" or "inverse" for architectures that are not known here.
    """

    def __init__(
        self, model: str | None = None, *, weights: str | None = None, device: str = "cpu", kind: str | None = None
    ) -> None:
        self._weights = weights or model or ""
        if not self._weights:
            raise ModelError("transformers needs the name of a model", got="transformers:",
                             do="For example --depth-model transformers:depth-anything/"
                                "Depth-Anything-V2-Metric-Indoor-Small-hf")  # fmt: skip
        if kind not in (None, "metric", "inverse"):
            raise ModelError("Unknown kind of depth", got=str(kind), do="Use metric or inverse")
        self.name = f"transformers:{self._weights}"
        self._device, self._kind = device, kind

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        try:
            transformers: Any = import_module("transformers")  # untyped: its Auto classes cost type checkers minutes
        except ImportError as error:
            raise MissingDependencyError("This depth model needs transformers", got=str(error),
                                         do='pip install "lyra-worldgen[transformers]"') from error  # fmt: skip
        fetch = f"hf download {self._weights}, or give the folder that it lies in"
        # What a missing or broken file raises depends on the part; all of it means: not usable.
        try:
            processor = transformers.AutoImageProcessor.from_pretrained(self._weights, local_files_only=True)
            model = transformers.AutoModelForDepthEstimation.from_pretrained(self._weights, local_files_only=True)
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise ModelError("The depth model is not there or broken", got=f"{self._weights}: {str(error)[:200]}",
                             do=fetch) from error  # fmt: skip
        except Exception as error:
            from safetensors import SafetensorError

            if not isinstance(error, SafetensorError):
                raise
            raise ModelError("The weights of the depth model are cut short", got=f"{self._weights}: {error}",
                             do=fetch) from error  # fmt: skip
        return processor, model.eval().requires_grad_(False).to(_device(self._device))

    @cached_property
    def kind(self) -> str:
        """ "metric" or "inverse"; ModelError for an architecture that is not known and was not named."""
        config = self._parts[1].config
        if self._kind is not None:
            return self._kind
        if config.model_type in _ASK:
            return "metric" if getattr(config, "depth_estimation_type", "relative") == "metric" else "inverse"
        if config.model_type in _KINDS:
            return _KINDS[config.model_type]
        raise ModelError("It is not known whether this model gives metres or inverse depth", got=config.model_type,
                         do=f"Known: {', '.join(sorted([*_KINDS, *_ASK]))}")  # fmt: skip

    @property
    def completes(self) -> bool:
        """Whether known depth changes the estimate itself (it fixes scale and shift of inverse depth)."""
        return self.kind == "inverse"

    def estimate(
        self, rgb: NDArray[np.float32], *, intrinsics: NDArray[np.float64], sky: NDArray[np.bool_] | None = None
    ) -> DepthEstimate:
        """Depth of rgb (H, W, 3); see DepthModel.estimate. Errors: ModelError, MissingDependencyError."""
        del intrinsics  # none of these models takes a lens
        raw = self._run(rgb)
        mask = np.asarray(sky, bool) if sky is not None else sky_mask(rgb)
        if self.kind == "metric":
            depth = np.where(mask, 0, np.clip(raw, 0, _FARTHEST)).astype(np.float32)
            return DepthEstimate(depth, mask, kind="metric", confidence=0.6)
        solid = raw[~mask] if (~mask).any() else raw
        near = max(float(np.quantile(solid, 0.999)), 1e-6)
        share = np.clip(raw / near, 0, None)
        depth = 1.0 / (share + 1.0 / _FAR_OVER_NEAR)
        notes = ("Relative depth: its scale and how far away the back is are guesses.",)
        depth = np.where(mask, 0, depth).astype(np.float32)
        return DepthEstimate(depth, mask, kind="scale", confidence=0.3, notes=notes)

    def complete(
        self, rgb: NDArray[np.float32], *, intrinsics: NDArray[np.float64], known: NDArray[np.float32],
        sky: NDArray[np.bool_] | None = None,
    ) -> DepthEstimate:  # fmt: skip
        """As estimate, in the unit of known z-depth (H, W), 0 = unknown, where a line through it can be trusted."""
        if self.kind != "inverse":
            return self.estimate(rgb, intrinsics=intrinsics, sky=sky)
        raw = self._run(rgb)
        fit = robust_shift(raw, known)
        if fit is None or fit.confidence < _TRUST:
            return self.estimate(rgb, intrinsics=intrinsics, sky=sky)
        mask = np.asarray(sky, bool) if sky is not None else sky_mask(rgb)
        inverse = np.maximum(fit.slope * raw + fit.shift, 1 / _FARTHEST)
        # No farther than twice what is known: the line says little of what lies beyond it.
        farthest = 2 * float(np.quantile(known[known > 0], 0.99))
        depth = np.where(mask, 0, np.minimum(1 / inverse, farthest)).astype(np.float32)
        return DepthEstimate(depth, mask, kind="metric", confidence=0.4 * fit.confidence)

    def _run(self, rgb: NDArray[np.float32]) -> NDArray[np.float32]:
        """(H, W) float32 of the model, at the size of rgb."""
        import torch

        processor, model = self._parts
        height, width = rgb.shape[:2]
        picture = np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
        told = processor(images=picture, return_tensors="pt").to(model.device)
        with torch.inference_mode():
            out = model(**told)
        if hasattr(processor, "post_process_depth_estimation"):
            found = processor.post_process_depth_estimation(out, target_sizes=[(height, width)])
            depth = found[0]["predicted_depth"]
        else:
            depth = torch.nn.functional.interpolate(
                out.predicted_depth[:, None].float(), size=(height, width), mode="bicubic", align_corners=False
            )[0, 0]
        values = np.asarray(depth.squeeze().float().cpu().numpy(), np.float32)
        if values.shape != (height, width) or not np.isfinite(values).all():
            raise ModelError("The depth model gave no usable map", got=f"shape {values.shape}", do="Use another model")
        return np.maximum(values, 0)


def _device(name: str) -> str:
    if name != "auto":
        return name
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
