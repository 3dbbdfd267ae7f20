"""Where a Valkey is, from its URL."""

from __future__ import annotations

import pytest

from maitre.errors import ConfigError
from maitre.valkey.address import Address, address

GOOD = {
    "redis://valkey": Address(host="valkey"),
    "redis://:a%40b%2F@127.0.0.1:7000/3": Address(host="127.0.0.1", port=7000, password="a@b/", database=3),
    "rediss://maitre:secret@valkey.example/": Address(
        host="valkey.example", tls=True, user="maitre", password="secret"
    ),
    "redis://[::1]:6380/0": Address(host="::1", port=6380),
    "unix:///run/valkey%20a.sock": Address(path="/run/valkey a.sock"),
    "unix://:secret@/run/valkey.sock?db=2": Address(path="/run/valkey.sock", password="secret", database=2),
}
BAD = {
    "http://:secret@valkey": "redis://",
    "valkey:6379": "redis://",
    "redis://": "no place",
    "unix://": "no place",
    "redis://:secret@valkey:port": "no number",
    "redis://:secret@valkey:70000": "no number",
    "redis://:secret@valkey/first": "no number",
    "redis://:secret@valkey/-1": "negative",
    "redis://:secret@valkey?ssl_cert_reqs=none": "ssl_cert_reqs",
    "unix://:secret@/run/valkey.sock?db=one": "no number",
}


@pytest.mark.parametrize("url", GOOD)
def test_address(url: str) -> None:
    """The parts of a URL, percent-decoded."""
    assert address(url) == GOOD[url]


@pytest.mark.parametrize("url", BAD)
def test_a_bad_url_is_named_without_its_password(url: str) -> None:
    """A URL that cannot be used is a mistake in the house's settings; the text says which, and no secret."""
    with pytest.raises(ConfigError, match=BAD[url]) as caught:
        address(url)
    assert "secret" not in str(caught.value)


def test_a_password_is_not_shown() -> None:
    """An address in a log or a traceback keeps its secret."""
    assert "secret" not in repr(address("redis://:secret@valkey"))
