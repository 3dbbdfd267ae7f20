"""The client is found behind the proxies that the house believes, and what is no proxy is told."""

from __future__ import annotations

from typing import Any

import pytest

from maitre.keys.proxies import Proxies, believed, client, names_of, proxies_of, resolved
from tests.maitre.keys.made import cases

LONG = "a" * 63


@pytest.mark.parametrize("case", cases("forwarded.yaml"))
def test_the_client_is_found_behind_trusted_proxies_only(case: dict[str, Any]) -> None:
    """Whatever a guest writes into X-Forwarded-For, it is not believed."""
    proxies = resolved([proxies_of(one) for one in case["trusted"]], case.get("found", {}))
    forwarded = [line.encode("latin-1") for line in case["forwarded"]]
    assert client(case["peer"], forwarded, proxies) == case["client"]


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("10.0.0.0/8", Proxies(("10.0.0.0/8",))),
        ("2001:db8::1", Proxies(("2001:db8::1",))),
        ("nginx", Proxies(("nginx",))),
        ("open_webui", Proxies(("open_webui",))),
        ("1.proxy.Example", Proxies(("1.proxy.Example",))),
        (["traefik", "10.0.0.0/8"], Proxies(("traefik", "10.0.0.0/8"), once=True)),
    ],
)
def test_an_entry_is_a_place_or_a_list_of_places(told: object, meant: Proxies) -> None:
    """A list is what is passed once."""
    assert proxies_of(told) == meant


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.1/8", "10.0.0", "10.0.0.256", "127.1", "0x7f000001", "nginx:80", "a b", "a..b", "-a", "a" + LONG],
)
def test_what_is_neither_a_network_nor_a_name_is_told(text: str) -> None:
    """Also an address that is cut short, which a resolver would complete."""
    for told in (text, ["nginx", text]):
        with pytest.raises(ValueError, match=rf"“{text}” is no network; write .* one address, or a host name"):
            proxies_of(told)


@pytest.mark.parametrize("told", [None, 10, {}, [], [["nginx"]], [1]])
def test_what_is_no_entry_is_told(told: object) -> None:
    """Lists go no deeper than one."""
    with pytest.raises(ValueError, match="must be a network, an address, a host name or a list of those"):
        proxies_of(told)


def test_names_are_told_apart() -> None:
    """Each once, and no network among them."""
    told = [["traefik", "10.0.0.0/8"], "::1", f"{LONG}.example", "traefik"]
    assert names_of([proxies_of(one) for one in told]) == (f"{LONG}.example", "traefik")


def test_only_an_address_of_a_proxy_is_believed() -> None:
    """Of the connection, that is."""
    proxies = [Proxies(("10.0.0.0/8",)), Proxies(("192.0.2.1",), once=True)]
    assert [believed(peer, proxies) for peer in ("10.0.0.1", "192.0.2.1", "192.0.2.2", "", "x")] == [True] * 2 + [
        False
    ] * 3
