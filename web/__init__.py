"""HTTP: decode, validate, ask the region, encode. Nothing here changes a work order."""

from __future__ import annotations

from typing import Final

__all__ = ["SERVICE", "VERSION"]

SERVICE: Final = "work-order-service"
VERSION: Final = "0.1.0"
