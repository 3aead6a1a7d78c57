# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Stages of a Lyra 2.0 chunk: our form against the straightforward one, in one run, with random weights.

    python tests/benchmarks/lyra2_stages.py [--stages network,warp,conditions,vae,attention] [--rounds 3]
    python tests/benchmarks/lyra2_stages.py --full                  one H100: 38,246 tokens, bfloat16, all 40 layers
    python tests/benchmarks/lyra2_stages.py --full --layers 4       a card with less memory; times are per layer too

network: the straightforward form makes sines, camera and correspondence projections, caption and picture keys and
values again in every layer of every call, as the reference does (tests/golden/lyra2_straightforward.py); ours makes
them once per chunk. Printed: one call each way, both passes of guidance apart and together, and a chunk of --steps
guided steps. warp: the last frame to all targets of a chunk, unprojected again for each target, against placed and
splatted once. conditions: camera rays for the whole film so far against those that are used; retrieved pictures to 80
targets against 20. vae: decoding with a flush after each latent (CUDA) against without, and in tiles. attention: each
kernel of torch that runs here.

Forms alternate A B A B in one process; medians of process CPU time with one thread on the CPU, of wall time with
synchronisation on a GPU. Results are compared too: a form that does not agree stops the run. With --full it prints
TFLOP/s and their part of what a large matrix product reaches on the same card in the same dtype, and the measured peak
memory of each stage beside the computed one of budget.py.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

STAGES = ("network", "warp", "conditions", "vae", "attention")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("rounds", 3), ("dim", 768), ("heads", 6), ("layers", 2), ("rows", 16), ("columns", 28),
                        ("steps", 35), ("targets", 16)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=None if name in ("layers", "targets") else value)
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--compile", default=None, help="backend of torch.compile, such as inductor")
    parser.add_argument("--full", action="store_true", help="480x832 with the released sizes on CUDA in bfloat16")
    args = parser.parse_args()
    if args.full:
        args.device, args.dtype = "cuda", "bfloat16"
        args.dim, args.heads, args.rows, args.columns = 5120, 40, 60, 104
    args.layers = args.layers or (40 if args.full else 2)
    args.targets = args.targets or (80 if args.full else 16)
    return args


class Clock:
    """Medians of alternating forms; the first round only warms up."""

    def __init__(self, device: str, rounds: int) -> None:
        import torch

        self.torch, self.cuda, self.rounds = torch, device.startswith("cuda"), rounds

    def once(self, call: Callable[[], Any]) -> tuple[float, Any]:
        if self.cuda:
            self.torch.cuda.synchronize()
            start = time.perf_counter()
            result = call()
            self.torch.cuda.synchronize()
            return time.perf_counter() - start, result
        start = time.process_time()
        result = call()
        return time.process_time() - start, result

    def compare(self, forms: dict[str, Callable[[], Any]], same: Callable[[Any, Any], float], limit: float
                ) -> dict[str, float]:  # fmt: skip
        """Median seconds of each form; every result is held against the first form's."""
        times: dict[str, list[float]] = {name: [] for name in forms}
        for _ in range(self.rounds + 1):
            want = None
            for name, call in forms.items():
                spent, got = self.once(call)
                times[name].append(spent)
                want = got if want is None else want
                error = same(got, want)
                assert error < limit, f"{name} is off by {error}"
        return {name: statistics.median(values[1:]) for name, values in times.items()}


def table(title: str, times: dict[str, float]) -> None:
    """Milliseconds and the ratio of the first form to each."""
    first = next(iter(times.values()))
    print(title)
    for name, value in times.items():
        print(f"  {name:44s} {value * 1e3:11.1f} ms   {first / max(value, 1e-9):6.2f} x")


def off(got: Any, want: Any) -> float:
    """Largest difference as a part of the largest value."""
    return float((got.float() - want.float()).abs().max() / want.float().abs().max())


def flops(config: Any, tokens: int) -> float:
    """Arithmetic of one pass: matrix products of the blocks and both attentions (two per multiply-add)."""
    dim = config.dim
    linear = 2 * tokens * (4 * dim * dim + 2 * dim * dim + 2 * dim * config.ffn_dim)
    return config.layers * (linear + 4 * tokens * tokens * dim + 4 * tokens * (512 + 257) * dim)


def matmul_rate(clock: Clock, dtype: Any, device: str) -> float:
    """FLOP/s that a large matrix product reaches here."""
    torch = clock.torch
    size = 8192 if clock.cuda else 1024
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / min(clock.once(lambda: a @ b)[0] for _ in range(8))


def network_stage(args: argparse.Namespace, clock: Clock) -> None:
    torch = clock.torch
    from lyra_core.models.video.lyra2.loading import compile_blocks
    from lyra_core.models.video.lyra2.network import NetworkConfig, Transformer
    from tests.golden.lyra2_straightforward import Straightforward

    dtype = getattr(torch, args.dtype)
    config = NetworkConfig(dim=args.dim, heads=args.heads, layers=args.layers, ffn_dim=args.dim * 27 // 10)
    with torch.device(args.device):
        torch.set_default_dtype(dtype)
        network = Transformer(config).eval().requires_grad_(False)
        torch.set_default_dtype(torch.float32)
        shape = (network.layout.total, args.rows, args.columns)
        x, y = torch.randn(1, 16, *shape, dtype=dtype), torch.randn(1, 404, *shape, dtype=dtype)
        buffer = torch.rand(1, 256 * network.slots, *shape, dtype=dtype) * 2 - 1
        text, other = (torch.randn(1, 512, config.text_dim, dtype=dtype) for _ in range(2))
        clip = torch.randn(1, 257, config.clip_dim, dtype=dtype)
    p, tokens = network.layout.history, network.layout.tokens(args.rows, args.columns)[-1].stop
    straight = Straightforward(network.state_dict(), config)
    made: dict[str, tuple[float, Any]] = {}
    for hoist in ("full", "squeezed"):
        made[hoist] = clock.once(lambda h=hoist: network.prepare(x[:, :, :p], y, buffer, clip, hoist=h))
        if clock.cuda and hoist == "full" and args.layers == 40 and torch.cuda.mem_get_info()[0] < 20e9:
            made.pop(hoist)
    spent, caption = clock.once(lambda: network.prepare_text(text))
    negative = network.prepare_text(other)
    hoist = next(iter(made))
    chunk = made[hoist][1]
    new = x[:, :, p:]
    forms: dict[str, Callable[[], Any]] = {
        "straightforward, two passes": lambda: torch.cat(
            [straight(x, 625.0, y, buffer, t, clip) for t in (text, other)]
        )
    }
    for name, (_, one) in made.items():
        forms[f"hoisted ({name}), two passes"] = lambda c=one: torch.cat(
            [network.velocity(new, 625.0, c, t) for t in (caption, negative)]
        )
    forms[f"hoisted ({hoist}), both passes together"] = lambda: network.velocities(
        new, 625.0, chunk, [caption, negative]
    )
    if args.compile:
        compile_blocks(network, args.compile)
        forms = {f"{name}, compiled" if "hoisted" in name else name: form for name, form in forms.items()}
    times = clock.compare(forms, off, 1e-4 if dtype == torch.float32 else 0.1)
    table(f"network: width {args.dim}, {args.layers} layers, {tokens} tokens, {args.dtype} on {args.device}", times)
    rate = matmul_rate(clock, dtype, args.device)
    for name, value in times.items():
        reached = 2 * flops(config, tokens) / value
        print(f"  {name:44s} {reached / 1e12:11.3f} TFLOP/s, {100 * reached / rate:.0f} % of a matrix product's")
    best = min((name for name in times if "straight" not in name), key=lambda name: times[name])
    once = made[hoist][0] + 2 * spent
    straightforward = args.steps * times["straightforward, two passes"]
    print(f"  a chunk of {args.steps} guided steps: {straightforward / (once + args.steps * times[best]):.2f} x"
          f" (made once per chunk: {once * 1e3:.0f} ms)")  # fmt: skip


def scene(args: argparse.Namespace) -> tuple[Any, ...]:
    """A picture with depth steps, its camera, and the cameras of a chunk."""
    import numpy as np

    from lyra_core.models.video.lyra2.conditioning import make_camera

    rng, height, width = np.random.default_rng(0), 8 * args.rows, 8 * args.columns
    k = np.array([[0.8 * width, 0, width / 2 + 0.3], [0, 0.8 * width, height / 2 - 0.3], [0, 0, 1]], np.float32)
    depth = np.full((height, width), 4.0, np.float32)
    depth[height // 3 : height // 2, width // 4 : width // 2] = 2.1
    rgb = rng.uniform(-1, 1, (height, width, 3)).astype(np.float32)
    poses = np.tile(np.eye(4, dtype=np.float32), (args.targets, 1, 1))
    poses[:, 0, 3], poses[:, 2, 3] = np.linspace(0.01, 0.4, args.targets), np.linspace(0.01, 0.6, args.targets)
    cameras = [make_camera(pose, k, (height, width)) for pose in poses]
    return rgb, depth, k, poses, make_camera(np.eye(4), k, (height, width)), cameras


def warp_stage(args: argparse.Namespace, clock: Clock) -> None:
    import numpy as np

    from lyra_core.models.video.lyra2.conditioning import warp
    from tests.golden.lyra2_straightforward import straightforward_warp

    rgb, depth, k, poses, source, cameras = scene(args)
    eye = np.eye(4, dtype=np.float32)

    def same(got: Any, want: Any) -> float:
        both = (got != -1).any(-1) & (want != -1).any(-1)
        return float(np.median(np.abs(got - want)[both]))

    forms: dict[str, Callable[[], Any]] = {
        "straightforward": lambda: straightforward_warp(rgb, depth, eye, k, poses)[0],
        "placed and splatted once, reference mode": lambda: warp(
            rgb, depth, source, cameras, compat="reference", device=args.device
        )[0],
    }
    times = clock.compare(forms, same, 1e-3)
    times["placed and splatted once, default"] = statistics.median(
        clock.once(lambda: warp(rgb, depth, source, cameras, device=args.device))[0] for _ in range(args.rounds)
    )
    table(f"warp: {8 * args.columns}x{8 * args.rows} to {args.targets} targets", times)


def conditions_stage(args: argparse.Namespace, clock: Clock) -> None:
    import numpy as np

    from lyra_core.models.video.lyra2.conditioning import CacheEntry, camera_rays, correspondence
    from lyra_core.models.video.lyra2.packing import REAL_LAYOUT, Layout

    _, depth, k, poses, _, cameras = scene(args)
    size, layout = depth.shape, Layout.parse(REAL_LAYOUT)
    film = np.tile(poses[:1], (layout.history + 4 * layout.new, 1, 1))  # latents after four chunks
    ks = np.tile(k[None], (len(film), 1, 1))
    used = layout.total
    times = clock.compare(
        {"rays of the whole film so far": lambda: camera_rays(film, ks, poses[0], size)[:, :, -used:],
         "rays of the latents that are used": lambda: camera_rays(film[-used:], ks[-used:], poses[0], size)},
        off, 1e-6,
    )  # fmt: skip
    table("camera rays in the fourth chunk", times)
    short = Layout.parse(f"f1k1f5s1_g{args.targets // 4}")
    entries = [CacheEntry(i, depth, poses[0], k) for i in range(short.slots)]
    times = {}
    for name, compat in (("all targets", "reference"), ("those that are used", "default")):
        times[f"correspondence of 5 pictures, {name}"] = statistics.median(
            clock.once(lambda c=compat: correspondence(short, entries, cameras, size, compat=c, device=args.device))[0]
            for _ in range(args.rounds)
        )
    table(f"correspondence: {args.targets} targets", times)


def vae_stage(args: argparse.Namespace, clock: Clock) -> None:
    torch = clock.torch
    import gc

    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    from lyra_core.models.video.lyra2.vae import Vae, VaeStream

    model = AutoencoderKLWan() if args.full else AutoencoderKLWan(base_dim=16)
    torch.nn.Module.to(model, args.device, getattr(torch, args.dtype))
    latents = torch.randn(1, 16, 20 if args.full else 2, args.rows, args.columns, device=args.device)

    def flushed() -> Any:
        stream, parts = VaeStream(), []
        with torch.backends.cudnn.flags(enabled=False):
            for part in latents.split(1, dim=2):
                parts.append(whole.decode(part, stream))
                gc.collect()
                if clock.cuda:
                    torch.cuda.synchronize()
                    torch.cuda.empty_cache()
        return torch.cat(parts, dim=2)

    whole, tiled = Vae(model), Vae(model, tiles=(2, 2))
    forms = {"no cuDNN, flushed after each latent": flushed, "as it is": lambda: whole.decode(latents),
             "in 2 x 2 tiles": lambda: tiled.decode(latents)}  # fmt: skip
    table("VAE decoding", clock.compare(forms, off, 1e-4 if args.dtype == "float32" else 0.1))


def attention_stage(args: argparse.Namespace, clock: Clock) -> None:
    torch = clock.torch
    from lyra_core.models.video.lyra2.attention import attention_kernel, usable_kernels
    from lyra_core.models.video.lyra2.packing import REAL_LAYOUT, Layout

    dtype, width = getattr(torch, args.dtype), args.dim // args.heads
    tokens = Layout.parse(REAL_LAYOUT).tokens(args.rows, args.columns)[-1].stop
    q, k, v = (torch.randn(1, args.heads, tokens, width, device=args.device, dtype=dtype) for _ in range(3))
    names = [n for n in usable_kernels(args.device, dtype, width) if n != "math" or not args.full]
    forms = {name: partial(attention_kernel(name, args.device, dtype, width), q, k, v) for name in ["auto", *names]}
    times = clock.compare(forms, off, 1e-4 if dtype == torch.float32 else 0.1)
    table(f"attention: {tokens} tokens, {args.heads} heads of {width}", times)


def main() -> None:
    import torch

    args = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    clock = Clock(args.device, args.rounds)
    stages = {"network": network_stage, "warp": warp_stage, "conditions": conditions_stage, "vae": vae_stage,
              "attention": attention_stage}  # fmt: skip
    with torch.no_grad():
        for name in args.stages.split(","):
            if clock.cuda:
                torch.cuda.reset_peak_memory_stats()
            stages[name](args, clock)
            if clock.cuda:
                print(f"  peak memory of this stage: {torch.cuda.max_memory_allocated() / 1e9:.1f} GB (measured)")
    if args.full:
        from lyra_core.models.video.lyra2.budget import plans
        from lyra_core.models.video.lyra2.network import NetworkConfig

        print("\n".join(plans(NetworkConfig(layers=args.layers), 832, 480)[0].lines()))


if __name__ == "__main__":
    main()
