"""What callers read, in Chinese and English.

A text is named by the code it goes with, or by the code and a variant (`CODE.variant`) where
one code has several causes. Codes never change with the language; the texts may.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from web.app_context import Language

if TYPE_CHECKING:
    from collections.abc import Mapping


class Text(NamedTuple):
    """One message in both languages, with `str.format` fields."""

    zh: str
    en: str


TEXTS: Final[Mapping[str, Text]] = {
    # -- done ------------------------------------------------------------------------------
    "UPDATED": Text("工单数量更新成功", "Work order quantity updated"),
    "UPDATED.replayed": Text(
        "该请求此前已处理，返回首次结果",
        "This request was applied before; this is its first result",
    ),
    "UPDATED.duplicate": Text(
        "条码 {barcode} 没有可撤回的数量，本次未扣减",
        "Nothing is open for barcode {barcode}; nothing was taken back",
    ),
    "UPDATED.batch": Text(
        "批量更新完成，共 {total} 条",
        "Batch done: all {total} updates applied",
    ),
    "PARTIALLY_UPDATED": Text(
        "批量更新部分成功：成功 {succeeded} 条，失败 {failed} 条",
        "Batch partly done: {succeeded} applied, {failed} failed",
    ),
    "NOT_UPDATED": Text(
        "批量更新全部失败，共 {failed} 条", "Batch failed: none of {failed} applied"
    ),
    "PARTIALLY_UPDATED.queued": Text(
        "批量更新部分成功：成功或已排队 {succeeded} 条，失败 {failed} 条",
        "Batch partly done: {succeeded} applied or queued, {failed} failed",
    ),
    "QUEUED": Text("更新已可靠保存，排队等待处理", "The update is kept and waits for its turn"),
    "QUEUED.replayed": Text(
        "该请求此前已排队，返回同一任务",
        "This request was queued before; this is the same job",
    ),
    "QUEUED.batch": Text(
        "批量更新已接收，共 {total} 条，其中 {queued} 条排队等待处理",
        "Batch taken: {queued} of {total} updates wait for their turn",
    ),
    "OK": Text("成功", "OK"),
    "OK.detail": Text("获取工单详情成功", "Work order found"),
    "OK.search": Text("搜索工单成功", "Search done"),
    "OK.logs": Text("获取数量变更日志成功", "Quantity log read"),
    "OK.stats": Text("获取队列统计成功", "Queue statistics read"),
    "OK.audit": Text("获取操作记录成功", "Audit read"),
    "OK.paused": Text("获取已暂停的工单成功", "Paused orders read"),
    "OK.locks": Text("获取锁统计成功", "Locks read"),
    "OK.shards": Text("获取分片成功", "Shards read"),
    "OK.shardHistory": Text("获取分片历史成功", "History of the shards read"),
    "OK.reshard": Text("分片数更改中", "The number of shards is changing"),
    "OK.jobs": Text("获取任务列表成功", "Jobs read"),
    "OK.job": Text("获取任务成功", "Job read"),
    "OK.job_counts": Text("获取任务计数成功", "Jobs counted"),
    "OK.discard_failed": Text("{discarded} 个失败任务已删除", "{discarded} failed jobs forgotten"),
    "OK.retry": Text("任务已重新排队", "The job waits again"),
    "OK.retry_failed": Text("{retried} 个失败任务已重新排队", "{retried} failed jobs wait again"),
    "OK.remove": Text("任务已删除", "The job is forgotten"),
    "OK.taken_back": Text("任务已撤回，未执行", "The job is taken back; it did not run"),
    "OK.actors": Text("获取工单 actor 列表成功", "Actors read"),
    "OK.actor_stats": Text("获取工单 actor 统计成功", "Actor statistics read"),
    "OK.hot": Text("获取热点工单成功", "Hot orders read"),
    "OK.actor": Text("获取工单 actor 详情成功", "Actor read"),
    "OK.alarms": Text("获取告警成功", "Alarms read"),
    "OK.quantities": Text("获取数量统计成功", "Quantities summed up"),
    "OK.plans": Text("获取计划完成情况成功", "Fulfilment of plans read"),
    "OK.history": Text("获取历史统计成功", "History read"),
    "OK.operated": Text("工单操作成功", "The operation is done"),
    "OK.operated.replayed": Text(
        "该操作此前已执行，返回首次结果",
        "This operation was done before; this is its first result",
    ),
    "OK.operated.batch": Text(
        "批量工单操作完成，共 {total} 条", "Batch done: all {total} operations are done"
    ),
    "PARTIALLY_UPDATED.operations": Text(
        "批量工单操作部分成功：成功 {succeeded} 条，失败 {failed} 条",
        "Batch partly done: {succeeded} operations are done, {failed} failed",
    ),
    "NOT_UPDATED.operations": Text(
        "批量工单操作全部失败，共 {failed} 条", "Batch failed: none of {failed} operations is done"
    ),
    "OK.guards": Text("获取计数规则成功", "Guards read"),
    "OK.log_level": Text("日志级别", "Log level"),
    "OK.node": Text("获取节点状态成功", "Node read"),
    "OK.nodes": Text("获取全部节点状态成功", "Nodes read"),
    "OK.clean": Text("已清理过期的任务记录", "Finished jobs forgotten"),
    "OK.pause": Text("已暂停处理", "Processing paused"),
    "OK.resume": Text("已恢复处理", "Processing resumed"),
    "OK.clean_locks": Text("已清理 {cleaned} 个异常锁", "{cleaned} stuck locks cleared"),
    "OK.clean_locks.noted": Text(
        "已清理 {cleaned} 个异常锁；{note}", "{cleaned} stuck locks cleared; {note}"
    ),
    "OK.service": Text(
        "工单数量处理服务：每次变更只生效一次",
        "Work order quantities: every change is applied exactly once",
    ),
    "OK.health": Text("工单处理服务运行正常", "The work order service can take updates"),
    # -- the request is wrong --------------------------------------------------------------
    "INVALID_REQUEST": Text(
        "请求不是有效的 HTTP，无法读取", "The request can't be read: it is not valid HTTP"
    ),
    "INVALID_HEADER": Text("请求头 {field} 无法识别", "The header {field} can't be read"),
    "INVALID_JSON": Text("请求体不是有效的 JSON", "The body is not valid JSON"),
    "INVALID_JSON.object": Text("请求体必须是 JSON 对象", "The body must be a JSON object"),
    "INVALID_JSON.duplicate": Text(
        "请求体中的字段 {field} 重复出现", "The body has the field {field} more than once"
    ),
    "INVALID_JSON.tokens": Text(
        "请求体的 JSON 元素过多，最多 {limit} 个", "The body has more than {limit} JSON tokens"
    ),
    "INVALID_JSON.depth": Text(
        "请求体的 JSON 嵌套过深，最多 {limit} 层",
        "The body's JSON is nested more than {limit} levels deep",
    ),
    "INVALID_JSON.unreadable": Text("请求体无法读取", "The body can't be read"),
    "INVALID_JSON.packed": Text(
        "压缩的请求体不完整或已损坏", "The compressed body is cut short or damaged"
    ),
    "MISSING_WORK_ORDER_ID": Text("缺少工单ID（workOrderId）", "workOrderId is missing"),
    "INVALID_WORK_ORDER_ID": Text(
        "工单ID（{field}）必须是 24 位十六进制字符串", "{field} must be text of 24 hex digits"
    ),
    "INVALID_WORK_ORDER_ID.number": Text(
        "没有 ID 或工单号为“{name}”的工单（{field}）",
        "{field} is neither the id (24 hex digits) nor the number of an order: {name}",
    ),
    "INVALID_WORK_ORDER_ID.several": Text(
        "有多个工单的工单号为“{name}”（{field}），请改用 ID",
        "Several orders have the number {name} ({field}): use the id",
    ),
    "INVALID_SEARCH": Text("{field} 必须是 {allowed} 之一", "{field} must be one of {allowed}"),
    "INVALID_TYPE": Text(
        "变更类型（{field}）必须是 input 或 output", "{field} must be input or output"
    ),
    "INVALID_QUANTITY": Text(
        "数量（{field}）必须是有限的数字，绝对值不超过 {limit}",
        "{field} must be a finite number of at most {limit} in size",
    ),
    "INVALID_QUANTITY.max": Text(
        "quantity 超过本服务允许的最大数量 {limit}（MAX_QUANTITY），未计入",
        "quantity is more than the {limit} that MAX_QUANTITY allows here; it was not counted",
    ),
    "INVALID_QUANTITY.range": Text(
        "工单的累计数量将超出允许范围 -{limit} 至 {limit}（quantity）",
        "With this quantity the order's total would leave the range -{limit} to {limit}",
    ),
    "INVALID_OPERATION": Text(
        "{field} 必须是以下值之一：{allowed}", "{field} must be one of: {allowed}"
    ),
    "INVALID_OPERATION.missing": Text("此操作缺少 {field}", "This operation needs {field}"),
    "INVALID_REQUEST_ID": Text(
        "{field} 必须是 1 至 {limit} 个可见字符",
        "{field} must be 1 to {limit} printable characters",
    ),
    "INVALID_REQUEST_ID.differs": Text(
        "请求头 Idempotency-Key 与请求体中的 {field} 不一致",
        "The Idempotency-Key header and {field} in the body differ",
    ),
    "INVALID_REQUEST_ID.repeated": Text(
        "请求头 {field} 重复出现", "The header {field} was sent more than once"
    ),
    "INVALID_UPDATES": Text(
        "{field} 必须是非空数组", "{field} must be an array with at least one update"
    ),
    "INVALID_UPDATES.size": Text(
        "{field} 最多 {limit} 条，实际 {actual} 条",
        "{field} may hold {limit} updates at most, not {actual}",
    ),
    "MISSING_PARAMS": Text(
        "缺少参数：每条更新必须包含 workOrderId 和 type（{field}）",
        "Every update needs workOrderId and type ({field})",
    ),
    "INVALID_DATE": Text(
        "{field} 必须是日期或时间（ISO 8601，或如 2026/1/3 8:05），或毫秒时间戳",
        "{field} must be a date or time (ISO 8601, or such as 2026/1/3 8:05), or ms since 1970",
    ),
    "INVALID_GRACE": Text(
        "{field} 必须是不小于 0 的毫秒数", "{field} must be a number of milliseconds, 0 or more"
    ),
    "INVALID_JOB_ID": Text(
        "任务ID（{field}）必须是 24 位十六进制字符串", "{field} must be text of 24 hex digits"
    ),
    "INVALID_LOG_LEVEL": Text(
        "{field} 必须是以下值之一：{allowed}", "{field} must be one of: {allowed}"
    ),
    "INVALID_SHARDS": Text(
        "{field} 必须是 1 到 {limit} 的整数", "{field} must be a whole number from 1 to {limit}"
    ),
    "SHARDS_FIXED": Text(
        "节点 {node} 的分片数是固定的（SHARDS）：请把各节点的 SHARDS 设为 stored 并重启",
        "The number of shards is fixed on node {node} (SHARDS): restart each node with"
        " SHARDS=stored",
    ),
    "INVALID_ACTOR_QUERY": Text(
        "{field} 必须是以下值之一：{allowed}", "{field} must be one of: {allowed}"
    ),
    "INVALID_STATISTICS_QUERY": Text(
        "{field} 最多 {limit} 个，以逗号分隔，取自：{allowed}",
        "{field} must be at most {limit} of these, with commas between: {allowed}",
    ),
    "INVALID_STATISTICS_QUERY.flag": Text(
        "{field} 必须是 true 或 false", "{field} must be true or false"
    ),
    "INVALID_STATISTICS_QUERY.id": Text(
        "{field} 必须是 24 位十六进制字符串", "{field} must be text of 24 hex digits"
    ),
    "INVALID_JOB_QUERY": Text(
        "{field} 必须是以下值之一：{allowed}", "{field} must be one of: {allowed}"
    ),
    "INVALID_JOB_QUERY.code": Text("{field} 必须是错误码", "{field} must be an error code"),
    "JOB_NOT_FOUND": Text(
        "任务 {job_id} 不存在，或已被清理", "There is no job {job_id}, or it is forgotten"
    ),
    "JOB_STATE_CONFLICT": Text(
        "任务 {job_id} 处于 {state} 状态，不能执行此操作",
        "Job {job_id} is {state}, which does not allow this",
    ),
    "JOB_STATE_CONFLICT.applied": Text(
        "任务 {job_id} 已经执行，不能撤回；结果见 result",
        "Job {job_id} is applied already and can't be taken back; result has what it did",
    ),
    "UNAUTHORIZED": Text(
        "需要有效的令牌（Authorization: Bearer …）",
        "A valid token is needed (Authorization: Bearer ...)",
    ),
    "FORBIDDEN": Text("此操作需要运维令牌", "This needs an operator's token"),
    "CROSS_SITE": Text(
        "不接受其他网站页面发出的请求", "Requests from pages of other sites are refused"
    ),
    "HOST_NOT_ALLOWED": Text(
        "不接受以此主机名（Host）发来的请求：须将其列入 ALLOWED_HOSTS",
        "Requests for this host name are refused: it is not in ALLOWED_HOSTS",
    ),
    "CONSOLE_READ_ONLY": Text(
        "控制台为只读：未设置 CONSOLE_WRITE=1", "The console only shows: CONSOLE_WRITE=1 is not set"
    ),
    "NOT_FOUND": Text("接口不存在", "There is no such path"),
    "METHOD_NOT_ALLOWED": Text(
        "该接口不支持 {method}，可用：{allowed}", "{method} is not supported here; use {allowed}"
    ),
    "BODY_TOO_LARGE": Text("请求体超过 {limit} 字节", "The body is larger than {limit} bytes"),
    "UNSUPPORTED_ENCODING": Text(
        "不支持请求体的压缩方式，只支持 {encodings}",
        "The body's Content-Encoding is not understood, only {encodings}",
    ),
    "BODY_TIMEOUT": Text(
        "请求体未在 {limit} 秒内到齐", "The body did not arrive within {limit} seconds"
    ),
    # -- the order or its log says no ------------------------------------------------------
    "WORK_ORDER_NOT_FOUND": Text(
        "工单 {work_order_id} 不存在", "There is no work order {work_order_id}"
    ),
    "ORDER_UNREADABLE": Text(
        "工单的 {field} 无法读作数字（{value}），更新未执行；请先更正工单",
        "The order's {field} can't be read as a number ({value}): not applied; mend the order",
    ),
    "DUPLICATE_OPERATION": Text(
        "条码 {barcode} 在该工序已扫码投入，不能重复计数",
        "Barcode {barcode} was already counted at this step",
    ),
    "DUPLICATE_OPERATION.counted": Text(
        "条码 {barcode} 在该工序此前已计数，本次不重复计数",
        "Barcode {barcode} was counted at this step before; it is not counted again",
    ),
    "DUPLICATE_OPERATION.output": Text(
        "条码 {barcode} 的产出已计数，不能重复计数",
        "The output of barcode {barcode} was already counted",
    ),
    "DUPLICATE_OPERATION.output_counted": Text(
        "条码 {barcode} 的产出此前已计数，本次不重复计数",
        "The output of barcode {barcode} was counted before; it is not counted again",
    ),
    "OVER_PLAN": Text(
        "投入减报废已达计划生产数量 {plan}，不能再投入",
        "Input less scrap has reached the plan, {plan}; no more can be put in",
    ),
    "OPERATION_REFUSED": Text(
        "工单状态为 {status}，不能执行 {operation}",
        "The order is {status}, which does not allow {operation}",
    ),
    "OPERATION_REFUSED.plan": Text(
        "计划生产数量须大于 0 且不超过计划数量，不能执行 {operation}",
        "planProductionQuantity must be above 0 and at most planQuantity for {operation}",
    ),
    "OPERATION_REFUSED.scrapped": Text(
        "该条码已报废，不能重复报废", "This barcode is scrap already"
    ),
    "OPERATION_REFUSED.full": Text(
        "该工单的报废清单已满，不能再记录报废",
        "The order's list of scrap is as large as the database keeps; no more can be noted",
    ),
    "OPERATION_REFUSED.input": Text(
        "投入数量须等于计划生产数量，才能创建补单",
        "inputQuantity must equal planProductionQuantity before a supplement is made",
    ),
    "OPERATION_REFUSED.no-scrap": Text(
        "没有报废，不能创建补单", "There is no scrap that a supplement would make up for"
    ),
    "OPERATION_REFUSED.supplemented": Text(
        "补单数量之和将超过报废数量", "The supplements would together exceed the scrap"
    ),
    "OPERATION_REFUSED.line": Text(
        "该产线已有进行中的工单，不能执行 {operation}",
        "Another order is in progress on this line, which does not allow {operation}",
    ),
    "OPERATION_REFUSED.sum": Text(
        "同一生产订单的计划生产数量之和将超过计划数量",
        "The plans of this production order would together exceed planQuantity",
    ),
    "REQUEST_ID_CONFLICT": Text(
        "请求标识 {request_id} 已用于内容不同的请求",
        "The request id {request_id} was used before, with another content",
    ),
    # -- not applied; may be sent again ----------------------------------------------------
    "MAILBOX_FULL": Text(
        "该工单等待处理的更新过多，本次未执行，请稍后重试",
        "Too many updates wait for this order; not applied, try again later",
    ),
    "MAILBOX_FULL.node": Text(
        "服务等待处理的更新过多，本次未执行，请稍后重试",
        "Too many updates wait in the service; not applied, try again later",
    ),
    "MAILBOX_FULL.inbox": Text(
        "服务保存的待处理更新已达上限，本次未保存，请稍后重试",
        "The inbox is full; not kept and not applied, try again later",
    ),
    "SERVICE_UNAVAILABLE": Text(
        "服务暂不可用，本次未执行，请稍后重试", "Not available now; not applied, try again later"
    ),
    "SERVICE_UNAVAILABLE.connections": Text(
        "连接过多，本次未执行，请稍后重试", "Too many connections; not applied, try again later"
    ),
    "SERVICE_UNAVAILABLE.actors": Text(
        "同时处理的工单过多，本次未执行，请稍后重试",
        "Too many orders are busy; not applied, try again later",
    ),
    "SERVICE_UNAVAILABLE.owner": Text(
        "本节点当前不处理更新，本次未执行，请稍后重试",
        "This node takes no updates now; not applied, try again later",
    ),
    "SERVICE_UNAVAILABLE.secret": Text(
        "转来请求的节点使用另一个 CLUSTER_SECRET，本次未执行：请在所有节点上设为相同",
        "The node that hands this on has another CLUSTER_SECRET; not applied: set the same on all",
    ),
    "SERVICE_UNAVAILABLE.paused": Text(
        "处理已暂停，本次未执行，请在恢复后重试",
        "Processing is paused; not applied, try again once it is resumed",
    ),
    "SERVICE_UNAVAILABLE.busy": Text(
        "服务繁忙，本次未能及时处理，未执行，请稍后重试",
        "Not reached in time; not applied, try again later",
    ),
    "SERVICE_UNAVAILABLE.store": Text(
        "数据库暂不可用，本次未执行，请稍后重试",
        "The database is not available; nothing was changed, try again later",
    ),
    "SERVICE_UNAVAILABLE.streams": Text(
        "实时事件的连接过多，请稍后重试", "Too many readers of events; try again later"
    ),
    "SERVICE_UNAVAILABLE.replies": Text(
        "正在发送的大答复过多，请稍后重试",
        "Too many large answers are under way; try again later",
    ),
    "SERVICE_UNAVAILABLE.lease_spoilt": Text(
        "租约的位置被其他数据占用：{detail}", "Something else is in the lease's place: {detail}"
    ),
    "SERVICE_UNAVAILABLE.lease": Text(
        "租约服务暂不可用，请稍后重试", "The lease can't be reached now; try again later"
    ),
    "SERVICE_UNAVAILABLE.health": Text(
        "工单处理服务当前不能处理更新", "The work order service can't take updates now"
    ),
    "SERVICE_UNAVAILABLE.read": Text(
        "查询超时，请稍后重试", "The answer took too long; try again later"
    ),
    # -- unknown, or our fault -------------------------------------------------------------
    "TIMEOUT": Text(
        "处理超时，结果未知，请用同一请求标识重试",
        "Timed out, outcome unknown: send it again with the same request id",
    ),
    "SYSTEM_ERROR": Text("系统错误", "Internal error"),
    "SYSTEM_ERROR.rejected": Text(
        "数据库拒绝保存此变更，未执行，请联系管理员",
        "The database refuses this change; not applied, ask an administrator",
    ),
    "SYSTEM_ERROR.given_up": Text(
        "多次尝试后放弃处理此变更，请联系管理员",
        "Given up after several attempts; ask an administrator",
    ),
}


def render(text: str, language: Language, params: Mapping[str, object]) -> str:
    """Return the text named `text`; raises `KeyError` for an unknown name or missing parameter."""
    both = TEXTS[text]
    template = both.en if language is Language.ENGLISH else both.zh
    return template.format_map(params) if params else template


@lru_cache(maxsize=256)
def preferred_language(accept_language: str) -> Language:
    """Choose from an `Accept-Language` header: English only where it is preferred to Chinese.

    Of equal weights the one named first wins; a header that names neither gives Chinese.
    """
    best, chosen = 0.0, Language.CHINESE
    for part in accept_language.split(","):
        tag, *options = (piece.strip().lower() for piece in part.split(";"))
        language = _LANGUAGES.get(tag.split("-")[0])
        weight = _weight(options)
        if language is not None and weight > best:
            best, chosen = weight, language
    return chosen


_LANGUAGES: Final = {"zh": Language.CHINESE, "en": Language.ENGLISH}


def _weight(options: list[str]) -> float:
    for option in options:
        name, _, value = option.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
