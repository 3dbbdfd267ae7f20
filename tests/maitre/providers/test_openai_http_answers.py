"""Whole answers of any size, and errors that are not the guest's, over the scripted upstream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from maitre.errors import ProviderError
from maitre.providers.openai_http import OpenAIUpstream
from maitre.providers.provider import Provider
from tests.upstream import running_upstream


@pytest.fixture
async def upstream() -> AsyncIterator[OpenAIUpstream]:
    """A client of a scripted upstream."""
    with running_upstream() as server:
        client = OpenAIUpstream(Provider("scripted", "openai", f"{server.url}/v1"))
        yield client
        await client.close()


def body(**script: Any) -> dict[str, Any]:
    """A request that plays this script."""
    return {"model": "m", "messages": [{"role": "user", "content": f"script:{json.dumps(script)}"}]}


async def test_a_long_whole_answer_is_read_to_its_end(upstream: OpenAIUpstream) -> None:
    """An answer that arrives in many packets is whole."""
    answer = await upstream.complete(body(text="word " * 200_000), "r1")
    assert len(answer["choices"][0]["message"]["content"]) == 1_000_000


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_of_the_house_is_not_the_guests(upstream: OpenAIUpstream, status: int) -> None:
    """A guest who reads 401 looks for the fault in the own key, and some clients sign out."""
    with pytest.raises(ProviderError) as failed:
        await upstream.complete(body(status=status), "r2")
    assert failed.value.status == 502
