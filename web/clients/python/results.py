"""What goes out and what comes back: an update with its key, and results as callers know them."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .options import Language

Result = dict[str, Any]
"""`success`, `code`, `message` or `error`, `fallback`; and on success the fields of `data`."""

QUEUED_FALLBACK: Final = "QUEUED_FALLBACK"
_MAX_KEY: Final = 200
_MAX_QUANTITY: Final = 2**53 - 1
_HALF: Final = re.compile("[\ud800-\udfff]")
_HEX_ID: Final = re.compile(r"[0-9a-fA-F]{24}")

_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    QUEUED_FALLBACK: (
        "工单处理服务暂不可用，已存入本地待发队列",
        "The service can't be reached; the update is kept and will be sent",
    ),
    "SERVICE_UNAVAILABLE": ("工单处理服务不可用", "The work order service can't be reached"),
    "TIMEOUT": (
        "工单处理服务未按时答复，结果未知；请用同一个键重发",
        "The service did not answer in time; send it again with the same key",
    ),
    "OUTBOX_FULL": ("本地待发队列已满", "The outbox is full"),
    "OUTBOX_FAILED": ("本地待发队列无法写入", "The outbox can't be used"),
    "REQUEST_ID_CONFLICT": (
        "该键已用于另一内容",
        "The key was used for another content",
    ),
    "MISSING_WORK_ORDER_ID": ("缺少工单ID", "workOrderId is missing"),
    "INVALID_WORK_ORDER_ID": ("工单ID必须是 24 位十六进制", "workOrderId must be 24 hex digits"),
    "INVALID_TYPE": ("变更类型必须是 input 或 output", "type must be input or output"),
    "INVALID_QUANTITY": ("数量必须是有限的数字", "quantity must be a finite number"),
    "INVALID_LOG_CONTEXT": (
        "logContext 不能写成 JSON",
        "logContext is not what JSON can hold",
    ),
    "INVALID_REQUEST_ID": (
        "requestId 必须是 1 至 200 个可见字符",
        "requestId must be 1 to 200 printable characters",
    ),
    "MISSING_PARAMS": (
        "缺少参数：每条更新必须包含 workOrderId 和 type",
        "Every update needs workOrderId and type",
    ),
    "INVALID_UPDATES": ("updates 必须是非空数组", "updates must be a list with an update"),
}


def text_of(code: str, language: Language) -> str:
    """Return the client's own words for a code."""
    chinese, english = _TEXTS[code]
    return english if language == "en" else chinese


class Invalid(Exception):
    """An update that no service would take; nothing is sent. `args[0]` is the code."""

    @property
    def code(self) -> str:
        """Return the code of the refusal, one of the service's."""
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Update:
    """One change with its key, as JSON that is sent again byte for byte."""

    order: str
    """Lower case: the service's spelling, by which order is kept."""
    key: str
    text: str
    """The item of a batch: `workOrderId`, `type`, `quantity`, `logContext`, `requestId`."""

    def result(self, **fields: object) -> Result:
        """Return a result about this update."""
        item = json.loads(self.text)
        about = {name: item[name] for name in ("workOrderId", "type", "quantity")}
        return {**about, "requestId": self.key, **fields}


def make_update(
    work_order_id: object,
    kind: object,
    quantity: object = 1,
    log_context: object = None,
    request_id: object = None,
) -> Update:
    """Check a change and give it a key; ids may be objects whose text is the id.

    Raises `Invalid` here, so that nothing enters the outbox that the service will never take.
    """
    order = "" if work_order_id is None else str(work_order_id)
    if not order:
        raise Invalid("MISSING_WORK_ORDER_ID")
    if not _HEX_ID.fullmatch(order):
        raise Invalid("INVALID_WORK_ORDER_ID")
    if kind not in {"input", "output"}:
        raise Invalid("INVALID_TYPE")
    if not _is_quantity(quantity):
        raise Invalid("INVALID_QUANTITY")
    if request_id is not None and not _is_key(request_id):
        raise Invalid("INVALID_REQUEST_ID")
    key = str(uuid.uuid4()) if request_id is None else str(request_id)
    item = {"workOrderId": order.lower(), "type": kind, "quantity": quantity, "requestId": key}
    if log_context is not None:
        item["logContext"] = log_context
    return Update(order.lower(), key, _encoded(item))


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation with its key, as JSON that is sent again byte for byte."""

    key: str
    body: bytes


def make_operation(
    operation: str,
    quantity: float | None,
    plan_production_quantity: float | None,
    supplement_quantity: float | None,
    log_context: object,
    request_id: str | None,
) -> Asked:
    """Give an operation a key; what is wrong with it, the service says."""
    key = str(uuid.uuid4()) if request_id is None else request_id
    fields = {
        "operation": operation,
        "quantity": quantity,
        "planProductionQuantity": plan_production_quantity,
        "supplementQuantity": supplement_quantity,
        "logContext": log_context,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return Asked(key, _encoded({**given, "requestId": key}).encode())


def make_operations(operations: Sequence[object], request_id: str | None) -> Asked:
    """Give many operations one key; what is wrong with them, the service says."""
    key = str(uuid.uuid4()) if request_id is None else request_id
    return Asked(key, _encoded({"operations": list(operations), "requestId": key}).encode())


def make_item(item: object) -> Update:
    """Check one item of a batch; raises `Invalid`."""
    if not isinstance(item, dict) or not item.get("workOrderId") or not item.get("type"):
        raise Invalid("MISSING_PARAMS")
    return make_update(
        item["workOrderId"],
        item["type"],
        item.get("quantity", 1),
        item.get("logContext"),
        item.get("requestId"),
    )


def _is_quantity(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) <= _MAX_QUANTITY


def _is_key(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_KEY and value.isprintable()


def _encoded(item: dict[str, Any]) -> str:
    try:
        return json.dumps(_as_json(item), ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise Invalid("INVALID_LOG_CONTEXT") from None


def _as_json(value: object) -> object:
    """Return what JSON and UTF-8 can hold, as the service counts an update whatever is said by it.

    Ids and dates become text, NaN null, and half of a surrogate pair U+FFFD.
    """
    if isinstance(value, Mapping):
        return {_mended(str(name)): _as_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_as_json(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, int) else _mended(str(value))


def _mended(text: str) -> str:
    return _HALF.sub("\ufffd", text)
