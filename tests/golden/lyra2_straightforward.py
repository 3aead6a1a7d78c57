# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The network written straight down, with everything made again in every layer of every call.

Works on a table of weights, shares only the packing with the product, and serves as the slow reference of
test_lyra2_network.py and of the benchmark.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from lyra_core.models.video.lyra2.packing import (
    Layout,
    cut_patches,
    pack_camera,
    pack_correspondence,
    pack_rope,
    unshuffle,
)


def full_correspondence(layout, buffer, length):
    """(1, L, 4 C) correspondence of all tokens and (1, L) validity: -1 and 0 for the film's history."""
    tokens = buffer.new_full((1, length, 4 * buffer.shape[1]), -1.0)
    valid = buffer.new_zeros(1, length)
    parts = pack_correspondence(layout, buffer)
    if len(parts) == 1:  # given for the new frames only: retrieved pictures have zeros
        for where, segment in zip(layout.tokens(*buffer.shape[-2:]), layout.segments, strict=False):
            if segment.kind == "s":
                tokens[:, where] = 0
    for where, part in parts:
        tokens[:, where], valid[:, where] = part, 1
    return tokens, valid


class Straightforward:
    """weights: names of the reference; config: NetworkConfig."""

    def __init__(self, weights, config):
        self.w, self.config, self.layout = weights, config, Layout.parse(config.layout)

    def linear(self, x, name):
        return functional.linear(x, self.w[name + ".weight"], self.w.get(name + ".bias"))

    def rms(self, x, name):
        wide = x.float()
        normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.config.eps)
        return normed.to(x.dtype) * self.w[name + ".weight"]

    def norm(self, x, name=None):
        weight, bias = (self.w[f"{name}.{p}"].float() for p in ("weight", "bias")) if name else (None, None)
        return functional.layer_norm(x.float(), x.shape[-1:], weight, bias, self.config.eps).to(x.dtype)

    def heads(self, x):
        return x.unflatten(-1, (self.config.heads, -1)).transpose(1, 2)

    def attention(self, q, k, v):
        return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def rotate(self, x, angles):
        pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
        return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2).to(x.dtype)

    def tokens(self, x, y):
        whole = torch.cat([x, y[:, :20].to(x.dtype)], dim=1)
        parts = whole.split(self.layout.splits, dim=2)
        out = [
            self.linear(cut_patches(part, segment.patch), f"clean_patch_embeddings.{i}")
            for i, (part, segment) in enumerate(zip(parts, self.layout.segments, strict=False))
        ]
        return torch.cat([*out, self.linear(cut_patches(parts[-1], (1, 2, 2)), "patch_embedding")], dim=1)

    def context(self, text, clip):
        def norm(x, name):
            return functional.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w[name + ".bias"])

        t = self.linear(functional.gelu(self.linear(text, "text_embedding.0"), approximate="tanh"), "text_embedding.2")
        c = self.linear(norm(clip, "img_emb.proj.0"), "img_emb.proj.1")
        c = norm(self.linear(functional.gelu(c), "img_emb.proj.3"), "img_emb.proj.4")
        return torch.cat([c, t], dim=1)

    def time(self, t):
        half = self.config.freq_dim // 2
        angle = float(t) * 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
        wave = torch.cat([angle.cos(), angle.sin()])[None].float().to(self.w["head.head.bias"].device)

        def linear(x, name):
            return functional.linear(x, self.w[name + ".weight"].float(), self.w[name + ".bias"].float())

        e = linear(functional.silu(linear(wave, "time_embedding.0")), "time_embedding.2")
        return e, linear(functional.silu(e), "time_projection.1").unflatten(1, (6, -1))

    def block(self, i, x, e0, rays, corr, valid, angles, context):
        b, dtype = f"blocks.{i}.", x.dtype
        m = self.w[b + "modulation"].float() + e0
        shift1, scale1, gate1, shift2, scale2, gate2 = m.chunk(6, dim=1)
        scaled = torch.pi * corr.float()
        waves = torch.cat([scaled.sin(), scaled.cos(), (2 * scaled).sin(), (2 * scaled).cos()], dim=-1).to(dtype)
        place = self.linear(self.linear(waves, b + "buffer_encoder.0"), b + "buffer_encoder.1") * valid[..., None]
        y = (self.norm(x).float() * (1 + scale1) + shift1).to(dtype)
        placed = y + self.linear(rays, b + "cam_encoder") + place
        s, c = b + "self_attn.", b + "cross_attn."
        q = self.rotate(self.heads(self.rms(self.linear(placed, s + "q"), s + "norm_q")), angles)
        k = self.rotate(self.heads(self.rms(self.linear(placed, s + "k"), s + "norm_k")), angles)
        out = self.attention(q, k, self.heads(self.linear(y, s + "v")))
        x = x + gate1.to(dtype) * self.linear(out, s + "o")
        picture, text = context[:, :-512], context[:, -512:]
        q = self.heads(self.rms(self.linear(self.norm(x, b + "norm3"), c + "q"), c + "norm_q"))
        k = self.heads(self.rms(self.linear(text, c + "k"), c + "norm_k"))
        k_img = self.heads(self.rms(self.linear(picture, c + "k_img"), c + "norm_k_img"))
        out = self.attention(q, k, self.heads(self.linear(text, c + "v")))
        out = out + self.attention(q, k_img, self.heads(self.linear(picture, c + "v_img")))
        x = x + self.linear(out, c + "o")
        y = (self.norm(x).float() * (1 + scale2) + shift2).to(dtype)
        hidden = functional.gelu(self.linear(y, b + "ffn.0"), approximate="tanh")
        return x + gate2.to(dtype) * self.linear(hidden, b + "ffn.2")

    def __call__(self, x, t, y, buffer, text, clip):
        rows, columns = x.shape[-2:]
        e, e0 = self.time(t)
        angles = pack_rope(self.layout, rows, columns, self.config.head_dim, x.device)
        rays = pack_camera(self.layout, unshuffle(y[:, 20:].to(x.dtype), 2))
        corr, valid = full_correspondence(self.layout, buffer.to(x.dtype), rays.shape[1])
        context = self.context(text.to(x.dtype), clip.to(x.dtype))
        hidden = self.tokens(x, y)
        for i in range(self.config.layers):
            hidden = self.block(i, hidden, e0, rays, corr, valid, angles, context)
        shift, scale = (self.w["head.modulation"].float() + e[:, None]).chunk(2, dim=1)
        out = functional.layer_norm(hidden.float(), hidden.shape[-1:], eps=self.config.eps) * (1 + scale) + shift
        out = functional.linear(out, self.w["head.head.weight"].float(), self.w["head.head.bias"].float())
        new = self.layout.new
        out = out[:, -new * rows * columns // 4 :].reshape(1, new, rows // 2, columns // 2, 2, 2, 16)
        return out.permute(0, 6, 1, 2, 4, 3, 5).reshape(1, 16, new, rows, columns)


def straightforward_warp(rgb, depth, source, k, targets, batch=16):
    """(N, H, W, 3) colours (holes -1), (N, H, W) depth and seen: the reference's warp, target after target.

    rgb (H, W, 3) in -1..1, depth (H, W), source and targets (N, 4, 4) world to camera, k (3, 3), all float32. Every
    target unprojects the picture again, and every corner is added on its own; batch targets share the largest depth.
    """
    height, width = depth.shape
    rgb, depth, k, targets = (torch.as_tensor(v) for v in (rgb, depth, k, targets))
    shape = depth[None, None]
    largest = functional.max_pool2d(functional.pad(shape, (2,) * 4, value=-torch.inf), 5, 1)
    least = -functional.max_pool2d(functional.pad(-shape, (2,) * 4, value=-torch.inf), 5, 1)
    mean = functional.avg_pool2d(shape, 5, 1, 2)
    valid = (((largest - least) / (mean + 1e-6) < 0.05)[0, 0] & (depth > 0)).flatten()
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3).float()
    colours = rgb.reshape(-1, 3)

    def land(target):
        local = (torch.linalg.inv(k) @ (pixels * depth.reshape(-1, 1)).T).T
        world = (torch.linalg.inv(torch.as_tensor(source)) @ functional.pad(local, (0, 1), value=1.0).T).T
        world = torch.where(valid[:, None], world[:, :3], 0)
        point = (k @ (target @ functional.pad(world, (0, 1), value=1.0).T)[:3]).T
        return point[:, :2] / (point[:, 2:] + 1e-7), point[:, 2]

    def splat(target, maximum):
        uv, z = land(target)
        use = valid & (z > 0)
        place = (uv - pixels[:, :2] + pixels[:, :2])[use] + 1
        near = 1 / (torch.exp((50 * torch.log1p(z[use]) / (maximum + 1e-7)).clamp(max=80)) + 1e-7)
        value = torch.cat([colours[use], z[use, None], torch.ones_like(z[use, None])], dim=1)
        total = torch.zeros((height + 2) * (width + 2), 5)
        limit = torch.tensor([width + 1.0, height + 1.0])
        low, high = (f(place).clamp(torch.zeros(2), limit) for f in (torch.floor, torch.ceil))
        for cx in (low, high):
            for cy in (low, high):
                corner = torch.stack([cx[:, 0], cy[:, 1]], dim=1)
                weight = (1 - (place - corner).abs()).clamp(min=0).prod(1) * near
                at = (corner[:, 1] * (width + 2) + corner[:, 0]).long()
                total.index_put_((at,), value * weight[:, None], accumulate=True)
        total = total.reshape(height + 2, width + 2, 5)[1:-1, 1:-1]
        seen = total[..., 4] > 0
        out = total[..., :4] / total[..., 4:].clamp(min=torch.finfo(torch.float32).tiny)
        colour = torch.where(seen[..., None], out[..., :3], -1).clamp(-1, 1)
        return colour, torch.where(seen, out[..., 3], 0), seen

    results = []
    for start in range(0, len(targets), batch):
        group = targets[start : start + batch]
        maximum = torch.log1p(torch.stack([land(t)[1] for t in group]).clamp(min=0)).max()
        results += [splat(target, maximum) for target in group]
    return tuple(torch.stack(part).numpy() for part in zip(*results, strict=True))
