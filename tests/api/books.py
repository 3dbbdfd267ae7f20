"""The whole house's ledger beside the upstream's own log."""

from __future__ import annotations

from tests.engine.hall import Hall
from tests.upstream import ScriptedUpstream


def unmetered(hall: Hall, upstream: ScriptedUpstream) -> set[str | None]:
    """Upstream calls without a row."""
    rows = hall.ask(lambda books: books.usage(None, None, 1_000_000))
    return {call.request_id for call in upstream.calls} - {row["request_id"] for row in rows}


def uncalled(hall: Hall, upstream: ScriptedUpstream) -> set[str]:
    """Settled rows without an upstream call."""
    rows = hall.ask(lambda books: books.usage(None, None, 1_000_000))
    called = {call.request_id for call in upstream.calls}
    return {row["request_id"] for row in rows if row["status"] != "open"} - called


def opened(hall: Hall) -> int:
    """Rows that are not settled."""
    return sum(row["status"] == "open" for row in hall.ask(lambda books: books.usage(None, None, 1_000_000)))
