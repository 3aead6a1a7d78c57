# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Captions and pictures as the network reads them: umT5 and CLIP through transformers' own classes.

Where transformers' usual use differs from the reference: rows of the text beyond its length are set to zero (the
network has no text mask), and the picture tokens are those before the last layer of CLIP, all of them, without the
final norm, of a picture resized without antialiasing.
"""

from __future__ import annotations

import html
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lyra_core.errors import MissingDependencyError, ModelError

__all__ = ["TEXT_ROWS", "PictureEncoder", "TextEncoder", "clean_caption", "read_negative"]

TEXT_ROWS = 512
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def clean_caption(text: str) -> str:
    """Entities resolved twice, runs of white space made one space; broken encodings mended where ftfy is installed."""
    if find_spec("ftfy") is not None:
        import ftfy  # pyright: ignore[reportMissingImports]

        text = ftfy.fix_text(text)
    return re.sub(r"\s+", " ", html.unescape(html.unescape(text))).strip()


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingDependencyError("Lyra 2.0 reads captions and pictures with transformers", got=str(error),
                                     do="pip install transformers") from error  # fmt: skip
    return transformers


def _load(kind: str, folder: Path, **options: Any) -> Any:
    # What a broken file raises depends on the part that is broken; all of it means: these files are not usable.
    try:
        return getattr(_transformers(), kind).from_pretrained(str(folder), local_files_only=True, **options)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"{folder.name} of the Lyra 2.0 weights cannot be read; it may be cut short",
                         got=f"{folder}: {str(error)[:200]}", do="Download that folder again") from error  # fmt: skip
    except Exception as error:
        from safetensors import SafetensorError

        if not isinstance(error, SafetensorError):
            raise
        raise ModelError(f"{folder.name} of the Lyra 2.0 weights is cut short", got=f"{folder}: {error}",
                         do="Download that folder again") from error  # fmt: skip


def _pad(rows: Tensor) -> Tensor:
    return functional.pad(rows, (0, 0, 0, TEXT_ROWS - rows.shape[1]))


class TextEncoder:
    """umT5 and its tokeniser from their folders."""

    def __init__(self, encoder: Path, tokenizer: Path, *, dtype: torch.dtype, device: torch.device | str) -> None:
        self.tokenizer = _load("AutoTokenizer", tokenizer)
        self.model = _load("UMT5EncoderModel", encoder, dtype=dtype).eval().requires_grad_(False).to(device)

    @torch.no_grad()
    def __call__(self, caption: str) -> Tensor:
        """(1, 512, C) embedding, zero beyond the caption's length (at most 512 tokens are read)."""
        told = self.tokenizer(
            clean_caption(caption), max_length=TEXT_ROWS, truncation=True, add_special_tokens=True, return_tensors="pt",
            padding="max_length",
        )  # fmt: skip
        device = next(self.model.parameters()).device
        mask = told["attention_mask"].to(device)
        rows = self.model(told["input_ids"].to(device), attention_mask=mask).last_hidden_state
        return rows * mask[..., None].to(rows.dtype)


class PictureEncoder:
    """CLIP's vision tower from its folder."""

    def __init__(self, folder: Path, *, dtype: torch.dtype, device: torch.device | str) -> None:
        self.model = _load("CLIPVisionModel", folder, dtype=dtype).eval().requires_grad_(False).to(device)

    @torch.no_grad()
    def __call__(self, frame: Tensor) -> Tensor:
        """Frame (1, 3, H, W) in -1..1 to tokens (1, 257, C)."""
        like = next(self.model.parameters())
        size = self.model.config.image_size
        small = functional.interpolate(frame.float(), size=(size, size), mode="bicubic", align_corners=False)
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (_MEAN, _STD))
        pixels = ((small.cpu() / 2 + 0.5) - mean) / std
        return self.model(pixels.to(like), output_hidden_states=True).hidden_states[-2]


def read_negative(path: Path) -> Tensor:
    """(1, 512, C) embedding of the negative prompt; ModelError if the file holds something else."""
    from lyra_core.models.video.lyra2.checkpoint import read_state

    state = read_state(path)
    rows = state.get("t5_text_embeddings", next(iter(state.values())) if len(state) == 1 else None)
    if rows is None or rows.ndim not in (2, 3) or rows.shape[-2] > TEXT_ROWS:
        raise ModelError("The negative prompt is an embedding of at most 512 rows under t5_text_embeddings",
                         got=f"{path}: {', '.join(sorted(state)[:3])}", do="Take negative_prompt.pt of the release")  # fmt: skip
    return _pad(rows.reshape(1, *rows.shape[-2:]))
