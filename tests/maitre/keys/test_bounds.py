"""A new key is never wider than its plan, nor than the key that makes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from maitre.errors import BadKey, Forbidden
from maitre.keys.bounds import bounded, wider
from maitre.keys.entrance import enter
from maitre.keys.key import Key
from maitre.keys.networks import Networks
from maitre.quota.plan import Plan
from tests.maitre.keys.made import NOON, key

PLAN = Plan("pro", "Pro", 0, "USD", {"tokens_per_day": 1000, "spend_per_day": 2_500_000_000})
OFFERED = {"assistants.general", "assistants.coach", "models.small"}
LATER = NOON + timedelta(days=30)
MAKER = key(
    expires_at=LATER,
    models=("assistants.general", "models.small"),
    networks=Networks(("10.0.0.0/8",), ("10.6.6.6",)),
    manages=True,
)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"limits": {"tokens_per_day": 1001}}, r"tokens_per_day is above the Pro plan's own \(1000\)"),
        ({"limits": {"spend_per_day": 2_500_000_001}}, r"spend_per_day is above the Pro plan's own \(2.5\)"),
        ({"models": ("assistants.nobody",)}, "There is no “assistants.nobody” in the Pro plan"),
    ],
)
def test_no_key_is_wider_than_its_plan(changed: dict[str, Any], says: str) -> None:
    """A limit above the plan's own, or a model that it has not, is a mistake and no silent nothing."""
    with pytest.raises(BadKey, match=says):
        bounded(key(**changed), PLAN, OFFERED, None)


def test_a_key_within_its_plan_stays_as_it_is() -> None:
    """Limits that the plan has not are the key's own."""
    wanted = key(limits={"tokens_per_day": 1000, "requests_per_day": 10**6}, models=("models.small",))
    assert bounded(wanted, PLAN, OFFERED, None) == wanted


def test_a_key_inherits_what_it_leaves_out() -> None:
    """Nobody has to repeat the bounds of the maker; what is denied there is denied here too. Its rights it has not."""
    made = bounded(key(networks=Networks(deny=("10.7.7.7",))), PLAN, OFFERED, MAKER)
    assert (made.expires_at, made.models) == (LATER, MAKER.models)
    assert made.networks == Networks(("10.0.0.0/8",), ("10.7.7.7", "10.6.6.6"))
    assert not made.manages
    assert wider(made, MAKER) is None


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"expires_at": LATER + timedelta(seconds=1)}, "expiry"),
        ({"models": ("assistants.coach",)}, "models"),
        ({"networks": Networks(("11.0.0.0/8",))}, "networks"),
        ({"networks": Networks(("0.0.0.0/0",))}, "networks"),
    ],
)
def test_no_key_is_wider_than_its_maker(changed: dict[str, Any], what: str) -> None:
    """In nothing at all."""
    with pytest.raises(BadKey, match=f"other {what}"):
        bounded(key(**changed), PLAN, OFFERED, MAKER)


@pytest.mark.parametrize("maker", [None, MAKER])
def test_a_key_with_limits_manages_none(maker: Key | None) -> None:
    """It would make itself a hundred keys with as much each."""
    with pytest.raises(BadKey, match="limits of its own manages none"):
        bounded(key(manages=True, limits={"tokens_per_day": 5}), PLAN, OFFERED, maker)


def test_only_a_managing_key_has_managing_children() -> None:
    """Rights are a bound as well; a maker without bounds allows the rest."""
    assert wider(key(manages=True), key()) == "rights"
    assert wider(key(manages=True), key(manages=True)) is None
    assert wider(key(), MAKER) == "expiry"


def test_who_may_enter() -> None:
    """A suspended account nowhere, and an address only where both the key's and the plan's rules admit it."""
    near, far = "10.0.0.1", "192.0.2.1"
    closed = Plan("p", "P", 0, "USD", networks=Networks(("10.0.0.0/8",)))
    enter(key(), None, "", suspended=False)
    enter(key(networks=Networks(("10.0.0.0/8",))), closed, near, suspended=False)
    for rules, plan in ((Networks(), closed), (Networks(("10.0.0.0/8",)), PLAN)):
        with pytest.raises(Forbidden) as refused:
            enter(key(networks=rules), plan, far, suspended=False)
        assert refused.value.key == "address"
    with pytest.raises(Forbidden) as refused:
        enter(key(), None, near, suspended=True)
    assert refused.value.key == "suspended"
