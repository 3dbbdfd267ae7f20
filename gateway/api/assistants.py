"""`/api/v1/assistants/{slug or id}`: an assistant by its own address, as a chat or one-shot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.answers import Problem
from gateway.api.api import Api
from gateway.api.chat import asked
from gateway.caller import Caller
from gateway.exchange import Exchange

#: A query longer than this is refused. Bytes.
LONGEST_QUERY = 8 * 1024

#: What an invocation's body may hold.
_FIELDS = ("input", "session_id", "store", "variables")

#: Where clients of other APIs put a key: a URL gets into logs and histories, so none of ours is taken there.
_KEYS = ("key", "api_key", "token")

_OURS = "assistants."


async def chat(api: Api, exchange: Exchange, caller: Caller) -> None:
    """A chat completion of the assistant: the body is OpenAI's, and needs no model."""
    body = {**await exchange.body(), "model": _id(exchange)}
    await api.turns.serve(asked(api, exchange, caller, body), exchange.receive, exchange.send)


async def post_invoke(api: Api, exchange: Exchange, caller: Caller) -> None:
    """One input, one answer, as plain JSON."""
    body = await exchange.body()
    for name in body:
        if name not in _FIELDS:
            raise Problem(400, f"An invocation takes {', '.join(_FIELDS)}, and not “{name[:40]}”.")
    await _invoke(api, exchange, caller, body)


async def get_invoke(api: Api, exchange: Exchange, caller: Caller) -> None:
    """The same by a URL: `input`, `session_id`, and the assistant's variables by their names."""
    exchange.headers["Cache-Control"] = "no-store"
    if len(exchange.scope["query_string"]) > LONGEST_QUERY:
        raise Problem(414, f"The URL's parameters are longer than {LONGEST_QUERY // 1024} KiB. Use POST.")
    told: dict[str, str] = {}
    for name, value in exchange.query:
        if name.lower() in _KEYS:
            raise Problem(400, "No key belongs into a URL. Send it as “Authorization: Bearer …”, and replace this one.")
        if name in told:
            raise Problem(400, f"“{name[:40]}” is there twice.")
        told[name] = value
    body: dict[str, Any] = {name: told.pop(name) for name in ("input", "session_id") if name in told}
    await _invoke(api, exchange, caller, {**body, "variables": told})


async def _invoke(api: Api, exchange: Exchange, caller: Caller, body: Mapping[str, Any]) -> None:
    text = body.get("input")
    if not isinstance(text, str) or not text.strip():
        raise Problem(400, "The input is missing: “input” is the text to answer.")
    rest = {name: value for name, value in body.items() if name != "input"}
    id = _id(exchange)
    request = asked(api, exchange, caller, {**rest, "model": id, "messages": [{"role": "user", "content": text}]})

    def shape(whole: Mapping[str, Any]) -> dict[str, Any]:
        assistant = api.engine.turns.reception.catalogue.assistants.get(id.removeprefix(_OURS))
        checked = assistant is not None and assistant.json_answer
        return {"id": exchange.id, "assistant": id, **_said(whole, checked=checked)}

    await api.turns.whole(request, exchange.receive, exchange.send, shape=shape)


def _said(whole: Mapping[str, Any], *, checked: bool) -> dict[str, Any]:
    """What an invocation tells of a chat completion."""
    choice = whole["choices"][0]
    output = (choice.get("message") or {}).get("content") or ""
    more = {name: whole[name] for name in ("session_id", "sources") if name in whole}
    parsed = {"json": json.loads(output)} if checked else {}
    ends = {"usage": whole.get("usage"), "finish_reason": choice.get("finish_reason")}
    return {"output": output, **parsed, **more, **ends}


def _id(exchange: Exchange) -> str:
    """The assistant's public id: the path names it so, or by its slug."""
    return _OURS + exchange.values["slug"].removeprefix(_OURS)
