"""All faults by name, and the fleets that have what they break."""

from __future__ import annotations

from tests.chaos.faults._all import FAULTS, FEW, THREE_MEMBERS, WIRED

__all__ = ["FAULTS", "FEW", "THREE_MEMBERS", "WIRED"]
