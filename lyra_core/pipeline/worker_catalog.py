# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""What the worker can do, and what a world folder holds, as plain JSON values."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from lyra_core.errors import LyraError

__all__ = ["MODEL_HELP", "catalog", "describe", "missing_packages"]

# Import name to the name that pip knows.
_NEEDED = {
    "numpy": "numpy",
    "scipy": "scipy",
    "torch": "torch",
    "warp": "warp-lang",
    "pxr": "usd-core",
    "trimesh": "trimesh",
    "fast_simplification": "fast-simplification",
    "skimage": "scikit-image",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "av": "av",
    "omegaconf": "omegaconf",
    "safetensors": "safetensors",
    "pygltflib": "pygltflib",
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
}
MODEL_HELP = {
    "embedded": "The default: reprojects what was seen; a small trained model and patches of the photo fill the rest; CPU",
    "reproject": "The same without trained weights: planes and patches of the photo fill the rest; CPU",
    "frames": "Takes a film or pictures that you have, with their cameras; start it with lyra generate FILM --model frames",
    "lyra2": "Lyra 2.0, 14 B parameters; needs its weights and a large CUDA card; frames 1 + 80 k",
    "sana-wm": "SANA-WM; needs pip extra sana, its weights, a CUDA card and a photo near 16:9; forgets what it left behind",
    "wan-vace": "Wan 2.1 VACE 1.3 B; needs pip extra vace, its weights and a CUDA card of 8 to 16 GB; reads captions",
}
"""What each video model of the registry does and needs, one line for people who choose."""


def missing_packages() -> list[str]:
    """Names, as pip knows them, of required packages that this interpreter lacks."""
    return [pip for module, pip in _NEEDED.items() if importlib.util.find_spec(module) is None]


def catalog() -> dict[str, Any]:
    """Video models, quality presets, path presets with options, robots, frames of a chunk."""
    from lyra_core.generation.plan import CHUNK_FRAMES
    from lyra_core.models.registry import VIDEO_MODELS
    from lyra_core.pipeline.config import RunConfig, load_config, preset_names

    own = RunConfig().model.video
    qualities = []
    for name in preset_names():
        config = load_config(name)
        if config.model.video != own:  # presets of one model (lyra2) come with that model
            continue
        size = f"{config.photo.pixels / 1e6:.2f} megapixels a frame"
        qualities.append(
            {"name": name, "help": f"{size}, made for {config.path.frames} frames", "frames": config.path.frames}
        )
    qualities.sort(key=lambda entry: entry["frames"])
    return {
        "models": [{"name": n, "help": MODEL_HELP[n], "frames": 0} for n in sorted(VIDEO_MODELS, key=_own_first)],
        "qualities": qualities,
        "paths": _paths(),
        "robots": _robots(),
        "chunk": CHUNK_FRAMES,
    }


def _own_first(name: str) -> tuple[bool, str]:
    return name == "lyra2", name


def _paths() -> list[dict[str, Any]]:
    from lyra_core.trajectory import PRESETS

    out = []
    for preset in PRESETS.values():
        options = []
        for name, option in preset.options.items():
            if name == "clearance":  # path.clearance
                continue
            kind = "choice" if option.choices else "switch" if isinstance(option.default, bool) else "number"
            # Sliders need ends where the option has none.
            reach = max(10.0, 4 * _number(option.default), -option.least if option.least > -1e3 else 0.0)
            least, most = max(option.least, -1e3), min(option.most, reach)
            options.append(
                {
                    "name": name,
                    "help": option.help,
                    "kind": kind,
                    "default": option.default,
                    "choices": list(option.choices),
                    "least": least,
                    "most": most,
                    "unit": _unit(option.help) if kind == "number" else "",
                }
            )
        out.append({"name": preset.name, "help": preset.summary, "options": options})
    return out


def _unit(help_text: str) -> str:
    """The unit that a help line begins with, as a label shows it."""
    first, *rest = help_text.split()
    return {"metres": "" if rest[:2] == ["up", "per"] else "m", "degrees": "°"}.get(first, "")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _robots() -> list[dict[str, Any]]:
    from lyra_core.navigation.robots import ISAAC_PREFIX, load_robot, robot_names

    out = []
    for name in sorted(robot_names(), key=lambda n: (n != "lyra_bot", n)):
        spec = load_robot(name)
        asset = spec.asset.removeprefix(ISAAC_PREFIX) if spec.needs_isaac else str(spec.asset_file)
        out.append(
            {
                "name": name,
                "kind": spec.kind,
                "asset": asset,
                "isaac_asset": spec.needs_isaac,
                "base_link": spec.base_link,
                "wheel_joints": list(spec.wheel_joints),
                "wheel_radius": spec.wheel_radius,
                "track": spec.track,
                "footprint_radius": spec.footprint_radius,
                "height": spec.height,
                "spawn_height": spec.spawn_height,
                "max_speed": spec.max_speed,
                "max_turn": spec.max_turn,
                "policy": spec.policy,
            }
        )
    return out


def describe(folder: Path) -> dict[str, Any]:
    """A world folder: frames, whether it is finished, spawn poses, facts for the user. Errors: WorldError."""
    from lyra_core.world import WorldFolder

    world = WorldFolder.open(folder)
    manifest = world.manifest
    planned = manifest.segments[-1].stop
    built = world.frame_count >= planned and world.is_built and (folder / "world.usda").is_file()
    facts = [["frames", f"{world.frame_count} of {planned}, model {manifest.models.get('video', '?')}"]]
    scale = manifest.seed_view.get("scale_source")
    if scale:
        guess = ": a guess, mark a known length" if manifest.seed_view.get("scale_is_a_guess") else ""
        facts.append(["scale", f"from {scale}{guess}"])
    report = _json(folder / "report.json") if built else {}
    passed = report.get("passed") if isinstance(report, dict) and report.get("physx") else None
    spawns = _json(folder / "navigation" / "spawn.json") if built else []
    if built:
        facts.append(["spawn poses", str(len(spawns))])
    return {
        "folder": str(folder),
        "frames": world.frame_count,
        "planned": planned,
        "steps": len(manifest.segments) - 1,
        "complete": built,
        "passed": passed,
        "spawns": [{"position": s["position"], "yaw": s["yaw"]} for s in spawns],
        "facts": facts,
    }


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise LyraError(
            "A file of this world is missing or damaged", got=f"{file.name}: {error}", do="Run lyra rebuild WORLD"
        ) from error
