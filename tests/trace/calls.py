"""Calls as the main service makes them, and what they were answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Number = int | float
KeyPlace = Literal["header", "body", "both"]

UPDATED: Final = "UPDATED"
SINGLE: Final = "/api/workorder/update-quantity"
BATCH: Final = "/api/workorder/batch-update-quantity"


@dataclass(frozen=True, slots=True)
class Update:
    """One intended change of one order, and the code that it must be answered with."""

    order_id: str
    """As the caller spells it: some spell ids in upper case."""
    type: str
    quantity: Number | None = None
    """None leaves it out of the body, which means 1."""
    context: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    """Sent as `requestId`, in the body."""
    expected: str = UPDATED
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields that replace those of the body: what makes a bad call bad. None removes one."""

    @property
    def order(self) -> str:
        """The order as the store spells it."""
        return self.order_id.lower()

    @property
    def asked(self) -> Number:
        return 1 if self.quantity is None else self.quantity

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"workOrderId": self.order_id, "type": self.type}
        if self.quantity is not None:
            body["quantity"] = self.quantity
        if self.context:
            body["logContext"] = dict(self.context)
        if self.key is not None:
            body["requestId"] = self.key
        body |= self.extra
        return {name: value for name, value in body.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Call:
    """One request: an update, or a batch of them."""

    updates: tuple[Update, ...]
    batch: bool = False
    header_key: str | None = None
    copies: int = 1
    """How often it is sent at the same time, with one key."""
    repeats: Call | None = None
    """The call, answered before, that this one sends once more."""

    @property
    def path(self) -> str:
        return BATCH if self.batch else SINGLE

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.header_key is None else {"Idempotency-Key": self.header_key}

    @property
    def keyed(self) -> bool:
        """Whether each of its updates may be sent again."""
        return self.header_key is not None or all(each.key is not None for each in self.updates)

    def body(self) -> dict[str, Any]:
        if self.batch:
            return {"updates": [update.body() for update in self.updates]}
        return self.updates[0].body()

    def key_of(self, index: int) -> str | None:
        """Return the key under which the service knows one of the updates."""
        update = self.updates[index]
        if update.key is not None or self.header_key is None:
            return update.key
        return f"{self.header_key}#{index}" if self.batch else self.header_key


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one update, by its caller's account."""

    update: Update
    key: str | None
    code: str
    data: Mapping[str, Any]

    @property
    def applied(self) -> bool:
        return self.code == UPDATED

    @property
    def replayed(self) -> bool:
        return bool(self.data.get("replayed"))


@dataclass(frozen=True, slots=True)
class Answer:
    """A call and the reply to one copy of it."""

    call: Call
    status: int
    body: Mapping[str, Any]
    retry_after: str | None = None

    def outcomes(self) -> Iterator[Outcome]:
        """Return what became of each update of the call."""
        if self.call.batch and self.status == 200:
            results = self.body["data"]["results"]
            assert len(results) == len(self.call.updates), self.body
            for index, (update, data) in enumerate(zip(self.call.updates, results, strict=True)):
                yield Outcome(update, self.call.key_of(index), data["code"], data)
            return
        for index, update in enumerate(self.call.updates):
            data = self.body.get("data") or {}
            yield Outcome(update, self.call.key_of(index), self.body["code"], data)
