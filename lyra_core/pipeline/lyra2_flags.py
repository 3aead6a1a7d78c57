# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The options of Lyra 2.0's own scripts, by the names and with the meanings that they have there, as our settings.

Used by `lyra generate PHOTO --model lyra2 --out WORLD ...`: what is no option of ours is looked up here. An option
that would need another pipeline is refused in words rather than ignored; one whose work our memory plan does is taken
and told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lyra_core.errors import InputError, did_you_mean

__all__ = ["FLAGS", "ReferenceSettings", "reference_settings"]

_POSE_SCALE = "1.1"  # the custom script's default

_NUMBERS = {"guidance": "lyra2.guidance", "shift": "lyra2.shift", "num_sampling_step": "lyra2.steps", "seed": "seed",
            "fps": "path.fps", "num_frames": "path.frames", "context_parallel_size": "lyra2.gpus",
            "num_retrieval_views": "lyra2.views", "strength": "path.strength", "pose_scale": "path.pose_scale"}  # fmt: skip
_PLANNED = ("offload", "offload_when_prompt", "offload_da3_diffusion")
_OTHERS = {
    "use_moge_scale": "depth comes in metres from the depth model; a wrong scale is set with --known-length",
    "no-use_moge_scale": "depth comes in metres from the depth model",
    "da3_use_predicted_pose": "commanded cameras are kept",
    "da3_predicted_pose_continuation": "commanded cameras are kept",
    "ground_plane_align": "the first camera is always levelled and put on its floor",
    "warp_chunk_size": "a target does not depend on the targets that are warped with it",
}
_REFUSED = {
    "num_samples": "give one photo at a time", "sample_start_idx": "give one photo at a time",
    "sample_id": "give one photo at a time", "prompt_dir": "use --captions_path or --caption",
    "num_frames_zoom_in": "generate, and extend with lyra2:horizontal_zoom",
    "num_frames_zoom_out": "generate, and extend with lyra2:horizontal_zoom",
    "multiview_ids": "give the pictures with --model frames",
    "disable_cache_update": "use --memory for other memories",
}  # fmt: skip


@dataclass(slots=True)
class ReferenceSettings:
    """What the options mean here.

    Attributes
    ----------
    overrides: KEY=VALUE settings.
    captions: frame to text.
    notes: what the user is told of options that change nothing here.
    """

    overrides: list[str] = field(default_factory=list)
    captions: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def _one(name: str, values: Sequence[str]) -> str:
    if len(values) != 1:
        raise InputError(f"--{name} takes one value", got=" ".join(values) or "none", do=f"For example --{name} 5")
    return values[0]


def _resolution(out: ReferenceSettings, values: Sequence[str]) -> None:
    text = _one("resolution", values)
    try:
        height, width = (int(part) for part in text.split(","))
    except ValueError as error:
        raise InputError("--resolution is height,width", got=text, do="For example --resolution 480,832") from error
    out.overrides.append(f"photo.pixels={height * width}")
    out.notes.append(f"--resolution {text}: as many pixels, in the photo's own shape (the reference stretches it)")


def _checkpoint(out: ReferenceSettings, values: Sequence[str]) -> None:
    folder = Path(_one("checkpoint_dir", values))
    # There it names the network's folder; ours holds that folder and its companions.
    out.overrides.append(f"lyra2.checkpoint={folder.parent if folder.name == 'model' else folder}")


def _trajectory_path(out: ReferenceSettings, values: Sequence[str]) -> None:
    out.overrides.append(f"path.name={_one('trajectory_path', values)}")


def _trajectory(out: ReferenceSettings, values: Sequence[str]) -> None:
    out.overrides.append(f"path.name=lyra2:{_one('trajectory', values)}")


def _direction(out: ReferenceSettings, values: Sequence[str]) -> None:
    out.overrides.append(f"path.options.direction={_one('direction', values)}")


def _distilled(out: ReferenceSettings, values: Sequence[str]) -> None:  # noqa: ARG001 - a switch
    out.overrides.append("lyra2.distilled=true")


def _prompt(out: ReferenceSettings, values: Sequence[str]) -> None:
    out.captions[0] = " ".join(values)


def _captions(out: ReferenceSettings, values: Sequence[str]) -> None:
    path = Path(_one("captions_path", values))
    try:
        table = json.loads(path.read_text())
        out.captions.update({int(key): str(text) for key, text in table.items()})
    except (OSError, ValueError, AttributeError) as error:
        raise InputError("--captions_path names a JSON table of first frame to text", got=f"{path}: {error}",
                         do='For example {"0": "a room", "81": "its garden"}') from error  # fmt: skip


_SPECIAL: dict[str, Callable[[ReferenceSettings, Sequence[str]], None]] = {
    "resolution": _resolution, "checkpoint_dir": _checkpoint, "trajectory_path": _trajectory_path,
    "trajectory": _trajectory, "direction": _direction, "use_dmd": _distilled, "prompt": _prompt,
    "captions_path": _captions,
}  # fmt: skip
_LORAS = ("lora_paths", "lora_weights")

FLAGS = tuple(sorted([*_NUMBERS, *_SPECIAL, *_LORAS, *_PLANNED, *_OTHERS, *_REFUSED, "prompt_suffix"]))
"""Names of all options that are understood (those that are refused with advice among them)."""


def _split(words: Sequence[str]) -> dict[str, list[str]]:
    """Option to its values; --name=value too."""
    found: dict[str, list[str]] = {}
    values: list[str] | None = None
    for word in words:
        if word.startswith("--"):
            name, mark, value = word[2:].partition("=")
            name = name if name in FLAGS else name.replace("-", "_")
            values = found.setdefault(name, [])
            if mark:
                values.append(value)
        elif values is None:
            raise InputError("An option was expected", got=word, do="Give the photo first, then options")
        else:
            values.append(word)
    return found


def _loras(given: dict[str, list[str]]) -> list[str]:
    paths, weights = given.get("lora_paths", []), given.get("lora_weights", [])
    if weights and len(weights) != len(paths):
        raise InputError("Every LoRA has one weight", got=f"{len(paths)} files, {len(weights)} weights",
                         do="Give --lora_weights as many numbers as --lora_paths has files")  # fmt: skip
    named = [f"{path}:{weight}" for path, weight in zip(paths, weights or ["1"] * len(paths), strict=True)]
    return [f"lyra2.loras={json.dumps(named)}"] if named else []


def reference_settings(words: Sequence[str], *, own_pose_scale: bool = False) -> ReferenceSettings:
    """Read options such as ["--guidance", "5", "--lora_paths", "a", "b"].

    own_pose_scale: the scale of the path is given by an option of ours. Without one a path file is scaled by 1.1, as
    the reference's custom script does.

    Raises
    ------
    InputError: an unknown option, a wrong value, or one that another pipeline would need; with what to do.
    """
    given, out = _split(words), ReferenceSettings()
    for name, values in given.items():
        if name in _REFUSED:
            raise InputError(f"--{name} has no counterpart here", got=" ".join(values), do=_REFUSED[name].capitalize())
        if name in _NUMBERS:
            out.overrides.append(f"{_NUMBERS[name]}={_one(name, values)}")
        elif name in _SPECIAL:
            _SPECIAL[name](out, values)
        elif name in _PLANNED:
            out.notes.append(f"--{name}: the memory plan sends what does not fit (--vram)")
        elif name in _OTHERS:
            out.notes.append(f"--{name}: not needed, {_OTHERS[name]}")
        elif name not in FLAGS:
            raise InputError("Neither lyra nor Lyra 2.0 has this option", got=f"--{name}", do=did_you_mean(name, FLAGS))
    out.overrides += _loras(given)
    if "use_dmd" in given and "lora_paths" not in given:
        out.notes.append("--use_dmd: four steps are right only with the distilled LoRA; name it with --lora_paths "
                         "unless the checkpoint holds it already")  # fmt: skip
    if "trajectory_path" in given and "pose_scale" not in given and not own_pose_scale:
        out.overrides.append(f"path.pose_scale={_POSE_SCALE}")
        out.notes.append(f"--trajectory_path: scaled by {_POSE_SCALE}, as there; --pose_scale 1 keeps it")
    suffix = " ".join(given.get("prompt_suffix", []))
    if suffix:
        out.captions = {key: f"{text} {suffix}".strip() for key, text in (out.captions or {0: ""}).items()}
    return out
