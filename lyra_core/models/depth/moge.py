# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""`moge`: MoGe-2 (package dlr-moge, module moge): metric depth and a mask of what has no depth, for a known lens."""

from __future__ import annotations

import pickle
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lyra_core.errors import MissingDependencyError, ModelError
from lyra_core.geometry import fov_from_focal
from lyra_core.models.depth.sky import sky_mask
from lyra_core.models.depth.transformers_depth import _device
from lyra_core.models.protocols import DepthEstimate

__all__ = ["DEFAULT_WEIGHTS", "MogeDepth"]

DEFAULT_WEIGHTS = "Ruicheng/moge-2-vitl-normal"
_FILE = "model.pt"


class MogeDepth:
    """MoGe-2.

    Parameters
    ----------
    weights: model.pt, a folder that holds it, or a name in the Hugging Face cache (never fetched from here).
    device: "cpu", "cuda", "cuda:N" or "auto". tokens: of the picture; more is finer and slower (model's default: None).

    Weights load at the first estimate; MissingDependencyError, or ModelError with the command that fetches them.
    """

    name = "moge"

    def __init__(self, *, weights: str | None = None, device: str = "cpu", tokens: int | None = None) -> None:
        self._weights, self._device, self._tokens = weights or DEFAULT_WEIGHTS, device, tokens

    @cached_property
    def _model(self) -> Any:
        try:
            from moge.model.v2 import MoGeModel  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise MissingDependencyError("moge needs the package dlr-moge", got=str(error),
                                         do='pip install "lyra-worldgen[moge]"') from error  # fmt: skip
        given = Path(self._weights).expanduser()
        place = given / _FILE if given.is_dir() else given
        do = f"hf download {DEFAULT_WEIGHTS} {_FILE}, or give depth.weights=FILE"
        if (given.is_dir() or given.suffix == ".pt") and not place.is_file():
            raise ModelError("The weights of moge are not there", got=str(place), do=do)
        options = {} if place.is_file() else {"local_files_only": True}
        try:
            model = MoGeModel.from_pretrained(str(place if place.is_file() else self._weights), **options)
        except (OSError, ValueError, RuntimeError, KeyError, EOFError, TypeError, pickle.UnpicklingError,
                zipfile.BadZipFile) as error:  # fmt: skip
            raise ModelError("The weights of moge are missing or broken", got=f"{self._weights}: {str(error)[:200]}",
                             do=do) from error  # fmt: skip
        return model.eval().requires_grad_(False).to(_device(self._device))

    def estimate(
        self, rgb: NDArray[np.float32], *, intrinsics: NDArray[np.float64], sky: NDArray[np.bool_] | None = None
    ) -> DepthEstimate:
        """Depth of rgb (H, W, 3) seen with this lens; see DepthModel.estimate."""
        import torch

        model = self._model
        height, width = rgb.shape[:2]
        picture = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))).to(model.device)
        found = model.infer(
            picture, num_tokens=self._tokens, fov_x=float(fov_from_focal(float(intrinsics[0, 0]), width)),
            use_fp16=str(model.device).startswith("cuda"),
        )  # fmt: skip
        raw = found["depth"].float().cpu().numpy().astype(np.float32)
        usable = np.isfinite(raw) & (raw > 0)
        mask = np.asarray(sky, bool) if sky is not None else ~usable & sky_mask(rgb)
        if not usable.any() or raw.shape != (height, width):
            raise ModelError("moge found no depth in this picture", got=f"{usable.mean():.0%} usable", do="Try another")
        # What moge masks besides the sky (windows, mirrors) takes the depth of its surroundings.
        depth = np.where(mask, 0, _filled(np.where(usable, raw, 0), usable)).astype(np.float32)
        metric = hasattr(model, "scale_head")
        return DepthEstimate(depth, mask, kind="metric" if metric else "scale", confidence=0.7 if metric else 0.5)


def _filled(depth: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    from scipy import ndimage

    if usable.all():
        return depth
    nearest = ndimage.distance_transform_edt(~usable, return_distances=False, return_indices=True)
    assert nearest is not None
    return depth[tuple(nearest)]
