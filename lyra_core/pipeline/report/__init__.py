# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""report.html for people and report.json for machines."""

from lyra_core.pipeline.report.page import Figure, Section, add_to_report, encode_picture, plain, write_report

__all__ = ["Figure", "Section", "add_to_report", "encode_picture", "plain", "write_report"]
