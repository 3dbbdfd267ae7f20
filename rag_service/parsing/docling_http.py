"""The client of docling-serve: a file goes there, its text comes back as Docling's JSON."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from maitre.errors import MaitreError
from rag_service.errors import Unreadable


@dataclass(frozen=True, slots=True)
class Docling:
    """Where docling-serve is; how long a file may take (seconds), how large its answer may be (bytes)."""

    url: str
    seconds: float = 600
    answer: int = 200 * 2**20


class DoclingDown(MaitreError):
    """Docling cannot be reached, is too slow or fails by itself: the same file may be read later."""


async def convert(docling: Docling, name: str, data: bytes, media_type: str) -> dict[str, Any]:
    """Docling's JSON document of a file. Raises Unreadable (Docling cannot read it) or DoclingDown."""
    form = aiohttp.FormData()
    form.add_field("files", data, filename=name, content_type=media_type)
    form.add_field("to_formats", "json")
    form.add_field("image_export_mode", "placeholder")
    limit = aiohttp.ClientTimeout(total=docling.seconds, sock_connect=10)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.post(f"{docling.url.rstrip('/')}/v1/convert/file", data=form) as response,
        ):
            body = await _bounded(response, docling.answer)
            status = response.status
    except TimeoutError as error:
        raise DoclingDown(f"Docling did not answer within {docling.seconds:g} seconds.") from error
    except aiohttp.ClientError as error:
        raise DoclingDown(f"Docling at {docling.url} cannot be reached: {error}.") from error
    if status == 413:
        raise Unreadable("too_large", "The file is larger than Docling accepts.")
    if status != 200:
        raise DoclingDown(f"Docling answered with status {status}.")
    return _document(body)


def fetch(docling: Docling, name: str, data: bytes, media_type: str) -> dict[str, Any]:
    """The same for a thread or process that has no event loop."""
    return asyncio.run(convert(docling, name, data, media_type))


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_chunked(1 << 16):
        size += len(part)
        if size > limit:
            raise Unreadable("too_large", f"Docling's answer has more than {limit >> 20} MB.")
        parts.append(part)
    return b"".join(parts)


def _document(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
        status, document = answer["status"], (answer.get("document") or {}).get("json_content")
        errors = [str(error.get("error_message", "")) for error in answer.get("errors") or ()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DoclingDown("Docling's answer is not what docling-serve sends.") from error
    if status not in ("success", "partial_success") or not isinstance(document, dict):
        reason = " ".join(errors)[:300] or "it gave no reason"
        raise Unreadable("broken", f"Docling could not read the file: {reason}.")
    return document
