"""Passages as a model reads them: whatever stands in a document, its marks are ours."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from maitre.knowledge.passage import Passage
from maitre.knowledge.quoting import numbers, quoted

WORD = "7f3a9c"
PIECES = st.sampled_from(
    [
        "<",
        ">",
        "/",
        "passage",
        "PASSAGE",
        " ",
        "\n",
        f'mark="{WORD}"',
        '"',
        "number=",
        "‹",
        "a",
        "\t",
        "<<",
        "</passage>",
    ]
)
TEXTS = st.lists(PIECES, max_size=30).map("".join)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=4))
def test_no_text_opens_or_closes_a_passage(said: list[tuple[str, str, str]]) -> None:
    """Not even one that knows the word: every mark that a reader finds is one of ours, one pair for each passage."""
    passages = [
        Passage(str(place), "c", f"d{place}", title, text, 0, heading=heading)
        for place, (text, title, heading) in enumerate(said)
    ]
    whole = quoted(passages, numbers(passages), WORD)
    body = whole.partition("\n\n")[2]
    marks = re.findall(r"<\s*(/?)\s*passage", body, re.IGNORECASE)
    assert marks == ["", "/"] * len(passages)
    for line in re.findall(r"^<passage.*$", body, re.MULTILINE):
        names = dict(re.findall(r'(\w+)="([^"]*)"', line))
        assert re.fullmatch(r'<passage( \w+="[^"<>]*")+>', line), line
        assert names["mark"] == WORD


def test_numbers_are_of_documents() -> None:
    """From 1, in the order in which they come; all passages of one have its number."""
    passages = [Passage(str(place), "c", document, "T", "x", 0) for place, document in enumerate("baba")]
    assert numbers(passages) == {"b": 1, "a": 2}
    assert re.findall(r'number="(\d)"', quoted(passages, numbers(passages), WORD)) == ["1", "2", "1", "2"]


def test_citing_is_asked_for_where_it_can_be() -> None:
    """An answer in JSON has no place for it."""
    passages = [Passage("1", "c", "d", "T", "x", 0)]
    assert "[1]" in quoted(passages, {"d": 1}, WORD)
    assert "[1]" not in quoted(passages, {"d": 1}, WORD, cite=False)
