"""The corpus that answers are looked for in, and the questions with their graded documents (corpus/)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("corpus")
LANGUAGES = ("en", "ru", "uk")
#: In other words than the document's; by a code, a number or a name; about a document in another language.
KINDS = ("paraphrase", "exact", "crosslingual")
SPLITS = ("tuning", "heldout")


@dataclass(frozen=True, slots=True)
class Document:
    """A document; `id` begins with its language."""

    id: str
    language: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what answers it: 2 answers it, 1 is of some use, all others are 0."""

    id: str
    split: str
    kind: str  # of KINDS
    language: str  # of the question
    text: str
    relevant: Mapping[str, int]


def documents() -> list[Document]:
    """All, by their ids."""
    return [
        Document(path.stem, language, path.read_bytes())
        for language in LANGUAGES
        for path in sorted((FOLDER / language).glob("*.md"))
    ]


def questions(split: str) -> list[Question]:
    """Those of one split, by their ids."""
    lines = [
        json.loads(line)
        for language in LANGUAGES
        for line in (FOLDER / "questions" / f"{language}.jsonl").read_text("utf-8").splitlines()
    ]
    found = [
        Question(one["id"], one["split"], one["class"], one["language"], one["question"], one["relevant"])
        for one in lines
        if one["split"] == split
    ]
    return sorted(found, key=lambda one: one.id)
