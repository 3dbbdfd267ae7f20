"""The two servers that one engine may stand in, and everything in which they differ to a client.

@BOTH
def test_…(hall: Hall) -> None:
    assert … == hall.manners.unreadable
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest


def served_by(*servers: str) -> pytest.MarkDecorator:
    """Runs a test, or all tests of a module, on these servers; without it a test runs on the host."""
    return pytest.mark.parametrize("server", servers, indirect=True, scope="module")


BOTH = served_by("host", "bare")
BARE = served_by("bare")


@dataclass(frozen=True, slots=True)
class Manners:
    """How a server treats its clients, where the two do not do the same."""

    asks_for_the_key: bool  # on every route; else on its list of plugins only
    believes: str  # who asks: the signed `token`, or the `body`
    early_refusal: str  # of a stream before its first event: a real `status`, or an `event` after a 200
    unreadable: int  # status of a body that is no JSON object
    misshapen: int  # status of messages that are none
    silent_leaver: str  # status of the row when a client leaves while the upstream is silent
    at_once: int  # turns that may wait for their first token; more are refused


MANNERS = {
    "host": Manners(
        asks_for_the_key=True,
        believes="token",
        early_refusal="status",
        unreadable=400,
        misshapen=400,
        silent_leaver="stopped",
        at_once=1000,
    ),
    "bare": Manners(
        asks_for_the_key=False,
        believes="body",
        early_refusal="event",
        unreadable=422,
        misshapen=422,
        silent_leaver="error",  # it is told of nothing: the turn's own limit ends it
        at_once=24,
    ),
}
