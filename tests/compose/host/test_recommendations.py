"""The recommendations are whole: each has a number, an answer, and places that are there; the page says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose.host.known import recommendations
from compose.host.production import CHECKS
from compose.host.recommendations import ANSWERS, Recommendation, page, table

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "recommendations.md"
ROWS = recommendations()
#: In the analysis: those of its text, and the lines of its checklist.
RECOMMENDATIONS, CHECKLIST = 52, 17
PARTS = {"security", "architecture", "new services", "performance", "checklist"}


def test_every_recommendation_has_a_row() -> None:
    """They are numbered without a gap, in the order of the analysis, the checklist last; none is there twice."""
    assert [one.id for one in ROWS] == list(range(1, RECOMMENDATIONS + CHECKLIST + 1))
    assert sum(one.part == "checklist" for one in ROWS) == CHECKLIST
    assert {one.part for one in ROWS} == PARTS
    for group in (ROWS[:RECOMMENDATIONS], ROWS[RECOMMENDATIONS:]):
        lines = [one.line for one in group]
        assert lines == sorted(set(lines))
    assert len({one.what for one in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda one: str(one.id))
def test_every_recommendation_has_an_answer(row: Recommendation) -> None:
    """What is done names where; what is otherwise, later or not needed says why; a check is one that there is."""
    assert row.answer in ANSWERS
    assert row.where or row.answer in ("later", "without")
    assert row.why or row.answer == "done"
    assert row.answer != "later" or "a later issue" in row.why
    assert row.check is None or row.check in CHECKS
    assert row.check is None or row.answer in ("done", "differs")


@pytest.mark.parametrize("row", ROWS, ids=lambda one: str(one.id))
def test_every_place_is_there(row: Recommendation) -> None:
    """A file that is named exists, and holds the word that is named with it."""
    for place in row.where:
        path, _, word = place.partition(": ")
        assert (ROOT / path).is_file(), path
        assert word in (ROOT / path).read_text("utf-8"), place


def test_every_check_is_asked_for() -> None:
    """A look that no recommendation wants is none that anybody sees."""
    assert {one.check for one in ROWS} - {None} == set(CHECKS)


def test_the_page_says_the_same() -> None:
    """docs/recommendations.md has the very rows. After a change of the data write `page(text, rows)` into it."""
    written = PAGE.read_text("utf-8")
    assert written == page(written, ROWS)
    assert all(table(ROWS, part) in written for part in PARTS)
