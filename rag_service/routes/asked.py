"""Who asks, and of what: the arguments of every handler."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from rag_service.callers import Caller
from rag_service.service import Service

# The guard has asked both before; here they are described.
_KEY = Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))]
_TOKEN = Annotated[str | None, Security(APIKeyHeader(name="X-Maitre-On-Behalf-Of", auto_error=False))]


async def _caller(request: Request, key: _KEY, token: _TOKEN) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Asked = Annotated[Caller, Depends(_caller)]
Parts = Annotated[Service, Depends(_service)]
