# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Operations on pixels and points: a NumPy reference each, and dispatch to Warp."""
