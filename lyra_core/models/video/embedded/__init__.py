# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Our own small generator: a few-step flow that corrects the classical fill, at low resolution, in holes only."""
