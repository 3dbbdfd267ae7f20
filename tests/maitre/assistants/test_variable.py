"""The variables of an assistant's prompt."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.assistants.variable import Variable, filled, places
from maitre.errors import BadRequest

DECLARED = {"city": Variable(required=True, max_length=10), "tone": Variable(default="kind")}
PROMPT = "You guide through {{city}}, {{ tone }}ly. {{other}} {{city}}"


@pytest.mark.parametrize(
    ("given_", "prompt"),
    [
        ({"city": "Lviv"}, "You guide through Lviv, kindly. {{other}} Lviv"),
        ({"city": 7, "tone": "brave"}, "You guide through 7, bravely. {{other}} 7"),
        ({"city": "{{tone}}"}, "You guide through {{tone}}, kindly. {{other}} {{tone}}"),
        ({"city": "a\nb\0\u2028c"}, "You guide through a b c, kindly. {{other}} a b c"),
        ({"city": "Lviv", "tone": None}, "You guide through Lviv, kindly. {{other}} Lviv"),
        ({"city": r"\1\g<0>"}, "You guide through \\1\\g<0>, kindly. {{other}} \\1\\g<0>"),
    ],
)
def test_values_stand_in_their_places(given_: dict[str, Any], prompt: str) -> None:
    """Each as one line of text, once; what is not declared stays as it was written."""
    assert filled(PROMPT, DECLARED, given_) == prompt


@pytest.mark.parametrize(
    ("given_", "key"),
    [
        ({}, "missing_variable"),
        ({"city": ""}, "missing_variable"),
        ({"city": " \n"}, "missing_variable"),
        ({"city": "x" * 11}, "long_variable"),
        ({"city": ["Lviv"]}, "bad_variable"),
        ({"city": True}, "bad_variable"),
        ({"city": "Lviv", "other": "x"}, "unknown_variable"),
        (["Lviv"], "bad_variables"),
        ("Lviv", "bad_variables"),
    ],
)
def test_what_is_no_value_is_refused(given_: Any, key: str) -> None:
    """With the name of the variable."""
    with pytest.raises(BadRequest) as refused:
        filled(PROMPT, DECLARED, given_)
    assert refused.value.key == key


@given(st.text(max_size=60))
def test_no_value_leaves_its_line(value: str) -> None:
    """Whatever is said, the prompt has the lines that its writer gave it."""
    declared = {"city": Variable(max_length=60)}
    prompt = filled("One {{city}} line.\nAnother.", declared, {"city": value})
    assert len(prompt.splitlines()) == 2
    assert prompt.startswith("One ")
    assert prompt.endswith(" line.\nAnother.")


def test_the_places_of_a_prompt() -> None:
    """Names between two braces each."""
    assert places(PROMPT + "{{Not}} {one} {{9}}") == {"city", "tone", "other"}
