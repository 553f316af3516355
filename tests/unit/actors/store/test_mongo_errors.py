"""What the driver's errors of a write mean."""

from __future__ import annotations

import pytest
from pymongo.errors import OperationFailure

from actors.errors import OutcomeUnknown, StoreRejected, StoreUnavailable
from actors.store.mongo.client import writing


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        # PyMongo 4.20 repeats a write of a server that was overloaded as one that can be repeated,
        # also on a standalone mongod, which refuses the repetition and says nothing of the first.
        (20, OutcomeUnknown),
        (10107, OutcomeUnknown),
        (13, StoreUnavailable),
        (2, StoreRejected),
    ],
)
def test_what_an_answer_to_a_write_means(code: int, meant: type[Exception]) -> None:
    with pytest.raises(meant), writing():
        raise OperationFailure("no", code)
