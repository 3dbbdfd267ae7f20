"""Which way a turn goes: cases as data, and a split that is fair and sticks."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import Any

import pytest

from maitre.routing.choice import Facts, choose, drawn
from maitre.routing.letters import language_of
from maitre.routing.routing import Routing, Rule, Way
from maitre.routing.words import LOOKED_AT, contains

FACTS = Facts("u1", "free", ("coaches",), "How do I refactor this?", "")
DEFAULT = Rule((Way("general"),))


@pytest.mark.parametrize(
    ("rule", "changed", "fits"),
    [
        ({}, {}, True),
        ({"contains": ("refactor",)}, {}, True),
        ({"contains": ("factor",)}, {}, False),
        ({"contains": ("docker", "HOW DO")}, {}, True),
        ({"plans": ("pro",)}, {}, False),
        ({"plans": ("pro", "free")}, {}, True),
        ({"groups": ("cooks",)}, {}, False),
        ({"groups": ("cooks", "coaches")}, {}, True),
        ({"groups": ("coaches",)}, {"groups": ()}, False),
        ({"languages": ("uk",)}, {}, False),
        ({"languages": ("uk", "en")}, {}, True),
        ({"contains": ("refactor",), "plans": ("pro",)}, {}, False),
        ({"contains": ("refactor",), "plans": ("free",)}, {}, True),
    ],
)
def test_a_rule_fits_when_all_its_conditions_do(rule: dict[str, Any], changed: dict[str, Any], fits: bool) -> None:
    """Of one condition any of its values; of the conditions all."""
    routing = Routing((Rule((Way("special"),), **rule), DEFAULT))
    way = choose("auto", routing, replace(FACTS, **changed), lambda slug: True)
    assert way == Way("special" if fits else "general")


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("Write CODE, please", "code", True),
        ("decode it", "code", False),
        ("codes", "code", False),
        ("codes", "code*", True),
        ("decoder", "code*", False),
        ("unit-test it", "unit test", True),
        ("unit\n\ttest", "Unit  Test", True),
        ("a unit, a test", "unit test", False),
        ("план тренування на день", "трен*", True),
        ("Бизнес-План", "бизнес план", True),
        ("STRASSE", "straße", True),
        ("x " * LOOKED_AT + "code", "code", False),
        ("", "code", False),
        ("(a+)+$ aaaaaaaaaaaaaaaa!", "(a+)+$", True),  # words, never a pattern
    ],
)
def test_words_are_found_as_words(text: str, phrase: str, found: bool) -> None:
    """Whole words in any letters; a star opens a word's end; no pattern of an operator's is ever run."""
    assert contains(text, (phrase,)) is found


@pytest.mark.parametrize(
    ("text", "told", "language"),
    [
        ("What is the weather?", "", "en"),
        ("What is the weather?", "uk", "en"),
        ("Як справи, друже? Їдемо!", "", "uk"),
        ("Привіт", "ru", "uk"),
        ("Что это за рыба?", "uk", "ru"),
        ("Привет, как дела", "", "ru"),
        ("Добра порада", "uk", "uk"),
        ("Виправ мій код: for (const x of xs) { f(x) }", "", "en"),
        ("Виправ, будь ласка, мій код на мові Python", "", "uk"),
        ("2 + 2 = ?", "uk", "uk"),
        ("你好", "ru", "ru"),
        ("你好", "", ""),
        ("", "en", "en"),
    ],
)
def test_the_language_is_told_by_letters(text: str, told: str, language: str) -> None:
    """The text comes first, then what the browser says."""
    assert language_of(text, told) == language


def test_an_assistant_that_is_not_open_is_passed_over() -> None:
    """The next rule that fits is asked, at last the default; nothing open is no way."""
    routing = Routing((Rule((Way("a"),)), Rule((Way("b"),)), DEFAULT))
    assert choose("auto", routing, FACTS, {"b", "general"}.__contains__) == Way("b")
    assert choose("auto", routing, FACTS, {"general"}.__contains__) == Way("general")
    assert choose("auto", routing, FACTS, set[str]().__contains__) is None


def test_a_split_sticks_and_is_fair() -> None:
    """The same account goes the same way each time; of many accounts each way gets its share."""
    ways = (Way("x", "auto:a", 90), Way("y", "auto:b", 10))
    drawn_ways = [drawn(f"auto:{number}", ways) for number in range(5000)]
    assert drawn_ways == [drawn(f"auto:{number}", ways) for number in range(5000)]
    assert 0.08 < Counter(way.variant for way in drawn_ways)["auto:b"] / 5000 < 0.12


def test_another_router_draws_anew() -> None:
    """Two tests do not split the accounts alike."""
    ways = (Way("x", "a"), Way("y", "b"))
    both = [(drawn(f"one:{n}", ways), drawn(f"two:{n}", ways)) for n in range(1000)]
    assert min(Counter(both).values()) > 150


def test_a_routing_survives_the_database() -> None:
    """What is put away as JSON comes back equal."""
    rule = Rule((Way("x", "auto:a", 9), Way("y", "auto:b")), ("code",), ("free",), ("coaches",), ("uk",))
    routing = Routing((rule, DEFAULT))
    assert Routing.from_json(asdict(routing)) == routing
