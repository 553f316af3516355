"""Texts in cells of CSV, for who opens it as a spreadsheet."""

from __future__ import annotations

from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula."""


def plain(text: str) -> str:
    """Return a text as a cell that is taken for no formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
