"""Run one node in the foreground: `python -m web`. Here the pieces are put together."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from actors.domain.guards import Guards, Mode
from actors.domain.slots import WHOLE, Shard
from actors.errors import StartupError
from actors.jobs.keeper import JobOptions
from actors.lease.kept import KeptLease
from actors.lease.thread import ThreadLease
from actors.node.node import Node, NodeOptions
from actors.node.term import TermOptions
from actors.orders.supervisor import Limits
from actors.telemetry.spans import NO_SPANS
from config.logs.file import RotatingFile
from config.logs.setup import configure_logging
from config.redaction import mask_text
from config.settings.fields import url_here
from config.settings.settings import SettingsError, likely_misspelt, load_settings
from web import SERVICE, VERSION
from web.app import Options, build_app
from web.app_context import Token
from web.server.greeting import greeting
from web.server.service import Service, bind
from web.server.signals import StopSignals
from web.tracing.port import UNTRACED

try:
    import uvloop
except ImportError:  # not made for every system
    _new_loop = asyncio.new_event_loop
else:
    _new_loop = uvloop.new_event_loop

if TYPE_CHECKING:
    from pydantic import SecretStr

    from actors.engine import Engine
    from actors.lease import Lease
    from actors.node.options import Permit
    from actors.ray.shard import ShardServer
    from actors.store.mongo.store import MongoStore
    from actors.telemetry.spans import Spans
    from config.logs.setup import LogHandle
    from config.settings.settings import Settings
    from web.tracing.otel import OpenTelemetry

_BAD_SETTINGS = 2
_FAILED = 1
_LAST_WORDS_S = 1.0
_LAST_SPANS_S = 1.0
_COLLECT_AFTER = (20_000, 20, 50)
"""Objects made, and collections of the generation before, until the next one looks for cycles."""

_SHARD = "web.shard_process:build"
"""What makes a shard's server where Ray starts its process."""

_log = structlog.get_logger(__name__)


def main() -> int:
    """Run until stopped; give the exit code: 1 could not start or failed, 2 bad settings."""
    parser = argparse.ArgumentParser(prog="python -m web", description=__doc__)
    parser.add_argument("--version", action="version", version=f"{SERVICE} {VERSION}")
    parser.add_argument(
        "--greet",
        nargs="?",
        const="",
        metavar="ORDER",
        help="say on standard error when it serves, what to try (with ORDER, an id), how to stop",
    )
    greet: str | None = parser.parse_args().greet
    try:
        settings = load_settings()
    except SettingsError as error:
        for mistake in error.mistakes:
            # Not masked, which would take the word after API_TOKENS for one: it names no value.
            sys.stderr.write(f"{SERVICE}: {mistake}\n")
        return _BAD_SETTINGS
    try:
        logs = configure_logging(settings.log_level, settings.log_format, file=log_file(settings))
    except OSError as error:
        _complain(f"can't write to LOG_FILE {settings.log_file}: {error.strerror or error}")
        return _FAILED
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(_run(settings, logs, greet))
    except StartupError as error:
        _log.error("service_not_started", reason=str(error))
        _complain(str(error))
        return _FAILED
    except Exception:  # noqa: BLE001 the edge of the process
        _log.exception("service_failed")
        _complain("failed; the reason is in the log")
        return _FAILED
    finally:
        logs.close()


async def _run(settings: Settings, logs: LogHandle, greet: str | None) -> int:
    def last_words(cause: str) -> None:
        _log.warning("service_killed", cause=cause)
        logs.flush(_LAST_WORDS_S)

    stop = StopSignals(last_words)
    stop.install()
    sockets = bind(settings.host, settings.port)
    port: int = sockets[0].getsockname()[1]
    url = settings.url_at(port)
    otel = _open_telemetry(settings)
    node = build_engine(settings, url, otel or NO_SPANS)
    app = build_app(node, options_of(settings), logs, otel or UNTRACED)
    service = Service(node, app, sockets, settings.shutdown_s)

    calm_collector()

    def started() -> None:
        # Nobody at a terminal reads fifty defaults.
        shown = {
            setting.name: setting.value
            for setting in settings.describe()
            if setting.source == "environment" or not logs.for_people
        }
        for name, meant in likely_misspelt().items():
            _log.warning("setting_unknown", name=name, meant=meant)
        _log.info(
            "service_started",
            service=SERVICE,
            version=VERSION,
            node=node.node_id,
            url=url,
            store=settings.store_kind,
            lease=settings.lease_kind,
            settings=shown,
        )
        if greet is not None:
            data = settings.data_dir if settings.store_kind == "sqlite" else None
            sys.stderr.write(greeting(url_here(settings.host, port), greet, data))

    try:
        return await service.run(stop, started)
    finally:
        if otel is not None:
            otel.close(_LAST_SPANS_S)


def calm_collector() -> None:
    """Have the garbage collector look for cycles less often, and never at what start-up made.

    An update makes some hundreds of objects and no cycle, and 100,000 live actors are millions
    of objects: by CPython's defaults (700, 10, 10) a tenth of the time of an update went here.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def _open_telemetry(settings: Settings) -> OpenTelemetry | None:
    """Make what records spans, where they are asked for; raises `StartupError`."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return None
    try:
        from web.tracing.otel import OpenTelemetry, exporting_to  # noqa: PLC0415 -- of an optional extra
    except ImportError as error:
        raise StartupError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed ({error});"
            " with it set run scripts/start.sh --set-up, or"
            " pip install --require-hashes -r requirements-otel.lock"
        ) from error
    return OpenTelemetry(exporting_to(endpoint), settings.node_id)


def build_engine(settings: Settings, url: str, spans: Spans = NO_SPANS) -> Engine:
    """Make what the web is put in front of; nothing is opened yet."""
    if settings.actor_engine == "ray":
        return _build_front_door(settings, url)
    return build_node(settings, url, spans)


def _build_front_door(settings: Settings, url: str) -> Engine:
    from actors.ray.engine import RayEngine  # noqa: PLC0415 -- of an optional extra
    from actors.ray.keeper import Keeper, RayOptions  # noqa: PLC0415
    from actors.ray.link import LinkOptions  # noqa: PLC0415

    assert settings.mongodb_uri is not None  # noqa: S101 -- the settings are checked for it
    cluster = RayOptions(settings.ray_address, settings.ray_namespace, settings.shard_spare)
    return RayEngine(
        settings.node_id,
        url,
        _mongo(settings.mongodb_uri, settings),
        settings.shard_count,
        Keeper(cluster, _SHARD),
        LinkOptions(settings.shard_calls, settings.shard_batch, settings.max_waiting),
        partial(_lease, settings),
    )


def build_shard(settings: Settings, shard: Shard, node_id: str) -> ShardServer:
    """Make what serves one shard in a process of its own; nothing is opened yet."""
    from actors.ray.shard import ShardServer  # noqa: PLC0415 -- of an optional extra

    assert settings.mongodb_uri is not None  # noqa: S101 -- the settings are checked for it
    store = _mongo(settings.mongodb_uri, settings)
    options = _options(settings, node_id, url="")

    def new_node(shard: Shard, permit: Permit) -> Node:
        return Node(store.part(shard), _lease(settings, shard), options, permit=permit)

    return ShardServer(store, shard.index, new_node, settings.lease_ttl_s)


def build_node(settings: Settings, url: str, spans: Spans = NO_SPANS) -> Engine:
    """Make the node, its store and its lease; nothing is opened yet."""
    options = _options(settings, settings.node_id, url)
    new_lease = partial(_lease, settings)
    # Only the driver in use is loaded: the other one costs time and memory at each start.
    if settings.mongodb_uri is None:
        from actors.store.sqlite.store import FILE_NAME, SqliteStore  # noqa: PLC0415

        store = SqliteStore(settings.data_dir / FILE_NAME)
        return Node(store, new_lease(WHOLE), options, spans)
    mongo = _mongo(settings.mongodb_uri, settings)
    if settings.shard_count != 1:
        from actors.shards.node import ShardedNode  # noqa: PLC0415

        return ShardedNode(mongo, new_lease, settings.shard_count, options, spans)
    from actors.shards.settle import settle_shards  # noqa: PLC0415

    async def in_one_shard() -> None:
        await settle_shards(mongo.shard_map, 1, new_lease)

    return Node(mongo, new_lease(WHOLE), options, spans, opened=in_one_shard)


def _options(settings: Settings, node_id: str, url: str) -> NodeOptions:
    limits = Limits(
        max_actors=settings.max_actors,
        mailbox_size=settings.mailbox_size,
        max_waiting=settings.max_waiting,
        idle_s=settings.actor_idle_s,
    )
    jobs = JobOptions(
        settings.inbox_size,
        settings.job_attempts,
        settings.job_backoff_s,
        refuse_repeats=settings.duplicate_scans == "refuse",
    )
    term = TermOptions(
        limits,
        settings.commit_batch,
        settings.commits_in_flight,
        jobs,
        _guards(settings),
        zone=ZoneInfo(settings.time_zone) if settings.time_zone else None,
        shifts=settings.shift_starts,
        start_next=settings.start_next_order == "1",
        retention_days=settings.log_retention_days,
    )
    return NodeOptions(node_id, url, settings.lease_ttl_s, term, lease_loss=settings.lease_loss)


def _mongo(uri: SecretStr, settings: Settings) -> MongoStore:
    from actors.store.mongo.store import MongoStore  # noqa: PLC0415

    return MongoStore(
        uri.get_secret_value(),
        database=settings.mongodb_database or "",
        driver=settings.mongodb_driver,
    )


def _guards(settings: Settings) -> Guards:
    return Guards(
        output_once=Mode(settings.output_once),
        unbind_once=Mode(settings.unbind_once),
        over_input=Mode(settings.over_input),
    )


def _lease(settings: Settings, shard: Shard) -> Lease:
    """Make the lease of a shard, which lasts whatever callers send to the loop that serves them."""
    ttl_s = settings.lease_ttl_s
    lease: Lease
    if settings.redis_dsn is None:
        from actors.lease.file import FileLease  # noqa: PLC0415

        folder = settings.data_dir / ("" if shard.whole else f"shard-{shard.index}")
        lease = FileLease(folder, ttl_s=ttl_s)
    else:
        from actors.lease.redis import KEY_PREFIX, RedisLease  # noqa: PLC0415

        prefix = KEY_PREFIX + ("" if shard.whole else f"shard:{shard.index}:")
        lease = RedisLease(settings.redis_dsn.get_secret_value(), ttl_s=ttl_s, key_prefix=prefix)
    return ThreadLease(KeptLease(lease, ttl_s=ttl_s))


def options_of(settings: Settings) -> Options:
    """Return what the handlers are given of the settings."""
    return Options(
        max_batch=settings.max_batch,
        request_timeout_s=settings.request_timeout_s,
        body_timeout_s=settings.body_timeout_s,
        max_body_bytes=settings.max_body_bytes,
        node_url_allow=settings.nodes_allowed,
        cluster_secret=_revealed(settings.cluster_secret),
        hosts=settings.hosts_allowed,
        tokens=tuple(Token(*each) for each in settings.tokens),
        cors_origins=settings.origins_allowed,
        max_connections=settings.max_connections,
        unread_timeout_s=settings.unread_timeout_s,
        max_replies_bytes=settings.max_replies_mb * 2**20,
        time_zone=ZoneInfo(settings.time_zone) if settings.time_zone else None,
        log_every_call=settings.access_log == "all",
        shifts=settings.shift_starts,
        refuse_repeats=settings.duplicate_scans == "refuse",
        max_quantity=settings.max_quantity,
        expected_nodes=settings.expected_nodes,
        guards=_guards(settings),
        console_write=settings.console_write == "1",
        environment=settings.environment,
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def log_file(settings: Settings, suffix: str = "") -> RotatingFile | None:
    """Return the file that the log goes to besides standard output; `suffix` tells it apart."""
    if settings.log_file is None:
        return None
    path = settings.log_file.with_stem(settings.log_file.stem + suffix)
    return RotatingFile(path, settings.log_file_mb * 2**20, settings.log_files)


def _complain(text: str) -> None:
    """Write one line for the operator; driver messages may hold several, and credentials."""
    sys.stderr.write(f"{SERVICE}: {mask_text(' '.join(text.split()))}\n")


if __name__ == "__main__":
    sys.exit(main())
