"""What every request passes before anything reads its body: the key, the caller, and how much it may send."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from contextlib import nullcontext

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag_service import callers, forms
from rag_service.refusals import answer

#: Answers without a key, and with the key alone.
OPEN, NAMELESS = "/health", "/openapi.json"

UPLOADS = ("/index-document", "/index-documents")
SMALL = 4 * 2**20  # bytes of a body that carries no document
BESIDE = 2**20  # bytes of an upload beside its files
AT_ONCE = 16  # uploads that are read at once, each onto the disk; further ones wait
SILENCE = 60  # seconds after which a client that sends nothing more is given up

_SCHEME = "bearer "


class Guard:
    """Asks the key of every request but the health check, and the caller of all that touch anybody's rows."""

    def __init__(
        self, app: ASGIApp, key: Callable[[], str], max_file: Callable[[], int], clock: Callable[[], float] = time.time
    ) -> None:
        self._app, self._key, self._max_file, self._clock = app, key, max_file, clock
        self._room = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http" and scope["path"] != OPEN:
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, key = Headers(scope=scope), self._key()
        if not _right(headers.getlist("authorization"), key):
            refusal = answer(401, "wrong_key", "The key is missing or wrong.", {"WWW-Authenticate": "Bearer"})
            await refusal(scope, receive, send)
            return
        if scope["path"] != NAMELESS:
            tokens = headers.getlist(callers.HEADER)
            try:
                if len(tokens) != 1:
                    raise callers.BadToken("it is missing" if not tokens else "there are several")
                scope.setdefault("state", {})["caller"] = callers.read(tokens[0], key, self._clock())
            except callers.BadToken as bad:
                refusal = answer(401, "bad_caller", f"The header X-Maitre-On-Behalf-Of names nobody: {bad}.")
                await refusal(scope, receive, send)
                return
        most = self._most(scope["path"])
        if (said := headers.get("content-length", "")).isdigit() and int(said) > most:
            await answer(413, "too_large", _sentence(most))(scope, receive, send)
            return
        async with self._room if scope["path"] in UPLOADS else nullcontext():
            await self._app(scope, _bounded(receive, most), send)

    def _most(self, path: str) -> int:
        """The bytes that a body may have."""
        if path in UPLOADS:  # several files may have what one may
            return self._max_file() + BESIDE
        return forms.MAX_TEXT * 6 + BESIDE if path == "/index-text" else SMALL


def _right(authorization: list[str], key: str) -> bool:
    if len(authorization) != 1 or not authorization[0].lower().startswith(_SCHEME):
        return False
    return hmac.compare_digest(authorization[0][len(_SCHEME) :].encode(), key.encode())


def _bounded(receive: Receive, most: int) -> Receive:
    read, ended = 0, False

    async def bounded() -> Message:
        nonlocal read, ended
        if ended:
            return await receive()  # waits until the client leaves
        try:
            async with asyncio.timeout(SILENCE):
                message = await receive()
        except TimeoutError as silent:
            raise HTTPException(408, "The request does not come to its end.") from silent
        read, ended = read + len(message.get("body", b"")), not message.get("more_body")
        if read > most:
            raise HTTPException(413, _sentence(most))
        return message

    return bounded


def _sentence(most: int) -> str:
    return f"The request is too large: it may have {most // 2**20} MiB."
