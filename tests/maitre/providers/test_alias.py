"""One public id for several models."""

from __future__ import annotations

import pytest

from maitre.providers.alias import Alias, asked_as, loop, members, models_of, on_the_menu
from maitre.providers.provider import Model

A, B, C = (Model(id, id.upper(), "p", id) for id in "abc")
MODELS = {"a": A, "b": B, "c": C}
ALIASES = {"best": Alias("best", "Best", ("b", "a"))}


def test_an_alias_of_aliases_is_all_their_models_in_order() -> None:
    """Each once, where it comes first."""
    written = {"best": ["b", "cheap", "a"], "cheap": ["c", "b"]}
    assert members("best", written) == ("b", "c", "a")
    assert members("a", written) == ("a",)


def test_a_loop_is_found_from_every_alias_in_it() -> None:
    """An alias that only leads into one is not in it."""
    written = {"x": ["y"], "y": ["a", "z"], "z": ["y"], "fine": ["a", "b", "a"]}
    assert [loop(id, written) for id in written] == [(), ("y", "z", "y"), ("z", "y", "z"), ()]


def test_the_models_behind_an_id() -> None:
    """An alias's in its order, a model's own, none of an unknown one."""
    assert models_of("best", MODELS, ALIASES) == (B, A)
    assert models_of("c", MODELS, ALIASES) == (C,)
    assert models_of("d", MODELS, ALIASES) == ()


def test_a_model_behind_an_alias_is_offered_only_if_a_plan_names_it() -> None:
    """Other models are, whether a plan names them or not."""
    assert on_the_menu(MODELS, ALIASES, [["best"], ["a"]]) == {"best": "Best", "a": "A", "c": "C"}
    assert on_the_menu(MODELS, {}, []) == {"a": "A", "b": "B", "c": "C"}


@pytest.mark.parametrize(
    ("plan", "told"),
    [(("small",), "small"), (("best",), "best"), (("fast",), "fast"), ((), "best"), (("best", "small"), "small")],
)
def test_what_stands_behind_an_alias_has_its_name_for_guests(plan: tuple[str, ...], told: str) -> None:
    """A guest's rows tell of no model that is not in the plan."""
    aliases = {"best": Alias("best", "Best", ("small", "next")), "fast": Alias("fast", "Fast", ("small",))}
    assert asked_as("small", plan, aliases) == told
    assert asked_as("alone", plan, aliases) == "alone"
