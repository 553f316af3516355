"""Which engine the settings ask for, and what is loaded for it."""

from __future__ import annotations

import subprocess
import sys

from actors.ray.engine import RayEngine
from config.settings.settings import load_settings
from web.__main__ import build_engine
from web.cluster.fleet import term_of

_RAY = {
    "ACTOR_ENGINE": "ray",
    "MONGODB_URI": "mongodb://db/factory",
    "REDIS_URL": "redis://cache",
    "SHARDS": "4",
}
_LOADED = """
import sys, web.app, actors.node.node, actors.orders.order
from config.settings.settings import load_settings
from web.__main__ import build_engine
build_engine(load_settings({}), "http://here")
optional = ("actors.ray.", "opentelemetry.", "ray.")
print([name for name in sys.modules if f"{name}.".startswith(optional)])
"""


def test_nothing_is_loaded_that_the_settings_do_not_ask_for() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout == "[]\n"


def test_a_front_door_has_a_part_for_each_shard_and_loads_ray_at_its_start_only() -> None:
    engine = build_engine(load_settings(_RAY), "http://here")
    assert isinstance(engine, RayEngine)
    assert [part.status().reason for part in engine.parts] == [
        f"no process serves shard {index}" for index in range(4)
    ]
    assert not term_of(engine), "a front door owns nothing, and keeps no past"
    assert "ray" not in sys.modules
