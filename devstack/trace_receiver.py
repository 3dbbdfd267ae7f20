"""`python -m devstack.trace_receiver --port P --file F`: a stand-in for Langfuse, with the few routes that Maitre uses.

It says so in every answer (header `x-stands-for: langfuse`). The keys come from LANGFUSE_PUBLIC_KEY and
LANGFUSE_SECRET_KEY; every route but the health check asks for them.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import os
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstack.spans import read_export
from devstack.trace_store import TraceStore

HEALTH = "/api/public/health"
LARGEST = 32_000_000  # bytes of one export, unpacked
COLUMNS = {"userId": "user", "sessionId": "session", "name": "name"}


def application(store: TraceStore, public_key: str, secret_key: str) -> Starlette:
    """The routes, on a store, open to whoever has the two keys."""
    expected = b"Basic " + base64.b64encode(f"{public_key}:{secret_key}".encode())

    async def keys(request: Request, onward: Callable[[Request], Awaitable[Response]]) -> Response:
        given = request.headers.get("authorization", "").encode()
        if request.url.path == HEALTH or hmac.compare_digest(given, expected):
            answer = await onward(request)
        else:
            answer = _refused(401, "Invalid credentials. Confirm that you've configured the correct host.")
        answer.headers["x-stands-for"] = "langfuse"
        return answer

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "OK", "version": "a stand-in for Langfuse"})

    async def projects(_: Request) -> Response:
        maitre = {"id": "maitre", "name": "maitre"}
        return JSONResponse({"data": [{**maitre, "organization": maitre, "metadata": {}}]})

    async def export(request: Request) -> Response:
        try:
            body = unpacked(await request.body(), request.headers.get("content-encoding", ""))
            spans = read_export(body)
        except (OSError, EOFError, zlib.error, DecodeError, ValueError) as bad:
            return _refused(400, f"Not an OTLP export: {bad}")
        await run_in_threadpool(store.add_spans, spans)
        return Response(b"", media_type="application/x-protobuf")  # an empty ExportTraceServiceResponse

    async def ingestion(request: Request) -> Response:
        good, bad = [], []
        for event in (await request.json()).get("batch", []):
            if event.get("type") == "score-create" and event.get("body", {}).get("name"):
                await run_in_threadpool(store.add_score, scored(event["body"], event["id"], event.get("timestamp")))
                good.append({"id": event["id"], "status": 201})
            else:
                bad.append({"id": event.get("id"), "status": 400, "message": "Only score-create is understood here."})
        return JSONResponse({"successes": good, "errors": bad}, 207)

    async def score(request: Request) -> Response:
        body = await request.json()
        if not isinstance(body, dict) or not body.get("name"):
            return _refused(400, "Invalid request data: expected one score")
        body = scored(body, os.urandom(16).hex(), None)
        await run_in_threadpool(store.add_score, body)
        return JSONResponse({"id": body["id"]})

    async def traces(request: Request) -> Response:
        asked = request.query_params
        try:
            page, limit = max(1, int(asked.get("page", 1))), min(100, max(1, int(asked.get("limit", 50))))
        except ValueError:
            return _refused(400, "Invalid request data: page and limit are numbers")
        wanted = {column: asked[name] for name, column in COLUMNS.items() if asked.get(name)}
        shown, total = await run_in_threadpool(store.traces, wanted, page, limit)
        meta = {"page": page, "limit": limit, "totalItems": total, "totalPages": -(-total // limit)}
        return JSONResponse({"data": shown, "meta": meta})

    async def trace(request: Request) -> Response:
        found = await run_in_threadpool(store.trace, request.path_params["id"])
        return JSONResponse(found) if found else _refused(404, "Trace not found")

    return Starlette(
        routes=[
            Route(HEALTH, health),
            Route("/api/public/projects", projects),
            Route("/api/public/otel/v1/traces", export, methods=["POST"]),
            Route("/api/public/ingestion", ingestion, methods=["POST"]),
            Route("/api/public/scores", score, methods=["POST"]),
            Route("/api/public/traces", traces),
            Route("/api/public/traces/{id}", trace),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=keys)],
    )


def unpacked(body: bytes, encoding: str) -> bytes:
    """The body without gzip. Raises ValueError when it would be too large."""
    if encoding == "gzip":
        opened = zlib.decompressobj(zlib.MAX_WBITS | 16)
        body = opened.decompress(body, LARGEST)
        if not opened.eof:
            raise ValueError("it is cut off or too large")
    elif encoding not in ("", "identity"):
        raise ValueError(f"unknown content encoding {encoding}")
    if len(body) > LARGEST:
        raise ValueError("it is too large")
    return body


def scored(body: dict[str, Any], id: str, at: str | None) -> dict[str, Any]:
    """A score as it is kept."""
    return {"source": "API", "timestamp": at, **body, "id": body.get("id") or id}


def _refused(status: int, why: str) -> JSONResponse:
    return JSONResponse({"message": why, "error": why}, status)


def main() -> None:
    """Serve on 127.0.0.1 until SIGTERM."""
    import uvicorn

    asked = argparse.ArgumentParser()
    asked.add_argument("--port", type=int, required=True)
    asked.add_argument("--file", type=Path, required=True)
    given = asked.parse_args()
    store = TraceStore(given.file)
    app = application(store, os.environ["LANGFUSE_PUBLIC_KEY"], os.environ["LANGFUSE_SECRET_KEY"])
    try:
        uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning", timeout_graceful_shutdown=2)
    finally:
        store.close()


if __name__ == "__main__":
    main()
