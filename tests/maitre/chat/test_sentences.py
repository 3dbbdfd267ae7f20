"""The catalogue of sentences: complete in every language, and every refusal finds its sentence and its values."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre import errors
from maitre.chat.sentences import LANGUAGES, SENTENCES, language, moment, sentence
from maitre.errors import BadRequest, QuotaExceeded, Refusal, Told, UnknownModel
from maitre.quota.subject import SCOPES
from maitre.quota.window import BALANCE, WINDOWS

ROOT = Path(__file__).parents[3]
KYIV = ZoneInfo("Europe/Kyiv")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
REFUSALS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Refusal)} - {
    "Told"
}


def placeholders(text: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def raised() -> Iterator[tuple[str, str, set[str]]]:
    """Every refusal that Maitre's source makes: where, its key (a pattern when composed), and its values' names."""
    for file in sorted((ROOT / "maitre").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSALS:
                where = f"{file.relative_to(ROOT)}:{node.lineno}"
                yield where, ast.unparse(node.args[0]), {word.arg for word in node.keywords if word.arg}


RAISED = list(raised())


def keys_of(source: str) -> list[str]:
    """The keys that an expression in the source stands for."""
    value = ast.parse(source, mode="eval").body
    if isinstance(value, ast.Constant):
        return [str(value.value)]
    assert source == "key", f"a new way to make a key: {source}"  # maitre.quota.reservation.refusal's
    windows = [f"{window.resource}_{window.span}" for window in (*WINDOWS.values(), BALANCE)]
    wider = [f"{how}_{scope}" for how in ("busy", "full", "spent") for scope in SCOPES if scope != "account"]
    return [*windows, "tokens_held", *wider]


@pytest.mark.parametrize("key", SENTENCES)
def test_a_sentence_is_there_in_every_language_with_the_same_values(key: str) -> None:
    """No language lacks a sentence, leaves out a value, or asks for another."""
    assert set(SENTENCES[key]) == set(LANGUAGES)
    texts = SENTENCES[key].values()
    assert len({frozenset(placeholders(text)) for text in texts}) == 1
    assert all(text.strip() == text and text.endswith(".") and "\n" not in text for text in texts)


def test_the_source_raises_refusals() -> None:
    """The search below looks at something."""
    assert len(RAISED) > 10


@pytest.mark.parametrize(("where", "key", "values"), RAISED, ids=[f"{where} {key}" for where, key, _ in RAISED])
def test_every_refusal_has_its_sentence_and_all_its_values(where: str, key: str, values: set[str]) -> None:
    """A refusal that the source makes can be rendered in every language."""
    given_values = values | ({"when"} if "resets_at" in values else set())
    for name in keys_of(key):
        assert name in SENTENCES, f"{where}: no sentence “{name}”"
        assert placeholders(SENTENCES[name]["en"]) <= given_values, where


def test_no_sentence_is_left_over() -> None:
    """A sentence that nothing raises is dead text."""
    assert set(SENTENCES) == {name for _, key, _ in RAISED for name in keys_of(key)}


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_quota_sentence_says_what_why_and_until_when(code: str) -> None:
    """The plan, the limit and the moment in the house's time are all there."""
    refused = QuotaExceeded(
        "tokens_day",
        resets_at=datetime(2026, 11, 21, 22, tzinfo=UTC),
        retry_after=1,
        plan="Free",
        limit=20_000,
        left=12,
        needed=600,
    )
    text = sentence(refused, code=code, now=NOW, zone=KYIV)
    assert all(part in text for part in ("Free", "20000", "12", "600", "22", "00:00"))
    assert "{" not in text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "[x](http://evil)", "a\nb\x00c", "**x**", "{plan}"])
def test_names_in_a_sentence_are_made_safe(name: str) -> None:
    """A model or plan name with markup, lines or braces stays plain words on one line."""
    text = sentence(UnknownModel("not_in_plan", model=name, plan=name), code="en", now=NOW, zone=KYIV)
    assert not set(text) & set("<>[]*\n\x00")
    if name == "{plan}":
        assert text == "“{plan}” is not part of the {plan} plan."


def test_a_sentence_that_came_along_is_not_changed() -> None:
    """What an inlet already put into words is said as it is."""
    assert sentence(Told("Ліміт: до 12:00.", 429), code="en", now=NOW, zone=KYIV) == "Ліміт: до 12:00."


def test_words_for_the_request_itself_are_shown_too() -> None:
    """What is wrong with a request is said in the sentence."""
    text = sentence(BadRequest("bad_part"), code="ru", now=NOW, zone=KYIV)
    assert text == "Запрос не удаётся прочитать: каждой части сообщения нужен тип."


@pytest.mark.parametrize(
    ("at", "code", "said"),
    [
        ("2026-11-21T12:00:20Z", "en", "at 14:00:20"),
        ("2026-11-21T12:00:20.000001Z", "en", "at 14:00:21"),
        ("2026-11-21T12:00:59.999999Z", "uk", "о 14:01:00"),
        ("2026-11-21T21:59:59Z", "ru", "в 23:59:59"),
        ("2026-11-21T22:00:00Z", "en", "on 22 Nov at 00:00"),  # midnight in Kyiv
        ("2026-11-21T21:59:59.5Z", "en", "on 22 Nov at 00:00"),  # rounding goes over midnight
        ("2026-11-30T22:00:00Z", "uk", "1 грудня о 00:00"),
        ("2026-12-31T22:00:00Z", "ru", "1 января в 00:00"),
    ],
)
def test_a_moment_in_words(at: str, code: str, said: str) -> None:
    """Today by the clock, rounded up to the second; any other day by its date."""
    assert moment(datetime.fromisoformat(at), NOW, KYIV, code) == said


@given(at=st.datetimes(datetime(2026, 11, 21, 12), datetime(2026, 11, 21, 21, 59, 58), timezones=st.just(UTC)))
def test_the_moment_that_is_said_is_never_too_early(at: datetime) -> None:
    """A guest who waits until the second that was named is not refused again."""
    local = at.astimezone(KYIV)
    hour, minute, second = map(int, moment(at, NOW, KYIV, "en").removeprefix("at ").split(":"))
    said = local.replace(hour=hour, minute=minute, second=second, microsecond=0)
    assert said >= local
    assert said - local < timedelta(seconds=1)


def test_a_minute_that_frees_after_midnight_is_not_said_too_early() -> None:
    """At 23:59:40 a request of 23:59:25 frees the minute at 00:00:25, not at 00:00."""
    now, frees = datetime(2026, 11, 21, 21, 59, 40, tzinfo=UTC), datetime(2026, 11, 21, 22, 0, 25, tzinfo=UTC)
    assert moment(frees, now, KYIV, "en") in ("on 22 Nov at 00:00:25", "on 22 Nov at 00:01", "at 00:00:25")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (("uk-UA", "en"), "uk"),
        (("uk_UA",), "uk"),
        (("RU",), "ru"),
        ((None, "ru"), "ru"),
        (("", "uk"), "uk"),
        (("de-DE", "uk"), "uk"),
        (("de",), "en"),
        ((), "en"),
        (("ukrainian", "ru"), "ru"),
    ],
)
def test_the_guests_language_comes_before_the_houses(wanted: tuple[str | None, ...], code: str) -> None:
    """The first code whose language we speak is taken, English when there is none."""
    assert language(*wanted) == code
