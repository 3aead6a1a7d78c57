# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The explorer: a page in the browser in which a person sees a world, plans where to go, generates, and goes back."""
