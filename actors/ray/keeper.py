"""Keeps the shards' processes: made by Ray under names that all know, replaced when mute.

Each front door has a keeper; they need not agree, as a process is made only where its name is free
and owns nothing but what its lease says. This file alone imports Ray, and only once it is needed.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.errors import NotOwner, PayloadUnreadable, StartupError
from actors.ray.news import read_news
from actors.ray.process import ShardProcess
from actors.wire.payload import unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.domain.slots import Shard
    from actors.node.status import NodeStatus
    from actors.ray.link import ShardHandle

RESOURCE: Final = "shard"
"""What a machine must have for each process: `ray start --resources='{"shard": 8}'`."""
_ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    # Else Ray takes the first interface's address for the loopback's.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
"""What Ray reads as it is imported; scripts/ray-common.sh sets the same."""
_LETTERS: Final = "ab"
_LOOKS_S: Final = 2.0
_MUTE_S: Final = 10.0
"""Seconds without an answer after which a process is replaced; Ray sees no frozen one."""
_STARTS_S: Final = 60.0
"""The same for one that is being started."""
_ANSWERS_S: Final = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RayOptions:
    """Which cluster, and how many processes a shard has; `spares` wait beside the one that owns."""

    address: str
    namespace: str
    spares: int = 1


class RayHandle:
    """One process by its name. Implements `actors.ray.link.ShardHandle`."""

    def __init__(self, actor: Any) -> None:  # noqa: ANN401 -- Ray's handle has no useful type
        self._actor = actor

    async def exchange(self, payload: bytes) -> bytes:
        """Hand updates over, and take results."""
        return bytes(await self._actor.exchange.remote(payload))

    async def operate(self, payload: bytes) -> bytes:
        """Have one operation done."""
        return bytes(await self._actor.operate.remote(payload))

    async def info(self) -> bytes:
        """Ask how it is."""
        return bytes(await self._actor.info.remote())


@dataclass(slots=True)
class _Kept:
    shard: Shard
    name: str
    place: int
    """Which of the machines it should be on, counted round."""
    actor: Any = None
    machine: str = ""
    """Where it is, by the cluster's id; empty while that is not known."""
    heard: bool = False
    """Whether it has answered since it was started."""
    serving: bool = False
    able: bool = False
    """Whether it reaches store and lease, as it says itself."""
    moved_among: Sequence[str] = ()
    """The machines that there were when it was last moved: once among the same ones is enough."""
    heard_at: float = 0.0
    patience_s: float = _STARTS_S
    """How long it may be silent."""

    def starts(self) -> None:
        """Note that it is about to be started."""
        self.heard_at, self.patience_s = time.monotonic(), _STARTS_S
        self.machine, self.serving, self.able, self.heard = "", False, False, False

    def forget(self) -> None:
        """Note that it is gone for good."""
        self.starts()
        self.actor = None

    def answers(self, machine: str, status: NodeStatus | None) -> None:
        """Note that it was heard, and what it said of itself, if that could be read."""
        self.heard_at, self.patience_s = time.monotonic(), _MUTE_S
        self.machine, self.heard = machine, True
        self.serving = status is not None and status.serving
        self.able = status is not None and status.store.ok and status.lease.ok


class Keeper:
    """The processes of all shards; `build` names the function that makes what runs in one."""

    def __init__(self, options: RayOptions, build: str) -> None:
        self._options, self._build = options, build
        self._kept: list[_Kept] = []
        self._gone: list[_Kept] = []
        """Those of shards that there are no more, to be ended."""
        self._tidying = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    def handles(self, shard: int) -> list[ShardHandle]:
        """Return the processes that may serve a shard, as they are known now."""
        return [
            RayHandle(each.actor)
            for each in self._kept
            if each.shard.index == shard and each.actor is not None
        ]

    def ready(self) -> bool:
        """Return whether all processes have answered."""
        return all(each.heard for each in self._kept)

    async def open(self, shards: Sequence[Shard]) -> None:
        """Join the cluster and see that the processes of these shards are there.

        Raises:
            StartupError: Ray is not installed, or there is no cluster.

        """
        # Not on the loop: it takes seconds. Ray's handlers of signals stay out of the way so, too.
        await asyncio.to_thread(self._join)
        await self.keep(shards)
        self._watching = asyncio.create_task(self._watch())

    async def keep(self, shards: Sequence[Shard]) -> None:
        """See that the processes of these shards are there from now on, and no others."""
        known = {each.name: each for each in self._kept}
        kept = []
        for shard in shards:
            for spare in range(1 + self._options.spares):
                name, place = f"shard-{shard.index}{_LETTERS[spare]}", shard.index + spare
                each = known.pop(name, None) or _Kept(shard, name, place)
                each.shard = shard
                kept.append(each)
        self._gone += known.values()
        self._kept = kept
        await self._tidy()

    async def _tidy(self) -> None:
        """Make those that are not there, and end those that are to be gone."""
        async with self._tidying:
            while self._gone:
                if self._gone[-1].actor is not None:
                    # Its shard is of no map: it owns nothing, nor ever will.
                    await asyncio.to_thread(_ray().kill, self._gone[-1].actor, no_restart=True)
                self._gone.pop()
            if any(each.actor is None for each in self._kept):
                await asyncio.to_thread(self._make)

    async def close(self) -> None:
        """Leave the cluster; the processes stay."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
            await asyncio.to_thread(_ray().shutdown)

    def _join(self) -> None:
        try:
            ray = _ray()
        except ImportError as error:
            raise StartupError(
                f"ACTOR_ENGINE is ray, and Ray is not installed ({error});"
                " pip install --require-hashes -r requirements-ray.lock"
            ) from error
        try:
            ray.init(
                address=self._options.address,
                namespace=self._options.namespace,
                configure_logging=False,
                log_to_driver=False,
            )
        except Exception as error:
            raise StartupError(
                f"can't join the Ray cluster at {self._options.address}: {error}"
            ) from error

    def _make(self) -> None:
        """Look up each process by its name, and make those that are not there."""
        nodes = _nodes()
        actor_class = _ray().remote(ShardProcess)
        for each in self._kept:
            if each.actor is None:
                each.actor = actor_class.options(
                    name=each.name,
                    get_if_exists=True,
                    lifetime="detached",
                    max_restarts=-1,
                    # A repeat is the caller's, by its key.
                    max_task_retries=0,
                    num_cpus=0,
                    resources={RESOURCE: 1},
                    scheduling_strategy=_place(self._apart(each, nodes), each.place),
                ).remote(self._build, each.shard, each.name)
                each.starts()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOKS_S)
            try:
                made = [each for each in self._kept if each.actor is not None]
                await asyncio.gather(*map(self._look_at, made))
                await asyncio.to_thread(self._move_apart)
                await self._balance()
                await self._tidy()
            except Exception:  # noqa: BLE001 -- the next look may do better
                _log.warning("shards_not_watched", exc_info=True)

    async def _look_at(self, kept: _Kept) -> None:
        from ray.exceptions import ActorDiedError, ActorUnavailableError  # noqa: PLC0415

        try:
            async with asyncio.timeout(_ANSWERS_S):
                info = await _info_of(kept.actor)
                machine = await _machine_of(kept.actor)
        except ActorUnavailableError:  # Ray is about to restart it
            kept.starts()
        except ActorDiedError:
            # For good: somebody ended it, and its name is free.
            _log.warning("shard_process_gone", name=kept.name)
            kept.forget()
        except TimeoutError:
            if time.monotonic() - kept.heard_at > kept.patience_s:
                _log.warning("shard_process_mute", name=kept.name, within_s=kept.patience_s)
                kept.starts()
                await asyncio.to_thread(_ray().kill, kept.actor, no_restart=False)
        else:
            kept.answers(machine, None if info is None else _status_in(info))

    def _beside(self, kept: _Kept) -> list[_Kept]:
        """Return the other processes of its shard."""
        return [each for each in self._kept if each.shard == kept.shard and each is not kept]

    def _apart(self, kept: _Kept, nodes: Sequence[str]) -> Sequence[str]:
        """Return the machines on which no other process of its shard is; all if it is on each."""
        taken = {each.machine for each in self._beside(kept)}
        return [each for each in nodes if each not in taken] or nodes

    def _move_apart(self) -> None:
        """End spares that are on the machine of their owner, where there is another one.

        Ray has them there since a machine was lost, and leaves them when it is back.
        """
        pairs = [
            spare
            for spare in self._kept
            for owner in self._beside(spare)
            if owner.serving and not spare.serving and owner.machine == spare.machine != ""
        ]
        for each in self._kept:
            if each.machine and all(
                beside.machine not in ("", each.machine) for beside in self._beside(each)
            ):
                each.moved_among = ()  # it worked
        nodes = _nodes() if pairs else []
        for spare in pairs:
            if len(nodes) > 1 and spare.moved_among != nodes:
                _log.info("shard_process_moved", name=spare.name)
                spare.moved_among = nodes
                _ray().kill(spare.actor, no_restart=True)
                spare.forget()

    async def _balance(self) -> None:
        """Have one owner leave its shard to the spare, where that is on a machine with fewer.

        So they are spread again once a machine that was lost is back, or another one joins.
        """
        lately = time.monotonic() - _LOOKS_S - _ANSWERS_S / 2
        if not all(each.machine and each.heard_at >= lately for each in self._kept):
            return  # not before all is there
        owned = Counter({each.machine: 0 for each in self._kept})
        owned.update(each.machine for each in self._kept if each.serving)
        for owner in self._kept:
            for spare in self._beside(owner):
                fewer = owned[owner.machine] > owned[spare.machine] + 1
                if owner.serving and spare.able and fewer:
                    _log.info("shard_left_to_spare", name=owner.name)
                    owner.serving = False  # not twice, before it is heard again
                    with suppress(AttributeError, TimeoutError):  # an earlier release has no such
                        async with asyncio.timeout(_ANSWERS_S):
                            await owner.actor.hand_over.remote()
                    return


def _ray() -> Any:  # noqa: ANN401
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray  # noqa: PLC0415 -- of an optional extra, and slow

    return ray


async def _info_of(actor: Any) -> bytes | None:  # noqa: ANN401
    try:
        return bytes(await actor.info.remote())
    except NotOwner:  # the map has no such shard as yet
        return None


async def _machine_of(actor: Any) -> str:  # noqa: ANN401
    try:
        return str(await actor.machine.remote())
    except AttributeError:  # of an earlier release
        return ""


def _status_in(info: bytes) -> NodeStatus | None:
    """Return what a process says of itself; None in a form that is not known here."""
    try:
        return read_news(unpack(info, least=1)[0]).status
    except PayloadUnreadable:  # of a release that is not next to this one
        return None


def _nodes() -> list[str]:
    """Return the machines that take shards, in an order that is the same for all keepers."""
    return sorted(
        node["NodeID"]
        for node in _ray().nodes()
        if node["Alive"] and node["Resources"].get(RESOURCE)
    )


def _place(nodes: Sequence[str], place: int) -> Any:  # noqa: ANN401
    """Prefer one machine each, so that a shard and its spare are apart; spreading is no promise."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

    if not nodes:
        return "DEFAULT"
    return NodeAffinitySchedulingStrategy(nodes[place % len(nodes)], soft=True)
