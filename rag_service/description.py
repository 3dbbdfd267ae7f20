"""The service's OpenAPI document: what FastAPI knows, with the errors as they are."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

TEXT = """Collections of documents, and what they say about a question. Every request carries the house's `rag_key` as a
bearer token, and in `X-Maitre-On-Behalf-Of` a signed token that says who asks. A collection that the caller may not
read is not there for them."""

_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "code": {"type": "string"},
                "param": {"type": ["string", "null"]},
            },
            "required": ["message", "type", "code", "param"],
        }
    },
    "required": ["error"],
}
_REFUSED = {
    "description": "A refusal, in one sentence",
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/Error"},
            "example": {
                "error": {
                    "message": "There is no collection “handbook”.",
                    "type": "invalid_request_error",
                    "code": "unknown_collection",
                    "param": None,
                }
            },
        }
    },
}


def describe(app: FastAPI) -> None:
    """Let the application show this document at /openapi.json."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=TEXT, routes=app.routes)
            app.openapi_schema = _corrected(made)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _corrected(made: dict[str, Any]) -> dict[str, Any]:
    """Every error has one form, and a wrong parameter is a 400; FastAPI would say 422."""
    for methods in made["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _REFUSED
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Error"] = _ERROR
    return made
