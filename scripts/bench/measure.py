"""One measurement: fresh orders, a fresh process of what is measured, load, the check."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from actors.store.mongo.store import MongoStore
from scripts.bench import embedded
from scripts.bench.cores import CORES
from scripts.bench.live import make_live
from scripts.bench.orders import Check, check_mongo, seed_log, seed_mongo
from scripts.bench.processes import (
    ROOT,
    ChildFailedError,
    child,
    cpu_s,
    cpu_s_by_name,
    family,
    resident_bytes,
    wait_until_ready,
)
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pymongo import MongoClient

    from scripts.bench.scenarios import Scenario

_LAST_ANSWERS_S: Final = 60.0
"""How long a load may go on after its time: it waits at most 35 s for the last answers."""
_IDLE_S: Final = 3_600
_STRANGERS: Final = 10_000_000
"""The first number of the orders that only the log knows."""
_ENTRIES_OF_STRANGERS: Final = 50
_INDEXED_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Target:
    """What can be measured: `python <arguments>` in the checkout at `root`."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    root: Path = ROOT
    ours: bool = False
    """Whether it is the service, on which lasts what must be exact."""
    stores: bool = True
    embedded: bool = False
    """Whether it runs without MongoDB as well."""
    calls_itself: bool = False
    """Whether it makes its own load, by the options of `load`."""
    ready_s: float = 30.0
    """How long its start may take."""


TARGETS: Final[dict[str, Target]] = {
    "plain": Target(("-m", "scripts.bench", "plain_service")),
    "replaced": Target(("-m", "scripts.bench", "replaced_service")),
    "direct": Target(("-m", "scripts.bench", "direct"), calls_itself=True),
    "empty": Target(("-m", "scripts.bench", "empty_handler"), stores=False, embedded=True),
    "service": Target(("-m", "web"), ours=True, embedded=True),
    "pymongo": Target(("-m", "web"), {"MONGODB_DRIVER": "pymongo"}, ours=True),
}
"""By the name that `--targets` takes."""


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
    redis_uri: str | None
    seconds: float
    warmup_s: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one measurement gave."""

    scenario: Scenario
    target: str
    ours: bool
    round: int
    load: dict[str, Any]
    """The load's own result."""
    cpu_us: float
    """CPU of the process measured and those below it, in microseconds per update (or call that
    changes nothing)."""
    mongod_cpu_us: float
    memory_mb: float
    """Resident, of the same processes, after the load."""
    mongod_memory_mb: float
    check: Check | None
    """None where nothing is stored."""
    cpu_us_by: Mapping[str, float] = field(default_factory=dict)
    """The same by the processes' names."""

    @property
    def per_second(self) -> float:
        """Return acknowledged updates per second."""
        return float(self.load["per_second"])

    def as_json(self) -> dict[str, Any]:
        """Return it for a file of results, without the counts of each order."""
        figures = asdict(self)
        del figures["load"]["acknowledged_by_order"]
        return figures | {"title": str(self.scenario), "exact": self.check and self.check.exact}


class Run:
    """One target on data of its own, called `name`."""

    def __init__(self, plan: Plan, name: str, scenario: Scenario, target: Target) -> None:
        self._plan, self._name = plan, name
        self._scenario, self._target = scenario, target
        self._directory = plan.scratch / name
        self._port = free_port()
        self._mongod = plan.mongod if target.stores else None
        self._loads = 0
        self.pid = 0

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Store what is there before; delete it afterwards."""
        scenario, mongod = self._scenario, self._mongod
        (self._directory / "data").mkdir(parents=True)
        orders = scenario.orders + scenario.live
        if mongod is None:
            if self._target.stores:
                embedded.seed(self._directory, orders)
            yield
            return
        database = mongod.client[self._name]
        try:
            seed_mongo(database, orders)
            if scenario.entries or scenario.log:
                asyncio.run(_index(mongod.uri, self._name))
                seed_log(database, range(scenario.orders), scenario.entries)
                strangers = range(_STRANGERS, _STRANGERS + scenario.log // _ENTRIES_OF_STRANGERS)
                seed_log(database, strangers, _ENTRIES_OF_STRANGERS)
            yield
        finally:
            mongod.client.drop_database(self._name)

    @contextmanager
    def started(self) -> Iterator[None]:
        """Start the process, and end it, which must go well."""
        log, target = self._directory / "process.log", self._target
        arguments = [*target.arguments]
        if not target.ours:
            arguments += ["--port", str(self._port)]
        with child(arguments, log, self._environment(), target.root, CORES.measured) as process:
            wait_until_ready(process, self._port, log, target.ready_s)
            self.pid = process.pid
            if target.ours:
                first = self._scenario.orders
                make_live(self._port, range(first, first + self._scenario.live))
            yield
            if process.poll() is not None:
                raise ChildFailedError(f"ended with status {process.returncode} under load", log)
        if process.returncode != 0:
            raise ChildFailedError(f"ended with status {process.returncode} when told to stop", log)

    def _environment(self) -> dict[str, str]:
        env = {
            "PORT": str(self._port),
            "LOG_LEVEL": "info",
            "DATA_DIR": str(self._directory / "data"),
            **self._target.environment,
        }
        if self._mongod is not None:
            env |= {"MONGODB_URI": self._mongod.uri, "MONGODB_DB": self._name}
        if not self._target.ours and self._plan.redis_uri is not None:
            env["REDIS_URL"] = self._plan.redis_uri
        if self._scenario.live:
            most = self._scenario.live + self._scenario.orders + 1
            env |= {"ACTOR_IDLE_S": str(_IDLE_S), "MAX_ACTORS": str(most)}
        return env

    def load(self, per_second: float | None = None) -> dict[str, Any]:
        """Load it for the plan's time; return the load's result."""
        self._loads += 1
        out = self._directory / f"load-{self._loads}.json"
        log, plan = out.with_suffix(".log"), self._plan
        options = {
            "connections": self._scenario.connections,
            "orders": self._scenario.orders,
            "seconds": plan.seconds,
            # What is called once can't be called before the time begins.
            "warmup": 0 if self._scenario.shape.spread == "once" else plan.warmup_s,
            "out": out,
            **asdict(self._scenario.shape),
        }
        arguments, env, cores = [*self._target.arguments], self._environment(), CORES.measured
        if not self._target.calls_itself:
            cores = CORES.load
            options["url"] = f"http://127.0.0.1:{self._port}"
            arguments, env = ["-m", "scripts.bench", "load"], {}
            if per_second is not None:
                options["per-second"] = per_second
        with child([*arguments, *as_arguments(options)], log, env, cores=cores) as process:
            process.wait(plan.warmup_s + plan.seconds + _LAST_ANSWERS_S)
        if not out.exists():
            raise ChildFailedError(f"load ended with status {process.returncode}", log)
        result: dict[str, Any] = orjson.loads(out.read_bytes())
        if result["problem"]:
            process_log = self._directory / "process.log"
            raise ChildFailedError(result["problem"], process_log if self.pid else log)
        return result

    def check_served(self, load: Mapping[str, Any]) -> Check | None:
        """Compare what the embedded store shows, while it is served, with what was answered."""
        if not self._target.stores or self._mongod is not None:
            return None
        return embedded.check(self._port, load["acknowledged_by_order"], load["unknown"])

    def check_stored(self, load: Mapping[str, Any]) -> Check | None:
        """Compare what MongoDB holds with what was answered; the target must have ended."""
        if self._mongod is None:
            return None
        live = [[1, 0]] * self._scenario.live if self._target.ours else []
        counts = [*load["acknowledged_by_order"], *live]
        return check_mongo(self._mongod.client[self._name], counts, load["unknown"])


async def _index(uri: str, database: str) -> None:
    """Make the service's own indexes, which takes its time where there is a log already."""
    store = MongoStore(uri, database, timeout_s=_INDEXED_S)
    await store.open()
    await store.close()


def as_arguments(options: Mapping[str, object]) -> list[str]:
    """Return options as a command line has them; False ones are left out, True ones are flags."""
    given = {f"--{name}": value for name, value in options.items() if value is not False}
    return [
        str(part)
        for name, value in given.items()
        for part in ((name,) if value is True else (name, value))
    ]


def measure(
    plan: Plan, name: str, scenario: Scenario, target: tuple[str, Target], round_: int
) -> Measurement:
    """Measure once, on fresh data called `name`; raise ChildFailedError when it can't be."""
    title, what = target
    run = Run(plan, name, scenario, what)
    mongod = plan.mongod.pid if plan.mongod is not None else 0
    with run.prepared():
        with ExitStack() as stack:
            if not what.calls_itself:
                stack.enter_context(run.started())
            before = cpu_s_by_name(run.pid), cpu_s(mongod)
            load = run.load()
            used_by = {
                name: seconds - before[0].get(name, 0.0)
                for name, seconds in cpu_s_by_name(run.pid).items()
            }
            used = sum(used_by.values()), cpu_s(mongod) - before[1]
            memory = sum(map(resident_bytes, family(run.pid))), resident_bytes(mongod)
            check = run.check_served(load)
        check = check or run.check_stored(load)
    count = max(1, load["acknowledged"])
    return Measurement(
        scenario,
        title,
        what.ours,
        round_,
        load,
        cpu_us=(load["cpu_s"] if what.calls_itself else used[0]) / count * 1e6,
        mongod_cpu_us=used[1] / count * 1e6,
        memory_mb=memory[0] / 2**20,
        mongod_memory_mb=memory[1] / 2**20,
        check=check,
        cpu_us_by={name: each / count * 1e6 for name, each in used_by.items()},
    )
