# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""One photo and a camera path become a metric, gravity-aligned 3D world for Isaac Sim."""

__version__ = "0.1.0"
