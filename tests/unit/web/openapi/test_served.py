"""The document is made once, however many ask for it at once."""

from __future__ import annotations

import asyncio

import pytest

from web.app_context import Language, Options
from web.openapi import document
from web.openapi.document import Writer
from web.openapi.served import Document


class Counted(Writer):
    """Counts how often a document is begun; fails as often as it is told."""

    calls = 0
    failures = 0

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        type(self).calls += 1
        if self.calls <= self.failures:
            raise MemoryError


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> type[Counted]:
    monkeypatch.setattr(document, "Writer", Counted)
    monkeypatch.setattr(Counted, "calls", 0)
    monkeypatch.setattr(Counted, "failures", 0)
    return Counted


async def test_many_that_ask_at_once_have_it_made_once(counted: type[Counted]) -> None:
    served = Document((), Options())

    texts = await asyncio.gather(*(served.texts(each) for each in [*Language] * 25))

    assert len(set(texts)) == len(Language)
    assert counted.calls == 1


async def test_who_leaves_takes_it_from_nobody(counted: type[Counted]) -> None:
    served = Document((), Options())
    leaves, stays = (asyncio.create_task(served.texts(Language.ENGLISH)) for _ in range(2))
    await asyncio.sleep(0)

    leaves.cancel()

    assert (await stays).json
    assert counted.calls == 1


async def test_after_a_failure_it_is_made_again(counted: type[Counted]) -> None:
    counted.failures = 1
    served = Document((), Options())
    with pytest.raises(MemoryError):
        await served.texts(Language.ENGLISH)

    assert (await served.texts(Language.ENGLISH)).page
    assert counted.calls == 2
