"""Whom a question is like: the best by cosine, if it is ahead."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from maitre.assistants.assistant import Assistant
from maitre.routing.choice import Facts, choose, undecided
from maitre.routing.routing import Routing, Rule, Similar, Way
from maitre.routing.similar import mark, most_like

EAST, NORTH, BETWEEN = (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)


@pytest.mark.parametrize(
    ("said", "margin", "like"),
    [
        ({"east": [EAST], "north": [NORTH]}, 0.02, "east"),
        ({"east": [EAST], "north": [(0.999, 0.01)]}, 0.02, None),  # too near to one another
        ({"east": [NORTH, EAST], "between": [BETWEEN]}, 0.02, "east"),  # the best of its texts counts
        ({"east": [EAST]}, 0.02, None),  # nothing to compare with
        ({}, 0.02, None),
        ({"east": [EAST], "north": []}, 0.02, None),  # who says nothing is no comparison
        ({"east": [(5.0, 0.0)], "north": [(0.0, 0.1)]}, 0.02, "east"),  # lengths do not count
        ({"east": [EAST], "north": [NORTH], "odd": [(1.0, 0.0, 0.0)]}, 0.02, "east"),  # another embedder's
        ({"east": [EAST], "none": [(0.0, 0.0)]}, 0.02, "east"),
        ({"east": [EAST], "north": [NORTH]}, 1.0, "east"),
        ({"east": [EAST], "between": [BETWEEN]}, 0.5, None),
    ],
)
def test_the_best_is_believed_when_it_is_ahead(
    said: Mapping[str, Sequence[Sequence[float]]], margin: float, like: str | None
) -> None:
    """Scores mean nothing by themselves; their difference does."""
    assert most_like(EAST, said, margin) == like


def test_a_vector_that_is_no_direction_is_like_nothing() -> None:
    """A broken embedder chooses nobody, and breaks nothing."""
    assert most_like((0.0, 0.0), {"east": [EAST], "north": [NORTH]}, 0.01) is None
    assert most_like((math.nan, 1.0), {"east": [EAST], "north": [NORTH]}, 0.01) is None


def test_a_text_of_another_model_has_another_mark() -> None:
    """A changed embedder finds none of the old vectors."""
    assert len({mark("a", "e5"), mark("a", "nomic"), mark("b", "e5"), mark("5a", "e")}) == 4


ROUTING = Routing(
    (Rule((Way("coder"),), contains=("code",)), Rule((Way("host"),))), Similar(("cook", "lawyer", "host"), 0.02)
)


@pytest.mark.parametrize(
    ("text", "closed", "like", "way"),
    [
        ("my code", (), "cook", "coder"),  # the rules go first
        ("my soup", (), "cook", "cook"),
        ("my soup", (), None, "host"),  # unsure: the default
        ("my soup", ("cook",), "cook", "host"),
        ("my code", ("coder",), "cook", "cook"),  # a rule that leads nowhere is none
    ],
)
def test_similarity_comes_after_the_rules_and_before_the_default(
    text: str, closed: tuple[str, ...], like: str | None, way: str
) -> None:
    """What the operator wrote decides; then the question; then the default."""
    facts = Facts("u1", "free", (), text, "en")
    chosen = choose("auto", ROUTING, facts, lambda name: name not in closed, like)
    assert chosen == Way(way)
    assert undecided("auto", ROUTING, facts, lambda name: name not in closed) == (way != "coder")


def test_a_router_survives_the_database() -> None:
    """What `cli seed` wrote is what the engine reads."""
    router = Assistant("auto", "Auto", "", "", routing=ROUTING, examples=("a", "b"))
    assert Assistant.from_json(router.to_json()) == router
