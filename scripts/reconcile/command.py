"""The command line: what to look at, how to tell of it, what to put right."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.progress import Progress

from actors.store.sqlite.store import FILE_NAME
from config.settings.settings import SettingsError, load_settings
from scripts.operate.options import FAILED, UNREACHABLE, Timeout, Token, Url
from scripts.operate.screen import complaints
from scripts.operate.service import ServiceAt, Unreachable, service_at
from scripts.reconcile.backup import Backup, NotABackup, repairs_in
from scripts.reconcile.findings import REPAIRABLE, Finding, Kind
from scripts.reconcile.flows import FlowCheck
from scripts.reconcile.locks import FileLocks, Locks, MongoLocks
from scripts.reconcile.mongo import MongoSource
from scripts.reconcile.mongo_flows import MongoFlows
from scripts.reconcile.old_queue import left_in_old_queue
from scripts.reconcile.repairing import Repairer, orders_to_repair
from scripts.reconcile.report import Form, counted, print_report
from scripts.reconcile.source import StillChanging, Unreadable
from scripts.reconcile.sqlite import SqliteSource
from scripts.reconcile.sweep import Sweep
from scripts.reconcile.textfile import write_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from config.settings.settings import Settings
    from scripts.reconcile.source import Source

_WRONG_USAGE: Final = 2
_SPAN: Final = re.compile(r"(\d+)([smh])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


def reconcile(  # noqa: PLR0913 -- an option each
    *,
    repair: Annotated[
        list[Kind] | None,
        typer.Option(help="Put findings of this kind right; may be given several times."),
    ] = None,
    report: Annotated[Form, typer.Option(help="Form of the report.")] = Form.TABLE,
    backup: Annotated[
        Path | None,
        typer.Option(help="With --repair: the file to make. Default: reconcile-TIME.jsonl"),
    ] = None,
    undo: Annotated[
        Path | None, typer.Option(help="Take back the repairs that this file tells of.")
    ] = None,
    flows: Annotated[
        str | None,
        typer.Option(
            envvar="PLAN_FLOWS_COLLECTION",
            help="Collection of the products' flows (barcode, status, productionPlanWorkOrderId).",
        ),
    ] = None,
    every: Annotated[
        str | None, typer.Option(help="Go on, a pass every so often: 10m, 30s, 1h.")
    ] = None,
    passes: Annotated[
        int, typer.Option(min=0, help="With --every: end after so many; 0 goes on.")
    ] = 0,
    textfile: Annotated[
        Path | None,
        typer.Option(help="Write metrics for the node exporter's textfile collector to this file."),
    ] = None,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds for which outboxes and jobs are on their way.")
    ] = 60.0,
    url: Url = None,
    token: Token = None,
    timeout: Timeout = 30.0,
) -> None:
    """Hold every order against its log and say what does not agree; change nothing.

    The database is that of the settings (MONGODB_URI, else DATA_DIR), read beside the service;
    jobs of the old queue are looked for where REDIS_HOST or REDIS_URL is set. Repairs and undos
    are updates with operation MANUAL_ADJUST that the service applies and logs; each has a key, so
    that running it twice repairs once. Repairable are those findings whose correct value is known,
    of the kinds quantity, lost-change, barcode-net, repeated-scan, status, progress, negative.

    Exit codes: 0 nothing is wrong (any more), 1 something is, 2 a command or settings that can't be
    understood, 3 the database, Redis or the service does not answer.
    """
    kinds = frozenset(repair or ())
    pause_s = _checked(kinds, undo, every)
    try:
        settings = load_settings()
    except SettingsError as error:
        _complain(str(error))
        raise typer.Exit(_WRONG_USAGE) from None
    if flows and settings.mongodb_uri is None:
        raise typer.BadParameter("--flows is for MongoDB")
    told = _Told(report, textfile)
    desk = _Desk(settings, timedelta(seconds=grace), service_at(url, token, timeout), flows)
    if undo is not None:
        raise typer.Exit(_ended(lambda: desk.undo(undo)))
    if pause_s is None:
        raise typer.Exit(_ended(lambda: desk.one_pass(told, kinds, backup)))
    code, count = 0, 0
    while True:
        code = _ended(lambda: desk.one_pass(told, kinds, backup))
        count += 1
        if count == passes:
            raise typer.Exit(code)
        time.sleep(pause_s)


def _checked(kinds: frozenset[Kind], undo: Path | None, every: str | None) -> int | None:
    """Return the seconds between passes, None for a single one; raises `typer.BadParameter`."""
    fixed = sorted(kinds - REPAIRABLE)
    if fixed:
        raise typer.BadParameter(f"can't be repaired: {', '.join(fixed)}")
    if kinds and (undo or every):
        raise typer.BadParameter("--repair goes with neither --undo nor --every")
    if every is None:
        return None
    span = _SPAN.fullmatch(every)
    if undo or span is None or int(span[1]) < 1:
        raise typer.BadParameter("--every takes a number and s, m or h, and no --undo")
    return int(span[1]) * _SECONDS[span[2]]


def _ended(work: Callable[[], int]) -> int:
    """Do something; turn what is in its way into a line and an exit code."""
    try:
        return work()
    except (Unreadable, Unreachable) as error:
        _complain(str(error))
        return UNREACHABLE
    except (NotABackup, OSError) as error:
        _complain(str(error))
        return _WRONG_USAGE


@dataclass(frozen=True, slots=True)
class _Told:
    """Where a pass is told of."""

    form: Form
    textfile: Path | None


@dataclass(slots=True)
class _Desk:
    """The database and the service that the command works with."""

    settings: Settings
    grace: timedelta
    service: ServiceAt
    flows: str | None = None
    _notes: list[str] = field(default_factory=list)

    def one_pass(self, told: _Told, kinds: frozenset[Kind], backup: Path | None) -> int:
        """Look at everything once, repair what is asked for, and report; return the exit code."""
        began = time.monotonic()
        source = _source(self.settings)
        try:
            with Progress(console=complaints, transient=True) as bar:
                task = bar.add_task("log entries", total=source.size() or None)
                sweep = Sweep(
                    source,
                    self.grace,
                    lambda number: bar.advance(task, number),
                    _flows(source, self.flows),
                )
                findings = [*sweep.findings(), *self._old_queue()]
            if kinds:
                findings = self._repair(sweep, findings, kinds, backup)
        finally:
            source.close()
        took_s = time.monotonic() - began
        about: dict[str, Any] = {
            "orders": sweep.orders,
            "entries": sweep.entries,
            "seconds": round(took_s, 1),
            "changingAllTheWhile": sweep.busy,
            "findings": len(findings),
        }
        print_report(told.form, findings, about)
        if told.textfile is not None:
            write_metrics(told.textfile, counted(findings), time.time(), took_s)
        return FAILED if findings or sweep.busy else 0

    def undo(self, file: Path) -> int:
        """Take back what a backup tells of."""
        repairs = repairs_in(file)
        source = _source(self.settings)
        try:
            sweep = Sweep(source, self.grace, lambda _: None)
            repairer = self._repairer(sweep)
            repairer.undo(repairs)
        finally:
            source.close()
        _complain(f"{repairer.done} of {len(repairs)} repairs undone", style="")
        return FAILED if self._notes else 0

    def _repair(
        self,
        sweep: Sweep,
        findings: list[Finding],
        kinds: frozenset[Kind],
        path: Path | None,
    ) -> list[Finding]:
        """Repair, and return what is left: of the orders that were touched as they are now."""
        orders = orders_to_repair(findings, kinds)
        if not orders:
            return findings
        path = path or Path(f"reconcile-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl")
        repairer = self._repairer(sweep)
        repairer.repair(orders, kinds, Backup.new(path))
        _complain(f"{repairer.done} repairs made; take them back with --undo {path}", style="")
        touched = set(orders)
        left = [each for each in findings if each.order not in touched or not each.key]
        return left + list(_again(sweep, orders))

    def _repairer(self, sweep: Sweep) -> Repairer:
        return Repairer(sweep, self.service, _locks(self.settings, sweep.source), self._complain)

    def _complain(self, what: str) -> None:
        self._notes.append(what)
        _complain(what)

    def _old_queue(self) -> Iterable[Finding]:
        url = self.settings.redis_dsn
        return () if url is None else left_in_old_queue(url.get_secret_value())


def _again(sweep: Sweep, orders: Iterable[str]) -> Iterable[Finding]:
    for order_id in orders:
        try:
            yield from sweep.examine(sweep.book(order_id))
        except StillChanging:
            sweep.busy.append(order_id)


def _source(settings: Settings) -> Source:
    if settings.mongodb_uri is None:
        return SqliteSource(settings.data_dir / FILE_NAME)
    return MongoSource(settings.mongodb_uri.get_secret_value(), settings.mongodb_database or "")


def _flows(source: Source, collection: str | None) -> FlowCheck | None:
    if collection is None or not isinstance(source, MongoSource):
        return None
    return FlowCheck(MongoFlows(source.database, collection))


def _locks(settings: Settings, source: Source) -> Locks:
    if isinstance(source, MongoSource):
        return MongoLocks(source.database)
    return FileLocks(settings.data_dir)


def _complain(what: str, style: str = "red") -> None:
    complaints.print(what, style=style, markup=False)
