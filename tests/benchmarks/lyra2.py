# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""One network call of the Lyra 2.0 generator: hoisted against straightforward, with random weights.

    python tests/benchmarks/lyra2.py [--rounds 5] [--dim 768 --heads 6 --layers 4 --rows 30 --columns 52]
        [--device cuda --dtype bfloat16]

Straightforward: sines, camera and correspondence projections, caption and picture keys and values are made again in
every layer of every call, as the reference does. Hoisted: once per chunk (`Transformer.prepare`); its own time is
printed too, and what a chunk of 35 steps with guidance costs both ways. Runs alternate A B A B in one process with one
thread; medians of process CPU time on the CPU, wall time on a GPU.

The ratio at a small width is not that of the released network: what is hoisted is 2 % of its 5120-wide arithmetic (on a
GPU its share of the time is larger, because the sines are 10 GB of memory traffic in every layer).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("rounds", 3), ("dim", 768), ("heads", 6), ("layers", 2), ("rows", 16), ("columns", 28),
                        ("steps", 35), ("squeeze", 256)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    return parser.parse_args()


def main() -> None:
    import torch

    from lyra_core.models.video.lyra2.network import NetworkConfig, Transformer
    from tests.golden.lyra2_straightforward import Straightforward

    args = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dtype, cuda = getattr(torch, args.dtype), args.device.startswith("cuda")
    config = NetworkConfig(dim=args.dim, heads=args.heads, layers=args.layers, ffn_dim=args.dim * 27 // 10,
                           squeeze=args.squeeze)  # fmt: skip
    with torch.device(args.device):
        network = Transformer(config).to(dtype).eval().requires_grad_(False)
        total, h, w = network.layout.total, args.rows, args.columns
        x, y = torch.randn(1, 16, total, h, w), torch.randn(1, 404, total, h, w)
        buffer = torch.rand(1, 256 * network.slots, total, h, w) * 2 - 1
        text, clip = torch.randn(1, 512, config.text_dim), torch.randn(1, 257, config.clip_dim)
    x = x.to(dtype)
    straight = Straightforward(network.state_dict(), config)
    p = network.layout.history

    def timed(call):
        if cuda:
            torch.cuda.synchronize()
        start = (time.perf_counter if cuda else time.process_time)()
        result = call()
        if cuda:
            torch.cuda.synchronize()
        return (time.perf_counter if cuda else time.process_time)() - start, result

    times = {name: [] for name in ("straightforward", "full", "squeezed", "prepare full", "prepare squeezed", "text")}
    with torch.no_grad():
        for _ in range(args.rounds + 1):
            spent, want = timed(lambda: straight(x, 625.0, y, buffer, text, clip))
            times["straightforward"].append(spent)
            spent, caption = timed(lambda: network.prepare_text(text))
            times["text"].append(spent)
            for hoist in ("full", "squeezed"):
                spent, chunk = timed(lambda hoist=hoist: network.prepare(x[:, :, :p], y, buffer, clip, hoist=hoist))
                times[f"prepare {hoist}"].append(spent)
                spent, got = timed(lambda c=chunk, t=caption: network.velocity(x[:, :, p:], 625.0, c, t))
                times[hoist].append(spent)
                error = float((got.float() - want.float()).abs().max() / want.float().abs().max())
                assert error < (1e-4 if dtype == torch.float32 else 0.1), error
    median = {name: statistics.median(values[1:]) for name, values in times.items()}
    tokens = network.layout.tokens(h, w)[-1].stop
    print(f"width {args.dim}, {args.layers} layers, {tokens} tokens, {args.dtype} on {args.device}")
    for name, value in median.items():
        print(f"  {name:18s} {value * 1e3:9.1f} ms")
    calls = 2 * args.steps
    for hoist in ("full", "squeezed"):
        chunk = median[f"prepare {hoist}"] + 2 * median["text"] + calls * median[hoist]
        ratio = calls * median["straightforward"] / chunk
        print(f"  {hoist}: one call {median['straightforward'] / median[hoist]:.2f} times, "
              f"a chunk of {args.steps} guided steps {ratio:.2f} times as fast as straightforward")  # fmt: skip


if __name__ == "__main__":
    main()
