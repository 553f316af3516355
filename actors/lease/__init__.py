"""The Lease port and its implementations, Redis (`redis`) and a locked file (`file`)."""

from __future__ import annotations

from actors.lease.port import Holder, Lease, LeaseView

__all__ = ["Holder", "Lease", "LeaseView"]
