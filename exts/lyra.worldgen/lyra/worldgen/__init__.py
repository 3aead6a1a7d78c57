# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The Isaac Sim extension: a thin shell around lyra_core. Only extension.py, window.py and the Kit ports load omni."""
