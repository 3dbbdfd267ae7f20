"""The embedder, asked over the gateway's `/v1/embeddings`, so that every embedding is on somebody's ledger."""

from __future__ import annotations

import base64
import json
import math
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from maitre.errors import HouseError, MaitreError
from maitre.settings import House
from rag_service.callers import HEADER
from rag_service.errors import Refused

BATCH = 32  # texts of one request
SECONDS = 120.0  # that a request may last
MAX_ANSWER = 64 * 2**20  # bytes


class EmbedderDown(MaitreError):
    """The embedder does not answer, or answers with a fault of its own: later it may. `retry_after`: seconds, when it
    said so."""

    def __init__(self, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class TooMany(Refused):
    """The account may not embed more just now. `retry_after`: seconds until it may, when the gateway said so."""

    def __init__(self, code: str, sentence: str, retry_after: float | None) -> None:
        super().__init__(429, code, sentence)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class _Form:
    """How the model is told what a text is."""

    prefix: str
    input_type: str | None


class Embedder:
    """The house's embedding model, behind its gateway. Close it at the end."""

    def __init__(self, house: House, *, seconds: float = SECONDS, batch: int = BATCH) -> None:
        """`seconds` that a request may last, `batch`: texts in one. Raises HouseError for a house without `rag`."""
        if house.rag is None:
            raise HouseError("This house has no knowledge: maitre.yaml says nothing under `rag`.")
        self._url, self._key = house.endpoint("gateway").rstrip("/") + "/v1/embeddings", house.secret("rag_key")
        self._model, self._batch = house.rag.embedding, batch
        self._question = _Form(house.rag.query.prefix, house.rag.query.input_type)
        self._passage = _Form(house.rag.passage.prefix, house.rag.passage.input_type)
        self._patience = aiohttp.ClientTimeout(total=seconds, connect=10)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()

    async def question(self, text: str, on_behalf: str) -> list[float]:
        """The embedding of a question. Raises as `passages` does."""
        return (await self._ask([text], self._question, on_behalf))[0]

    async def passages(self, texts: Sequence[str], on_behalf: str) -> list[list[float]]:
        """The embeddings of passages, in their order. Raises EmbedderDown, TooMany, and Refused for any other 4xx."""
        found: list[list[float]] = []
        for start in range(0, len(texts), self._batch):
            found += await self._ask(texts[start : start + self._batch], self._passage, on_behalf)
        return found

    async def dimension(self, on_behalf: str) -> int:
        """How many numbers an embedding has. Raises as `passages` does."""
        return len(await self.question("?", on_behalf))

    async def _ask(self, texts: Sequence[str], form: _Form, on_behalf: str) -> list[list[float]]:
        body: dict[str, Any] = {
            "model": self._model,
            "input": [form.prefix + text for text in texts],
            "encoding_format": "base64",
        }
        if form.input_type is not None:
            body["input_type"] = form.input_type
        status, headers, raw = await self._post(body, on_behalf)
        if status == 200:
            return _vectors(raw, len(texts))
        code, sentence = _fault(raw, status)
        after = _seconds(headers.get("retry-after"))
        if status == 429:
            raise TooMany(code, sentence, after)
        if status >= 500 or status in (408, 409, 425):
            raise EmbedderDown(sentence, after)
        raise Refused(status, code, sentence)

    async def _post(self, body: dict[str, Any], on_behalf: str) -> tuple[int, Any, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._patience, cookie_jar=aiohttp.DummyCookieJar())
        headers = {"authorization": f"Bearer {self._key}", HEADER: on_behalf}
        try:
            async with self._session.post(self._url, json=body, headers=headers, allow_redirects=False) as answer:
                raw = bytearray()
                async for piece in answer.content.iter_chunked(2**16):
                    raw += piece
                    if len(raw) > MAX_ANSWER:
                        raise EmbedderDown("The embedder's answer is too long.")
                return answer.status, answer.headers, bytes(raw)
        except (aiohttp.ClientError, OSError) as silent:
            why = "in time" if isinstance(silent, TimeoutError) else f"({type(silent).__name__})"
            raise EmbedderDown(f"The embedder does not answer {why}.") from silent


def _vectors(raw: bytes, count: int) -> list[list[float]]:
    try:
        rows = sorted(json.loads(raw)["data"], key=lambda row: int(row["index"]))
        vectors = [_vector(row["embedding"]) for row in rows]
    except (ValueError, KeyError, TypeError, RecursionError) as spoilt:
        raise EmbedderDown("The embedder's answer holds no embeddings.") from spoilt
    if len(vectors) != count or not all(vectors) or len({len(vector) for vector in vectors}) > 1:
        raise EmbedderDown(f"The embedder gave {len(vectors)} embeddings for {count} texts, or of different lengths.")
    if not all(math.isfinite(sum(vector)) for vector in vectors):
        raise EmbedderDown("The embedder gave something that is no number.")
    return vectors


def _vector(value: str | list[float]) -> list[float]:
    if isinstance(value, list):
        return [float(number) for number in value]
    numbers = array("f", base64.b64decode(value, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def _fault(raw: bytes, status: int) -> tuple[str, str]:
    try:
        error = json.loads(raw)["error"]
        return str(error.get("code") or "embedder_refused"), str(error["message"])[:500]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "embedder_refused", f"The embedder answered with HTTP {status}."


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:
        return None  # a date: nobody of ours sends one
