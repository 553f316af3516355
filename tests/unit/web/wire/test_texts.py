"""Messages: both languages everywhere, and the caller's preference between them."""

from __future__ import annotations

import string

import pytest

from actors import errors
from actors.errors import WorkOrderError
from web.app_context import Language
from web.wire.problems import STATUS, problem_of
from web.wire.texts import TEXTS, preferred_language, render


def _fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_text_says_the_same_with_the_same_fields_in_both_languages(name: str) -> None:
    text = TEXTS[name]
    assert _fields(text.zh) == _fields(text.en)
    assert any("\u4e00" <= character <= "\u9fff" for character in text.zh)
    assert text.en.isascii()


@pytest.mark.parametrize("code", sorted(STATUS))
def test_every_error_code_has_a_text_and_an_error_status(code: str) -> None:
    assert code in TEXTS
    assert STATUS[code] >= 400


def test_every_text_belongs_to_a_known_code() -> None:
    done = {"OK", "UPDATED", "QUEUED", "PARTIALLY_UPDATED", "NOT_UPDATED"}
    assert {name.partition(".")[0] for name in TEXTS} == done | set(STATUS)


def _examples() -> list[WorkOrderError]:
    return [
        errors.WorkOrderNotFound("00000000000000000000000a"),
        errors.DuplicateOperation("SN1", "00000000000000000000000b"),
        errors.DuplicateOperation("SN1", "", output=True),
        errors.OverPlan(100),
        errors.OperationRefused("00000000000000000000000a", "start", "status", "PAUSED"),
        errors.QuantityOutOfRange(2.0**60, 2**53 - 1),
        errors.RequestIdConflict("key-1"),
        errors.MailboxFull("mailbox", 10),
        errors.MailboxFull("node", 10),
        errors.MailboxFull("inbox", 10),
        errors.TooManyActors(),
        errors.NotOwner("standby"),
        errors.Fenced(1, 2),
        errors.StillWaiting(paused=True),
        errors.StillWaiting(paused=False),
        errors.StoreUnavailable("down"),
        errors.StoreRejected("validator"),
        errors.RelayRejected(frozenset({"x"}), "validator"),
        errors.PoisonMessage(3),
        errors.OutcomeUnknown("no answer"),
        errors.Overtaken(1, 2),
        errors.JobNotFound("00000000000000000000000c"),
        errors.JobStateConflict("00000000000000000000000c", "active"),
        errors.LeaseUnavailable("down"),
        errors.LeaseSpoilt("garbage"),
        errors.ShardsFixed("factory-1"),
        errors.OrderUnreadable("00000000000000000000000a", "inputQuantity", "'1,000'"),
        errors.PayloadUnreadable("version 2"),
        errors.StartupError("port taken"),
    ]


def _leaves(kind: type[WorkOrderError]) -> set[type[WorkOrderError]]:
    below = kind.__subclasses__()
    return {kind} if not below else set().union(*(_leaves(each) for each in below))


def test_the_examples_cover_the_whole_error_tree() -> None:
    mine = {kind for kind in _leaves(WorkOrderError) if kind.__module__ == errors.__name__}
    assert mine <= {type(error) for error in _examples()}


@pytest.mark.parametrize("error", _examples(), ids=repr)
@pytest.mark.parametrize("language", Language)
def test_every_error_of_the_actors_can_be_told_to_a_caller(
    error: WorkOrderError, language: Language
) -> None:
    problem = problem_of(error)
    expected = "SERVICE_UNAVAILABLE" if isinstance(error, errors.LeaseUnavailable) else error.code
    assert problem.code == expected
    assert problem.status == STATUS[expected]
    assert "{" not in render(problem.text, language, problem.params)
    assert (problem.retry_after_s is not None) is (
        error.retryable or isinstance(error, errors.LeaseUnavailable)
    )


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", Language.CHINESE),
        ("*", Language.CHINESE),
        ("fr", Language.CHINESE),
        ("en", Language.ENGLISH),
        ("EN-us", Language.ENGLISH),
        ("zh-CN,zh;q=0.9,en;q=0.8", Language.CHINESE),
        ("zh;q=0.5, en;q=0.9", Language.ENGLISH),
        ("en;q=0.5, zh", Language.CHINESE),
        ("fr, en;q=0.1", Language.ENGLISH),
        ("en, zh", Language.ENGLISH),
        ("zh, en", Language.CHINESE),
        ("en;q=0", Language.CHINESE),
        ("en;q=nonsense", Language.CHINESE),
        ("en;q=nan, zh;q=0.1", Language.CHINESE),
        ("english", Language.CHINESE),
        ("en;level=1;q=0.4,zh;q=0.3", Language.ENGLISH),
        (";;,,", Language.CHINESE),
    ],
)
def test_english_is_spoken_only_to_who_prefers_it_to_chinese(
    header: str, language: Language
) -> None:
    assert preferred_language(header) is language
