# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning Lyra 2.0 on clips: `lyra train lyra2 data=FOLDER checkpoint=FOLDER`; resumes by itself.

Step i draws from default_rng([seed, i]), so a run that was stopped and goes on equals one that was not. The released
14B weights need several large GPUs for their optimizer; a LoRA or the named parameter groups need less (groups in
config/train_lyra2.yaml). What runs in the tests is the tiny network.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lyra_core.errors import ConfigError
from lyra_core.models.video.lyra2.bundle import Bundle, find_bundle
from lyra_core.models.video.lyra2.checkpoint import load_transformer, read_config, read_state
from lyra_core.models.video.lyra2.encoders import PictureEncoder, TextEncoder, read_negative
from lyra_core.models.video.lyra2.network import Transformer
from lyra_core.models.video.lyra2.vae import Vae, make_autoencoder
from lyra_core.training.lyra2_clips import Clip, clip_names, read_clip
from lyra_core.training.lyra2_samples import SampleSettings, augmented, make_sample, noised_conditions
from lyra_core.training.lyra2_step import draw_noise, rate_factor, train_step
from lyra_core.world.atomic import write_bytes

__all__ = ["StepReport", "export", "parameter_groups", "run", "train"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step: its number, loss, learning rate factor, clip, chunk learned, and whether it went on from own frames."""

    step: int
    loss: float
    rate: float
    clip: str
    segment: int
    augmented: bool


def parameter_groups(network: nn.Module, rates: Mapping[str, float], base: float) -> list[dict[str, Any]]:
    """Groups for the optimizer: parameters whose name holds a key of rates learn at base * that factor.

    The longest fitting key wins; "all" fits every name; what no key fits is frozen. The reference trains everything in
    one group ({"all": 1}). ConfigError for a key that fits nothing.
    """
    groups: dict[str, list[nn.Parameter]] = {key: [] for key in rates}
    for name, parameter in network.named_parameters():
        fitting = [key for key in rates if key == "all" or key in name]
        parameter.requires_grad_(bool(fitting))
        if fitting:
            groups[max(fitting, key=lambda key: (key != "all", len(key)))].append(parameter)
    empty = [key for key, values in groups.items() if not values]
    if empty or not rates:
        raise ConfigError("A parameter group must fit some names of the network", got=", ".join(empty) or "no group",
                          do="For example groups={all: 1} or groups={cam_encoder: 1, buffer_encoder: 1}")  # fmt: skip
    return [{"params": values, "lr": base * rates[key], "base": base * rates[key]} for key, values in groups.items()]


class _Parts:
    """The network that learns, and the frozen models around it."""

    def __init__(self, bundle: Bundle, device: str, dtype: torch.dtype) -> None:
        loaded = load_transformer(bundle.part("model"), config=bundle.network, dtype=dtype)
        self.network: Transformer = loaded.network.to(device).train()
        vae = make_autoencoder(read_state(bundle.part("vae")), read_config(bundle.part("vae")))
        nn.Module.to(vae, device)
        self.vae = Vae(vae)
        self.picture = PictureEncoder(bundle.part("image_encoder"), dtype=dtype, device=device)
        self.text = TextEncoder(bundle.part("text_encoder"), bundle.part("tokenizer"), dtype=dtype, device=device)
        self.negative = read_negative(bundle.negative)
        self.device = device

    def rows(self, caption: Any) -> Tensor:
        """(1, 512, C) of a text or of umT5 rows (L, C)."""
        if isinstance(caption, str):
            return self.text(caption)
        rows = torch.from_numpy(np.ascontiguousarray(caption, np.float32)).reshape(1, -1, np.shape(caption)[-1])
        return nn.functional.pad(rows[:, :512], (0, 0, 0, 512 - min(512, rows.shape[1])))

    def tokens(self, frame: Tensor) -> Tensor:
        """(1, 257, C) of a frame (1, 3, H, W)."""
        return self.picture(frame)


def train(settings: Any) -> Iterator[StepReport]:
    """Train with these settings (config/train_lyra2.yaml); yields every step. Closing the iterator stops.

    Raises ConfigError or InputError before the weights are loaded for data that cannot be used, ModelError for weights.
    """
    root, run_folder = Path(settings.data), Path(settings.run)
    names = clip_names(root)
    size = (int(settings.width), int(settings.height))
    if size[0] % 16 or size[1] % 16:
        raise ConfigError("width and height must be multiples of 16", got=f"{size[0]}x{size[1]}", do="832 and 480")
    bundle = find_bundle(settings.checkpoint or None)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parts = _Parts(bundle, device, torch.bfloat16 if device == "cuda" else torch.float32)
    groups = parameter_groups(parts.network, {str(k): float(v) for k, v in settings.groups.items()}, settings.rate)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), weight_decay=float(settings.weight_decay))
    start = _resume(run_folder, parts.network, optimizer)
    for step in range(start, int(settings.steps)):
        rng = np.random.default_rng([int(settings.seed), step])
        name = names[int(rng.integers(len(names)))]
        clip = read_clip(root, name, frames=int(settings.frames), size=size, stride=int(settings.stride))
        report = _step(parts, optimizer, clip, step, rng, settings)
        _log(run_folder, report)
        if (step + 1) % int(settings.save_every) == 0 or step + 1 == int(settings.steps):
            _save(run_folder, parts.network, optimizer, step + 1)
        yield report


def _step(
    parts: _Parts, optimizer: torch.optim.Optimizer, clip: Clip, step: int, rng: np.random.Generator, settings: Any
) -> StepReport:
    layout, device = parts.network.layout, parts.device
    length = 4 * layout.new
    possible = (len(clip) - 1) // length
    own = SampleSettings(int(settings.segments), float(settings.drop), float(settings.first_only))
    augment = step % int(settings.augment_every) == 0 if settings.augment_every else False
    # A self-augmented step needs the chunk after the one that it makes.
    most = max(1, min(own.segments, possible - 1))
    segment = int(rng.integers(most))
    first_only = augment and rng.random() <= own.first_only
    if first_only or not augment or possible < 2:
        segment = 0 if first_only else segment
        sample = make_sample(clip, parts.network, parts.vae, segment, rng, settings=own, first_only=first_only)
        augment = False
    else:
        made = parts.rows(clip.caption(1 + segment * length))
        sample = augmented(clip, parts.network, parts.vae, segment, made, parts.tokens, rng, settings=own)
    told = noised_conditions(sample.told, layout.spatial_positions, rng)
    rows = parts.negative if rng.random() < float(settings.text_drop) else parts.rows(sample.caption)
    factor = rate_factor(step + 1, warmup=int(settings.warmup))
    for group in optimizer.param_groups:
        group["lr"] = group["base"] * factor
    noised = draw_noise(sample.clean.to(device), rng)
    loss = train_step(
        parts.network, optimizer, noised, told.y.to(device), told.history.to(device), told.correspondence.to(device),
        rows.to(device), parts.tokens(sample.last).to(device),
    )  # fmt: skip
    return StepReport(step, loss, factor, clip.name, sample.segment, augment)


def _save(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    buffer = io.BytesIO()
    torch.save({"step": step, "network": network.state_dict(), "optimizer": optimizer.state_dict()}, buffer)
    write_bytes(folder / "checkpoint.pt", buffer.getvalue())
    _LOG.info("step %d saved", step)


def _stored(folder: Path) -> dict[str, Any]:
    try:
        return torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, KeyError, EOFError) as error:
        raise ConfigError("The run's checkpoint cannot be read", got=f"{folder}: {str(error)[:200]}",
                          do="Delete it to start again, or name another run") from error  # fmt: skip


def _resume(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Step to go on with; 0 for a new run."""
    if not (folder / "checkpoint.pt").is_file():
        return 0
    stored = _stored(folder)
    try:
        network.load_state_dict(stored["network"], strict=True)
        optimizer.load_state_dict(stored["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise ConfigError("The run was made with other weights or groups", got=str(error)[:200],
                          do="Name another run") from error  # fmt: skip
    _LOG.info("going on after step %d", stored["step"])
    return int(stored["step"])


def _log(folder: Path, report: StepReport) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    line = {"step": report.step, "loss": report.loss, "rate": report.rate, "clip": report.clip,
            "segment": report.segment, "augmented": report.augmented}  # fmt: skip
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    _LOG.info("step %d loss %.4f %s segment %d%s", report.step, report.loss, report.clip, report.segment,
              " (after own frames)" if report.augmented else "")  # fmt: skip


def export(settings: Any, folder: Path) -> Path:
    """The weights of the run's last checkpoint as model.safetensors with the release's names; returns the file."""
    from safetensors.torch import save_file

    stored = _stored(Path(settings.run))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "model.safetensors"
    save_file({"net." + name: value.contiguous() for name, value in stored["network"].items()}, file)
    return file


def run(config_path: Path, overrides: list[str] | None = None) -> list[StepReport]:
    """Train with a config file and key=value overrides, to the end. Errors: as of train; ConfigError for the settings."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        settings = OmegaConf.merge(OmegaConf.load(config_path), OmegaConf.from_dotlist(overrides or []))
        return list(train(settings))
    except (OmegaConfBaseException, OSError) as error:
        raise ConfigError("The training config cannot be used", got=f"{config_path}: {str(error).splitlines()[0]}",
                          do="Start from config/train_lyra2.yaml") from error  # fmt: skip
