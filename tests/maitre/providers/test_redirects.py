"""A provider that sends a call elsewhere: neither the key nor the guest's words follow."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from maitre.errors import ProviderError, Refusal
from maitre.providers.keyring import Keyring
from maitre.providers.kinds_http import upstream_of
from maitre.providers.provider import Provider
from maitre.providers.upstream_error import Told, told
from tests.loopback import served


class Elsewhere:
    """A server that sends everything to another path of its own, under another name."""

    def __init__(self) -> None:
        self.url = ""
        self.reached: list[str] = []
        self.cookies: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        """A redirect that keeps the method and the body; elsewhere a note of who came."""
        self.cookies.append(request.headers.get("Cookie", ""))
        if request.path.startswith("/elsewhere"):
            self.reached.append(request.path)
            return web.json_response({"choices": [{"message": {"content": "stolen"}}]})
        target = f"{self.url.replace('127.0.0.1', 'localhost')}/elsewhere"
        return web.Response(status=307, headers={"Location": target, "Set-Cookie": "guest=one; Path=/"})


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    """The server, running."""
    server = Elsewhere()
    async with served(server.answer) as server.url:
        yield server


@pytest.mark.parametrize("kind", ["openai", "anthropic", "ollama", "vllm", "llama_cpp"])
async def test_no_redirect_is_followed(elsewhere: Elsewhere, kind: str) -> None:
    """The call failed, and the guest reads the house's sentence; no cookie is kept for the next guest's call."""
    client = upstream_of(Provider("p", kind, elsewhere.url, "house-key-1"), Keyring())
    body = {"model": "m", "messages": [{"role": "user", "content": "secret words"}], "max_tokens": 5}
    try:
        assert await client.count_prompt(body) is None
        with pytest.raises(ProviderError) as whole:
            await client.complete(body, "r1")
        with pytest.raises(ProviderError):
            async for _ in client.stream(body, "r2"):
                pass
        with pytest.raises(Refusal):
            await client.embed({"model": "m", "input": ["secret words"]}, "r3")
    finally:
        await client.close()
    assert told(whole.value, "models.m") == Told(502, "", "")
    assert elsewhere.reached == []
    assert set(elsewhere.cookies) == {""}
