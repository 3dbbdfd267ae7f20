"""Subjects: whose windows a call is counted in. One call belongs to its account, key, assistant, model, provider,
and to the house."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

#: From the narrowest to the widest.
SCOPES = ("account", "key", "assistant", "model", "provider", "house")


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that can have limits. The house's id is empty."""

    scope: str
    id: str

    def __str__(self) -> str:
        return f"{self.scope}:{self.id}"


#: The whole house.
HOUSE = Subject("house", "")


@lru_cache(4096)  # a guest calls often
def subjects(
    *, account: str, key: str = "", assistant: str = "", model: str = "", provider: str = ""
) -> tuple[Subject, ...]:
    """The subjects of a call, the account first. What is empty does not take part; the house always does."""
    ids = {"account": account, "key": key, "assistant": assistant, "model": model, "provider": provider}
    return (*(Subject(scope, id) for scope, id in ids.items() if id), HOUSE)
