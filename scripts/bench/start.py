"""Measure how long a node takes from its start until it serves, embedded: SQLite, lease in a file.

Each round starts one on an empty folder, and again on the same data: time until `/readyz` answers
200, and CPU until then. The first round is left out: it compiles what is imported.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from scripts.bench.processes import (
    ChildFailedError,
    child,
    cpu_s,
    exit_on_sigterm,
    say,
    wait_until_ready,
)
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

_WITHIN_S = 60.0


def main(argv: Sequence[str]) -> int:
    """Measure and print the medians; return 1 where a node does not start."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="starts of either kind (default 7)")
    rounds = parser.parse_args(argv).rounds
    exit_on_sigterm()
    found: dict[str, list[tuple[float, float]]] = {"empty": [], "again": []}
    try:
        for number in range(rounds + 1):
            with tempfile.TemporaryDirectory(prefix="bench-start-") as folder:
                for kind, times in found.items():
                    times.append(_start(Path(folder)))
                    say(f"round {number}, {kind}: {times[-1][0]:.2f} s")
    except ChildFailedError as error:
        print(error, file=sys.stderr)
        return 1
    print("| on | until it serves, s: median, longest | CPU s |\n| --- | --- | --- |")
    for kind, times in found.items():
        took, used = zip(*times[1:], strict=True)
        print(f"| {kind} | {median(took):.2f}, {max(took):.2f} | {median(used):.2f} |")
    return 0


def _start(folder: Path) -> tuple[float, float]:
    """Start a node and end it; return seconds and CPU seconds until it served."""
    port, log = free_port(), folder / "node.log"
    began = time.monotonic()
    with child(["-m", "web"], log, {"PORT": str(port), "DATA_DIR": str(folder / "data")}) as node:
        wait_until_ready(node, port, log, _WITHIN_S)
        return time.monotonic() - began, cpu_s(node.pid)
