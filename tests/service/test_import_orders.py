from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId, json_util

from actors.domain.model import WorkOrderId
from actors.store.sqlite.store import FILE_NAME, SqliteStore
from config.settings.settings import Settings
from scripts.import_orders import main
from tests.contract.backdoor import MongoBackdoor, SqliteBackdoor
from tests.contract.cases import MORNING, new_order_id, order_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.servers import MongoServer


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    folder = tmp_path / "data"
    monkeypatch.setenv("DATA_DIR", str(folder))
    return folder


def file_of(folder: Path, *lines: str | bytes) -> str:
    path = folder / "orders.jsonl"
    encoded = (each.encode() if isinstance(each, str) else each for each in lines)
    path.write_bytes(b"\n".join(encoded))
    return str(path)


def line_of(document: Mapping[str, Any], **fields: object) -> str:
    times = {"createAt": "2026-11-23T16:00:00+08:00", "updateAt": "2026-11-23T08:00:00Z"}
    return json.dumps({**document, **times, **fields}, ensure_ascii=False)


def detail(data: Path, order_id: str) -> Mapping[str, Any] | None:
    async def read() -> Mapping[str, Any] | None:
        store = SqliteStore(data / FILE_NAME)
        await store.open()
        try:
            return await store.detail(WorkOrderId(order_id))
        finally:
            await store.close()

    return asyncio.run(read())


def test_orders_are_added_with_all_their_fields_and_those_that_are_there_are_left(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = order_document(custom={"a": [1]}), order_document(inputQuantity=3.5)
    file = file_of(tmp_path, line_of(first), "", "  ", line_of(second), "")

    assert main([file]) == 0
    assert capsys.readouterr() == ("orders in sqlite: 2 added, 0 there already, 0 bad\n", "")
    backdoor = SqliteBackdoor(data / FILE_NAME)
    assert backdoor.order(first["_id"]) == first
    backdoor.edit_order(second["_id"], {"inputQuantity": 9})

    assert main([file]) == 0
    assert "0 added, 2 there already" in capsys.readouterr().out
    assert backdoor.order(second["_id"])["inputQuantity"] == 9


def test_what_mongoexport_writes_is_understood(data: Path, tmp_path: Path) -> None:
    order_id = new_order_id()
    exported = order_document(
        order_id,
        _id=ObjectId(order_id),
        materialId=ObjectId("6560a0000000000000000001"),
        createBy=ObjectId("6560a0000000000000000009"),
        planServer={"epoch": 900, "seq": 12, "turn": 12, "outbox": []},
        inputQuantity=12,
    )
    canonical = json_util.dumps(exported, json_options=json_util.CANONICAL_JSON_OPTIONS)
    relaxed = json_util.dumps(
        exported | {"_id": ObjectId()}, json_options=json_util.RELAXED_JSON_OPTIONS
    )

    assert main([file_of(tmp_path, canonical, relaxed)]) == 0

    stored = SqliteBackdoor(data / FILE_NAME).order(order_id)
    assert "planServer" not in stored, "the epoch of another database would lock the order"
    assert stored["materialId"] == "6560a0000000000000000001"
    assert stored["createAt"] == MORNING
    assert stored["inputQuantity"] == 12


BAD_LINES: dict[str, tuple[str | bytes, str]] = {
    "no JSON": ("{broken", "this is not JSON"),
    "an array": ("[", "each line must be one JSON object (mongoexport without --jsonArray)"),
    "an array in one line": ("[{}]", "each line must be one JSON object"),
    "a number": ("5", "each line must be one JSON object"),
    "not UTF-8": (b'{"_id": "\xff"}', "this is not UTF-8"),
    "NaN": ('{"inputQuantity": NaN}', "NaN is not JSON"),
    "too deep": ('{"a":' * 100_000, "this is nested too deeply"),
    "odd extended JSON": ('{"_id": {"$oid": "x"}}', "this is not MongoDB's extended JSON"),
    "no id": (line_of({"workOrderNo": "1"}), "_id is missing; give 24 hexadecimal digits"),
    "a short id": (line_of({"_id": "12"}), "_id is '12'; give 24 hexadecimal digits"),
    "an id of digits": (line_of({"_id": 12}), "_id is 12; give"),
    "no number": (line_of({"_id": "0" * 24}), "workOrderNo is missing"),
    "a status": (line_of(order_document(), status="DONE"), "status is 'DONE'; use one of PENDING"),
    "a status list": (line_of(order_document(), status=[]), "status is []; use one of"),
    "a material": (line_of(order_document(), materialId="M-1"), "materialId is 'M-1'; give 24"),
    "text": (line_of(order_document(), inputQuantity="5"), "inputQuantity is '5'; give a number"),
    "a flag": (line_of(order_document(), planQuantity=True), "planQuantity is True; give"),
    "negative": (line_of(order_document(), scrapQuantity=-1), "scrapQuantity is -1; give a"),
    "too large": (line_of(order_document(), outputQuantity=2**53), "outputQuantity is 9007"),
    "no zone": (line_of(order_document(), createAt="2026-11-23"), "createAt is '2026-11-23'; give"),
    "no time": (line_of(order_document(), createAt="soon"), "createAt is 'soon'; give a time"),
    "a huge number": (line_of(order_document(), other=2**70), "no database can hold this"),
    "half a character": (
        line_of(order_document()).replace("planner", "\\ud800"),
        "no database can hold this",
    ),
}


@pytest.mark.parametrize(("line", "complaint"), BAD_LINES.values(), ids=list(BAD_LINES))
def test_a_bad_line_is_told_by_its_number_and_the_others_are_imported(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    line: str | bytes,
    complaint: str,
) -> None:
    before, after = order_document(), order_document()

    assert main([file_of(tmp_path, line_of(before), line, line_of(after))]) == 1

    told = capsys.readouterr()
    assert told.out == "orders in sqlite: 2 added, 0 there already, 1 bad\n"
    assert told.err.startswith(f"line 2: {complaint}")
    assert told.err.count("\n") == 1
    assert detail(data, before["_id"])
    assert detail(data, after["_id"])


def test_an_id_given_twice_is_told_with_both_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = "ABCDEFabcdef000000000001"
    lines = [line_of(order_document(), _id=each) for each in (order_id, order_id.lower())]

    assert main([file_of(tmp_path, *lines)]) == 1

    told = capsys.readouterr()
    assert "1 added" in told.out
    assert told.err == f"line 2: _id {order_id.lower()} is that of line 1; leave one out\n"


def test_orders_can_come_on_standard_input(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = order_document()
    text = "\ufeff" + line_of(document)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["-"]) == 0
    assert detail(data, document["_id"])


def test_more_orders_than_fit_one_batch_are_all_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line_of(order_document()) for _ in range(1201)]
    assert main([file_of(tmp_path, *lines)]) == 0
    assert "1201 added" in capsys.readouterr().out


def test_the_demo_puts_twenty_orders_that_can_be_worked_on(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--demo"]) == 0
    assert "20 added" in capsys.readouterr().out
    details = [detail(data, f"{number:024x}") for number in range(1, 0x15)]
    assert all(details)
    assert detail(data, f"{0x15:024x}") is None
    shown = [dict(each) for each in details if each]
    assert len({each["workOrderNo"] for each in shown}) == 20
    assert {each["status"] for each in shown} == {"IN_PROGRESS", "PENDING"}
    assert all(100 <= each["planProductionQuantity"] <= 2000 for each in shown)
    assert shown[0]["status"] == "IN_PROGRESS"
    assert all(each["materialName"] and each["productionLineName"] for each in shown)

    assert main(["--demo"]) == 0
    assert "0 added, 20 there already" in capsys.readouterr().out


def test_orders_go_to_mongodb_with_ids_and_times_of_its_own_types(
    mongo_standalone: MongoServer,
    database_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MONGODB_URI", mongo_standalone.uri)
    monkeypatch.setenv("MONGODB_DB", database_name)
    document = order_document(originalWorkOrderId="6560a0000000000000000005")
    file = file_of(tmp_path, line_of(document))

    assert main([file, "--demo"]) == 0
    assert capsys.readouterr().out == "orders in mongodb: 21 added, 0 there already, 0 bad\n"
    assert main([file, "--demo"]) == 0
    assert capsys.readouterr().out == "orders in mongodb: 0 added, 21 there already, 0 bad\n"

    with mongo_standalone.client() as client:
        backdoor = MongoBackdoor(client, database_name)
        assert backdoor.order(document["_id"]) == document
        raw = client[database_name]["production_plan_work_orders"].find_one(
            {"_id": ObjectId(document["_id"])}
        )
        assert raw is not None
        for name in ("materialId", "productionLineId", "originalWorkOrderId"):
            assert isinstance(raw[name], ObjectId)


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "none.jsonl")
    assert main([missing]) == 2
    assert capsys.readouterr().err == f"cannot read {missing}: No such file or directory\n"
    assert main([str(tmp_path)]) == 2


def test_a_store_that_cannot_be_used_is_told_in_a_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data.mkdir()
    (data / FILE_NAME).write_text("not a database" * 100)
    assert main([file_of(tmp_path, line_of(order_document()))]) == 1
    told = capsys.readouterr()
    assert told.out == "orders in sqlite: 0 added, 0 there already, 0 bad\n"
    assert "cannot use the SQLite file" in told.err


def test_bad_settings_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MONGODB_URI", "nowhere")
    assert main(["--demo"]) == 2
    assert "MONGODB_URI" in capsys.readouterr().err


def test_the_command_says_how_it_is_used() -> None:
    command = [sys.executable, "-m", "scripts.import_orders"]
    answer = subprocess.run(
        [*command, "--help"], capture_output=True, text=True, check=True, env=os.environ
    )
    assert "usage: python -m scripts.import_orders" in answer.stdout
    assert "mongoexport" in answer.stdout
    nothing = subprocess.run(command, capture_output=True, text=True, check=False)
    assert nothing.returncode == 2
    assert "give a FILE" in nothing.stderr
