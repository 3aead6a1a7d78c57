# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The names and sizes that a checkpoint of the network must hold, as a table for a reader.

    python -m lyra_core.models.video.lyra2.keys          prints Markdown for the released 14B weights

Blocks repeat: N stands for 0 .. layers - 1.
"""

from __future__ import annotations

import re
import sys

from lyra_core.models.video.lyra2.blocks import NetworkConfig

__all__ = ["key_table"]


def key_table(config: NetworkConfig | None = None) -> str:
    """Markdown: name without its prefix, shape, how often, dtype kept in memory."""
    import torch

    from lyra_core.models.video.lyra2.checkpoint import keeps_float32
    from lyra_core.models.video.lyra2.network import Transformer

    config = config or NetworkConfig()
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in Transformer(config).state_dict().items()}
    rows: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for key, shape in shapes.items():
        rows.setdefault((re.sub(r"^blocks\.\d+\.", "blocks.N.", key), shape), []).append(key)
    total = sum(torch.Size(shape).numel() for shape in shapes.values())
    lines = [f"{len(shapes)} tensors, {total:,} parameters, layout {config.layout}.", "",
             "| name (prefix net. in the release) | shape | tensors | in memory |", "|---|---|---|---|"]  # fmt: skip
    for (name, shape), keys in rows.items():
        kept = "float32" if keeps_float32(keys[0]) else "bfloat16"
        lines.append(f"| {name} | {' x '.join(map(str, shape))} | {len(keys)} | {kept} |")
    lines += ["", "Ignored: net.accum_video_sample_counter, net.accum_image_sample_counter, net.accum_iteration,"
              " net.accum_train_in_hours, every *._extra_state, and whatever lies outside the prefix."]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(key_table() + "\n")
