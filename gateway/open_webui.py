"""What Open WebUI tells of a call besides who asks.

A turn carries the stamp that our Function signed (`functions/maitre.py`). Background tasks run no Function: what they
are stands in headers that a guest can have filled in through Open WebUI's `/openai` door. So a call without a stamp
that says it is a task gets what a task gets, and nothing else: a small answer, and a share of the guest's own requests.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.exchange import LOG_ID, Exchange
from maitre.chat.message import TurnRequest
from maitre.chat.text import clean

TASK = "x-maitre-task"  # the connection's own header, filled in by Open WebUI; empty for a turn
CHAT = "x-openwebui-chat-id"


def told(request: TurnRequest, exchange: Exchange) -> TurnRequest:
    """The request with what Open WebUI tells of it."""
    if request.stamp is not None:
        exchange.headers[LOG_ID] = request.stamp.turn_id
        return request
    if not exchange.header(TASK):
        return request
    return replace(request, kind="task", chat_id=clean(exchange.header(CHAT))[:200])
