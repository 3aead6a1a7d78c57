# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0

"""Ray-cast picture of a textured, lit triangle scene; one kernel for the CPU and CUDA.

Textures are int32 texels (r, g, b, a bytes from low to high) that hold the square root of linear light, so that
decoding is one multiplication and the eight bits go where the eye needs them. Every texture carries a mip pyramid;
the level follows the footprint of the sub-sample (Williams 1983, "Pyramidal parametrics").
"""

from __future__ import annotations

import warp as wp

wp.set_module_options({"enable_backward": False})

__all__ = ["RaycastArrays", "raycast_kernel"]

_ALPHA_LAYERS = wp.constant(8)
_FLAG_SKY = wp.constant(1)
_FLAG_ALPHA = wp.constant(2)


@wp.func
def texel(atlas: wp.array(dtype=wp.int32), index: int) -> wp.vec4:
    c = atlas[index]
    r = float(c & 255)
    g = float((c >> 8) & 255)
    b = float((c >> 16) & 255)
    a = float((c >> 24) & 255)
    s = 1.0 / 65025.0
    return wp.vec4(r * r * s, g * g * s, b * b * s, a * (1.0 / 255.0))


@wp.func
def bilinear(atlas: wp.array(dtype=wp.int32), base: int, width: int, height: int, u: float, v: float) -> wp.vec4:
    """Texture value at (u, v), which repeat; texel centres at +0.5."""
    x = (u - wp.floor(u)) * float(width) - 0.5
    y = (v - wp.floor(v)) * float(height) - 0.5
    xf = wp.floor(x)
    yf = wp.floor(y)
    x0 = int(xf)
    y0 = int(yf)
    x1 = x0 + 1
    y1 = y0 + 1
    if x0 < 0:
        x0 = width - 1
    if y0 < 0:
        y0 = height - 1
    if x1 >= width:
        x1 = 0
    if y1 >= height:
        y1 = 0
    fx = x - xf
    fy = y - yf
    row0 = base + y0 * width
    row1 = base + y1 * width
    top = texel(atlas, row0 + x0) * (1.0 - fx) + texel(atlas, row0 + x1) * fx
    low = texel(atlas, row1 + x0) * (1.0 - fx) + texel(atlas, row1 + x1) * fx
    return top * (1.0 - fy) + low * fy


@wp.func
def sample_texture(
    atlas: wp.array(dtype=wp.int32), table: wp.array2d(dtype=wp.int32), texture: int, uv: wp.vec2, lod: float
) -> wp.vec4:
    """Trilinear sample; table row: width, height, levels, then the offset of each level."""
    width = table[texture, 0]
    height = table[texture, 1]
    top = float(table[texture, 2] - 1)
    level = wp.clamp(lod, 0.0, top)
    lower = int(level)
    part = level - float(lower)
    value = bilinear(
        atlas, table[texture, 3 + lower], wp.max(width >> lower, 1), wp.max(height >> lower, 1), uv[0], uv[1]
    )
    if part > 0.02:
        upper = lower + 1
        value = value * (1.0 - part) + part * bilinear(
            atlas, table[texture, 3 + upper], wp.max(width >> upper, 1), wp.max(height >> upper, 1), uv[0], uv[1]
        )
    return value


@wp.func
def sample_light(lights: wp.array(dtype=wp.vec3), base: int, width: int, height: int, uv: wp.vec2) -> wp.vec3:
    """Lightmap value at uv, clamped to the edge; texel centres at +0.5."""
    x = wp.clamp(uv[0] * float(width) - 0.5, 0.0, float(width - 1))
    y = wp.clamp(uv[1] * float(height) - 0.5, 0.0, float(height - 1))
    x0 = int(x)
    y0 = int(y)
    x1 = wp.min(x0 + 1, width - 1)
    y1 = wp.min(y0 + 1, height - 1)
    fx = x - float(x0)
    fy = y - float(y0)
    top = lights[base + y0 * width + x0] * (1.0 - fx) + lights[base + y0 * width + x1] * fx
    low = lights[base + y1 * width + x0] * (1.0 - fx) + lights[base + y1 * width + x1] * fx
    return top * (1.0 - fy) + low * fy


@wp.func
def meet_face(mesh: wp.uint64, face: int, origin: wp.vec3, direction: wp.vec3) -> wp.vec4:
    """Where a ray meets one triangle (Moeller and Trumbore 1997): weights of its first two corners, cosine to the
    normal, distance; the distance is -1 outside."""
    a = wp.mesh_eval_position(mesh, face, 1.0, 0.0)
    b = wp.mesh_eval_position(mesh, face, 0.0, 1.0)
    c = wp.mesh_eval_position(mesh, face, 0.0, 0.0)
    ca = a - c
    cb = b - c
    p = wp.cross(direction, cb)
    determinant = wp.dot(ca, p)
    miss = wp.vec4(0.0, 0.0, 0.0, -1.0)
    if wp.abs(determinant) < 1.0e-12:
        return miss
    inverse = 1.0 / determinant
    to = origin - c
    u = wp.dot(to, p) * inverse
    q = wp.cross(to, ca)
    v = wp.dot(direction, q) * inverse
    if u < 0.0 or v < 0.0 or u + v > 1.0:
        return miss
    return wp.vec4(u, v, wp.abs(determinant) / wp.length(wp.cross(ca, cb)), wp.dot(cb, q) * inverse)


@wp.func
def tone(x: float) -> float:
    """Filmic curve (Narkowicz 2016), linear light in, display-linear 0..1 out."""
    return wp.clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0)


@wp.func
def encode(x: float) -> float:
    """Linear to sRGB (IEC 61966-2-1)."""
    if x <= 0.0031308:
        return 12.92 * x
    return 1.055 * wp.pow(x, 1.0 / 2.4) - 0.055


@wp.struct
class RaycastArrays:
    """What `RaycastScene.build` uploads."""

    mesh: wp.uint64
    atlas: wp.array(dtype=wp.int32)
    table: wp.array2d(dtype=wp.int32)
    uvs: wp.array(dtype=wp.vec2)
    textures: wp.array(dtype=wp.int32)
    density: wp.array(dtype=wp.float32)
    flags: wp.array(dtype=wp.int32)
    emission: wp.array(dtype=wp.float32)
    light_uvs: wp.array(dtype=wp.vec2)
    light_ids: wp.array(dtype=wp.int32)
    light_table: wp.array2d(dtype=wp.int32)
    lights: wp.array(dtype=wp.vec3)
    corner_light: wp.array(dtype=wp.vec3)
    sky_texture: int
    sky_scale: float


@wp.kernel
def raycast_kernel(
    scene: RaycastArrays,
    row_offset: int,
    samples: int,
    origin: wp.vec3,
    ray_from_pixel: wp.mat33,
    pixel_angle: float,
    gain: wp.vec3,
    rgb_out: wp.array2d(dtype=wp.vec3),
    depth_out: wp.array2d(dtype=wp.float32),
    face_out: wp.array2d(dtype=wp.int32),
    linear: int,
):
    """One pixel: samples x samples shaded rays, depth and face of the pixel centre; linear = 1 leaves out the coding."""
    row_local, column = wp.tid()
    row = row_offset + row_local
    total = wp.vec3(0.0, 0.0, 0.0)
    first_face = int(-2)
    same = int(1)
    steps = samples * samples
    # The last pass (k == steps) is the pixel centre, cast for depth alone and only where the samples disagree.
    depth = float(0.0)
    centre = ray_from_pixel * wp.vec3(float(column) + 0.5, float(row) + 0.5, 1.0)
    step = 1.0 / float(samples)
    for k in range(steps + 1):
        # Opposite corners first: if one triangle holds both, the samples between are met in its plane without the tree.
        cell = k
        if k == 1:
            cell = steps - 1
        if k > 1 and k < steps:
            cell = k - 1
        shade = int(1)
        px = float(column) + (float(cell % samples) + 0.5) * step
        py = float(row) + (float(cell // samples) + 0.5) * step
        if k == steps:
            if same == 1 or samples % 2 == 1:
                break
            shade = 0
            px = float(column) + 0.5
            py = float(row) + 0.5
        towards = ray_from_pixel * wp.vec3(px, py, 1.0)
        length = wp.length(towards)
        direction = towards / length
        start = float(0.0)
        face = int(-1)
        colour = wp.vec3(0.0, 0.0, 0.0)
        texture = int(0)
        near = wp.vec4(0.0, 0.0, 0.0, -1.0)
        if k > 1 and same == 1 and first_face >= 0:
            if scene.flags[first_face] == 0:
                near = meet_face(scene.mesh, first_face, origin, direction)
        for _layer in range(_ALPHA_LAYERS):
            bary_u = near[0]
            bary_v = near[1]
            slope = near[2]
            if near[3] > 0.0:
                face = first_face
                start = near[3]
            else:
                query = wp.mesh_query_ray(scene.mesh, origin + direction * start, direction, 1.0e6)
                if not query.result:
                    face = -1
                    break
                face = query.face
                start = start + query.t
                bary_u = query.u
                bary_v = query.v
                slope = wp.abs(wp.dot(query.normal, direction))
            texture = scene.textures[face]
            flag = scene.flags[face]
            if flag == _FLAG_SKY:
                face = -1
                break
            if flag == 0 and shade == 0:
                break
            w2 = 1.0 - bary_u - bary_v
            uv = scene.uvs[3 * face] * bary_u + scene.uvs[3 * face + 1] * bary_v + scene.uvs[3 * face + 2] * w2
            # Between the short (1) and the long (1/slope) axis of the footprint: the sub-samples filter the rest.
            lod = wp.log2(wp.max(start * pixel_angle * scene.density[face], 1.0e-6)) - 0.6 * wp.log2(
                wp.max(slope, 0.06)
            )
            value = sample_texture(scene.atlas, scene.table, texture, uv, lod)
            if (flag & _FLAG_ALPHA) != 0 and value[3] < 0.5:
                face = -1
                start = start + 1.0e-3
                continue
            light = wp.vec3(1.0, 1.0, 1.0) * scene.emission[face]
            if scene.emission[face] <= 0.0:
                page = scene.light_ids[face]
                if page >= 0:
                    luv = (
                        scene.light_uvs[3 * face] * bary_u
                        + scene.light_uvs[3 * face + 1] * bary_v
                        + scene.light_uvs[3 * face + 2] * w2
                    )
                    light = sample_light(
                        scene.lights,
                        scene.light_table[page, 0],
                        scene.light_table[page, 1],
                        scene.light_table[page, 2],
                        luv,
                    )
                else:
                    light = (
                        scene.corner_light[3 * face] * bary_u
                        + scene.corner_light[3 * face + 1] * bary_v
                        + scene.corner_light[3 * face + 2] * w2
                    )
            colour = wp.cw_mul(wp.vec3(value[0], value[1], value[2]), light)
            break
        if k == steps:
            first_face = face
            if face >= 0:
                depth = start / length
            break
        if face < 0:
            # Equirectangular sky: u turns about +z from +x, v runs from the zenith down.
            uv_sky = wp.vec2(
                0.5 + wp.atan2(direction[1], direction[0]) * 0.15915494,
                wp.clamp(0.5 - wp.asin(wp.clamp(direction[2], -1.0, 1.0)) * 0.31830989, 0.004, 0.996),
            )
            size = float(scene.table[scene.sky_texture, 0])
            sky = sample_texture(
                scene.atlas, scene.table, scene.sky_texture, uv_sky, wp.log2(wp.max(pixel_angle * size * 0.159, 1.0e-6))
            )
            colour = wp.vec3(sky[0], sky[1], sky[2]) * scene.sky_scale
        if k == 0:
            first_face = face
        if face != first_face:
            same = 0
        if samples % 2 == 1 and cell == steps // 2:
            depth = float(0.0)
            if face >= 0:
                depth = start / length
            face_out[row, column] = face
        if linear == 0:
            colour = wp.vec3(tone(colour[0] * gain[0]), tone(colour[1] * gain[1]), tone(colour[2] * gain[2]))
        total = total + colour
    if samples % 2 == 0:
        if same == 1 and first_face >= 0:
            # All samples lie in one triangle, so the centre does as well: meet its plane exactly.
            a = wp.mesh_eval_position(scene.mesh, first_face, 1.0, 0.0)
            normal = wp.mesh_eval_face_normal(scene.mesh, first_face)
            depth = wp.dot(a - origin, normal) / wp.dot(centre, normal)
        face_out[row, column] = first_face
    depth_out[row, column] = depth
    total = total / float(steps)
    if linear == 0:
        total = wp.vec3(encode(total[0]), encode(total[1]), encode(total[2]))
    rgb_out[row, column] = total
