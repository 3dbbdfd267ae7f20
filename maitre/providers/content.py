"""The parts of an OpenAI message, as the translations to other wire formats read them. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from maitre.chat.openai_wire import IMAGES

_DATA = re.compile(r"data:(image/[a-z0-9.+-]+);base64,", re.IGNORECASE)


def mapping(value: object) -> Mapping[str, Any]:
    """The object that somebody else sent; empty where it is none."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list that somebody else sent."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def parts_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parts of a message's content; texts that are empty are left out."""
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    known = [{**part, "text": str(part.get("text") or "")} if part["type"] == "text" else part for part in parts]
    return [part for part in known if part["type"] != "text" or part["text"].strip()]


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, its parts joined by line breaks."""
    return "\n".join(part["text"] for part in parts_of(message) if part["type"] == "text")


def picture(part: Mapping[str, Any]) -> tuple[str, str, str]:
    """The URL of a part that is an image, and of a data URL its media type and base64; empty texts for what is none."""
    told = part.get("image_url") if part["type"] in IMAGES else None
    url = told.get("url") if isinstance(told, Mapping) else told
    if not isinstance(url, str):
        return "", "", ""
    data = _DATA.match(url)
    return (url, data[1].lower(), url[data.end() :]) if data else (url, "", "")


def json_object(text: object) -> dict[str, Any]:
    """The arguments of a tool call as an object; words that are none are kept under `arguments`."""
    if isinstance(text, Mapping):
        return dict(text)
    try:
        value = json.loads(str(text or "{}"))
    except (ValueError, RecursionError):
        value = text
    return value if isinstance(value, dict) else {"arguments": value}
