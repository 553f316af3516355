"""One measurement: fresh orders, a fresh process of what is measured, load, the check."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from scripts.bench import embedded
from scripts.bench.orders import Check, check_mongo, seed_mongo
from scripts.bench.processes import ChildFailedError, child, cpu_s, wait_until_ready
from tests.servers import free_port

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import Popen

    from pymongo import MongoClient

MODULES = {
    "plain": ("scripts.bench", "plain_service"),
    "empty": ("scripts.bench", "empty_handler"),
    "service": ("web",),
}
"""What can be measured, and the module (with arguments) that is its process."""


@dataclass(frozen=True, slots=True)
class Mongod:
    """The server under what is measured."""

    client: MongoClient[dict[str, Any]]
    uri: str
    pid: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What all measurements of a run have in common."""

    scratch: Path
    mongod: Mongod | None
    """None: the embedded store."""
    driver: str
    connections: int
    orders: int
    """How many the spread load uses; the hot order comes after them."""
    seconds: float
    warmup_s: float
    keyed: bool
    scan: bool


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one measurement gave."""

    target: str
    hot: bool
    load: dict[str, Any]
    """The load generator's own result."""
    cores: float
    """CPU seconds per second of the process measured."""
    mongod_cores: float
    check: Check | None
    """None where nothing is stored."""

    @property
    def per_second(self) -> float:
        """Return acknowledged updates per second."""
        return float(self.load["per_second"])


@dataclass(frozen=True, slots=True)
class _Run:
    """One measurement under way."""

    plan: Plan
    name: str
    target: str
    hot: bool

    @property
    def directory(self) -> Path:
        return self.plan.scratch / self.name

    @property
    def first_order(self) -> int:
        return self.plan.orders if self.hot else 0

    def environment(self, port: int) -> dict[str, str]:
        env = {
            "PORT": str(port),
            "LOG_LEVEL": "info",
            "DATA_DIR": str(self.directory / "data"),
            "MONGODB_DRIVER": self.plan.driver,
        }
        if self.plan.mongod is not None:
            env |= {"MONGODB_URI": self.plan.mongod.uri, "MONGODB_DB": self.name}
        return env

    def load_arguments(self, port: int, out: Path) -> list[str]:
        plan = self.plan
        flags = ["--keyed"] * plan.keyed + ["--scan"] * plan.scan
        options = {
            "--url": f"http://127.0.0.1:{port}",
            "--connections": plan.connections,
            "--orders": 1 if self.hot else plan.orders,
            "--first-order": self.first_order,
            "--seconds": plan.seconds,
            "--warmup": plan.warmup_s,
            "--out": out,
        }
        pairs = [str(part) for option in options.items() for part in option]
        return ["-m", "scripts.bench", "load", *pairs, *flags]


def measure(plan: Plan, name: str, target: str, *, hot: bool) -> Measurement:
    """Measure `target` on fresh data called `name`; raise ChildFailedError when it can't be."""
    run = _Run(plan, name, target, hot)
    run.directory.mkdir()
    (run.directory / "data").mkdir()
    stored = target != "empty"
    mongod = plan.mongod
    if stored and mongod is not None:
        seed_mongo(mongod.client[name], plan.orders + 1)
    elif stored:
        embedded.seed(run.directory, plan.orders + 1)
    try:
        load, cores, mongod_cores, check = _under_load(run, stored=stored)
        if stored and mongod is not None:
            # Only now, stopped, must the service have relayed its whole log.
            check = check_mongo(
                mongod.client[name], run.first_order, load["acknowledged_by_order"], load["unknown"]
            )
    finally:
        if stored and mongod is not None:
            mongod.client.drop_database(name)
    return Measurement(target, hot, load, cores, mongod_cores, check)


def _under_load(run: _Run, *, stored: bool) -> tuple[dict[str, Any], float, float, Check | None]:
    port = free_port()
    module, *arguments = MODULES[run.target]
    if run.target != "service":
        arguments += ["--port", str(port)]
    log = run.directory / "process.log"
    with ExitStack() as stack:
        process = stack.enter_context(child(["-m", module, *arguments], log, run.environment(port)))
        wait_until_ready(process, port, log)
        pids = [process.pid] + ([run.plan.mongod.pid] if run.plan.mongod is not None else [])
        before, started = [cpu_s(pid) for pid in pids], time.monotonic()
        load = _load(run, port)
        elapsed_s = time.monotonic() - started
        cores = [(cpu_s(pid) - was) / elapsed_s for pid, was in zip(pids, before, strict=True)]
        if process.poll() is not None:
            raise ChildFailedError(f"ended with status {process.returncode} under load", log)
        check = None
        if stored and run.plan.mongod is None:
            check = embedded.check(
                port, run.first_order, load["acknowledged_by_order"], load["unknown"]
            )
    _require_clean_end(process, log)
    return load, cores[0], sum(cores[1:]), check


def _load(run: _Run, port: int) -> dict[str, Any]:
    out, log = run.directory / "load.json", run.directory / "load.log"
    with child(run.load_arguments(port, out), log) as process:
        # The generator ends by itself: its time, and at most 35 s for the last answers.
        process.wait(run.plan.warmup_s + run.plan.seconds + 60)
    if not out.exists():
        raise ChildFailedError(f"load ended with status {process.returncode}", log)
    result: dict[str, Any] = orjson.loads(out.read_bytes())
    if result["problem"]:
        raise ChildFailedError(result["problem"], run.directory / "process.log")
    return result


def _require_clean_end(process: Popen[bytes], log: Path) -> None:
    if process.returncode != 0:
        raise ChildFailedError(f"ended with status {process.returncode} when told to stop", log)
