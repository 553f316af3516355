"""The keeper, on a cluster that is made up: which processes it makes, and which it replaces."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field, replace
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from actors.domain.slots import Shard, ShardMap
from actors.errors import NotOwner, StartupError
from actors.orders.region import Statistics
from actors.ray.keeper import Keeper, RayOptions
from actors.ray.news import News
from actors.wire.payload import pack, unpack
from tests.unit.actors.ray.shards import status
from tests.virtual_time import in_virtual_time


def news(*, serving: bool = False, blind: bool = False) -> News:
    counts = Statistics(0, 0, 0, 0, 0, 0, paused=False, wait_ms=0.0)
    here = status(serving=serving)
    return News(replace(here, lease=replace(here.lease, ok=not blind)), counts)


class Died(Exception):
    """Stands for Ray's `ActorDiedError`."""


class Unavailable(Exception):
    """Stands for Ray's `ActorUnavailableError`."""


@dataclass
class Actor:
    """One process: answers, or not."""

    arguments: tuple[Any, ...]
    options: dict[str, Any]
    error: Exception | None = None
    mute: bool = False
    at: str = ""
    """The machine that it is on."""
    serving: bool = False
    spare: Actor | None = None
    """What serves when it does not."""
    blind: bool = False
    """Whether it can't reach its lease."""
    unreadable: bool = False
    """Whether it answers in the form of a far release."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- its methods
        if name == "machine":
            return SimpleNamespace(remote=self._machine)
        if name == "hand_over":
            return SimpleNamespace(remote=self._hand_over)
        return SimpleNamespace(remote=self._answer)

    async def _machine(self) -> str:
        if not self.at:
            raise AttributeError("an earlier release")
        return self.at

    async def _hand_over(self) -> None:
        if self.spare is None:
            raise AttributeError("an earlier release")
        self.serving, self.spare.serving = False, True

    async def _answer(self, *payload: bytes) -> bytes:
        if self.mute:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        if self.unreadable:
            return b'["a far version"]'
        return (
            payload[0] if payload else pack(news(serving=self.serving, blind=self.blind).written())
        )


@dataclass
class Cluster:
    """What of Ray the keeper uses."""

    machines: tuple[str, ...] = ("m2", "m1", "m3")
    actors: dict[str, Actor] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    """Those that were ended for good."""
    joined: dict[str, Any] = field(default_factory=dict)
    refuses: bool = False
    fails_to_make: int = 0
    fails_to_kill: int = 0
    of_no_map: set[str] = field(default_factory=set)
    """Processes of shards that there are not."""

    def init(self, **options: Any) -> None:  # noqa: ANN401
        if self.refuses:
            raise ConnectionError("nobody there")
        self.joined = options

    def shutdown(self) -> None:
        self.joined = {}

    def nodes(self) -> list[dict[str, Any]]:
        room = {"Alive": True, "Resources": {"shard": 2}}
        head = {"NodeID": "m0", "Alive": True, "Resources": {}}
        gone = {"NodeID": "gone", "Alive": False, "Resources": {"shard": 2}}
        return [head, gone, *({"NodeID": each, **room} for each in self.machines)]

    def remote(self, _kind: type) -> Any:  # noqa: ANN401
        return SimpleNamespace(options=self._options)

    def _options(self, **options: Any) -> Any:  # noqa: ANN401
        name = options["name"]

        def make(*arguments: Any) -> Actor:  # noqa: ANN401
            if name not in self.actors:
                if self.fails_to_make:
                    self.fails_to_make -= 1
                    raise ConnectionError("the head is away")
                self.made.append(name)
                error = NotOwner("no such shard") if name in self.of_no_map else None
                self.actors[name] = Actor(arguments, options, error)
            return self.actors[name]

        return SimpleNamespace(remote=make)

    def kill(self, actor: Actor, *, no_restart: bool) -> None:
        name = actor.options["name"]
        if self.fails_to_kill:
            self.fails_to_kill -= 1
            raise ConnectionError("the head is away")
        if no_restart:
            actor.error = Died()
            self.moved.append(name)
            del self.actors[name]
        else:
            self.killed.append(name)
            actor.mute = False


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    found = Cluster()
    modules: dict[str, dict[str, Any]] = {
        "ray": {name: getattr(found, name) for name in ("init", "shutdown", "nodes", "remote")}
        | {"kill": found.kill},
        "ray.exceptions": {"ActorDiedError": Died, "ActorUnavailableError": Unavailable},
        "ray.util": {},
        "ray.util.scheduling_strategies": {
            "NodeAffinitySchedulingStrategy": lambda machine, soft: (machine, soft)
        },
    }
    for name, members in modules.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_AUTH_MODE", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "")
    # Virtual time does not wait for threads.
    monkeypatch.setattr(asyncio, "to_thread", _at_once)
    return found


async def _at_once(work: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
    return work(*arguments, **options)


def keeper(spares: int = 1) -> Keeper:
    return Keeper(RayOptions("auto", "work-orders", spares), "here:build")


def shards(count: int = 2) -> tuple[Shard, ...]:
    return ShardMap(count).all()


@in_virtual_time
async def _makes(cluster: Cluster) -> None:
    kept = keeper()
    await kept.open(shards())
    assert cluster.joined["namespace"] == "work-orders"
    assert cluster.made == ["shard-0a", "shard-0b", "shard-1a", "shard-1b"]
    places = {name: actor.options["scheduling_strategy"] for name, actor in cluster.actors.items()}
    assert places == {
        "shard-0a": ("m1", True),
        "shard-0b": ("m2", True),
        "shard-1a": ("m2", True),
        "shard-1b": ("m3", True),
    }
    one = cluster.actors["shard-1b"]
    assert one.arguments == ("here:build", ShardMap(2).all()[1], "shard-1b")
    assert (one.options["lifetime"], one.options["max_restarts"]) == ("detached", -1)
    # Never by Ray: a repeat is the caller's.
    assert one.options["max_task_retries"] == 0
    first, second = kept.handles(1)
    assert await first.exchange(b"a") == b"a"
    assert await second.operate(b"b") == b"b"
    assert unpack(await second.info(), least=1) == [news().written()]
    await kept.close()
    assert not cluster.joined


def test_each_shard_and_its_spare_are_made_on_machines_of_their_own(cluster: Cluster) -> None:
    _makes(cluster)


@in_virtual_time
async def _replaces(cluster: Cluster) -> None:
    kept = keeper()
    await kept.open(shards(1))
    await asyncio.sleep(5)
    assert cluster.killed == []

    # One is frozen: it is replaced after a while, once.
    cluster.actors["shard-0a"].mute = True
    await asyncio.sleep(8)
    assert cluster.killed == []
    await asyncio.sleep(12)
    assert cluster.killed == ["shard-0a"]

    # One is being restarted by Ray: it is waited for.
    cluster.actors["shard-0b"].error = Unavailable()
    await asyncio.sleep(100)
    assert cluster.killed == ["shard-0a"]

    # One was ended for good: it is made anew, as soon as that is possible.
    cluster.fails_to_make = 2
    cluster.actors.pop("shard-0b").error = Died()
    await asyncio.sleep(20)
    assert cluster.made[-1] == "shard-0b"
    assert len(kept.handles(0)) == 2
    await kept.close()


def test_what_is_mute_or_gone_is_replaced_and_what_is_restarted_is_waited_for(
    cluster: Cluster,
) -> None:
    _replaces(cluster)


@in_virtual_time
async def _far_release(cluster: Cluster) -> None:
    kept = keeper()
    await kept.open(shards())
    cluster.actors["shard-0a"].unreadable = True
    await asyncio.sleep(100)
    assert cluster.killed == []
    cluster.actors.pop("shard-1a").error = Died()
    await asyncio.sleep(20)
    assert cluster.made[-1] == "shard-1a"
    await kept.close()


def test_one_that_answers_in_an_unknown_form_is_left_alone_and_holds_up_no_other(
    cluster: Cluster,
) -> None:
    _far_release(cluster)


@in_virtual_time
async def _moves(cluster: Cluster) -> None:
    cluster.machines = ("m1",)
    kept = keeper()
    await kept.open(shards(1))
    owner, spare = (cluster.actors[f"shard-0{letter}"] for letter in "ab")
    owner.serving, owner.at, spare.at = True, "m1", "m1"
    await asyncio.sleep(10)
    assert cluster.moved == [], "there is no other machine"

    cluster.machines = ("m1", "m2")
    await asyncio.sleep(5)
    assert cluster.moved == ["shard-0b"]
    moved = cluster.actors["shard-0b"]
    assert moved.options["scheduling_strategy"] == ("m2", True)
    assert len(kept.handles(0)) == 2

    # There was no room for it: it is not moved again and again.
    moved.at = "m1"
    await asyncio.sleep(20)
    assert cluster.moved == ["shard-0b"]
    cluster.machines = ("m1", "m3")
    await asyncio.sleep(5)
    assert cluster.moved == ["shard-0b"] * 2

    # It was apart, and Ray has started the owner beside it since.
    cluster.actors["shard-0b"].at = "m3"
    await asyncio.sleep(5)
    owner.at = "m3"
    await asyncio.sleep(5)
    assert cluster.moved == ["shard-0b"] * 3
    await kept.close()


def test_a_spare_on_its_owners_machine_is_moved_once_there_is_another_one(
    cluster: Cluster,
) -> None:
    _moves(cluster)


@in_virtual_time
async def _spread(cluster: Cluster) -> None:
    cluster.machines = ("m1", "m2")
    kept = keeper()
    await kept.open(shards(4))
    owners, spares = ([cluster.actors[f"shard-{n}{letter}"] for n in range(4)] for letter in "ab")
    for owner, spare in zip(owners, spares, strict=True):
        owner.serving, owner.at, owner.spare = True, "m1", spare
    for spare in spares[:3]:
        spare.at = "m2"
    await asyncio.sleep(20)
    assert all(owner.serving for owner in owners), "one spare is not there yet"

    spares[3].at = "m2"
    spares[0].mute = True
    await asyncio.sleep(8)
    assert all(owner.serving for owner in owners), "one spare does not answer"
    spares[0].mute = False
    owners[0].spare = None  # of an earlier release, as if alone
    await asyncio.sleep(10)
    assert all(owner.serving for owner in owners)
    owners[0].spare = spares[0]
    for spare in spares:
        spare.blind = True
    await asyncio.sleep(10)
    assert all(owner.serving for owner in owners), "who is cut off from the lease could not take it"
    for spare in spares:
        spare.blind = False
    await asyncio.sleep(20)
    assert [owner.serving for owner in owners] == [False, False, True, True]
    await asyncio.sleep(100)
    assert [owner.serving for owner in owners] == [False, False, True, True], "there they stay"
    assert cluster.killed == cluster.moved == []
    await kept.close()


def test_owners_are_spread_over_the_machines_that_their_spares_are_on(cluster: Cluster) -> None:
    _spread(cluster)


@in_virtual_time
async def _resharded(cluster: Cluster) -> None:
    kept = keeper()
    await kept.open(shards(2))
    assert not kept.ready()
    await asyncio.sleep(5)
    assert kept.ready()
    for name in ("shard-2a", "shard-2b", "shard-3a", "shard-3b"):
        cluster.of_no_map.add(name)
    await kept.keep(shards(4))
    assert not kept.ready()
    await asyncio.sleep(5)
    assert kept.ready(), "though the map has no such shards yet"
    assert cluster.made[4:] == ["shard-2a", "shard-2b", "shard-3a", "shard-3b"]
    assert len(kept.handles(3)) == 2

    cluster.fails_to_kill = 1
    with pytest.raises(ConnectionError):
        await kept.keep(shards(1))
    assert kept.handles(1) == kept.handles(3) == []
    await asyncio.sleep(5)
    assert sorted(cluster.actors) == ["shard-0a", "shard-0b"], "as soon as that is possible"

    await kept.keep(shards(2))
    assert sorted(cluster.actors) == ["shard-0a", "shard-0b", "shard-1a", "shard-1b"]
    await asyncio.sleep(100)
    assert cluster.killed == []
    await kept.close()


def test_processes_are_made_for_new_shards_and_those_of_shards_that_are_gone_end(
    cluster: Cluster,
) -> None:
    _resharded(cluster)


@in_virtual_time
async def _slow_start(cluster: Cluster) -> None:
    kept = keeper(spares=0)
    await kept.open(shards(1))
    cluster.actors["shard-0a"].mute = True
    await asyncio.sleep(50)
    assert cluster.killed == []
    await asyncio.sleep(20)
    assert cluster.killed == ["shard-0a"]
    await kept.close()


def test_one_that_is_being_started_is_given_a_minute(cluster: Cluster) -> None:
    _slow_start(cluster)


def test_a_cluster_that_is_not_there_is_said(cluster: Cluster) -> None:
    cluster.refuses = True
    with pytest.raises(StartupError, match="can't join the Ray cluster at auto: nobody there"):
        asyncio.run(keeper().open(shards()))


def test_without_ray_its_lock_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(StartupError, match=r"requirements-ray\.lock"):
        asyncio.run(keeper().open(shards()))
