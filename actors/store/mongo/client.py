"""Connecting to MongoDB: the driver, the concerns, the indexes, and its errors as ours."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import parse_qsl

from bson import ObjectId
from bson.errors import InvalidDocument
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from actors.errors import OutcomeUnknown, StartupError, StoreRejected, StoreUnavailable
from actors.store.schema import (
    ARCHIVE,
    INBOX,
    LINE,
    LOGS,
    NODE_STATE,
    OPERATIONS,
    ORDERS,
    OURS,
    PRODUCTION_ORDER,
    RECORDS,
    REFUSALS,
    ROLLUPS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Driver = Literal["motor", "pymongo"]

# What the driver raises for documents that BSON cannot hold (a lone surrogate, a huge number).
UNSTORABLE: Final = (InvalidDocument, DocumentTooLarge, OverflowError, UnicodeEncodeError)
# Errors of a single write that say nothing about whether it was carried out: the server was
# shutting down, stepping down, or ran out of time (MongoDB's error_codes.yml); or it is a
# standalone that refuses the number with which PyMongo repeats a write after an overload (20).
UNSETTLED_CODES: Final = frozenset({20, 50, 91, 189, 262, 10107, 11600, 11602, 13435, 13436})
_NO_RIGHTS: Final = frozenset({13, 18})
"""Unauthorized, AuthenticationFailed: refused before anything is done, until somebody mends it."""
_TELLS_ACCENTS: Final = 2
_TELLS_CASE: Final = 3
"""The lowest strengths of a collation that do."""
_AGAIN_S: Final = 0.1
_INDEX_OPTIONS_CONFLICT: Final = 85
_INDEX_KEY_SPECS_CONFLICT: Final = 86

INDEXES: Final[dict[str, tuple[IndexModel, ...]]] = {
    ORDERS: (
        IndexModel(
            [(f"{OURS}.dirty", ASCENDING)],
            name="plan_server_dirty",
            partialFilterExpression={f"{OURS}.dirty": True},
        ),
        # What operations ask of other orders: who is at work on a line, what is planned together.
        IndexModel(
            [(LINE, ASCENDING)],
            name="plan_server_line",
            partialFilterExpression={"status": "IN_PROGRESS"},
        ),
        IndexModel([(PRODUCTION_ORDER, ASCENDING)], name="plan_server_production_order"),
        IndexModel(
            [("originalWorkOrderId", ASCENDING), ("status", ASCENDING)],
            name="plan_server_original",
            partialFilterExpression={"originalWorkOrderId": {"$gt": ObjectId("0" * 24)}},
        ),
        IndexModel(
            [(LINE, ASCENDING), ("planStartTime", ASCENDING)],
            name="plan_server_next",
            partialFilterExpression={"status": "PENDING"},
        ),
    ),
    LOGS: (
        # The shared schema's own; made here too, for a database the main service has not met.
        IndexModel([("workOrderId", ASCENDING), ("operateTime", DESCENDING)]),
        IndexModel([("relatedBarcode", ASCENDING), ("operateTime", DESCENDING)]),
        IndexModel([("materialId", ASCENDING), ("operateTime", DESCENDING)]),
        IndexModel([("operateTime", DESCENDING)]),
        IndexModel([("changeType", ASCENDING), ("operateTime", DESCENDING)]),
        IndexModel(
            [
                ("workOrderId", ASCENDING),
                ("relatedBarcode", ASCENDING),
                ("processStepId", ASCENDING),
                ("changeType", ASCENDING),
                ("operateTime", DESCENDING),
            ],
            name="idx_workorder_barcode_process_duplicate_check",
        ),
        # Ours: a barcode's newest entries in one order, at any step.
        IndexModel(
            [
                ("workOrderId", ASCENDING),
                ("relatedBarcode", ASCENDING),
                ("operateTime", DESCENDING),
            ],
            name="plan_server_scans",
            partialFilterExpression={"changeType": "input"},
        ),
        # One entry per order and seq, one outcome per order and key.
        IndexModel(
            [("workOrderId", ASCENDING), (f"{OURS}.seq", ASCENDING)],
            name="plan_server_seq",
            unique=True,
            partialFilterExpression={f"{OURS}.seq": {"$gt": 0}},
        ),
        IndexModel(
            [(f"{OURS}.requestKey", ASCENDING)],
            name="plan_server_request",
            unique=True,
            partialFilterExpression={f"{OURS}.requestKey": {"$exists": True}},
        ),
    ),
    INBOX: (
        IndexModel([("state", ASCENDING), ("epoch", ASCENDING), ("n", ASCENDING)]),
        IndexModel([("state", ASCENDING), ("dead", ASCENDING), ("finishedAt", DESCENDING)]),
        IndexModel(
            [("requestKey", ASCENDING)],
            name="plan_server_inbox_request",
            unique=True,
            partialFilterExpression={"requestKey": {"$exists": True}},
        ),
    ),
    RECORDS: (IndexModel([("kind", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),),
    ROLLUPS: (IndexModel([("view", ASCENDING), ("level", ASCENDING), ("at", ASCENDING)]),),
    REFUSALS: (IndexModel([(f"{OURS}.requestKey", ASCENDING)], unique=True),),
    OPERATIONS: (
        IndexModel([("workOrderId", ASCENDING), ("operatedAt", DESCENDING)]),
        IndexModel(
            [(f"{OURS}.requestKey", ASCENDING)],
            name="plan_server_operation_request",
            unique=True,
            partialFilterExpression={f"{OURS}.requestKey": {"$exists": True}},
        ),
    ),
}

# The readers of the log ask for the same of the archive; what may be there once, decisions say.
INDEXES[ARCHIVE] = tuple(
    IndexModel(
        list(each.document["key"].items()),
        **{name: each.document[name] for name in each.document if name not in ("key", "unique")},
    )
    for each in INDEXES[LOGS]
)


def connect(uri: str, driver: Driver, timeout_s: float) -> Any:  # noqa: ANN401 -- either driver's client
    """Make a client; it connects when first used.

    Raises:
        StartupError: the URI or one of its options is not understood.

    """
    options: dict[str, Any] = {"tz_aware": True, "appname": "work-order-service"}
    given = {name.lower() for name, _ in parse_qsl(uri.partition("?")[2].replace(";", "&"))}
    # PyMongo has no deadline for an operation unless the first is set; the last is for the driver's
    # own business, such as the good-bye when it closes.
    for name in ("timeoutMS", "serverSelectionTimeoutMS", "socketTimeoutMS"):
        if name.lower() not in given:
            options[name] = int(timeout_s * 1000)
    try:
        if driver == "motor":
            from motor.motor_asyncio import AsyncIOMotorClient  # noqa: PLC0415 -- the other is not needed

            return AsyncIOMotorClient(uri, **options)
        from pymongo import AsyncMongoClient  # noqa: PLC0415 -- the other is not needed

        return AsyncMongoClient(uri, **options)
    except (ConfigurationError, PyMongoError, ValueError) as error:
        raise StartupError(f"MONGODB_URI: {error}") from error


async def disconnect(client: Any) -> None:  # noqa: ANN401 -- either driver's client
    """Close a client; it says good-bye to the server first, for its time-out at most."""
    if inspect.iscoroutinefunction(client.close):
        await client.close()
    else:
        # Motor's is a function that waits for the server's answer where it is called.
        await asyncio.to_thread(client.close)


async def prepare(database: Any, within_s: float) -> None:  # noqa: ANN401 -- either driver's database
    """Make the database ready, again for so long where the primary changes meanwhile.

    Raises `StartupError` where it is not as it must be, and the driver's errors.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while True:
        try:
            await check_collations(database)
            await make_indexes(database)
        except (AutoReconnect, OperationFailure) as error:
            passes = isinstance(error, AutoReconnect) or error.code in UNSETTLED_CODES
            if not passes or loop.time() >= until:
                raise
            await asyncio.sleep(_AGAIN_S)
        else:
            return


async def check_collations(database: Any) -> None:  # noqa: ANN401 -- either driver's database
    """Raise `StartupError` where a collection takes texts that differ for equal.

    Two keys or two barcodes would be one, and the second of them would never be counted.
    """
    ours = [ORDERS, LOGS, ARCHIVE, REFUSALS, OPERATIONS, INBOX, NODE_STATE]
    found = await database.command("listCollections", filter={"name": {"$in": ours}})
    for each in found["cursor"]["firstBatch"]:
        collation = each.get("options", {}).get("collation", {})
        overlooked = _overlooked(collation)
        if overlooked is not None:
            raise StartupError(
                f"the collection {each['name']} has a collation that {overlooked}"
                f" ({collation.get('locale')}, strength {collation.get('strength')}): keys and"
                " barcodes that differ would be taken for one; make it anew with MongoDB's own"
                " collation"
            )


def _overlooked(collation: Mapping[str, Any]) -> str | None:
    """Say which difference of texts a collation does not see; None when it sees all."""
    strength = collation.get("strength", _TELLS_CASE)
    if strength < _TELLS_CASE and not collation.get("caseLevel"):
        return "does not tell upper from lower case"
    if strength < _TELLS_ACCENTS:
        return "does not tell accents"
    if strength <= _TELLS_CASE and collation.get("alternate") == "shifted":
        return "does not see spaces and hyphens"
    if collation.get("numericOrdering"):
        return "does not tell 1 from 01"
    return None


async def make_indexes(database: Any) -> None:  # noqa: ANN401 -- either driver's database
    """Make the indexes that are missing; MongoDB goes on serving reads and writes meanwhile.

    An index that exists with the same keys under another name or with other options is left
    as it is: it belongs to somebody else, and serves.
    """
    for collection, indexes in INDEXES.items():
        if await _make(database[collection], indexes):
            continue
        for index in indexes:
            await _make(database[collection], [index])


async def _make(collection: Any, indexes: Sequence[IndexModel]) -> bool:  # noqa: ANN401 -- of either driver
    """Make those that are missing, in one call; False when another's is in the way: none is."""
    try:
        await collection.create_indexes(list(indexes))
    except OperationFailure as error:
        if error.code not in (_INDEX_OPTIONS_CONFLICT, _INDEX_KEY_SPECS_CONFLICT):
            raise
        return False
    return True


@contextmanager
def _cancellable() -> Iterator[None]:
    """Raise a cancellation that came meanwhile and was lost: loops that are to end would not.

    Python 3.11's `asyncio.wait_for`, with which PyMongo sends, loses one that comes as it is done.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0

    def is_lost() -> bool:
        return task is not None and task.cancelling() > before

    try:
        yield
    except Exception as error:
        if is_lost():
            raise asyncio.CancelledError from error
        raise
    if is_lost():
        raise asyncio.CancelledError


@contextmanager
def reading() -> Iterator[None]:
    """Turn the driver's errors of an operation that changes no order into `StoreUnavailable`."""
    try:
        with _cancellable():
            yield
    except PyMongoError as error:
        raise StoreUnavailable(_line(error)) from error


@contextmanager
def writing() -> Iterator[None]:
    """Turn the driver's errors of a write into ours: sent or not is what counts."""
    try:
        with _cancellable():
            yield
    except (ServerSelectionTimeoutError, InvalidOperation) as error:
        # Raised before anything is sent (the latter when the client is closed); after a lost
        # first try PyMongo raises that try's error.
        raise StoreUnavailable(_line(error)) from error
    except PyMongoError as error:
        if not _is_answer(error):
            raise OutcomeUnknown(_line(error)) from error
        if getattr(error, "code", None) in _NO_RIGHTS:
            raise StoreUnavailable(_line(error)) from error
        raise StoreRejected(_line(error)) from error


def _is_answer(error: PyMongoError) -> bool:
    """Return whether the server said that it did not, and never will, do what it was asked.

    What it says of a write concern, of time that ran out, or while it changes its role, leaves
    the outcome open (MongoDB's driver specification, "Retryable Writes").
    """
    return (
        isinstance(error, OperationFailure)
        and not isinstance(error, (BulkWriteError, ExecutionTimeout, WriteConcernError))
        and error.code not in UNSETTLED_CODES
        and not error.has_error_label("RetryableWriteError")
        and not error.timeout
    )


def refused_writes(error: BulkWriteError) -> list[dict[str, Any]]:
    """Return the writes of a bulk that are refused for good, as the server tells of them.

    Raises `OutcomeUnknown` where any of them may be done yet.
    """
    details: Mapping[str, Any] = error.details or {}
    failed: list[dict[str, Any]] = details.get("writeErrors", [])
    if details.get("writeConcernErrors") or any(each["code"] in UNSETTLED_CODES for each in failed):
        raise OutcomeUnknown(str(error)[:300]) from error
    return failed


@contextmanager
def sent() -> Iterator[None]:
    """Turn `StoreUnavailable` into `OutcomeUnknown`: not being able to look undoes no write."""
    try:
        yield
    except StoreUnavailable as error:
        raise OutcomeUnknown(str(error)) from error


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).split(', Topology', 1)[0][:300]}"


async def cursor_of(
    collection: Any,  # noqa: ANN401 -- of either driver
    pipeline: Sequence[Mapping[str, Any]],
    **options: Any,  # noqa: ANN401 -- the driver's
) -> Any:  # noqa: ANN401 -- as well
    """Begin to aggregate; with PyMongo's own API that is awaited."""
    found = collection.aggregate(pipeline, **options)
    return await found if inspect.isawaitable(found) else found


async def all_of(
    collection: Any,  # noqa: ANN401 -- of either driver
    pipeline: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Aggregate; what does not fit into the server's memory goes to its disk."""
    cursor = await cursor_of(collection, pipeline, allowDiskUse=True)
    return await cursor.to_list(None)  # type: ignore[no-any-return]
