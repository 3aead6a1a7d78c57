# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
# pyright: reportAttributeAccessIssue=false
"""Colours and measures of the panel, close to Kit's dark theme. One dictionary, set once on the window's root."""

from __future__ import annotations

from omni.ui import color as cl

__all__ = ["CAPTION_LINES", "GAP", "LABEL_WIDTH", "MARGIN", "PANEL", "PREVIEW_HEIGHT", "ROW", "THUMBNAIL_HEIGHT"]

ROW = 24  # height of a row [px]
GAP = 6  # between rows [px]
LABEL_WIDTH = 122  # [px]
PREVIEW_HEIGHT = 168  # [px]
THUMBNAIL_HEIGHT = 58  # [px]
MARGIN = 8  # left and right of everything [px]
CAPTION_LINES = 2  # shown at once; the field scrolls

_TEXT, _DIM, _OFF = cl("#d8d8d8"), cl("#a6a6a6"), cl("#6c6c6c")
_FIELD, _GROUND, _CARD = cl("#1e2021"), cl("#343433"), cl("#3d3d3c")
_GREEN, _GREEN_HOVER = cl("#4f8400"), cl("#629f0b")

PANEL = {
    "Rectangle::ground": {"background_color": _GROUND},
    "ScrollingFrame": {"background_color": cl("#00000000"), "scrollbar_size": 8, "secondary_color": cl("#5a5a5a")},
    "Rectangle::drop": {
        "background_color": _FIELD,
        "border_color": cl("#5a5a5a"),
        "border_width": 1,
        "border_radius": 4,
    },
    "Rectangle::drop:hovered": {"border_color": _GREEN_HOVER},
    "Rectangle::clear": {"background_color": cl("#00000000")},
    "Rectangle::clear:drop": {"border_color": _GREEN_HOVER, "border_width": 2, "border_radius": 4},
    "Rectangle::slot": {"background_color": _FIELD, "border_radius": 2},
    "Rectangle::rule": {"background_color": cl("#1c1c1c")},
    "Label": {"color": _TEXT, "font_size": 14},
    "Label::dim": {"color": _DIM, "font_size": 14},
    "Label::center": {"color": _DIM, "font_size": 14},
    "Label::good": {"color": cl("#a5d64c"), "font_size": 14},
    "Label::warn": {"color": cl("#e8b04a"), "font_size": 14},
    "Label::title": {"color": cl("#ffffff"), "font_size": 15},
    "Label::stage": {"color": cl("#ffffff"), "font_size": 15},
    "Label::log": {"color": _DIM, "font_size": 13},
    "CollapsableFrame": {
        "background_color": _CARD,
        "secondary_color": cl("#4b4b4a"),
        "color": _TEXT,
        "font_size": 15,
        "border_radius": 4,
        "margin_height": 2,
        "padding": 6,
    },
    "CollapsableFrame:hovered": {"secondary_color": cl("#565655")},
    "Field": {"background_color": _FIELD, "color": _TEXT, "border_radius": 3, "font_size": 14, "padding": 3},
    "Field:disabled": {"color": _OFF},
    "ComboBox": {
        "background_color": _FIELD,
        "secondary_color": cl("#4a4a4a"),
        "color": _TEXT,
        "border_radius": 3,
        "font_size": 14,
    },
    "ComboBox:disabled": {"color": _OFF},
    "Slider": {
        "background_color": _FIELD,
        "secondary_color": cl("#4a5560"),
        "color": _TEXT,
        "border_radius": 3,
        "font_size": 13,
        "draw_mode": 0,
    },
    "CheckBox": {"background_color": _FIELD, "color": _TEXT, "border_radius": 3},
    "Button": {"background_color": cl("#505050"), "border_radius": 3, "padding": 3, "margin": 0},
    "Button:hovered": {"background_color": cl("#606060")},
    "Button:pressed": {"background_color": cl("#404040")},
    "Button:disabled": {"background_color": cl("#404040")},
    "Button.Label": {"color": _TEXT, "font_size": 14},
    "Button.Label:disabled": {"color": _OFF},
    "Button.Label::plain": {"color": _TEXT, "font_size": 14},
    "Button.Label::plain:disabled": {"color": _OFF, "font_size": 14},
    "Button::primary": {"background_color": _GREEN, "border_radius": 4, "padding": 4, "margin": 0},
    "Button::primary:hovered": {"background_color": _GREEN_HOVER},
    "Button::primary:pressed": {"background_color": cl("#3e6800")},
    "Button::primary:disabled": {"background_color": cl("#404040")},
    "Button.Label::primary": {"color": cl("#ffffff"), "font_size": 14},
    "Button.Label::primary:disabled": {"color": _OFF, "font_size": 14},
    "ProgressBar": {
        "background_color": _FIELD,
        "color": _GREEN_HOVER,
        "secondary_color": cl("#00000000"),  # no text: the line below says more
        "border_radius": 3,
        "font_size": 13,
    },
    "Rectangle::card_none": {"background_color": _CARD, "border_radius": 4},
    "Rectangle::card_info": {"background_color": cl("#24384c"), "border_radius": 4},
    "Rectangle::card_good": {"background_color": cl("#2b4327"), "border_radius": 4},
    "Rectangle::card_warning": {"background_color": cl("#4f4122"), "border_radius": 4},
    "Rectangle::card_error": {"background_color": cl("#552b2a"), "border_radius": 4},
    "Rectangle::bar_none": {"background_color": _CARD},
    "Rectangle::bar_info": {"background_color": cl("#4a90d9")},
    "Rectangle::bar_good": {"background_color": cl("#76b900")},
    "Rectangle::bar_warning": {"background_color": cl("#e8b04a")},
    "Rectangle::bar_error": {"background_color": cl("#e05a4e")},
}
