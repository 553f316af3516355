"""The stores in memory as databases under contract, and the way in behind their backs.

They keep orders and outcomes as typed records: of a document only what the actors read of it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, cast

from actors.domain.evidence import Refusal
from actors.domain.model import LogEntry
from actors.store.documents import entry_document, order_from
from tests.fake_views import document_of
from tests.sim.chance import chance
from tests.sim.database import Database, Document, Ours, stored_order
from tests.sim.faults import Faults
from tests.sim.lease import LeaseServer
from tests.sim.loop import Process, SimLoop
from tests.sim.store import Network, SimStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from actors.domain.commit import StoredOrder
    from actors.domain.evidence import Outcome
    from actors.domain.model import WorkOrderId
    from tests.fakes import MemoryStore


class FakeBackdoor(ABC):
    """Reads and writes past a store in memory, under the shared schema's names."""

    def put_order(self, document: Mapping[str, Any]) -> None:
        self._put(replace(order_from(document, None, 0), guard={}))

    def edit_order(
        self, order_id: WorkOrderId, fields: Mapping[str, Any], *, without: tuple[str, ...] = ()
    ) -> None:
        document = {**self.order(order_id), **fields}
        self.put_order({name: each for name, each in document.items() if name not in without})

    def order(self, order_id: WorkOrderId) -> dict[str, Any]:
        return document_of(self._get(order_id))

    @abstractmethod
    def delete_order(self, order_id: WorkOrderId) -> None: ...

    @abstractmethod
    def delete_logs(self, order_id: WorkOrderId) -> None: ...

    def logs(self, order_id: WorkOrderId) -> list[dict[str, Any]]:
        entries = [each for each in self._outcomes(order_id) if isinstance(each, LogEntry)]
        return [entry_document(each) for each in sorted(entries, key=lambda each: each.seq)]

    def refusals(self, order_id: WorkOrderId) -> list[str]:
        found = [each for each in self._outcomes(order_id) if isinstance(each, Refusal)]
        return sorted(each.change.job_id for each in found)

    def put_log(self, document: Mapping[str, Any]) -> None:
        raise NotImplementedError(document)

    def put_material(self, document: Mapping[str, Any]) -> None:
        raise NotImplementedError(document)

    @abstractmethod
    def _get(self, order_id: WorkOrderId) -> StoredOrder: ...

    @abstractmethod
    def _put(self, order: StoredOrder) -> None: ...

    @abstractmethod
    def _outcomes(self, order_id: WorkOrderId) -> Iterable[Outcome]: ...


class MemoryBackdoor(FakeBackdoor):
    """The way into a `MemoryStore`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def delete_order(self, order_id: WorkOrderId) -> None:
        self._store.orders.pop(order_id, None)

    def delete_logs(self, order_id: WorkOrderId) -> None:
        for job in self._store.log[order_id].keys() - self._store.archive.jobs:
            del self._store.log[order_id][job]

    def _get(self, order_id: WorkOrderId) -> StoredOrder:
        return self._store.orders[order_id]

    def _put(self, order: StoredOrder) -> None:
        self._store.orders[order.id] = order

    def _outcomes(self, order_id: WorkOrderId) -> Iterable[Outcome]:
        store = self._store
        log = [each for job, each in store.log[order_id].items() if job not in store.archive.jobs]
        return [*log, *store.refused[order_id].values()]


class SimBackdoor(FakeBackdoor):
    """The way into the simulated database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def delete_order(self, order_id: WorkOrderId) -> None:
        self._database.orders.pop(order_id, None)

    def delete_logs(self, order_id: WorkOrderId) -> None:
        self._database.delete_logs(order_id)

    def _get(self, order_id: WorkOrderId) -> StoredOrder:
        found = self._database.read(order_id)
        assert found is not None
        return stored_order(order_id, *found, log_seq=0)

    def _put(self, order: StoredOrder) -> None:
        fields = asdict(order.state)
        ours = Ours(order.epoch, order.seq, order.revision, order.outbox) if order.adopted else None
        if order.id in self._database.orders:
            self._database.put(order.id, fields, ours)
        else:
            self._database.orders[order.id] = Document(fields, ours)

    def _outcomes(self, order_id: WorkOrderId) -> Iterable[Outcome]:
        kept = [*self._database.logs.values(), *self._database.refusals.values()]
        return [each for each in kept if each.work_order_id == order_id]


class RealLoop:
    """What the simulated servers ask of a loop, by the loop that runs: packets take no time."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    def outside(self, _delay_s: float, callback: Callable[..., Any], *args: object) -> None:
        asyncio.get_running_loop().call_soon(callback, *args)

    def call_later(
        self, delay_s: float, callback: Callable[..., Any], *args: object
    ) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay_s, callback, *args)


def real_loop() -> SimLoop:
    """Give the running loop in the place of a simulated one."""
    return cast("SimLoop", RealLoop())


def new_lease_server(ttl_s: float) -> LeaseServer:
    """Give a simulated lease's server, without faults."""
    return LeaseServer(real_loop(), Faults(chance(0, "contract")), ttl_s)


def new_sim_store(database: Database) -> SimStore:
    """Give one more process's store on a simulated database, over a network without faults."""
    random = chance(0, "contract")
    network = Network(
        real_loop(),
        random,
        Faults(random),
        timeout_s=1.0,
        latest_s=1.0,
        before_commit=lambda _: None,
        at_write=lambda _: None,
        when_late=lambda *_: None,
    )
    return SimStore(database, network, Process("node", network.loop))
