"""What a waiting guest reads: ordinals, plurals and steps of time in three languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.chat.sentences import LANGUAGES
from maitre.chat.waiting import duration, ordinal, queue_line


@pytest.mark.parametrize(
    ("position", "eta", "said"),
    [
        (1, None, ("You are next in line.", "Ваша черга наступна.", "Ваша очередь следующая.")),
        (
            1,
            3,
            (
                "You are next in line, less than 10 seconds.",
                "Ваша черга наступна, менше ніж 10 секунд.",
                "Ваша очередь следующая, меньше 10 секунд.",
            ),
        ),
        (
            3,
            118,
            (
                "You are 3rd in line, about 2 minutes.",
                "Ваше місце в черзі — 3-тє, приблизно 2 хвилини.",
                "Ваше место в очереди — 3-е, примерно 2 минуты.",
            ),
        ),
        (
            21,
            3600,
            (
                "You are 21st in line, about 1 hour.",
                "Ваше місце в черзі — 21-ше, приблизно 1 година.",
                "Ваше место в очереди — 21-е, примерно 1 час.",
            ),
        ),
    ],
)
def test_the_place_and_the_time_in_one_sentence(position: int, eta: float | None, said: tuple[str, str, str]) -> None:
    """Position and time are both told; a time that is not known is left out."""
    assert tuple(queue_line(position, eta, code) for code in LANGUAGES) == said


@pytest.mark.parametrize(
    ("number", "en", "uk"),
    [
        (2, "2nd", "2-ге"),
        (3, "3rd", "3-тє"),
        (4, "4th", "4-те"),
        (7, "7th", "7-ме"),
        (8, "8th", "8-ме"),
        (11, "11th", "11-те"),
        (12, "12th", "12-те"),
        (13, "13th", "13-те"),
        (17, "17th", "17-те"),
        (20, "20th", "20-те"),
        (22, "22nd", "22-ге"),
        (40, "40th", "40-ве"),
        (101, "101st", "101-ше"),
        (111, "111th", "111-те"),
        (1000, "1000th", "1000-не"),
    ],
)
def test_an_ordinal_has_its_right_ending(number: int, en: str, uk: str) -> None:
    """Teens are not like ones, twos and threes."""
    assert (ordinal(number, "en"), ordinal(number, "uk"), ordinal(number, "ru")) == (en, uk, f"{number}-е")


@pytest.mark.parametrize(
    ("seconds", "en", "uk", "ru"),
    [
        (9.9, "less than 10 seconds", "менше ніж 10 секунд", "меньше 10 секунд"),
        (10, "about 10 seconds", "приблизно 10 секунд", "примерно 10 секунд"),
        (44, "about 40 seconds", "приблизно 40 секунд", "примерно 40 секунд"),
        (56, "about 1 minute", "приблизно 1 хвилина", "примерно 1 минута"),
        (200, "about 3 minutes", "приблизно 3 хвилини", "примерно 3 минуты"),
        (300, "about 5 minutes", "приблизно 5 хвилин", "примерно 5 минут"),
        (700, "about 10 minutes", "приблизно 10 хвилин", "примерно 10 минут"),
        (7300, "about 2 hours", "приблизно 2 години", "примерно 2 часа"),
        (18_000, "about 5 hours", "приблизно 5 годин", "примерно 5 часов"),
    ],
)
def test_a_time_is_said_in_steps(seconds: float, en: str, uk: str, ru: str) -> None:
    """Ten seconds, a minute, five minutes, an hour: nobody reads 118 seconds."""
    assert [duration(seconds, code) for code in LANGUAGES] == [en, uk, ru]


@given(position=st.integers(1, 5000), eta=st.none() | st.floats(0, 1e6))
def test_whatever_it_is_it_is_a_sentence(position: int, eta: float | None) -> None:
    """One line, no hole in it, and in each language another."""
    said = {queue_line(position, eta, code) for code in LANGUAGES}
    assert len(said) == 3
    assert all(text.endswith(".") and "{" not in text and "\n" not in text for text in said)
