"""Databases of tests, emptied and used again: making collections and indexes takes the longest."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from actors.store.mongo.client import INDEXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pymongo import MongoClient
    from pymongo.collection import Collection
    from pymongo.database import Database

    from tests.servers._mongo import MongoReplicaSet, MongoServer


class Databases:
    """Names of databases that nobody else uses, on all of some MongoDB servers."""

    def __init__(self) -> None:
        self._clients: dict[str, MongoClient[dict[str, Any]]] = {}
        self._spare: list[str] = []
        self._left: dict[tuple[str, str], object] = {}

    @contextmanager
    def on(self, server: MongoServer | MongoReplicaSet) -> Iterator[None]:
        """Have the databases on a server, too, that runs meanwhile."""
        with server.client() as client:
            self._clients[server.uri] = client
            yield
            del self._clients[server.uri]

    def client(self, server: MongoServer | MongoReplicaSet) -> MongoClient[dict[str, Any]]:
        """Return the client of a server that all tests share; don't close it."""
        return self._clients[server.uri]

    def take(self) -> str:
        """Return the name of a database without documents; collections may be there."""
        return self._spare.pop() if self._spare else f"test_{uuid.uuid4().hex}"

    def give_back(self, name: str) -> None:
        """Empty the database; a collection that is not as the service makes it is dropped."""
        for uri, client in self._clients.items():
            # Most tests use one server of them: on the others it is as it was left.
            if self._left.get((uri, name)) != _shape(client[name]):
                _empty(client[name])
                self._left[uri, name] = _shape(client[name])
        self._spare.append(name)


def _shape(database: Database[dict[str, Any]]) -> object:
    """Tell how much is in a database, and which collections: one made anew is another one."""
    found = database.command("dbStats")
    collections = {each["name"]: each["info"].get("uuid") for each in database.list_collections()}
    return found["objects"], found["indexes"], collections


def _empty(database: Database[dict[str, Any]]) -> None:
    for found in database.list_collections():
        collection = database[found["name"]]
        if found.get("options") or not _has_our_indexes(collection):
            collection.drop()
        else:
            collection.delete_many({})


def _has_our_indexes(collection: Collection[dict[str, Any]]) -> bool:
    """Return whether the service makes it, and as it is."""
    ours = [_told(each.document) for each in INDEXES.get(collection.name, ())]
    found = [_told(each) for each in collection.list_indexes() if each["name"] != "_id_"]
    return bool(ours) and sorted(ours, key=_name) == sorted(found, key=_name)


def _told(index: Mapping[str, Any]) -> dict[str, Any]:
    """Tell all that an index is, but the version of its format; keys in their order."""
    others = {name: value for name, value in index.items() if name != "v"}
    return {**others, "key": list(index["key"].items())}


def _name(told: Mapping[str, Any]) -> str:
    name: str = told["name"]
    return name
