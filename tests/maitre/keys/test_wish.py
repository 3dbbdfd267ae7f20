"""A wish for a key is read without trust: what is wrong is one sentence, what is right arrives whole."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.errors import BadKey
from maitre.keys.limits import limits_of, told_of
from maitre.keys.networks import Networks
from maitre.keys.wish import FIELDS, wished
from tests.maitre.keys.made import NOON, cases, key


def wish(told: dict[str, Any]) -> Any:
    """The key that is asked for at noon."""
    return wished(told, id="0123456789abcdef", user_id="u1", now=NOON, public=lambda name: f"assistants.{name}")


@pytest.mark.parametrize("case", cases("key_wishes.yaml"))
def test_a_mistake_is_one_sentence(case: dict[str, Any]) -> None:
    """The sentence says what is wrong, and ends as one."""
    with pytest.raises(BadKey) as bad:
        wish(case["told"])
    assert case["says"] in str(bad.value)
    assert str(bad.value).endswith(".")


def test_a_whole_wish_arrives() -> None:
    """Every field that can be told is in the key; money becomes 10⁻⁹ of the currency."""
    told = {
        "name": " my  laptop ",
        "expires_in": 60,
        "models": ["general", "general", "coach"],
        "limits": {"tokens_per_day": 1000, "spend_total": "2.50", "spend_per_day": 0.1, "requests_total": 5.0},
        "networks": {"allow": ["10.0.0.0/8"], "deny": ["10.1.1.1"]},
        "manages": True,
    }
    nano = {"tokens_per_day": 1000, "spend_total": 2_500_000_000, "spend_per_day": 100_000_000, "requests_total": 5}
    assert wish(told) == key(
        name="my laptop",
        expires_at=NOON + timedelta(seconds=60),
        models=("assistants.general", "assistants.coach"),
        limits=nano,
        networks=Networks(("10.0.0.0/8",), ("10.1.1.1",)),
        manages=True,
    )
    assert told_of(nano) == {"tokens_per_day": 1000, "spend_total": "2.5", "spend_per_day": "0.1", "requests_total": 5}
    assert limits_of(told_of(nano)) == nano


def test_a_number_beyond_all_bounds_is_a_sentence() -> None:
    """JSON may hold one of four thousand digits."""
    for told in ({"expires_in": 10**4000}, {"limits": {"tokens_per_day": 10**4000}}):
        with pytest.raises(BadKey):
            wish({"name": "a", **told})


def test_a_time_without_a_zone_is_utc() -> None:
    """And one with a zone is the same moment."""
    assert wish({"name": "a", "expires_at": "2026-11-21T13:00:00"}).expires_at == NOON + timedelta(hours=1)
    assert wish({"name": "a", "expires_at": "2026-11-21T15:00:00+02:00"}).expires_at == NOON + timedelta(hours=1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*FIELDS, "x"]), JSON))
def test_anything_is_a_key_or_a_sentence(told: dict[str, Any]) -> None:
    """No JSON makes another error."""
    with suppress(BadKey):
        assert wish(told).name
