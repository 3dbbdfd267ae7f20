"""The schemas of an OpenAPI document as plain JSON Schema: references written out, within bounds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: A schema that is larger or deeper when its references are written out is not given to a model.
MOST_PARTS, DEEPEST = 2000, 30

#: What is kept of a schema. `pattern` is left to the server: an expression from a document is not run here.
_WORDS = """
type title description default enum const format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength
maxLength minItems maxItems uniqueItems minProperties maxProperties required
"""
_KEPT = frozenset(_WORDS.split())
_ONE, _LIST, _NAMED = ("items", "additionalProperties", "not"), ("oneOf", "anyOf", "allOf"), ("properties",)


class Wrong(ValueError):
    """What is wrong with a document, in a few words."""


class Document:
    """One document, of which a bounded number of parts is written out."""

    def __init__(self, whole: Mapping[str, Any]) -> None:
        self._whole = whole
        self._parts = 0

    def followed(self, written: object) -> Mapping[str, Any]:
        """The object, or the one that its reference leads to. Raises Wrong."""
        for _ in range(DEEPEST):
            if not isinstance(written, Mapping):
                raise Wrong("something in it is no object")
            if "$ref" not in written:
                return written
            written = self._found(str(written["$ref"]))
        raise Wrong("its references lead in a circle")

    def schema(self, written: object, within: tuple[str, ...] = (), depth: int = 0) -> dict[str, Any]:
        """A schema with its references written out. What contains itself may be anything where it does so again.
        Raises Wrong."""
        self._parts += 1
        if self._parts > MOST_PARTS or depth > DEEPEST:
            raise Wrong("its schemas are too large")
        if isinstance(written, bool):
            return {} if written else {"not": {}}
        if not isinstance(written, Mapping):
            raise Wrong("a schema in it is no object")
        if "$ref" in written:
            ref = str(written["$ref"])
            return {} if ref in within else self.schema(self._found(ref), (*within, ref), depth + 1)
        plain: dict[str, Any] = {name: value for name, value in written.items() if name in _KEPT}
        for name in _ONE:
            if isinstance(written.get(name), bool):
                plain[name] = written[name]
            elif name in written:
                plain[name] = self.schema(written[name], within, depth + 1)
        for name in _LIST:
            if isinstance(written.get(name), list):
                plain[name] = [self.schema(one, within, depth + 1) for one in written[name]]
        for name in _NAMED:
            if isinstance(written.get(name), Mapping):
                plain[name] = {str(key): self.schema(one, within, depth + 1) for key, one in written[name].items()}
        return _of_today(plain, nullable=written.get("nullable") is True)

    def _found(self, ref: str) -> object:
        if not ref.startswith("#/"):
            raise Wrong(f"$ref “{ref}” leads out of the document")
        place: object = self._whole
        for part in ref[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(place, Mapping) or name not in place:
                raise Wrong(f"$ref “{ref}” leads nowhere")
            place = place[name]
        return place


def _of_today(schema: dict[str, Any], *, nullable: bool) -> dict[str, Any]:
    """OpenAPI 3.0 as JSON Schema has it since."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and bound in schema:
            schema[exclusive] = schema.pop(bound)
    if nullable and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    return schema
