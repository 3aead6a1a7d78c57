# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny folder of Lyra 2.0 weights in the real layout: real classes and names, random numbers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from lyra_core.models.video.lyra2.network import NetworkConfig

TINY = NetworkConfig(dim=24, heads=2, layers=2, ffn_dim=32, freq_dim=16, text_dim=16, clip_dim=16, squeeze=4,
                     layout="f1k1f2s1f1k1_g20")  # fmt: skip
VAE = {"base_dim": 4, "z_dim": 16, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1,
       "temperal_downsample": [False, True, True]}  # fmt: skip


def write_bundle(folder: Path) -> Path:
    import torch
    import torch.distributed.checkpoint as dcp
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModel, T5Tokenizer, UMT5Config, UMT5EncoderModel

    from lyra_core.models.video.lyra2.network import Transformer

    torch.manual_seed(5)
    folder.mkdir(parents=True)
    state = {"net." + k: 0.1 * torch.randn(v.shape) for k, v in Transformer(TINY).state_dict().items()}
    dcp.save({**state, "net.accum_iteration": torch.tensor(7)}, checkpoint_id=folder / "model", no_dist=True)
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -3.0), ("\u2581", -2.0)]
    words += [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz"] + [("\u2581room", -1.0)]
    T5Tokenizer(vocab=words, extra_ids=0).save_pretrained(folder / "tokenizer")
    UMT5EncoderModel(UMT5Config(vocab_size=len(words), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
                     ).save_pretrained(folder / "text_encoder")  # fmt: skip
    CLIPVisionModel(CLIPVisionConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2,
                                     image_size=224, patch_size=14)).save_pretrained(folder / "image_encoder")  # fmt: skip
    vae = AutoencoderKLWan(**VAE)
    (folder / "vae").mkdir()
    save_file(vae.state_dict(), folder / "vae" / "diffusion_pytorch_model.safetensors")
    (folder / "vae" / "config.json").write_text(json.dumps(VAE))
    torch.save({"t5_text_embeddings": torch.randn(1, 9, 16)}, folder / "negative_prompt.pt")
    (folder / "lyra2.json").write_text(json.dumps({"network": asdict(TINY)}))
    return folder
