"""What an applied change did, under the callers' names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.domain.messages import Updated


def result_fields(result: Updated) -> dict[str, Any]:
    """Return what an applied job did."""
    return {
        "jobId": result.change.job_id,
        "quantity": result.applied_quantity,
        "beforeQuantity": result.before_quantity,
        "afterQuantity": result.after_quantity,
        "beforeStatus": result.before_status,
        "afterStatus": result.after_status,
        "beforeProgress": result.before_progress,
        "afterProgress": result.after_progress,
        "seq": result.seq,
        "replayed": result.replayed,
        **({"duplicate": True} if result.duplicate else {}),
    }
