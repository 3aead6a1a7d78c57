# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Lyra 2.0's video generator: network, packing, sampler, VAE streaming and conditioning, in our own PyTorch."""
