# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Depth and video models behind two protocols; registry.py names them. The only product code that imports torch."""
