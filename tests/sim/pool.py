"""Many seeds over several processes, in which text hashes alike and nothing is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.sim.figures import Figures

_ROOT = Path(__file__).resolve().parents[2]


def run_seeds(
    start: int,
    stop: int,
    *,
    jobs: int | None = None,
    control: str | None = None,
    until_found: bool = False,
) -> Figures:
    """Simulate the seeds of [start, stop); with `until_found`, only until one breaks a promise."""
    count = min(jobs or os.cpu_count() or 1, max(1, stop - start))
    options = ["--control", control] if control else []
    options += ["--until-found"] if until_found else []
    workers = [_worker(start + first, stop, count, *options) for first in range(count)]
    figures = Figures()
    try:
        for worker in workers:
            figures.include(Figures.from_json(_lines(worker)[-1]))
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    return figures


def digests(start: int, stop: int) -> dict[int, str]:
    """Return the digest of each seed's history."""
    told = _lines(_worker(start, stop, 1, "--digests"))
    return {each["seed"]: each["digest"] for each in told if "digest" in each}


def trace(seed: int) -> int:
    """Show one seed on standard output; give the process's exit code."""
    worker = _worker(seed, seed + 1, 1, "--trace")
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.startswith("#"):
            sys.stdout.write(line[2:])
        else:
            sys.stdout.write(f"{Figures.from_json(json.loads(line))}\n")
    return worker.wait()


def _worker(start: int, stop: int, step: int, *options: str) -> subprocess.Popen[str]:
    # Coverage is measured where the code is tested step by step; here it would cost the half.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")
    }
    environment |= {"PYTHONHASHSEED": "0"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sim", str(start), str(stop), str(step), *options],
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def _lines(worker: subprocess.Popen[str]) -> list[dict[str, Any]]:
    output, _ = worker.communicate()
    if worker.returncode != 0:
        raise RuntimeError(f"the simulation itself failed with code {worker.returncode}")
    return [json.loads(line) for line in output.splitlines()]
