"""The client of the gateway's chat completions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from maitre.settings import House
from rag_service.chat_http import Chat, ChatDown, ChatRefused
from tests.loopback import served

RIGHT = {"model": "models.x", "choices": [{"message": {"content": "Yes [1]."}}], "usage": {"total_tokens": 3}}
FULL = {"error": {"message": "Wait.", "code": "rate_limit_exceeded"}}


@pytest.fixture
async def gateway(stores: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Any]]:
    """A gateway that gives `answer`, and keeps what it was asked in `asked`."""
    told: dict[str, Any] = {"answer": (200, {}, RIGHT)}

    async def chat(request: web.Request) -> web.Response:
        told["asked"] = (dict(request.headers), await request.json())
        status, headers, body = told["answer"]
        if isinstance(body, bytes):
            return web.Response(status=status, headers=headers, body=body)
        return web.json_response(body, status=status, headers=headers)

    async with served(chat, "/v1/chat/completions", "POST") as url:
        monkeypatch.setenv("MAITRE_GATEWAY_URL", url)
        told["chat"] = Chat(stores)
        yield told
        await told["chat"].close()


async def test_an_answer_comes_with_its_model_and_usage(gateway: dict[str, Any], stores: House) -> None:
    """The house's key opens the gateway, and the token says for whom."""
    said = await gateway["chat"].answer("x", [{"role": "user", "content": "?"}], "token")
    assert (said.text, said.model, said.usage) == ("Yes [1].", "models.x", {"total_tokens": 3})
    headers, body = gateway["asked"]
    assert headers["Authorization"] == f"Bearer {stores.secret('rag_key')}"
    assert headers["x-maitre-on-behalf-of"] == "token"
    assert body == {"model": "x", "messages": [{"role": "user", "content": "?"}], "max_tokens": 500}


async def test_a_refusal_is_told_as_the_gateway_tells_it(gateway: dict[str, Any]) -> None:
    """With its status, code, sentence and time."""
    gateway["answer"] = (429, {"Retry-After": "9"}, FULL)
    with pytest.raises(ChatRefused, match="Wait") as refused:
        await gateway["chat"].answer("x", [], "token")
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (429, "rate_limit_exceeded", 9)


@pytest.mark.parametrize("answer", [(503, {}, b""), (200, {}, b"{"), (200, {}, b"[]"), (200, {}, {"choices": []})])
async def test_what_is_no_answer_is_down(gateway: dict[str, Any], answer: tuple[int, dict[str, str], Any]) -> None:
    """Whether it says so, or says nothing that can be read."""
    gateway["answer"] = answer
    with pytest.raises(ChatDown):
        await gateway["chat"].answer("x", [], "token")
