"""Text from outside: control characters go, names lose their markup."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.chat.text import clean, clean_deep, larger, shown

ANY = st.text(st.characters(codec=None, exclude_categories=()))  # surrogates too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\x00b", "ab"),
        ("tab\tline\nreturn\r\n", "tab\tline\nreturn\r\n"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("c1\x85\x9f\x7fend", "c1end"),
        ("half \ud83d pair", "half  pair"),
        ("whole 😀 and ї", "whole 😀 and ї"),
        ("", ""),
    ],
)
def test_control_characters_are_removed(text: str, cleaned: str) -> None:
    """NUL, escapes and halves of surrogate pairs go; tabs, lines and every letter stay."""
    assert clean(text) == cleaned


@given(text=ANY)
def test_clean_text_can_be_sent_and_stored(text: str) -> None:
    """What is clean is valid UTF-8 without NUL, and cleaning again changes nothing."""
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert "\x00" not in cleaned
    assert clean(cleaned) == cleaned
    assert all(unicodedata.category(letter) != "Cc" or letter in "\t\n\r" for letter in cleaned)


@given(value=JSON)
def test_every_string_of_a_json_value_is_cleaned(value: Any) -> None:
    """Keys and values at any depth are clean; everything else stays as it was."""

    def strings(inner: Any) -> list[str]:
        if isinstance(inner, dict):
            return [*inner, *(text for item in inner.values() for text in strings(item))]
        if isinstance(inner, list):
            return [text for item in inner for text in strings(item)]
        return [inner] if isinstance(inner, str) else []

    cleaned = clean_deep(value)
    assert all(clean(text) == text for text in strings(cleaned))
    if not strings(value):
        assert cleaned == value


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("<img src=x onerror=alert(1)>", "‹img src=x onerror=alert(1)›"),
        ("[click](http://evil)", "(click)(http://evil)"),
        ("**bold** `code`", "bold 'code'"),
        ("a\nb\r\n\tc", "a b c"),
        ("x\x00y", "xy"),
        ("a&amp;b", "a+amp;b"),
        ("a|b\\c", "a/b/c"),
    ],
)
def test_a_name_is_shown_without_markup(name: str, safe: str) -> None:
    """A name is one line in which Markdown and HTML mean nothing."""
    assert shown(name) == safe


@given(name=ANY)
def test_no_name_brings_markup_or_lines_into_a_sentence(name: str) -> None:
    """Whatever a name is, it is short, on one line, and without the letters of markup."""
    safe = shown(name)
    assert len(safe) <= 80
    assert len(safe.splitlines()) <= 1
    assert not set(safe) & set("<>&`[]*_|\\")


@pytest.mark.parametrize(
    ("value", "most", "beyond"),
    [
        ("x" * 10, 12, False),
        ("x" * 11, 12, True),
        (["x"] * 4, 14, False),
        (["x"] * 4, 13, True),
        ({"ab": {"c": [1, 2.5, None]}}, 20, False),
        ({"ab": {"c": [1, 2.5, None]}}, 10, True),
        ([[[[]]]] * 100, 100, True),
        (None, 2, False),
    ],
)
def test_a_size_is_looked_at_without_a_copy(value: object, most: int, beyond: bool) -> None:
    """Characters of all strings, keys among them, and a little for everything else."""
    assert larger(value, most) == beyond


def test_nothing_is_looked_at_in_vain() -> None:
    """Whatever lies beyond the limit is not visited, however deep or long."""

    class Trap(dict[str, object]):
        def keys(self) -> object:  # type: ignore[override]
            raise AssertionError("it was visited")

    assert larger([Trap(), "x" * 100], 50)
