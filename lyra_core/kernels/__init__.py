# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""NVIDIA Warp kernels; the only package that imports warp. Use them through lyra_core.ops."""
