# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A world as one HTML file that opens without a server."""

from __future__ import annotations

import contextlib
import io
import math
from pathlib import Path

import numpy as np
import viser

from lyra_core.errors import WorldError
from lyra_core.explorer.content import frame_cloud, read_spawns, splat_arrays
from lyra_core.explorer.views import seed_view
from lyra_core.pipeline.begin import read_plan
from lyra_core.reconstruction import read_ply
from lyra_core.world import WorldFolder
from lyra_core.world.atomic import write_text

__all__ = ["write_embed"]


def write_embed(folder: Path, out: Path, *, most_splats: int = 120_000) -> Path:
    """Write the splats (or the photo's points), the camera path and the spawn poses of a world as a page.

    The page holds the viewer and the data; it needs neither network nor server. Raises WorldError for no world.
    """
    world = WorldFolder.open(folder)
    if world.frame_count == 0:
        raise WorldError("This world has no frame", got=str(folder), do="Generate it first")
    with contextlib.redirect_stdout(io.StringIO()):
        server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
        try:
            _draw(server, world, most_splats)
            page = server.scene.as_html(dark_mode=True)
        finally:
            server.stop()
    out.parent.mkdir(parents=True, exist_ok=True)
    title = folder.resolve().name.replace("<", "").replace("&", "")
    write_text(out, page.replace("<title>Viser</title>", f"<title>{title}</title>", 1))
    return out


def _draw(server: viser.ViserServer, world: WorldFolder, most_splats: int) -> None:
    scene, folder = server.scene, world.folder
    scene.set_up_direction("+z")
    first = world.frames[0]
    position, look = seed_view(first.camera)
    server.initial_camera.position, server.initial_camera.look_at = position, look
    if (folder / "splats.ply").is_file():
        splats = splat_arrays(read_ply(folder / "splats.ply"), most=most_splats)
        scene.add_gaussian_splats("/splats", splats.centers, splats.covariances, splats.rgbs, splats.opacities)
    else:
        cloud = frame_cloud(first)
        scene.add_point_cloud("/points", cloud.points, cloud.colors, point_size=0.01, precision="float32")
    centers = read_plan(folder).segment(0, world.frame_count).centers.astype(np.float32)
    if len(centers) > 1:
        scene.add_line_segments(
            "/path", np.stack([centers[:-1], centers[1:]], 1), (30, 110, 210), thickness=4.0, thickness_units="screen"
        )
    for i, (x, y, yaw) in enumerate(read_spawns(folder)):
        scene.add_frame(
            f"/spawn/{i}", axes_length=0.35, axes_radius=0.015, position=(x, y, 0.02),
            wxyz=(math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)),
        )  # fmt: skip
