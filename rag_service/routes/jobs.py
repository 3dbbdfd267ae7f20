"""Jobs: how far a document is, or an import."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import psycopg
from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from rag_service import collections, documents, imports
from rag_service.callers import Caller
from rag_service.collections import Kept
from rag_service.database import Connection
from rag_service.errors import Refused
from rag_service.ports import Job
from rag_service.routes.asked import Asked, Parts
from rag_service.service import Service

router = APIRouter(tags=["jobs"])

PAUSE = 0.5  # seconds between two looks at a job
QUIET = 20  # looks without news after which a comment says that the stream lives


@router.get("/jobs/{id}")
async def one(id: str, caller: Asked, service: Parts) -> dict[str, Any]:
    """How a job is."""
    return shown(await _look(id, caller, service))


@router.get("/jobs/{id}/events", response_class=StreamingResponse)
async def events(id: str, caller: Asked, service: Parts) -> StreamingResponse:
    """The same as server-sent events, at each change, until it ends."""
    first = await _look(id, caller, service)
    return StreamingResponse(_events(first, caller, service), media_type="text/event-stream")


@router.post("/jobs/{id}/cancel")
async def cancel(id: str, caller: Asked, service: Parts) -> dict[str, Any]:
    """Put an end to a job; what answered goes on answering."""
    async with service.pool.connection() as connection:
        _, kept = await _find(connection, id, caller, service)
        kept.for_change(caller)
        if not await (imports if imports.is_import(id) else service.jobs).cancel(connection, id):
            raise Refused(409, "ended", "The job has ended already.")
    return shown(await _look(id, caller, service))


@router.post("/jobs/{id}/retry", status_code=202)
async def retry(id: str, caller: Asked, service: Parts) -> dict[str, Any]:
    """Try a failed or cancelled job again."""
    async with service.pool.connection() as connection:
        _, kept = await _find(connection, id, caller, service)
        service.same_model(kept.for_change(caller))
        if imports.is_import(id):
            raise Refused(409, "not_failed", "An import is not tried again: its password is forgotten; begin it anew.")
        if not await service.jobs.retry(connection, id):
            raise Refused(409, "not_failed", "Only the newest job of a document can be tried again, when it failed.")
    return shown(await _look(id, caller, service))


def shown(job: Job) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "job": job.id,
        "document": None if job.document is None else str(job.document),
        "status": job.status,
        "stage": job.stage,
        "done": job.done,
        "total": job.total,
        "attempts": job.attempts,
        "fault": job.fault,
        "fault_code": job.fault_code,
    }


async def _find(connection: Connection, id: str, caller: Caller, service: Service) -> tuple[Job, Kept]:
    unknown = Refused(404, "unknown_job", "There is no such job.")
    try:
        if imports.is_import(id):
            if (one := await imports.job(connection, id)) is None:
                raise unknown
            return one, await collections.find(connection, caller, one.collection)
        if (job := await service.jobs.job(connection, id)) is None:
            raise unknown
        return job, (await documents.find(connection, caller, str(job.document))).kept
    except Refused:
        raise unknown from None


async def _look(id: str, caller: Caller, service: Service) -> Job:
    async with service.pool.connection() as connection:
        return (await _find(connection, id, caller, service))[0]


async def _events(job: Job, caller: Caller, service: Service) -> AsyncIterator[str]:
    id, told, quiet = job.id, "", 0
    while True:
        if (now := json.dumps(shown(job))) != told:
            told, quiet = now, 0
            yield f"data: {now}\n\n"
        elif (quiet := quiet + 1) % QUIET == 0:
            yield ": still at it\n\n"
        if job.ended:
            return
        await asyncio.sleep(PAUSE)
        try:
            job = await _look(id, caller, service)
        except Refused:
            return  # it was deleted, or is no longer the caller's to see
        except psycopg.OperationalError:
            quiet += 1  # the database comes back, or the client leaves
