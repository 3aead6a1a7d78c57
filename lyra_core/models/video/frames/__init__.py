# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""Frames that the user already has, as a video model: a folder of pictures or a film, and its cameras."""
