"""The list of faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.chaos.faults import crowds, processes, servers, storms, wires

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.chaos.stage import Stage

    Fault = Callable[[Stage], Awaitable[None]]

_ANYWHERE = (
    processes.kill_owner,
    processes.kill_standby,
    processes.kill_both,
    processes.kill_before_cas,
    processes.kill_after_cas,
    processes.kill_before_log,
    processes.kill_while_log_hangs,
    processes.kill_in_take_over,
    processes.roll,
    processes.jump_node_clock,
    processes.pause_owner,
    processes.pause_before_cas,
    processes.stall_owner,
    servers.flush_redis,
    servers.set_redis_clock_back,
    servers.set_redis_clock_forward,
    servers.kill_redis,
    servers.lose_redis,
    servers.kill_mongo,
    wires.cut_owner_from_redis,
    wires.lose_replies_of_redis,
    wires.swallow_redis,
    wires.part_nodes,
    crowds.race_passivation,
    crowds.flood_of_unknown_orders,
    storms.storm,
)
_WIRED = (
    wires.cut_owner_from_mongo,
    wires.swallow_mongo_of_owner,
    wires.lose_replies_of_mongo,
    wires.slow_mongo,
    wires.late_write,
    wires.late_write_of_the_dead,
)
_THREE_MEMBERS = (
    servers.step_down,
    servers.kill_primary,
    servers.pause_primary,
    servers.pause_one_secondary,
    servers.pause_majority,
    servers.roll_back,
)
FAULTS: Final[dict[str, Fault]] = {
    fault.__name__: fault for fault in (*_ANYWHERE, *_WIRED, *_THREE_MEMBERS)
}
FEW: Final = tuple(fault.__name__ for fault in _THREE_MEMBERS)
"""Those that need a replica set of three."""
WIRED: Final = tuple(fault.__name__ for fault in (*_ANYWHERE, *_WIRED))
"""Those for a fleet that reaches MongoDB, of one member, through wires."""
THREE_MEMBERS: Final = tuple(fault.__name__ for fault in (*_ANYWHERE, *_THREE_MEMBERS))
"""Those for a fleet on a replica set of three."""
