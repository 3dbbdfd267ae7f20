"""What the house's files say of its knowledge. Pure."""

from __future__ import annotations

from dataclasses import dataclass

#: Languages of a collection: what PostgreSQL 18 can stem, and `simple` for all others (it has no Ukrainian).
LANGUAGES = (
    "simple", "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german",
    "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese",
    "romanian", "russian", "serbian", "spanish", "swedish", "tamil", "turkish", "yiddish", "ukrainian",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextForm:
    """How an embedder is told what a text is: by words before it (nomic, e5), or by a field of the request."""

    prefix: str = ""
    input_type: str | None = None


@dataclass(frozen=True, slots=True)
class Rag:
    """How the house makes its knowledge. `embedding` is the model's id; sizes in bytes."""

    embedding: str
    query: TextForm = TextForm()
    passage: TextForm = TextForm()
    docling: str | None = None
    max_file_bytes: int = 50 * 2**20
    answer_model: str | None = None  # answers questions to the RAG service where a request names no model


@dataclass(frozen=True, slots=True)
class Readers:
    """Who may read: users by e-mail, Open WebUI's groups by name, assistants by slug."""

    everyone: bool = False
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    assistants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection that `cli seed` keeps. `owner` (an e-mail) pays for its embeddings; None: the house's first
    administrator. `files` are patterns below the house's folder."""

    name: str
    title: str
    description: str = ""
    language: str = "simple"
    owner: str | None = None
    readers: Readers = Readers()
    files: tuple[str, ...] = ()
    index: str = "hnsw"
