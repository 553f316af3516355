"""Run one bench command: `python -m scripts.bench <command> --help`."""

from __future__ import annotations

import sys
from importlib import import_module

# Imported by name only when asked for: the load generator must not pay for motor, nor a
# baseline for the service's modules.
_COMMANDS = {
    "throughput": "measure acknowledged updates per second beside two baselines",
    "actors": "measure the memory of idle actors and the time to passivate them all",
    "operators": "measure what operators see beside many live actors, and what it costs",
    "load": "call a running service from many connections and count the answers",
    "consoles": "keep consoles open at a running service and time its answers",
    "bodies": "measure how long a request's body keeps the event loop",
    "replay": "measure how fast the callers' outboxes drain",
    "plain_service": "serve baseline A: find, $inc, insert the log entry",
    "empty_handler": "serve baseline B: read the JSON body, answer a constant",
}


def _usage() -> str:
    width = max(map(len, _COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in _COMMANDS.items()]
    return "\n".join(["usage: python -m scripts.bench <command> [--help]", "", *lines, ""])


def main(argv: list[str]) -> int:
    """Dispatch to the command named first; return its exit status."""
    if not argv or argv[0] in {"-h", "--help"}:
        sys.stdout.write(_usage())
        return 0
    if argv[0] not in _COMMANDS:
        sys.stderr.write(f"unknown command {argv[0]!r}\n{_usage()}")
        return 2
    command = import_module(f"scripts.bench.{argv[0]}")
    status: int = command.main(argv[1:])
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
