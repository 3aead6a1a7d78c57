# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""python -m lyra_core.cli: the `lyra` command."""

from lyra_core.cli.main import main

if __name__ == "__main__":
    main()
