# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""From a photo and a plan to frames: seed view, chunks, the generation loop."""
