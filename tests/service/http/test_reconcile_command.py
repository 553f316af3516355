"""Reconcile against a real node: what is put right is an entry of the log, once."""

from __future__ import annotations

import asyncio
import json
import stat
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis
from typer.testing import CliRunner

from actors.store.sqlite.store import FILE_NAME
from scripts.operate.service import service_at
from scripts.reconcile.__main__ import app
from scripts.reconcile.findings import REPAIRABLE, Kind
from scripts.reconcile.locks import FileLocks, MongoLocks
from tests.contract.backdoor import MongoBackdoor, RealBackdoor, SqliteBackdoor
from tests.misbooked import STEP, Account, spoilt
from tests.servers import free_port
from tests.service.http.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from typer.testing import Result

    from scripts.reconcile.locks import Locks
    from tests.service.http.conftest import Backend

_ALL = [f"--repair={kind}" for kind in sorted(REPAIRABLE)]
_UNDONE = frozenset({Kind.QUANTITY, Kind.LOST_CHANGE, Kind.BARCODE_NET, Kind.REPEATED_SCAN})
_QUANTITIES = ("inputQuantity", "outputQuantity")


class Desk:
    """Runs the command on the database of `settings`, beside the node at `url`."""

    def __init__(self, settings: dict[str, str], url: str) -> None:
        self.settings, self.url = settings, url

    async def run(self, *arguments: str) -> Result:
        """Run it once; its connections are none of the loop's."""
        command = [*arguments, "--url", self.url]
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, command, env=self.settings))

    async def found(self, *arguments: str) -> list[dict[str, Any]]:
        """Run it, and read its report."""
        result = await self.run("--report", "json", *arguments)
        assert result.exit_code in (0, 1), result.output
        report = json.loads(result.stdout)
        findings: list[dict[str, Any]] = report["findings"]
        assert result.exit_code == (1 if findings else 0)
        assert sum(report["counts"].values()) == len(findings)
        return findings


@pytest.fixture
def backdoor(backend: Backend, request: pytest.FixtureRequest) -> Iterator[RealBackdoor]:
    if backend.store_name == "sqlite":
        yield SqliteBackdoor(Path(backend.settings["DATA_DIR"]) / FILE_NAME)
        return
    with request.getfixturevalue("mongo_standalone").client() as client:
        yield MongoBackdoor(client, backend.settings["MONGODB_DB"])


@asynccontextmanager
async def desk(backend: Backend) -> AsyncIterator[Desk]:
    async with ServiceProcess(backend.settings) as service:
        await service.start()
        yield Desk(backend.settings, service.url)


def _quantities(backdoor: RealBackdoor, accounts: list[Account]) -> list[list[Any]]:
    orders = [backdoor.order(each.id) for each in accounts]  # type: ignore[arg-type]
    return [[order[name] for name in _QUANTITIES] for order in orders]


def _adjustments(backdoor: RealBackdoor, accounts: list[Account]) -> int:
    rows = [row for each in accounts for row in backdoor.logs(each.id)]  # type: ignore[arg-type]
    return sum(row["barcodeOperation"] == "MANUAL_ADJUST" for row in rows)


def _shown(findings: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return sorted((each["kind"], each["workOrderId"], each["subject"]) for each in findings)


async def test_what_is_found_is_put_right_once_and_can_be_undone(
    backend: Backend, backdoor: RealBackdoor, tmp_path: Path
) -> None:
    accounts, expected = spoilt()
    async with desk(backend) as at:
        for each in accounts:
            await asyncio.to_thread(each.put, backdoor)
        before = _quantities(backdoor, accounts)
        found = await at.found()
        assert _shown(found) == sorted(expected)
        assert _quantities(backdoor, accounts) == before, "a dry run changes nothing"

        backup = tmp_path / "repairs.jsonl"
        left = await at.found(*_ALL, "--backup", str(backup))
        assert [each for each in left if each["repair"]] == []
        assert {each["kind"] for each in left} == {
            each["kind"] for each in found if each["repair"] is None
        }
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
        repaired = _quantities(backdoor, accounts)
        made = len(backup.read_text().splitlines())
        assert made >= len([each for each in found if each["repair"]])

        again = await at.found(*_ALL, "--backup", str(tmp_path / "none.jsonl"))
        assert _shown(again) == _shown(left)
        assert _quantities(backdoor, accounts) == repaired
        assert not (tmp_path / "none.jsonl").exists()

        # Decided again by the rules, or below zero: told of, and not undone.
        assert (await at.run("--undo", str(backup))).exit_code == 1
        undone = _quantities(backdoor, accounts)
        assert (await at.run("--undo", str(backup))).exit_code == 1
        assert _quantities(backdoor, accounts) == undone
    # The relay is done when the node has stopped.
    changed = {order for kind, order, _ in expected if kind in _UNDONE}
    for account, first, last in zip(accounts, before, undone, strict=True):
        assert first == last or account.id not in changed
    assert made < _adjustments(backdoor, accounts) < 2 * made


async def test_an_order_that_is_being_repaired_is_left_to_whoever_does(
    backend: Backend, backdoor: RealBackdoor, tmp_path: Path
) -> None:
    account = Account(1)
    for _ in range(2):
        account.count("input", 1, "SN-1")
    locks: Locks = (
        MongoLocks(backdoor.database)
        if isinstance(backdoor, MongoBackdoor)
        else FileLocks(Path(backend.settings["DATA_DIR"]))
    )
    async with desk(backend) as at:
        account.put(backdoor)
        repair = (*_ALL, "--backup", str(tmp_path / "repairs.jsonl"))
        with locks.held(account.id):
            result = await at.run(*repair)
        assert result.exit_code == 1
        assert "somebody else is repairing it" in " ".join(result.output.split())
        assert _quantities(backdoor, [account]) == [[2, 0]]
        assert await at.found(*_ALL, "--backup", str(tmp_path / "then.jsonl")) == []
        assert _quantities(backdoor, [account]) == [[1, 0]]
        # It is no unbind: the barcode is counted still.
        scan = {
            "workOrderId": account.id,
            "type": "input",
            "logContext": {
                "relatedBarcode": "SN-1",
                "processStepId": STEP,
                "barcodeOperation": "SCAN_PROCESS",
            },
        }
        post = service_at(at.url, None, 30).post
        answer = await asyncio.to_thread(post, "/api/workorder/update-quantity", scan)
        assert answer["duplicate"] is True


async def test_where_the_service_or_the_database_is_away_the_exit_code_is_3(
    backend: Backend, backdoor: RealBackdoor, tmp_path: Path
) -> None:
    account = Account(1)
    account.order["progress"] = 7
    async with backend.store():
        account.put(backdoor)
    at = Desk(backend.settings, f"http://127.0.0.1:{free_port()}")
    assert _shown(await at.found()) == [(Kind.PROGRESS, account.id, "progress")]
    result = await at.run("--repair", "progress", "--backup", str(tmp_path / "repairs.jsonl"))
    assert result.exit_code == 3
    assert "does not answer" in result.output
    gone = {"DATA_DIR": str(tmp_path / "nowhere")}
    if backend.store_name == "sqlite":
        result = await Desk(gone, at.url).run()
        assert (result.exit_code, "SQLite" in result.output) == (3, True)


async def test_jobs_of_the_old_queue_are_told_of_and_left(networked: Backend) -> None:
    async with networked.store():
        pass
    url = networked.settings["REDIS_URL"]
    order = "6560b0000000000000000001"
    with Redis.from_url(url) as redis:
        redis.rpush("bull:orders:wait", "7")
        redis.zadd("bull:orders:failed", {"8": 1})
        redis.zadd("bull:orders:completed", {"9": 1})
        redis.set("bull:orders:id", "9")
        data = {"workOrderId": order, "type": "input", "quantity": 1}
        redis.hset("bull:orders:7", "data", json.dumps(data))
        redis.hset("bull:orders:8", "data", "no JSON")
        try:
            found = await Desk(networked.settings, "http://127.0.0.1:1").found()
            assert redis.lrange("bull:orders:wait", 0, -1) == [b"7"]
        finally:
            redis.delete(*redis.scan_iter(match="bull:orders:*"))
    assert _shown(found) == [
        (Kind.OLD_QUEUE, "", "orders job 8"),
        (Kind.OLD_QUEUE, order, "orders job 7"),
    ]


async def test_passes_go_on_and_leave_metrics_and_a_table_or_csv(
    embedded: Backend, tmp_path: Path
) -> None:
    async with embedded.store():
        backdoor = SqliteBackdoor(Path(embedded.settings["DATA_DIR"]) / FILE_NAME)
        account = Account(1)
        account.order |= {"progress": 7, "workOrderNo": "=1+1"}
        account.put(backdoor)
    at = Desk(embedded.settings, "http://127.0.0.1:1")
    file = tmp_path / "work-orders.prom"
    arguments = ("--every", "1s", "--passes", "2", "--textfile", str(file))
    result = await at.run("--report", "csv", *arguments)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == 4, "a heading and a finding, twice"
    assert lines[1].startswith(f"progress,{account.id},'=1+1,progress,")
    text = file.read_text()
    assert 'workorder_reconcile_findings{kind="progress"} 1.0' in text
    assert 'workorder_reconcile_findings{kind="quantity"} 0.0' in text
    assert "workorder_reconcile_last_success_timestamp_seconds" in text
    assert "progress is 7" in (await at.run()).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--repair", "over-input"],
        ["--repair", "quantity", "--every", "10m"],
        ["--undo", "nowhere.jsonl", "--repair", "quantity"],
        ["--undo", "nowhere.jsonl"],
        ["--every", "soon"],
        ["--every", "0s"],
    ],
)
async def test_what_can_not_be_understood_has_the_exit_code_2(
    arguments: list[str], embedded: Backend
) -> None:
    assert (await Desk(embedded.settings, "http://127.0.0.1:1").run(*arguments)).exit_code == 2
