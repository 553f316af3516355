"""What a caller said of a change, as fields of documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.domain.model import LogContext
from actors.store.values import mapping_from, text_from

if TYPE_CHECKING:
    from actors.domain.model import WorkOrderId

_CONTEXT: Final = {
    "relatedBarcode": "related_barcode",
    "barcodeOperation": "barcode_operation",
    "processStepId": "process_step_id",
    "processName": "process_name",
    "processCode": "process_code",
    "operatorId": "operator_id",
    "operatorName": "operator_name",
    "reason": "reason",
    "remark": "remark",
    "ipAddress": "ip_address",
    "userAgent": "user_agent",
    "isAutomatic": "is_automatic",
    "source": "source",
}
_NO_CONTEXT: Final = LogContext()


def context_from(stored: object, ours: object) -> LogContext:
    """Read what a caller said of a change, under the log's field names; `ours` has originals."""
    document = mapping_from(stored)
    originals = mapping_from(mapping_from(ours).get("originals"))
    given = {field: text_from(document.get(name)) for name, field in _CONTEXT.items()}
    return LogContext(
        **{field: text for field, text in given.items() if text is not None}  # type: ignore[arg-type]
        | {
            "is_automatic": document.get("isAutomatic") is not False,
            "originals": tuple((name, text_from(text) or "") for name, text in originals.items()),
        }
    )


def context_document(context: LogContext) -> dict[str, Any]:
    """Return what the caller said, defaults left out."""
    return {
        name: value
        for name, field in _CONTEXT.items()
        if (value := getattr(context, field)) != getattr(_NO_CONTEXT, field)
    }


def originals_document(context: LogContext) -> dict[str, Any]:
    """Return what was said and could not be taken, where there is something."""
    return {"originals": dict(context.originals)} if context.originals else {}


def request_key(order_id: WorkOrderId, request_id: str) -> str:
    """Join order and key into the one text that is unique in the log."""
    return f"{order_id}:{request_id}"
