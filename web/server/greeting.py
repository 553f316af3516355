"""What a person who started a node by hand is told once it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def greeting(url: str, order: str, data: Path | None) -> str:
    """Return a line with the console and a call to try, and one on how to stop and start over.

    `order` is the id of an order to try it with, "" where none is known; `data` the folder that
    holds all there is, None where it is elsewhere.
    """
    end = "Stop: Ctrl-C."
    if order and data is not None:
        end += f" Start over, without any order: stop, then rm -r {data}"
    return f"Ready: {url}/console   {_call(url, order)}\n{end}\n"


def _call(url: str, order: str) -> str:
    if not order:
        return f"curl '{url}/api/workorder/search'"
    change = f'{{"workOrderId": "{order}", "type": "input", "quantity": 1}}'
    return (
        f"curl -X POST {url}/api/workorder/update-quantity"
        f" -H 'Content-Type: application/json' -d '{change}'"
    )
