"""Documents that come in."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Response, UploadFile
from pydantic import TypeAdapter, ValidationError

from rag_service import collections, documents
from rag_service.callers import Caller
from rag_service.documents import Accepted, Upload
from rag_service.errors import Refused
from rag_service.forms import Line, Link, Metadata, Name, TextForm
from rag_service.plain import parsed
from rag_service.routes.asked import Asked, Parts
from rag_service.service import Service

router = APIRouter(tags=["uploads"])

MOST = 100  # files of a request

_METADATA: TypeAdapter[dict[str, Any]] = TypeAdapter(Metadata)
_LINE: TypeAdapter[str] = TypeAdapter(Line)

InCollection = Annotated[Name, Form(examples=["handbook"])]
MetadataJson = Annotated[str, Form(max_length=20_000, examples=['{"year": 2026}'])]


@router.post("/index-document", status_code=202)
async def index_document(
    caller: Asked,
    service: Parts,
    response: Response,
    file: UploadFile,
    collection: InCollection,
    title: Annotated[Line, Form()] = "",
    url: Annotated[Link, Form()] = "",
    key: Annotated[Line, Form(description="The document's name in the collection; else the file's.")] = "",
    metadata: MetadataJson = "{}",
) -> dict[str, str]:
    """Index a file. What answers under its key, answers until it is ready; the same again is `unchanged`."""
    about = _metadata(metadata)
    async with service.room:
        upload = await _upload(service, file, key, title, url, about)
        (accepted,) = await _put(service, caller, collection, [upload])
    return _told(accepted, response)


@router.post("/index-documents", status_code=202)
async def index_documents(
    caller: Asked,
    service: Parts,
    file: Annotated[list[UploadFile], File(description="Several of them; each one's key is its name.")],
    collection: InCollection,
    metadata: MetadataJson = "{}",
) -> dict[str, list[dict[str, str]]]:
    """Index several files: all of them, or none when one is refused."""
    about = _metadata(metadata)
    if len(file) > MOST:
        raise Refused(400, "bad_request", f"The parameter “file” is wrong: there are more than {MOST}.")
    async with service.room:
        uploads = [await _upload(service, one, "", "", "", about) for one in file]
        if len({upload.key for upload in uploads}) < len(uploads):
            raise Refused(400, "bad_request", "The parameter “file” is wrong: two files have the same name.")
        return {"documents": [one.shown() for one in await _put(service, caller, collection, uploads)]}


@router.post("/index-text", status_code=202)
async def index_text(form: TextForm, caller: Asked, service: Parts, response: Response) -> dict[str, str]:
    """Index a text, as Markdown."""
    key = form.key or form.title
    if not key:
        raise Refused(400, "bad_request", "The parameter “key” is missing, and “title” with it.")
    data = form.text.encode()
    if not data.strip():
        raise _empty(key)
    if len(data) > service.max_file_bytes:
        raise _too_large(key, service)
    async with service.room:
        # A name would be taken for its title.
        upload = await _made(key, form.title, form.url, form.metadata, "", "text/markdown", data)
        (accepted,) = await _put(service, caller, form.collection, [upload])
    return _told(accepted, response)


async def _put(service: Service, caller: Caller, name: str, uploads: list[Upload]) -> list[Accepted]:
    async with service.pool.connection() as connection:
        collection = (await collections.find(connection, caller, name)).for_change(caller)
        service.same_model(collection)
        # In the order of their keys, so that two requests never wait for each other.
        made = {
            upload.key: await documents.put(connection, collection, upload, service.jobs, uuid.uuid4())
            for upload in sorted(uploads, key=lambda upload: upload.key)
        }
    return [made[upload.key] for upload in uploads]


async def _upload(
    service: Service, file: UploadFile, key: str, title: str, url: str, metadata: dict[str, Any]
) -> Upload:
    try:
        name = _LINE.validate_python((file.filename or "").replace("\\", "/").rpartition("/")[2])
        media_type = _LINE.validate_python(file.content_type or "")
    except ValidationError as bad:
        raise Refused(400, "bad_request", "The parameter “file” is wrong: its name or type is no short line.") from bad
    if not name:
        raise Refused(400, "bad_request", "The parameter “file” is wrong: it has no name.")
    if (file.size or 0) > service.max_file_bytes:
        raise _too_large(name, service)
    data = await file.read()
    if not data:
        raise _empty(name)
    return await _made(key or name, title, url, metadata, name, media_type, data)


async def _made(
    key: str, title: str, url: str, metadata: dict[str, Any], name: str, media_type: str, data: bytes
) -> Upload:
    digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
    return Upload(key, title, url, metadata, name, media_type, data, digest)


def _metadata(said: str) -> dict[str, Any]:
    try:
        return _METADATA.validate_python(parsed(said))
    except ValidationError as bad:
        why = bad.errors()[0]["msg"].removeprefix("Value error, ")
    except ValueError:
        why = "it is no JSON"
    raise Refused(400, "bad_request", f"The parameter “metadata” is wrong: {why}.")


def _empty(name: str) -> Refused:
    return Refused(400, "empty", f"“{name}” is empty.")


def _too_large(name: str, service: Service) -> Refused:
    most = service.max_file_bytes // 2**20
    return Refused(413, "too_large", f"“{name}” is too large: a file may have {most} MiB.")


def _told(accepted: Accepted, response: Response) -> dict[str, str]:
    if not accepted.job:
        response.status_code = 200
    return accepted.shown()
