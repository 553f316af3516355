"""What an alarm says to somebody who was just woken: what is wrong, and what to do first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from web.app_context import Language
from web.wire.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping


_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_UNITS: Final = {Language.CHINESE: ("秒", "分", "小时"), Language.ENGLISH: ("s", "min", "h")}


class Wording(NamedTuple):
    """An alarm's words, with `str.format` fields."""

    message: Text
    advice: Text
    itself: Text | None = None
    """What happens without anybody, where something does."""


WORDINGS: Final[Mapping[str, Wording]] = {
    "STORE_DOWN": Wording(
        Text(
            "{name} 已 {span}没有应答；更新在等待，到期答复 503；没有丢失",
            "{name} has not answered for {span}; updates wait, and get 503 at their deadline;"
            " nothing is lost",
        ),
        Text(
            "检查它是否在运行、有无主节点、本机能否连上、磁盘是否已满。恢复后节点自行继续。最近的错误：{detail}",
            "Is it up, has it a primary, can this machine reach it, is its disk full? The node goes"
            " on by itself once it answers. Last error: {detail}",
        ),
        Text("它恢复应答后，节点自行继续", "The node goes on by itself as soon as it answers"),
    ),
    "NO_OWNER": Wording(
        Text(
            "没有节点处理更新（{reason}）；调用方收到 503；没有执行，也没有丢失",
            "No node serves updates ({reason}); callers get 503; nothing is applied, nothing lost",
        ),
        Text(
            "查看各节点：全部停止则启动一个；租约持有者没有应答则结束该进程，租约随后自动失效",
            "Look at the nodes: start one if all are down; if the lease's holder does not answer,"
            " end that process, and its lease ends by itself",
        ),
        Text(
            "租约到期后备用节点会接替（{takeover}）：此前无需处理",
            "A standby takes over when the lease ends ({takeover}): nothing to do before",
        ),
    ),
    "SHARDS_AWAY": Wording(
        Text(
            "分片 {shards} 无人处理（{reason}）；其工单的调用方收到 503，其他分片照常",
            "No node serves shards {shards} ({reason}); callers of their orders get 503, others"
            " go on",
        ),
        Text(
            "查看 /health 和各节点：少了节点则启动它；租约持有者没有应答则结束该进程，租约随后失效",
            "Look at /health and at the nodes: start one that is missing; if a lease's holder does"
            " not answer, end that process, and its lease ends by itself",
        ),
        Text(
            "租约到期后由其他节点或备用接替：此前无需处理",
            "Another node, or the spare, takes over when the lease ends: nothing to do before",
        ),
    ),
    "UPDATES_WAIT": Wording(
        Text(
            "工单 {order} 的更新已等待 {span}；等待中的更新共 {waiting} 条",
            "An update of order {order} has waited for {span}; updates that wait: {waiting}",
        ),
        Text(
            "打开该工单，看它在做什么：等待存储、提交缓慢，还是被单独暂停",
            "Open that order and see what it does: wait for the store, commit slowly, or rest"
            " because it is paused alone",
        ),
    ),
    "UPDATES_FAIL": Wording(
        Text(
            "5 分钟内有 {count} 条更新非正常失败，其中 {most} 条为 {code}；调用方已获知",
            "Updates that failed in the last 5 minutes: {count}, of them {most} with {code};"
            " their callers were told",
        ),
        Text(
            "SERVICE_UNAVAILABLE 或 TIMEOUT：存储或处理者有问题。SYSTEM_ERROR：在日志中查找 update_failed 和 actor_crashed",  # noqa: E501
            "SERVICE_UNAVAILABLE or TIMEOUT: look at the store and the owner. SYSTEM_ERROR: look"
            " for update_failed and actor_crashed in the log",
        ),
        Text("多数调用方会自行重试", "Most callers try again by themselves"),
    ),
    "LOG_REFUSES": Wording(
        Text(
            "5 分钟内日志写入失败 {count} 次；{entries} 条尚未写入，保存在各自的工单中，没有丢失",
            "Writes to the log that failed in the last 5 minutes: {count}; entries not in the"
            " collection yet: {entries}. They are safe in their orders",
        ),
        Text(
            "在日志中查找 relay_rejected（集合的校验规则或唯一索引）和 relay_unanswered（数据库）",
            "Look for relay_rejected (the collection's validator, or a unique index) and"
            " relay_unanswered (the database) in the log",
        ),
        Text("能写入后自行补写", "They are copied by themselves as soon as the log takes them"),
    ),
    "COUNTS_UNDONE": Wording(
        Text(
            "15 分钟内有 {count} 次已计数量被外部改回；最近：工单 {work_order_id} 的 {field} 由 {before} 变为 {now}",  # noqa: E501
            "Counts that others undid in the last 15 minutes: {count}; the latest: {field} of order"
            " {work_order_id} was {before}, and is {now}",
        ),
        Text(
            "查明是谁写入该工单（编辑表单、脚本、恢复备份）；日志中有全部变更，可据此更正",
            "Find out who wrote that order (an edit form, a script, a restored backup); its log has"
            " all changes, to put it right by",
        ),
    ),
    "ORDER_UNREADABLE": Wording(
        Text(
            "15 分钟内有 {count} 条更新被拒绝，因为工单的存储内容无法使用；最近：工单 {work_order_id} 的 {field} 是 {now}",  # noqa: E501
            "Updates refused in the last 15 minutes as what their order holds can't be used:"
            " {count}; the latest: {field} of order {work_order_id} is {now}",
        ),
        Text(
            "在数据库中更正该字段（数量须为数字）；之后同样的请求会被计入",
            "Mend it in the database, a quantity to a number; the same requests count then",
        ),
    ),
    "GUARD_BROKEN": Wording(
        Text(
            "15 分钟内有 {count} 次计数违反只观察的规则；最近："
            "{guard}，工单 {order}，条码 {barcode}",
            "Counts of the last 15 minutes that broke a guard which is only watched: {count}; the"
            " latest: {guard}, order {order}, barcode {barcode}",
        ),
        Text(
            "在 /api/guards 查看明细；确认都是重复或超投后，把该规则设为 enforce",
            "/api/guards lists them; once you see that they are wrong, set that guard to enforce",
        ),
    ),
    "LEASE_DOWN": Wording(
        Text(
            "{name} 已 {span}没有应答；处理者继续处理，但没有节点能接替它",
            "{name} has not answered for {span}; the owner goes on, nobody could take over",
        ),
        Text(
            "检查它是否在运行、本机能否连上；其中没有会丢失的数据，可以重启。最近的错误：{detail}",
            "Is it up, can this machine reach it? It holds nothing that can be lost: restart it."
            " Last error: {detail}",
        ),
        Text("它恢复应答后，租约自行续期", "The lease is renewed by itself as soon as it answers"),
    ),
    "NO_STANDBY": Wording(
        Text(
            "没有备用节点（现有 {present} 个，应有 {expected} 个；缺：{names}）：本节点一旦故障，"
            "服务即中断",
            "No standby (nodes: {present} of {expected}, missing: {names}): a failure of this node"
            " stops the service",
        ),
        Text(
            "启动缺少的节点，或查看它为何停止；有意减少节点时，设置 EXPECTED_NODES",
            "Start the missing node, or find out why it ended; where there are to be fewer, set"
            " EXPECTED_NODES",
        ),
    ),
    "NODES_MISSING": Wording(
        Text(
            "节点少于应有数：现有 {present} 个，应有 {expected} 个；缺：{names}",
            "Fewer nodes than there should be: {present} of {expected}; missing: {names}",
        ),
        Text(
            "启动缺少的节点，或查看它为何停止；有意减少节点时，设置 EXPECTED_NODES",
            "Start the missing node, or find out why it ended; where there are to be fewer, set"
            " EXPECTED_NODES",
        ),
    ),
    "PAUSED": Wording(
        Text(
            "处理已暂停；等待中的更新 {waiting} 条，均已保存，没有丢失",
            "Processing is paused; updates that wait: {waiting}; all are kept, nothing is lost",
        ),
        Text(
            "暂停列表说明是谁、何时、为何；原因消除后恢复处理",
            "The list of what is paused says who did it, when and why; resume when that is over",
        ),
    ),
    "ORDERS_PAUSED": Wording(
        Text(
            "单独暂停的工单 {count} 个（{names}）；它们的更新已保存并等待",
            "Orders that are paused alone: {count} ({names}); their updates are kept and wait",
        ),
        Text(
            "暂停列表说明是谁、何时、为何；原因消除后恢复工单",
            "The list of what is paused says who did it, when and why; resume an order when that"
            " is over",
        ),
    ),
    "DEAD_LETTERS": Wording(
        Text(
            "已放弃的更新（死信）共 {total} 条，最近一条属于工单 {order}，错误 {code}",
            "Updates that were given up (dead letters): {total}, the latest of order {order}, with"
            " {code}",
        ),
        Text(
            "查看失败任务及其错误，消除原因后重试；没有人在等它们的答复",
            "Look at the failed jobs and their errors, mend the cause, then retry: nobody waits for"
            " their answer",
        ),
    ),
    "REFUSALS_JUMP": Wording(
        Text(
            "5 分钟内按规则拒绝了 {count} 条更新，远多于以往，其中 {most} 条为 {code}；"
            "最近：工单 {order}，{detail}",
            "Updates that the rules refused in the last 5 minutes, far more than before: {count},"
            " of them {most} with {code}; the latest: order {order}, {detail}",
        ),
        Text(
            "查看该工单和发送方：未知工单、已扫条码，或累计数量因一次错误的大数而超出范围"
            "（之后用 MAX_QUANTITY 拒绝）",
            "Look at that order and at who sends: an unknown order, a counted barcode, or a total"
            " that one absurd quantity put out of range (MAX_QUANTITY refuses such from then on)",
        ),
    ),
    "REFUSED_FOR_ROOM": Wording(
        Text(
            "5 分钟内因等待过多拒绝了 {count} 次调用（429，未执行）；等待中的更新 {waiting} 条",
            "Calls turned away for lack of room in the last 5 minutes: {count} (429, not applied);"
            " updates that wait: {waiting}",
        ),
        Text(
            "看最热的工单：只有一个很深是来源过快，很多都深是数据库慢或已暂停",
            "Look at the hot orders: one deep order is one source that floods; many are a slow"
            " database, or a pause",
        ),
        Text("调用方会再来", "The callers come again"),
    ),
    "COMMITS_SLOW": Wording(
        Text(
            "百分之一的提交超过 {span}：{name} 缓慢；更新等待更久，没有丢失",
            "One commit in a hundred takes {span} or more: {name} is slow; updates wait"
            " longer, nothing is lost",
        ),
        Text(
            "检查磁盘、落后的从节点、缺失的 plan_server_* 索引和长查询",
            "Look at its disk, a secondary that lags, missing plan_server_* indexes, a long query",
        ),
    ),
    "COMMITS_UNANSWERED": Wording(
        Text(
            "5 分钟内有 {count} 次提交没有应答而重发；结果会先查明，不会重复",
            "Commits that got no answer in the last 5 minutes and were sent again: {count};"
            " nothing doubles",
        ),
        Text(
            "检查到数据库的网络，以及它是否在切换主节点",
            "Look at the network to the database, and whether its primary changes",
        ),
        Text("结果会自行查明", "What became of them is found out by itself"),
    ),
    "COMMIT_STUCK": Wording(
        Text(
            "工单 {order} 的提交已重发多次仍无结果（共 {count} 个工单）：{detail}；其他工单"
            "不受影响",
            "The commit of order {order} is sent again and again without an outcome (orders:"
            " {count}): {detail}; other orders go on",
        ),
        Text(
            "查看该工单的文档和数据库的日志；结果查明之前该工单不接受其他更新",
            "Look at that order's document and at the database's log; until the outcome is known"
            " the order takes no other update",
        ),
        Text("提交会一直重发，直到查明结果", "It is sent again until the outcome is known"),
    ),
    "OUTBOXES_GROW": Wording(
        Text(
            "{entries} 条日志等待写入日志集合，落后于工单；没有丢失",
            "Entries that wait to be copied to the log: {entries}; it falls behind the orders,"
            " nothing is lost",
        ),
        Text(
            "数据库的写入跟不上：检查磁盘和日志集合的索引",
            "The database can't keep up: look at its disk and the log's indexes",
        ),
        Text("会自行补写", "They are copied by themselves"),
    ),
    "LOOP_LATE": Wording(
        Text(
            "节点的事件循环迟滞：百分之一的定时器迟到 {span}以上；该节点一切变慢",
            "The node's event loop is late: one timer in a hundred by {span} or more; all of that"
            " node is slow",
        ),
        Text(
            "检查这台机器的 CPU 和内存交换；持续下去会失去租约",
            "Look at that machine's CPU and swapping; if it lasts, the lease is lost",
        ),
    ),
    "OWNER_CHANGES": Wording(
        Text(
            "15 分钟内处理者变更 {count} 次；每次有数秒答复 503",
            "Changes of the owner in the last 15 minutes: {count}; each costs seconds of 503",
        ),
        Text(
            "日志中的 stepped_down 带有原因：Redis 慢、LEASE_TTL 过短、存储不可用，或进程反复重启",
            "stepped_down in the log has the reason: a slow Redis, LEASE_TTL too short, the store"
            " away, or a process that restarts",
        ),
    ),
    "FENCED": Wording(
        Text(
            "10 分钟内本节点有 {count} 次写入被后来的处理者挡下；没有丢失，没有重复",
            "Writes of this node that a later owner kept out in the last 10 minutes: {count};"
            " nothing is lost or doubled",
        ),
        Text(
            "本节点曾停顿或断网：检查这台机器当时的负载、休眠和网络",
            "This node was frozen or cut off: look at its machine's load, sleep and network then",
        ),
        Text("无需处理", "Nothing to do"),
    ),
    "ACTORS_CRASH": Wording(
        Text(
            "10 分钟内有 {count} 个工单 actor 崩溃并被替换；其邮箱保留",
            "Actors that crashed in the last 10 minutes and were replaced: {count}; their mailboxes"
            " were kept",
        ),
        Text(
            "在日志中查找 actor_crashed：其中有工单和错误，请报告给开发者",
            "Look for actor_crashed in the log: it has the order and the error; report it",
        ),
        Text("已自行替换", "They were replaced by themselves"),
    ),
}


def span_text(seconds: float, language: Language) -> str:
    """Write a span of time, such as 12 s or 3 min."""
    second, minute, hour = _UNITS[language]
    if seconds < 1:
        return f"{seconds:.2g} {second}"
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} {second}"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} {minute}"
    return f"{seconds / _HOUR_S:.0f} {hour}"


class Words(NamedTuple):
    """An alarm in one language."""

    message: str
    advice: str
    itself: str | None


def render_alarm(code: str, language: Language, params: Mapping[str, object]) -> Words:
    """Write an alarm; `span` and `takeover` among the params are in seconds."""
    spans = {
        name: span_text(seconds, language)
        for name in ("span", "takeover")
        if isinstance(seconds := params.get(name), float | int)
    }
    message, advice, itself = (
        each
        and (each.en if language is Language.ENGLISH else each.zh).format_map({**params, **spans})
        for each in WORDINGS[code]
    )
    return Words(message or "", advice or "", itself)
