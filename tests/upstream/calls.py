"""What the upstream remembers of each call, for comparing it with a ledger or with what a client received."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Ended = Literal["open", "completed", "client gone", "cut", "error"]


@dataclass(slots=True)
class Call:
    """One accepted chat completion. It grows until `ended` is no longer "open"."""

    number: int  # from 1, over the life of the server
    request_id: str | None  # the header X-Request-Id
    at: float  # Unix time of the whole request
    body: dict[str, Any]
    headers: dict[str, str]  # lower-case names
    stream: bool
    status: int = 200
    events: list[bytes] = field(default_factory=list)  # each SSE event sent, with its blank line
    times: list[float] = field(default_factory=list)  # when each was sent: seconds of the machine's monotonic clock
    deltas: int = 0  # content, reasoning and tool-call deltas sent
    usage: dict[str, int] | None = None  # what a whole answer counts, whether or not it was sent
    usage_sent: bool = False
    ended: Ended = "open"
    ended_at: float | None = None
    told_at: float | None = None  # a moment before the caller could know of the end

    def to_json(self, brief: bool) -> dict[str, Any]:
        """For GET /_log; `brief` leaves out the bodies and the bytes."""
        seen: dict[str, Any] = {
            "number": self.number,
            "request_id": self.request_id,
            "at": self.at,
            "stream": self.stream,
            "status": self.status,
            "events": len(self.events),
            "deltas": self.deltas,
            "usage": self.usage,
            "usage_sent": self.usage_sent,
            "ended": self.ended,
            "ended_at": self.ended_at,
        }
        if not brief:
            seen["body"] = self.body
            seen["headers"] = self.headers
            seen["times"] = self.times
            seen["sent"] = [event.decode("utf-8", "backslashreplace") for event in self.events]
        return seen
