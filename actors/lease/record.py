"""How a holder is written down where other nodes and operators read it: one JSON object."""

from __future__ import annotations

from dataclasses import asdict

import orjson

from actors.lease.port import Holder

UNKNOWN = Holder(node="unknown", url="", token="")
"""Stands for whoever holds a lease whose record is not one of ours."""


def encode(holder: Holder) -> bytes:
    """Write `holder` as JSON."""
    return orjson.dumps(asdict(holder))


def decode(record: bytes) -> Holder:
    """Read a holder; `UNKNOWN` for what `encode` did not write. Fields added later are skipped."""
    try:
        fields = orjson.loads(record)
    except orjson.JSONDecodeError:
        return UNKNOWN
    match fields:
        case {"node": str(node), "url": str(url), "token": str(token), "epoch": int(epoch)}:
            return Holder(node=node, url=url, token=token, epoch=epoch)
        case _:
            return UNKNOWN
