"""`/openapi.json` and `/docs`: what the API is, for machines and for people. Nothing comes from elsewhere."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from gateway.answers import Problem
from gateway.api.api import Api
from gateway.exchange import Exchange
from gateway.openapi.document import document

_PAGE = b"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Maitre: the API</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="page"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script>
</body>
</html>
"""
_START = b'SwaggerUIBundle({url: "/openapi.json", dom_id: "#page", deepLinking: true, tryItOutEnabled: true});\n'

#: What the page needs of Swagger UI, by name.
_TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}

#: The page runs scripts of this house only, and asks nobody else.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)


@cache
def _document() -> bytes:
    return json.dumps(document(), ensure_ascii=False).encode()


@cache
def _file(name: str) -> bytes:
    # Found, not imported: importing it would bring FastAPI along.
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        raise Problem(404, "The page is not installed here; /openapi.json is.")
    return (Path(spec.origin).parent / "static" / name).read_bytes()


async def openapi(api: Api, exchange: Exchange) -> None:
    """The document."""
    await exchange.text(_document(), "application/json")


async def page(api: Api, exchange: Exchange) -> None:
    """The page."""
    exchange.headers["Content-Security-Policy"] = _POLICY
    await exchange.text(_PAGE, "text/html; charset=utf-8")


async def file(api: Api, exchange: Exchange) -> None:
    """A script or a style sheet of the page."""
    name = exchange.values["file"]
    if name == "start.js":
        await exchange.text(_START, "text/javascript; charset=utf-8")
    elif name in _TYPES:
        await exchange.text(_file(name), f"{_TYPES[name]}; charset=utf-8")
    else:
        raise Problem(404, "There is nothing here.")
