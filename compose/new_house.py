"""The first house of a server: the example's files with the sections that a stack wants instead. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from compose.stack.settings import Size
from maitre.house.stack_forms import is_local

#: The example's models, and what takes their place: names that say nothing of a size, so that a larger one may follow.
NAMES = {"smollm2": "llama", "e5": "nomic"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator says of the new house. `chat`, `embedding`: models as Ollama names them."""

    domain: str
    email: str
    size: Size
    chat: str
    embedding: str


def new_house(example: Mapping[str, str], wish: Wish) -> dict[str, str]:
    """The texts of the house's files by path, from those of the example."""
    made = {path: _renamed(text) if path.endswith((".yaml", ".md")) else text for path, text in example.items()}
    text = made["maitre.yaml"]
    for name, section in _sections(wish).items():
        text = replaced(text, name, section)
    return {**made, "maitre.yaml": text}


def replaced(text: str, name: str, section: str) -> str:
    """A maitre.yaml with another text of a section, which may be there as a comment. An empty one takes it out."""
    found = re.search(rf"^(?P<mark>(?:# )?){name}:.*\n(?:\n*(?P=mark) .*\n)*", text, re.MULTILINE)
    assert found, f"the example has no section {name}"
    after = text[found.end() :]
    return text[: found.start()] + (section + after if section else after.lstrip("\n"))


def _renamed(text: str) -> str:
    for old, new in NAMES.items():
        commented = rf"\b{old}\b(\S+)(?= +#)"
        gap = " " * (len(old) - len(new))  # the comment stays in its column
        text = re.sub(rf"\b{old}\b", new, re.sub(commented, rf"{new}\1{gap}", text))
    return text


def _title(model: str) -> str:
    """`llama3.2:1b` as guests read it: Llama 3.2 1B."""
    return " ".join(re.findall(r"[a-z]+|[\d.]+b?", model)).title()


def _sections(wish: Wish) -> dict[str, str]:
    gpu, bare = wish.size == "gpu", is_local(wish.domain)
    return {
        "domain": f"domain: {wish.domain}\n",
        "providers": _PROVIDERS.format(
            name=_title(wish.chat),
            chat=wish.chat,
            embedding=wish.embedding,
            calls=4 if gpu else 2,
            context=8192 if gpu else 4096,
        ),
        "rag": _RAG,
        "groups": "",
        "users": _USERS.format(email=wish.email),
        "stack": _STACK.format(size=wish.size, tls="kind: none" if bare else f"email: {wish.email}"),
    }


_PROVIDERS = """\
providers:
  local:
    kind: ollama
    base_url: http://ollama:11434/v1  # the stack's own
    max_concurrent: {calls}        # calls at once; Ollama gets the same number. Further ones wait in a fair line
    max_waiting_per_user: 4
    max_wait_seconds: 300    # then a guest is refused, and told when to try again
    models:
      llama: {{ name: {name}, upstream: "{chat}", context: {context} }}

  embedder:
    kind: ollama
    base_url: http://ollama:11434/v1
    max_concurrent: {calls}
    max_waiting_per_user: 16 # a folder that is indexed asks often
    max_wait_seconds: 300
    models:
      nomic: {{ name: Nomic, upstream: {embedding}, context: 2048, embedding: true }}
"""

_RAG = """\
rag:                         # leave it and `knowledge` out for a house without knowledge
  embedding: nomic           # the model of all collections; another one needs new collections
  query: { prefix: "search_query: " }  # how the model is told that a text is a question, or a passage
  passage: { prefix: "search_document: " }
  max_file_mb: 50
"""

_USERS = """\
users:                       # `demo: true`: `cli init` makes up a password, kept in .maitre/logins.json
  - {{ email: {email}, name: Administrator, role: admin, plan: business }}
"""

_STACK = """\
stack:                       # every field: docs/configuration.md
  size: {size}
  profiles: []               # [langfuse] has traces, and wants 8 GB more
  tls: {{ {tls} }}
"""
