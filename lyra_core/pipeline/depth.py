# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""lyra depth: the depth of one photo as a file and a picture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lyra_core.errors import InputError
from lyra_core.generation.seed import SeedOptions, load_photo, make_seed
from lyra_core.geometry import fov_from_focal
from lyra_core.models.depth.picture import depth_picture
from lyra_core.pipeline.begin import make_depth
from lyra_core.pipeline.config import RunConfig
from lyra_core.world.atomic import write_bytes

__all__ = ["DepthResult", "write_depth"]


@dataclass(frozen=True)
class DepthResult:
    """Readable lines, and figures for machines."""

    lines: tuple[str, ...]
    figures: dict[str, Any]


def write_depth(photo: Path, out: Path, config: RunConfig) -> DepthResult:
    """Write depth [m], sky, intrinsics and world_from_camera of photo to out (.npz) and a picture beside it (.png)."""
    import cv2

    if out.suffix.lower() != ".npz":
        raise InputError("--out must be an .npz file", got=str(out), do=f"For example {out.with_suffix('.npz').name}")
    picture = load_photo(photo, area=config.photo.pixels)
    model = make_depth(config)
    options = SeedOptions(fov=config.photo.fov, camera_height=config.photo.camera_height)
    seed = make_seed(picture, model, options, np.random.default_rng([config.seed, 0]))
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        depth=seed.depth,
        sky=seed.sky,
        intrinsics=seed.camera.intrinsics,
        world_from_camera=seed.camera.world_from_camera,
    )
    write_bytes(out, buffer.getvalue())
    image = np.concatenate([np.rint(seed.rgb * 255).astype(np.uint8), depth_picture(seed.depth, seed.sky)], axis=1)
    _, png = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    write_bytes(out.with_suffix(".png"), png.tobytes())
    seen = seed.depth[seed.depth > 0]
    low, middle, high = (float(v) for v in np.quantile(seen, [0.02, 0.5, 0.98])) if len(seen) else (0.0, 0.0, 0.0)
    fov = fov_from_focal(seed.camera.intrinsics[0, 0], seed.camera.width)
    lines = (
        f"depth model {model.name}: {low:.2f} / {middle:.2f} / {high:.2f} m (2 % / median / 98 %)",
        f"field of view {fov:.1f}°, camera {seed.camera.center[2]:.2f} m over the floor",
        f"sky {100 * seed.sky.mean():.1f} %",
        *seed.notes,
        f"written: {out} and {out.with_suffix('.png').name}",
    )
    figures = {
        "depth": str(out),
        "picture": str(out.with_suffix(".png")),
        "model": model.name,
        "quantiles_m": {"2%": low, "50%": middle, "98%": high},
        "fov_deg": fov,
        "camera_height_m": float(seed.camera.center[2]),
        "sky_share": float(seed.sky.mean()),
        "notes": list(seed.notes),
    }
    return DepthResult(lines, figures)
