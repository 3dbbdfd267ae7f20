"""Who asks, and of what: the arguments of every handler."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from rag_service.callers import Caller
from rag_service.service import Service


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Asked = Annotated[Caller, Depends(_caller)]
Parts = Annotated[Service, Depends(_service)]
