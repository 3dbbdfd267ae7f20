"""What clients send, as pydantic checks it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from rag_service.access import Owner, Readers
from rag_service.languages import LANGUAGES
from rag_service.names import NAME
from rag_service.plain import problem_of, text_problem

MAX_TEXT = 10 * 2**20  # characters of an /index-text; what is longer comes as a file


def _clean(text: str) -> str:
    if problem := text_problem(text):
        raise ValueError(problem)
    return text


def _line(text: str) -> str:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError("it must be one line without control characters")
    return _clean(text)


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError("a name has 1 to 100 of a-z, 0-9, “.”, “_” and “-”, and begins with a letter or a digit")
    return text


def is_link(text: str) -> bool:
    """Whether a browser may follow it from a source of an answer: no script."""
    return re.fullmatch(r"https?://[^\s]+", text, re.IGNORECASE) is not None


def _link(text: str) -> str:
    if text and not is_link(text):
        raise ValueError("it must begin with http:// or https://, and hold no space")
    return _line(text)


def _language(text: str) -> str:
    if text not in LANGUAGES:
        raise ValueError(f"the languages are {', '.join(sorted(LANGUAGES))}")
    return text


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    if problem := problem_of(value, size=16_000):
        raise ValueError(problem)
    if any(not 0 < len(key) <= 200 for key in value):
        raise ValueError("a key has 1 to 200 characters")
    return value


def _address(text: str) -> str:
    # SQLAlchemy's addresses, which the stock store is given, name a driver too.
    plain = re.sub(r"^postgres(ql)?\+\w+://", "postgresql://", _line(text))
    try:
        conninfo_to_dict(plain)
    except ProgrammingError:
        raise ValueError("it is no address of a PostgreSQL database") from None  # the driver quotes it
    return plain


Name = Annotated[str, AfterValidator(_name)]
Line = Annotated[str, StringConstraints(max_length=500), AfterValidator(_line)]
Some = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_line)]
Text = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_clean)]
Link = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_link)]
Language = Annotated[str, AfterValidator(_language)]
Metadata = Annotated[dict[str, Any], AfterValidator(_metadata)]
Address = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_address)]
Index = Literal["hnsw", "ivfflat", "exact"]


class Form(BaseModel):
    """An object that has these fields and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class OwnerForm(Form):
    """Who pays for a collection's embeddings, and may change it."""

    user: Line = ""
    email: Line = ""

    def noun(self) -> Owner:
        """The owner that it names."""
        return Owner(self.user.strip().lower(), self.email.strip().lower())


class ReadersForm(Form):
    """Who may read besides the owner."""

    everyone: bool = False
    users: list[Some] = Field([], max_length=1000)
    groups: list[Some] = Field([], max_length=1000)
    assistants: list[Some] = Field([], max_length=1000)

    def noun(self) -> Readers:
        """The readers that it names."""
        users = tuple(sorted({user.lower() for user in self.users}))
        return Readers(self.everyone, users, tuple(sorted(set(self.groups))), tuple(sorted(set(self.assistants))))


class CollectionForm(Form):
    """What a collection is to be like; what is left out stays as it is."""

    title: Some | None = Field(None, examples=["Handbook"])
    description: Text | None = Field(None, examples=["How we work"])
    language: Language | None = Field(None, examples=["english"])
    index: Index | None = None
    owner: OwnerForm | None = None
    readers: ReadersForm | None = Field(None, examples=[{"groups": ["staff"]}])


class NewCollectionForm(CollectionForm):
    """A collection that is not there yet."""

    name: Name = Field(examples=["handbook"])


class TextForm(Form):
    """A text to be indexed as a document. `key` is its name in the collection; without one, its title is."""

    collection: Name = Field(examples=["handbook"])
    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT), AfterValidator(_clean)] = Field(
        examples=["Guests may bring one dog."]
    )
    title: Line = Field("", examples=["Dogs"])
    key: Line = Field("", examples=["dogs"])
    url: Link = ""
    metadata: Metadata = Field({}, examples=[{"year": 2026}])


class ImportForm(Form):
    """A table of `llama-index-vector-stores-postgres`, by its `table_name`, and the database that it is in."""

    dsn: Address = Field(examples=["postgresql://reader:password@db.example/old"])
    table: Some = Field(examples=["chunks"])


class QueryForm(Form):
    """A question to the collections that the caller may read. `mmr` from 0 (differing) to 1 (relevant)."""

    question: Annotated[
        str, StringConstraints(min_length=1, max_length=8000, pattern=r"\S"), AfterValidator(_clean)
    ] = Field(examples=["May I bring a dog?"])
    collections: list[Line] | None = Field(None, max_length=1000, examples=[["handbook"]])
    limit: int = Field(5, ge=1, le=50)
    mode: Literal["hybrid", "dense", "text"] = "hybrid"
    mmr: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    filters: Any = Field(None, examples=[{"filters": [{"key": "year", "operator": ">=", "value": 2024}]}])
    answer: bool = False
    model: Line | None = Field(None, examples=["models.smollm2"])
