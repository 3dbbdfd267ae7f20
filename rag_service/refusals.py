"""Whatever goes wrong, as a client of OpenAI's API reads it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from maitre.errors import MaitreError
from rag_service.errors import Refused
from rag_service.store.faults import StoreFault

SOON = 5  # seconds after which it makes sense to ask again

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {404: "not_found", 405: "method_not_allowed", 408: "too_slow", 413: "too_large"}
_log = logging.getLogger("rag_service")


def answer(
    status: int, code: str, sentence: str, headers: Mapping[str, str] | None = None, param: str | None = None
) -> JSONResponse:
    """The answer that refuses a request."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    error = {"message": sentence, "type": kind, "code": code, "param": param}
    # Half a character of a request may come back in a sentence, and no JSON of ours can hold it.
    told = {name: said.encode("utf-8", "replace").decode() if said else said for name, said in error.items()}
    return JSONResponse({"error": told}, status, headers)


def install(app: FastAPI) -> None:
    """Give each kind of error its answer."""
    app.exception_handler(Refused)(_refused)
    app.exception_handler(MaitreError)(_down)
    app.exception_handler(StoreFault)(_store)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)
    for kind in (psycopg.OperationalError, psycopg.InterfaceError):
        app.exception_handler(kind)(_database)
    app.exception_handler(psycopg.errors.ForeignKeyViolation)(_deleted)
    app.exception_handler(Exception)(_bug)


async def _refused(_: Request, fault: Refused) -> JSONResponse:
    return answer(fault.status, fault.code, str(fault), _after(fault))


async def _down(_: Request, fault: MaitreError) -> JSONResponse:
    return answer(503, "unavailable", str(fault), {"Retry-After": str(SOON)} | _after(fault))


async def _store(_: Request, fault: StoreFault) -> JSONResponse:
    return answer(400, "bad_request", str(fault))


async def _invalid(_: Request, fault: RequestValidationError) -> JSONResponse:
    first = fault.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    param = ".".join(place)[:200]
    why = str(first["msg"]).removeprefix("Value error, ")
    sentence = f"The parameter “{param}” is wrong: {why}." if param else f"The request is wrong: {why}."
    return answer(400, "bad_request", sentence, param=param or None)


async def _http(_: Request, fault: HTTPException) -> JSONResponse:
    code = _CODES.get(fault.status_code, "bad_request")
    sentence = {404: "There is nothing here.", 405: "This path does not take that method."}.get(fault.status_code)
    return answer(fault.status_code, code, sentence or str(fault.detail), fault.headers)


async def _database(_: Request, fault: Exception) -> JSONResponse:
    _log.warning("Postgres does not serve a request: %s", type(fault).__name__)
    return answer(503, "unavailable", "The database does not answer.", {"Retry-After": str(SOON)})


async def _deleted(_: Request, fault: Exception) -> JSONResponse:
    return answer(404, "unknown_collection", "The collection was deleted meanwhile.")


async def _bug(_: Request, fault: Exception) -> JSONResponse:
    return answer(500, "internal", "The service made a mistake, which is in its log.")


def _after(fault: Exception) -> dict[str, str]:
    seconds = getattr(fault, "retry_after", None)
    return {} if seconds is None else {"Retry-After": str(int(seconds))}
