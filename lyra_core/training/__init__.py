# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Ground-truth scenes, renderer, datasets, training loops and evaluation tables."""
