# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The folder with the weights of Lyra 2.0 and of its Wan 2.1 parts: where it is, what must lie in it, its licence.

FOLDER/model/           the network: the released distributed checkpoint, or safetensors
FOLDER/text_encoder/    umT5-xxl encoder: config.json and weights in transformers' form
FOLDER/tokenizer/       its tokeniser
FOLDER/image_encoder/   CLIP ViT-H/14 vision tower: config.json and weights in transformers' form
FOLDER/vae/             Wan 2.1 VAE: weights of Wan or diffusers, config.json if its sizes differ from Wan 2.1
FOLDER/negative_prompt.pt   embedding of the negative prompt (key t5_text_embeddings)
FOLDER/lyra2.json       optional: {"network": {"dim": ..}}, sizes of a network other than the released one
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lyra_core.errors import ModelError
from lyra_core.models.video.lyra2.blocks import NetworkConfig

__all__ = ["ENVIRONMENT", "FETCH", "LICENCE", "Bundle", "find_bundle"]

ENVIRONMENT = "LYRA2_CHECKPOINT"
"""Environment variable that names the folder when no setting does."""

LICENCE = (
    "The Lyra 2.0 weights are licensed by NVIDIA for internal scientific research and development only, not for"
    " commercial use; what they make falls under the same terms. Read the licence on the model page before use."
)

FETCH = (
    "Download the weights: hf download nvidia/Lyra-2.0 --local-dir FOLDER, and the umT5, CLIP and VAE parts:"
    " hf download Wan-AI/Wan2.1-I2V-14B-480P-Diffusers --include 'text_encoder/*' 'tokenizer/*' 'image_encoder/*'"
    " 'vae/*' --local-dir FOLDER; then give --set lyra2.checkpoint=FOLDER or set " + ENVIRONMENT
)

_PARTS = ("model", "text_encoder", "tokenizer", "image_encoder", "vae")
_NEGATIVE = ("negative_prompt.safetensors", "negative_prompt.pt")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A complete folder.

    Attributes
    ----------
    folder: it.
    negative: file of the negative prompt's embedding.
    network: sizes from lyra2.json, or None: those of the released weights, read off the file.
    """

    folder: Path
    negative: Path
    network: NetworkConfig | None

    def part(self, name: str) -> Path:
        """Folder of one part."""
        return self.folder / name


def _sizes(folder: Path) -> NetworkConfig | None:
    file = folder / "lyra2.json"
    if not file.is_file():
        return None
    try:
        table: dict[str, Any] = json.loads(file.read_text())["network"]
        return NetworkConfig(**table)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ModelError("lyra2.json does not describe a network", got=f"{file}: {error}",
                         do="Remove it for the released weights, or give dim, heads, layers, .. under network") from error  # fmt: skip


def find_bundle(given: str | Path | None = None) -> Bundle:
    """The weights folder of the setting, or else of the environment; ModelError (with the commands) if incomplete."""
    name = given or os.environ.get(ENVIRONMENT)
    if not name:
        raise ModelError("No folder with the Lyra 2.0 weights is given", got=f"neither a setting nor {ENVIRONMENT}",
                         do=FETCH)  # fmt: skip
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ModelError("The folder with the Lyra 2.0 weights is not there", got=str(folder), do=FETCH)
    absent = [part + "/" for part in _PARTS if not (folder / part).is_dir()]
    negative = next((folder / n for n in _NEGATIVE if (folder / n).is_file()), None)
    if negative is None:
        absent.append(_NEGATIVE[-1])
    if absent or negative is None:
        raise ModelError(f"{len(absent)} parts of the Lyra 2.0 weights are missing",
                         got=f"{folder}: no {', '.join(absent)}", do=FETCH)  # fmt: skip
    return Bundle(folder, negative, _sizes(folder))
