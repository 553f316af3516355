"""Real MongoDB and Redis servers for tests, benches and developers; no root, no Docker.

And the browser that the tests of our pages need, which is the system's own.
"""

from __future__ import annotations

from tests.servers._browser import chromium
from tests.servers._databases import Databases
from tests.servers._errors import ServerError
from tests.servers._mongo import MongoReplicaSet, MongoServer
from tests.servers._process import ServerProcess, free_port
from tests.servers._redis import RedisServer

__all__ = [
    "Databases",
    "MongoReplicaSet",
    "MongoServer",
    "RedisServer",
    "ServerError",
    "ServerProcess",
    "chromium",
    "free_port",
]
