"""A guest's evening in a deployed house."""

from __future__ import annotations

from tests.docker.deployed import Deployed


def test_first(house: Deployed) -> None:
    """x"""
    assert house.guest("open_webui").get("/health").json() == {"status": True}
