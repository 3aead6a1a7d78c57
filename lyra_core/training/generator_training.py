# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Train the embedded video model; resumable to the step.

    python -m lyra_core.training.generator_training --config config/train_video.yaml [key=value ...]
    python -m lyra_core.training.generator_training --config config/train_video.yaml --export data/models/video

`init=CHECKPOINT` or `init=data/models/video` starts a run from another run's weights. Batch and noise of a step depend on
(seed, step) alone, histories that the network made itself also on its averaged
weights, so a run that was killed goes on as if it had not been. With `workers` processes that make batches, such histories
come from the weights of the last checkpoint. `reuse` learns each batch that often, mirrored and coloured anew.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from lyra_core.models.video.embedded.flow import sample
from lyra_core.models.video.embedded.network import FillNetwork, Shape
from lyra_core.models.video.embedded.weights import write_weights
from lyra_core.training.acceleration import Runtime
from lyra_core.training.checkpoints import follow, initial_weights, shipped_weights
from lyra_core.training.command import read_command, training_parser
from lyra_core.training.depth_training import imagenet_encoder, rate_factor
from lyra_core.training.fill_batches import FillBatch, Stores, fill_with, make_batch, open_stores, stack_samples
from lyra_core.training.fill_loss import FillWeights, PatchCritic, adversary_loss, critic_loss, fill_loss
from lyra_core.training.fill_samples import cluster_sample
from lyra_core.training.loading import made_ahead, reused

__all__ = ["State", "export", "learn", "main", "start", "train"]

_LOG = logging.getLogger(__name__)
_REOPEN = 200  # batches after which shards that were rendered meanwhile are seen
_PARTS = ("network", "ema", "optimizer", "critic", "critic_optimizer")


@dataclass(slots=True)
class State:
    """All that a checkpoint holds; `running` is the network as the runtime wraps it."""

    network: FillNetwork
    ema: FillNetwork
    optimizer: torch.optim.Optimizer
    critic: PatchCritic
    critic_optimizer: torch.optim.Optimizer
    running: nn.Module
    step: int = 0
    samples: int = 0

    def save(self, path: Path) -> None:
        """Write a checkpoint; never leaves half a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        temporary = path.with_suffix(".part")
        torch.save({**parts, "step": self.step, "samples": self.samples}, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> None:
        """Read a checkpoint."""
        parts = torch.load(path, weights_only=True, map_location="cpu")
        for name in _PARTS:
            getattr(self, name).load_state_dict(parts[name])
        self.step, self.samples = parts["step"], parts["samples"]


def _shape(config: DictConfig) -> Shape:
    return Shape(**cast(dict[str, Any], OmegaConf.to_object(config.network)))


def start(config: DictConfig, runtime: Runtime) -> State:
    """The last checkpoint of the run, the weights that `init` names, or an untrained network around the ImageNet encoder.

    Raises
    ------
    ConfigError: `init` names no weights. RuntimeError: they are of another shape (torch's own words).
    """
    torch.manual_seed(config.seed)
    shape = _shape(config)
    network, ema, critic = FillNetwork(shape), FillNetwork(shape), PatchCritic()
    checkpoint = Path(config.run) / "checkpoint.pt"
    if not checkpoint.exists() and config.get("init"):
        network.load_state_dict(initial_weights(config.init))
    elif shape.context and not checkpoint.exists():
        names = network.encoder.state_dict().keys()
        whole = imagenet_encoder(config.imagenet)
        network.encoder.load_state_dict({name: whole[name] for name in names})
    ema.load_state_dict(network.state_dict())
    for model in (network, ema, critic):
        model.to(runtime.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    learned = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learned if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = learned[0].is_cuda
    state = State(
        network,
        ema.eval(),
        torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.98), fused=fused),
        critic,
        torch.optim.AdamW(critic.parameters(), lr=2e-4, betas=(0.5, 0.9)),
        network,
    )
    if checkpoint.exists():
        state.load(checkpoint)
        _LOG.info("resumed at step %d", state.step)
    state.running = runtime.prepare(network)
    return state


def learn(
    state: State, batch: FillBatch, config: DictConfig, weights: FillWeights, runtime: Runtime
) -> dict[str, Tensor]:
    """One step; returns the terms of the loss."""
    for group in state.optimizer.param_groups:
        group["lr"] = config.rate * rate_factor(state.step, config)
    inputs, hole = batch.inputs, batch.inputs.hole
    encoder = state.network.encoder if state.network.shape.context else None
    with runtime.autocast():
        made = state.running(batch.state, inputs, batch.time)
        loss, terms = fill_loss(made, batch.truth, hole, batch.valid, weights, encoder)
        adversary = 0 <= config.adversary_from <= state.step and weights.adversary > 0
        if adversary:
            opinion = adversary_loss(state.critic, made, hole)
            loss = loss + weights.adversary * opinion
            terms["adversary"] = opinion.detach()
    state.optimizer.zero_grad(set_to_none=True)
    runtime.backward(loss)
    nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    state.optimizer.step()
    if adversary:
        judged = critic_loss(state.critic, made, torch.lerp(inputs.base, batch.truth, hole), hole)
        state.critic_optimizer.zero_grad(set_to_none=True)
        runtime.backward(judged)
        state.critic_optimizer.step()
        terms["critic"] = judged.detach()
    follow(state.ema, state.network, state.step, config.ema)
    state.step += 1
    state.samples += len(batch.time) * runtime.world
    return terms


@dataclass(slots=True)
class _Maker:
    """Makes the batch of a number in process `rank`; looks for new shards and, if asked to, for new weights now and then."""

    config: DictConfig
    rank: int
    rolls: bool = False
    _stores: Stores | None = None
    _network: FillNetwork | None = None
    _opened: int = field(default=-1)

    def __call__(self, number: int) -> FillBatch:
        if self._stores is None or number // _REOPEN != self._opened:
            self._stores, self._opened = open_stores(Path(self.config.data), "train"), number // _REOPEN
            self._network = self._last_weights()
        rollout = None if self._network is None else partial(fill_with, self._network)
        return make_batch(self._stores, self.config, number, self.rank, rollout)

    def _last_weights(self) -> FillNetwork | None:
        checkpoint = Path(self.config.run) / "checkpoint.pt"
        if not self.rolls or not checkpoint.exists():
            return None
        network = FillNetwork(_shape(self.config))
        network.load_state_dict(initial_weights(checkpoint))
        return network.eval()


def _made(state: State, config: DictConfig, runtime: Runtime) -> Iterator[FillBatch]:
    """Batches from the state's step on, each made while those before are being learned.

    Without workers histories of the network's own making come from the averaged weights as they are, hence not ahead
    of time; with them from those of the last checkpoint.
    """
    times, workers = int(config.get("reuse", 1)), int(config.get("workers", 0))
    first, end = state.step // times, -(-config.steps // times)
    from_here = max(first, config.rollout_from // times) if config.rollout > 0 else end
    yield from made_ahead(_Maker(config, runtime.rank), range(first, min(from_here, end)), workers)
    if workers:
        yield from made_ahead(_Maker(config, runtime.rank, rolls=True), range(from_here, end), workers)
        return
    stores = open_stores(Path(config.data), "train")
    for number in range(from_here, end):
        if number % _REOPEN == 0:
            stores = open_stores(Path(config.data), "train")
        yield make_batch(stores, config, number, runtime.rank, lambda one: fill_with(state.ema, one))


def _batches(state: State, config: DictConfig, runtime: Runtime) -> Iterator[FillBatch]:
    """The batches of all steps left, on the device."""
    there = (batch.to(runtime.device) for batch in _made(state, config, runtime))
    vary = partial(_varied, start_share=config.start_share)
    yield from itertools.islice(
        reused(there, int(config.get("reuse", 1)), vary, seed=config.seed), config.steps - state.step
    )


def _varied(batch: FillBatch, rng: np.random.Generator, start_share: float) -> FillBatch:
    return batch.varied(rng, start_share)


def _look(state: State, stores: Stores, count: int = 12) -> dict[str, float]:
    """Hole errors on a few held-out clusters: PSNR of the base and of the averaged network in one step."""
    base, ours, depth, device = [], [], [], next(state.ema.parameters()).device
    for kind in sorted(stores.clusters):
        store = stores.clusters[kind]
        for index in np.linspace(0, len(store) - 1, count).astype(int):
            one = cluster_sample(store[int(index)], np.random.default_rng([7, int(index)]))
            inputs, truth, valid = stack_samples([one])
            with torch.no_grad():
                made = sample(state.ema, inputs.to(device)).cpu()
            hole = inputs.hole.bool()[0, 0]
            if not hole.any():
                continue

            def score(view: Tensor, truth: Tensor = truth, hole: Tensor = hole) -> float:
                error = (view.clamp(-1, 1) - truth)[0, :3].div(2)[:, hole].square().mean()
                return float(-10 * torch.log10(error + 1e-9))

            base.append(score(inputs.base))
            ours.append(score(made))
            surface = hole & valid.bool()[0, 0]
            off = [(v - truth)[0, 3][surface].abs().mean().item() for v in (inputs.base, made)] if surface.any() else []
            depth += [off] if off else []
    mean = np.mean(depth, axis=0) if depth else (np.nan, np.nan)
    figures = {"base": np.mean(base), "ours": np.mean(ours), "base_depth": mean[0], "depth": mean[1]}
    return {key: round(float(value), 4) for key, value in figures.items()}


def _report(state: State, config: DictConfig, window: list[dict[str, Tensor]], seconds: float, done: int) -> None:
    keys = {key for terms in window for key in terms}
    means = {key: round(float(torch.stack([t[key] for t in window if key in t]).mean()), 4) for key in sorted(keys)}
    pace = done / max(seconds, 1e-6)
    left = (config.steps - state.step) / max(pace, 1e-6)
    _LOG.info(
        "step %d of %d, %d samples, %.2f steps/s, %.0f min left %s",
        state.step, config.steps, state.samples, pace, left / 60, means,
    )  # fmt: skip


def train(config: DictConfig, *, progress: Callable[[State], None] | None = None) -> State:
    """Train from the last checkpoint to `steps`; ConfigError if there is nothing to learn from."""
    torch.set_num_threads(config.threads)
    runtime = Runtime(config.precision)
    weights = FillWeights(**cast(dict[str, Any], OmegaConf.to_object(config.loss)))
    stores = open_stores(Path(config.data), "train")
    del stores
    state, run = start(config, runtime), Path(config.run)
    _LOG.info("training on %s, %d parameters", runtime.describe(), sum(p.numel() for p in state.network.parameters()))
    tests = _tests(config) if runtime.first else None
    saved, window, began = time.monotonic(), [], time.monotonic()
    for batch in _batches(state, config, runtime):
        window.append(learn(state, batch, config, weights, runtime))
        if progress is not None:
            progress(state)
        if not runtime.first:
            continue
        if time.monotonic() - saved > config.checkpoint_seconds or state.step == config.steps:
            state.save(run / "checkpoint.pt")
            saved = time.monotonic()
        if state.step % 50 == 0:
            _report(state, config, window, time.monotonic() - began, len(window))
            window, began = [], time.monotonic()
        if tests is not None and state.step % config.test_every == 0:
            figures = _look(state, tests)
            _LOG.info("held out at step %d: %s", state.step, figures)
            with (run / "held_out.jsonl").open("a") as log:
                log.write(json.dumps({"step": state.step, "samples": state.samples, **figures}) + "\n")
    return state


def _tests(config: DictConfig) -> Stores | None:
    there = any(Path(config.data).glob("clusters_*_test/*.focal.npy"))
    return open_stores(Path(config.data), "test") if there else None


def export(config: DictConfig, folder: Path, checkpoints: Sequence[Path] = ()) -> None:
    """Write the averaged weights of the last checkpoint, or the mean of several checkpoints, as the model that ships."""
    weights, facts = shipped_weights(config, checkpoints, leave_out=("network", "init", "workers"))
    shape = cast(dict[str, Any], OmegaConf.to_object(config.network))
    write_weights(folder, weights, shape, facts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; see the module's text."""
    parser = training_parser("generator_training", "config/train_video.yaml")
    given, config = read_command(parser, arguments)
    if given.export is not None:
        export(config, given.export, given.average)
    else:
        train(config)


if __name__ == "__main__":
    main()
