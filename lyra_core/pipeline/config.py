# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a run: dataclass defaults, YAML presets, and key=value overrides, in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any

from lyra_core.errors import ConfigError, did_you_mean
from lyra_core.resources import shipped

__all__ = ["RunConfig", "config_from", "load_config", "preset_names", "settings_of"]


@dataclass
class SeedConfig:
    """How the photo is read. fov, camera_height in degrees and metres; None means: estimate."""

    pixels: int = 832 * 480
    fov: float | None = None
    camera_height: float | None = None
    known_length: list[float] | None = None  # x1, y1, x2, y2 [px of the photo], length [m]
    scale: float | None = None  # metres per unit of the depth; wins over all other sources of scale
    depth_file: str | None = None
    depth_unit: str = "m"


@dataclass
class PathConfig:
    """The camera path: a preset's name, a file, or 'keyframes'."""

    name: str = "walk"
    frames: int = 81
    strength: float = 1.0
    clearance: float = 0.35  # metres kept from everything seen so far; 0 switches the limiter off
    pose_scale: float = 1.0
    align: bool = False
    fps: float = 16.0
    options: dict[str, Any] = field(default_factory=dict)  # the preset's own settings, e.g. angle of orbit
    keyframes: list[list[float]] = field(default_factory=list)  # 16 numbers each: rows of world_from_camera


@dataclass
class ModelConfig:
    """Names from models/registry.py."""

    video: str = "embedded"
    depth: str = "auto"


@dataclass
class Lyra2Config:
    """The Lyra 2.0 video model; used when model.video is lyra2."""

    checkpoint: str | None = None  # folder of the weights; default: the environment's LYRA2_CHECKPOINT
    steps: int = 35
    shift: float = 5.0
    guidance: float = 5.0
    loras: list[str] = field(default_factory=list)  # FILE or FILE:STRENGTH
    distilled: bool | None = None  # None: four steps if a distilled LoRA is among them
    compat: str = "default"  # or reference: Lyra 2.0's habits, all or by name (lyra_core/ops/quirks.py)
    views: int = 1  # cameras of a chunk that retrieval looks from
    vram: float | None = None  # GB of the card; picks a plan
    quantize: str | None = None  # int8, fp8
    attention: str = "auto"  # flash, cudnn, efficient, math
    compile: str | None = None  # backend of torch.compile, such as inductor
    batched: bool | None = None  # both passes of guidance together; None: the plan decides
    group: int = 1  # blocks that visit the card together
    prefetch: bool = True  # the next ones are sent while these work
    tiles: list[int] | None = None  # rows and columns of VAE tiles; None: the plan decides
    gpus: int = 1  # cards of this machine that share every pass


@dataclass
class FramesConfig:
    """Frames that exist already; used when model.video is frames. digest and photo are filled in by the run."""

    source: str | None = None  # film or folder
    cameras: str | None = None  # default: path.name if it is a file, else the camera file beside the frames
    count: int | None = None  # only the first so many
    scale: str = "depth"  # whose metres hold: depth, poses, or none to take both as they are
    digest: str | None = None
    photo: bool = False


@dataclass
class DiffusersConfig:
    """Video models of diffusers (wan-vace, sana-wm); used when model.video is one of them."""

    weights: str | None = None  # folder, or a name in the Hugging Face cache; default: the model's own name
    steps: int | None = None  # None: the model's default
    guidance: float | None = None
    negative: str = ""
    offload: bool = True  # keep parts on the CPU that are not in use (CUDA only)


@dataclass
class EmbeddedConfig:
    """Our own video model; used when model.video is embedded. None: the model's default."""

    weights: str | None = None  # folder as `lyra train video --export` writes it; default: those that ship
    steps: int | None = None  # of the flow
    grain: float | None = None  # share of the fill's fine part that guided patches give
    geometry: str | None = None  # where the depth of holes comes from: snapped, planes or network


@dataclass
class DepthConfig:
    """The depth model's weights; embedded takes a folder as `lyra train depth --export` writes it."""

    weights: str | None = None  # folder, file, or a name in the Hugging Face cache; default: the model's own
    python: str | None = None  # interpreter of depth-anything-3's environment; default: LYRA_DA3_PYTHON


@dataclass
class MemoryConfig:
    """The spatial memory: per_frame_owned is the product, the others exist for the ablation."""

    mode: str = "per_frame_owned"
    budget_mb: int = 768


@dataclass
class BuildConfig:
    """Reconstruction and export."""

    flythrough: bool = True
    sky: bool = True
    triangles: int = 150_000
    check: bool = True
    drops: int = 500
    cleaner: str = "none"  # pymeshlab: another pass over the mesh with that GPL-3 package (an extra)
    convex: bool = False  # payload/objects.usdc: objects as convex pieces that may move (extra coacd)


@dataclass
class RunConfig:
    """All settings of lyra generate."""

    seed: int = 0
    device: str = "auto"
    photo: SeedConfig = field(default_factory=SeedConfig)
    path: PathConfig = field(default_factory=PathConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    lyra2: Lyra2Config = field(default_factory=Lyra2Config)
    frames: FramesConfig = field(default_factory=FramesConfig)
    diffusers: DiffusersConfig = field(default_factory=DiffusersConfig)
    embedded: EmbeddedConfig = field(default_factory=EmbeddedConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    build: BuildConfig = field(default_factory=BuildConfig)


def preset_names() -> tuple[str, ...]:
    """Names of the presets in config/ (train_*.yaml there belong to lyra train)."""
    return tuple(sorted(p.stem for p in shipped("config").glob("*.yaml") if not p.stem.startswith("train_")))


def load_config(
    preset: str = "balanced", overrides: Sequence[str] = (), *, values: Mapping[str, Any] | None = None
) -> RunConfig:
    """Defaults, then the preset's YAML, then overrides such as 'path.frames=161', then values by dotted key.

    Raises ConfigError for an unknown preset, an unknown key or a value of the wrong type.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if preset not in preset_names():
        raise ConfigError("Unknown preset", got=preset, do=did_you_mean(preset, preset_names()))
    known = set(_keys(RunConfig()))
    for item in overrides:
        if "=" not in item:
            raise ConfigError("A setting needs the form key=value", got=item, do="For example path.frames=161")
    for key in (*(item.split("=", 1)[0] for item in overrides), *(values or ())):
        if key not in known and not key.startswith("path.options."):
            raise ConfigError("Unknown setting", got=key, do=did_you_mean(key, known))
    try:
        layers = [
            OmegaConf.structured(RunConfig),
            OmegaConf.load(shipped("config", f"{preset}.yaml")),
            OmegaConf.from_dotlist(list(overrides)),
        ]
        merged = OmegaConf.merge(*layers)
        for key, value in (values or {}).items():
            OmegaConf.update(merged, key, value)
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise ConfigError(
            "A setting has the wrong name or type",
            got=str(error).splitlines()[0],
            do=f"Check config/{preset}.yaml and --set; known keys: {', '.join(sorted(known))}",
        ) from error
    assert isinstance(config, RunConfig)
    _check(config)
    return config


def config_from(settings: dict[str, Any], *, device: str = "auto") -> RunConfig:
    """The settings that a manifest holds; the device is that of this machine."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        merged = OmegaConf.merge(OmegaConf.structured(RunConfig), OmegaConf.create({**settings, "device": device}))
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise ConfigError(
            "The settings in manifest.json do not fit this version",
            got=str(error).splitlines()[0],
            do="Use the version named in the manifest",
        ) from error
    assert isinstance(config, RunConfig)
    return config


def settings_of(config: RunConfig) -> dict[str, Any]:
    """The settings as plain data for the manifest."""
    return asdict(config)


def _keys(value: Any, prefix: str = "") -> list[str]:
    out: list[str] = []
    for f in fields(value):
        item = getattr(value, f.name)
        out += _keys(item, f"{prefix}{f.name}.") if is_dataclass(item) else [prefix + f.name]
    return out


def _check(config: RunConfig) -> None:
    path = config.path
    if path.frames < 1:
        raise ConfigError("--frames must be 1 or more", got=str(path.frames), do="81 is the default (photo + 80)")
    if path.frames > 20_000:
        raise ConfigError("--frames is too large", got=str(path.frames), do="Use at most 20000; extend later")
    if not 0 <= path.clearance <= 5:
        raise ConfigError(
            "--clearance must be 0..5 m",
            got=f"{path.clearance:g}",
            do="0.35 is the default; 0 switches the limiter off",
        )
    if not 0 < path.strength <= 20:
        raise ConfigError(
            "--strength must be above 0 and at most 20", got=f"{path.strength:g}", do="1 is the preset's normal size"
        )
    if not 0 < path.pose_scale <= 1000:
        raise ConfigError("--pose-scale must be above 0", got=f"{path.pose_scale:g}", do="1 keeps the file's metres")
    modes = ("per_frame_owned", "per_frame", "global_cloud", "none")
    if config.memory.mode not in modes:
        raise ConfigError("Unknown memory mode", got=config.memory.mode, do=did_you_mean(config.memory.mode, modes))
    if config.seed < 0:
        raise ConfigError("--seed must be 0 or more", got=str(config.seed), do="Give any whole number from 0 up")
    if config.photo.known_length is not None and len(config.photo.known_length) != 5:
        raise ConfigError(
            "A known length needs two pixels and metres",
            got=str(config.photo.known_length),
            do="Use --known-length x1,y1,x2,y2,metres",
        )
