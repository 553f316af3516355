"""Databases of tests, emptied and used again: making collections and indexes takes the longest."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from actors.store.mongo.client import INDEXES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo import MongoClient
    from pymongo.collection import Collection

    from tests.servers._mongo import MongoReplicaSet, MongoServer


class Databases:
    """Names of databases that nobody else uses, on all of some MongoDB servers."""

    def __init__(self, servers: list[MongoServer | MongoReplicaSet]) -> None:
        self._servers = servers
        self._clients: dict[str, MongoClient[dict[str, Any]]] = {}
        self._spare: list[str] = []

    def take(self) -> str:
        """Return the name of a database without documents; collections may be there."""
        return self._spare.pop() if self._spare else f"test_{uuid.uuid4().hex}"

    def give_back(self, name: str) -> None:
        """Empty the database; a collection that is not as the service makes it is dropped."""
        for client in self._opened():
            for found in client[name].list_collections():
                collection = client[name][found["name"]]
                if found.get("options") or not _has_our_indexes(collection):
                    collection.drop()
                else:
                    collection.delete_many({})
        self._spare.append(name)

    def close(self) -> None:
        """Close what is open to the servers."""
        for client in self._clients.values():
            client.close()

    def _opened(self) -> list[MongoClient[dict[str, Any]]]:
        for server in self._servers:
            if server.uri not in self._clients:
                self._clients[server.uri] = server.client()
        return [self._clients[server.uri] for server in self._servers]


def _has_our_indexes(collection: Collection[dict[str, Any]]) -> bool:
    ours = [_told(each.document) for each in INDEXES.get(collection.name, ())]
    found = [_told(each) for each in collection.list_indexes() if each["name"] != "_id_"]
    return sorted(ours) == sorted(found)


def _told(index: Mapping[str, Any]) -> str:
    """Tell all that an index is, but the version of its format; keys in their order."""
    key = list(index["key"].items())
    others = sorted((name, index[name]) for name in index.keys() - {"v", "key", "name"})
    return f"{index['name']}: {key} {others}"
