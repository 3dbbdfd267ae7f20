"""Networks admit addresses, and are narrower or wider than others."""

from __future__ import annotations

from typing import Any

import pytest

from maitre.keys.address import network_of, origin
from maitre.keys.networks import Networks
from tests.maitre.keys.made import cases


@pytest.mark.parametrize("case", cases("networks.yaml"))
def test_an_address_is_admitted_or_not(case: dict[str, Any]) -> None:
    """Denied goes before allowed, and an unknown address passes no rule."""
    networks = Networks(tuple(case.get("allow", ())), tuple(case.get("deny", ())))
    assert networks.admits(case["address"]) is case["admitted"]


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        (Networks(), Networks(), True),
        (Networks(("10.1.0.0/16",)), Networks(("10.0.0.0/8",)), True),
        (Networks(("10.0.0.0/8",)), Networks(("10.1.0.0/16",)), False),
        (Networks(("10.1.0.0/16", "192.0.2.1")), Networks(("10.0.0.0/8",)), False),
        (Networks(), Networks(("10.0.0.0/8",)), False),
        (Networks(("10.0.0.0/8",)), Networks(deny=("10.1.0.0/16",)), False),
        (Networks(deny=("10.0.0.0/8",)), Networks(deny=("10.1.0.0/16",)), True),
        (Networks(("::/0",)), Networks(("0.0.0.0/0",)), False),
    ],
)
def test_rules_are_within_wider_ones(inner: Networks, outer: Networks, within: bool) -> None:
    """What is admitted by the narrower rules is admitted by the wider ones."""
    assert inner.within(outer) is within


@pytest.mark.parametrize("text", ["10.0.0.1/8", "everywhere", "", "::ffff:10.0.0.0/104", "10.0.0.0/33"])
def test_what_is_no_network_is_told(text: str) -> None:
    """A rule that could never match, or matches more than it says, is a mistake."""
    with pytest.raises(ValueError, match=r"“.*” is "):
        network_of(text)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("a:b", "a:b"),
    ],
)
def test_addresses_of_one_site_are_counted_together(address: str, counted: str) -> None:
    """Nobody gets a new count by another of their many addresses."""
    assert origin(address) == counted


def test_networks_come_back_as_they_were_stored() -> None:
    """JSON and back; no rules are an empty object."""
    for networks in (Networks(), Networks(("10.0.0.0/8",)), Networks(deny=("::1",))):
        assert Networks.from_json(networks.to_json()) == networks
    assert Networks().to_json() == {}
