"""A client that brings documents over HTTP."""

from __future__ import annotations

import time
from typing import Any

import aiohttp

from maitre.settings import House
from rag_service.callers import HEADER, sign
from tests.rag_service.ingest.desk import OWNER


async def upload(house: House, url: str, collection: str, content: str) -> dict[str, Any] | None:
    """What the service answers to the file `notes`; None when it dies of it, or says that it is in trouble."""
    key = house.secret("rag_key")
    headers = {"authorization": f"Bearer {key}", HEADER: sign(key, time.time(), user_id=OWNER)}
    form = aiohttp.FormData({"collection": collection, "key": "notes"})
    form.add_field("file", content.encode(), filename="notes.md")
    async with aiohttp.ClientSession(headers=headers) as session:
        try:
            async with session.post(f"{url}/index-document", data=form) as answer:
                told: dict[str, Any] = await answer.json()
                assert answer.status in (200, 202) or answer.status >= 500, told
                return told if answer.status < 500 else None
        except aiohttp.ClientError:
            return None
