"""The check of JSON answers: None for a valid one, else a few words that a model can mend it by."""

from __future__ import annotations

from typing import Any

import pytest

from maitre.assistants.answer_jsonschema import problem, schema_problem

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"verdict": {"enum": ["approve", "change"]}, "notes": {"type": "array", "items": {"type": "string"}}},
    "required": ["verdict"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ('{"verdict": "approve"}', SCHEMA),
        ('{"verdict": "change", "notes": ["ї"]}', SCHEMA),
        ('  {"anything": 1}\n', None),
        ("[1, 2]", None),
        ("5", {"type": "integer"}),
    ],
)
def test_a_valid_answer_has_no_problem(text: str, schema: dict[str, Any] | None) -> None:
    """Whatever fits the schema, or is JSON where there is none, passes."""
    assert problem(text, schema) is None


@pytest.mark.parametrize(
    ("text", "schema", "says"),
    [
        ("", None, "it is not JSON"),
        ("Sure! Here it is.", None, "it is not JSON"),
        ('```json\n{"verdict": "approve"}\n```', SCHEMA, "it is not JSON"),
        ('{"verdict": "approve"', SCHEMA, "it is not JSON"),
        ('{"verdict": "approve"} trailing', SCHEMA, "it is not JSON"),
        ("{}", SCHEMA, "'verdict' is a required property"),
        ('{"verdict": "maybe"}', SCHEMA, "verdict: 'maybe' is not one of"),
        ('{"verdict": "approve", "notes": [1]}', SCHEMA, "notes/0: 1 is not of type 'string'"),
        ('{"verdict": "approve", "x": 1}', SCHEMA, "Additional properties are not allowed"),
        ("[]", SCHEMA, "[] is not of type 'object'"),
    ],
)
def test_a_problem_is_named_with_its_place(text: str, schema: dict[str, Any] | None, says: str) -> None:
    """The words say where and what, for the one repair attempt."""
    found = problem(text, schema)
    assert found is not None
    assert found.startswith(says)


def test_a_problem_is_short() -> None:
    """A huge wrong answer does not come back whole in the repair prompt."""
    found = problem('{"verdict": "' + "x" * 10_000 + '"}', SCHEMA)
    assert found is not None
    assert len(found) < 600


@pytest.mark.parametrize("text", ["NaN", '{"a": Infinity}', '{"a": -Infinity}'])
def test_nan_and_infinity_are_not_json(text: str) -> None:
    """A client in another language could not read them."""
    assert problem(text, None) is not None


def test_bottomless_nesting_is_a_problem_like_any_other() -> None:
    """A model that repeats an opening bracket gets its repair attempt, not an internal error."""
    assert problem("[" * 100_000, None) is not None


@pytest.mark.parametrize(
    "schema",
    [SCHEMA, {}, {"type": "object", "$defs": {"a": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a"}}}],
)
def test_a_sound_schema_has_no_problem(schema: dict[str, Any]) -> None:
    """References within the schema are fine."""
    assert schema_problem(schema) is None


@pytest.mark.parametrize(
    "schema",
    [{"type": "strin"}, {"properties": []}, {"required": "verdict"}, {"minLength": -1}, {"pattern": "("}],
)
def test_a_broken_schema_is_named(schema: dict[str, Any]) -> None:
    """The operator learns of it when the house is checked, not when a guest asks."""
    assert schema_problem(schema)


@pytest.mark.parametrize("ref", ["#/$defs/missing", "http://127.0.0.1:1/schema.json"])
def test_a_reference_that_leads_nowhere_is_named(ref: str) -> None:
    """No schema is fetched from elsewhere, and none is missing."""
    assert schema_problem({"properties": {"x": {"$ref": ref}}})
