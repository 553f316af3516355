"""Run one bench command: `python -m scripts.bench <command> --help`."""

from __future__ import annotations

import sys
from importlib import import_module

# Imported by name only when asked for: the load generator must not pay for motor, nor a
# baseline for the service's modules.
_COMMANDS = {
    "throughput": "measure acknowledged updates per second beside baselines and limits",
    "growth": "measure throughput, latency and memory as actors, logs and batches grow",
    "start": "measure how long a node takes until it serves",
    "soak": "keep a node under a steady load and check that nothing grows",
    "chart": "draw the figures of throughput and growth",
    "actors": "measure the memory of idle actors and the time to passivate them all",
    "operators": "measure what operators see beside many live actors, and what it costs",
    "barcode": "measure scans of a barcode with very many entries, and other orders beside them",
    "indexes": "measure what each index of the log costs mongod",
    "reconcile": "measure a pass of reconcile over a log of many entries",
    "statistics": "time statistics from roll-ups, and from the log",
    "load": "call a running service from many connections and count the answers",
    "consoles": "keep consoles open at a running service and time its answers",
    "bodies": "measure how long a request's body keeps the event loop",
    "greedy": "be greedy in each way there is, beside steady updates, and see what it costs",
    "shards": "measure the service in 1, 2 and 4 shards",
    "ray": "measure the service on Ray, in 1 and 2 shards, beside the plain node",
    "gaps": "measure how long orders of a shard wait when its owner fails or leaves",
    "coalesce": "measure callers that share their calls beside callers that do not",
    "replay": "measure how fast the callers' outboxes drain",
    "direct": "make the service's writes in batches, without HTTP and actors",
    "plain_service": "serve a baseline: find, $inc, insert the log entry",
    "replaced_service": "serve a baseline: a list in Redis, one worker, a lock per order",
    "ray_service": "serve by a Ray cluster of one machine",
    "empty_handler": "serve a baseline: read the JSON body, answer a constant",
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
