"""A model that answers, asked over the gateway's `/v1/chat/completions`, so that the answer is on somebody's ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from maitre.errors import MaitreError
from maitre.settings import House
from rag_service.callers import HEADER
from rag_service.errors import Refused
from rag_service.ports import Answer

#: Tokens of an answer; a small model may else repeat itself until its context is full.
LONGEST = 500
LARGEST = 8 * 2**20  # bytes of an answer


class ChatDown(MaitreError):
    """The gateway gives no answer; later it may. `retry_after`: seconds, when it said so."""

    def __init__(self, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class ChatRefused(Refused):
    """The gateway refused the caller. `retry_after`: seconds, when it said so."""

    def __init__(self, status: int, code: str, sentence: str, retry_after: float | None) -> None:
        super().__init__(status, code, sentence)
        self.retry_after = retry_after


class Chat:
    """The house's models, behind its gateway. Close it at the end."""

    def __init__(self, house: House) -> None:
        self._url, self._key = house.endpoint("gateway").rstrip("/") + "/v1/chat/completions", house.secret("rag_key")
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=house.max_turn_seconds, connect=10), cookie_jar=aiohttp.DummyCookieJar()
        )

    async def close(self) -> None:
        """Let the connections go."""
        await self._session.close()

    async def answer(self, model: str, messages: Sequence[Mapping[str, str]], on_behalf: str) -> Answer:
        """What the model says. Raises ChatRefused for what the gateway refuses, ChatDown when it cannot answer."""
        headers = {"authorization": f"Bearer {self._key}", HEADER: on_behalf}
        body = {"model": model, "messages": list(messages), "max_tokens": LONGEST}
        try:
            async with self._session.post(self._url, json=body, headers=headers, allow_redirects=False) as got:
                status, after = got.status, _seconds(got.headers.get("retry-after"))
                raw = b""
                while len(raw) < LARGEST and (more := await got.content.read(LARGEST - len(raw))):
                    raw += more
        except (aiohttp.ClientError, TimeoutError, OSError) as silent:
            raise ChatDown(f"The gateway does not answer ({type(silent).__name__}).") from silent
        if status == 200:
            return _answer(raw, model)
        code, sentence = _fault(raw, status)
        if status >= 500:
            raise ChatDown(sentence, after)
        raise ChatRefused(status, code, sentence, after)


def _answer(raw: bytes, model: str) -> Answer:
    try:
        body = json.loads(raw)
        text = body["choices"][0]["message"]["content"] or ""
        return Answer(str(text), str(body.get("model") or model), body.get("usage"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as spoilt:
        raise ChatDown("The gateway's answer holds no message.") from spoilt


def _fault(raw: bytes, status: int) -> tuple[str, str]:
    try:
        error: dict[str, Any] = json.loads(raw)["error"]
        return str(error.get("code") or "chat_refused"), str(error["message"])[:500]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "chat_refused", f"The gateway answered with HTTP {status}."


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isdigit() else None
