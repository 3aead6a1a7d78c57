# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Draws first_screen.jpg of the README from the world of its first command:

python data/pictures/make_first_screen.py worlds/first
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lyra_core.geometry import intrinsics_from_fov, look_at
from lyra_core.ops.mesh_view import view_mesh
from lyra_core.reconstruction.ply import read_ply
from lyra_core.reconstruction.render import render_path, to_uint8
from lyra_core.types import Camera, Mesh
from lyra_core.usd import read_collision_tiles
from lyra_core.world import WorldFolder

_SIZE = (600, 346)
_BAR = 28


def _collider(folder: Path) -> Mesh:
    vertices, faces, count = [], [], 0
    for _, tile in read_collision_tiles(folder):
        vertices.append(tile.vertices)
        faces.append(tile.faces + count)
        count += len(tile.vertices)
    return Mesh(np.concatenate(vertices), np.concatenate(faces))


def main(folder: Path) -> None:
    """Four pictures with their names: photo, last frame, Gaussians and collider from above and behind."""
    world = WorldFolder.open(folder)
    gaussians = read_ply(folder / "splats.ply")
    first, last = world.frames[0], world.frames[len(world.frames) - 1]
    eye, aim = np.array([-1.2, -4.5, 4.2]), np.array([0.4, 7.0, 0.0])
    side = Camera(intrinsics_from_fov(62.0, *_SIZE), look_at(eye, aim), *_SIZE)
    drawn, beside = render_path(gaussians, [last.camera, side])
    void = 1 - beside.alpha[..., None]
    pictures = {
        "the photo (frame 0)": first.rgb,
        "the last frame, rendered from the Gaussians": drawn.rgb,
        "the Gaussians from behind and above": beside.rgb + void,
        "the collider that PhysX stands on": view_mesh(_collider(folder), side).rgb,
    }
    sheet = Image.new("RGB", (2 * _SIZE[0], 2 * (_SIZE[1] + _BAR)), (20, 23, 28))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for place, (words, rgb) in enumerate(pictures.items()):
        x, y = place % 2 * _SIZE[0], place // 2 * (_SIZE[1] + _BAR)
        sheet.paste(Image.fromarray(to_uint8(rgb)).resize(_SIZE, Image.Resampling.LANCZOS), (x, y))
        draw.text((x + 10, y + _SIZE[1] + 4), words, (235, 238, 240), font)
    sheet.save(Path(__file__).with_name("first_screen.jpg"), quality=88)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
