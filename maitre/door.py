"""What a manifold's `pipe()` does in the bare Pipelines server, for both of ours: hand the turn to the engine and
give back what it yields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from fastapi import HTTPException

from maitre import portal
from maitre.chat import openai_wire
from maitre.chat.sentences import language
from maitre.errors import Refusal


def serve(model: str, body: Mapping[str, Any]) -> Iterator[str] | dict[str, Any]:
    """The turn's events, or its whole answer.

    In a stream a refusal is an error event, because the Pipelines server has sent its 200 before it asks us; whole,
    it is a real HTTP error with the sentence as its `detail`.
    """
    opened = portal.current()
    engine = opened.engine
    request = None
    try:
        request = engine.requests.request(model, body)
        if body.get("stream"):
            serve_it = partial(engine.turns.stream, request)
            told = request.stamp.language if request.stamp else ""
            broken = partial(portal.broke_off, language(told, engine.turns.terms.language))
            return opened.stream(serve_it, heartbeat=request.door == "browser", broken=broken)
        with opened.seats.take():
            return opened.call(engine.turns.answer(request))
    except Refusal as refused:
        text = engine.turns.sentence(refused, request)
        if body.get("stream"):
            return iter([openai_wire.error_chunk(refused, text).decode(), "data: [DONE]"])
        headers = {"Retry-After": str(refused.retry_after)} if refused.retry_after else None
        raise HTTPException(refused.status, detail=text, headers=headers) from refused
