"""What the commands that work on the store of the settings share."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from actors.errors import StartupError, WorkOrderError
from actors.store.mongo.store import MongoStore
from actors.store.sqlite.store import FILE_NAME, SqliteStore
from config.settings.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from actors.store import Store
    from config.settings.settings import Settings

_NO_ANSWER, _WRONG_USAGE = 1, 2


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Store]:
    """Open the store of the settings (MONGODB_URI, else DATA_DIR), and close it in the end."""
    store = _store_of(settings)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


def _store_of(settings: Settings) -> Store:
    if settings.mongodb_uri is None:
        return SqliteStore(settings.data_dir / FILE_NAME)
    return MongoStore(
        settings.mongodb_uri.get_secret_value(), database=settings.mongodb_database or ""
    )


def run(work: Callable[[Settings], Coroutine[None, None, str]]) -> int:
    """Do `work` with the settings and print what it says; give the exit status."""
    try:
        said = asyncio.run(work(load_settings()))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return _WRONG_USAGE
    except (StartupError, WorkOrderError) as error:
        sys.stderr.write(f"the database does not answer: {error}\n")
        return _NO_ANSWER
    sys.stdout.write(f"{said}\n")
    return 0
