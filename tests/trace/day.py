"""Write a day of one line: seeded, so that every run sends the same calls in the same order.

A product is scanned in, perhaps scanned twice, unbound and scanned again, and goes out. All of
a product's calls come from one caller, in order, so what each must be answered is known; the
callers share the forty orders.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.trace import orders
from tests.trace.calls import Call, Update

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.trace.calls import Number
    from tests.trace.orders import Start

CALLERS: Final = 32
_PRODUCTS: Final = 620
_BATCHES: Final = 40
_ADJUSTMENTS: Final = 45
_ODD_CALLS: Final = 40
_EVENING: Final = 80
_DUPLICATE: Final = "DUPLICATE_OPERATION"

Script = tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """What lies in the database at first, what each caller sends, and what is sent again."""

    start: Start
    scripts: tuple[Script, ...]
    evening: tuple[Script, ...]
    """Calls of the day once more, with their keys, when everybody has gone home."""

    @property
    def calls(self) -> int:
        """The number of requests, copies included."""
        return sum(call.copies for part in (*self.scripts, *self.evening) for call in part)


def make_day(seed: int = 20261123, *, callers: int = CALLERS) -> Day:
    """Write the day that belongs to `seed`."""
    rng = Random(seed)  # noqa: S311 -- a trace, not a secret
    line = _Line(rng, "day", old_callers=True)
    lives = [list(life) for life in line.lives()]
    rng.shuffle(lives)
    shares = [lives[caller::callers] for caller in range(callers)]
    scripts = tuple(tuple(_interleaved(rng, share)) for share in shares)
    keyed = [call for script in scripts for call in script if call.keyed and call.repeats is None]
    again = [_once_more(call) for call in rng.sample(keyed, _EVENING)]
    evening = tuple(tuple(again[caller::callers]) for caller in range(callers))
    return Day(orders.morning(), scripts, evening)


def endless_calls(seed: int, caller: str) -> Iterator[Call]:
    """Write what one caller sends for as long as it is asked to, all of it with keys."""
    line = _Line(Random(f"{seed} {caller}"), caller, old_callers=False)  # noqa: S311 -- a trace
    while True:
        yield from line.any_life()


def _interleaved(rng: Random, lives: list[list[Call]]) -> Iterator[Call]:
    """Merge lives: a caller is busy with a few products at a time, each one's calls in order."""
    waiting, open_lives = iter(lives), list[list[Call]]()
    while True:
        while len(open_lives) < 6 and (life := next(waiting, None)) is not None:
            open_lives.append(list(life))
        if not open_lives:
            return
        life = rng.choice(open_lives)
        yield life.pop(0)
        if not life:
            open_lives.remove(life)


def _once_more(call: Call) -> Call:
    return replace(call, copies=1, repeats=call)


class _Line:
    """Writes lives: lists of calls that must be sent in their order."""

    def __init__(self, rng: Random, prefix: str, *, old_callers: bool) -> None:
        self._rng, self._prefix, self._old_callers = rng, prefix, old_callers
        self._keys = 0
        self._barcodes = 0

    def lives(self) -> Iterator[Iterator[Call]]:
        for _ in range(_PRODUCTS):
            yield self._product()
        for _ in range(_BATCHES):
            yield self._batch()
        for _ in range(_ADJUSTMENTS):
            yield self._adjustment()
        for number in range(_ODD_CALLS):
            yield self._odd(number)
        for index in orders.old_orders():
            yield self._yesterdays_product(index)

    def any_life(self) -> Iterator[Call]:
        kinds = (self._product, self._product, self._product, self._batch, self._adjustment)
        return self._rng.choice(kinds)()

    # -- products ----------------------------------------------------------------------------

    def _product(self) -> Iterator[Call]:
        order, barcode = self._order(), self._barcode()
        yield from self._sent(self._scan(order, barcode))
        if self._chance(0.08):
            yield from self._sent(self._scan(order, barcode, expected=_DUPLICATE))
        if self._chance(0.07):
            yield from self._rebound(order, barcode)
        if self._chance(0.05):
            yield from self._sent(self._scan(order, barcode, step=orders.SECOND_STEP))
        if self._chance(0.92):
            yield from self._sent(self._output(order, barcode))

    def _rebound(self, order: str, barcode: str) -> Iterator[Call]:
        yield from self._sent(self._unbind(order, barcode))
        if self._chance(0.2):  # an unbind too many
            yield from self._sent(self._unbind(order, barcode))
        yield from self._sent(self._scan(order, barcode))
        if self._chance(0.3):
            yield from self._sent(self._scan(order, barcode, expected=_DUPLICATE))

    def _yesterdays_product(self, index: int) -> Iterator[Call]:
        order, barcode = orders.order_id(index), orders.yesterdays_barcode(index, 5)
        yield from self._sent(self._scan(order, barcode, expected=_DUPLICATE))
        yield from self._sent(self._unbind(order, barcode))
        yield from self._sent(self._scan(order, barcode))
        yield from self._sent(self._scan(order, barcode, expected=_DUPLICATE))

    def _scan(
        self, order: str, barcode: str, *, step: str = orders.FIRST_STEP, expected: str = "UPDATED"
    ) -> Update:
        context = self._context(barcode, "SCAN_PROCESS", step)
        quantity = self._rng.choice((1, 1, None))
        return Update(self._spelled(order), "input", quantity, context, expected=expected)

    def _unbind(self, order: str, barcode: str) -> Update:
        context = self._context(barcode, "UNBIND_PROCESS", orders.FIRST_STEP)
        return Update(self._spelled(order), "input", -1, context | {"reason": "解绑"})

    def _output(self, order: str, barcode: str) -> Update:
        context = self._context(barcode, "SCAN_PROCESS", orders.LAST_STEP)
        return Update(self._spelled(order), "output", 1, context)

    # -- the rest ----------------------------------------------------------------------------

    def _batch(self) -> Iterator[Call]:
        updates: list[Update] = []
        for _ in range(self._rng.randint(1, 6)):
            updates += self._batch_items()
        kind = self._rng.randrange(4 if self._old_callers else 3)
        if kind == 1:
            updates = [replace(update, key=self._key()) for update in updates]
        call = Call(tuple(updates), batch=True, header_key=self._key() if kind in (0, 2) else None)
        yield from self._with_repeats(call)

    def _batch_items(self) -> list[Update]:
        order, barcode = self._order(), self._barcode()
        match self._rng.randrange(6):
            case 0:  # the items of one order keep their order
                return [
                    self._scan(order, barcode),
                    self._scan(order, barcode, expected=_DUPLICATE),
                    self._unbind(order, barcode),
                    self._scan(order, barcode),
                ]
            case 1:
                return [self._bad_item(order)]
            case 2:
                return [self._scan(order, barcode), self._output(order, barcode)]
            case _:
                document = self._context(f"DOC-{barcode}", "SCAN_BATCH_DOC", None)
                quantity = self._rng.randint(2, 12)
                kind = self._rng.choice(("input", "output"))
                return [Update(self._spelled(order), kind, quantity, document)]

    def _bad_item(self, order: str) -> Update:
        extra, expected = self._rng.choice(
            (
                ({"type": None}, "MISSING_PARAMS"),
                ({"workOrderId": None}, "MISSING_PARAMS"),
                ({"type": "scrap"}, "INVALID_TYPE"),
                ({"quantity": "3"}, "INVALID_QUANTITY"),
                ({"workOrderId": orders.UNKNOWN}, "WORK_ORDER_NOT_FOUND"),
            )
        )
        return Update(order, "input", 3, expected=expected, extra=extra)

    def _adjustment(self) -> Iterator[Call]:
        """Correct something by hand: by weight, or a decrease that may be more than there is."""
        if self._chance(0.4):
            weight: Number = self._rng.choice((0.1, 0.2, 0.25, 1.75, -0.3, 2))
            kind = self._rng.choice(("input", "output"))
            update = Update(orders.order_id(orders.BY_WEIGHT), kind, weight)
        else:
            order = self._spelled(self._order())
            kind = self._rng.choice(("input", "output", "output"))
            quantity = self._rng.choice((-1, -2, -5, -200, 0))
            update = Update(order, kind, quantity, {"barcodeOperation": "MANUAL_ADJUST"})
        yield from self._sent(update)

    def _odd(self, number: int) -> Iterator[Call]:
        """Send a call that is refused, or one whose key comes back with another payload."""
        order = self._order()
        match number % 5:
            case 0:
                full = orders.order_id(orders.FULL)
                yield from self._sent(Update(full, "input", 1, expected="INVALID_QUANTITY"))
            case 1:
                yield from self._sent(
                    Update(orders.UNKNOWN, "output", 1, expected="WORK_ORDER_NOT_FOUND")
                )
            case 2:
                bad = {"workOrderId": "not-an-id"}
                update = Update(order, "input", 1, expected="INVALID_WORK_ORDER_ID", extra=bad)
                yield Call((update,))
            case 3:
                update = Update(order, "input", 1, expected="INVALID_TYPE", extra={"type": "in"})
                yield Call((update,))
            case _:
                first = Update(self._spelled(order), "input", 2, key=self._key())
                yield Call((first,))
                other = replace(first, quantity=3, expected="REQUEST_ID_CONFLICT")
                yield Call((other,))

    # -- calls -------------------------------------------------------------------------------

    def _sent(self, update: Update) -> Iterator[Call]:
        """Send an update as the callers do: with a key here or there, or, the old ones, without."""
        key, place = self._key(), self._rng.randrange(0 if self._old_callers else 3, 10)
        if place < 3:
            call = Call((update,))
        elif place < 6:
            call = Call((update,), header_key=key)
        elif place < 9:
            call = Call((replace(update, key=key),))
        else:
            call = Call((replace(update, key=key),), header_key=key)
        yield from self._with_repeats(call)

    def _with_repeats(self, call: Call) -> Iterator[Call]:
        if call.keyed and self._chance(0.06):
            call = replace(call, copies=self._rng.choice((2, 2, 3)))
        yield call
        if call.keyed and self._chance(0.06):
            yield _once_more(call)

    def _context(self, barcode: str, operation: str, step: str | None) -> dict[str, Any]:
        context: dict[str, Any] = {
            "relatedBarcode": barcode,
            "barcodeOperation": operation,
            "processName": "贴片",
            "operatorId": f"op-{self._rng.randint(1, 9)}",
            "source": "DEVICE",
        }
        if step is not None:
            context["processStepId"] = step
        if self._chance(0.1):
            context |= {"remark": "夜班", "ipAddress": "10.0.0.7", "isAutomatic": False}
        return context

    def _order(self) -> str:
        """Pick an order; a few get most of the work. The full one gets none."""
        if self._chance(0.4):
            return orders.order_id(self._rng.randrange(4))
        return orders.order_id(self._rng.randrange(orders.FULL))

    def _spelled(self, order: str) -> str:
        return order.upper() if self._chance(0.1) else order

    def _barcode(self) -> str:
        self._barcodes += 1
        return f"SN23-{self._prefix}-{self._barcodes:05d}"

    def _key(self) -> str:
        self._keys += 1
        return f"{self._prefix}-{self._keys:05d}"

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability
