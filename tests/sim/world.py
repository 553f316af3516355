"""Nodes as processes on one database and one lease, and all that befalls them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actors.domain.model import WorkOrderId
from actors.errors import WorkOrderError
from actors.node.node import Node, NodeOptions
from actors.node.status import Role
from actors.node.term import TermOptions
from tests.sim.chance import chance
from tests.sim.database import Database, Document, Ours
from tests.sim.faults import Faults
from tests.sim.lease import LeaseServer, SimLease
from tests.sim.loop import Process, SimLoop
from tests.sim.movers import Movers, end_order
from tests.sim.scenario import Replaces
from tests.sim.store import Network, SimStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.sim.scenario import Scenario

LATEST_TTLS = 2
"""How long a packet may be under way, in lives of the lease."""
_PLANS = (40, 60)
_STATUSES = ("IN_PROGRESS", "PAUSED", "COMPLETED")


@dataclass(slots=True)
class Slot:
    """A place for a node: the process that runs there now."""

    name: str
    process: Process
    store: SimStore
    node: Node
    requests: list[Callable[[], None]] = field(default_factory=list)
    """How to tell callers that their connection broke."""
    paused_s: float = 0.0
    """How long this process was stopped, in all."""
    leaving: bool = False

    @property
    def owns(self) -> bool:
        """Whether the node says that it is the owner."""
        try:
            return self.process.alive and self.node.status().role is Role.OWNER
        except RuntimeError:  # not started yet
            return False

    @property
    def busy(self) -> bool:
        """Whether a blow would hit something: a commit on its way or a message at work."""
        statistics = self.node.region.statistics()
        return bool(self.store.commits_in_flight or statistics.active or statistics.waiting)


class World:
    """Everything outside the code under test, and the nodes that run it."""

    def __init__(self, scenario: Scenario, loop: SimLoop, database: Database) -> None:
        self.scenario, self.loop, self.database = scenario, loop, database
        self.random = chance(scenario.seed, "world")
        self.faults = Faults(
            chance(scenario.seed, "faults"),
            scenario.read_rate,
            scenario.write_rate,
            scenario.relay_rate,
            scenario.lease_rate,
            scenario.unexpected,
            scenario.replaces is Replaces.NONE,
        )
        self.network = Network(
            loop,
            self.faults.random,
            self.faults,
            scenario.store_timeout_s,
            scenario.ttl_s * LATEST_TTLS,
            self._edit_before_commit,
            self._strike_at_write,
            self._edit_while_late,
        )
        self.lease = LeaseServer(loop, self.faults, scenario.ttl_s)
        self.died: list[str] = []
        """Nodes that failed by themselves, and why."""
        self.trace: Callable[[str], None] | None = None
        self.history: list[tuple[Any, ...]] = []
        self._generation = 0
        self._copies: dict[WorkOrderId, tuple[dict[str, Any], Ours | None] | None] = {}
        self.order_ids = [WorkOrderId(f"{number:024x}") for number in range(scenario.orders)]
        for order_id in self.order_ids:
            database.orders[order_id] = Document(
                {
                    "input_quantity": 0,
                    "output_quantity": 0,
                    "plan_production_quantity": self.random.choice(_PLANS),
                    "scrap_quantity": 0,
                    "status": "IN_PROGRESS",
                    "progress": 0,
                }
            )
        self.old = [
            entry
            for order_id in (self.order_ids if scenario.movers else ())
            for entry in end_order(self, order_id)
        ]
        """What was in the log before all began, where somebody moves it."""
        self.moved = 0
        """Entries that were told as moved."""
        self.slots = [self.boot(f"node-{number}") for number in range(scenario.nodes)]
        self.movers = Movers(self)

    def tell(self, *what: object) -> None:
        """Note an event of the history."""
        self.history.append((round(self.loop.time(), 6), *what))
        if self.trace is not None:
            self.trace(" ".join(map(str, what)))

    # -- nodes ---------------------------------------------------------------------------------

    def boot(self, name: str) -> Slot:
        """Start a fresh process."""
        self._generation += 1
        scenario = self.scenario
        process = Process(f"{name}#{self._generation}", self.loop)
        store = SimStore(self.database, self.network, process)
        lease = SimLease(self.lease, process)
        options = NodeOptions(
            process.name,
            f"http://{name}",
            scenario.ttl_s,
            TermOptions(scenario.limits, scenario.batch, scenario.in_flight, scenario.jobs),
            scenario.lease_loss,
        )
        node: Node = process.context.run(Node, store, lease, options)
        slot = Slot(name, process, store, node)
        process.spawn(self._run(slot))
        return slot

    async def _run(self, slot: Slot) -> None:
        """Be the process's main function: start the node, stop when it fails."""
        try:
            await slot.node.start()
            await slot.node.wait_failed()
            reason = "its actor died"
        except Exception as error:  # noqa: BLE001 -- the edge of a process
            reason = repr(error)
        self.died.append(f"{slot.process.name}: {reason}")
        self.loop.outside(0, self.kill, slot, f"died by itself ({reason})")

    def kill(self, slot: Slot, why: str = "killed") -> None:
        """End the slot's process this very moment; a fresh one follows in a while."""
        if not slot.process.alive:
            return
        self.tell("kill", slot.process.name, why)
        slot.process.kill()
        broken, slot.requests = slot.requests, []
        for hang_up in broken:
            self.loop.outside(0.001, hang_up)
        again_s = self.random.uniform(0.05, self.scenario.ttl_s * 2)
        self.loop.outside(again_s, self._boot_again, slot)

    def _boot_again(self, slot: Slot) -> None:
        self.slots[self.slots.index(slot)] = self.boot(slot.name)

    def pause(self, slot: Slot, seconds: float) -> None:
        """Stop the process for that long, as SIGSTOP and SIGCONT do."""
        if slot.process.paused or not slot.process.alive:
            return
        self.tell("pause", slot.process.name, round(seconds, 3))
        slot.process.pause()
        slot.paused_s += seconds
        self.loop.outside(seconds, self._resume, slot)

    def _resume(self, slot: Slot) -> None:
        self.tell("resume", slot.process.name)
        slot.process.resume()

    def owner(self) -> Slot | None:
        """Return a node that says it is the owner."""
        owners = [slot for slot in self.slots if slot.owns]
        return self.random.choice(owners) if owners else None

    # -- blows ---------------------------------------------------------------------------------

    def plan_blows(self) -> None:
        """Schedule what will befall the nodes."""
        scenario, random = self.scenario, self.random
        blows = (
            self._kill_at_step,
            self._kill_at_step,
            self._kill_all,
            self._pause_at_step,
            self._pause_at_step,
            self._pause_at_step,
            self._flush,
            self._lease_outage,
            self._store_outage,
            self._cut_off,
            self._hold_log,
            self._roll,
            self._stop_processing,
            self._stop_an_order,
        )
        for _ in range(scenario.blows):
            self.loop.outside(random.uniform(0.05, scenario.duration_s), random.choice(blows))
        for _ in range(scenario.edits):
            self.loop.outside(random.uniform(0.0, scenario.duration_s), self._edit_any)

    def _struck(self) -> Slot:
        slot = self.owner()
        return slot if slot and self.random.random() < 0.8 else self.random.choice(self.slots)

    def _note(self, name: str, *slots: Slot) -> None:
        self.faults.note(name, hit=any(slot.busy for slot in slots))

    def _kill_at_step(self) -> None:
        """Kill a process between any two of its callbacks."""
        slot = self._struck()

        def strike() -> None:
            self._note("kill", slot)
            self.kill(slot)

        slot.process.at_step = (slot.process.steps + self.random.randrange(120), strike)

    def _strike_at_write(self, process: Process) -> None:
        """Kill or stop a process between a write and its answer."""
        if not process.alive or process.paused or not self.faults.chance(self.scenario.strikes):
            return
        slot = next((each for each in self.slots if each.process is process), None)
        if slot is None:
            self.movers.strike(process)
            return
        kill = self.random.random() < 0.5
        self.faults.note(f"{'kill' if kill else 'pause'} after a write", hit=True)
        if kill:
            self.kill(slot)
        else:
            self.pause(slot, self.random.uniform(0.1, 3.0) * self.scenario.ttl_s)

    def _kill_all(self) -> None:
        self._note("kill all", *self.slots)
        for slot in self.slots:
            self.kill(slot)

    def _pause_at_step(self) -> None:
        """Stop a process between any two of its callbacks, mostly for longer than the TTL."""
        slot = self._struck()
        seconds = self.random.uniform(0.1, 3.0) * self.scenario.ttl_s

        def strike() -> None:
            self._note("pause", slot)
            self.pause(slot, seconds)

        slot.process.at_step = (slot.process.steps + self.random.randrange(120), strike)

    def _flush(self) -> None:
        self._note("lease flushed", *self.slots)
        self.tell("lease flushed")
        self.lease.holder = None

    def _lease_outage(self) -> None:
        self._note("lease down", *self.slots)
        self.tell("lease down")
        self.lease.down = True
        self.loop.outside(self.random.uniform(0.1, 3) * self.scenario.ttl_s, self._lease_back)

    def _lease_back(self) -> None:
        self.lease.down = False
        if self.random.random() < 0.5:
            self.lease.holder = None  # restarted, and empty

    def _store_outage(self) -> None:
        self._note("store down", *self.slots)
        self.tell("store down")
        self.network.down = True
        self.loop.outside(self.random.uniform(0.05, 2.0), self._store_back)

    def _store_back(self) -> None:
        self.network.down = False

    def _cut_off(self) -> None:
        """Cut one process from the store alone: it may go on renewing its lease."""
        slot = self._struck()
        self._note("cut from the store", slot)
        self.tell("cut off", slot.process.name)
        self.network.cut = {slot.process.name}
        self.loop.outside(self.random.uniform(0.1, 3) * self.scenario.ttl_s, self._mend)

    def _mend(self) -> None:
        self.network.cut = None

    def _hold_log(self) -> None:
        self._note("log held", *self.slots)
        self.tell("log held")
        self.network.log_held = True
        self.loop.outside(self.random.uniform(0.1, 2.0), self._log_back)

    def _log_back(self) -> None:
        self.network.log_held = False

    def _roll(self) -> None:
        """Stop a process as SIGTERM does; another follows."""
        slot = self._struck()
        if slot.process.alive and not slot.leaving:
            slot.leaving = True
            self._note("drain", slot)
            self.tell("drain", slot.process.name)
            slot.process.spawn(self._drain(slot, self.random.uniform(0.1, 2.0)))

    async def _drain(self, slot: Slot, timeout_s: float) -> None:
        await slot.node.drain(timeout_s)
        self.loop.outside(0, self.kill, slot, "drained")

    def _stop_processing(self) -> None:
        """Pause processing as an operator does, and take it up again."""
        self._note("processing paused", *self.slots)
        self._operate(pause=True)
        self.loop.outside(self.random.uniform(0.05, 1.0), self.resume_processing)

    def _stop_an_order(self) -> None:
        """Pause one order as an operator does, and take it up again."""
        self._note("order paused", *self.slots)
        self._operate_order(self.random.choice(self.order_ids), pause=True)
        self.loop.outside(self.random.uniform(0.05, 1.5), self.resume_orders)

    def resume_orders(self) -> None:
        """Take up all paused orders again; an operator tries until he sees that they were."""
        for order_id in self.order_ids:
            if order_id in self.database.inbox.paused or any(
                slot.node.region.is_paused(order_id) for slot in self.slots
            ):
                self._operate_order(order_id, pause=False)
        if not self.faults.active:
            self.loop.outside(0.5, self.resume_orders)

    def _operate_order(self, order_id: WorkOrderId, *, pause: bool) -> None:
        slot = self.owner()
        if slot is not None:
            region = slot.node.region
            done = region.pause_order(order_id) if pause else region.resume_order(order_id)
            slot.process.spawn(_quietly(done))

    def resume_processing(self) -> None:
        """Take processing up again; an operator tries until he sees that it was."""
        if self.database.is_paused or any(slot.node.region.paused for slot in self.slots):
            self._operate(pause=False)
        if not self.faults.active:  # a request to pause may still be under way
            self.loop.outside(0.5, self.resume_processing)

    def _operate(self, *, pause: bool) -> None:
        slot = self.owner()
        if slot is not None:
            region = slot.node.region
            slot.process.spawn(_quietly(region.pause() if pause else region.resume()))

    def calm_down(self) -> None:
        """End all faults: from here on everything must settle."""
        self.tell("calm")
        self.faults.active = False
        self._mend()
        self._store_back()
        self._log_back()
        self.lease.down = False
        self.movers.stop()
        for slot in self.slots:
            slot.process.at_step = None
        self.resume_processing()
        self.resume_orders()

    # -- other writers -------------------------------------------------------------------------

    def _edit_before_commit(self, order_id: WorkOrderId) -> None:
        if self.faults.chance(self.scenario.edit_rate):
            self._edit(order_id, hit=True)

    def _edit_while_late(self, order_id: WorkOrderId, delay_s: float) -> None:
        """Change a field that the commit compares, and change it back before it arrives."""
        if self.scenario.edits and self.faults.chance(0.5):
            plan = self.database.orders[order_id].fields["plan_production_quantity"]
            self.faults.note("edit undone while a commit is late", hit=True)
            other = {"plan_production_quantity": _PLANS[plan == _PLANS[0]]}
            back = {"plan_production_quantity": plan}
            self._write(order_id, other)
            self.loop.outside(delay_s * 0.95, self._write, order_id, back)

    def _edit_any(self) -> None:
        if self.faults.active:
            self._edit(self.random.choice(self.order_ids), hit=any(s.busy for s in self.slots))

    def _edit(self, order_id: WorkOrderId, *, hit: bool) -> None:
        random, fields = self.random, self.database.orders[order_id].fields
        if self.scenario.replaces is not Replaces.NONE and random.random() < 0.3:
            self._replace(order_id, hit=hit)
            return
        self.faults.note("foreign edit", hit=hit)
        name = random.choice(("plan", "plan", "scrap", "status", "input", "output", "nothing"))
        edits: dict[str, dict[str, Any]] = {
            "plan": {"plan_production_quantity": random.choice((*_PLANS, None))},
            "scrap": {"scrap_quantity": random.choice((0, 5))},
            "status": {"status": random.choice(_STATUSES)},
            "input": {"input_quantity": fields["input_quantity"] + random.randrange(-3, 4)},
            "output": {"output_quantity": fields["output_quantity"] + random.randrange(-3, 4)},
            "nothing": {},
        }
        self._write(order_id, edits[name])

    def _replace(self, order_id: WorkOrderId, *, hit: bool) -> None:
        """Save the whole document, as it is or as it was when somebody last took a copy."""
        fields, ours = self.database.orders[order_id].fields, None
        copy = self._copies.pop(order_id, None)
        if copy is not None:
            fields, ours = copy if self.random.random() < 0.7 else (copy[0], None)
        elif self.scenario.replaces is Replaces.COPIES:
            self._copies[order_id] = self.database.read(order_id)
        self.faults.note("old copy put back" if copy else "document replaced", hit=hit)
        self.tell("replace", order_id[-2:], fields, ours and (ours.seq, ours.revision))
        self.database.put(order_id, dict(fields), ours)

    def _write(self, order_id: WorkOrderId, fields: dict[str, Any]) -> None:
        self.tell("edit", order_id[-2:], fields)
        self.database.edit(order_id, fields)


async def _quietly(done: Awaitable[None]) -> None:
    # The operator tries again, or finds it done by another.
    with suppress(WorkOrderError, RuntimeError):
        await done
