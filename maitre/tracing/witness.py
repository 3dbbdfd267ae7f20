"""Traces of turns that we do not serve: seen at a filter's inlet and outlet only.

What the inlet saw waits here, bounded, for its outlet; a turn without an outlet (Stop, an API client) leaves no
trace, and a restart forgets those under way. Pure but for its memory.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from maitre.tracing.trace import Report, Tracer

REMEMBERED = 2000  # turns whose outlet is awaited


class Witness:
    """Sees the beginning and the end of somebody else's turns."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._begun: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    def begin(self, body: Mapping[str, Any], user: Mapping[str, Any], now: datetime) -> None:
        """Remember when a turn began. Tasks have no outlet and are not awaited."""
        metadata = body.get("metadata") or {}
        message_id = str(metadata.get("message_id") or "")
        if message_id and not metadata.get("task"):
            self._begun[str(user.get("id")), message_id] = now
            while len(self._begun) > REMEMBERED:
                self._begun.popitem(last=False)

    def end(self, body: Mapping[str, Any], user: Mapping[str, Any], now: datetime, record: str) -> None:
        """Report the turn, if its beginning was seen and `record` allows; only a message's first outlet counts."""
        message_id = str(body.get("id") or "")
        begun = self._begun.pop((str(user.get("id")), message_id), None)
        if begun is None or record == "none":
            return
        messages = [message for message in body.get("messages") or [] if isinstance(message, Mapping)]
        last = messages[-1] if messages else {}
        usage = last.get("usage") or (last.get("info") or {}).get("usage") or {}
        full = record == "full"
        self._tracer.report(
            Report(
                trace_id=hashlib.sha256(message_id.encode()).hexdigest()[:32],
                request_id="",
                name=str(body.get("model") or ""),
                kind="turn",
                door="filter",
                user_id=str(user.get("id") or ""),
                email=str(user.get("email") or ""),
                session_id=str(body.get("chat_id") or ""),
                plan="",
                assistant="",
                provider="open-webui",
                model=str(body.get("model") or ""),
                verdict="seen by the filter",
                status="done",
                started=begun,
                ended=now,
                first_token_at=None,
                parameters={},
                input=str(messages[:-1])[:32_000] if full else None,
                output=str(last.get("content") or "")[:32_000] if full else None,
                prompt_tokens=_count(usage.get("input_tokens")),
                completion_tokens=_count(usage.get("output_tokens")),
                estimated=False,
                cost=Decimal(0),
                currency="",
                problem="",
            )
        )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
