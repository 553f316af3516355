"""Outcomes put into the log or the refusals, where a second time does no harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo.errors import BulkWriteError

from actors.store.mongo.client import UNSTORABLE, refused_writes, writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.domain.evidence import Outcome
    from actors.store.mongo.bson import EncodedOnce


async def insert_outcomes(
    collection: Any,  # noqa: ANN401 -- either driver's
    outcomes: Sequence[Outcome],
    encoded: EncodedOnce,
) -> dict[str, str]:
    """Insert what is missing; return the jobs that the server refuses, with its reasons.

    Raises `OutcomeUnknown` and `StoreUnavailable`.
    """
    try:
        with writing():
            try:
                await collection.insert_many(
                    [encoded.give(outcome) for outcome in outcomes], ordered=False
                )
            except BulkWriteError as error:
                return await _refused(collection, outcomes, error)
    except UNSTORABLE as error:
        return {each.change.job_id: str(error)[:300] for each in outcomes}
    return {}


async def _refused(
    collection: Any,  # noqa: ANN401 -- either driver's
    outcomes: Sequence[Outcome],
    error: BulkWriteError,
) -> dict[str, str]:
    reasons = {
        outcomes[each["index"]].change.job_id: str(each.get("errmsg"))[:300]
        for each in refused_writes(error)
    }
    there = await collection.find(
        {"_id": {"$in": [ObjectId(job_id) for job_id in reasons]}}, {"_id": 1}
    ).to_list(None)
    for document in there:
        del reasons[str(document["_id"])]
    return reasons
