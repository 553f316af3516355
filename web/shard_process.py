"""A shard's process, where Ray has started it: its settings are those of its own machine."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final

from config.logs.setup import configure_logging
from config.settings.settings import load_settings
from web.__main__ import build_shard, calm_collector, log_file

if TYPE_CHECKING:
    from actors.domain.slots import Shard
    from actors.ray.shard import ShardServer

_LONGEST_ID: Final = 100


def build(shard: Shard, name: str) -> ShardServer:
    """Make the server of a shard; `name` is the process's in the cluster.

    Its standard output is a file of Ray's: LOG_FILE, with the name in it, is where to look.
    Raises `SettingsError`, `OSError`.
    """
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format, file=log_file(settings, f".{name}"))
    node_id = f"{name}.{platform.node()}"[:_LONGEST_ID]
    server = build_shard(settings, shard, node_id)
    calm_collector()
    return server
