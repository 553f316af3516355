"""Guarded counts: what one product, or one plan, allows to be counted at all. Pure.

Each guard has a mode: with `watch` a change that breaks it is applied as ever and told of, with
`enforce` it is not. Callers that read first and then call can't keep them: only what decides
changes of an order one by one can.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.domain.model import ChangeType
from actors.domain.rules import add, applied_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.domain.evidence import Move
    from actors.domain.model import Change, LogPosition, Number, Operation, OrderState

UNBINDS: Final = frozenset({"UNBIND_PROCESS", "INITIALIZE_PRODUCT"})
"""The operations that take back what was counted for a barcode."""


class Mode(StrEnum):
    """What becomes of a change that breaks a guard."""

    OFF = "off"
    WATCH = "watch"
    ENFORCE = "enforce"


class Guard(StrEnum):
    """What is guarded, under the names of the settings."""

    OUTPUT_ONCE = "OUTPUT_ONCE"
    """A barcode's output counts once, until a decrease of it follows."""
    UNBIND_ONCE = "UNBIND_ONCE"
    """An unbind takes back only what is open for its barcode."""
    OVER_INPUT = "OVER_INPUT"
    """No input once input − scrap has reached the plan."""


@dataclass(frozen=True, slots=True)
class Guards:
    """The mode of each guard."""

    output_once: Mode = Mode.WATCH
    unbind_once: Mode = Mode.WATCH
    over_input: Mode = Mode.WATCH

    def items(self) -> tuple[tuple[Guard, Mode], ...]:
        """Return each guard with its mode."""
        return (
            (Guard.OUTPUT_ONCE, self.output_once),
            (Guard.UNBIND_ONCE, self.unbind_once),
            (Guard.OVER_INPUT, self.over_input),
        )


WATCH_ALL: Final = Guards()


class Breach(NamedTuple):
    """A guard that a change breaks, and what may be counted of it all the same."""

    guard: Guard
    enforced: bool
    first: LogPosition | None = None
    """The output that counts."""
    open: Number = 0
    """What an unbind may take back, in pieces."""


def asks_for_barcode(change: Change, guards: Guards) -> bool:
    """Return whether a guard of this change has to know its barcode's past."""
    if not change.context.related_barcode:
        return False
    if change.quantity < 0:
        return guards.unbind_once is not Mode.OFF and _is_guarded_unbind(change)
    return guards.output_once is not Mode.OFF and _is_output(change) and change.quantity > 0


def breach_of(
    change: Change, state: OrderState, moves: Iterable[Move], guards: Guards
) -> Breach | None:
    """Return the guard that a change breaks; `moves` are those of its barcode in this order."""
    if change.quantity < 0:
        return _unbound_twice(change, state, moves, guards.unbind_once)
    if change.quantity == 0:
        return None
    if change.type is ChangeType.OUTPUT:
        return _put_out_twice(change, moves, guards.output_once)
    return _over_input(state, guards.over_input)


def _put_out_twice(change: Change, moves: Iterable[Move], mode: Mode) -> Breach | None:
    if mode is Mode.OFF or not change.context.related_barcode:
        return None
    first = standing_output(moves)
    return None if first is None else Breach(Guard.OUTPUT_ONCE, mode is Mode.ENFORCE, first)


def _unbound_twice(
    change: Change, state: OrderState, moves: Iterable[Move], mode: Mode
) -> Breach | None:
    if mode is Mode.OFF or not change.context.related_barcode or not _is_guarded_unbind(change):
        return None
    left = open_quantity(moves, change.type)
    enforced = mode is Mode.ENFORCE
    stored = state.output_quantity if _is_output(change) else state.input_quantity
    # Where less is stored than is asked for, rule 2 cuts it in any case.
    taken = change.quantity if enforced else applied_quantity(stored, change.quantity)
    return Breach(Guard.UNBIND_ONCE, enforced, open=left) if -taken > left else None


def _over_input(state: OrderState, mode: Mode) -> Breach | None:
    plan = state.plan_production_quantity
    if mode is Mode.OFF or plan is None:
        return None
    # Beside 0, which most have, there is nothing to add exactly.
    scrap = state.scrap_quantity
    if (add(state.input_quantity, -scrap) if scrap else state.input_quantity) < plan:
        return None
    return Breach(Guard.OVER_INPUT, mode is Mode.ENFORCE)


def standing_output(moves: Iterable[Move]) -> LogPosition | None:
    """Return the latest output of a barcode, None where it was taken back since."""
    put_out = taken_back = None
    for each in moves:
        if each.type is not ChangeType.OUTPUT:
            continue
        if each.asked < 0:
            taken_back = each.position if taken_back is None else max(taken_back, each.position)
        elif each.applied > 0:
            put_out = each.position if put_out is None else max(put_out, each.position)
    if put_out is None or (taken_back is not None and put_out < taken_back):
        return None
    return put_out


def open_quantity(moves: Iterable[Move], of: ChangeType | Operation) -> Number:
    """Return what was counted for a barcode and not taken back, in pieces.

    What others took back twice is forgotten once the barcode is counted anew.
    """
    left: Number = 0
    for each in sorted((each for each in moves if each.type is of), key=lambda move: move.position):
        left = max(0, add(left, each.applied))
    return left


def _is_output(change: Change) -> bool:
    return change.type is ChangeType.OUTPUT


def _is_guarded_unbind(change: Change) -> bool:
    return change.context.barcode_operation in UNBINDS
