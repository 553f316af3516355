from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from pymongo.uri_parser import parse_uri
from redis.asyncio.connection import parse_url

from config import Settings, SettingsError, load_settings
from config.settings.reference import SettingReference, settings_reference
from config.settings.settings import environment_fields, likely_misspelt
from scripts import settings_table

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary7391"
NUMBERS = [setting for setting in settings_reference() if " from " in setting.allowed]


def mistakes_in(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    return caught.value.mistakes


def secret(value: SecretStr | None) -> str:
    assert value is not None
    return value.get_secret_value()


def test_an_empty_environment_gives_the_embedded_default() -> None:
    settings = load_settings({})

    assert (settings.host, settings.port) == ("localhost", 3001)
    assert (settings.store_kind, settings.lease_kind) == ("sqlite", "file")
    assert (settings.mongodb_database, settings.redis_dsn) == (None, None)
    assert {shown.source for shown in settings.describe()} == {"default"}


def test_every_setting_is_read_from_its_variable() -> None:
    settings = load_settings(
        {
            "HOST": "0.0.0.0",  # noqa: S104 nothing listens in this test
            "PORT": "80",
            "API_TOKENS": "main:0123456789abcdef",
            "OPERATOR_TOKENS": "ops:fedcba9876543210",
            "ALLOW_UNAUTHENTICATED": "1",
            "ALLOWED_HOSTS": "Plan.example, 10.0.0.*:3001",
            "CORS_ORIGINS": "https://Factory.example/, http://10.0.0.1:8080",
            "CONSOLE_WRITE": "1",
            "ENVIRONMENT": "production",
            "UNREAD_TIMEOUT_S": "20",
            "MAX_REPLIES_MB": "128",
            "MAX_CONNECTIONS": "99",
            "EXPECTED_NODES": "3",
            "MAX_QUANTITY": "100000",
            "MONGODB_URI": "mongodb://db/factory",
            "MONGODB_DB": "line1",
            "MONGODB_DRIVER": "PyMongo",
            "REDIS_HOST": "cache",
            "REDIS_PORT": "6380",
            "REDIS_PASSWORD": "open sesame",
            "REDIS_DB": "2",
            "DATA_DIR": "/srv/orders",
            "SHARDS": "4",
            "ACTOR_ENGINE": "Ray",
            "SHARD_SPARE": "0",
            "SHARD_CALLS": "2",
            "SHARD_BATCH": "32",
            "RAY_ADDRESS": "10.0.0.1:6390",
            "RAY_NAMESPACE": "line1",
            "NODE_ID": "node-1",
            "NODE_URL": "https://node-1:3001/",
            "LEASE_TTL": "2.5",
            "NODE_URL_ALLOW": "http://10.0.0.*:3001, HTTPS://Node-*.plant/",
            "CLUSTER_SECRET": "nodes-only-0123456789",
            "LEASE_LOSS": "Strict",
            "ACTOR_IDLE_S": "1",
            "MAX_ACTORS": "2",
            "MAILBOX_SIZE": "3",
            "MAX_WAITING": "4",
            "INBOX_SIZE": "50",
            "JOB_ATTEMPTS": "4",
            "JOB_BACKOFF_S": "0.5",
            "DUPLICATE_SCANS": "refuse",
            "OUTPUT_ONCE": "enforce",
            "UNBIND_ONCE": "off",
            "OVER_INPUT": "enforce",
            "START_NEXT_ORDER": "1",
            "MAX_BATCH": "5",
            "REQUEST_TIMEOUT_S": "6",
            "TIME_ZONE": "Asia/Shanghai",
            "SHIFTS": "06:30,14:00,22:00",
            "LOG_RETENTION_DAYS": "730",
            "BODY_TIMEOUT_S": "7",
            "MAX_BODY_BYTES": "8192",
            "SHUTDOWN_S": "9",
            "COMMIT_BATCH": "10",
            "COMMITS_IN_FLIGHT": "11",
            "LOG_LEVEL": "DEBUG",
            "LOG_FORMAT": "console",
            "ACCESS_LOG": "all",
            "LOG_FILE": "/var/log/orders.log",
            "LOG_FILE_MB": "12",
            "LOG_FILES": "13",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/",
        }
    )

    shown = {row.name: row.value for row in settings.describe() if row.source == "environment"}
    assert shown == {
        "HOST": "0.0.0.0",  # noqa: S104
        "PORT": "80",
        "API_TOKENS": "***",
        "OPERATOR_TOKENS": "***",
        "ALLOW_UNAUTHENTICATED": "1",
        "ALLOWED_HOSTS": "plan.example,10.0.0.*:3001",
        "CORS_ORIGINS": "https://factory.example,http://10.0.0.1:8080",
        "CONSOLE_WRITE": "1",
        "ENVIRONMENT": "production",
        "UNREAD_TIMEOUT_S": "20",
        "MAX_REPLIES_MB": "128",
        "MAX_CONNECTIONS": "99",
        "EXPECTED_NODES": "3",
        "MAX_QUANTITY": "100000",
        "MONGODB_URI": "mongodb://db/factory",
        "MONGODB_DB": "line1",
        "MONGODB_DRIVER": "pymongo",
        "REDIS_HOST": "cache",
        "REDIS_PORT": "6380",
        "REDIS_PASSWORD": "***",
        "REDIS_DB": "2",
        "DATA_DIR": "/srv/orders",
        "SHARDS": "4",
        "ACTOR_ENGINE": "ray",
        "SHARD_SPARE": "0",
        "SHARD_CALLS": "2",
        "SHARD_BATCH": "32",
        "RAY_ADDRESS": "10.0.0.1:6390",
        "RAY_NAMESPACE": "line1",
        "NODE_ID": "node-1",
        "NODE_URL": "https://node-1:3001",
        "LEASE_TTL": "2.5",
        "NODE_URL_ALLOW": "http://10.0.0.*:3001,https://node-*.plant:443",
        "CLUSTER_SECRET": "***",
        "LEASE_LOSS": "strict",
        "ACTOR_IDLE_S": "1",
        "MAX_ACTORS": "2",
        "MAILBOX_SIZE": "3",
        "MAX_WAITING": "4",
        "INBOX_SIZE": "50",
        "JOB_ATTEMPTS": "4",
        "JOB_BACKOFF_S": "0.5",
        "DUPLICATE_SCANS": "refuse",
        "OUTPUT_ONCE": "enforce",
        "UNBIND_ONCE": "off",
        "OVER_INPUT": "enforce",
        "START_NEXT_ORDER": "1",
        "MAX_BATCH": "5",
        "REQUEST_TIMEOUT_S": "6",
        "TIME_ZONE": "Asia/Shanghai",
        "SHIFTS": "06:30,14:00,22:00",
        "LOG_RETENTION_DAYS": "730",
        "BODY_TIMEOUT_S": "7",
        "MAX_BODY_BYTES": "8192",
        "SHUTDOWN_S": "9",
        "COMMIT_BATCH": "10",
        "COMMITS_IN_FLIGHT": "11",
        "LOG_LEVEL": "debug",
        "ACCESS_LOG": "all",
        "LOG_FORMAT": "console",
        "LOG_FILE": "/var/log/orders.log",
        "LOG_FILE_MB": "12",
        "LOG_FILES": "13",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
    }
    assert set(environment_fields()) - set(shown) == {"REDIS_URL"}
    assert (settings.lease_ttl_s, settings.mongodb_database) == (2.5, "line1")
    assert (settings.store_kind, settings.lease_kind) == ("mongodb", "redis")


def test_the_process_environment_is_read_only_by_load_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "4001")
    monkeypatch.setenv("port", "4002")

    assert load_settings().port == 4001
    assert Settings().port == 3001
    assert Settings(port=0).port == 0


@pytest.mark.parametrize(
    ("environ", "last"),
    [
        ({}, "http://[::1]:*"),
        ({"HOST": "127.0.0.9"}, "http://[::1]:*"),
        ({"NODE_URL": "https://Node-1.plant:444/plan"}, "https://node-1.plant:*"),
        ({"NODE_URL": "http://[fd00::1]:3001"}, "http://[fd00::1]:*"),
        ({"NODE_URL": "http://*:3001"}, "http://[::1]:*"),
        ({"NODE_URL": "http://a,b:3001"}, "http://[::1]:*"),
    ],
)
def test_requests_may_go_to_loopback_and_the_nodes_own_host_by_default(
    environ: dict[str, str], last: str
) -> None:
    allowed = load_settings(environ).nodes_allowed

    assert allowed[-1] == last
    scheme = last.partition(":")[0]
    loopback = ("127.*.*.*", "localhost", "[::1]")
    assert allowed[:3] == tuple(f"{scheme}://{host}:*" for host in loopback)
    assert len(allowed) == (3 if "[::1]" in last else 4)


@pytest.mark.parametrize("secret", ["canary", "canary " * 4, "canary-ä-0123456789", "canary," * 4])
def test_a_secret_that_is_short_or_not_the_same_everywhere_is_refused(secret: str) -> None:
    (line,) = mistakes_in({"CLUSTER_SECRET": secret})

    assert line == "CLUSTER_SECRET: must be 16 to 200 visible ASCII characters without commas"


@pytest.mark.parametrize(
    "origins",
    [
        "10.0.0.1:3001",
        "http://a:0",
        "http://a:65536",
        "http://a:1/path",
        "http://a..b",
        "ftp://a",
        "http://a,",
        "*",
        "http://user:canary@a:1",
    ],
)
def test_origins_that_no_node_can_have_are_refused(origins: str) -> None:
    (line,) = mistakes_in({"NODE_URL_ALLOW": origins})

    assert line.startswith("NODE_URL_ALLOW: must be origins such as http://10.0.0.*:3001")
    assert "canary" not in line


def test_blank_values_count_as_unset_and_blanks_around_values_do_not_matter() -> None:
    settings = load_settings({"PORT": "", "MONGODB_URI": " ", "HOST": " ::1 \r\n"})

    assert (settings.port, settings.host, settings.store_kind) == (3001, "::1", "sqlite")


def test_all_mistakes_are_reported_together_one_readable_line_each() -> None:
    mistakes = mistakes_in(
        {
            "LOG_FORMAT": "xml",
            "MAILBOX_SIZE": "abc",
            "LEASE_TTL": "nan",
            "PORT": "65536",
            "NODE_URL": "here",
            "MONGODB_DB": "factory",
            "NODE_ID": "a b",
        }
    )

    assert mistakes == (
        "PORT: must be a whole number from 0 to 65535, got '65536'",
        "MONGODB_DB: has no effect without MONGODB_URI: set that too, or unset this to use SQLite",
        "NODE_ID: must be 1 to 100 characters out of A-Z a-z 0-9 . _ -, got 'a b'",
        "NODE_URL: must be an http:// or https:// URL with a host, got 'here'",
        "LEASE_TTL: must be a number of seconds from 1 to 3600, got 'nan'",
        "MAILBOX_SIZE: must be a whole number from 1 to 1000000, got 'abc'",
        "LOG_FORMAT: must be one of auto, json, console, got 'xml'",
    )


def test_the_embedded_store_is_for_one_shard() -> None:
    assert load_settings({"SHARDS": "1"}).shards == 1
    [mistake] = mistakes_in({"SHARDS": "2"})
    assert mistake == "SHARDS: needs MONGODB_URI: the embedded store is for one shard"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "needs MONGODB_URI: other processes can't share SQLite"),
        (
            {"MONGODB_URI": "mongodb://db/factory"},
            "needs Redis: other machines can't share a file lease",
        ),
    ],
)
def test_ray_is_refused_without_servers_that_its_processes_can_share(
    given: dict[str, str], problem: str
) -> None:
    assert mistakes_in({"ACTOR_ENGINE": "Ray", **given}) == (f"ACTOR_ENGINE: {problem}",)


@pytest.mark.parametrize("address", ["here", "ray://head:10001", "head:", "u@head:1", "head:1/x"])
def test_the_address_of_a_cluster_has_a_host_and_a_port(address: str) -> None:
    [mistake] = mistakes_in({"RAY_ADDRESS": address})
    assert mistake.startswith("RAY_ADDRESS: must be auto, or host:port of the cluster's head")


def test_ray_is_taken_with_servers_that_its_processes_can_share() -> None:
    servers = {"MONGODB_URI": "mongodb://db/factory", "REDIS_URL": "redis://cache"}
    assert load_settings({"ACTOR_ENGINE": "ray", **servers}).actor_engine == "ray"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "/etc/localtime", "Asia", "+8"])
def test_a_time_zone_that_the_machine_does_not_know_is_refused(zone: str) -> None:
    [mistake] = mistakes_in({"TIME_ZONE": zone})
    assert mistake.startswith("TIME_ZONE: must be a time zone that this machine knows")


@pytest.mark.parametrize("text", ["", "8:00", "08:00,24:00", "08:00,08:00", "08:00,", "morning"])
def test_shifts_that_are_no_times_of_the_day_or_begin_together_are_refused(text: str) -> None:
    [mistake] = mistakes_in({"SHIFTS": text or ","})
    assert mistake.startswith("SHIFTS: must be times of the day")


def test_shifts_are_minutes_of_the_day_in_their_order() -> None:
    assert load_settings({"SHIFTS": "20:00, 08:30"}).shift_starts == (510, 1200)


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda setting: setting.name)
def test_numbers_are_taken_up_to_their_bounds_and_not_beyond(setting: SettingReference) -> None:
    low, high = setting.allowed.partition(" from ")[2].split(" to ")
    needed = {"REDIS_HOST": "cache"} if setting.name.startswith("REDIS") else {}
    if setting.name == "SHARDS":
        needed = {"MONGODB_URI": "mongodb://db/factory"}

    for good in (low, high):
        load_settings({setting.name: good, **needed})
    for bad in (str(float(low) - 0.01), f"{high}1", "abc", "nan", "inf", "1;2"):
        (line,) = mistakes_in({setting.name: bad, **needed})
        assert line == f"{setting.name}: must be {setting.allowed}, got '{bad}'"


@pytest.mark.parametrize(
    ("uri", "database"),
    [
        ("mongodb://db/factory", "factory"),
        ("mongodb://db:27017/factory?replicaSet=rs0", "factory"),
        ("mongodb://a:1,b:2,[::1]:3/factory", "factory"),
        ("mongodb://user:p%40ss%2F@db/f%C3%A4ctory", "fäctory"),
        ("mongodb://%2Ftmp%2Fmongodb-27017.sock/factory", "factory"),
    ],
)
def test_a_mongodb_uri_is_read_as_the_driver_reads_it(uri: str, database: str) -> None:
    assert load_settings({"MONGODB_URI": uri}).mongodb_database == database
    assert parse_uri(uri)["database"] == database


@pytest.mark.parametrize(
    "uri",
    ["mongodb://db", "mongodb://db/", "mongodb://db/?w=1", "mongodb://db?w=1", "mongodb+srv://db"],
)
def test_a_mongodb_uri_without_a_database_needs_mongodb_db(uri: str) -> None:
    (line,) = mistakes_in({"MONGODB_URI": uri})
    settings = load_settings({"MONGODB_URI": uri, "MONGODB_DB": "factory"})

    assert "end its path with one" in line
    assert "or set MONGODB_DB" in line
    assert settings.mongodb_database == "factory"


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("db/factory", "must start with mongodb://"),
        ("http://db/factory", "must start with mongodb://"),
        ("mongodb:///factory", "must name at least one host"),
        ("mongodb://a,,b/factory", "must name at least one host"),
        ("mongodb://u:p@ss@db/factory", "can't be read: percent-encode"),
        ("mongodb://u:p/ss@db/factory", "can't be read: percent-encode"),
        ("mongodb://u:p ss@db/factory", "can't be read: percent-encode"),
        ("mongodb://db/fac.tory", "the database in its path must be a database name"),
        ("mongodb://db/" + "f" * 64, "the database in its path must be a database name"),
    ],
)
def test_a_bad_mongodb_uri_is_refused_without_being_repeated(uri: str, problem: str) -> None:
    (line,) = mistakes_in({"MONGODB_URI": uri})

    assert line.startswith(f"MONGODB_URI: {problem}")
    assert uri not in line


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("cache:6379", "must start with redis://, rediss:// or unix://"),
        ("redis://", "must name a host"),
        ("redis://:6379/0", "must name a host"),
        ("redis://cache:port/0", "can't be read"),
        ("redis://cache:70000/0", "can't be read"),
        ("redis://:p@ss@cache/0", "can't be read"),
        ("redis://:p/ss@cache/0", "can't be read"),
        ("redis://cache/zero", "must end in a database's number"),
        ("unix://", "must name the socket's path"),
    ],
)
def test_a_bad_redis_url_is_refused_without_being_repeated(url: str, problem: str) -> None:
    (line,) = mistakes_in({"REDIS_URL": url})

    assert line.startswith(f"REDIS_URL: {problem}")
    assert url.removeprefix("redis://") not in line or url in {"redis://", "unix://"}


@pytest.mark.parametrize(
    "url",
    ["redis://cache", "rediss://u:p@[::1]:6380/2", "unix:///run/redis.sock?db=1", "redis://c/0"],
)
def test_a_redis_url_is_handed_on_as_given(url: str) -> None:
    settings = load_settings({"REDIS_URL": url})

    assert secret(settings.redis_dsn) == url
    assert settings.lease_kind == "redis"
    parse_url(url)


@given(password=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1))
@example("p@ss:w/rd#?&%41[]")
def test_redis_host_and_password_become_a_url_that_the_client_reads_back(password: str) -> None:
    settings = load_settings({"REDIS_HOST": "::1", "REDIS_DB": "3", "REDIS_PASSWORD": password})

    read = parse_url(secret(settings.redis_dsn))

    assert read.get("password") == password
    assert (read.get("host"), read.get("port"), read.get("db")) == ("::1", 6379, 3)


def test_redis_given_in_two_ways_is_a_mistake() -> None:
    (line,) = mistakes_in({"REDIS_URL": "redis://a", "REDIS_HOST": "b", "REDIS_DB": "1"})

    assert line.startswith("REDIS_URL: says it all: unset REDIS_HOST, REDIS_DB, or unset")


@pytest.mark.parametrize("name", ["REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB", "MONGODB_DB"])
def test_half_an_address_is_a_mistake_and_not_the_embedded_default(name: str) -> None:
    (line,) = mistakes_in({name: "1"})

    assert line.startswith(f"{name}: has no effect without ")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MONGO_URI", "MONGODB_URI"),
        ("MONGODB_URL", "MONGODB_URI"),
        ("mongodb_uri", "MONGODB_URI"),
        ("MONGODB_DATABASE", "MONGODB_DB"),
        ("REDIS_HOSt", "REDIS_HOST"),
        ("REDIS_ADDR", "REDIS_URL"),
    ],
)
def test_a_misspelt_address_is_a_mistake_and_not_the_embedded_default(
    name: str, meant: str
) -> None:
    (mistake,) = mistakes_in({name: f"mongodb://u:{CANARY}@db/f"})
    assert mistake.startswith(f"{name}: is no setting, {meant} is")
    assert CANARY not in mistake
    # Whoever sets the right one, if only as a blank, has not missed it.
    assert load_settings({name: "x", meant: ""}).store_kind == "sqlite"


def test_other_misspelt_settings_are_found_and_strangers_are_left_alone() -> None:
    stray = {"LOG_LEVLE": "debug", "node_id": "n1", "OPERATOR_TOKEN": "x"}
    others = {
        *("HOSTNAME", "HOME", "PATH", "LOGNAME", "PWD", "TZ", "NODE_ENV", "NODE_OPTIONS"),
        *("REDIS_SERVICE_HOST", "XDG_DATA_DIRS", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    }
    assert load_settings(stray).log_level == "info"
    assert likely_misspelt({**stray, **dict.fromkeys(others, "x")}) == {
        "LOG_LEVLE": "LOG_LEVEL",
        "node_id": "NODE_ID",
        "OPERATOR_TOKEN": "OPERATOR_TOKENS",
    }


def test_settings_built_by_hand_are_checked_against_each_other_too() -> None:
    with pytest.raises(ValidationError, match="REDIS_PORT: has no effect"):
        Settings(redis_port=1)
    with pytest.raises(ValidationError, match="names no database"):
        Settings(mongodb_uri=SecretStr("mongodb://db"))


def test_node_ids_are_fit_for_keys_and_differ_from_start_to_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "höst 1/" * 50)

    ids = {load_settings({}).node_id for _ in range(5)}

    assert len(ids) > 1
    assert all(load_settings({"NODE_ID": node_id}).node_id == node_id for node_id in ids)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:3001"),
        ("localhost", "http://127.0.0.1:3001"),
        ("::1", "http://[::1]:3001"),
        ("0.0.0.0", "http://factory-pc:3001"),  # noqa: S104
        ("::", "http://factory-pc:3001"),
    ],
)
def test_the_node_url_is_made_of_an_address_that_others_can_reach(
    host: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "factory-pc")

    given = {"HOST": host, "ALLOW_UNAUTHENTICATED": "1"}
    assert load_settings(given).node_url == url


def test_the_node_url_follows_the_port_that_was_free_unless_it_is_given() -> None:
    assert load_settings({"PORT": "0"}).url_at(4567) == "http://127.0.0.1:4567"
    assert load_settings({"PORT": "0", "NODE_URL": "http://a:1"}).url_at(4567) == "http://a:1"


@pytest.mark.parametrize(
    "url",
    ["node-1:3001", "ftp://node-1", "http://", "http://u:p@node-1", "http://n/?a", "http://n:x"],
)
def test_a_bad_node_url_is_refused(url: str) -> None:
    (line,) = mistakes_in({"NODE_URL": url})

    assert line.startswith("NODE_URL: must ")


def test_settings_can_not_be_changed_nor_misspelt() -> None:
    settings = load_settings({})

    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]  # mypy sees it too
    with pytest.raises(ValidationError, match="prot"):
        Settings.model_validate({"prot": 1})


def everything_shown(environ: dict[str, str]) -> str:
    try:
        settings = load_settings(environ)
    except SettingsError as error:
        return "".join([*traceback.format_exception(error), repr(error), *error.mistakes])
    return " ".join(
        [
            repr(settings),
            str(settings),
            repr(settings.describe()),
            repr(settings.model_dump()),
            settings.model_dump_json(),
        ]
    )


JUNK = st.text("ab1 :/@?#%&='\"<>[]\\,;\t|", max_size=6)


@given(
    name=st.sampled_from(sorted(environment_fields())),
    scheme=st.sampled_from(["mongodb", "mongodb+srv", "redis", "rediss", "http", "unix"]),
    before=JUNK,
    after=JUNK,
)
@example("MONGODB_URI", "mongodb", "", "")
@example("REDIS_URL", "redis", "", "")
@example("MONGODB_URI", "mongodb", "a b", "/")
@example("DATA_DIR", "mongodb", "a b", "")
@example("NODE_URL", "http", "1/", "")
def test_a_password_in_a_url_is_never_shown_whichever_setting_it_came_into(
    name: str, scheme: str, before: str, after: str
) -> None:
    url = f"{scheme}://user:{before}{CANARY}{after}@host/factory"

    assert CANARY not in everything_shown({name: url})


@pytest.mark.parametrize(
    "environ",
    [
        {"REDIS_HOST": "cache", "REDIS_PASSWORD": CANARY},
        {"REDIS_HOST": "cache", "REDIS_PASSWORD": f"x://{CANARY}"},
        {"REDIS_PASSWORD": CANARY},
        {"REDIS_HOST": f"{CANARY}@cache"},
        {"REDIS_URL": f"redis://cache/0?password={CANARY}"},
        {"REDIS_URL": f"{CANARY}"},
        {"MONGODB_URI": f"mongodb://db/f?tlsCertificateKeyFilePassword={CANARY}&w=1"},
        {"MONGODB_URI": f"mongodb://db/f?authMechanismProperties=AWS_SESSION_TOKEN:{CANARY}"},
        {"MONGODB_URI": f"mongodb://u:{CANARY}@db/f", "PORT": "x"},
        {"MONGODB_URI": f"{CANARY}"},
    ],
)
def test_a_secret_is_never_shown(environ: dict[str, str]) -> None:
    assert CANARY not in everything_shown(environ)


def test_a_masked_address_still_says_where_it_leads() -> None:
    settings = load_settings({"MONGODB_URI": f"mongodb://u:{CANARY}@a:1,b:2/factory?w=majority"})

    shown = {row.name: row.value for row in settings.describe()}

    assert shown["MONGODB_URI"] == "mongodb://***@a:1,b:2/factory?w=majority"
    assert shown["REDIS_URL"] == "unset"


def test_every_setting_is_described_in_english_and_in_chinese() -> None:
    for setting in settings_reference():
        assert setting.description.isascii()
        assert any("一" <= character <= "鿿" for character in setting.description_zh)


def test_the_settings_table_is_kept_up_to_date_between_its_markers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme, chinese = tmp_path / "README.md", tmp_path / "README.zh-CN.md"
    for path in (readme, chinese):
        path.write_text("a\n<!-- settings:begin -->\nold\n<!-- settings:end -->\nz\n", "utf-8")
    both = [str(readme), str(chinese)]

    assert settings_table.main(["--check", *both]) == 1
    assert settings_table.main(["--write", *both]) == 0
    assert settings_table.main(["--check", *both]) == 0

    text = readme.read_text("utf-8")
    assert text.startswith("a\n<!-- settings:begin -->\n| variable |")
    assert text.endswith("|\n<!-- settings:end -->\nz\n")
    assert "| `LEASE_TTL` | `5` | 1 到 3600 的秒数 |" in chinese.read_text("utf-8")
    assert "out of date" in capsys.readouterr().err


def test_a_file_without_markers_for_the_table_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text("nothing", "utf-8")

    assert settings_table.main(["--write", str(tmp_path / "README.md")]) == 2
    assert (tmp_path / "README.md").read_text("utf-8") == "nothing"
    assert "<!-- settings:begin -->" in capsys.readouterr().err


def test_the_settings_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert settings_table.main(["--lang", "zh"]) == 0
    assert "| `PORT` | `3001` | 0 到 65535 的整数 |" in capsys.readouterr().out


# -- who may call ----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "factory-pc"])  # noqa: S104
def test_beyond_the_loopback_tokens_are_needed_or_to_be_told_otherwise(host: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"HOST": host})
    (mistake,) = caught.value.mistakes
    assert mistake.startswith("HOST: is not the loopback")
    for name, value in (
        ("API_TOKENS", "main:0123456789abcdef"),
        ("OPERATOR_TOKENS", "ops:0123456789abcdef"),
        ("ALLOW_UNAUTHENTICATED", "1"),
    ):
        assert load_settings({"HOST": host, name: value}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_on_the_loopback_no_tokens_are_needed(host: str) -> None:
    assert load_settings({"HOST": host}).tokens == ()


def test_tokens_have_names_and_owners() -> None:
    settings = load_settings(
        {
            "API_TOKENS": "main:0123456789abcdef, main-new:0123456789abcde:",
            "OPERATOR_TOKENS": "ops:fedcba9876543210",
        }
    )
    assert settings.tokens == (
        ("main", "0123456789abcdef", False),
        ("main-new", "0123456789abcde:", False),
        ("ops", "fedcba9876543210", True),
    )


@pytest.mark.parametrize(
    "tokens",
    [
        "0123456789abcdef",
        "main:short",
        ":0123456789abcdef",
        "a b:0123456789abcdef",
        "m:0123 456789abcdef",
    ],
)
def test_a_token_that_is_not_well_formed_is_refused_and_not_repeated(tokens: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"API_TOKENS": tokens})
    (mistake,) = caught.value.mistakes
    assert mistake.startswith("API_TOKENS: must be name:token")
    assert tokens not in mistake


@pytest.mark.parametrize(
    "operators",
    ["main:fedcba9876543210", "ops:0123456789abcdef", "a:fedcba9876543210,a:0123456789fedcba"],
)
def test_names_and_tokens_are_given_once(operators: str) -> None:
    with pytest.raises(SettingsError, match="OPERATOR_TOKENS: has a name or a token twice"):
        load_settings({"API_TOKENS": "main:0123456789abcdef", "OPERATOR_TOKENS": operators})


@pytest.mark.parametrize("origins", ["*", "factory.example", "https://factory.example/page"])
def test_an_origin_is_a_scheme_a_host_and_a_port(origins: str) -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGINS: must be origins"):
        load_settings({"CORS_ORIGINS": origins})


@pytest.mark.parametrize("hosts", ["http://plan.example", "a b", "plan.example/", "a:99999", "*:*"])
def test_hosts_that_can_be_none_are_mistakes(hosts: str) -> None:
    with pytest.raises(SettingsError, match="ALLOWED_HOSTS: must be hosts"):
        load_settings({"ALLOWED_HOSTS": hosts})


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ({}, ("127.0.0.1",)),
        ({"NODE_URL": "http://Node-1:3001/at"}, ("node-1",)),
        ({"HOST": "::1", "NODE_URL": "http://[fd00::1]:3001"}, ("[fd00::1]",)),
        ({"HOST": "::", "NODE_URL": "http://*.example", "ALLOW_UNAUTHENTICATED": "1"}, ()),
        ({"ALLOWED_HOSTS": "plan.example"}, ("127.0.0.1", "plan.example")),
    ],
)
def test_the_service_may_be_called_under_its_own_names(
    given: dict[str, str], more: tuple[str, ...]
) -> None:
    assert load_settings(given).hosts_allowed == ("localhost", "127.*.*.*", "[::1]", *more)
