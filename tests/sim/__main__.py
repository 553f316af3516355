"""Simulate some seeds in this process: one line of JSON per seed that failed, one at the end.

For `tests.sim.pool`, which sees to it that text hashes the same in every process.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
import warnings
from contextlib import nullcontext

import structlog

from tests.sim.controls import CONTROLS
from tests.sim.figures import Figures
from tests.sim.scenario import scenario_of
from tests.sim.simulation import Outcome, simulate

_COLLECT_EVERY = 10


def main() -> None:
    """Run the seeds that the arguments name."""
    arguments = _parse()
    _hush()
    figures = Figures()
    for number, seed in enumerate(range(arguments.start, arguments.stop, arguments.step)):
        outcome = _simulate(seed, arguments.control, trace=arguments.trace)
        figures.add(outcome)
        if arguments.digests:
            _say({"seed": seed, "digest": outcome.digest})
        if outcome.violations and arguments.until_found:
            break
        if number % _COLLECT_EVERY == 0:
            gc.collect()
    _say(figures.as_json())


def _simulate(seed: int, control_name: str | None, *, trace: bool) -> Outcome:
    control = CONTROLS[control_name] if control_name else None
    with control.applied() if control else nullcontext():
        return simulate(
            seed,
            scenario=control.scenario(scenario_of(seed)) if control else None,
            fence=control.fence if control else None,
            trace=_show if trace else None,
        )


def _hush() -> None:
    """Let what is left of killed processes go in silence, and only between two seeds."""
    gc.disable()
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _show(line: str) -> None:
    sys.stdout.write(f"# {line}\n")


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("start", type=int)
    parser.add_argument("stop", type=int)
    parser.add_argument("step", type=int)
    parser.add_argument("--control", choices=sorted(CONTROLS))
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--digests", action="store_true")
    parser.add_argument("--until-found", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
