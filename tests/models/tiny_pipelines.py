# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny folders of diffusers pipelines: real classes and schedulers, two layers, random numbers."""

from __future__ import annotations

from pathlib import Path

WORDS = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -3.0), ("\u2581", -2.0)]
WORDS += [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz"] + [("\u2581room", -1.0)]


def write_wan_vace(folder: Path) -> Path:
    import torch
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanVACEPipeline, WanVACETransformer3DModel
    from transformers import T5Tokenizer, UMT5Config, UMT5EncoderModel

    torch.manual_seed(2)
    vae = AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
                           temperal_downsample=[False, True, True])  # fmt: skip
    text = UMT5EncoderModel(UMT5Config(vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2))
    network = WanVACETransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16, text_dim=16,
        freq_dim=16, ffn_dim=16, num_layers=2, cross_attn_norm=True, qk_norm="rms_norm_across_heads", rope_max_seq_len=32,
        vace_layers=[0], vace_in_channels=96,
    )  # fmt: skip
    WanVACEPipeline(
        tokenizer=T5Tokenizer(vocab=WORDS, extra_ids=0), text_encoder=text, vae=vae, transformer=network,
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def write_sana_wm(folder: Path) -> Path:
    import torch
    from diffusers import (
        AutoencoderKLLTX2Video,
        FlowMatchEulerDiscreteScheduler,
        SanaWMPipeline,
        SanaWMTransformer3DModel,
    )
    from transformers import Gemma2Config, Gemma2ForCausalLM, GemmaTokenizer

    torch.manual_seed(2)
    vae = AutoencoderKLLTX2Video(
        latent_channels=8, block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1), decoder_layers_per_block=(1, 1, 1, 1),
        spatial_compression_ratio=32, temporal_compression_ratio=8,
    )  # fmt: skip
    vocab = {w: i for i, w in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", *(w for w, _ in WORDS[3:])])}
    tokenizer = GemmaTokenizer(vocab=vocab, merges=[])
    text = Gemma2ForCausalLM(Gemma2Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8,
    ))  # fmt: skip
    network = SanaWMTransformer3DModel(
        in_channels=8, num_layers=2, hidden_size=32, num_attention_heads=2, linear_head_dim=16, softmax_every_n=2,
        chunk_plucker_post_attn_blocks=2, caption_channels=16,
    )  # fmt: skip
    SanaWMPipeline(
        tokenizer=tokenizer, text_encoder=text, vae=vae, transformer=network,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    ).save_pretrained(folder)  # fmt: skip
    return folder
